//! The `ramal` binary as a library: configuration, wiring, lifecycle, command line.
//!
//! The only crate that reads files, the environment and signals. The sandbox builds its own binary
//! from it, with an offline WhatsApp beside it.

pub mod cli;
pub mod config;
mod lifecycle;
mod listener;
mod logs;
mod master_key;
mod private_file;
mod proxies;
mod ready;
mod server;

pub use config::Config;
pub use lifecycle::stop_signal;
pub use logs::init as init_logs;
pub use ready::write as write_ready_file;
pub use server::Server;
