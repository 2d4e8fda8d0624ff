//! An offline WhatsApp Web server with virtual phones.
//!
//! It stands for the outside world: any honest client can link a device to a virtual phone, send and
//! receive end-to-end encrypted texts, lose its connection and come back. It listens on loopback
//! only and is signed by a root key of its own, which clients must be told to trust.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use wa_server::{Options, PhoneNumber, QrSource, WaServer};
//!
//! let server = WaServer::start(Options::default()).await?;
//! println!("clients connect to {}", server.ws_url());
//! let number = PhoneNumber::parse("+5511999990000")?;
//! let linked = server.scan(&number, QrSource::Text("2@…".to_owned())).await?;
//! println!("linked {}", linked.jid);
//! # Ok(())
//! # }
//! ```

mod acts;
mod clock;
mod connection;
mod control;
mod crypto;
mod files;
mod hub;
mod media;
mod network;
mod node;
mod noise;
mod number;
mod phone;
mod prekeys;
mod qr;
mod server;
mod snapshot;
mod writes;
mod writing;

pub use control::{ControlError, not_found};
pub use files::{FileError, write_json};
pub use hub::{
    Addressing, Call, CallState, ChannelView, ChatAddressing, Companion, Conduct, ConductChange,
    Fault, Faults, GroupView, HistorySize, InvalidFault, Label, LinkError, Linked, PairingOffer,
    PasskeyAnswer, PasskeyGate, PasskeyProgress, PasskeyView, Phone, Reads, Typing, TypingState,
};
pub use media::{MediaAct, MediaFault};
pub use network::{NetworkChange, NetworkState};
pub use number::{InvalidNumber, PhoneNumber};
pub use phone::{
    Contact, Details, Direction, File, Location, Media, MediaState, Message, OldChat, OldMessage,
    Quoted, Status,
};
pub use server::{Options, QrSource, WaServer};
pub use writing::{Edit, Reaction, Recipient, Writing};
