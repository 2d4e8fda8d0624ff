//! `ramal`, built to trust the offline WhatsApp, and to talk to nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ramal_server::cli::main_with(ramal_sandbox::refuse_the_world)
}
