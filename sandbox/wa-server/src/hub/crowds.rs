//! Messages to many at once: groups and status posts, encrypted with sender keys.
//!
//! A device that lacks the writer's sender key gets it in an `<enc>` of its own before the common
//! `<enc type="skmsg">`, as WhatsApp does (whatsapp-rust 0.7.0, `message/receive.rs`).

use buffa::Message as _;
use wacore::send::stanza_type_from_message;
use wacore_binary::{Jid, Node, Server, builder::NodeBuilder};

use super::{
    Account, State,
    account::DeviceId,
    arrivals::{Arrival, sent},
    phones::PhoneError,
    state::{ConnId, StanzaError},
    writing::{Draft, Place, deletes_anothers, edit_attribute, with_edit, with_media_type},
};
use crate::{
    clock,
    node::{NodeExt as _, leaf},
    number::PhoneNumber,
    phone::{self, Content, Direction, Message, SignalError, Status, distribution, pad},
};

/// Who reads along, and in which address space they see each other.
#[derive(Clone, Debug)]
pub(super) struct Crowd {
    pub(super) chat: Jid,
    pub(super) by_lid: bool,
    /// Everybody, the writer too.
    pub(super) members: Vec<PhoneNumber>,
}

impl State {
    /// A phone writes to a crowd.
    pub(super) fn write_to_crowd(
        &mut self,
        crowd: &Crowd,
        from: &PhoneNumber,
        draft: &Draft,
    ) -> Result<Message, PhoneError> {
        self.reachable(from)?;
        let (chat, by_lid) = (crowd.chat.to_string(), crowd.by_lid);
        let place = Place { name: chat.clone(), jid: crowd.chat.clone(), of_many: true, by_lid };
        let content = self.composed(from, &place, draft)?;
        let message = sent(from, from, Some(chat.clone()), &content);
        self.log_own(&message, by_lid, &content)?;
        for member in crowd.members.iter().filter(|member| *member != from) {
            let direction = Direction::In;
            let message = Message { direction, to: member.clone(), ..message.clone() };
            self.arrive(member, Arrival { message, by_lid, content: content.clone() })?;
        }
        let devices = self.companions_of(&crowd.members);
        // The key as it stands before this message; who has it already gets none.
        let key = self.account(from)?.sender_keys.distribution(&chat)?;
        let sealed = self.sealed_for_crowd(&chat, &message)?;
        for device in devices {
            let news = self.account(from)?.sender_keys.give(&chat, &device.session_name());
            let sent = self.crowd_copy(crowd, &message, &device, news.then_some(&key), &sealed);
            if let Err(error) = sent {
                tracing::warn!(%error, "a message to many did not reach one companion");
            }
        }
        Ok(message)
    }

    /// The common `<enc>` of a message that a phone has written to a crowd.
    fn sealed_for_crowd(&mut self, chat: &str, message: &Message) -> Result<Node, StanzaError> {
        let account = self.account(&message.from)?;
        let content = account.written(message)?;
        let sealed = account.sender_keys.encrypt(chat, &pad(content.encode_to_vec()))?;
        Ok(with_media_type(skmsg(&sealed), &content))
    }

    fn companions_of(&self, members: &[PhoneNumber]) -> Vec<DeviceId> {
        let devices = |number: &PhoneNumber| {
            self.accounts.get(number).map(Account::device_numbers).unwrap_or_default()
        };
        members
            .iter()
            .flat_map(|number| {
                devices(number)
                    .into_iter()
                    .map(|device| DeviceId { number: number.clone(), device })
            })
            .collect()
    }

