//! How events travel to customers' webhooks: leased from the outbox, signed, posted, settled.
//!
//! Nothing is lost and things may repeat: whatever a crash cuts short is leased again, under the
//! same `webhook-id`. The only crate that goes to addresses that customers name, so that no request can
//! pass by its guard against private addresses.
#![deny(missing_docs)]

mod address;
mod egress;
mod options;
mod schedule;
mod signature;
mod worker;

pub use egress::{EgressError, TargetError, check_target};
pub use options::Options;
pub use signature::{PILOT_SIGNATURE, STANDARD_ID, STANDARD_SIGNATURE, STANDARD_TIMESTAMP};
pub use url::Url;
pub use worker::Worker;
