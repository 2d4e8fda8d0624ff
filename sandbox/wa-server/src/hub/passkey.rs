//! The passkey gate of linking, "shortcake" (wacore 0.7.0, `shortcake.rs`; whatsapp-rust 0.7.0,
//! `passkey/flow.rs`).
//!
//! # Theory of operation
//! A phone that demands it does not sign the companion at once. The companion is asked for a
//! `WebAuthn` assertion (`passkey_prologue_request`) and answers with it and a commitment to an
//! ephemeral key (`passkey_prologue`). The phone sends its own ephemeral key (`crsc_continuation`),
//! the companion opens its commitment (`companion_nonce`), both show the same code, and on
//! confirmation the companion sends a fresh advertising secret under the shared key
//! (`encrypted_pairing_request`). Then linking goes on as ever, with that secret. It makes no
//! difference whether a QR code or a typed code led here.

use std::time::Duration;

use buffa::Message as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;
use wacore::shortcake::ShortcakeUtils;
use wacore_binary::Node;
use wacore_libsignal::{crypto::aes_256_gcm_decrypt, protocol::KeyPair};
use waproto::whatsapp as wa;

use super::{
    LinkError, State,
    iq::{Answer, Refusal},
    state::{ConnId, Later, stanza_id},
};
use crate::{
    crypto::{self, Key},
    node::{self, NodeExt as _, leaf},
    number::PhoneNumber,
    phone::{Passkey, SignalError},
};

/// whatsapp-rust keeps its side of a step only after the answer to its own request, so the phone,
/// which is never that fast either, takes its time.
const PHONE_THINKS: Duration = Duration::from_millis(150);
const DEFAULT_TIMEOUT_MS: u64 = 120_000;
const MAX_TIMEOUT_MS: u64 = 3_600_000;
const CODE_GROUP: usize = 4;

/// What WhatsApp does with an assertion.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PasskeyAnswer {
    /// Check it.
    #[default]
    Verify,
    /// Refuse even a good one.
    Refuse,
    /// Never answer.
    Silent,
}

/// Whether linking to a phone takes a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PasskeyGate {
    /// Whether a companion has to present one.
    pub demand: bool,
    /// What happens to its assertion.
    pub answer: PasskeyAnswer,
    /// How long the companion may take, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for PasskeyGate {
    fn default() -> Self {
        Self { demand: false, answer: PasskeyAnswer::Verify, timeout_ms: DEFAULT_TIMEOUT_MS }
    }
}

/// How far the last companion at the gate has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PasskeyProgress {
    /// None has come.
    #[default]
    Idle,
    /// It was asked for an assertion.
    Requested,
    /// Its assertion was refused; it may send another.
    Refused,
    /// Its assertion was accepted.
    Accepted,
    /// Both sides show the code.
    Confirming,
    /// It has confirmed the code and is being linked.
    Confirmed,
    /// It is linked.
    Linked,
    /// It broke the protocol after its assertion, or went away; it must start again.
    Failed,
    /// It took too long.
    TimedOut,
}

/// The gate as the phone shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PasskeyView {
    /// How the gate is set.
    #[serde(flatten)]
    pub gate: PasskeyGate,
    /// How far the last companion came.
    pub state: PasskeyProgress,
    /// The code that both sides show.
    pub code: Option<String>,
    /// What the companion was last asked to sign.
    pub request_options: Option<Value>,
    /// Why the last assertion was refused.
    pub reason: Option<String>,
}

/// An account's passkey, its gate, and the last companion at it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct PasskeyState {
    #[serde(default)]
    gate: PasskeyGate,
    #[serde(default)]
    key: Option<Passkey>,
    #[serde(skip)]
    progress: PasskeyProgress,
    #[serde(skip)]
    code: Option<String>,
    #[serde(skip)]
    request_options: Option<Value>,
    #[serde(skip)]
    reason: Option<String>,
}

impl PasskeyState {
    pub(super) fn demanded(&self) -> bool {
        self.gate.demand
    }

    fn key(&mut self) -> &Passkey {
        self.key.get_or_insert_with(Passkey::generate)
    }

