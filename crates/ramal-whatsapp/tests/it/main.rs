//! Integration tests: the stored session, without WhatsApp.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod backend;
mod home;
mod provider;
