//! Messages to many at once: groups and status posts, encrypted with sender keys.
//!
//! A device that lacks the writer's sender key gets it in an `<enc>` of its own before the common
//! `<enc type="skmsg">`, as WhatsApp does (whatsapp-rust 0.7.0, `message/receive.rs`).

use std::time::Duration;

use buffa::Message as _;
use wacore_binary::{Jid, Node, Server, builder::NodeBuilder};

use super::{
    Account, State,
    account::DeviceId,
    phones::PhoneError,
    receipts::PhoneReceipt,
    state::{ConnId, Later, StanzaError, stanza_id},
};
use crate::{
    clock,
    node::{NodeExt as _, leaf},
    number::PhoneNumber,
    phone::{self, Content, Direction, Message, SignalError, Status, distribution, pad},
};

const DELIVERED_AFTER: Duration = Duration::from_millis(40);

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
        text: &str,
    ) -> Result<Message, PhoneError> {
        let chat = crowd.chat.to_string();
        let message = Message {
            id: stanza_id(),
            direction: Direction::Out,
            from: from.clone(),
            to: from.clone(),
            chat: Some(chat.clone()),
            text: text.to_owned(),
            kind: "text".to_owned(),
            at: clock::iso_now(),
            status: Status::Sent,
        };
        self.account(from)?.log.add(message.clone(), crowd.by_lid);
        for member in &crowd.members {
            if member != from {
                let direction = Direction::In;
                let received = Message { direction, to: member.clone(), ..message.clone() };
                self.account(member)?.log.add(received, crowd.by_lid);
                self.confirm_crowd_message(crowd, member, from, &message.id);
            }
        }
        let devices = self.companions_of(&crowd.members);
        // The key as it stands before this message; who has it already gets none.
        let key = self.account(from)?.sender_keys.distribution(&chat)?;
        let plain = pad(phone::text(text).encode_to_vec());
        let sealed = self.account(from)?.sender_keys.encrypt(&chat, &plain)?;
        for device in devices {
            let news = self.account(from)?.sender_keys.give(&chat, &device.session_name());
            let sent = self.crowd_copy(crowd, &message, &device, news.then_some(&key), &sealed);
            if let Err(error) = sent {
                tracing::warn!(%error, "a message to many did not reach one companion");
            }
        }
        Ok(message)
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
        sealed: &[u8],
    ) -> Result<(), StanzaError> {
        let mut parts = Vec::with_capacity(2);
        if let Some(key) = key {
            let chat = crowd.chat.to_string();
            parts.push(self.seal(&message.from, to, &distribution(&chat, key))?);
        }
        parts.push(skmsg(sealed));
        let writer = DeviceId { number: message.from.clone(), device: 0 };
        let stanza = self.crowd_stanza(crowd, &writer, &message.id).children(parts).build();
        self.deliver(to, stanza);
        Ok(())
    }

    fn crowd_stanza(&self, crowd: &Crowd, writer: &DeviceId, id: &str) -> NodeBuilder {
        let DeviceId { number, device } = writer;
        let name = self.accounts.get(number).map(|account| account.name.clone());
        let stanza = NodeBuilder::new("message")
            .attr("from", &crowd.chat)
            .attr("id", id)
            .attr("t", clock::unix_seconds())
            .attr("type", "text")
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

    fn confirm_crowd_message(
        &mut self,
        crowd: &Crowd,
        reader: &PhoneNumber,
        sender: &PhoneNumber,
        id: &str,
    ) {
        let receipt = PhoneReceipt {
            reader: reader.clone(),
            sender: sender.clone(),
            by_lid: crowd.by_lid,
            chat: Some(crowd.chat.clone()),
            id: id.to_owned(),
            status: Status::Delivered,
        };
        self.later.push((DELIVERED_AFTER, Later::Receipt(receipt)));
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
        let keys = &mut self.account(&message.from)?.sender_keys;
        let key = keys.distribution(&chat)?;
        let sealed = keys.encrypt(&chat, &pad(phone::text(&message.text).encode_to_vec()))?;
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
        // Phones ask nobody to encrypt anew, so a repeat is never for them.
        for number in crowd.members.iter().filter(|_| !repeated) {
            if let Err(error) = self.phone_reads_crowd(&crowd, from, number, stanza) {
                tracing::warn!(%error, "a phone could not read a group message");
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
            let copy = self.crowd_stanza(&crowd, from, &id);
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
        let plain = account.sender_keys.decrypt(&chat, &sender, &common.payload())?;
        let content = Content::decode(&plain).ok_or(SignalError::Padding)?;
        let own = *reader == from.number;
        let message = Message {
            id: id.clone(),
            direction: if own { Direction::Out } else { Direction::In },
            from: from.number.clone(),
            to: reader.clone(),
            chat: Some(chat),
            text: content.text,
            kind: content.kind.to_owned(),
            at: clock::iso_now(),
            status: Status::Sent,
        };
        account.log.add(message, crowd.by_lid);
        if !own {
            self.confirm_crowd_message(crowd, reader, &from.number, &id);
        }
        Ok(())
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
