//! A number's settings as a form: what the API calls them, in plain words.

use ramal_app::{Language, NumberPatch, NumberSettings, SettingsPatch};
use ramal_store::Number;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::dashboard::texts::texts;

/// Longest answer to a rejected caller, in characters.
const MESSAGE_MAX: usize = 1_000;
/// For how many days messages can be kept.
const DAYS: std::ops::RangeInclusive<i64> = 1..=3_650;
/// Keeps messages for some days.
const SOME_DAYS: &str = "STORE_X_DAYS";

texts! {
    /// A number's settings.
    SettingTexts {
        reject_call: "Rejeitar chamadas", "Reject calls", "Rechazar llamadas";
        reject_call_hint: "Quem liga ouve que não foi atendido.", "Whoever calls is told that nobody answered.", "Quien llama ve que nadie contestó.";
        message: "Mensagem para quem liga", "Message to whoever calls", "Mensaje para quien llama";
        message_hint: "Enviada depois de rejeitar a chamada. Vazio: nenhuma.",
            "Sent after a call was rejected. Empty: none.",
            "Se envía después de rechazar la llamada. Vacío: ninguno.";
        always_online: "Sempre online", "Always online", "Siempre en línea";
        always_online_hint: "O número aparece online o tempo todo, e o celular não toca as notificações.",
            "The number appears online all the time, and the phone gives no notifications.",
            "El número aparece en línea todo el tiempo, y el teléfono no muestra notificaciones.";
        read_messages: "Marcar como lidas", "Mark as read", "Marcar como leídos";
        read_messages_hint: "As mensagens recebidas são marcadas como lidas assim que chegam.",
            "Incoming messages are marked as read as they come in.",
            "Los mensajes recibidos se marcan como leídos al llegar.";
        ignore_groups: "Ignorar grupos", "Ignore groups", "Ignorar grupos";
        ignore_groups_hint: "Mensagens de grupos não são guardadas nem entregues.",
            "Messages of groups are neither kept nor delivered.",
            "Los mensajes de grupos no se guardan ni se entregan.";
        ignore_status: "Ignorar status", "Ignore status posts", "Ignorar estados";
        ignore_status_hint: "Publicações de status não são guardadas nem entregues.",
            "Status posts are neither kept nor delivered.",
            "Las publicaciones de estado no se guardan ni se entregan.";
        ignore_newsletters: "Ignorar canais", "Ignore channels", "Ignorar canales";
        ignore_newsletters_hint: "Publicações de canais não são guardadas nem entregues.",
            "Posts of channels are neither kept nor delivered.",
            "Las publicaciones de canales no se guardan ni se entregan.";
        history: "Importar o histórico", "Import the history", "Importar el historial";
        history_hint: "Depois de conectar, as conversas que o celular compartilha são importadas.",
            "After connecting, the chats that the phone shares are imported.",
            "Después de conectar, se importan las conversaciones que el teléfono comparte.";
        history_webhooks: "Webhooks também do histórico", "Webhooks for the history too", "Webhooks también del historial";
        history_webhooks_hint: "As mensagens importadas também são enviadas aos webhooks.",
            "Imported messages are sent to webhooks, too.",
            "Los mensajes importados también se envían a los webhooks.";
        mark_read: "Ler a conversa ao enviar", "Read the chat when sending", "Leer el chat al enviar";
        mark_read_hint: "Enviar uma mensagem marca a conversa como lida. Só em números oficiais.",
            "Sending a message marks the chat as read. Official numbers only.",
            "Enviar un mensaje marca el chat como leído. Solo en números oficiales.";
        keep: "Guardar as mensagens", "Keep messages", "Guardar los mensajes";
        keep_all: "Sem prazo", "For ever", "Sin plazo";
        keep_days: "Por alguns dias", "For some days", "Por algunos días";
        keep_none: "Não guardar", "Do not keep them", "No guardarlos";
        days: "Dias", "Days", "Días";
        days_hint: "De 1 a 3650, quando for por alguns dias.", "1 to 3650, when it is for some days.", "De 1 a 3650, cuando es por algunos días.";
        bad_days: "Diga por quantos dias guardar: de 1 a 3650.", "Say for how many days to keep them: 1 to 3650.", "Diga por cuántos días guardarlos: de 1 a 3650.";
        bad_message: "A mensagem tem no máximo 1000 caracteres.", "The message has at most 1000 characters.", "El mensaje tiene como máximo 1000 caracteres.";
        calls: "Chamadas", "Calls", "Llamadas";
        presence: "Presença e leitura", "Presence and reading", "Presencia y lectura";
        ignored: "O que ignorar", "What to ignore", "Qué ignorar";
        past: "Histórico", "History", "Historial";
    }
}

