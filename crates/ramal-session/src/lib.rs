//! Sessions: one actor per QR-paired number, their supervisor, and the door to WhatsApp.
#![deny(missing_docs)]

mod actor;
mod ledger;
mod options;
mod pairing;
mod provider;
mod supervisor;

pub use options::Options;
pub use pairing::{CodeState, Outcome, Pairing, PairingFailure, QrCode};
pub use provider::{
    Account, Connection, LogoutError, Mode, OpenError, OpenSpec, ProbeError, Provider, ReceiptKind,
    SendError, Signal,
};
pub use supervisor::{StartError, Supervisor, UnlinkError};
