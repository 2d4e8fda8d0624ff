//! What a phone's user sees: the messages, newest last.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::details::{Details, Media, MediaState};
use crate::{crypto::Blob, number::PhoneNumber};

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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What only some messages have.
    #[serde(flatten)]
    pub details: Details,
}

impl Message {
    /// Whether it belongs to the chat with a number, or to a chat of many.
    pub(crate) fn is_in(&self, chat: &str) -> bool {
        if let Some(own) = &self.chat {
            return own == chat;
        }
        let other = if self.direction == Direction::In { &self.from } else { &self.to };
        PhoneNumber::parse(chat).is_ok_and(|number| number == *other)
    }
}

/// A message as it was encoded, and the address space in which it travelled: receipts must go the
/// same way.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    #[serde(flatten)]
    message: Message,
    by_lid: bool,
    /// Empty for what an earlier version kept.
    #[serde(default)]
    body: Blob,
}

/// A phone's messages in the order in which it saw them.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct MessageLog(VecDeque<Entry>);

impl MessageLog {
    /// Adds a message unless the log already holds this id from this sender; says whether it did.
    /// What it does to an older message is done.
    pub(crate) fn add(&mut self, message: Message, by_lid: bool, body: Vec<u8>) -> bool {
        let known = self
            .0
            .iter()
            .rev()
            .any(|Entry { message: old, .. }| old.id == message.id && old.from == message.from);
        if known {
            return false;
        }
        self.apply(&message);
        self.0.push_back(Entry { message, by_lid, body: Blob(body) });
        if self.0.len() > MAX_MESSAGES {
            self.0.pop_front();
        }
        true
    }

    /// Lets a reaction, an edit or a deletion change the message that it is about.
    fn apply(&mut self, news: &Message) {
        let Some(target) = &news.details.target else { return };
        let mut newest_first = self.0.iter_mut().rev().map(|entry| &mut entry.message);
        let Some(old) = newest_first.find(|old| old.id == *target) else { return };
        match news.kind.as_str() {
            "reaction" if news.text.is_empty() => {
                old.details.reactions.remove(&news.from);
            }
            "reaction" => {
                old.details.reactions.insert(news.from.clone(), news.text.clone());
            }
            // Only its author may edit a message; others than he, as admins, may delete it.
            "edit" if old.from == news.from => old.details.edited = Some(news.text.clone()),
            "revoke" => old.details.revoked = true,
            _ => {}
        }
    }

    /// Notes what became of an attachment.
    pub(crate) fn fetched(&mut self, id: &str, from: &PhoneNumber, outcome: Result<u64, String>) {
        let mut newest_first = self.0.iter_mut().rev().map(|entry| &mut entry.message);
        let found = newest_first.find(|message| message.id == id && message.from == *from);
        let Some(media) = found.and_then(|message| message.details.media.as_mut()) else { return };
        let (size, state, error) = match outcome {
            Ok(size) => (Some(size), MediaState::Ready, None),
            Err(code) => (media.size, MediaState::Failed, Some(code)),
        };
        *media = Media { size, state, error, ..media.clone() };
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

    /// The newest message with an id, whoever sent it.
    pub(crate) fn any(&self, id: &str) -> Option<&Message> {
        self.0.iter().rev().map(|entry| &entry.message).find(|message| message.id == id)
    }

    /// A message as it was encoded; `None` when an earlier version kept it, or nothing has its id.
    pub(crate) fn body(&self, id: &str, from: &PhoneNumber) -> Option<Vec<u8>> {
        let wanted = |entry: &&Entry| entry.message.id == id && entry.message.from == *from;
        let entry = self.0.iter().rev().find(wanted)?;
        (!entry.body.0.is_empty()).then(|| entry.body.0.clone())
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
            details: Details::default(),
        }
    }

    fn about(id: &str, kind: &str, text: &str) -> Message {
        let details = Details { target: Some("a".to_owned()), ..Details::default() };
        Message { kind: kind.to_owned(), text: text.to_owned(), details, ..message(id) }
    }

    #[test]
    fn what_is_said_about_a_message_changes_it() {
        let mut log = MessageLog::default();
        log.add(message("a"), true, Vec::new());
        let from = message("a").from;
        for (news, edited, revoked, reaction) in [
            (about("b", "reaction", "+1"), None, false, Some("+1")),
            (about("c", "edit", "new"), Some("new"), false, Some("+1")),
            (about("d", "reaction", ""), Some("new"), false, None),
            (about("e", "revoke", ""), Some("new"), true, None),
        ] {
            log.add(news, true, Vec::new());
            let details = &log.any("a").unwrap().details;
            assert_eq!(details.edited.as_deref(), edited);
            assert_eq!(details.revoked, revoked);
            assert_eq!(details.reactions.get(&from).map(String::as_str), reaction);
        }
    }

    #[test]
    fn a_repeat_is_not_logged() {
        let mut log = MessageLog::default();
        log.add(message("a"), true, Vec::new());
        log.add(message("a"), true, Vec::new());
        assert_eq!(log.all().len(), 1);
    }

    #[test]
    fn a_late_delivery_does_not_undo_read() {
        let mut log = MessageLog::default();
        log.add(message("a"), true, Vec::new());
        log.advance("a", Direction::In, Status::Read);
        log.advance("a", Direction::In, Status::Delivered);
        assert_eq!(log.find("a", Direction::In).unwrap().status, Status::Read);
    }
}
