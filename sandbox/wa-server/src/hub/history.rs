//! The messages that a phone had before its companions were linked.

use serde::Serialize;
use waproto::whatsapp as wa;

use super::State;
use crate::{
    number::PhoneNumber,
    phone::{OldChat, SignalError, history_notification},
};

/// How much a phone will tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct HistorySize {
    /// Conversations.
    pub chats: usize,
    /// Messages in all of them.
    pub messages: usize,
}

impl State {
    /// Replaces the old messages of a phone.
    pub(crate) fn set_history(
        &mut self,
        number: &PhoneNumber,
        chats: Vec<OldChat>,
    ) -> Result<HistorySize, SignalError> {
        let messages = chats.iter().map(|chat| chat.messages.len()).sum();
        let size = HistorySize { chats: chats.len(), messages };
        self.account(number)?.history = chats;
        Ok(size)
    }

    pub(crate) fn history(&self, number: &PhoneNumber) -> Vec<OldChat> {
        self.accounts.get(number).map(|account| account.history.clone()).unwrap_or_default()
    }

    /// The peer message that tells a companion of them.
    pub(super) fn history_for(&mut self, number: &PhoneNumber) -> Result<wa::Message, SignalError> {
        let account = self.account(number)?;
        let by_lid = |other: &PhoneNumber| account.addressing_of(other).by_lid();
        Ok(history_notification(number, &account.name, &account.history, by_lid))
    }
}
