//! `castoff settings`: what is in effect, and where it came from.

use std::fmt;

use serde::Serialize;

use super::Outcome;
use crate::error::Error;
use crate::report::Report;
use crate::settings::{Setting, Settings};

#[derive(Serialize)]
struct Effective<'a> {
    database: Option<String>,
    settings: &'a [Setting],
}

pub(super) fn run(settings: &Settings, report: &Report, json: bool) -> Result<Outcome, Error> {
    let database = settings.database.as_ref().map(ToString::to_string);
    report.result(&Effective { database, settings: &settings.effective }, json)?;
    Ok(Outcome::Exit(0))
}

impl fmt::Display for Effective<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.settings.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
        let none = "none: set DATABASE_URL";
        writeln!(f, "{:width$}  {}", "database", self.database.as_deref().unwrap_or(none))?;
        for setting in self.settings {
            let value = if setting.value.is_empty() { "-" } else { &setting.value };
            writeln!(f, "{:width$}  {value}  ({})", setting.name, setting.origin)?;
        }
        Ok(())
    }
}
