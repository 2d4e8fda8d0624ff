//! Acts of virtual phones and their users: texting, reading, unlinking, greeting companions.

use buffa::Message as _;
use serde::Serialize;
use wacore_binary::{Node, builder::NodeBuilder};
use waproto::whatsapp as wa;

use super::{
    Account, State,
    account::DeviceId,
    app_state::AppState,
    receipts::PhoneReceipt,
    state::{StanzaError, stanza_id},
    writing::{Draft, with_media_type},
};
use crate::{
    clock,
    node::leaf,
    number::PhoneNumber,
    phone::{Direction, Message, SignalError, Status, key_share, pad},
};

/// A virtual phone as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Phone {
    /// The phone's number.
    pub number: PhoneNumber,
    /// The name that others see.
    pub name: String,
    /// How many companions are linked.
    pub companions: usize,
}

/// A linked device as its phone shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Companion {
    /// The device number, from 1.
    pub device: u16,
    /// The device's JID.
    pub jid: String,
    /// What the client calls itself.
    pub platform: String,
    /// Whether it is logged in now.
    pub connected: bool,
    /// Whether it shows itself as online; `None` before it has said so.
    pub available: Option<bool>,
}

/// A phone could not do what its user wants.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PhoneError {
    #[error("the phone knows no message with this id")]
    UnknownMessage,
    #[error("there is no such group, or the phone is not in it")]
    UnknownGroup,
    #[error("there is no such channel")]
    UnknownChannel,
    #[error("the phone knows no call of its own with this id")]
    UnknownCall,
    #[error("no companion with this device number is linked")]
    UnknownCompanion,
    #[error("the phone is offline")]
    Offline,
    #[error("the phone's cryptography failed")]
    Signal(#[from] SignalError),
    #[error("the phone could not write the message")]
    Stanza(#[from] StanzaError),
}

impl From<&Account> for Phone {
    fn from(account: &Account) -> Self {
        Self {
            number: account.number.clone(),
            name: account.name.clone(),
            companions: account.devices.len(),
        }
    }
}

impl State {
    /// The phone of a number, and whether it is new.
    pub(crate) fn phone(&mut self, number: &PhoneNumber) -> Result<(Phone, bool), SignalError> {
        let new = !self.accounts.contains_key(number);
        Ok((Phone::from(&*self.account(number)?), new))
    }

    pub(crate) fn phones(&self) -> Vec<Phone> {
        self.accounts.values().map(Phone::from).collect()
    }

    /// Says whether others find the number on WhatsApp.
    pub(crate) fn set_absent(
        &mut self,
        number: &PhoneNumber,
        absent: bool,
    ) -> Result<(), SignalError> {
        self.account(number)?.absent = absent;
        Ok(())
    }

    pub(crate) fn companions(&self, number: &PhoneNumber) -> Vec<Companion> {
        let devices = self.accounts.get(number).into_iter().flat_map(|account| &account.devices);
        devices
            .map(|(device, state)| Companion {
                device: *device,
                jid: number.pn_jid(*device).to_string(),
                platform: state.platform.clone(),
                connected: state.online.is_some(),
                available: state.online.and_then(|online| online.available),
            })
            .collect()
    }

    pub(crate) fn messages(&self, number: &PhoneNumber) -> Vec<Message> {
        self.accounts.get(number).map(|account| account.log.all()).unwrap_or_default()
    }

    /// The phone's user removes a linked device.
    pub(crate) fn unlink(&mut self, number: &PhoneNumber, device: u16) -> Result<(), PhoneError> {
        let id = DeviceId { number: number.clone(), device };
        if self.unlink_device(&id) { Ok(()) } else { Err(PhoneError::UnknownCompanion) }
    }

    /// The phone's user reads a message: the sender is told.
    pub(crate) fn mark_read(
        &mut self,
        number: &PhoneNumber,
        id: &str,
    ) -> Result<Message, PhoneError> {
        let account = self.account(number)?;
        let Some(received) = account.log.find(id, Direction::In) else {
            // Reading one's own message tells nobody anything.
            let own = account.log.find(id, Direction::Out).cloned();
            return own.ok_or(PhoneError::UnknownMessage);
        };
        let receipt = PhoneReceipt {
            reader: number.clone(),
            sender: received.from.clone(),
            by_lid: account.log.came_by_lid(id),
            chat: received.chat.as_deref().and_then(|chat| chat.parse().ok()),
            id: id.to_owned(),
            status: Status::Read,
        };
        self.phone_receipt(&receipt);
        let account = self.account(number)?;
        account.log.find(id, Direction::In).cloned().ok_or(PhoneError::UnknownMessage)
    }

    /// The phone's user sends a text.
    pub(crate) fn send_text(
        &mut self,
        from: &PhoneNumber,
        to: &PhoneNumber,
        text: &str,
    ) -> Result<Message, PhoneError> {
        self.write(from, to, &Draft::from(text))
    }

    /// A companion could not decrypt what its own or another phone sent.
    pub(super) fn send_again(
        &mut self,
        sender: &DeviceId,
        to: &DeviceId,
        id: &str,
    ) -> Result<(), StanzaError> {
        let sent = self.account(&sender.number)?.log.find(id, Direction::Out).cloned();
        match sent {
            Some(message) if message.chat.is_some() => self.crowd_again(&message, to),
            Some(message) => self.send_to_companion(&message, to),
            // Peer messages are in no log; the one that matters is the key.
            None if sender.number == to.number => self.share_app_state_key(to),
            None => Ok(()),
        }
    }

    /// What a phone tells a fresh companion, as soon as it can be reached (wa-server.md §6.6).
    pub(super) fn greet(&mut self, to: &DeviceId) -> Result<(), StanzaError> {
        let device = self.device(to)?;
        if device.one_time.is_empty() && !device.key_shared {
            return Ok(());
        }
        if !std::mem::replace(&mut device.key_shared, true) {
            self.share_app_state_key(to)?;
        }
        let device = self.device(to)?;
        let active = device.online.is_some_and(|online| online.active);
        // The history comes after the offline marker.
        if active && !std::mem::replace(&mut device.history_sent, true) {
            let history = self.history_for(&to.number)?;
            self.send_peer(to, &history)?;
        }
        Ok(())
    }

    pub(super) fn share_app_state_key(&mut self, to: &DeviceId) -> Result<(), StanzaError> {
        let account = self.account(&to.number)?;
        let message = key_share(
            AppState::key_id(),
            &account.app_state.key,
            account.raw_id,
            account.key_indexes(),
        );
        self.send_peer(to, &message)
    }

    fn send_peer(&mut self, to: &DeviceId, content: &wa::Message) -> Result<(), StanzaError> {
        let enc = self.seal(&to.number, to, content)?;
        let stanza = NodeBuilder::new("message")
            .attr("from", to.number.pn_jid(0))
            .attr("id", stanza_id())
            .attr("t", clock::unix_seconds())
            .attr("type", "text")
            .attr("category", "peer")
            .attr("push_priority", "high")
            .children([enc])
            .build();
        self.deliver(to, stanza);
        Ok(())
    }

    /// Encrypts for one companion, opening a session from its bundle when there is none.
    pub(super) fn seal(
        &mut self,
        from: &PhoneNumber,
        to: &DeviceId,
        content: &wa::Message,
    ) -> Result<Node, StanzaError> {
        let peer = to.session_name();
        if !self.account(from)?.keys.has_session(&peer) {
            let bundle = self.bundle(to)?.ok_or(StanzaError::UnknownDevice)?;
            self.account(from)?.keys.open_session(&peer, &bundle)?;
        }
        let plain = pad(content.encode_to_vec());
        let (kind, sealed) = self.account(from)?.keys.encrypt(&peer, &plain)?;
        let mut enc = leaf("enc", sealed);
        enc.attrs.insert("v", "2");
        enc.attrs.insert("type", kind);
        Ok(with_media_type(enc, content))
    }
}
