//! Structured logs, to standard error.

use std::io::IsTerminal as _;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, LogOptions};

/// The WhatsApp library prints phone numbers and JIDs at every level below warnings; ours must not. What its Signal code
/// says of a failed decryption is not for logs at any level.
/// Some of its modules log under names of their own; a name stands for all that begin so.
const QUIET: &str = "whatsapp_rust=warn,wacore=warn,wacore_libsignal=off,AppState=warn,Blocking=warn,\
                     Bot=warn,Chatstate=warn,Client=warn,MessageQueue=warn,Mex=warn,PresenceHandler=warn,\
                     TcToken=warn,UnifiedSession=warn,blocklist=warn,usync=warn";

/// Installs the process's logger.
///
/// # Errors
///
/// A filter that cannot be read, or a logger that is installed already.
pub fn init(options: &LogOptions) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", options.filter)).context("log.filter")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let installed = match options.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("{error}"))
}
