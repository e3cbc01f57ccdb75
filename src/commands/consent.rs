//! What the operator must say before `downgrade` and `stamp`. The commands ask for it, not the library:
//! a program that calls [`Migrator`](crate::Migrator) has been written on purpose.

use super::Bench;
use crate::cli::{self, UsageError};
use crate::error::Error;
use crate::plan::{Asks, Consent, Objection, Refusal};

/// Refuses `castoff COMMAND TARGET`, with the line to type, unless enough has been said.
pub(super) fn ask(
    bench: &Bench<'_>,
    command: &'static str,
    target: &str,
    consent: &Consent,
) -> Result<(), Error> {
    let settings = bench.migrator.settings();
    let database = settings.database()?.dbname();
    let named = consent.database.as_deref().unwrap_or_default();
    if cli::names_a_database(named) {
        return Err(UsageError::UrlArgument.into());
    }
    let asks = Asks::of(settings.environment);
    Ok(consent.suffices(asks, database).map_err(|objection| match objection {
        Objection::OtherDatabase => {
            Refusal::OtherDatabase { named: named.to_owned(), database: database.to_owned() }
        }
        Objection::Unsaid => Refusal::Unconfirmed {
            command,
            environment: settings.environment,
            line: line(bench, &format!("{command} {}", cli::quoted(target)), asks, database),
        },
    })?)
}

/// What to type for it.
fn line(bench: &Bench<'_>, command: &str, asks: Asks, database: &str) -> String {
    let said = match asks {
        Asks::Nothing => String::new(),
        Asks::Yes => " --yes".to_owned(),
        Asks::YesAndName => format!(" --yes --database {}", cli::quoted(database)),
    };
    format!("castoff {command}{said}{}", bench.flags)
}
