//! The client against a scripted Graph, and everything that Meta's own description of its API can judge.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a helper that cannot set the scene, or sees another thing than expected, fails its test"
)]

mod calls;
mod composing;
mod documents;
mod failures;
mod media;
mod openapi;
mod scripted;
mod webhooks;
