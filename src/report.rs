//! Printing: the log and errors on standard error, results on standard output.
//!
//! # Invariants
//! - Nothing else in castoff prints.
//! - A secret that is in a text all the same leaves here as `***`.

mod clock;
mod log;
mod paper;
#[cfg(feature = "author")]
mod progress;

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::database::ApplyError;
use crate::error::Error;
pub(crate) use paper::Paper;

use crate::settings::{Level, LogFormat, Settings, for_first_report};
#[cfg(feature = "author")]
pub(crate) use clock::format as utc;
#[cfg(feature = "author")]
use progress::Progress;

/// The longest termination message that Kubernetes reads.
const TERMINATION_MESSAGE: usize = 4096;

/// Passwords shorter than this occur in texts that have nothing to do with them.
const SHORTEST_SECRET: usize = 4;

/// How this run prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Report {
    json: bool,
    secrets: Arc<[String]>,
    termination_log: PathBuf,
}

impl Report {
    /// Before the settings are known.
    pub(crate) fn early(environment: &[(OsString, OsString)]) -> Self {
        let (format, termination_log) = for_first_report(environment);
        Self { json: is_json(format), secrets: Arc::new([]), termination_log }
    }

    /// What of it a command line can tell to a process that has no secrets to keep.
    pub(crate) fn to_words(&self) -> [OsString; 2] {
        let format = if self.json { "json" } else { "text" };
        [format.into(), self.termination_log.clone().into_os_string()]
    }

    /// Reads what [`Report::to_words`] wrote.
    pub(crate) fn from_words([format, termination_log]: [OsString; 2]) -> Option<Self> {
        let json = match format.to_str()? {
            "json" => true,
            "text" => false,
            _ => return None,
        };
        Some(Self { json, secrets: Arc::new([]), termination_log: termination_log.into() })
    }

    /// Prints the log although the settings can't be read.
    pub(crate) fn log_anyway(&self) {
        log::install(self.clone(), Level::Info);
    }

    /// As the settings say; from now on the log is printed too.
    pub(crate) fn start(settings: &Settings) -> Self {
        let mut secrets = settings.secrets();
        secrets.retain(|secret| secret.len() >= SHORTEST_SECRET);
        // The longest first, so that a part does not spoil the whole.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let report = Self {
            json: is_json(settings.log_format),
            secrets: secrets.into(),
            termination_log: settings.termination_log.clone(),
        };
        log::install(report.clone(), settings.log);
        report
    }

    /// Prints a command's result on standard output.
    pub(crate) fn result<R: Serialize + Display>(
        &self,
        value: &R,
        json: bool,
    ) -> Result<(), Error> {
        let text = if json {
            serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
        } else {
            value.to_string()
        };
        self.text(&text)
    }

    /// Prints a text on standard output.
    pub(crate) fn text(&self, text: &str) -> Result<(), Error> {
        write(&self.scrub(text))
    }

    /// Prints on standard output what the folder's files say, to the letter, and nothing else.
    #[cfg(feature = "author")]
    #[expect(clippy::unused_self, reason = "only the report prints")]
    pub(crate) fn exactly(&self, text: &str) -> Result<(), Error> {
        write(text)
    }

    /// Prints why the command failed, and leaves it where Kubernetes looks.
    pub(crate) fn error(&self, error: &Error) {
        let account = Account::of(error);
        if self.json {
            self.line(&account.to_json());
        } else {
            self.line(account.to_text().trim_end());
        }
        let text = self.scrub(&account.to_text());
        let end = text.floor_char_boundary(TERMINATION_MESSAGE);
        // The runtime makes the file; without it nobody would read what we create.
        let written = OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&self.termination_log)
            .and_then(|mut file| file.write_all(&text.as_bytes()[..end]));
        if let Err(error) = written {
            let path = self.termination_log.display();
            tracing::debug!("no termination message at {path}: {error}");
        }
    }

    /// A bar for work that goes on for a while, in so many steps.
    #[cfg(feature = "author")]
    pub(crate) fn progress(&self, steps: usize) -> Progress {
        Progress::new(steps, !self.json && io::stderr().is_terminal())
    }

    /// Writes a line of the log.
    fn line(&self, line: &str) {
        let line = format!("{}\n", self.scrub(line));
        // Nobody can be told that standard error is gone.
        drop(io::stderr().lock().write_all(line.as_bytes()));
    }

    fn scrub(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "***"))
    }
}

