//! Phones write: to one number, to a group, to a channel, or as a status, whatever it is.

use buffa::Message as _;
use wacore::send::{media_type_from_message, stanza_type_from_message};
use wacore_binary::{Jid, Node, builder::NodeBuilder};
use waproto::whatsapp as wa;

use super::{
    Account, State,
    account::DeviceId,
    arrivals::{Arrival, sent},
    phones::PhoneError,
    state::StanzaError,
};
use crate::{
    clock,
    number::PhoneNumber,
    phone::{self, Content, Direction, Message, Piece, Quote, compose, device_sent},
};

/// Something that a phone's user wants to send.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) piece: Piece,
    /// The id of the message that it answers.
    pub(crate) quote: Option<String>,
    /// Whether companions do not get it.
    pub(crate) once: bool,
}

impl From<&str> for Draft {
    fn from(text: &str) -> Self {
        Self { piece: Piece::Text(text.to_owned()), quote: None, once: false }
    }
}

/// A chat as its writer's phone names it.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// As logs name it: a number, or the JID of a chat of many.
    pub(super) name: String,
    pub(super) jid: Jid,
    /// In a crowd, keys of messages name their author.
    pub(super) of_many: bool,
    pub(super) by_lid: bool,
}

impl State {
    /// Writes a draft as a message of a phone in a chat.
    pub(super) fn composed(
        &mut self,
        from: &PhoneNumber,
        place: &Place,
        draft: &Draft,
    ) -> Result<Content, PhoneError> {
        let Draft { piece, quote, once } = draft;
        let rules = matches!(piece, Piece::Delete { .. }) && self.rules(from, place);
        let log = &self.account(from)?.log;
        let in_place = |id: &str| log.any(id).filter(|message| message.is_in(&place.name));
        let key = match piece.target() {
            Some(id) => {
                let target = in_place(id).ok_or(PhoneError::UnknownMessage)?;
                if piece.wants_own_target() && target.from != *from && !rules {
                    return Err(PhoneError::UnknownMessage);
                }
                Some(key_of(target, from, place))
            }
            None => None,
        };
        let quote = match quote {
            Some(id) => {
                let quoted = in_place(id).ok_or(PhoneError::UnknownMessage)?;
                let body = log.body(id, &quoted.from);
                Some(Quote {
                    id: id.clone(),
                    author: name(&quoted.from, place.by_lid),
                    body: body.unwrap_or_else(|| phone::text(&quoted.text).encode_to_vec()),
                })
            }
            None => None,
        };
        let mut content = Content::of(&compose(piece, key, quote.as_ref()));
        content.details.view_once = *once;
        Ok(content)
    }

    /// The phone's user writes to a number: to the other phone, its companions, and the own ones.
    pub(crate) fn write(
        &mut self,
        from: &PhoneNumber,
        to: &PhoneNumber,
        draft: &Draft,
    ) -> Result<Message, PhoneError> {
        self.reachable(from)?;
        let by_lid = self.account(from)?.addressing_of(to).by_lid();
        let place = Place { name: to.e164(), jid: name(to, by_lid), of_many: false, by_lid };
        let content = self.composed(from, &place, draft)?;
        let message = sent(from, to, None, &content);
        self.log_own(&message, by_lid, &content)?;
        if from != to {
            let received = Message { direction: Direction::In, ..message.clone() };
            self.arrive(to, Arrival { message: received, by_lid, content })?;
            self.send_to_companions(&message, to);
        }
        self.send_to_companions(&message, from);
        let logged = self.account(from)?.log.find(&message.id, Direction::Out).cloned();
        Ok(logged.unwrap_or(message))
    }

    /// Logs what the phone itself wrote; its own attachment is fetched like any other.
    pub(super) fn log_own(
        &mut self,
        message: &Message,
        by_lid: bool,
        content: &Content,
    ) -> Result<(), PhoneError> {
        let arrival = Arrival { message: message.clone(), by_lid, content: content.clone() };
        Ok(self.arrive(&message.from, arrival)?)
    }

