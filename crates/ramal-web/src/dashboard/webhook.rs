//! One webhook: how it is doing, its log, and everything that is done to it.

use askama::Template;
use axum::{
    Router,
    extract::State,
    response::Response,
    routing::{get, post},
};
use http::HeaderMap;
use ramal_app::{Replay, Span, WebhookPatch};
use ramal_domain::{EventKind, Timestamp};
use ramal_store::{LoggedAttempt, Outcomes, PendingDelivery, Webhook};
use serde::Deserialize;

use super::{
    answer::{PageError, after},
    frame::{Frame, Section},
    session::{Posted, SignedIn},
    sign_in::Nothing,
    texts::{Done, texts},
    webhooks::{self, EVERYTHING, EventChoice, WebhooksTexts},
};
use crate::{
    Web,
    extract::{Path, Query},
};

/// The chart's size, in its own units.
const CHART_HEIGHT: u64 = 100;
const BAR_WIDTH: u64 = 20;

pub(super) fn router() -> Router<Web> {
    Router::new()
        .route("/webhooks/{id}", get(look).post(change))
        .route("/webhooks/{id}/pause", post(pause))
        .route("/webhooks/{id}/resume", post(resume))
        .route("/webhooks/{id}/test", post(test))
        .route("/webhooks/{id}/rotate", post(rotate))
        .route("/webhooks/{id}/replay", post(replay))
        .route("/webhooks/{id}/delete", post(delete))
        .route("/webhooks/{id}/deliveries/{delivery}/redeliver", post(redeliver))
}

texts! {
    /// One webhook.
    WebhookTexts {
        back: "Webhooks", "Webhooks", "Webhooks";
        secret_title: "O segredo deste webhook", "This webhook's secret", "El secreto de este webhook";
        secret_how: "Com ele o seu sistema confere que um evento veio daqui: o cabeçalho webhook-signature segue o Standard Webhooks, e x-pilot-status-signature é o HMAC-SHA256 do corpo.",
            "With it your system checks that an event came from here: the header webhook-signature follows Standard Webhooks, and x-pilot-status-signature is the HMAC-SHA256 of the body.",
            "Con él su sistema comprueba que un evento vino de aquí: el encabezado webhook-signature sigue Standard Webhooks, y x-pilot-status-signature es el HMAC-SHA256 del cuerpo.";
        old_until: "O segredo anterior também assina até", "The secret before it signs as well until", "El secreto anterior también firma hasta";
        facts: "Situação", "How it is doing", "Situación";
        address: "Endereço", "Address", "Dirección";
        number: "Número", "Number", "Número";
        last: "Última entrega", "Last delivery", "Última entrega";
        identifier: "Identificador", "Id", "Identificador";
        pause: "Pausar", "Pause", "Pausar";
        resume: "Reativar", "Resume", "Reactivar";
        test: "Enviar um teste", "Send a test", "Enviar una prueba";
        rotate: "Trocar o segredo", "Replace the secret", "Reemplazar el secreto";
        rotate_hint: "O novo segredo é mostrado uma vez. O atual ainda assina por um dia, para você trocar sem pressa.",
            "The new secret is shown once. The present one signs for another day, so that you can change over without haste.",
            "El nuevo secreto se muestra una vez. El actual firma un día más, para que lo cambie sin prisa.";
        chart: "Entregas", "Deliveries", "Entregas";
        day: "24 horas", "24 hours", "24 horas";
        fortnight: "14 dias", "14 days", "14 días";
        succeeded: "deram certo", "succeeded", "funcionaron";
        failed: "falharam", "failed", "fallaron";
        chart_text: "{ok} deram certo, {bad} falharam", "{ok} succeeded, {bad} failed", "{ok} funcionaron, {bad} fallaron";
        chart_table: "Em números", "In numbers", "En números";
        chart_empty: "Nada foi entregue neste período.", "Nothing was delivered in this time.", "Nada se entregó en este período.";
        when: "Quando", "When", "Cuándo";
        log: "Registro de entregas", "Delivery log", "Registro de entregas";
        log_empty: "Ainda não há entregas. Envie um teste.", "No deliveries yet. Send a test.", "Aún no hay entregas. Envíe una prueba.";
        every_event: "Todos os eventos", "Every event", "Todos los eventos";
        show: "Mostrar", "Show", "Mostrar";
        attempt: "tentativa", "attempt", "intento";
        no_answer: "sem resposta", "no answer", "sin respuesta";
        ok: "entregue", "delivered", "entregado";
        not_ok: "falhou", "failed", "falló";
        pending: "a caminho", "on its way", "en camino";
        due: "próxima tentativa", "next attempt", "próximo intento";
        payload: "O que foi enviado", "What was sent", "Lo que se envió";
        response: "A resposta", "The answer", "La respuesta";
        redeliver: "Entregar de novo", "Deliver again", "Entregar de nuevo";
        edit: "Editar", "Edit", "Editar";
        replay: "Reenviar o que faltou", "Send again what was missed", "Reenviar lo que faltó";
        replay_hint: "Eventos deste período que não foram entregues: desistidos, ou de quando o webhook estava pausado. O horário é UTC.",
            "Events of this time that were not delivered: given up, or from while the webhook was paused. Times are UTC.",
            "Eventos de este período que no se entregaron: abandonados, o de cuando el webhook estaba en pausa. La hora es UTC.";
        since: "Desde", "Since", "Desde";
        until: "Até", "Until", "Hasta";
        replay_do: "Reenviar", "Send again", "Reenviar";
        delete_hint: "O registro some junto. O que estiver a caminho não será mais entregue.",
            "Its log goes with it. What is on its way is not delivered any more.",
            "Su registro se va con él. Lo que esté en camino ya no se entrega.";
        type_name: "Digite {name} para confirmar", "Type {name} to confirm", "Escriba {name} para confirmar";
        e_created: "número criado", "number created", "número creado";
        e_connected: "número conectado", "number connected", "número conectado";
        e_disconnected: "número desconectado", "number disconnected", "número desconectado";
        e_removed: "número excluído", "number deleted", "número eliminado";
        e_restored: "número restaurado", "number restored", "número restaurado";
        e_sent: "mensagem enviada", "message sent", "mensaje enviado";
        e_delivered: "mensagem entregue", "message delivered", "mensaje entregado";
        e_read: "mensagem lida", "message read", "mensaje leído";
        e_failed: "mensagem falhou", "message failed", "mensaje falló";
        e_received: "mensagem recebida", "message received", "mensaje recibido";
        e_group: "mensagem de grupo", "message in a group", "mensaje de grupo";
        e_channel: "publicação de canal", "post in a channel", "publicación de canal";
        e_other: "outro evento", "another event", "otro evento";
    }
}

