//! A program of one's own with its migrations compiled in.
//!
//! `embedded prepare` uses the library: it says what is pending, upgrades, and goes on with its own
//! work. Every other command line is castoff's, so that the program is its own entrypoint as well:
//! `embedded run -- python -m notes`, `embedded check`.

use std::error::Error;
use std::process::ExitCode;

use castoff::{Migrations, Migrator, Settings, Target, include_dir};

/// The build does not notice a new file by itself: a crate's own `build.rs` says
/// `cargo::rerun-if-changed=migrations`.
static MIGRATIONS: Migrations =
    Migrations::new(&include_dir::include_dir!("$CARGO_MANIFEST_DIR/examples/embedded"));

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|command| command == "prepare") {
        return match prepare() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                report(&*error);
                ExitCode::FAILURE
            }
        };
    }
    castoff::main(&MIGRATIONS)
}

#[tokio::main(flavor = "current_thread")]
async fn prepare() -> Result<(), Box<dyn Error>> {
    #[allow(clippy::disallowed_methods, reason = "a program may read its own environment")]
    let settings = Settings::read(std::env::vars_os(), &[])?;
    let migrator = Migrator::new(&MIGRATIONS, settings)?;
    migrator.wait().await?;
    for revision in migrator.pending().await? {
        say(&format!("pending: {} ({})", revision.id(), revision.message()));
    }
    let plan = migrator.upgrade(&Target::head()).await?;
    say(&format!("{} steps; at {:?}", plan.steps().len(), migrator.current().await?));
    Ok(())
}

#[allow(clippy::print_stdout, reason = "an example shows what it finds")]
fn say(line: &str) {
    println!("{line}");
}

/// What castoff's errors say is in their sources, too.
#[allow(clippy::print_stderr, reason = "an example shows what it finds")]
fn report(error: &dyn Error) {
    eprintln!("error: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        eprintln!("caused by: {cause}");
        source = cause.source();
    }
}
