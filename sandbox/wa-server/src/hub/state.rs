//! Everything the server knows, and how stanzas enter and leave it.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use wacore_binary::Node;

use super::{
    Line,
    account::{Account, Device, DeviceId},
    calls::Call,
    channels::Channel,
    faults::Pending,
    groups::Group,
    media::Fetch,
    pairing::{PairingOffer, QrBook, Registration},
    passkey::PasskeyStep,
    receipts::PhoneReceipt,
};
use crate::{crypto::Key, node::NodeExt as _, number::PhoneNumber, phone::SignalError};

/// One socket, for as long as the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnId(u64);

/// What a socket is for.
#[derive(Debug)]
pub(crate) enum Role {
    Registering(Box<Registration>),
    LoggedIn(DeviceId),
    /// Told to go; what it still sends is ignored.
    Leaving,
}

/// One socket after its handshake.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) line: Line,
    pub(crate) noise_key: Key,
    pub(crate) role: Role,
}

/// What happens some time after a critical section.
#[derive(Debug)]
pub(crate) enum Later {
    Receipt(PhoneReceipt),
    Passkey(PasskeyStep),
    /// Done by [`super::Hub`] itself, since it takes its time.
    Fetch(Fetch),
}

/// A stanza that cannot be handled; its connection goes on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StanzaError {
    #[error("a stanza lacks its {0}")]
    Lacks(&'static str),
    #[error("only a logged-in device may do this")]
    NotLoggedIn,
    #[error("the device is linked no longer")]
    UnknownDevice,
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error("a protobuf does not decode")]
    Protobuf(#[from] buffa::DecodeError),
}

/// The chats of many, by the user part of their JIDs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Crowds {
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) channels: BTreeMap<String, Channel>,
}

/// All state; see the module's theory of operation.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) accounts: BTreeMap<PhoneNumber, Account>,
    pub(crate) conns: HashMap<ConnId, Conn>,
    pub(crate) qr_book: QrBook,
    /// What the next clients that want to be linked get.
    pub(crate) offer: PairingOffer,
    /// What the next logins run into.
    pub(crate) faults: Vec<Pending>,
    pub(crate) calls: VecDeque<Call>,
    pub(crate) crowds: Crowds,
    /// What clients may show to the media host, oldest first.
    pub(crate) media_auths: VecDeque<String>,
    /// Started by [`super::Hub::with`] after the critical section.
    pub(crate) later: Vec<(Duration, Later)>,
    last_conn: u64,
}

impl State {
    pub(crate) fn new(accounts: BTreeMap<PhoneNumber, Account>, crowds: Crowds) -> Self {
        Self { accounts, crowds, ..Self::default() }
    }

    pub(crate) fn next_conn_id(&mut self) -> ConnId {
        self.last_conn += 1;
        ConnId(self.last_conn)
    }

    /// The account of a number. Every number exists as soon as somebody mentions it.
    pub(crate) fn account(&mut self, number: &PhoneNumber) -> Result<&mut Account, SignalError> {
        if !self.accounts.contains_key(number) {
            self.accounts.insert(number.clone(), Account::new(number.clone())?);
        }
        // Just inserted if it was absent.
        self.accounts.get_mut(number).ok_or(SignalError::NotReady)
    }

    pub(crate) fn device(&mut self, id: &DeviceId) -> Result<&mut Device, StanzaError> {
        self.accounts
            .get_mut(&id.number)
            .and_then(|account| account.devices.get_mut(&id.device))
            .ok_or(StanzaError::UnknownDevice)
    }

    pub(crate) fn who(&self, conn: ConnId) -> Option<DeviceId> {
        match &self.conns.get(&conn)?.role {
            Role::LoggedIn(device) => Some(device.clone()),
            Role::Registering(_) | Role::Leaving => None,
        }
    }

    pub(crate) fn logged_in(&self, conn: ConnId) -> Result<DeviceId, StanzaError> {
        self.who(conn).ok_or(StanzaError::NotLoggedIn)
    }

    /// Sends at once, past the device's queue.
    pub(crate) fn send(&self, conn: ConnId, node: Node) {
        if let Some(conn) = self.conns.get(&conn) {
            conn.line.stanza(node);
        }
    }

    /// Queues for a device until it acknowledges, and sends now when it listens.
    pub(crate) fn deliver(&mut self, to: &DeviceId, node: Node) {
        let Ok(device) = self.device(to) else { return };
        let listening = device.online.filter(|online| online.active);
        device.enqueue(node.clone());
        if let Some(online) = listening {
            self.send(online.conn, node);
        }
    }

    /// Queues for every companion of an account.
    pub(crate) fn deliver_to_all(&mut self, number: &PhoneNumber, node: &Node) {
        let devices = self.accounts.get(number).map(Account::device_numbers).unwrap_or_default();
        for device in devices {
            self.deliver(&DeviceId { number: number.clone(), device }, node.clone());
        }
    }

    /// Handles one stanza of a client.
    pub(crate) fn stanza(&mut self, conn: ConnId, node: &Node) -> Result<(), StanzaError> {
        let leaving =
            matches!(self.conns.get(&conn).map(|conn| &conn.role), Some(Role::Leaving) | None);
        if leaving {
            return Ok(());
        }
        match node.tag.as_ref() {
            "iq" => {
                match node.text("type").as_deref() {
                    Some("result") => self.iq_answered(conn, node),
                    Some("error") => self.iq_refused(conn, node),
                    _ => self.iq(conn, node),
                }
                Ok(())
            }
            "message" => self.message(conn, node),
            "receipt" => self.receipt(conn, node),
            "call" => self.call_signal(conn, node),
            "chatstate" => self.chatstate(conn, node),
            "presence" => self.presence(conn, node),
            "ack" => {
                let who = self.logged_in(conn)?;
                self.device(&who)?.acknowledged(node);
                Ok(())
            }
            // `ib` wants no answer. Baileys' `offline_batch` least of all: everything
            // was sent already, and answering it again duplicates messages (wa-server.md §6.3).
            _ => Ok(()),
        }
    }

    /// Does what was put off.
    pub(crate) fn act(&mut self, act: Later) {
        match act {
            Later::Receipt(receipt) => self.phone_receipt(&receipt),
            Later::Passkey(step) => self.passkey_step(step),
            Later::Fetch(_) => {}
        }
    }
}

/// A fresh stanza id, as a phone makes them.
pub(crate) fn stanza_id() -> String {
    format!("3EB0{}", hex::encode_upper(rand::random::<[u8; 9]>()))
}
