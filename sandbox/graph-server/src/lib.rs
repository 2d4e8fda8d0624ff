//! An offline Graph server: the parts of WhatsApp's Cloud API that a gateway calls.
#![deny(missing_docs)]

mod clock;
mod connection;
mod ids;
mod server;

pub use server::{GraphServer, Options};
