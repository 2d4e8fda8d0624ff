//! Messages as Graph wants them, and what Meta would refuse of them.

use ramal_domain::{Content, PhoneNumber};
use serde_json::Value;

/// Whom a message is for.
#[derive(Clone, Copy, Debug)]
pub enum Recipient<'a> {
    /// A phone number.
    Phone(&'a PhoneNumber),
    /// A user whose phone number is not known, by the id that Meta gives a business (BSUID).
    User(&'a str),
}

/// What Meta would refuse, said to the customer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ComposeError(String);

/// The body of a request to `/messages`.
pub fn message(
    to: Recipient<'_>,
    content: &Content,
    uploaded: Option<&str>,
    reply_to: Option<&str>,
    tag: &str,
) -> Value {
    let _ = (to, content, uploaded, reply_to, tag);
    Value::Null
}

/// Refuses what Meta would refuse.
///
/// # Errors
///
/// [`ComposeError`], whose text is fit for the customer.
pub fn check(content: &Content) -> Result<(), ComposeError> {
    let _ = content;
    Ok(())
}
