//! Why revisions are not traced.

use std::fmt;

use crate::author::AuthorError;
use crate::error::Error;
use crate::revision::RevisionId;

/// Why nothing was traced.
#[derive(Debug)]
pub enum TraceError {
    /// There is nothing to trace in `base`.
    Base,
    /// A revision that runs on an empty database alone.
    Baseline {
        /// The revision.
        revision: RevisionId,
    },
    /// A revision that others have to precede.
    NotNext {
        /// The revision.
        revision: RevisionId,
        /// The first of those that are pending before it.
        next: RevisionId,
    },
    /// A revision that cannot be rolled back.
    NotRolledBack {
        /// The revision.
        revision: RevisionId,
    },
    /// A revision that the database has already.
    Applied {
        /// The revision.
        revision: RevisionId,
    },
    /// Somebody migrates the database.
    Busy {
        /// Who.
        holder: String,
    },
    /// A pooler keeps no session.
    Pooled,
}

impl TraceError {
    /// The exit code, of the one list.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Base | Self::Baseline { .. } => 64,
            Self::NotRolledBack { .. } | Self::Applied { .. } | Self::NotNext { .. } => 76,
            Self::Busy { .. } => 75,
            Self::Pooled => 78,
        }
    }

    /// What to do about it; `None` where no advice is right every time.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Base => Some("name a revision, or none for those that are pending".to_owned()),
            Self::NotRolledBack { .. } | Self::Applied { .. } | Self::NotNext { .. } => {
                Some("without --rolled-back it is traced on a copy".to_owned())
            }
            Self::Baseline { .. } | Self::Busy { .. } => None,
            Self::Pooled => {
                Some("give CASTOFF_DATABASE_URL the address of the server itself".to_owned())
            }
        }
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base is no revision: there is nothing to trace"),
            Self::NotRolledBack { revision } => {
                write!(f, "{revision} runs outside a transaction, so it cannot be rolled back")
            }
            Self::Baseline { revision } => {
                write!(f, "{revision} is a baseline: it runs on an empty database, where it blocks nobody")
            }
            Self::NotNext { revision, next } => {
                write!(f, "{next} is pending before {revision}, and its locks would be held already")
            }
            Self::Applied { revision } => {
                write!(f, "the database has {revision} already, so it cannot be tried there")
            }
            Self::Busy { holder } => write!(f, "somebody else is migrating ({holder})"),
            Self::Pooled => f.write_str(
                "a pooler in transaction mode is in between, and tracing needs a session of its own",
            ),
        }
    }
}

impl std::error::Error for TraceError {}

impl From<TraceError> for Error {
    fn from(error: TraceError) -> Self {
        AuthorError::Trace(error).into()
    }
}
