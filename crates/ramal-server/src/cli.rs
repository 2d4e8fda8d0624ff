//! The command line.

mod client;
mod keys;
mod users;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use serde_json::json;

use crate::{Config, Server, config, init_logs, stop_signal, write_ready_file};

/// The operator's configuration is wrong.
const EXIT_CONFIG: u8 = 2;

/// What else there is to know, below `ramal --help`.
const MORE: &str = "\
`serve`, `keys`, `user` and `config` are for the machine that runs the server. `numbers`, `send` and `listen` \
speak to a running one, over its API: RAMAL_URL says where it is, RAMAL_KEY holds the key. In the sandbox, \
`cargo sandbox` prints the line to paste.";

/// WhatsApp numbers behind one API.
#[derive(Debug, Parser)]
#[command(name = "ramal", version, about, after_help = MORE)]
struct Arguments {
    /// The operator's configuration file; `./ramal.toml` when it exists and none is named.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server.
    Serve {
        /// Once ready, write `{"apiUrl", "tenantKey", "setupUrl"}` to this file. The key is there at
        /// the very first start only, the set-up link until somebody has an account.
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
    },
    /// API keys.
    #[command(subcommand)]
    Keys(keys::Command),
    /// The people who sign in to the dashboard.
    #[command(subcommand)]
    User(users::Command),
    /// The configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the `OpenAPI` document of the API.
    Openapi,
    #[command(flatten)]
    Client(client::Command),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say whether the configuration can be used.
    Check,
    /// Print the effective values and where they come from; secrets are masked.
    Show,
}

/// Runs the binary: exit code 0 when it did what it was asked for, 1 when it failed, 2 when the
/// arguments or the configuration are wrong; what speaks to a running server has more.
pub fn main() -> ExitCode {
    main_with(|_config| Ok(()))
}

/// [`main`], with a further check of the configuration: builds that trust more than the production
/// binary refuse with it what only that may do.
pub fn main_with(check: impl FnOnce(&mut Config) -> anyhow::Result<()>) -> ExitCode {
    let arguments = Arguments::parse();
    let file = arguments.config.as_deref();
    if let Command::Client(command) = &arguments.command {
        return client::main(command, || Config::load(file));
    }
    let loaded = Config::load(file).and_then(|mut config| check(&mut config).map(|()| config));
    let config = match loaded {
        Ok(config) => config,
        Err(error) => {
            complain(&error);
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    match run(&arguments.command, file, &config) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(command: &Command, file: Option<&Path>, config: &Config) -> anyhow::Result<ExitCode> {
    match command {
        Command::Config(ConfigCommand::Check) => {
            say("the configuration can be used")?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Config(ConfigCommand::Show) => {
            say(&config::show(file)?)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Openapi => {
            say(&ramal_web::openapi_document())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys(command) => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(keys::run(command, config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::User(command) => {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(users::run(command, config))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Client(command) => Ok(client::main(command, || Ok(config.clone()))),
        Command::Serve { ready_file } => {
            init_logs(&config.log)?;
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(serve(config, ready_file.as_deref()))
        }
    }
}

async fn serve(config: &Config, ready_file: Option<&Path>) -> anyhow::Result<ExitCode> {
    let server = Server::start(config, |routes| routes).await?;
    let key = server.first_key().map(ramal_domain::ApiToken::expose);
    if let Some(key) = key {
        say(&format!("The default tenant's API key, shown this once: {key}"))?;
    }
    let setup = server.app().first_invitation().await?;
    if let Some(url) = &setup {
        say(&format!("Create the dashboard's first account here (once, within 7 days): {url}"))?;
    }
    if let Some(path) = ready_file {
        let ready = json!({"apiUrl": server.url(), "tenantKey": key, "setupUrl": setup});
        write_ready_file(path, &ready)?;
    }
    stop_signal().await?;
    tracing::info!("stopping; a second signal stops at once");
    // Both branches are cancel-safe: a second signal cuts everything off, which leases cover.
    let in_time = tokio::select! {
        in_time = server.stop() => in_time,
        second = stop_signal() => { second?; false }
    };
    Ok(if in_time { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints an answer for the person at the terminal.
pub(crate) fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{text}").context("standard output")
}

fn complain(error: &anyhow::Error) {
    // When even that fails there is nobody to tell.
    let _unwritable = writeln!(std::io::stderr(), "ramal: {error:#}");
}
