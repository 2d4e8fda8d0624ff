//! A number's settings (contract C.5): defaults, partial changes, validation.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use crate::{AppError, Refusal};

/// Longest text with which calls are rejected, in characters.
const REJECT_TEXT_MAX: usize = 1_000;
/// Highest pace that can be set: ten messages a second.
const RATE_MAX: u32 = 600;

/// How many days messages may be kept with `STORE_X_DAYS`.
const RETENTION_DAYS: std::ops::RangeInclusive<i64> = 1..=3_650;

/// A number's settings, complete with defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches that the contract names")]
pub struct NumberSettings {
    /// Import the history that the phone shares after connecting.
    pub history_import_enabled: bool,
    /// Send webhooks for imported messages too.
    pub webhook_historical_messages: bool,
    /// Drop posts of channels.
    pub ignore_newsletters: bool,
    /// Mark a chat as read when a message is sent to it; official numbers only.
    pub mark_read_on_send: bool,
    /// Appear online all the time. `None`: the provider's default.
    pub always_online: Option<bool>,
    /// Reject calls.
    pub reject_call: Option<bool>,
    /// What to answer a rejected caller.
    pub msg_reject_call: Option<String>,
    /// Mark messages as read as they come in.
    pub read_messages: Option<bool>,
    /// Drop messages of groups.
    pub ignore_groups: Option<bool>,
    /// Drop status posts.
    pub ignore_status: Option<bool>,
    /// Send at most so many messages a minute, in uneven steps; 0: as many as there are. `None`: as the
    /// server's configuration says. QR-paired numbers only.
    pub messages_per_minute: Option<u32>,
}

impl Default for NumberSettings {
    fn default() -> Self {
        Self {
            history_import_enabled: true,
            webhook_historical_messages: false,
            ignore_newsletters: false,
            mark_read_on_send: true,
            always_online: None,
            reject_call: None,
            msg_reject_call: None,
            read_messages: None,
            ignore_groups: None,
            ignore_status: None,
            messages_per_minute: None,
        }
    }
}

/// A partial change of settings: what is absent stays, an explicit `null` resets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::option_option, reason = "absent, null and a value are three different things")]
pub struct SettingsPatch {
    #[serde(deserialize_with = "given")]
    history_import_enabled: Option<bool>,
    #[serde(deserialize_with = "given")]
    webhook_historical_messages: Option<bool>,
    #[serde(deserialize_with = "given")]
    ignore_newsletters: Option<bool>,
    #[serde(deserialize_with = "given")]
    mark_read_on_send: Option<bool>,
    #[serde(deserialize_with = "present")]
    always_online: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    reject_call: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    msg_reject_call: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    read_messages: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    ignore_groups: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    ignore_status: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    messages_per_minute: Option<Option<u32>>,
}

/// Tells an explicit `null` from an absent field.
#[expect(clippy::option_option, reason = "absent, null and a value are three different things")]
fn present<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A field that may be absent, but not `null`: it has no provider's default to go back to.
fn given<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

/// What is kept of a number's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PiiMode {
    /// Nothing beyond what sending and telling need.
    RelayOnly,
    /// Everything, for some days.
    StoreXDays,
    /// Everything.
    StoreIndefinite,
}

impl PiiMode {
    /// As the API and the database write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RelayOnly => "RELAY_ONLY",
            Self::StoreXDays => "STORE_X_DAYS",
            Self::StoreIndefinite => "STORE_INDEFINITE",
        }
    }
}

/// A partial change of a number: what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[expect(clippy::option_option, reason = "absent, null and a value are three different things")]
pub struct NumberPatch {
    #[serde(deserialize_with = "given")]
    pii_mode: Option<PiiMode>,
    #[serde(deserialize_with = "present")]
    pii_retention_days: Option<Option<i64>>,
    #[serde(deserialize_with = "object")]
    settings: SettingsPatch,
}

/// Reads a struct from an object only: serde would also read it from an array, by position.
fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Object<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(Object(PhantomData))
}

/// What is kept, and for how many days.
pub(crate) type Retention = (String, Option<i64>);

impl NumberPatch {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The change of the settings.
    pub(crate) const fn settings(&self) -> &SettingsPatch {
        &self.settings
    }

