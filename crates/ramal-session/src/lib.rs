//! Sessions: one actor per QR-paired number, their supervisor, and the door to WhatsApp.
#![deny(missing_docs)]

mod provider;

pub use provider::{
    Account, Connection, LogoutError, Mode, OpenError, OpenSpec, ProbeError, Provider, ReceiptKind,
    SendError, Signal,
};
