//! Sessions against a scripted WhatsApp and a real database.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the scene and the scripted provider are parts of tests"
)]

mod endings;
mod health;
mod interleaving;
mod outages;
mod pairing;
mod panics;
mod passkey;
mod queue;
mod races;
mod recovery;
mod scene;
mod script;
mod settings;
mod unlinking;
mod wrong_phone;
