//! Virtual phones: primary devices with real Signal keys, and what their users see.

mod content;
mod details;
mod history;
mod log;
mod passkey;
mod reading;
mod sender_keys;
mod signal;
mod stores;
mod writing;

pub(crate) use content::{
    call_key, device_sent, distributed_key, distribution, key_share, pad, text,
};
pub use details::{Contact, Details, Location, Media, MediaState, Quoted};
pub(crate) use history::history_notification;
pub use history::{OldChat, OldMessage};
pub(crate) use log::MessageLog;
pub use log::{Direction, Message, Status};
pub(crate) use passkey::Passkey;
pub(crate) use reading::Content;
pub(crate) use sender_keys::SenderKeys;
pub(crate) use signal::{PhoneKeys, SignalError, unpad, verify};
pub use writing::File;
pub(crate) use writing::{MediaKind, Piece, Quote, compose};
