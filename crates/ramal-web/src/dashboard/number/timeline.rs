//! What happened to a number, in words: its events and its pairing attempts.

use ramal_app::{Language, PairingAttempt};
use ramal_domain::{EventKind, Timestamp};
use ramal_store::{AttemptOutcome, PastEvent};
use serde_json::Value;

use super::words;
use crate::dashboard::texts::texts;

texts! {
    /// What happened.
    TimelineTexts {
        created: "Número criado", "Number created", "Número creado";
        connected: "Conectado", "Connected", "Conectado";
        disconnected: "Desconectado", "Disconnected", "Desconectado";
        removed: "Excluído", "Deleted", "Eliminado";
        restored: "Restaurado", "Restored", "Restaurado";
        passkey: "O WhatsApp pediu a chave de acesso", "WhatsApp asked for the passkey", "WhatsApp pidió la llave de acceso";
        confirm: "Falta confirmar o código da chave de acesso", "The passkey's code is to be confirmed", "Falta confirmar el código de la llave de acceso";
        asked: "Outro celular escaneou; alguém precisa decidir", "Another phone scanned; somebody must decide", "Otro teléfono escaneó; alguien debe decidir";
        wrong: "Outro celular escaneou", "Another phone scanned", "Otro teléfono escaneó";
        phones: "Esperado {expected}, escaneou {actual}", "Expected {expected}, scanned {actual}", "Esperado {expected}, escaneó {actual}";
        adopted: "O número dele foi adotado.", "Its number was adopted.", "Se adoptó su número.";
        rejected: "Foi desconectado.", "It was unlinked.", "Fue desvinculado.";
        taken: "Outro número já usa esse telefone, então foi desconectado.",
            "Another number has that phone already, so it was unlinked.",
            "Otro número ya usa ese teléfono, así que fue desvinculado.";
        blocked: "Parou de funcionar", "Stopped working", "Dejó de funcionar";
        degraded: "Funcionando mal", "Working badly", "Funciona mal";
        recovered: "De volta ao normal", "Well again", "De vuelta a la normalidad";
        other: "Outra coisa aconteceu", "Something else happened", "Ocurrió otra cosa";
        attempt: "Tentativa de conexão", "Pairing attempt", "Intento de conexión";
        attempt_running: "Em andamento", "Under way", "En curso";
        attempt_open: "Conectou", "It connected", "Se conectó";
        codes: "Códigos QR mostrados: {n}", "QR codes shown: {n}", "Códigos QR mostrados: {n}";
        scanned: "Um celular respondeu", "A phone answered", "Un teléfono respondió";
    }
}

/// How something looks in the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::dashboard) enum Tone {
    Plain,
    Good,
    Bad,
    Warn,
}

impl Tone {
    /// The class of the stylesheet.
    pub(in crate::dashboard) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "plain-dot",
            Self::Good => "good-dot",
            Self::Bad => "bad-dot",
            Self::Warn => "warn-dot",
        }
    }
}

/// One thing that happened.
#[derive(Debug)]
pub(in crate::dashboard) struct Happened {
    pub(in crate::dashboard) at: Timestamp,
    pub(in crate::dashboard) what: &'static str,
    pub(in crate::dashboard) details: Vec<String>,
    pub(in crate::dashboard) tone: Tone,
}

/// Events and attempts together, newest first.
pub(super) fn timeline(
    events: &[PastEvent],
    attempts: &[PairingAttempt],
    language: Language,
) -> Vec<Happened> {
    let mut all: Vec<Happened> = events.iter().map(|event| of_event(event, language)).collect();
    all.extend(attempts.iter().map(|attempt| of_attempt(attempt, language)));
    all.sort_by_key(|happened| std::cmp::Reverse(happened.at));
    all
}

