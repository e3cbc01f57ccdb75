//! The commands of the one who writes revisions: one short file a command, over [`crate::author`].

mod create;
mod lint;
mod lock;
mod sql;
mod squash;
mod templates;
mod trace;

use std::path::Path;

use super::{Bench, Outcome};
use crate::author::squash::Rows;
use crate::author::{AuthorError, init};
use crate::cli::{AuthorCommand, UsageError};
use crate::error::Error;
use crate::migrations::Migrations;
use crate::report::Report;
use crate::schema::Optional;
use crate::settings::Settings;

/// Files are written into the folder, so there must be one; the usual name needs no setting.
pub(super) fn in_folder(settings: Settings) -> Settings {
    let usual = Path::new("migrations");
    let usual = usual.is_dir().then(|| usual.to_owned());
    Settings { migrations_dir: settings.migrations_dir.or(usual), ..settings }
}

/// What a command works with that needs no database, nor a folder that is whole.
struct Desk<'a> {
    settings: &'a Settings,
    report: &'a Report,
    json: bool,
}

impl Desk<'_> {
    fn folder(&self) -> Result<&Path, AuthorError> {
        self.settings.migrations_dir.as_deref().ok_or(AuthorError::NoFolder)
    }

    fn print<R: serde::Serialize + std::fmt::Display>(&self, result: &R) -> Result<Outcome, Error> {
        self.report.result(result, self.json)?;
        Ok(Outcome::Exit(0))
    }
}

/// Does what is about files alone; none if the command needs more.
pub(super) fn without_database(
    settings: &Settings,
    report: &Report,
    json: bool,
    command: &AuthorCommand,
) -> Result<Option<Outcome>, Error> {
    let desk = Desk { settings, report, json };
    let outcome = match command {
        AuthorCommand::Create { message, template, parameters } => {
            create::create(&desk, message, template.as_deref(), parameters)?
        }
        AuthorCommand::Init => {
            let usual = Path::new("migrations");
            desk.print(&init::init(desk.folder().unwrap_or(usual))?)?
        }
        AuthorCommand::Merge { revisions, message } => {
            create::merge(&desk, revisions, message.as_deref())?
        }
        AuthorCommand::Templates => templates::run(&desk)?,
        AuthorCommand::Completions { .. }
        | AuthorCommand::Lint { .. }
        | AuthorCommand::LintRules
        | AuthorCommand::Lock { .. }
        | AuthorCommand::Man
        | AuthorCommand::Squash { .. }
        | AuthorCommand::Sql { .. }
        | AuthorCommand::Trace { .. } => return Ok(None),
    };
    Ok(Some(outcome))
}

pub(super) async fn run(
    bench: &Bench<'_>,
    migrations: &'static Migrations,
    command: AuthorCommand,
) -> Result<Outcome, Error> {
    match command {
        AuthorCommand::Lint { revisions, since, format, style } => {
            lint::run(bench, &lint::Options { revisions, since, format, style })
        }
        AuthorCommand::LintRules => lint::rules(bench),
        AuthorCommand::Lock { check, reversible, with } => {
            let optional = with.as_deref().map(optional).transpose()?;
            let options = lock::Options { check, reversible, optional };
            lock::run(bench, migrations, &options).await
        }
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
        AuthorCommand::Trace { revision, rolled_back } => {
            trace::run(bench, migrations, revision.as_deref(), rolled_back).await
        }
        AuthorCommand::Sql { range, no_baseline } => sql::run(bench, &range, no_baseline),
        // Done already.
        AuthorCommand::Completions { .. }
        | AuthorCommand::Create { .. }
        | AuthorCommand::Init
        | AuthorCommand::Man
        | AuthorCommand::Merge { .. }
        | AuthorCommand::Templates => Ok(Outcome::Exit(0)),
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
