//! Why a history does not become a baseline.

use std::process::ExitStatus;
use std::{fmt, io};

use crate::author::AuthorError;
use crate::error::Error;
use crate::revision::{FileError, RevisionId};
use crate::schema::Difference;

/// Why no baseline was written.
#[derive(Debug)]
pub enum SquashError {
    /// There is nothing before `base`.
    Base,
    /// The revision has one already.
    HasBaseline {
        /// The revision.
        revision: RevisionId,
        /// The file.
        file: String,
    },
    /// `pg_dump` cannot be started.
    NoPgDump {
        /// The program that was tried.
        program: String,
        /// Why.
        source: io::Error,
    },
    /// What was started is no `pg_dump`.
    NotPgDump {
        /// The program.
        program: String,
        /// What it said instead of its version.
        said: String,
    },
    /// `pg_dump` is older than the server, whose databases it refuses.
    OldPgDump {
        /// The program's version.
        version: String,
        /// The server's major version.
        server: u32,
    },
    /// `pg_dump` failed.
    PgDump {
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        said: String,
    },
    /// What `pg_dump` wrote cannot be read.
    Unreadable(FileError),
    /// The history has filled tables, and nobody has said what becomes of their rows.
    Rows {
        /// Those tables, and sequences that have given numbers.
        filled: Vec<String>,
    },
    /// The baseline makes another schema.
    OtherSchema {
        /// What is otherwise.
        difference: Difference,
    },
    /// The baseline makes other rows.
    OtherRows,
}

impl SquashError {
    /// The exit code, of the one list.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Base => 64,
            Self::HasBaseline { .. } | Self::OtherSchema { .. } | Self::OtherRows => 65,
            Self::PgDump { .. } | Self::Unreadable(_) => 70,
            Self::Rows { .. } => 76,
            Self::NoPgDump { .. } | Self::NotPgDump { .. } | Self::OldPgDump { .. } => 78,
        }
    }

    /// What to do about it; `None` where no advice is right every time.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Base => Some("name a revision, or head".to_owned()),
            Self::HasBaseline { .. } => {
                Some("name a later revision, or remove that file if it was never used".to_owned())
            }
            Self::NoPgDump { .. } | Self::NotPgDump { .. } => Some(
                "install PostgreSQL's client programs, or name the program with --pg-dump"
                    .to_owned(),
            ),
            Self::OldPgDump { server, .. } => {
                Some(format!("name a pg_dump {server} or newer with --pg-dump"))
            }
            Self::Rows { .. } => Some(
                "--data writes their rows into the baseline, --no-data leaves them out of every \
                 database that starts from it"
                    .to_owned(),
            ),
            Self::PgDump { .. }
            | Self::Unreadable(_)
            | Self::OtherSchema { .. }
            | Self::OtherRows => None,
        }
    }
}

impl fmt::Display for SquashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base is no revision: there is nothing to squash"),
            Self::HasBaseline { revision, file } => {
                write!(f, "revision {revision} has a baseline already: {file}")
            }
            Self::NoPgDump { program, .. } => write!(f, "{program} cannot be run"),
            Self::NotPgDump { program, said } => {
                write!(f, "{program} is no pg_dump: asked for its version it said {said:?}")
            }
            Self::OldPgDump { version, server } => write!(
                f,
                "pg_dump is of version {version}, and the server of version {server}, which an \
                 older pg_dump does not read"
            ),
            Self::PgDump { status, said } => {
                let said = said.trim();
                if said.is_empty() {
                    write!(f, "pg_dump ended with {status}")
                } else {
                    write!(f, "pg_dump ended with {status}: {said}")
                }
            }
            Self::Unreadable(_) => f.write_str("what pg_dump wrote cannot be read"),
            Self::Rows { filled } => {
                write!(f, "the history has filled {}", filled.join(", "))
            }
            Self::OtherSchema { difference } => {
                f.write_str(
                    "the baseline that pg_dump makes of the history has another schema (- history, \
                     + baseline):",
                )?;
                let mut lines = difference.lines().into_iter();
                lines.try_for_each(|(sign, line)| write!(f, "\n  {sign} {line}"))
            }
            Self::OtherRows => {
                f.write_str("the baseline that pg_dump makes of the history has other rows")
            }
        }
    }
}

impl std::error::Error for SquashError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoPgDump { source, .. } => Some(source),
            Self::Unreadable(error) => Some(error),
            Self::Base
            | Self::HasBaseline { .. }
            | Self::NotPgDump { .. }
            | Self::OldPgDump { .. }
            | Self::PgDump { .. }
            | Self::Rows { .. }
            | Self::OtherSchema { .. }
            | Self::OtherRows => None,
        }
    }
}

impl From<SquashError> for Error {
    fn from(error: SquashError) -> Self {
        AuthorError::Squash(error).into()
    }
}