/// The fields of a form, by name.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(in crate::dashboard) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The text of a field; empty when it is not there.
    pub(in crate::dashboard) fn text(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }

    /// Whether a box is ticked.
    pub(in crate::dashboard) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }
}

/// A setting that is on or off.
#[derive(Clone, Copy, Debug)]
pub(in crate::dashboard) struct Switch {
    /// As the API calls it.
    pub(in crate::dashboard) key: &'static str,
    pub(in crate::dashboard) on: bool,
}

/// The switches, in the order in which they are shown.
fn switches(settings: &NumberSettings) -> [Switch; 9] {
    let set = |value: Option<bool>| value.unwrap_or_default();
    [
        ("rejectCall", set(settings.reject_call)),
        ("alwaysOnline", set(settings.always_online)),
        ("readMessages", set(settings.read_messages)),
        ("markReadOnSend", settings.mark_read_on_send),
        ("ignoreGroups", set(settings.ignore_groups)),
        ("ignoreStatus", set(settings.ignore_status)),
        ("ignoreNewsletters", settings.ignore_newsletters),
        ("historyImportEnabled", settings.history_import_enabled),
        ("webhookHistoricalMessages", settings.webhook_historical_messages),
    ]
    .map(|(key, on)| Switch { key, on })
}

impl SettingTexts {
    /// What a switch is called.
    pub(in crate::dashboard) fn title(&self, key: &str) -> &'static str {
        self.words(key).0
    }

    /// What a switch does.
    pub(in crate::dashboard) fn hint(&self, key: &str) -> &'static str {
        self.words(key).1
    }

    fn words(&self, key: &str) -> (&'static str, &'static str) {
        match key {
            "rejectCall" => (self.reject_call, self.reject_call_hint),
            "alwaysOnline" => (self.always_online, self.always_online_hint),
            "readMessages" => (self.read_messages, self.read_messages_hint),
            "markReadOnSend" => (self.mark_read, self.mark_read_hint),
            "ignoreGroups" => (self.ignore_groups, self.ignore_groups_hint),
            "ignoreStatus" => (self.ignore_status, self.ignore_status_hint),
            "ignoreNewsletters" => (self.ignore_newsletters, self.ignore_newsletters_hint),
            "historyImportEnabled" => (self.history, self.history_hint),
            "webhookHistoricalMessages" => (self.history_webhooks, self.history_webhooks_hint),
            _ => ("", ""),
        }
    }
}

/// Settings, as they stand in the form.
#[derive(Debug)]
pub(in crate::dashboard) struct SettingsForm {
    pub(in crate::dashboard) switches: [Switch; 9],
    pub(in crate::dashboard) message: String,
}

impl SettingsForm {
    /// As they are stored.
    pub(in crate::dashboard) fn of(settings: &NumberSettings) -> Self {
        Self {
            switches: switches(settings),
            message: settings.msg_reject_call.clone().unwrap_or_default(),
        }
    }

    /// As they were sent: a box that is not ticked is not sent.
    pub(in crate::dashboard) fn read(fields: &Fields) -> Self {
        let form = Self::of(&NumberSettings::default());
        let sent = |switch: Switch| Switch { on: fields.has(switch.key), ..switch };
        Self {
            switches: form.switches.map(sent),
            message: fields.text("msgRejectCall").trim().to_owned(),
        }
    }

