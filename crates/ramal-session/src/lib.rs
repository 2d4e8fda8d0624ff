//! Sessions: one actor per QR-paired number, their supervisor, and the door to WhatsApp.
#![deny(missing_docs)]

mod actor;
mod calls;
mod conduct;
mod ledger;
mod options;
mod pairing;
mod provider;
mod pulse;
mod supervisor;
mod turns;

pub use options::Options;
pub use pairing::{CodeState, Outcome, Pairing, PairingFailure, QrCode};
pub use provider::{
    Account, BehaveError, Behaviour, Call, Connection, Crowd, LogoutError, LookupError, MediaError,
    Mode, OpenError, OpenSpec, PasskeyError, ProbeError, Provider, Registered, RejectError,
    SendError, Signal,
};
pub use supervisor::{StartError, Supervisor, UnlinkError, WrongPhoneError};
pub use turns::Turns;
