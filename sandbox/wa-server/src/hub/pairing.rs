//! Linking a companion: QR references, the phone's signature, the companion's confirmation
//! (wa-server.md §4).

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use buffa::Message as _;
use tokio::{sync::oneshot, time::Instant};
use wacore_binary::{Node, builder::NodeBuilder};
use waproto::whatsapp::{self as wa, client_payload::DevicePairingRegistrationData};

use super::{
    State,
    account::{Device, DeviceId},
    devices::DeviceChange,
    pair_code::CodeFlow,
    passkey::PasskeyFlow,
    state::{ConnId, Role, StanzaError, stanza_id},
};
use crate::{
    clock,
    crypto::{Key, hmac_sha256},
    node::{self, NodeExt as _, be_uint, leaf},
    number::PhoneNumber,
    phone::{SignalError, verify},
    prekeys::{KEY_TYPE, SignedPreKey},
    qr::QrText,
};

const REFS: usize = 6;
/// Clients show the first reference longer than the others (wa-server.md §4).
const FIRST_REF_SHOWN: Duration = Duration::from_mins(1);
const OTHER_REF_SHOWN: Duration = Duration::from_secs(20);
/// Closing right after 515 races inside whatsapp-rust (wa-server.md P3).
const RESTART_GRACE: Duration = Duration::from_millis(60);
/// References are remembered beyond their socket, to tell the phone why one is refused.
const MAX_REMEMBERED_REFS: usize = 6_000;

/// What each signature covers besides keys and details (wa-server.md §4).
const ACCOUNT_SIGNATURE: &[u8] = &[6, 0];
const DEVICE_SIGNATURE: &[u8] = &[6, 1];

/// A companion was linked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Linked {
    /// The companion's device number.
    pub device: u16,
    /// The companion's JID.
    pub jid: String,
}

/// Why a phone could not link a companion.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The text is not a WhatsApp QR code.
    #[error("this is not a WhatsApp QR code: {0}")]
    InvalidQr(&'static str),
    /// The image holds no readable QR code.
    #[error("the image holds no QR code that can be read")]
    UnreadableImage,
    /// No client was ever given this reference.
    #[error("this QR code was not issued by this server")]
    UnknownQr,
    /// The reference was scanned before.
    #[error("this QR code was used already")]
    UsedQr,
    /// The client shows another code by now.
    #[error("this QR code has expired; scan the one that is shown now")]
    ExpiredQr,
    /// The client that shows the code is not connected any more.
    #[error("the client that shows this code is not connected any more")]
    SocketGone,
    /// The keys in the code are not those of the client that was given the reference.
    #[error("the keys in this QR code are not those of the client that shows it")]
    ForeignQr,
    /// The companion refused the phone's answer.
    #[error("the client refused: {0}")]
    ClientRefused(String),
    /// The companion's own signature is wrong.
    #[error("the client's device signature is not valid")]
    BadDeviceSignature,
    /// The companion did not answer in time.
    #[error("the client did not confirm in time")]
    Timeout,
    /// Not eight characters of the pairing alphabet.
    #[error("not a pairing code: expected eight characters of 1-9 and A-Z without I, O and U")]
    InvalidCode,
    /// No client asked to be linked to this number by code.
    #[error("no client is waiting for a pairing code of this number")]
    NoPendingCode,
    /// The code is older than its lifetime.
    #[error("the pairing code has expired")]
    CodeExpired,
    /// The client waits for another code.
    #[error("this is not the code that the client shows")]
    CodeRefused,
    /// Clients ignore further attempts with the same code.
    #[error("too many wrong attempts; ask the client for a new code")]
    TooManyAttempts,
    /// The companion was asked for a passkey; linking goes on without the phone's user.
    #[error("the client was asked for a passkey; it is linked once it has presented one")]
    PasskeyRequired,
    /// The server itself failed.
    #[error("the server could not prepare the link")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<SignalError> for LinkError {
    fn from(error: SignalError) -> Self {
        Self::Internal(Box::new(error))
    }
}

/// Tells the waiting phone how its act ended.
pub(super) type Waiter = oneshot::Sender<Result<Linked, LinkError>>;

