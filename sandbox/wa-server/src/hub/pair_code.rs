//! Linking a companion by an eight-character code (wa-server.md §5).
//!
//! # Theory of operation
//! The client sends its ephemeral key wrapped under the code it shows. The phone's user types the
//! code; the phone unwraps that key and answers with its own, wrapped likewise. The server never
//! learns whether the code was right until the client's key bundle does or does not open. A wrong
//! code therefore costs the client nothing, and its flow stays pending.

use std::{fmt, time::Duration};

use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use tokio::time::Instant;
use wacore::pair_code::PairCodeUtils;
use wacore_binary::{Node, builder::NodeBuilder};
use wacore_libsignal::{crypto::aes_256_gcm_decrypt, protocol::KeyPair};

use super::{
    LinkError, State,
    iq::{Answer, Refusal},
    pairing::Waiter,
    state::{ConnId, stanza_id},
};
use crate::{
    crypto::{self, Key, hkdf_sha256},
    node::{self, NodeExt as _, leaf},
    number::PhoneNumber,
};

const CODE_AGE_LIMIT: Duration = Duration::from_mins(3);
/// Clients ignore further hellos for the same code (wacore's `PAIR_CODE_MAX_PRIMARY_HELLO_ATTEMPTS`).
const MAX_ATTEMPTS: u32 = 3;
/// How long a phone waits for the client to react to a typed code.
pub(crate) const CODE_ANSWER_LIMIT: Duration = Duration::from_secs(10);

const SALT_LEN: usize = 32;
const IV_LEN: usize = 16;
const NONCE_LEN: usize = 12;
/// Salt, initialisation vector, wrapped key.
type Wrapped = [u8; SALT_LEN + IV_LEN + crypto::KEY_LEN];

/// A code as a user types it: eight characters of the pairing alphabet.
#[derive(Clone)]
pub(crate) struct PairingCode(String);

impl PairingCode {
    /// Accepts any case and an optional dash in the middle.
    pub(crate) fn parse(text: &str) -> Result<Self, LinkError> {
        let code = text.trim().replace('-', "").to_ascii_uppercase();
        if PairCodeUtils::validate_code(&code) {
            Ok(Self(code))
        } else {
            Err(LinkError::InvalidCode)
        }
    }
}

/// A client's wish to be linked by code.
#[derive(Debug)]
pub(crate) struct CodeFlow {
    number: PhoneNumber,
    wrapped: Wrapped,
    reference: Vec<u8>,
    asked_at: Instant,
    attempts: u32,
    attempt: Option<Attempt>,
}

/// A typed code whose outcome is open.
struct Attempt {
    ephemeral: KeyPair,
    theirs: Key,
    waiter: Waiter,
}

impl fmt::Debug for Attempt {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Attempt").finish_non_exhaustive()
    }
}

/// What is needed to try a code off the lock.
#[derive(Clone)]
pub(crate) struct CodeChallenge {
    conn: ConnId,
    reference: Vec<u8>,
    wrapped: Wrapped,
}

/// The phone's half of the exchange, made from a typed code.
pub(crate) struct CodeResponse {
    conn: ConnId,
    reference: Vec<u8>,
    ephemeral: KeyPair,
    theirs: Key,
    wrapped: Vec<u8>,
}

impl CodeChallenge {
    /// Unwraps the client's key and wraps a new one. Two PBKDF2 runs: never call this on the lock
    /// or on an async thread.
    pub(crate) fn respond(self, code: &PairingCode) -> Result<CodeResponse, LinkError> {
        let theirs = unwrap_key(code, &self.wrapped)?;
        let ephemeral = KeyPair::generate(&mut rand::rng());
        let (salt, iv): ([u8; SALT_LEN], [u8; IV_LEN]) = (rand::random(), rand::random());
        let mut sealed = crypto::public_bytes(&ephemeral);
        apply_keystream(code, &salt, &iv, &mut sealed);
        let wrapped = [&salt[..], &iv, &sealed].concat();
        Ok(CodeResponse { conn: self.conn, reference: self.reference, ephemeral, theirs, wrapped })
    }
}

fn unwrap_key(code: &PairingCode, wrapped: &Wrapped) -> Result<Key, LinkError> {
    let (salt, rest) = wrapped.split_first_chunk().ok_or(LinkError::CodeRefused)?;
    let (iv, sealed) = rest.split_first_chunk().ok_or(LinkError::CodeRefused)?;
    let mut key: Key = sealed.try_into().ok().ok_or(LinkError::CodeRefused)?;
    apply_keystream(code, salt, iv, &mut key);
    Ok(key)
}