    fn view(&self) -> PasskeyView {
        PasskeyView {
            gate: self.gate,
            state: self.progress,
            code: self.code.clone(),
            request_options: self.request_options.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// One companion at the gate.
#[derive(Debug)]
pub(super) struct PasskeyFlow {
    number: PhoneNumber,
    challenge: Key,
    options: String,
    reference: String,
    stage: Stage,
}

enum Stage {
    /// Waiting for the assertion.
    Requested,
    /// Waiting for the phone's key to be sent and the companion's nonce to come back.
    Committed { identity: Vec<u8>, commitment: Vec<u8>, phone: Box<KeyPair>, nonce: Key },
    /// Both sides have the key and show the code.
    Revealed { key: Key },
    /// The phone has the companion's new secret.
    Confirmed { adv_secret: Vec<u8> },
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The stages hold secrets.
        to.write_str(match self {
            Self::Requested => "Requested",
            Self::Committed { .. } => "Committed",
            Self::Revealed { .. } => "Revealed",
            Self::Confirmed { .. } => "Confirmed",
        })
    }
}

/// What the phone or the server does some time after the companion's last step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PasskeyStep {
    /// The phone sends its ephemeral key.
    Continue(ConnId),
    /// The phone signs the companion.
    Pair(ConnId),
    /// The companion's time is over, unless another challenge was made since.
    Expire(ConnId, Key),
}

impl State {
    /// Sets the gate of a phone.
    pub(crate) fn set_passkey_gate(
        &mut self,
        number: &PhoneNumber,
        gate: PasskeyGate,
    ) -> Result<PasskeyView, SignalError> {
        let passkey = &mut self.account(number)?.passkey;
        passkey.gate = PasskeyGate { timeout_ms: gate.timeout_ms.min(MAX_TIMEOUT_MS), ..gate };
        Ok(passkey.view())
    }

    pub(crate) fn passkey(&self, number: &PhoneNumber) -> PasskeyView {
        let known = self.accounts.get(number).map(|account| account.passkey.view());
        known.unwrap_or_else(|| PasskeyState::default().view())
    }

    /// The phone's authenticator signs; `None` when the options are not for it.
    pub(crate) fn assert_passkey(
        &mut self,
        number: &PhoneNumber,
        options: &Value,
    ) -> Result<Option<Value>, SignalError> {
        self.account(number)?.passkey.key().assert(options, number.digits())
    }

    /// Stops a companion at the gate and asks for its passkey.
    pub(super) fn ask_for_passkey(
        &mut self,
        conn: ConnId,
        number: &PhoneNumber,
    ) -> Result<(), LinkError> {
        let challenge: Key = rand::random();
        let passkey = &mut self.account(number)?.passkey;
        let timeout_ms = passkey.gate.timeout_ms;
        let options = passkey.key().request_options(&challenge, timeout_ms);
        passkey.progress = PasskeyProgress::Requested;
        passkey.code = None;
        passkey.reason = None;
        passkey.request_options = Some(options.clone());
        let options = options.to_string();
        let request = leaf("passkey_request_options", options.as_bytes());
        let registration = self.registration(conn).ok_or(LinkError::SocketGone)?;
        registration.passkey = Some(PasskeyFlow {
            number: number.clone(),
            challenge,
            options,
            reference: hex::encode(rand::random::<Key>()),
            stage: Stage::Requested,
        });
        let kind = "passkey_prologue_request";
        let asked = node::notification(node::server_jid(), kind, stanza_id(), vec![request]);
        self.send(conn, asked);
        let expire = Later::Passkey(PasskeyStep::Expire(conn, challenge));
        self.later.push((Duration::from_millis(timeout_ms), expire));
        Ok(())
    }

    /// Answers the companion's requests at the gate.
    pub(super) fn passkey_iq(
        &mut self,
        conn: ConnId,
        iq: &Node,
        first: &str,
    ) -> Result<Answer, Refusal> {
        let flow = self.passkey_flow(conn).ok_or(Refusal::FORBIDDEN)?;
        match first {
            "ref" => Ok(Answer::with(leaf("ref", flow.reference.as_bytes()))),
            "passkey_request_options" => {
                Ok(Answer::with(leaf("passkey_request_options", flow.options.as_bytes())))
            }
            "passkey_prologue" => self.prologue(conn, iq.kid("passkey_prologue")),
            "companion_nonce" => {
                let nonce = iq.kid_key("companion_nonce").ok_or(Refusal::BAD_REQUEST)?;
                self.or_fail(conn, |state| state.reveal(conn, &nonce))
            }
            _ => {
                let sealed = iq.kid_payload("encrypted_pairing_request");
                self.or_fail(conn, |state| state.take_secret(conn, &sealed))
            }
        }
    }

