//! What the black-box tests share: the binaries as processes, clients for their APIs, a
//! webhook receiver, and waiting with a deadline. Nothing here knows the product's code.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test harness fails by panicking"
)]

mod api;
mod chat;
mod cli;
mod database;
mod files;
mod front;
mod graph;
mod judge;
mod mortal;
mod official;
mod phones;
mod process;
mod qr;
mod receiver;
mod wait;
mod world;

pub use api::{Answer, Api, Created, client};
pub use chat::Chat;
pub use cli::{Cli, Running, Said};
pub use database::Database;
pub use files::{Files, made_up, sha256};
pub use front::{Exchange, Front};
pub use graph::{Business, Graph};
pub use mortal::{Insisted, Mortal, asked_for};
pub use official::{Line, Official, examples_of_meta};
pub use phones::Phones;
pub use process::{Process, binary, repository};
pub use qr::{decode_qr, decode_terminal_qr};
pub use receiver::{Delivery, Receiver};
pub use wait::{PATIENCE, ahead, eventually, within};
pub use world::{Product, Sandbox, WhatsApp, World};