fn apply_keystream(code: &PairingCode, salt: &[u8; SALT_LEN], iv: &[u8; IV_LEN], data: &mut Key) {
    let key: Key = PairCodeUtils::derive_key(&code.0, salt);
    ctr::Ctr128BE::<aes::Aes256>::new(&key.into(), iv.into()).apply_keystream(data);
}

/// Whether a code of this age, after so many wrong attempts, may still be typed.
fn check_code(age: Duration, attempts: u32) -> Result<(), LinkError> {
    if age > CODE_AGE_LIMIT {
        return Err(LinkError::CodeExpired);
    }
    if attempts >= MAX_ATTEMPTS {
        return Err(LinkError::TooManyAttempts);
    }
    Ok(())
}

impl State {
    /// A client asks to be linked by code, or finishes the exchange.
    pub(super) fn link_code(&mut self, conn: ConnId, iq: &Node) -> Result<Answer, Refusal> {
        let request = iq.kid("link_code_companion_reg").ok_or(Refusal::BAD_REQUEST)?;
        match request.text("stage").as_deref() {
            Some("companion_hello") => self.companion_hello(conn, request),
            Some("companion_finish") => self.companion_finish(conn, request),
            _ => Err(Refusal::BAD_REQUEST),
        }
    }

    fn companion_hello(&mut self, conn: ConnId, request: &Node) -> Result<Answer, Refusal> {
        if !self.offer.codes {
            return Err(Refusal::FORBIDDEN);
        }
        let number = request.jid("jid").and_then(|jid| PhoneNumber::of_jid(&jid));
        let wrapped = request.kid_payload("link_code_pairing_wrapped_companion_ephemeral_pub");
        let reference = hex::encode(rand::random::<[u8; 16]>()).into_bytes();
        let flow = CodeFlow {
            number: number.ok_or(Refusal::BAD_REQUEST)?,
            wrapped: wrapped.try_into().ok().ok_or(Refusal::BAD_REQUEST)?,
            reference: reference.clone(),
            asked_at: Instant::now(),
            attempts: 0,
            attempt: None,
        };
        self.registration(conn).ok_or(Refusal::FORBIDDEN)?.code = Some(flow);
        let answer = NodeBuilder::new("link_code_companion_reg")
            .attr("stage", "companion_hello")
            .children([leaf("link_code_pairing_ref", reference)])
            .build();
        Ok(Answer::with(answer))
    }

    /// Finds the client that waits for a code of this number.
    ///
    /// # Errors
    /// [`LinkError`] when none does, or no more.
    pub(crate) fn pending_code(
        &mut self,
        number: &PhoneNumber,
    ) -> Result<CodeChallenge, LinkError> {
        let candidates: Vec<ConnId> = self.conns.keys().copied().collect();
        let newest = candidates
            .into_iter()
            .filter(|conn| {
                self.registration(*conn)
                    .and_then(|registration| registration.code.as_ref())
                    .is_some_and(|flow| flow.number == *number)
            })
            .max()
            .ok_or(LinkError::NoPendingCode)?;
        let flow = self
            .registration(newest)
            .and_then(|registration| registration.code.as_ref())
            .ok_or(LinkError::NoPendingCode)?;
        check_code(flow.asked_at.elapsed(), flow.attempts)?;
        Ok(CodeChallenge { conn: newest, reference: flow.reference.clone(), wrapped: flow.wrapped })
    }

    /// Sends the phone's half to the client; the outcome comes through `waiter`.
    ///
    /// # Errors
    /// [`LinkError`] when the client's wish is gone by now.
    pub(crate) fn primary_hello(
        &mut self,
        number: &PhoneNumber,
        response: CodeResponse,
        waiter: Waiter,
    ) -> Result<(), LinkError> {
        let identity = self.account(number)?.keys.identity_public()?;
        let flow = self
            .registration(response.conn)
            .and_then(|registration| registration.code.as_mut())
            .filter(|flow| flow.reference == response.reference)
            .ok_or(LinkError::NoPendingCode)?;
        flow.attempts += 1;
        // A second phone user typing at the same time replaces the first, whose wait ends.
        flow.attempt =
            Some(Attempt { ephemeral: response.ephemeral, theirs: response.theirs, waiter });
        let hello = NodeBuilder::new("link_code_companion_reg")
            .attr("stage", "primary_hello")
            .children([
                leaf("link_code_pairing_wrapped_primary_ephemeral_pub", response.wrapped),
                leaf("primary_identity_pub", identity),
                leaf("link_code_pairing_ref", response.reference),
            ])
            .build();
        let notification = node::notification(
            node::server_jid(),
            "link_code_companion_reg",
            stanza_id(),
            vec![hello],
        );
        self.send(response.conn, notification);
        Ok(())
    }