impl WebhookTexts {
    /// Every event that can be chosen, with its words.
    pub(super) fn events(&self) -> Vec<(&'static str, &'static str)> {
        let selectable = EventKind::ALL.iter().filter(|kind| kind.is_selectable());
        let chosen = selectable.filter(|kind| **kind != EventKind::WebhookTest);
        chosen.map(|kind| (kind.name(), self.words(kind.name()))).collect()
    }

    fn words(&self, name: &str) -> &'static str {
        match name {
            "number.created" => self.e_created,
            "number.connected" => self.e_connected,
            "number.disconnected" => self.e_disconnected,
            "number.removed" => self.e_removed,
            "number.restored" => self.e_restored,
            "message.sent" => self.e_sent,
            "message.delivered" => self.e_delivered,
            "message.read" => self.e_read,
            "message.failed" => self.e_failed,
            "message.received" => self.e_received,
            "message.group" => self.e_group,
            "message.newsletter" => self.e_channel,
            _ => self.e_other,
        }
    }
}

/// A secret, in the answer to who made it.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) secret: String,
    pub(super) old_until: Option<Timestamp>,
}

/// One bar of the chart, from the ground: failures stand on successes.
#[derive(Debug)]
struct Bar {
    at: Timestamp,
    x: u64,
    width: u64,
    good: u64,
    good_y: u64,
    bad: u64,
    bad_y: u64,
    outcomes: Outcomes,
}

/// One line of the log.
#[derive(Debug)]
struct Line {
    delivery: String,
    event: String,
    kind: &'static str,
    at: Timestamp,
    attempt: i64,
    /// `good`, `bad`, or `warn` while it is on its way.
    badge: &'static str,
    state: &'static str,
    status: Option<u16>,
    milliseconds: Option<u128>,
    payload: String,
    response: Option<String>,
    note: Option<String>,
    due: Option<Timestamp>,
}