    /// The retention after this change. Days belong to `STORE_X_DAYS`: they are needed there, and
    /// dropped anywhere else, where only nonsense is refused.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`].
    pub(crate) fn retention(&self, (mode, days): &Retention) -> Result<Retention, Refusal> {
        let mode = match self.pii_mode {
            Some(chosen) => chosen.name(),
            None => mode,
        };
        let days = self.pii_retention_days.unwrap_or(*days);
        if days.is_some_and(|days| !RETENTION_DAYS.contains(&days)) {
            return Err(wrong_days());
        }
        if mode != PiiMode::StoreXDays.name() {
            return Ok((mode.to_owned(), None));
        }
        match days {
            Some(days) => Ok((mode.to_owned(), Some(days))),
            None => Err(wrong_days()),
        }
    }
}

fn wrong_days() -> Refusal {
    let (first, last) = (RETENTION_DAYS.start(), RETENTION_DAYS.end());
    Refusal::Validation(format!(
        "piiRetentionDays is {first} to {last}, and needed with STORE_X_DAYS"
    ))
}

impl SettingsPatch {
    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a setting is named that concerns the connection itself (contract C.5, "advanced").
    pub(crate) const fn is_advanced(&self) -> bool {
        self.always_online.is_some()
            || self.reject_call.is_some()
            || self.msg_reject_call.is_some()
            || self.read_messages.is_some()
            || self.ignore_groups.is_some()
            || self.ignore_status.is_some()
            || self.messages_per_minute.is_some()
    }

    /// Applies the change to `settings`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Validation`] when a text is too long; nothing changes.
    pub fn apply(&self, settings: &NumberSettings) -> Result<NumberSettings, Refusal> {
        if let Some(Some(text)) = &self.msg_reject_call
            && (text.chars().count() > REJECT_TEXT_MAX || text.contains('\0'))
        {
            let sentence = format!(
                "settings.msgRejectCall has at most {REJECT_TEXT_MAX} characters, and no NUL"
            );
            return Err(Refusal::Validation(sentence));
        }
        if self.messages_per_minute.flatten().is_some_and(|rate| rate > RATE_MAX) {
            let sentence = format!("settings.messagesPerMinute is 0 to {RATE_MAX}");
            return Err(Refusal::Validation(sentence));
        }
        let old = settings.clone();
        Ok(NumberSettings {
            history_import_enabled: self
                .history_import_enabled
                .unwrap_or(old.history_import_enabled),
            webhook_historical_messages: self
                .webhook_historical_messages
                .unwrap_or(old.webhook_historical_messages),
            ignore_newsletters: self.ignore_newsletters.unwrap_or(old.ignore_newsletters),
            mark_read_on_send: self.mark_read_on_send.unwrap_or(old.mark_read_on_send),
            always_online: self.always_online.unwrap_or(old.always_online),
            reject_call: self.reject_call.unwrap_or(old.reject_call),
            msg_reject_call: self.msg_reject_call.clone().unwrap_or(old.msg_reject_call),
            read_messages: self.read_messages.unwrap_or(old.read_messages),
            ignore_groups: self.ignore_groups.unwrap_or(old.ignore_groups),
            ignore_status: self.ignore_status.unwrap_or(old.ignore_status),
            messages_per_minute: self.messages_per_minute.unwrap_or(old.messages_per_minute),
        })
    }
}

impl NumberSettings {
    /// Reads settings as the database keeps them.
    ///
    /// # Errors
    ///
    /// [`AppError::Internal`] when they are not what was written.
    pub(crate) fn read(stored: &str) -> Result<Self, AppError> {
        serde_json::from_str(stored).map_err(|error| AppError::Internal(Box::new(error)))
    }

