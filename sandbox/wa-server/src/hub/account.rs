//! One phone number: its phone, its companions, its app state.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use serde::{Deserialize, Serialize};
use wacore_binary::Node;

use super::{
    addressing::ChatAddressing,
    app_state::AppState,
    arrivals::{Conduct, Waiting},
    passkey::PasskeyState,
    state::ConnId,
    typing::Typing,
};
use crate::{
    crypto::{Key, base64_serde},
    node::{NodeExt as _, wire_serde},
    number::PhoneNumber,
    phone::{MessageLog, OldChat, PhoneKeys, SenderKeys, SignalError},
    prekeys::{Bundle, OneTimeKey, SignedPreKey},
};

/// A device that stays away loses the oldest stanzas beyond this number.
const MAX_QUEUE: usize = 5_000;
/// How many messages a device may have asked for again without getting them.
const MAX_WANTED: usize = 1_000;
/// How many message ids a sender's repeats are recognised by.
const MAX_SENT_IDS: usize = 2_000;
const SHOWN_DIGITS: usize = 4;

/// A linked device: whose, and its number; 0 is the phone itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct DeviceId {
    pub(crate) number: PhoneNumber,
    pub(crate) device: u16,
}

impl DeviceId {
    /// The name of this device in the session stores of phones. One spelling for both address
    /// spaces, since clients switch between them within one session.
    pub(crate) fn session_name(&self) -> String {
        format!("{}:{}", self.number.digits(), self.device)
    }
}

/// Where a device is connected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Online {
    pub(crate) conn: ConnId,
    /// The client has asked for its stanzas (`passive`/`active`); before that they only queue.
    pub(crate) active: bool,
    /// What its last `<presence>` said.
    pub(crate) available: Option<bool>,
}

/// A companion device.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Device {
    #[serde(with = "base64_serde")]
    pub(crate) identity: Key,
    #[serde(with = "base64_serde")]
    pub(crate) noise_key: Key,
    pub(crate) registration_id: u32,
    pub(crate) signed: SignedPreKey,
    pub(crate) one_time: VecDeque<OneTimeKey>,
    /// `ADVSignedDeviceIdentity` with both signatures.
    #[serde(with = "base64_serde")]
    pub(crate) signed_identity: Vec<u8>,
    pub(crate) key_index: u32,
    pub(crate) platform: String,
    /// What the device has not acknowledged yet, oldest first.
    #[serde(with = "wire_serde")]
    pub(crate) queue: VecDeque<Node>,
    /// Ids of the messages that this device sent, to recognise repeats.
    pub(crate) sent_ids: VecDeque<String>,
    /// Messages that this device could not decrypt and asked for again.
    pub(crate) wants_again: HashSet<String>,
    pub(crate) key_shared: bool,
    pub(crate) history_sent: bool,
    #[serde(skip)]
    pub(crate) online: Option<Online>,
}

/// Notes that a device wants a message again; a set that grew too large starts anew.
pub(crate) fn want_again(wanted: &mut HashSet<String>, id: &str) {
    if wanted.len() >= MAX_WANTED {
        wanted.clear();
    }
    wanted.insert(id.to_owned());
}

impl Device {
    pub(crate) fn enqueue(&mut self, node: Node) {
        self.queue.push_back(node);
        if self.queue.len() > MAX_QUEUE {
            self.queue.pop_front();
        }
    }

    /// Notes that this device sent a message; false when it did so before.
    pub(crate) fn first_time(&mut self, id: &str) -> bool {
        if self.sent_ids.iter().any(|sent| sent == id) {
            return false;
        }
        self.sent_ids.push_back(id.to_owned());
        if self.sent_ids.len() > MAX_SENT_IDS {
            self.sent_ids.pop_front();
        }
        true
    }

