//! Virtual phones: primary devices with real Signal keys, and what their users see.

mod content;
mod log;
mod signal;
mod stores;

pub(crate) use content::{Content, device_sent, history_notification, key_share, pad, text};
pub(crate) use log::MessageLog;
pub use log::{Direction, Message, Status};
pub(crate) use signal::{PhoneKeys, SignalError, verify};
