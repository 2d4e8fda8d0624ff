//! What phones receive: into their logs, now or once they are online again, with receipts as their
//! owners want them.

use std::{collections::VecDeque, time::Duration};

use serde::{Deserialize, Serialize};
use wacore_binary::{Jid, Server};

use super::{
    Account, State,
    media::Fetch,
    phones::PhoneError,
    receipts::PhoneReceipt,
    state::{Later, stanza_id},
};
use crate::{
    clock,
    number::PhoneNumber,
    phone::{Content, Direction, Message, SignalError, Status},
};

/// A receipt that comes at once merges into Baileys' own bookkeeping and no update is emitted
/// (wa-server.md §7).
const DELIVERED_AFTER: Duration = Duration::from_millis(40);
const READ_AFTER: Duration = Duration::from_millis(80);
/// As many messages wait for a phone that is offline; the oldest are lost beyond.
const MAX_WAITING: usize = 10_000;

/// When a phone's user reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// When told to.
    #[default]
    Manual,
    /// Everything, as soon as it comes.
    Auto,
    /// When told to, but without letting the sender know.
    Silent,
}

/// How a phone behaves towards those who write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Conduct {
    /// Whether it confirms what it receives.
    pub delivered: bool,
    /// When its user reads.
    pub read: Reads,
    /// Whether it is out of reach: it receives nothing until it is back, and sends nothing.
    pub offline: bool,
}

impl Default for Conduct {
    fn default() -> Self {
        Self { delivered: true, read: Reads::Manual, offline: false }
    }
}

/// What to change about it; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConductChange {
    /// See [`Conduct::delivered`].
    pub delivered: Option<bool>,
    /// See [`Conduct::read`].
    pub read: Option<Reads>,
    /// See [`Conduct::offline`].
    pub offline: Option<bool>,
}

/// A message on its way into a phone's log.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(super) message: Message,
    pub(super) by_lid: bool,
    pub(super) content: Content,
}

/// A message as its sender's phone logs it.
pub(super) fn sent(
    from: &PhoneNumber,
    to: &PhoneNumber,
    chat: Option<String>,
    content: &Content,
) -> Message {
    Message {
        id: stanza_id(),
        direction: Direction::Out,
        from: from.clone(),
        to: to.clone(),
        chat,
        text: content.text.clone(),
        kind: content.kind.to_owned(),
        at: clock::iso_now(),
        status: Status::Sent,
        details: content.details.clone(),
    }
}

impl State {
    /// How a phone behaves.
    pub(crate) fn conduct(&self, number: &PhoneNumber) -> Conduct {
        self.accounts.get(number).map(|account| account.conduct).unwrap_or_default()
    }

    /// Changes how a phone behaves. One that comes back gets what waited for it.
    pub(crate) fn set_conduct(
        &mut self,
        number: &PhoneNumber,
        change: ConductChange,
    ) -> Result<Conduct, SignalError> {
        let account = self.account(number)?;
        let conduct = Conduct {
            delivered: change.delivered.unwrap_or(account.conduct.delivered),
            read: change.read.unwrap_or(account.conduct.read),
            offline: change.offline.unwrap_or(account.conduct.offline),
        };
        account.conduct = conduct;
        if !conduct.offline {
            let waited = std::mem::take(&mut account.waiting);
            for arrival in waited {
                self.arrive(number, arrival)?;
            }
        }
        Ok(conduct)
    }

    /// Fails when the phone cannot send.
    pub(super) fn reachable(&self, number: &PhoneNumber) -> Result<(), PhoneError> {
        if self.conduct(number).offline { Err(PhoneError::Offline) } else { Ok(()) }
    }

    /// A message reaches a phone: it is logged and confirmed, and its attachment fetched. One for a
    /// phone that is offline waits; what a companion of its own sent is known all the same, or the
    /// receipts for it would find nothing.
    pub(super) fn arrive(
        &mut self,
        owner: &PhoneNumber,
        arrival: Arrival,
    ) -> Result<(), SignalError> {
        let account = self.account(owner)?;
        if account.conduct.offline && arrival.message.direction == Direction::In {
            account.wait(arrival);
            return Ok(());
        }
        let Arrival { message, by_lid, content } = arrival;
        let (id, from) = (message.id.clone(), message.from.clone());
        let received = message.direction == Direction::In;
        let chat = message.chat.as_deref().and_then(|chat| chat.parse().ok());
        let new = account.log.add(message, by_lid, content.body);
        if let Some(attachment) = content.attachment.filter(|_| new) {
            let fetch =
                Fetch { owner: owner.clone(), id: id.clone(), from: from.clone(), attachment };
            self.later.push((Duration::ZERO, Later::Fetch(fetch)));
        }
        if received && chat.as_ref().is_none_or(|chat: &Jid| chat.server != Server::Newsletter) {
            self.put_off_receipts(PhoneReceipt {
                reader: owner.clone(),
                sender: from,
                by_lid,
                chat,
                id,
                status: Status::Delivered,
            });
        }
        Ok(())
    }

    /// Puts off the receipts for a message.
    fn put_off_receipts(&mut self, receipt: PhoneReceipt) {
        let conduct = self.conduct(&receipt.reader);
        if conduct.read == Reads::Auto {
            let read = PhoneReceipt { status: Status::Read, ..receipt.clone() };
            self.later.push((READ_AFTER, Later::Receipt(read)));
        }
        if conduct.delivered {
            self.later.push((DELIVERED_AFTER, Later::Receipt(receipt)));
        }
    }
}

impl Account {
    fn wait(&mut self, arrival: Arrival) {
        self.waiting.push_back(arrival);
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
        }
    }
}

/// What waits for phones that are offline.
pub(crate) type Waiting = VecDeque<Arrival>;
