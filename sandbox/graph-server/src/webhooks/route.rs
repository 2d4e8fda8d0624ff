//! Which callbacks a change goes to.

use serde_json::{Map, Value, json};

use super::outbox::{Change, Target};
use crate::{
    clock::Millis,
    state::{Number, Person, State, Waba},
};

/// The fields that follow a number's or an account's own callback.
const OVERRIDABLE: [&str; 10] = [
    "messages",
    "message_echoes",
    "calls",
    "consumer_profile",
    "messaging_handovers",
    "smb_message_echoes",
    "smb_app_state_sync",
    "history",
    "account_settings_update",
    "group_lifecycle_update",
];

/// Tells of something about a number: the common part of the value is added. Returns how many
/// callbacks hear of it.
pub(crate) fn about_number(state: &mut State, phone_id: &str, field: &str, value: Value) -> usize {
    let now = state.clock.millis();
    about_number_at(state, phone_id, field, value, now)
}

/// As [`about_number`], but not before a certain time.
pub(super) fn about_number_at(
    state: &mut State,
    phone_id: &str,
    field: &str,
    value: Value,
    due: Millis,
) -> usize {
    let Some(number) = state.numbers.get(phone_id) else { return 0 };
    let waba_id = number.waba_id.clone();
    let mut whole = Map::new();
    whole.insert("messaging_product".into(), json!("whatsapp"));
    let metadata = json!({ "display_phone_number": number.digits, "phone_number_id": phone_id });
    whole.insert("metadata".into(), metadata);
    if let Value::Object(value) = value {
        whole.extend(value);
    }
    let number = number.clone();
    emit(state, &waba_id, Some(&number), (field, whole.into()), due)
}

/// Tells of something about an account. Returns how many callbacks hear of it.
pub(crate) fn about_account(state: &mut State, waba_id: &str, field: &str, value: Value) -> usize {
    let now = state.clock.millis();
    emit(state, waba_id, None, (field, value), now)
}

/// Tells an app of something, whether or not it is subscribed to the account.
pub(crate) fn to_app(
    state: &mut State,
    app_id: &str,
    entry_id: &str,
    field: &str,
    value: Value,
) -> usize {
    let app = state.apps.get(app_id).filter(|app| app.fields.contains(field));
    let Some(callback) = app.and_then(|app| app.callback.clone()) else { return 0 };
    let target = Target { app_id: app_id.to_owned(), via: "app", url: callback.url };
    let change = Change { entry_id: entry_id.to_owned(), field: field.to_owned(), value };
    let now = state.clock.millis();
    state.tell(&target, change, now);
    1
}

fn emit(
    state: &mut State,
    waba_id: &str,
    number: Option<&Number>,
    (field, value): (&str, Value),
    due: Millis,
) -> usize {
    let Some(waba) = state.wabas.get(waba_id) else { return 0 };
    let targets = targets(state, waba, number, field);
    for target in &targets {
        let change =
            Change { entry_id: waba_id.to_owned(), field: field.to_owned(), value: value.clone() };
        state.tell(target, change, due);
    }
    targets.len()
}

/// One callback for each subscribed app: the number's, the account's, or the app's.
fn targets(state: &State, waba: &Waba, number: Option<&Number>, field: &str) -> Vec<Target> {
    let overridable = OVERRIDABLE.contains(&field);
    let mut found = Vec::new();
    for (app_id, of_waba) in &waba.subscriptions {
        let Some(app) = state.apps.get(app_id).filter(|app| app.fields.contains(field)) else {
            continue;
        };
        let of_number = number
            .and_then(|number| number.callback.as_ref())
            .filter(|(by, _)| by == app_id && overridable)
            .map(|(_, callback)| ("number", callback.url.clone()));
        let of_waba =
            of_waba.as_ref().filter(|_| overridable).map(|callback| ("waba", callback.url.clone()));
        let of_app = app.callback.as_ref().map(|callback| ("app", callback.url.clone()));
        if let Some((via, url)) = of_number.or(of_waba).or(of_app) {
            found.push(Target { app_id: app_id.clone(), via, url });
        }
    }
    found
}

/// A person as webhooks show them.
pub(crate) fn contact(person: &Person) -> Value {
    let mut profile = Map::new();
    profile.insert("name".into(), json!(person.name));
    if let Some(username) = &person.username {
        profile.insert("username".into(), json!(username));
    }
    let mut shown = Map::new();
    shown.insert("profile".into(), profile.into());
    shown.insert("user_id".into(), json!(person.user_id));
    if !person.hidden {
        shown.insert("wa_id".into(), json!(person.wa_id));
    }
    shown.into()
}