    /// As the database keeps them.
    pub(crate) fn write(&self) -> Result<String, AppError> {
        serde_json::to_string(self).map_err(|error| AppError::Internal(Box::new(error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(json: &str) -> SettingsPatch {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_pace_has_a_limit_and_may_be_none_at_all() {
        let rate = |json: &str| {
            let changed = patch(json).apply(&NumberSettings::default());
            changed.map(|settings| settings.messages_per_minute)
        };
        assert_eq!(rate(r#"{"messagesPerMinute":0}"#), Ok(Some(0)));
        assert_eq!(rate(r#"{"messagesPerMinute":null}"#), Ok(None));
        assert!(rate(r#"{"messagesPerMinute":601}"#).is_err());
    }

    #[test]
    fn absent_stays_null_resets_and_a_value_sets() {
        let set = patch(r#"{"rejectCall":true,"ignoreNewsletters":true}"#)
            .apply(&NumberSettings::default())
            .unwrap();
        assert_eq!((set.reject_call, set.ignore_newsletters), (Some(true), true));

        let kept = patch(r#"{"alwaysOnline":false}"#).apply(&set).unwrap();
        assert_eq!((kept.reject_call, kept.always_online), (Some(true), Some(false)));

        let reset = patch(r#"{"rejectCall":null}"#).apply(&kept).unwrap();
        assert_eq!((reset.reject_call, reset.always_online), (None, Some(false)));
    }

    #[test]
    fn an_explicit_null_is_a_change_and_an_unknown_field_is_none() {
        assert!(!patch(r#"{"rejectCall":null}"#).is_empty());
        assert!(patch(r#"{"fromTheFuture":1}"#).is_empty());
    }

    #[test]
    fn wrong_types_and_long_texts_are_refused() {
        assert!(serde_json::from_str::<SettingsPatch>(r#"{"rejectCall":"yes"}"#).is_err());
        let long = format!(r#"{{"msgRejectCall":"{}"}}"#, "x".repeat(1_001));
        assert!(patch(&long).apply(&NumberSettings::default()).is_err());
        let nul = r#"{"msgRejectCall":"a\u0000b"}"#;
        assert!(patch(nul).apply(&NumberSettings::default()).is_err());
    }

    #[test]
    fn only_settings_with_a_provider_s_default_can_be_reset() {
        assert!(serde_json::from_str::<SettingsPatch>(r#"{"ignoreNewsletters":null}"#).is_err());
        assert!(patch(r#"{"ignoreGroups":null}"#).is_advanced());
        assert!(!patch(r#"{"ignoreNewsletters":true,"markReadOnSend":false}"#).is_advanced());
    }

    #[test]
    fn retention_days_belong_to_one_mode() {
        let indefinite = ("STORE_INDEFINITE".to_owned(), None);
        let thirty = ("STORE_X_DAYS".to_owned(), Some(30));
        let change = |json: &str, from: &Retention| {
            serde_json::from_str::<NumberPatch>(json).unwrap().retention(from).ok()
        };

        let days = r#"{"piiMode":"STORE_X_DAYS","piiRetentionDays":30}"#;
        assert_eq!(change(days, &indefinite), Some(thirty.clone()));
        assert_eq!(change(r#"{"piiMode":"STORE_X_DAYS"}"#, &indefinite), None);
        assert_eq!(change(r#"{"piiMode":"STORE_X_DAYS"}"#, &thirty), Some(thirty.clone()));
        assert_eq!(change(r#"{"piiRetentionDays":null}"#, &thirty), None);
        for out in [0, 3_651] {
            let days = format!(r#"{{"piiRetentionDays":{out}}}"#);
            assert_eq!(change(&days, &thirty), None);
            assert_eq!(change(&days, &indefinite), None, "nonsense in any mode");
        }
        for limit in [1, 3_650] {
            let changed = change(&format!(r#"{{"piiRetentionDays":{limit}}}"#), &thirty);
            assert_eq!(changed, Some(("STORE_X_DAYS".to_owned(), Some(limit))));
        }
        let relay = change(r#"{"piiMode":"RELAY_ONLY","piiRetentionDays":9}"#, &thirty);
        assert_eq!(relay, Some(("RELAY_ONLY".to_owned(), None)));
        assert_eq!(change(r#"{"piiRetentionDays":9}"#, &indefinite), Some(indefinite));
        assert!(serde_json::from_str::<NumberPatch>(r#"{"piiMode":null}"#).is_err());
        for settings in ["[false,true]", "[]", "null", "7"] {
            let patch = format!(r#"{{"settings":{settings}}}"#);
            assert!(serde_json::from_str::<NumberPatch>(&patch).is_err(), "{settings}");
        }
    }

    #[test]
    fn a_patch_without_a_known_field_is_empty() {
        let read = |json: &str| serde_json::from_str::<NumberPatch>(json).unwrap();
        assert!(read("{}").is_empty());
        assert!(read(r#"{"settings":{}}"#).is_empty());
        assert!(!read(r#"{"piiRetentionDays":null}"#).is_empty());
        assert!(!read(r#"{"settings":{"rejectCall":null}}"#).is_empty());
    }

    #[test]
    fn stored_settings_are_read_back() {
        let settings = NumberSettings { always_online: Some(true), ..NumberSettings::default() };

        assert_eq!(NumberSettings::read(&settings.write().unwrap()).unwrap(), settings);
        assert_eq!(NumberSettings::read("{}").unwrap(), NumberSettings::default());
    }
}