    /// What this changes of `settings`. What stays as it was is not named, so that what nobody chose
    /// stays the provider's default. The error is a sentence for the person.
    pub(in crate::dashboard) fn patch(
        &self,
        settings: &NumberSettings,
        language: Language,
    ) -> Result<SettingsPatch, String> {
        read(Value::Object(self.changes(settings, language)?))
    }

    fn changes(
        &self,
        settings: &NumberSettings,
        language: Language,
    ) -> Result<Map<String, Value>, String> {
        if self.message.chars().count() > MESSAGE_MAX || self.message.contains('\0') {
            return Err(SettingTexts::of(language).bad_message.to_owned());
        }
        let before = Self::of(settings);
        let flipped =
            self.switches.iter().zip(&before.switches).filter(|(new, old)| new.on != old.on);
        let mut changes: Map<String, Value> =
            flipped.map(|(new, _)| (new.key.to_owned(), json!(new.on))).collect();
        if self.message != before.message {
            let message = (!self.message.is_empty()).then_some(&self.message);
            changes.insert("msgRejectCall".to_owned(), json!(message));
        }
        Ok(changes)
    }

    /// What this and the retention in `fields` change of a number; `None`: nothing.
    pub(in crate::dashboard) fn number_patch(
        &self,
        fields: &Fields,
        number: &Number,
        settings: &NumberSettings,
        language: Language,
    ) -> Result<Option<NumberPatch>, String> {
        let mut patch = Map::new();
        let mode = fields.text("piiMode");
        let days: Option<i64> = fields.text("piiRetentionDays").trim().parse().ok();
        let days = days.filter(|days| DAYS.contains(days));
        if mode == SOME_DAYS && days.is_none() {
            return Err(SettingTexts::of(language).bad_days.to_owned());
        }
        let other_days = mode == SOME_DAYS && days != number.pii_retention_days;
        if !mode.is_empty() && (mode != number.pii_mode || other_days) {
            let days = days.filter(|_| mode == SOME_DAYS);
            patch.insert("piiMode".to_owned(), json!(mode));
            patch.insert("piiRetentionDays".to_owned(), json!(days));
        }
        let changes = self.changes(settings, language)?;
        if !changes.is_empty() {
            patch.insert("settings".to_owned(), Value::Object(changes));
        }
        if patch.is_empty() { Ok(None) } else { read(Value::Object(patch)).map(Some) }
    }
}

/// Reads a patch as the API does.
fn read<T: DeserializeOwned>(patch: Value) -> Result<T, String> {
    serde_json::from_value(patch).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Fields {
        serde_html_form::from_str(text).unwrap()
    }

    #[test]
    fn only_what_was_changed_is_named() {
        let stored = NumberSettings::default();
        let same = fields("historyImportEnabled=on&markReadOnSend=on");
        let changes = |fields: &Fields| {
            SettingsForm::read(fields).changes(&stored, Language::English).unwrap()
        };

        assert!(changes(&same).is_empty());
        let other = fields("markReadOnSend=on&rejectCall=on&msgRejectCall=+Later+");
        assert_eq!(
            Value::Object(changes(&other)),
            json!({"historyImportEnabled": false, "rejectCall": true, "msgRejectCall": "Later"}),
        );
    }

    #[test]
    fn every_switch_has_words_and_a_place_in_the_patch() {
        let t = SettingTexts::of(Language::Spanish);
        for switch in SettingsForm::of(&NumberSettings::default()).switches {
            assert!(!t.title(switch.key).is_empty() && !t.hint(switch.key).is_empty());
            let patch: SettingsPatch = read(json!({ switch.key: true })).unwrap();
            assert!(!patch.is_empty(), "{} is no setting", switch.key);
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_told() {
        let long = SettingsForm {
            message: "x".repeat(MESSAGE_MAX + 1),
            ..SettingsForm::of(&NumberSettings::default())
        };
        assert!(long.patch(&NumberSettings::default(), Language::English).is_err());
    }
}