    fn passkey_flow(&mut self, conn: ConnId) -> Option<&mut PasskeyFlow> {
        self.registration(conn)?.passkey.as_mut()
    }

    /// Notes how far the companion is.
    fn passkey_is(&mut self, conn: ConnId, progress: PasskeyProgress) {
        let number = self.passkey_flow(conn).map(|flow| flow.number.clone());
        if let Some(account) = number.and_then(|number| self.accounts.get_mut(&number)) {
            account.passkey.progress = progress;
        }
    }

    /// A step that fails after the assertion ends the attempt.
    fn or_fail(
        &mut self,
        conn: ConnId,
        step: impl FnOnce(&mut Self) -> Option<()>,
    ) -> Result<Answer, Refusal> {
        if step(self).is_some() {
            return Ok(Answer::empty());
        }
        self.passkey_is(conn, PasskeyProgress::Failed);
        Err(Refusal::BAD_REQUEST)
    }

    fn prologue(&mut self, conn: ConnId, prologue: Option<&Node>) -> Result<Answer, Refusal> {
        let prologue = prologue.ok_or(Refusal::BAD_REQUEST)?;
        let flow = self.passkey_flow(conn).ok_or(Refusal::FORBIDDEN)?;
        let (number, challenge) = (flow.number.clone(), flow.challenge);
        let Some(account) = self.accounts.get_mut(&number) else { return Err(Refusal::FORBIDDEN) };
        let answer = account.passkey.gate.answer;
        if answer == PasskeyAnswer::Silent {
            return Ok(Answer::never());
        }
        let id = prologue.kid_payload("credential_id");
        let checked = account.passkey.key().check(
            &challenge,
            &id,
            &prologue.kid_payload("webauthn_assertion"),
        );
        let refused = match checked {
            Err(error) => Some(error.to_string()),
            Ok(()) if answer == PasskeyAnswer::Refuse => Some("the phone was told to".to_owned()),
            Ok(()) => None,
        };
        if let Some(reason) = refused {
            account.passkey.progress = PasskeyProgress::Refused;
            account.passkey.reason = Some(reason);
            return Err(Refusal::NOT_AUTHORIZED);
        }
        let payload = prologue.kid_payload("prologue_payload");
        self.or_fail(conn, |state| state.commit(conn, &payload))
    }

    fn commit(&mut self, conn: ConnId, payload: &[u8]) -> Option<()> {
        let payload = wa::ProloguePayload::decode_from_slice(payload).ok()?;
        let identity = payload.companion_ephemeral_identity?;
        let flow = self.passkey_flow(conn)?;
        flow.stage = Stage::Committed {
            identity,
            commitment: payload.commitment.as_option()?.hash.clone()?,
            phone: Box::new(KeyPair::generate(&mut rand::rng())),
            nonce: rand::random(),
        };
        self.passkey_is(conn, PasskeyProgress::Accepted);
        self.later.push((PHONE_THINKS, Later::Passkey(PasskeyStep::Continue(conn))));
        Some(())
    }

    /// Does what the phone took its time for.
    pub(super) fn passkey_step(&mut self, step: PasskeyStep) {
        match step {
            PasskeyStep::Continue(conn) => self.send_continuation(conn),
            PasskeyStep::Pair(conn) => {
                let Some(flow) = self.registration(conn).and_then(|known| known.passkey.take())
                else {
                    return;
                };
                let Stage::Confirmed { adv_secret } = flow.stage else { return };
                // Whoever scanned the code was told at once that a passkey is wanted.
                let waiter = oneshot::channel().0;
                if let Err(error) = self.sign(conn, &flow.number, &adv_secret, waiter) {
                    tracing::debug!(%error, "pairing after a passkey failed");
                }
            }
            PasskeyStep::Expire(conn, challenge) => self.expire(conn, &challenge),
        }
    }

