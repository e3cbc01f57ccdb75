//! castoff stands in front of a PostgreSQL application: it brings the schema to the revision that
//! the image was built with, and then becomes the application.
//!
//! # The story of one start
//!
//! ```text
//! handlers → settings → find the app → wait → at head? ──yes────────────────────────────┐
//!                                             └─no→ lock → read again → decide → apply → unlock → exec
//! ```
//!
//! 1. Signal handlers come before the first await: PID 1 has no default actions ([`Stop`]).
//! 2. [`Settings`] come from the environment and flags. The app's path is found now, so that a
//!    typo costs no migration.
//! 3. castoff waits until a real query answers on a writable primary, and that one query also
//!    tells whether the database is at this image's head.
//! 4. If it is not, an advisory lock is polled; under it the state is read again and
//!    [`plan::decide`], a pure function, makes a [`Plan`] or a [`Refusal`](plan::Refusal).
//! 5. The plan is applied step by step, each in one transaction with its row of the ledger. If a step
//!    takes something away, a backup gate must be open first, where one is configured.
//! 6. The process becomes the app: same PID, arguments, working directory and user. With `--init`
//!    it stays as the app's parent instead, as tini does.
//!
//! # The parts
//!
//! A functional core ([`revision`], [`plan`], [`schema`]) without I/O, clock or environment is inside an
//! imperative shell. [`Migrator`] is the shell as a library; the commands are thin over it. What
//! the author of revisions does beside is the feature `author`, which the container image lacks.

// The edges.
pub mod cli;
pub mod settings;

pub mod database_url;
mod error;
mod report;

// The story.
mod boot;
mod commands;
mod migrator;

// The core.
pub mod plan;
pub mod revision;
pub mod schema;

// The shell.
mod backup;
mod bundle;
mod database;
mod launch;
mod migrations;
mod stop;

// The author's side.
#[cfg(feature = "author")]
mod author;

use std::process::ExitCode;

pub use include_dir;

#[cfg(feature = "author")]
pub use crate::author::{
    AuthorError, CreateError, GitError, SquashError, TemplateError, TraceError, WalkError,
};
pub use crate::backup::{Gate, NoBackup};
pub use crate::bundle::BundleError;
pub use crate::database::{
    ApplyError, Blocker, Class, Failure, Kept, Lack, NotReady, Place, ReadError, Reason,
    ServerError,
};
pub use crate::error::Error;
pub use crate::launch::AppError;
pub use crate::migrations::Migrations;
pub use crate::migrator::Migrator;
pub use crate::plan::Plan;
pub use crate::revision::Target;
pub use crate::settings::Settings;
pub use crate::stop::{Signal, Stop};

/// The folder that this crate was built with: `CASTOFF_MIGRATIONS`, or the example in
/// `migrations/`.
pub static MIGRATIONS: Migrations = Migrations::checked(
    &include_dir::include_dir!("$OUT_DIR/migrations"),
    include!(concat!(env!("OUT_DIR"), "/head.rs")),
);

/// The whole program, with a migration folder of one's own; gives the exit code, unless this
/// process has become the application.
///
/// To be called first of all, before a thread is started: with `--init` castoff executes this
/// program anew, in the same process, and stays there as the application's parent.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use castoff::{Migrations, include_dir};
///
/// static MIGRATIONS: Migrations =
///     Migrations::new(&include_dir::include_dir!("$CARGO_MANIFEST_DIR/migrations"));
///
/// fn main() -> ExitCode {
///     castoff::main(&MIGRATIONS)
/// }
/// ```
pub fn main(migrations: &'static Migrations) -> ExitCode {
    ExitCode::from(commands::main(migrations))
}
