//! The commands of the one who writes revisions: one short file a command, over [`crate::author`].

mod lock;
mod sql;
mod squash;

use std::path::Path;

use super::{Bench, Outcome};
use crate::author::squash::Rows;
use crate::cli::{AuthorCommand, UsageError};
use crate::error::Error;
use crate::migrations::Migrations;
use crate::schema::Optional;
use crate::settings::Settings;

/// Files are written into the folder, so there must be one; the usual name needs no setting.
pub(super) fn in_folder(settings: Settings) -> Settings {
    let usual = Path::new("migrations");
    let usual = usual.is_dir().then(|| usual.to_owned());
    Settings { migrations_dir: settings.migrations_dir.or(usual), ..settings }
}

pub(super) async fn run(
    bench: &Bench<'_>,
    migrations: &'static Migrations,
    command: AuthorCommand,
) -> Result<Outcome, Error> {
    match command {
        AuthorCommand::Lock { check, reversible, with } => {
            let optional = with.as_deref().map(optional).transpose()?;
            let options = lock::Options { check, reversible, optional };
            lock::run(bench, migrations, &options).await
        }
        // Done already: they depend on no setting.
        AuthorCommand::Completions { .. } | AuthorCommand::Man => Ok(Outcome::Exit(0)),
        AuthorCommand::Squash { revision, data, no_data, pg_dump } => {
            let rows = match (data, no_data) {
                (false, false) => Rows::Refuse,
                (true, false) => Rows::Keep,
                (false, true) => Rows::Leave,
                (true, true) => {
                    return Err(
                        UsageError::NotTogether { first: "--data", second: "--no-data" }.into()
                    );
                }
            };
            let options = squash::Options {
                revision: &revision,
                rows,
                pg_dump: pg_dump.as_deref().unwrap_or("pg_dump"),
            };
            squash::run(bench, migrations, &options).await
        }
        AuthorCommand::Sql { range, no_baseline } => sql::run(bench, &range, no_baseline),
    }
}

/// What `--with` asks for.
fn optional(words: &str) -> Result<Optional, UsageError> {
    words.parse().map_err(|word| UsageError::UnknownWord {
        flag: "--with",
        word,
        expected: "comments, owners and grants",
    })
}
