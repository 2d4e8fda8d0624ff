//! How events travel to customers' webhooks: leased from the outbox, signed, posted, settled.
//!
//! Nothing is lost and things may repeat: whatever a crash cuts short is leased again, under the
//! same `webhook-id`. Goes to addresses that customers name only by the guard of `ramal-egress`.
#![deny(missing_docs)]

mod egress;
mod options;
mod schedule;
mod signature;
mod worker;

pub use egress::{EgressError, check_target};
pub use options::Options;
pub use ramal_egress::TargetError;
pub use signature::{PILOT_SIGNATURE, STANDARD_ID, STANDARD_SIGNATURE, STANDARD_TIMESTAMP};
pub use url::Url;
pub use worker::Worker;
