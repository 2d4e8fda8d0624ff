//! The labels of an account's chats, as its companions have set them in the app state
//! (whatsapp-rust 0.7.0, `features/labels.rs`).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use wacore_appstate::decode::Mutation;
use waproto::whatsapp::syncd_mutation::SyncdOperation;

use super::State;
use crate::number::PhoneNumber;

const COLLECTION: &str = "regular";

/// A label and the chats that have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Label {
    /// Its id.
    pub id: String,
    /// Its name; empty while only chats name it.
    pub name: String,
    /// The number of its colour.
    pub color: i32,
    /// The JIDs of the chats that have it.
    pub chats: BTreeSet<String>,
}

impl State {
    /// The labels of an account.
    pub(crate) fn labels(&self, number: &PhoneNumber) -> Vec<Label> {
        let mut labels = BTreeMap::new();
        let account = self.accounts.get(number);
        let mutations = account.map(|account| account.app_state.mutations(COLLECTION));
        for mutation in mutations.unwrap_or_default() {
            apply(&mut labels, &mutation);
        }
        labels.into_values().collect()
    }
}

fn apply(labels: &mut BTreeMap<String, Label>, mutation: &Mutation) {
    let [kind, id, rest @ ..] = mutation.index.as_slice() else { return };
    let removed = mutation.operation == SyncdOperation::REMOVE;
    let value = mutation.action_value.as_ref();
    let fresh = || Label { id: id.clone(), ..Label::default() };
    match (kind.as_str(), rest) {
        ("label_edit", _) => {
            let edit = value.and_then(|value| value.label_edit_action.as_option());
            if removed || edit.is_some_and(|edit| edit.deleted == Some(true)) {
                labels.remove(id);
            } else if let Some(edit) = edit {
                let label = labels.entry(id.clone()).or_insert_with(fresh);
                label.name = edit.name.clone().unwrap_or_default();
                label.color = edit.color.unwrap_or_default();
            }
        }
        ("label_jid", [chat, ..]) => {
            let label = labels.entry(id.clone()).or_insert_with(fresh);
            let action = value.and_then(|value| value.label_association_action.as_option());
            if !removed && action.is_some_and(|action| action.labeled == Some(true)) {
                label.chats.insert(chat.clone());
            } else {
                label.chats.remove(chat);
            }
        }
        _ => {}
    }
}
