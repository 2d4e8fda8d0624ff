//! Byte stream to frames and back (wa-server.md §1.2).

use bytes::{Buf as _, Bytes, BytesMut};
use wacore_binary::consts::WA_CONN_HEADER;

const LENGTH_BYTES: usize = 3;
/// `"ED" 00 01` and a three-byte length, before the routing information itself.
const EDGE_HEADER_BYTES: usize = 7;
const EDGE_MAGIC: &[u8] = b"ED";

/// The stream does not begin like a WhatsApp client.
#[derive(Debug, thiserror::Error)]
#[error("the stream does not begin with the WhatsApp header")]
pub(crate) struct BadIntro;

/// Cuts a client's byte stream into frames, whatever chunks it arrives in.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    buffer: BytesMut,
    intro_done: bool,
}

impl Framer {
    pub(crate) fn feed(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// The next complete frame's payload, or `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`BadIntro`] when the stream is not WhatsApp's; the connection is lost then.
    pub(crate) fn next_frame(&mut self) -> Result<Option<Bytes>, BadIntro> {
        if !self.intro_done && !self.take_intro()? {
            return Ok(None);
        }
        let Some(length) = u24(&self.buffer) else { return Ok(None) };
        if self.buffer.len() < LENGTH_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_BYTES);
        Ok(Some(self.buffer.split_to(length).freeze()))
    }

    /// Removes the optional edge-routing part and the header; false until both are complete.
    fn take_intro(&mut self) -> Result<bool, BadIntro> {
        let edge = if self.buffer.starts_with(EDGE_MAGIC) {
            let Some(length) = self.buffer.get(4..).and_then(u24) else { return Ok(false) };
            EDGE_HEADER_BYTES + length
        } else {
            0
        };
        let Some(header) = self.buffer.get(edge..edge + WA_CONN_HEADER.len()) else {
            return Ok(false);
        };
        if header != WA_CONN_HEADER {
            return Err(BadIntro);
        }
        self.buffer.advance(edge + WA_CONN_HEADER.len());
        self.intro_done = true;
        Ok(true)
    }
}

fn u24(bytes: &[u8]) -> Option<usize> {
    let [high, middle, low, ..] = bytes else { return None };
    Some((usize::from(*high) << 16) | (usize::from(*middle) << 8) | usize::from(*low))
}

/// Puts the three-byte length before a payload; `None` when it does not fit.
pub(crate) fn frame(payload: &[u8]) -> Option<Bytes> {
    let [overflow, length @ ..] = u32::try_from(payload.len()).ok()?.to_be_bytes();
    if overflow != 0 {
        return None;
    }
    let mut out = Vec::with_capacity(LENGTH_BYTES + payload.len());
    out.extend_from_slice(&length);
    out.extend_from_slice(payload);
    Some(out.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drain(framer: &mut Framer) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| framer.next_frame().unwrap()).map(|frame| frame.to_vec()).collect()
    }

    fn stream(edge: Option<&[u8]>, payloads: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(edge) = edge {
            out.extend_from_slice(b"ED\x00\x01");
            out.extend_from_slice(&u32::try_from(edge.len()).unwrap().to_be_bytes()[1..]);
            out.extend_from_slice(edge);
        }
        out.extend_from_slice(&WA_CONN_HEADER);
        for payload in payloads {
            out.extend_from_slice(&frame(payload).unwrap());
        }
        out
    }

    #[test]
    fn a_stranger_is_refused() {
        let mut framer = Framer::default();
        framer.feed(b"GET / HTTP/1.1");
        assert!(framer.next_frame().is_err());
    }

    #[test]
    fn an_oversized_payload_does_not_fit_a_frame() {
        assert!(frame(&vec![0; 1 << 24]).is_none());
    }

    proptest! {
        #[test]
        fn any_chunking_reassembles(
            edge in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40)),
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..6),
            chunk in 1_usize..50,
        ) {
            let mut framer = Framer::default();
            let mut seen = Vec::new();
            for piece in stream(edge.as_deref(), &payloads).chunks(chunk) {
                framer.feed(piece);
                seen.extend(drain(&mut framer));
            }
            prop_assert_eq!(seen, payloads);
        }

        #[test]
        fn garbage_never_panics(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..8)) {
            let mut framer = Framer::default();
            for piece in pieces {
                framer.feed(&piece);
                while let Ok(Some(_)) = framer.next_frame() {}
            }
        }
    }
}
