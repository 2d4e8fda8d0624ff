//! Meta's WhatsApp Cloud API: the client of the Graph, what messages look like there, and what Meta
//! reports by webhook.
//!
//! Knows nothing of numbers, tenants or databases; who calls decides and remembers. Tokens are arguments
//! of every call, and are shown by nothing here.
#![deny(missing_docs)]

pub mod compose;
mod error;
mod graph;
mod ids;
mod node;
mod options;
pub mod webhook;

pub use error::{ErrorClass, GraphError, MESSAGE_ERROR_CODES, message_error_code};
pub use graph::{
    Access, AppData, BuildError, BusinessToken, Download, Graph, MediaInfo, Phone, PhoneSummary,
    SentReceipt, Subscription, Template, TokenInfo, appsecret_proof,
};
pub use ids::{AppId, IdError, PhoneId, WabaId};
pub use options::Options;
