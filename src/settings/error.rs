//! Why the settings are refused.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::database_url::DatabaseUrlError;

/// Why castoff can't start with the settings it was given.
#[derive(Debug)]
pub enum SettingsError {
    /// The value of a variable is not UTF-8.
    NotUtf8 {
        /// The variable.
        variable: &'static str,
    },
    /// A variable and its `_FILE` are both set.
    BothSet {
        /// The variable.
        variable: &'static str,
        /// The variable that names a file.
        file_variable: &'static str,
    },
    /// A `_FILE` can't be read.
    UnreadableFile {
        /// The variable that names it.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A `_FILE` holds nothing that could be a secret.
    UnusableFile {
        /// The variable that names it.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// What it should be.
        expected: &'static str,
    },
    /// The service file that was named, or is there, can't be read.
    UnreadableService {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line of a service that castoff can't follow.
    WrongService {
        /// The service file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong about it.
        problem: &'static str,
    },
    /// No service file has the service that is named.
    NoService {
        /// The files that are there.
        searched: Vec<PathBuf>,
    },
    /// A setting's value is not one that it can have.
    InvalidValue {
        /// The variable, or the flag with its dashes.
        name: String,
        /// The value, shortened.
        found: String,
        /// What it can be.
        expected: &'static str,
    },
    /// What names the database is refused.
    Database {
        /// The variable that names it.
        variable: &'static str,
        /// Why.
        source: DatabaseUrlError,
    },
    /// A variable of libpq's asks for something that this version can't promise.
    Unsupported {
        /// The variable.
        variable: &'static str,
    },
    /// Nothing names a database.
    NoDatabase,
    /// The variables can't be taken together; no known environment leads here.
    Environment,
}

impl SettingsError {
    /// Says what to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotUtf8 { .. }
            | Self::InvalidValue { .. }
            | Self::WrongService { .. }
            | Self::Environment => None,
            Self::UnreadableService { .. } | Self::NoService { .. } => Some(
                "a service is [NAME] and key=value lines in the file that PGSERVICEFILE names, in \
                 ~/.pg_service.conf, or in pg_service.conf of PGSYSCONFDIR"
                    .into(),
            ),
            Self::BothSet { variable, file_variable } => {
                Some(format!("unset {variable} or {file_variable}"))
            }
            Self::UnreadableFile { variable, .. } | Self::UnusableFile { variable, .. } => Some(
                format!("{variable} has to name a file that holds the secret and nothing else"),
            ),
            Self::Database { source, .. } => source.hint(),
            Self::Unsupported { variable } => {
                Some(format!("unset {variable}, or say the same in DATABASE_URL"))
            }
            Self::NoDatabase => {
                Some("set DATABASE_URL to postgresql://user:password@host:5432/database".into())
            }
        }
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { variable } => write!(f, "the value of {variable} is not UTF-8"),
            Self::BothSet { variable, file_variable } => {
                write!(f, "{variable} and {file_variable} are both set, and one was expected")
            }
            Self::UnreadableFile { variable, path, .. } => {
                write!(f, "the file that {variable} names{} can't be read", shown(path))
            }
            Self::UnusableFile { variable, path, expected } => {
                write!(f, "the file that {variable} names{} is not {expected}", shown(path))
            }
            Self::UnreadableService { path, .. } => {
                write!(f, "the service file{} can't be read", shown(path))
            }
            Self::WrongService { path, line, problem } => {
                write!(f, "line {line} of the service file{} {problem}", shown(path))
            }
            Self::NoService { searched } if searched.is_empty() => {
                f.write_str("a service is named, and there is no service file")
            }
            Self::NoService { searched } => {
                f.write_str("the service that is named is not defined in")?;
                searched.iter().try_for_each(|path| f.write_str(&shown(path)))
            }
            Self::InvalidValue { name, found, expected } => {
                write!(f, "{name} is {found}, and should be {expected}")
            }
            Self::Database { variable, .. } => {
                write!(f, "{variable} does not name a database that castoff can connect to")
            }
            Self::Unsupported { variable } => {
                write!(f, "{variable} is set, and this version of castoff can't connect as it asks")
            }
            Self::NoDatabase => f.write_str("no database is configured"),
            Self::Environment => f.write_str("the environment variables can't be read"),
        }
    }
}

/// A path between commas, unless it may be the secret itself, put where its file belongs.
pub(super) fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    if path.is_absolute() { format!(", {text},") } else { String::new() }
}

impl std::error::Error for SettingsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::UnreadableFile { source, .. } | Self::UnreadableService { source, .. } => {
                Some(source)
            }
            Self::Database { source, .. } => Some(source),
            Self::NotUtf8 { .. }
            | Self::BothSet { .. }
            | Self::UnusableFile { .. }
            | Self::WrongService { .. }
            | Self::NoService { .. }
            | Self::InvalidValue { .. }
            | Self::Unsupported { .. }
            | Self::NoDatabase
            | Self::Environment => None,
        }
    }
}
