//! QR-paired numbers: `ramal-session`'s `Provider` over whatsapp-rust, with the library's storage in
//! `ramal-store`. No other crate of the product names whatsapp-rust.
//!
//! Theory of operation: [`WhatsApp`] builds one client per number. The client's tasks run on the
//! process's tracker; a panic in one ends that client only. Its events are translated in the order
//! of their arrival and handed to the session's channel; inbound messages and
//! receipts take another way: they are committed to the database before WhatsApp's server is told that
//! we have them.

mod acks;
mod admins;
mod backend;
mod connection;
mod content;
mod events;
mod history;
mod http;
mod identity;
mod inbound;
mod keeping;
mod manners;
mod media;
mod names;
mod options;
mod outgoing;
mod passkey;
mod provider;
mod receipts;
mod reporter;
mod runtime;
mod transport;

pub use backend::SessionBackend;
pub use options::Options;
pub use provider::WhatsApp;