    fn send_continuation(&mut self, conn: ConnId) {
        let Some(flow) = self.passkey_flow(conn) else { return };
        let Stage::Committed { phone, nonce, .. } = &flow.stage else { return };
        let identity = wa::PrimaryEphemeralIdentity {
            public_key: Some(crypto::public_bytes(phone).to_vec()),
            nonce: Some(nonce.to_vec()),
        };
        let identity = leaf("primary_ephemeral_identity", identity.encode_to_vec());
        let kind = "crsc_continuation";
        self.send(conn, node::notification(node::server_jid(), kind, stanza_id(), vec![identity]));
    }

    fn expire(&mut self, conn: ConnId, challenge: &Key) {
        let waiting = |flow: &mut PasskeyFlow| {
            flow.challenge == *challenge && !matches!(flow.stage, Stage::Confirmed { .. })
        };
        if !self.passkey_flow(conn).is_some_and(waiting) {
            return;
        }
        self.passkey_is(conn, PasskeyProgress::TimedOut);
        if let Some(registration) = self.registration(conn) {
            registration.passkey = None;
        }
    }

    /// The companion opens its commitment: both sides can make the code and the key.
    fn reveal(&mut self, conn: ConnId, companion_nonce: &Key) -> Option<()> {
        let flow = self.passkey_flow(conn)?;
        let Stage::Committed { identity, commitment, phone, nonce } = &flow.stage else {
            return None;
        };
        if ShortcakeUtils::commitment_hash(identity, companion_nonce) != commitment.as_slice() {
            return None;
        }
        let companion = wa::CompanionEphemeralIdentity::decode_from_slice(identity).ok()?;
        if companion.r#ref.as_deref() != Some(flow.reference.as_str()) {
            return None;
        }
        let theirs: Key = companion.public_key?.try_into().ok()?;
        let theirs = crypto::public_key(&theirs).ok()?;
        let shared = phone.private_key.calculate_agreement(&theirs).ok()?;
        let key = ShortcakeUtils::derive_encryption_key_from_shared_secret(
            &shared,
            companion.device_type?,
            &flow.reference,
        )
        .ok()?;
        let ours = crypto::public_bytes(phone);
        let code = ShortcakeUtils::derive_verification_code(companion_nonce, &ours, nonce);
        let (left, right) = code.split_at_checked(CODE_GROUP)?;
        let code = format!("{left}-{right}");
        flow.stage = Stage::Revealed { key };
        let number = flow.number.clone();
        self.accounts.get_mut(&number)?.passkey.code = Some(code);
        self.passkey_is(conn, PasskeyProgress::Confirming);
        Some(())
    }

    /// The companion has confirmed the code and hands over its new secret.
    fn take_secret(&mut self, conn: ConnId, sealed: &[u8]) -> Option<()> {
        let noise_key = self.conns.get(&conn)?.noise_key;
        let identity = self.registration(conn)?.identity;
        let flow = self.passkey_flow(conn)?;
        let Stage::Revealed { key } = &flow.stage else { return None };
        let sealed = wa::EncryptedPairingRequest::decode_from_slice(sealed).ok()?;
        let nonce = sealed.iv?.try_into().ok()?;
        let mut opened = Vec::new();
        aes_256_gcm_decrypt(key, &nonce, b"", &sealed.encrypted_payload?, &mut opened).ok()?;
        let request = wa::PairingRequest::decode_from_slice(&opened).ok()?;
        let same = request.companion_public_key.as_deref() == Some(noise_key.as_slice())
            && request.companion_identity_key.as_deref() == Some(identity.as_slice());
        if !same {
            return None;
        }
        flow.stage = Stage::Confirmed { adv_secret: request.adv_secret? };
        self.passkey_is(conn, PasskeyProgress::Confirmed);
        self.later.push((PHONE_THINKS, Later::Passkey(PasskeyStep::Pair(conn))));
        Some(())
    }

    /// The companion's socket is gone.
    pub(super) fn left_the_gate(&mut self, conn: ConnId) {
        self.passkey_is(conn, PasskeyProgress::Failed);
    }

    /// The companion at the gate is linked.
    pub(super) fn passkey_done(&mut self, number: &PhoneNumber) {
        if let Some(account) = self.accounts.get_mut(number)
            && account.passkey.progress == PasskeyProgress::Confirmed
        {
            account.passkey.progress = PasskeyProgress::Linked;
        }
    }
}