/// A pair-success that the companion has not confirmed yet.
#[derive(Debug)]
struct Pending {
    device: DeviceId,
    iq: String,
    waiter: Waiter,
}

/// What clients are offered that want to be linked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PairingOffer {
    /// How many QR references each gets, 1 to 6: fewer of them are over sooner.
    pub refs: usize,
    /// Whether pairing codes are given.
    pub codes: bool,
}

impl Default for PairingOffer {
    fn default() -> Self {
        Self { refs: REFS, codes: true }
    }
}

impl PairingOffer {
    /// Whether the number of references is one that WhatsApp may give.
    pub(crate) fn is_possible(self) -> bool {
        (1..=REFS).contains(&self.refs)
    }
}

/// What a client says of itself when it wants to be linked.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(super) identity: Key,
    signal_id: u32,
    signed: SignedPreKey,
    platform: String,
    refs: Vec<String>,
    /// When the client began to show the first reference.
    shown_at: Instant,
    pending: Option<Pending>,
    pub(super) code: Option<CodeFlow>,
    pub(super) passkey: Option<PasskeyFlow>,
}

impl Registration {
    /// Reads and checks the registration part of the client's payload.
    pub(super) fn read(
        data: &DevicePairingRegistrationData,
        offer: PairingOffer,
    ) -> Result<Self, StanzaError> {
        let key = |bytes: &Option<Vec<u8>>, name| {
            bytes.as_deref().and_then(|bytes| bytes.try_into().ok()).ok_or(StanzaError::Lacks(name))
        };
        let number = |bytes: &Option<Vec<u8>>| be_uint(bytes.as_deref().unwrap_or_default());
        let identity: Key = key(&data.e_ident, "identity")?;
        let signed = SignedPreKey {
            id: number(&data.e_skey_id),
            public: key(&data.e_skey_val, "signed prekey")?,
            signature: data.e_skey_sig.clone().unwrap_or_default(),
        };
        if !verify(&identity, &[[KEY_TYPE].as_slice(), &signed.public], &signed.signature) {
            return Err(StanzaError::Lacks("valid signature of the signed prekey"));
        }
        Ok(Self {
            identity,
            signal_id: number(&data.e_regid),
            signed,
            platform: platform(data.device_props.as_deref().unwrap_or_default()),
            refs: (0..offer.refs)
                .map(|_| format!("2@{}", STANDARD.encode(rand::random::<Key>())))
                .collect(),
            shown_at: Instant::now(),
            pending: None,
            code: None,
            passkey: None,
        })
    }

    pub(super) fn refs(&self) -> &[String] {
        &self.refs
    }

    /// Whether the client shows another reference by now. A reference ahead of its time is fine:
    /// only the client can know it, so the client shows it.
    fn is_over(&self, reference: &str) -> bool {
        let index = self.refs.iter().position(|known| known == reference);
        index.is_none_or(|index| self.shown_at.elapsed() >= shown_until(index))
    }
}

/// When clients replace their reference `index`, counted from when they showed the first.
fn shown_until(index: usize) -> Duration {
    let later = u32::try_from(index).unwrap_or(u32::MAX);
    FIRST_REF_SHOWN + OTHER_REF_SHOWN.saturating_mul(later)
}

fn platform(props: &[u8]) -> String {
    let Ok(props) = wa::DeviceProps::decode_from_slice(props) else { return "unknown".to_owned() };
    match props.platform_type {
        Some(kind) => format!("{kind:?}").to_lowercase(),
        None => props.os.unwrap_or_else(|| "unknown".to_owned()),
    }
}

/// Remembers which socket was given which reference, and which were scanned.
#[derive(Debug, Default)]
pub(crate) struct QrBook {
    entries: HashMap<String, QrEntry>,
    order: VecDeque<String>,
}

#[derive(Debug)]
struct QrEntry {
    conn: ConnId,
    used: bool,
}

impl QrBook {
    fn issue(&mut self, reference: &str, conn: ConnId) {
        self.entries.insert(reference.to_owned(), QrEntry { conn, used: false });
        self.order.push_back(reference.to_owned());
        if self.order.len() > MAX_REMEMBERED_REFS
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }
}

