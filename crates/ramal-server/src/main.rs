//! The production binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    ramal_server::cli::main()
}