    fn companion_finish(&mut self, conn: ConnId, request: &Node) -> Result<Answer, Refusal> {
        let reference = request.kid_payload("link_code_pairing_ref");
        let bundle = request.kid_payload("link_code_pairing_wrapped_key_bundle");
        let identity = request.kid_key("companion_identity_public").ok_or(Refusal::BAD_REQUEST)?;
        let flow = self
            .registration(conn)
            .and_then(|registration| registration.code.as_mut())
            .filter(|flow| flow.reference == reference)
            .ok_or(Refusal::BAD_REQUEST)?;
        let attempt = flow.attempt.take().ok_or(Refusal::BAD_REQUEST)?;
        let number = flow.number.clone();
        match self.open_bundle(&number, &attempt, &bundle, &identity) {
            // The result must be on the wire before pair-success, so pairing comes after it.
            Ok(adv_secret) => Ok(Answer::then_pair(number, adv_secret, attempt.waiter)),
            Err(error) => {
                // An error answer would make whatsapp-rust write its code off; a plain result
                // leaves it waiting, so that the user may type again.
                drop(attempt.waiter.send(Err(error)));
                Ok(Answer::empty())
            }
        }
    }

    /// Opens the client's key bundle and derives the shared secret that a QR code would carry.
    fn open_bundle(
        &mut self,
        number: &PhoneNumber,
        attempt: &Attempt,
        bundle: &[u8],
        identity: &Key,
    ) -> Result<Key, LinkError> {
        let keys = &self.account(number)?.keys;
        let theirs = crypto::public_key(&attempt.theirs).ok().ok_or(LinkError::CodeRefused)?;
        let shared =
            attempt.ephemeral.calculate_agreement(&theirs).ok().ok_or(LinkError::CodeRefused)?;
        let (salt, rest) = bundle.split_at_checked(SALT_LEN).ok_or(LinkError::CodeRefused)?;
        let (nonce, sealed) =
            rest.split_first_chunk::<NONCE_LEN>().ok_or(LinkError::CodeRefused)?;
        let key = hkdf_sha256(&shared, Some(salt), b"link_code_pairing_key_bundle_encryption_key");
        let mut opened = Vec::new();
        aes_256_gcm_decrypt(&key, nonce, b"", sealed, &mut opened)
            .ok()
            .ok_or(LinkError::CodeRefused)?;
        let expected = [identity.as_slice(), &keys.identity_public()?].concat();
        let random = opened.strip_prefix(expected.as_slice()).ok_or(LinkError::CodeRefused)?;
        let input = [shared.as_slice(), &keys.agree(identity)?, random].concat();
        Ok(hkdf_sha256(&input, None, b"adv_secret"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_normalised() {
        for text in ["abcd-1234", "ABCD1234", " AbCd-1234 "] {
            assert_eq!(PairingCode::parse(text).unwrap().0, "ABCD1234");
        }
    }

    #[test]
    fn codes_grow_old_and_wear_out() {
        let second = Duration::from_secs(1);
        assert!(check_code(CODE_AGE_LIMIT, MAX_ATTEMPTS - 1).is_ok());
        assert!(matches!(check_code(CODE_AGE_LIMIT + second, 0), Err(LinkError::CodeExpired)));
        assert!(matches!(check_code(second, MAX_ATTEMPTS), Err(LinkError::TooManyAttempts)));
    }

    #[test]
    fn foreign_letters_and_lengths_are_refused() {
        for text in
            ["", "ABCD-123", "ABCD-12345", "ABCD-123O", "ABCD-123I", "ABCD-1230", "ÄBCD-123"]
        {
            assert!(PairingCode::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_wrapped_key_opens_with_its_code_only() {
        let key: Key = rand::random();
        let wrapped = PairCodeUtils::encrypt_ephemeral_pub(&key, "ABCD1234");
        let right = PairingCode::parse("abcd-1234").unwrap();
        let wrong = PairingCode::parse("abcd-1235").unwrap();
        assert_eq!(unwrap_key(&right, &wrapped).unwrap(), key);
        assert_ne!(unwrap_key(&wrong, &wrapped).unwrap(), key);
    }
}