impl State {
    /// Gives a registering client its QR references.
    pub(super) fn offer_qr(&mut self, conn: ConnId, refs: &[String]) {
        for reference in refs {
            self.qr_book.issue(reference, conn);
        }
        let refs = refs.iter().map(|reference| leaf("ref", reference.as_bytes()));
        let offer = NodeBuilder::new("pair-device").children(refs).build();
        self.send(conn, node::server_iq(&stanza_id(), offer));
    }

    /// A phone scans a QR code; the answer comes through `waiter` once the companion confirms.
    ///
    /// # Errors
    /// [`LinkError`] when the code cannot be accepted.
    pub(crate) fn scan(
        &mut self,
        number: &PhoneNumber,
        qr: &QrText,
        waiter: Waiter,
    ) -> Result<(), LinkError> {
        let entry = self.qr_book.entries.get(&qr.reference).ok_or(LinkError::UnknownQr)?;
        if entry.used {
            return Err(LinkError::UsedQr);
        }
        let conn = entry.conn;
        let socket = self.conns.get(&conn).ok_or(LinkError::SocketGone)?;
        let registration = match &socket.role {
            Role::Registering(registration) => registration,
            Role::LoggedIn(_) | Role::Leaving => return Err(LinkError::SocketGone),
        };
        if registration.is_over(&qr.reference) {
            return Err(LinkError::ExpiredQr);
        }
        if registration.pending.is_some() || registration.passkey.is_some() {
            return Err(LinkError::UsedQr);
        }
        if socket.noise_key != qr.noise_key || registration.identity != qr.identity {
            return Err(LinkError::ForeignQr);
        }
        self.pair(conn, number, &qr.adv_secret, waiter)?;
        if let Some(entry) = self.qr_book.entries.get_mut(&qr.reference) {
            entry.used = true;
        }
        Ok(())
    }

    /// Links a companion that has proved what a QR code or a typed code proves, or asks it for a
    /// passkey first; then the waiting phone is told at once.
    pub(super) fn pair(
        &mut self,
        conn: ConnId,
        number: &PhoneNumber,
        adv_secret: &[u8],
        waiter: Waiter,
    ) -> Result<(), LinkError> {
        if self.account(number)?.passkey.demanded() {
            self.ask_for_passkey(conn, number)?;
            drop(waiter.send(Err(LinkError::PasskeyRequired)));
            return Ok(());
        }
        self.sign(conn, number, adv_secret, waiter)
    }

    /// The phone signs the companion's identity and the server hands the signature over.
    pub(super) fn sign(
        &mut self,
        conn: ConnId,
        number: &PhoneNumber,
        adv_secret: &[u8],
        waiter: Waiter,
    ) -> Result<(), LinkError> {
        let identity = self.registration(conn).ok_or(LinkError::SocketGone)?.identity;
        let account = self.account(number)?;
        let device = account.next_device;
        account.next_device = account.next_device.saturating_add(1);
        let details = wa::ADVDeviceIdentity {
            raw_id: Some(account.raw_id),
            timestamp: Some(clock::unix_seconds()),
            key_index: Some(u32::from(device)),
            account_type: Some(wa::ADVEncryptionType::E2EE),
            device_type: Some(wa::ADVEncryptionType::E2EE),
        }
        .encode_to_vec();
        let signature = account.keys.sign(&[ACCOUNT_SIGNATURE, &details, &identity])?;
        let signed = wa::ADVSignedDeviceIdentity {
            details: Some(details),
            account_signature_key: Some(account.keys.identity_public()?.to_vec()),
            account_signature: Some(signature),
            ..Default::default()
        }
        .encode_to_vec();
        let sealed = wa::ADVSignedDeviceIdentityHMAC {
            hmac: Some(hmac_sha256(adv_secret, &signed).to_vec()),
            details: Some(signed),
            account_type: Some(wa::ADVEncryptionType::E2EE),
        };
        let device = DeviceId { number: number.clone(), device };
        let iq = stanza_id();
        let success = pair_success(&device, sealed.encode_to_vec());
        self.send(conn, node::server_iq(&iq, success));
        let registration = self.registration(conn).ok_or(LinkError::SocketGone)?;
        registration.pending = Some(Pending { device, iq, waiter });
        Ok(())
    }

