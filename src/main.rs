//! The command `castoff`, with the migration folder that it was built with.

use std::process::ExitCode;

fn main() -> ExitCode {
    castoff::main(&castoff::MIGRATIONS)
}
