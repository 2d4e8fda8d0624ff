//! Ids and secrets that look like Meta's.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rand::Rng as _;
use sha2::{Digest as _, Sha256};

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// An app's secret: 32 hexadecimal digits.
pub(crate) fn app_secret() -> String {
    hex::encode(random::<16>())
}

/// An access token: opaque, and long.
pub(crate) fn access_token() -> String {
    format!("EAA{}", URL_SAFE_NO_PAD.encode(random::<90>()).replace(['-', '_'], "Z"))
}

/// An authorisation code of a login.
pub(crate) fn code() -> String {
    format!("AQ{}", URL_SAFE_NO_PAD.encode(random::<60>()))
}

/// What an error can be traced by.
pub(crate) fn trace() -> String {
    format!("A{}", URL_SAFE_NO_PAD.encode(random::<16>()))
}

/// Something that nobody guesses, in hexadecimal.
pub(crate) fn nonce() -> String {
    hex::encode(random::<12>())
}

/// The id of a message that a business sends.
pub(crate) fn outbound_message(user: &str) -> String {
    message(user, [0x11, 0x18, 0x12], &hex::encode_upper(random::<9>()))
}

/// The id of a message that a person sends.
pub(crate) fn inbound_message(user: &str) -> String {
    message(user, [0x12, 0x18, 0x14], &hex::encode_upper(random::<10>()))
}

fn message(user: &str, kind: [u8; 3], unique: &str) -> String {
    let length = u8::try_from(user.len()).unwrap_or(u8::MAX);
    let mut bytes = vec![0x1c, 0x18, length];
    bytes.extend_from_slice(user.as_bytes());
    bytes.extend_from_slice(&[0x15, 0x02, 0x00]);
    bytes.extend_from_slice(&kind);
    bytes.extend_from_slice(unique.as_bytes());
    bytes.push(0);
    format!("wamid.{}", STANDARD.encode(bytes))
}

/// The id of a person within one business portfolio: the same for the same pair, and of no use to
/// another business.
pub(crate) fn business_scoped(country: &str, business: &str, number: &str) -> String {
    let digest = Sha256::digest(format!("{business}/{number}"));
    let digits: String = digest.iter().take(20).map(|byte| char::from(b'0' + byte % 10)).collect();
    format!("{country}.{digits}")
}