    fn crowd_copy(
        &mut self,
        crowd: &Crowd,
        message: &Message,
        to: &DeviceId,
        key: Option<&Vec<u8>>,
        sealed: &Node,
    ) -> Result<(), StanzaError> {
        let mut parts = Vec::with_capacity(2);
        if let Some(key) = key {
            let chat = crowd.chat.to_string();
            parts.push(self.seal(&message.from, to, &distribution(&chat, key))?);
        }
        parts.push(sealed.clone());
        let writer = DeviceId { number: message.from.clone(), device: 0 };
        let written = self.account(&message.from)?.written(message)?;
        let kind = stanza_type_from_message(&written);
        let stanza = self.crowd_stanza(crowd, &writer, &message.id).attr("type", kind);
        let edit = edit_attribute(&message.kind);
        let edit = if deletes_anothers(&written) { edit.and(Some("8")) } else { edit };
        let stanza = with_edit(stanza, edit);
        self.deliver(to, stanza.children(parts).build());
        Ok(())
    }

    fn crowd_stanza(&self, crowd: &Crowd, writer: &DeviceId, id: &str) -> NodeBuilder {
        let DeviceId { number, device } = writer;
        let name = self.accounts.get(number).map(|account| account.name.clone());
        let stanza = NodeBuilder::new("message")
            .attr("from", &crowd.chat)
            .attr("id", id)
            .attr("t", clock::unix_seconds())
            .attr("notify", name.unwrap_or_default());
        if crowd.by_lid {
            stanza
                .attr("participant", number.lid_jid(*device))
                .attr("participant_pn", number.pn_jid(0))
                .attr("addressing_mode", "lid")
        } else {
            stanza
                .attr("participant", number.pn_jid(*device))
                .attr("participant_lid", number.lid_jid(0))
                .attr("addressing_mode", "pn")
        }
    }

    /// A companion could not decrypt what a phone wrote to a crowd: it gets a new session, the key,
    /// and the message under a later state of that key.
    pub(super) fn crowd_again(
        &mut self,
        message: &Message,
        to: &DeviceId,
    ) -> Result<(), StanzaError> {
        let Some(crowd) = message.chat.as_ref().and_then(|chat| self.crowd(chat)) else {
            return Ok(());
        };
        let chat = crowd.chat.to_string();
        let key = self.account(&message.from)?.sender_keys.distribution(&chat)?;
        let sealed = self.sealed_for_crowd(&chat, message)?;
        self.crowd_copy(&crowd, message, to, Some(&key), &sealed)
    }

    /// The crowd of a chat, when it can still be told.
    pub(super) fn crowd(&self, chat: &str) -> Option<Crowd> {
        if chat == super::status::CHAT {
            let (chat, members) = (super::status::chat(), Vec::new());
            return Some(Crowd { chat, by_lid: true, members });
        }
        self.crowds.groups.get(chat.split('@').next()?).map(super::groups::Group::crowd)
    }

    /// A companion writes to a group.
    pub(super) fn crowd_message(
        &mut self,
        conn: ConnId,
        from: &DeviceId,
        stanza: &Node,
    ) -> Result<(), StanzaError> {
        let to = stanza.jid("to").ok_or(StanzaError::Lacks("recipient"))?;
        let id = stanza.text("id").ok_or(StanzaError::Lacks("id"))?;
        let ack = NodeBuilder::new("ack")
            .attr("class", "message")
            .attr("id", id.as_str())
            .attr("from", &to)
            .attr("t", clock::unix_seconds());
        let member =
            self.crowd(&to.to_string()).filter(|crowd| crowd.members.contains(&from.number));
        let Some(crowd) = member else {
            self.send(conn, ack.attr("error", "403").build());
            return Ok(());
        };
        self.send(conn, ack.build());
        let repeated = !self.device(from)?.first_time(&id);
        // A repeat for one device names it, and its only ciphertext is for that device.
        let only = stanza.jid("participant");
        let common = stanza.kid("enc");
        for number in &crowd.members {
            let phone = DeviceId { number: number.clone(), device: 0 };
            let meant = only.as_ref().is_none_or(|only| is_device(only, &phone));
            if !meant {
                continue;
            }
            let asked_again = self.account(number)?.wants_again.remove(&id);
            if repeated && !asked_again {
                continue;
            }
            if let Err(error) = self.phone_reads_crowd(&crowd, from, number, stanza) {
                tracing::debug!(%error, "a phone could not read a group message");
                let chat = crowd.chat.clone();
                let named = if crowd.by_lid { number.lid_jid(0) } else { number.pn_jid(0) };
                self.ask_again(number, from, &named, Some(&chat), &id)?;
            }
        }
        for device in self.companions_of(&crowd.members) {
            let meant = only.as_ref().is_none_or(|only| is_device(only, &device));
            if device == *from || !meant {
                continue;
            }
            let asked_again = self.device(&device)?.wants_again.remove(&id);
            if repeated && !asked_again {
                continue;
            }
            let parts: Vec<Node> =
                key_for(stanza, &device).into_iter().chain(common).cloned().collect();
            let with_identity = parts.iter().any(|enc| enc.has_type("pkmsg"));
            let identity = stanza.kid("device-identity").filter(|_| with_identity).cloned();
            let kind = stanza.text("type").unwrap_or_else(|| "text".to_owned());
            let copy = self.crowd_stanza(&crowd, from, &id).attr("type", kind);
            let copy = with_edit(copy, stanza.text("edit").as_deref());
            self.deliver(&device, copy.children(parts.into_iter().chain(identity)).build());
        }
        Ok(())
    }

