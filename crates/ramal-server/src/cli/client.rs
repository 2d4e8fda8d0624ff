//! `ramal numbers`, `ramal send`, `ramal listen`: a customer of a running server's API, at a terminal.
//!
//! Nothing here knows the product from inside: what these commands can do, every key's owner can.

mod api;
mod failure;
mod listen;
mod numbers;
mod pairing;
mod reach;
mod screen;
mod send;
mod sse;

use std::process::ExitCode;

use clap::Subcommand;

use self::{api::Api, failure::Failure, reach::Reach};
use super::complain;
use crate::Config;

/// What exit codes mean, below the help of each command.
const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 refused, or failed; 2 wrong arguments or configuration; 3 the server cannot be \
reached; 4 the key is missing or not accepted; 5 what was waited for did not happen (the codes ran out, \
the message failed).";

/// What people do with a running server.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Create, list, show, connect and delete numbers of a running server.
    #[command(after_help = EXIT_CODES)]
    Numbers {
        #[command(flatten)]
        reach: Reach,
        #[command(subcommand)]
        command: numbers::Command,
    },
    /// Send a message through a number of a running server.
    #[command(after_help = EXIT_CODES)]
    Send {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        arguments: send::Arguments,
    },
    /// Print what happens, live.
    ///
    /// Goes on where it was when the server goes away and comes back, and misses nothing. Stop it with
    /// Ctrl-C.
    #[command(after_help = EXIT_CODES)]
    Listen {
        #[command(flatten)]
        reach: Reach,
        #[command(flatten)]
        arguments: listen::Arguments,
    },
}

impl Command {
    const fn reach(&self) -> &Reach {
        match self {
            Self::Numbers { reach, .. } | Self::Send { reach, .. } | Self::Listen { reach, .. } => {
                reach
            }
        }
    }

    async fn run(&self, api: &Api) -> Result<(), Failure> {
        match self {
            Self::Numbers { command, .. } => numbers::run(api, command).await,
            Self::Send { arguments, .. } => send::run(api, arguments).await,
            Self::Listen { arguments, .. } => listen::run(api, arguments).await,
        }
    }
}

/// Runs a command; `config` says where the server of this machine listens.
pub(super) fn main(command: &Command, config: impl FnOnce() -> anyhow::Result<Config>) -> ExitCode {
    let outcome = command.reach().api(config).and_then(|api| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Failure::Failed(error.into()))?;
        runtime.block_on(command.run(&api))
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let code = failure.code();
            if let Some(error) = failure.complaint() {
                complain(&error);
            }
            ExitCode::from(code)
        }
    }
}
