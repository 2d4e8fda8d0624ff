//! Outbound traffic that customers direct: the only crate that opens connections to addresses that they
//! name, so that no request can pass by its guard against private addresses.
#![deny(missing_docs)]

mod address;
mod fetch;
mod guard;

pub use fetch::{FetchError, Fetched, Fetcher};
pub use guard::{Lookup, Policy, TargetError, URL_LEN_MAX};