    pub(super) fn registration(&mut self, conn: ConnId) -> Option<&mut Registration> {
        match &mut self.conns.get_mut(&conn)?.role {
            Role::Registering(registration) => Some(registration),
            Role::LoggedIn(_) | Role::Leaving => None,
        }
    }

    fn take_pending(&mut self, conn: ConnId, answer: &Node) -> Option<Pending> {
        let id = answer.text("id");
        self.registration(conn)?.pending.take_if(|pending| id.as_ref() == Some(&pending.iq))
    }

    /// A client answered one of our IQs.
    pub(super) fn iq_answered(&mut self, conn: ConnId, answer: &Node) {
        let Some(confirmation) = answer.kid("pair-device-sign") else { return };
        let Some(pending) = self.take_pending(conn, answer) else { return };
        let result =
            self.confirm(conn, &pending.device, &confirmation.kid_payload("device-identity"));
        let linked = result.is_ok();
        if linked {
            self.passkey_done(&pending.device.number);
        }
        // The phone may have stopped waiting; the link stands nevertheless.
        drop(pending.waiter.send(result));
        let last = node::stream_error(if linked { "515" } else { "500" });
        self.dismiss(conn, last, RESTART_GRACE);
    }

    /// A client refused one of our IQs.
    pub(super) fn iq_refused(&mut self, conn: ConnId, answer: &Node) {
        let Some(pending) = self.take_pending(conn, answer) else { return };
        let error = answer.kid("error");
        let text = error.and_then(|error| error.text("text").or_else(|| error.text("code")));
        let text = text.unwrap_or_else(|| "without a reason".to_owned());
        drop(pending.waiter.send(Err(LinkError::ClientRefused(text))));
    }

    /// Checks the companion's own signature and keeps the device.
    fn confirm(
        &mut self,
        conn: ConnId,
        id: &DeviceId,
        signed_identity: &[u8],
    ) -> Result<Linked, LinkError> {
        let noise_key = self.conns.get(&conn).ok_or(LinkError::SocketGone)?.noise_key;
        let account_key = self.account(&id.number)?.keys.identity_public()?;
        let registration = self.registration(conn).ok_or(LinkError::SocketGone)?;
        let mut signed = wa::ADVSignedDeviceIdentity::decode_from_slice(signed_identity)
            .map_err(|error| LinkError::Internal(Box::new(error)))?;
        let details = signed.details.clone().unwrap_or_default();
        let signature = signed.device_signature.clone().unwrap_or_default();
        let parts: [&[u8]; 4] = [DEVICE_SIGNATURE, &details, &registration.identity, &account_key];
        if !verify(&registration.identity, &parts, &signature) {
            return Err(LinkError::BadDeviceSignature);
        }
        // Baileys leaves the account key out; whoever fetches the bundle needs it.
        signed.account_signature_key = Some(account_key.to_vec());
        let device = Device {
            identity: registration.identity,
            noise_key,
            registration_id: registration.signal_id,
            signed: registration.signed.clone(),
            one_time: VecDeque::new(),
            signed_identity: signed.encode_to_vec(),
            key_index: u32::from(id.device),
            platform: registration.platform.clone(),
            queue: VecDeque::new(),
            sent_ids: VecDeque::new(),
            wants_again: std::collections::HashSet::new(),
            key_shared: false,
            history_sent: false,
            online: None,
        };
        self.account(&id.number)?.devices.insert(id.device, device);
        self.announce(id, DeviceChange::Added);
        Ok(Linked { device: id.device, jid: id.number.pn_jid(id.device).to_string() })
    }
}

fn pair_success(device: &DeviceId, sealed: Vec<u8>) -> Node {
    // Tells whatsapp-rust to address others by LID from the start.
    let props =
        wa::ClientPairingProps { is_chat_db_lid_migrated: Some(true), ..Default::default() };
    NodeBuilder::new("pair-success")
        .children([
            leaf("device-identity", sealed),
            NodeBuilder::new("platform").attr("name", "android").build(),
            NodeBuilder::new("device")
                .attr("jid", device.number.pn_jid(device.device))
                .attr("lid", device.number.lid_jid(device.device))
                .build(),
            leaf("client-props", props.encode_to_vec()),
        ])
        .build()
}

#[cfg(test)]
#[path = "pairing_tests.rs"]
mod tests;
