//! The encrypted transport: keys and certificates, frames, and the responder's handshake.

mod framing;
mod handshake;
mod keys;

pub(crate) use framing::{BadIntro, Framer, frame};
pub(crate) use handshake::{Established, HandshakeError, Step, answer_client_hello};
pub(crate) use keys::{KeyError, ServerKeys};
