//! How receivers know that a delivery is ours.
//!
//! `x-pilot-status-signature` is what the contract (E.5) has; it covers the body only. The three
//! headers of Standard Webhooks (<https://www.standardwebhooks.com>) cover id and time as well, so
//! that receivers can drop repeats and refuse old recordings.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit as _, Mac as _};
use ramal_domain::{Timestamp, WebhookSecret};
use sha2::Sha256;

/// Lower-case hexadecimal HMAC-SHA256 of the body; the key is the whole secret. There is room for
/// one signature only, so it is made with the new secret from the moment of a rotation: a receiver
/// that does not know it yet refuses, and the retries reach it once it does. With the old one, a
/// receiver that has moved on would refuse for as long as the old one lasts.
pub const PILOT_SIGNATURE: &str = "x-pilot-status-signature";
/// The event's id: the same for every attempt.
pub const STANDARD_ID: &str = "webhook-id";
/// When the attempt was made, in Unix seconds.
pub const STANDARD_TIMESTAMP: &str = "webhook-timestamp";
/// `v1,` and the base64 HMAC-SHA256 of `{id}.{timestamp}.{body}`; for a day after a rotation a second
/// one follows, made with the secret from before.
pub const STANDARD_SIGNATURE: &str = "webhook-signature";

/// The headers that sign one attempt.
pub(crate) fn headers(
    secret: &WebhookSecret,
    old_secret: Option<&WebhookSecret>,
    id: &str,
    at: Timestamp,
    body: &str,
) -> [(&'static str, String); 4] {
    let seconds = at.as_millis().div_euclid(1_000).to_string();
    let pilot = hmac(secret.plain_key(), &[body]);
    let standard: Vec<String> = [Some(secret), old_secret]
        .into_iter()
        .flatten()
        .map(|secret| hmac(&secret.standard_key(), &[id, ".", &seconds, ".", body]))
        .map(|signature| format!("v1,{}", BASE64.encode(signature)))
        .collect();
    [
        (PILOT_SIGNATURE, hex(&pilot)),
        (STANDARD_SIGNATURE, standard.join(" ")),
        (STANDARD_ID, id.to_owned()),
        (STANDARD_TIMESTAMP, seconds),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn hmac(key: &[u8], parts: &[&str]) -> [u8; 32] {
    // HMAC takes keys of any length, so this never falls back.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn signed(secret: &str, id: &str, seconds: i64, body: &str) -> [(&'static str, String); 4] {
        headers(&secret.parse().unwrap(), None, id, Timestamp::from_secs(seconds), body)
    }

    #[test]
    fn the_published_vector_of_standard_webhooks() {
        // standard-webhooks/libraries, as in every one of its languages' tests.
        let [_, standard, id, timestamp] = signed(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );

        assert_eq!(standard.1, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(id.1, "msg_p5jXN8AQM9LWM0D4loKWxJek");
        assert_eq!(timestamp.1, "1614265330");
    }

    #[test]
    fn the_pilot_signature_is_the_hexadecimal_hmac_of_the_body() {
        // From `printf 'Hi There' | openssl dgst -sha256 -hmac 0123456789abcdef`.
        let [pilot, ..] = signed("0123456789abcdef", "evt_1", 0, "Hi There");

        assert_eq!(pilot.0, "x-pilot-status-signature");
        assert_eq!(pilot.1, "158c003136e2dd83b253c011902a1f6403c7ac22f0292a999a60674cb59e2849");
    }

    proptest! {
        #[test]
        fn any_change_of_the_body_changes_both_signatures(
            body in "\\PC{1,40}", at in any::<prop::sample::Index>()
        ) {
            let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
            let mut chars: Vec<char> = body.chars().collect();
            let at = at.index(chars.len());
            chars[at] = if chars[at] == 'x' { 'y' } else { 'x' };
            let changed: String = chars.into_iter().collect();

            let (one, other) = (signed(secret, "evt_1", 7, &body), signed(secret, "evt_1", 7, &changed));
            prop_assert_ne!(&one[0].1, &other[0].1);
            prop_assert_ne!(&one[1].1, &other[1].1);
        }
    }
}
