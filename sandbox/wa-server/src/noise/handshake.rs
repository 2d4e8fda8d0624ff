//! The responder's side of Noise XX, IK and `XXfallback` (wa-server.md §2).
//!
//! # Theory of operation
//! A client that knows our static key sends an IK hello with its own static key and payload inside,
//! and one answer completes the handshake. A client that does not know it sends only an ephemeral
//! key (XX) and finishes with a second message. An IK hello that does not decrypt, because our key
//! changed, is answered like XX under the name `XXfallback`; the client tells the two apart by the
//! presence of `static` in the answer.

use buffa::MessageField;
use wacore_binary::consts::{
    NOISE_PATTERN_IK, NOISE_PATTERN_XX, NOISE_PATTERN_XXFALLBACK, WA_CONN_HEADER,
};
use wacore_libsignal::protocol::KeyPair;
use wacore_noise::{NoiseCipher, NoiseHandshake};
use waproto::whatsapp::{self as wa, handshake_message};

use super::ServerKeys;
use crate::crypto::{self, Key};

/// The client's handshake message is not acceptable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    #[error("a handshake message lacks its {0}")]
    Missing(&'static str),
    #[error("the {0} has not the length of a key")]
    NotAKey(&'static str),
    #[error("a handshake message does not decode")]
    Decode(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the cryptography of the handshake failed")]
    Noise(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A finished handshake: who the client is, what it wants, and the two ciphers.
pub(crate) struct Established {
    pub(crate) client_static: Key,
    pub(crate) payload: Vec<u8>,
    pub(crate) send: NoiseCipher,
    pub(crate) receive: NoiseCipher,
}

/// What follows the server's hello.
pub(crate) enum Step {
    /// XX and `XXfallback`: the client still has to send its finish.
    AwaitFinish(Box<AwaitFinish>),
    /// IK: nothing more to exchange.
    Done(Box<Established>),
}

/// The state between the server's hello and the client's finish.
pub(crate) struct AwaitFinish {
    noise: NoiseHandshake,
    ephemeral: KeyPair,
}

/// Answers the first frame of a client with our hello.
pub(crate) fn answer_client_hello(
    keys: &ServerKeys,
    frame: &[u8],
) -> Result<(Vec<u8>, Step), HandshakeError> {
    let hello =
        decode(frame)?.client_hello.into_option().ok_or(HandshakeError::Missing("hello"))?;
    let theirs = key(hello.ephemeral.as_deref(), "ephemeral key")?;
    if let (Some(sealed_static), Some(sealed_payload)) = (&hello.r#static, &hello.payload) {
        match answer_ik(keys, &theirs, sealed_static, sealed_payload) {
            Ok((answer, done)) => return Ok((answer, Step::Done(Box::new(done)))),
            Err(error) => {
                tracing::debug!(%error, "an IK hello did not open; falling back");
                return answer_xx(keys, NOISE_PATTERN_XXFALLBACK, &theirs);
            }
        }
    }
    answer_xx(keys, NOISE_PATTERN_XX, &theirs)
}

fn answer_xx(
    keys: &ServerKeys,
    pattern: &str,
    theirs: &Key,
) -> Result<(Vec<u8>, Step), HandshakeError> {
    let ephemeral = KeyPair::generate(&mut rand::rng());
    let ours = crypto::public_bytes(&ephemeral);
    let mut noise = NoiseHandshake::new(pattern, &WA_CONN_HEADER).map_err(crypto_failed)?;
    noise.authenticate(theirs);
    noise.authenticate(&ours);
    noise.mix_shared_secret(ephemeral.private_key.serialize(), theirs).map_err(crypto_failed)?;
    let sealed_static =
        noise.encrypt(&crypto::public_bytes(&keys.static_pair)).map_err(crypto_failed)?;
    noise
        .mix_shared_secret(keys.static_pair.private_key.serialize(), theirs)
        .map_err(crypto_failed)?;
    let sealed_chain = noise.encrypt(&keys.chain).map_err(crypto_failed)?;
    let answer = server_hello(handshake_message::ServerHello {
        ephemeral: Some(ours.to_vec()),
        r#static: Some(sealed_static),
        payload: Some(sealed_chain),
        ..Default::default()
    });
    Ok((answer, Step::AwaitFinish(Box::new(AwaitFinish { noise, ephemeral }))))
}

fn answer_ik(
    keys: &ServerKeys,
    theirs: &Key,
    sealed_static: &[u8],
    sealed_payload: &[u8],
) -> Result<(Vec<u8>, Established), HandshakeError> {
    let static_private = keys.static_pair.private_key.serialize();
    let mut noise =
        NoiseHandshake::new(NOISE_PATTERN_IK, &WA_CONN_HEADER).map_err(crypto_failed)?;
    noise.authenticate(&crypto::public_bytes(&keys.static_pair));
    noise.authenticate(theirs);
    noise.mix_shared_secret(static_private, theirs).map_err(crypto_failed)?;
    let opened = noise.decrypt(sealed_static).map_err(crypto_failed)?;
    let client_static = key(Some(&opened), "static key")?;
    noise.mix_shared_secret(static_private, &client_static).map_err(crypto_failed)?;
    let payload = noise.decrypt(sealed_payload).map_err(crypto_failed)?;

    let ephemeral = KeyPair::generate(&mut rand::rng());
    let ours = crypto::public_bytes(&ephemeral);
    noise.authenticate(&ours);
    noise.mix_shared_secret(ephemeral.private_key.serialize(), theirs).map_err(crypto_failed)?;
    noise
        .mix_shared_secret(ephemeral.private_key.serialize(), &client_static)
        .map_err(crypto_failed)?;
    let sealed_chain = noise.encrypt(&keys.chain).map_err(crypto_failed)?;
    let answer = server_hello(handshake_message::ServerHello {
        ephemeral: Some(ours.to_vec()),
        payload: Some(sealed_chain),
        ..Default::default()
    });
    Ok((answer, establish(noise, client_static, payload)?))
}

impl AwaitFinish {
    /// Takes the client's second message.
    pub(crate) fn finish(mut self, frame: &[u8]) -> Result<Established, HandshakeError> {
        let finish =
            decode(frame)?.client_finish.into_option().ok_or(HandshakeError::Missing("finish"))?;
        let sealed_static = finish.r#static.ok_or(HandshakeError::Missing("static key"))?;
        let sealed_payload = finish.payload.ok_or(HandshakeError::Missing("payload"))?;
        let opened = self.noise.decrypt(&sealed_static).map_err(crypto_failed)?;
        let client_static = key(Some(&opened), "static key")?;
        self.noise
            .mix_shared_secret(self.ephemeral.private_key.serialize(), &client_static)
            .map_err(crypto_failed)?;
        let payload = self.noise.decrypt(&sealed_payload).map_err(crypto_failed)?;
        establish(self.noise, client_static, payload)
    }
}

fn establish(
    noise: NoiseHandshake,
    client_static: Key,
    payload: Vec<u8>,
) -> Result<Established, HandshakeError> {
    // `finish` names the ciphers from the client's side: it writes with the first.
    let (receive, send) = noise.finish().map_err(crypto_failed)?;
    Ok(Established { client_static, payload, send, receive })
}

fn decode(frame: &[u8]) -> Result<wa::HandshakeMessage, HandshakeError> {
    waproto::codec::handshake_message_decode(frame)
        .map_err(|error| HandshakeError::Decode(Box::new(error)))
}

fn key(bytes: Option<&[u8]>, name: &'static str) -> Result<Key, HandshakeError> {
    let bytes = bytes.ok_or(HandshakeError::Missing(name))?;
    bytes.try_into().ok().ok_or(HandshakeError::NotAKey(name))
}

fn crypto_failed<E: std::error::Error + Send + Sync + 'static>(error: E) -> HandshakeError {
    HandshakeError::Noise(Box::new(error))
}

fn server_hello(hello: handshake_message::ServerHello) -> Vec<u8> {
    waproto::codec::handshake_message_to_vec(&wa::HandshakeMessage {
        server_hello: MessageField::some(hello),
        ..Default::default()
    })
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