fn write(text: &str) -> Result<(), Error> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // `castoff history | head` is no failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::Output),
    }
}

fn is_json(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => !io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    }
}

/// What is to be said of an error.
struct Account {
    message: String,
    place: Option<(String, String)>,
    causes: Vec<String>,
    sqlstate: Option<String>,
    details: Vec<(&'static str, String)>,
    hint: Option<String>,
    exit_code: u8,
}

impl Account {
    fn of(error: &Error) -> Self {
        let mut causes = Vec::new();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        let mut account = Self {
            message: error.to_string(),
            place: None,
            causes,
            sqlstate: None,
            details: Vec::new(),
            hint: error.hint(),
            exit_code: error.exit_code(),
        };
        if let Error::Apply(error) = error {
            account.add(error);
        }
        account
    }

    fn add(&mut self, error: &ApplyError) {
        match error {
            ApplyError::Failed(failure) => {
                let server = &failure.error;
                self.place =
                    failure.place.as_ref().map(|place| (place.to_string(), place.text.clone()));
                self.sqlstate.clone_from(&server.sqlstate);
                let parts = [
                    ("detail", server.detail.clone()),
                    ("server's hint", server.hint.clone()),
                    ("context", server.context.clone()),
                    ("applied before it", failure.applied_before.as_ref().map(ToString::to_string)),
                ];
                self.details
                    .extend(parts.into_iter().filter_map(|(name, text)| Some((name, text?))));
            }
            ApplyError::LockDeadline { error, blockers, .. } => {
                self.sqlstate.clone_from(&error.sqlstate);
                self.details.extend(blockers.iter().map(|it| ("blocked by", it.to_string())));
            }
            ApplyError::LockGone
            | ApplyError::LockTaken
            | ApplyError::NotPrimary
            | ApplyError::NeedsItsSession { .. }
            | ApplyError::PoolTooSmall { .. }
            | ApplyError::NotAllowed { .. }
            | ApplyError::HeadsMoved
            | ApplyError::SchemaMoved
            | ApplyError::Lost(_)
            | ApplyError::NotRecorded { .. }
            | ApplyError::KeptDownFile(_)
            | ApplyError::NotInThisImage { .. }
            | ApplyError::Stopped(_) => {}
        }
    }

    fn to_text(&self) -> String {
        let mut lines = vec![format!("error: {}", self.message)];
        if let Some((place, line)) = &self.place {
            lines.push(format!("  at {place}"));
            lines.push(format!("     | {line}"));
        }
        lines.extend(self.causes.iter().map(|cause| format!("caused by: {cause}")));
        lines.extend(self.details.iter().map(|(name, detail)| format!("{name}: {detail}")));
        lines.extend(self.hint.iter().map(|hint| format!("hint: {hint}")));
        lines.join("\n") + "\n"
    }

    fn to_json(&self) -> String {
        let mut details = Map::new();
        for (name, detail) in &self.details {
            let name = name.replace(' ', "_").replace('\'', "");
            match details.get_mut(&name) {
                Some(Value::Array(several)) => several.push(json!(detail)),
                Some(_) | None => drop(details.insert(name, json!([detail]))),
            }
        }
        let line = ErrorLine {
            timestamp: clock::now(),
            level: Level::Error,
            message: &self.message,
            at: self.place.as_ref().map(|(place, _)| place),
            line: self.place.as_ref().map(|(_, line)| line),
            caused_by: &self.causes,
            sqlstate: self.sqlstate.as_ref(),
            details,
            hint: self.hint.as_ref(),
            exit_code: self.exit_code,
        };
        serde_json::to_string(&line).unwrap_or_default()
    }
}

/// An error as a line of JSON; what there is not is left out.
#[derive(Serialize)]
struct ErrorLine<'a> {
    timestamp: String,
    level: Level,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<&'a String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<&'a String>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    caused_by: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    sqlstate: Option<&'a String>,
    #[serde(flatten)]
    details: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a String>,
    exit_code: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_leaves_as_stars_wherever_it_is() {
        let secrets: Arc<[String]> = ["s3ntinel%21".to_owned(), "s3ntinel!".to_owned()].into();
        let report = Report { json: false, secrets, termination_log: PathBuf::new() };
        assert_eq!(report.scrub("a s3ntinel! b s3ntinel%21"), "a *** b ***");
    }
}