    fn phone_reads_crowd(
        &mut self,
        crowd: &Crowd,
        from: &DeviceId,
        reader: &PhoneNumber,
        stanza: &Node,
    ) -> Result<(), StanzaError> {
        let (chat, sender) = (crowd.chat.to_string(), from.session_name());
        let id = stanza.text("id").ok_or(StanzaError::Lacks("id"))?;
        let account = self.account(reader)?;
        let phone = DeviceId { number: reader.clone(), device: 0 };
        if let Some(enc) = key_for(stanza, &phone) {
            let kind = enc.text("type").unwrap_or_default();
            let plain = account.keys.decrypt(&sender, &kind, &enc.payload())?;
            if let Some(key) = phone::distributed_key(&plain) {
                account.sender_keys.learn(&chat, &sender, &key)?;
            }
        }
        let Some(common) = stanza.kid("enc") else { return Ok(()) };
        let kind = common.text("type").unwrap_or_default();
        let plain = if kind == "skmsg" {
            account.sender_keys.decrypt(&chat, &sender, &common.payload())?
        } else {
            // A repeat for this phone alone.
            let plain = account.keys.decrypt(&sender, &kind, &common.payload())?;
            if let Some(key) = phone::distributed_key(&plain) {
                account.sender_keys.learn(&chat, &sender, &key)?;
            }
            plain
        };
        let content = Content::decode(&plain).ok_or(SignalError::Padding)?;
        let own = *reader == from.number;
        let message = Message {
            id,
            direction: if own { Direction::Out } else { Direction::In },
            from: from.number.clone(),
            to: reader.clone(),
            chat: Some(chat),
            text: content.text.clone(),
            kind: content.kind.to_owned(),
            at: clock::iso_now(),
            status: Status::Sent,
            details: content.details.clone(),
        };
        Ok(self.arrive(reader, Arrival { message, by_lid: crowd.by_lid, content })?)
    }
}

fn skmsg(sealed: &[u8]) -> Node {
    let mut enc = leaf("enc", sealed);
    enc.attrs.insert("v", "2");
    enc.attrs.insert("type", "skmsg");
    enc
}

/// The `<enc>` that is for one device only, in whichever address space it is named.
fn key_for<'a>(stanza: &'a Node, device: &DeviceId) -> Option<&'a Node> {
    let listed = stanza.kid("participants")?.kids();
    let wanted = |to: &&Node| to.jid("jid").is_some_and(|jid| is_device(&jid, device));
    listed.iter().find(wanted)?.kid("enc")
}

fn is_device(jid: &Jid, device: &DeviceId) -> bool {
    jid.device == device.device && PhoneNumber::of_jid(jid).as_ref() == Some(&device.number)
}

/// Whether a JID is a chat of many.
pub(super) fn is_crowd(jid: &Jid) -> bool {
    matches!(jid.server, Server::Group | Server::Broadcast)
}
