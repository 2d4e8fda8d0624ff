//! The API over real HTTP, with a real database and a scripted WhatsApp.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests"
)]

mod authorisation;
mod branding;
mod dashboard_messages;
mod documents;
mod errors;
mod event_feed;
mod graph;
mod passkey;
mod remote_pairing;
mod scene;
mod templates;
mod webhook_tools;
mod whatsapp;
