//! Virtual phones: primary devices with real Signal keys, and what their users see.

mod content;
mod history;
mod log;
mod passkey;
mod sender_keys;
mod signal;
mod stores;

pub(crate) use content::{
    Content, call_key, device_sent, distributed_key, distribution, key_share, pad, text,
};
pub(crate) use history::history_notification;
pub use history::{OldChat, OldMessage};
pub(crate) use log::MessageLog;
pub use log::{Direction, Message, Status};
pub(crate) use passkey::Passkey;
pub(crate) use sender_keys::SenderKeys;
pub(crate) use signal::{PhoneKeys, SignalError, unpad, verify};
