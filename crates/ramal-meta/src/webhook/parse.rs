//! Takes a body apart.

use super::Change;

/// A body that is no webhook of WhatsApp's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no webhook of WhatsApp's")]
pub struct NotAWebhook;

/// Takes a body apart. An item that is not understood is [`News::Other`](super::News::Other).
///
/// # Errors
///
/// [`NotAWebhook`], when it is not JSON, or not about WhatsApp at all.
pub fn parse(raw: &[u8]) -> Result<Vec<Change>, NotAWebhook> {
    let _ = raw;
    Err(NotAWebhook)
}
