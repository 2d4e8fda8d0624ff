//! The real worker over a real store, against a scripted receiver.
#![expect(clippy::unwrap_used, reason = "a helper that cannot set the scene fails its test")]

mod delivery;
mod endurance;
mod examples;
mod receiver;
mod rig;
