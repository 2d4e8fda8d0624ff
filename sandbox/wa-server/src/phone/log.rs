//! What a phone's user sees: the messages, newest last.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::number::PhoneNumber;

/// Older messages are forgotten beyond this number, as on a phone without backup.
const MAX_MESSAGES: usize = 10_000;

/// Which way a message went, seen from the phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Received.
    In,
    /// Sent by this account, from the phone or a companion.
    Out,
}

/// How far a message got; it only ever advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// The server has it.
    Sent,
    /// A device of the recipient has it.
    Delivered,
    /// The recipient has read it.
    Read,
}

/// One decrypted message in a phone's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The stanza id that the sender chose.
    pub id: String,
    /// Which way it went.
    pub direction: Direction,
    /// The sender.
    pub from: PhoneNumber,
    /// The recipient.
    pub to: PhoneNumber,
    /// The group, channel or status list, when it is no conversation of two. `to` is then whose
    /// log this is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat: Option<String>,
    /// The text, or the caption of a picture; empty for what has neither.
    pub text: String,
    /// `text`, or the kind of another message.
    #[serde(rename = "type")]
    pub kind: String,
    /// When the phone saw it: ISO 8601, UTC, milliseconds.
    pub at: String,
    /// How far it got.
    pub status: Status,
}

/// A message and the address space in which it travelled: receipts must go the same way.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    message: Message,
    by_lid: bool,
}

/// A phone's messages in the order in which it saw them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct MessageLog(VecDeque<Entry>);

impl MessageLog {
    /// Adds a message unless the log already holds this id from this sender.
    pub(crate) fn add(&mut self, message: Message, by_lid: bool) {
        let known = self
            .0
            .iter()
            .rev()
            .any(|Entry { message: old, .. }| old.id == message.id && old.from == message.from);
        if known {
            return;
        }
        self.0.push_back(Entry { message, by_lid });
        if self.0.len() > MAX_MESSAGES {
            self.0.pop_front();
        }
    }

    /// Lets the status of a message advance; earlier news that comes late changes nothing.
    pub(crate) fn advance(&mut self, id: &str, direction: Direction, status: Status) {
        for Entry { message, .. } in self.0.iter_mut().rev() {
            if message.id == id && message.direction == direction {
                message.status = message.status.max(status);
            }
        }
    }

    pub(crate) fn find(&self, id: &str, direction: Direction) -> Option<&Message> {
        let mut newest_first = self.0.iter().rev().map(|entry| &entry.message);
        newest_first.find(|message| message.id == id && message.direction == direction)
    }

    /// Whether a received message was addressed by LID.
    pub(crate) fn came_by_lid(&self, id: &str) -> bool {
        let received =
            |entry: &&Entry| entry.message.id == id && entry.message.direction == Direction::In;
        self.0.iter().rev().find(received).is_some_and(|entry| entry.by_lid)
    }

    pub(crate) fn all(&self) -> Vec<Message> {
        self.0.iter().map(|entry| entry.message.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str) -> Message {
        Message {
            id: id.to_owned(),
            direction: Direction::In,
            from: PhoneNumber::parse("5511000000001").unwrap(),
            to: PhoneNumber::parse("5511000000002").unwrap(),
            chat: None,
            text: String::new(),
            kind: "text".to_owned(),
            at: String::new(),
            status: Status::Sent,
        }
    }

    #[test]
    fn a_repeat_is_not_logged() {
        let mut log = MessageLog::default();
        log.add(message("a"), true);
        log.add(message("a"), true);
        assert_eq!(log.all().len(), 1);
    }

    #[test]
    fn a_late_delivery_does_not_undo_read() {
        let mut log = MessageLog::default();
        log.add(message("a"), true);
        log.advance("a", Direction::In, Status::Read);
        log.advance("a", Direction::In, Status::Delivered);
        assert_eq!(log.find("a", Direction::In).unwrap().status, Status::Read);
    }
}