#[derive(Template)]
#[template(path = "dashboard/webhook.html")]
struct WebhookPage {
    frame: Frame,
    texts: &'static WebhookTexts,
    list: &'static WebhooksTexts,
    id: String,
    webhook: Webhook,
    badge: &'static str,
    state: &'static str,
    number: String,
    shown: Option<Shown>,
    fortnight: bool,
    bars: Vec<Bar>,
    chart_width: u64,
    chart_text: String,
    total: u64,
    log: Vec<Line>,
    /// The event that the log is limited to.
    filter: String,
    events: Vec<EventChoice>,
    everything: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Wanted {
    #[serde(default)]
    span: String,
    #[serde(default)]
    event: String,
}

async fn look(
    State(web): State<Web>,
    by: SignedIn,
    Path(id): Path<String>,
    Query(wanted): Query<Wanted>,
    headers: HeaderMap,
) -> Result<Response, PageError> {
    render(&web, &by, &headers, &id, wanted, None).await
}

/// The page of a webhook, with a secret that was just made.
pub(super) async fn show(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    id: &str,
    shown: Option<Shown>,
) -> Result<Response, PageError> {
    render(web, by, headers, id, Wanted::default(), shown).await
}

async fn render(
    web: &Web,
    by: &SignedIn,
    headers: &HeaderMap,
    id: &str,
    wanted: Wanted,
    shown: Option<Shown>,
) -> Result<Response, PageError> {
    let (texts, list) = (WebhookTexts::of(by.language), WebhooksTexts::of(by.language));
    let webhook = web.app.get_webhook(&by.caller, id).await?;
    let fortnight = wanted.span == "14d";
    let span = if fortnight { Span::Fortnight } else { Span::Day };
    let kind: Option<EventKind> = wanted.event.parse().ok();
    let deliveries = web.app.webhook_stats(&webhook, span, kind).await?;
    let log = web.app.webhook_log(&by.caller, id, kind.map(EventKind::name), None).await?;
    let pending = deliveries.pending.iter().map(|delivery| pending_line(delivery, texts));
    let tried = log.iter().map(|attempt| line(attempt, texts));
    let names = webhooks::numbers(web, by).await?;
    let (badge, state) = webhooks::state(&webhook, list);
    let sum =
        |of: fn(&Outcomes) -> u64| deliveries.bars.iter().map(|(_, outcomes)| of(outcomes)).sum();
    let (good, bad): (u64, u64) = (sum(|o| o.succeeded), sum(|o| o.failed));
    let chart_text = texts.chart_text.replace("{ok}", &good.to_string());
    let path = format!("/webhooks/{id}");
    let page = WebhookPage {
        frame: Frame::new(web, by, Section::Webhooks, &path, headers),
        log: pending.chain(tried).collect(),
        bars: bars(&deliveries.bars),
        chart_width: u64::try_from(deliveries.bars.len()).unwrap_or_default() * BAR_WIDTH,
        chart_text: chart_text.replace("{bad}", &bad.to_string()),
        total: good + bad,
        number: names.get(&webhook.number).cloned().unwrap_or_default(),
        events: webhooks::choices(texts, &webhook.events),
        everything: webhook.events.iter().any(|name| name == EVERYTHING),
        filter: kind.map(|kind| kind.name().to_owned()).unwrap_or_default(),
        id: id.to_owned(),
        texts,
        list,
        webhook,
        badge,
        state,
        shown,
        fortnight,
    };
    page.frame.answer(web, &page)
}

fn bars(spans: &[(Timestamp, Outcomes)]) -> Vec<Bar> {
    let highest = spans.iter().map(|(_, outcomes)| outcomes.total()).max().unwrap_or_default();
    // Something that happened is never drawn as nothing.
    let height = |count: u64| match count {
        0 => 0,
        _ => (count * CHART_HEIGHT / highest.max(1)).max(2),
    };
    let placed = (0_u64..).zip(spans);
    placed
        .map(|(index, &(at, outcomes))| {
            let (good, bad) = (height(outcomes.succeeded), height(outcomes.failed));
            let good_y = CHART_HEIGHT.saturating_sub(good);
            Bar {
                at,
                x: index * BAR_WIDTH + 2,
                width: BAR_WIDTH - 4,
                good,
                good_y,
                bad,
                bad_y: good_y.saturating_sub(bad),
                outcomes,
            }
        })
        .collect()
}

fn line(attempt: &LoggedAttempt, texts: &'static WebhookTexts) -> Line {
    let (badge, state) = if attempt.success { ("good", texts.ok) } else { ("bad", texts.not_ok) };
    Line {
        delivery: attempt.delivery.to_string(),
        event: attempt.event.to_string(),
        kind: attempt.kind.name(),
        at: attempt.at,
        attempt: attempt.attempt,
        badge,
        state,
        status: attempt.status,
        milliseconds: Some(attempt.duration.as_millis()),
        payload: pretty(&attempt.payload),
        response: Some(attempt.response.clone()),
        note: attempt.note.clone(),
        due: None,
    }
}

fn pending_line(delivery: &PendingDelivery, texts: &'static WebhookTexts) -> Line {
    Line {
        delivery: delivery.id.to_string(),
        event: delivery.event.to_string(),
        kind: delivery.kind.name(),
        at: delivery.created_at,
        attempt: delivery.attempts,
        badge: "warn",
        state: texts.pending,
        status: None,
        milliseconds: None,
        payload: pretty(&delivery.payload),
        response: None,
        note: None,
        // A first attempt is due at once, which is no news.
        due: (delivery.attempts > 0).then_some(delivery.due_at),
    }
}

/// JSON with a line for each field; what is no JSON stays as it is.
fn pretty(payload: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(payload).ok();
    let printed = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    printed.unwrap_or_else(|| payload.to_owned())
}

/// What was chosen: everything, when that is among it.
pub(super) fn chosen(events: Vec<String>) -> Vec<String> {
    if events.iter().any(|name| name == EVERYTHING) {
        return vec![EVERYTHING.to_owned()];
    }
    events
}

#[derive(Debug, Deserialize)]
struct Change {
    #[serde(default)]
    name: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    events: Vec<String>,
}

async fn change(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<Change>,
) -> Result<Response, PageError> {
    let patch = WebhookPatch {
        name: Some(form.name),
        url: Some(form.url),
        events: Some(chosen(form.events)),
        active: None,
    };
    let changed = web.app.change_webhook(&by.caller, &id, patch).await;
    after(&web, by.language, &format!("/webhooks/{id}"), changed, Done::Saved)
}

async fn pause(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    activate(&web, &by, &id, false).await
}

async fn resume(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    activate(&web, &by, &id, true).await
}

async fn activate(web: &Web, by: &SignedIn, id: &str, active: bool) -> Result<Response, PageError> {
    let patch = WebhookPatch { active: Some(active), ..WebhookPatch::default() };
    let changed = web.app.change_webhook(&by.caller, id, patch).await;
    after(web, by.language, &format!("/webhooks/{id}"), changed, Done::Saved)
}

async fn test(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let sent = web.app.test_webhook(&by.caller, &id).await;
    after(&web, by.language, &format!("/webhooks/{id}"), sent, Done::Sent)
}

async fn rotate(
    State(web): State<Web>,
    Path(id): Path<String>,
    headers: HeaderMap,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let rotated = web.app.rotate_webhook_secret(&by.caller, &id).await?;
    let secret = rotated.secret.expose().to_owned();
    let shown = Shown { secret, old_until: Some(rotated.old_until) };
    show(&web, &by, &headers, &id, Some(shown)).await
}

#[derive(Debug, Deserialize)]
struct ReplayForm {
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
}

/// A moment of `<input type="datetime-local">`, which has no zone: taken for UTC.
fn moment(text: &str) -> String {
    match text.len() {
        16 => format!("{text}:00.000Z"),
        19 => format!("{text}.000Z"),
        _ => text.to_owned(),
    }
}

async fn replay(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<ReplayForm>,
) -> Result<Response, PageError> {
    let until = Some(moment(&form.until)).filter(|text| !text.is_empty());
    let wish = Replay { since: moment(&form.since), until, events: None };
    let replayed = web.app.replay(&by.caller, &id, wish).await;
    after(&web, by.language, &format!("/webhooks/{id}"), replayed, Done::Sent)
}

async fn redeliver(
    State(web): State<Web>,
    Path((id, delivery)): Path<(String, String)>,
    Posted { by, form: Nothing {} }: Posted<Nothing>,
) -> Result<Response, PageError> {
    let again = web.app.redeliver(&by.caller, &id, &delivery).await;
    after(&web, by.language, &format!("/webhooks/{id}"), again, Done::Sent)
}

#[derive(Debug, Deserialize)]
struct Deletion {
    #[serde(default)]
    name: String,
}

async fn delete(
    State(web): State<Web>,
    Path(id): Path<String>,
    Posted { by, form }: Posted<Deletion>,
) -> Result<Response, PageError> {
    let webhook = web.app.get_webhook(&by.caller, &id).await?;
    if form.name.trim() != webhook.name {
        return Err(PageError::BadForm(String::new()));
    }
    let deleted = web.app.delete_webhook(&by.caller, &id).await;
    after(&web, by.language, "/webhooks", deleted, Done::Deleted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_drawn_and_fits() {
        let at = Timestamp::from_secs(0);
        let spans: Vec<_> = [(0, 0), (1_000, 0), (1, 999), (0, 1)]
            .map(|(succeeded, failed)| (at, Outcomes { succeeded, failed }))
            .to_vec();

        let bars = bars(&spans);

        assert_eq!((bars[0].good, bars[0].bad), (0, 0));
        assert_eq!((bars[1].good, bars[1].good_y), (100, 0));
        assert!(bars[2].good >= 2 && bars[3].bad >= 2);
        assert!(bars.iter().all(|bar| bar.bad_y <= bar.good_y));
    }

    #[test]
    fn moments_of_a_form_are_utc() {
        assert_eq!(moment("2026-11-26T23:45"), "2026-11-26T23:45:00.000Z");
        assert_eq!(moment(""), "");
    }
}