fn of_event(event: &PastEvent, language: Language) -> Happened {
    use EventKind as K;
    let t = TimelineTexts::of(language);
    let body: Value = serde_json::from_str(&event.body).unwrap_or_default();
    let data = body.get("data").unwrap_or(&Value::Null);
    let text = |key: &str| data.get(key).and_then(Value::as_str);
    let reason = text("errorCode").and_then(|code| words::reason_of_code(code, language));
    let (what, tone) = match event.kind {
        K::NumberCreated => (t.created, Tone::Plain),
        K::NumberConnected => (t.connected, Tone::Good),
        K::NumberDisconnected => (t.disconnected, Tone::Bad),
        K::NumberRemoved => (t.removed, Tone::Bad),
        K::NumberRestored => (t.restored, Tone::Plain),
        K::NumberActionRequired => (of_action(data, t), Tone::Warn),
        K::NumberWrongPhone => (t.wrong, Tone::Warn),
        K::NumberHealthBlocked => (t.blocked, Tone::Bad),
        K::NumberHealthDegraded => (t.degraded, Tone::Warn),
        K::NumberRecovered => (t.recovered, Tone::Good),
        K::MessageSent
        | K::MessageDelivered
        | K::MessageRead
        | K::MessageFailed
        | K::MessageReceived
        | K::MessageReply
        | K::MessageGroup
        | K::MessageNewsletter
        | K::MessageEdited
        | K::MessageDeleted
        | K::WebhookTest => (t.other, Tone::Plain),
    };
    let mut details: Vec<String> = Vec::new();
    if let (Some(expected), Some(actual)) = (text("expectedPhone"), text("actualPhone")) {
        details.push(t.phones.replace("{expected}", expected).replace("{actual}", actual));
    }
    match text("outcome") {
        Some("adopted") => details.push(t.adopted.to_owned()),
        Some("rejected") => details.push(t.rejected.to_owned()),
        Some("taken") => details.push(t.taken.to_owned()),
        _ => details.extend(reason.map(str::to_owned)),
    }
    Happened { at: event.at, what, details, tone }
}

fn of_action(data: &Value, t: &TimelineTexts) -> &'static str {
    match data.pointer("/actionRequired/type").and_then(Value::as_str) {
        Some("PASSKEY_CONFIRMATION") => t.confirm,
        Some("WRONG_PHONE") => t.asked,
        _ => t.passkey,
    }
}

fn of_attempt(attempt: &PairingAttempt, language: Language) -> Happened {
    let t = TimelineTexts::of(language);
    let reason = attempt.reason.as_deref().and_then(|code| words::reason_of_code(code, language));
    let (outcome, tone) = match attempt.outcome {
        None => (Some(t.attempt_running), Tone::Plain),
        Some(AttemptOutcome::Open) => (Some(t.attempt_open), Tone::Good),
        Some(AttemptOutcome::Expired | AttemptOutcome::Refused | AttemptOutcome::Failed) => {
            (reason, Tone::Warn)
        }
    };
    let mut details: Vec<String> = outcome.map(str::to_owned).into_iter().collect();
    if attempt.qr_codes > 0 {
        details.push(t.codes.replace("{n}", &attempt.qr_codes.to_string()));
    }
    if attempt.scanned_at.is_some() {
        details.push(t.scanned.to_owned());
    }
    Happened { at: attempt.started_at, what: t.attempt, details, tone }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: EventKind, body: &str, at: i64) -> PastEvent {
        PastEvent { kind, body: body.to_owned(), at: Timestamp::from_secs(at) }
    }

    #[test]
    fn a_disconnection_says_why_in_the_reader_s_language() {
        let body = r#"{"event":"number.disconnected","data":{"errorCode":"LOGGED_OUT"}}"#;
        let told = of_event(&event(EventKind::NumberDisconnected, body, 1), Language::Portuguese);

        assert_eq!(told.what, "Desconectado");
        assert!(told.details.first().is_some_and(|why| why.contains("desconectado no celular")));
    }

    #[test]
    fn both_phones_are_told_as_the_event_masks_them() {
        let body = r#"{"data":{"expectedPhone":"+5511****1","actualPhone":"+5521****2","outcome":"rejected","errorCode":"WRONG_PHONE"}}"#;
        let told = of_event(&event(EventKind::NumberWrongPhone, body, 1), Language::English);

        assert_eq!(told.details, ["Expected +5511****1, scanned +5521****2", "It was unlinked."]);
    }

    #[test]
    fn the_newest_comes_first_whatever_it_is() {
        let attempt = PairingAttempt {
            started_at: Timestamp::from_secs(2),
            qr_at: None,
            qr_codes: 3,
            code_at: None,
            action_at: None,
            scanned_at: None,
            ended_at: Some(Timestamp::from_secs(3)),
            outcome: Some(AttemptOutcome::Expired),
            reason: Some("CODES_EXPIRED".to_owned()),
        };
        let events =
            [event(EventKind::NumberConnected, "{}", 4), event(EventKind::NumberCreated, "{}", 1)];
        let told = timeline(&events, &[attempt], Language::English);

        let whats: Vec<_> = told.iter().map(|happened| happened.what).collect();
        assert_eq!(whats, ["Connected", "Pairing attempt", "Number created"]);
    }
}