    /// Encrypts a phone's message for every companion of `owner`: the recipient's, or its own.
    fn send_to_companions(&mut self, message: &Message, owner: &PhoneNumber) {
        let devices = self.accounts.get(owner).map(Account::device_numbers).unwrap_or_default();
        for device in devices {
            let companion = DeviceId { number: owner.clone(), device };
            // One companion without usable keys must not cost the others the message.
            if let Err(error) = self.send_to_companion(message, &companion) {
                tracing::warn!(%error, "a phone's message did not reach one companion");
            }
        }
    }

    pub(super) fn send_to_companion(
        &mut self,
        message: &Message,
        to: &DeviceId,
    ) -> Result<(), StanzaError> {
        let own = to.number == message.from;
        let account = self.account(&message.from)?;
        let content = account.written(message)?;
        let addressing = account.addressing_of(&message.to);
        let chat = account.own_name_of(&message.to);
        let name = account.name.clone();
        let stanza = NodeBuilder::new("message")
            .attr("id", message.id.as_str())
            .attr("t", clock::unix_seconds())
            .attr("type", stanza_type_from_message(&content))
            .attr("notify", name);
        let stanza = with_edit(stanza, edit_attribute(&message.kind));
        let content = if own { device_sent(&chat, content) } else { content };
        let enc = if message.details.view_once {
            unavailable()
        } else {
            self.seal(&message.from, to, &content)?
        };
        let stanza = if own {
            let stanza = stanza.attr("from", message.from.pn_jid(0)).attr("recipient", &chat);
            addressing.complete(&message.to, &chat, stanza)
        } else {
            addressing.address(&message.from, stanza)
        };
        self.deliver(to, stanza.children([enc]).build());
        Ok(())
    }
}

impl Account {
    /// What a message of this account's phone says, as it was written.
    pub(super) fn written(&self, message: &Message) -> Result<wa::Message, StanzaError> {
        match self.log.body(&message.id, &message.from) {
            Some(body) => Ok(wa::Message::decode_from_slice(&body)?),
            None => Ok(phone::text(&message.text)),
        }
    }
}

/// What companions get in place of what may be seen once (whatsapp-rust 0.7.0, `message/receive.rs`).
fn unavailable() -> Node {
    NodeBuilder::new("unavailable").attr("type", "view_once").build()
}

/// How a message is named within another that is about it, seen from `writer`.
fn key_of(target: &Message, writer: &PhoneNumber, place: &Place) -> wa::MessageKey {
    wa::MessageKey {
        remote_jid: Some(place.jid.to_string()),
        from_me: Some(target.from == *writer),
        id: Some(target.id.clone()),
        participant: place.of_many.then(|| name(&target.from, place.by_lid).to_string()),
    }
}

fn name(number: &PhoneNumber, by_lid: bool) -> Jid {
    if by_lid { number.lid_jid(0) } else { number.pn_jid(0) }
}

/// The `edit` attribute of a stanza (wacore 0.7.0, `types/message.rs`).
pub(super) fn edit_attribute(kind: &str) -> Option<&'static str> {
    match kind {
        "edit" => Some("1"),
        "revoke" => Some("7"),
        _ => None,
    }
}

/// Whether a message deletes another's: only admins do that, and their stanzas say so.
pub(super) fn deletes_anothers(content: &wa::Message) -> bool {
    let protocol = content.protocol_message.as_option();
    let key = protocol.and_then(|protocol| protocol.key.as_option());
    key.is_some_and(|key| key.from_me == Some(false))
}

pub(super) fn with_edit(stanza: NodeBuilder, edit: Option<&str>) -> NodeBuilder {
    match edit {
        Some(edit) => stanza.attr("edit", edit),
        None => stanza,
    }
}

/// Says on an `<enc>` or `<plaintext>` what kind of attachment is inside.
pub(super) fn with_media_type(mut part: Node, content: &wa::Message) -> Node {
    if let Some(kind) = media_type_from_message(content) {
        part.attrs.insert("mediatype", kind);
    }
    part
}
