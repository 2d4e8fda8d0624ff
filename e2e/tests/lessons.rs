//! What users of other gateways complain about, one test for each lesson. The groups: A QR codes,
//! B pairing codes, C reconnecting, D an honest status, F webhooks, I deletion, J identities.
//!
//! Proved nearer to the code, where windows can be short: `a3` and `b1`, in
//! `crates/ramal-session/tests/it/pairing.rs`. More about bans and outdated clients is in
//! `health.rs`, about the passkey gate in `passkey.rs`, about LIDs in `identity.rs`.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "the tests' helpers fail by panicking, as the tests do"
)]

#[path = "lessons/deletion.rs"]
mod deletion;
#[path = "lessons/identity.rs"]
mod identity;
#[path = "lessons/links.rs"]
mod links;
#[path = "lessons/pairing.rs"]
mod pairing;
#[path = "lessons/webhooks.rs"]
mod webhooks;

const NUMBER: &str = "+5511999990001";
const OTHER: &str = "+5511999990002";
const FRIEND: &str = "+5511999990009";