    /// Drops the queued stanza that an `<ack>` names. One id may be a message and several receipts,
    /// so class and type decide among them.
    pub(crate) fn acknowledged(&mut self, ack: &Node) {
        let (id, class, kind) = (ack.text("id"), ack.text("class"), ack.text("type"));
        let named = |node: &Node| {
            node.text("id") == id && class.as_deref().is_none_or(|class| node.tag == class)
        };
        let exact = self.queue.iter().position(|node| named(node) && node.text("type") == kind);
        if let Some(index) = exact.or_else(|| self.queue.iter().position(named)) {
            self.queue.remove(index);
        }
    }

    /// Drops the queued messages and calls that a receipt names.
    pub(crate) fn received(&mut self, ids: &[String]) {
        self.queue.retain(|node| {
            !matches!(node.tag.as_ref(), "message" | "call")
                || node.text("id").is_none_or(|id| !ids.contains(&id))
        });
    }

    /// What others need to open a session; takes one key of the pool.
    pub(crate) fn bundle(&mut self) -> Bundle {
        Bundle {
            registration_id: self.registration_id,
            identity: self.identity,
            signed: self.signed.clone(),
            one_time: self.one_time.pop_front(),
        }
    }
}

/// A phone number with everything that belongs to it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) number: PhoneNumber,
    pub(crate) name: String,
    /// Whether the number is not on WhatsApp, for those who ask.
    #[serde(default)]
    pub(crate) absent: bool,
    pub(crate) keys: PhoneKeys,
    /// Names the phone's installation in device identities and key index lists.
    pub(crate) raw_id: u32,
    pub(crate) devices: BTreeMap<u16, Device>,
    pub(crate) next_device: u16,
    pub(crate) app_state: AppState,
    pub(crate) log: MessageLog,
    /// Messages that the phone could not decrypt and asked for again.
    pub(crate) wants_again: HashSet<String>,
    /// Accounts that have asked for this one's devices and are told when they change.
    pub(crate) watchers: BTreeSet<PhoneNumber>,
    /// What the phone knew before any companion was linked.
    #[serde(default)]
    pub(crate) history: Vec<OldChat>,
    /// Chats that the phone does not write to as it does to all others.
    #[serde(default)]
    pub(crate) addressing: BTreeMap<PhoneNumber, ChatAddressing>,
    /// Who was seen typing last, and how.
    #[serde(skip)]
    pub(crate) typing: BTreeMap<PhoneNumber, Typing>,
    #[serde(default)]
    pub(crate) passkey: PasskeyState,
    #[serde(default)]
    pub(crate) sender_keys: SenderKeys,
    /// How the phone behaves towards those who write to it.
    #[serde(default)]
    pub(crate) conduct: Conduct,
    /// What it gets once it is online again; lost in a restart.
    #[serde(skip)]
    pub(crate) waiting: Waiting,
}

impl Account {
    pub(crate) fn new(number: PhoneNumber) -> Result<Self, SignalError> {
        let from = number.digits().len().saturating_sub(SHOWN_DIGITS);
        let name = format!("Phone {}", number.digits().get(from..).unwrap_or_default());
        let app_state = AppState::with_push_name(&name);
        Ok(Self {
            number,
            name,
            absent: false,
            keys: PhoneKeys::generate()?,
            raw_id: rand::random::<u32>() >> 1,
            devices: BTreeMap::new(),
            next_device: 1,
            app_state,
            log: MessageLog::default(),
            wants_again: HashSet::new(),
            watchers: BTreeSet::new(),
            history: Vec::new(),
            addressing: BTreeMap::new(),
            typing: BTreeMap::new(),
            passkey: PasskeyState::default(),
            sender_keys: SenderKeys::default(),
            conduct: Conduct::default(),
            waiting: Waiting::new(),
        })
    }

    pub(crate) fn device_numbers(&self) -> Vec<u16> {
        self.devices.keys().copied().collect()
    }

    /// The key indexes that are valid now; 0 is the phone's.
    pub(crate) fn key_indexes(&self) -> Vec<u32> {
        std::iter::once(0).chain(self.devices.values().map(|device| device.key_index)).collect()
    }
}
