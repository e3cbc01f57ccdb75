//! How applying can end before its end.

use std::fmt;
use std::time::Duration;

use super::privileges::Lack;
use crate::database::observe::Blocker;
use crate::database::server_error::ServerError;
use crate::database::wait::seconds;
use crate::revision::{FileError, RevisionId, Script};
use crate::stop::Signal;

/// Why a plan was not applied to its end.
#[derive(Debug)]
pub enum ApplyError {
    /// The server refused a statement.
    Failed(Box<Failure>),
    /// A lock could not be had in time, however often it was tried.
    LockDeadline {
        /// The revision.
        revision: RevisionId,
        /// How long.
        waited: Duration,
        /// The last error.
        error: ServerError,
        /// Who was in the way.
        blockers: Vec<Blocker>,
    },
    /// This session does not hold the migration lock any more; nothing of the step was kept.
    LockGone,
    /// Another start has the lock that this step needed; nothing of the step was kept.
    LockTaken,
    /// The server takes no writes any more; nothing of the step was kept.
    NotPrimary,
    /// The revision runs outside a transaction, and a pooler keeps no session for it.
    NeedsItsSession {
        /// The revision.
        revision: RevisionId,
    },
    /// The same, of a pooler that had no second connection to tell by.
    PoolTooSmall {
        /// The revision.
        revision: RevisionId,
    },
    /// The role lacks privileges; nothing was done.
    NotAllowed {
        /// Which.
        lacks: Vec<Lack>,
    },
    /// Somebody else has moved the heads; nothing of the step was kept.
    HeadsMoved,
    /// Somebody has changed the schema that was to be recorded; nothing of the step was kept.
    SchemaMoved,
    /// The connection was lost; what was under way is either done and recorded, or neither.
    Lost(ServerError),
    /// The transaction ended without an error, but the ledger doesn't show it.
    NotRecorded {
        /// The revision.
        revision: RevisionId,
    },
    /// The down file kept in the ledger cannot be read.
    KeptDownFile(FileError),
    /// The plan names a revision that the graph does not have.
    NotInThisImage {
        /// The revision.
        revision: RevisionId,
    },
    /// A signal came.
    Stopped(Signal),
}

/// A revision that failed.
#[derive(Debug)]
pub struct Failure {
    /// What was tried, as in "failed to upgrade to 4f1c2a9b7d30".
    pub what: String,
    /// The revision.
    pub revision: RevisionId,
    /// Its message.
    pub message: String,
    /// Where in its file, if that is known.
    pub place: Option<Place>,
    /// What the server said.
    pub error: ServerError,
    /// The last revision that this run applied before.
    pub applied_before: Option<RevisionId>,
    /// What of it is still there.
    pub kept: Kept,
    /// Whether its SQL was the ledger's rather than a file of this image.
    pub from_ledger: bool,
}

/// What a failed revision leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: its transaction was rolled back.
    Nothing,
    /// So many of its statements; the next start goes on after them.
    Statements(usize),
}

/// A place in an SQL file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line's text.
    pub text: String,
}

impl Place {
    pub(super) fn at(script: &Script, offset: usize) -> Self {
        let position = script.position(offset);
        Self {
            file: script.file().to_owned(),
            line: position.line,
            column: position.column,
            text: script.line(position.line).to_owned(),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl ApplyError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed(failure) if failure.from_ledger => Some(
                "its SQL is kept in the ledger: clear what it stumbles over, then give the same \
                 command again"
                    .to_owned(),
            ),
            Self::Failed(failure) => {
                let privilege = failure.error.is("42501");
                let correct = |what| if privilege { "give the role the privilege" } else { what };
                Some(match failure.kept {
                    Kept::Nothing | Kept::Statements(0) => format!(
                        "nothing of {} was kept; {} and start again",
                        failure.revision,
                        correct("correct the file")
                    ),
                    Kept::Statements(done) => format!(
                        "{} is done up to its statement {done}, and recorded so; {} and start again",
                        failure.revision,
                        correct("correct the rest of the file")
                    ),
                })
            }
            Self::LockDeadline { .. } => Some(
                "end the transactions that are in the way, or start again when they are over"
                    .to_owned(),
            ),
            Self::LockGone => Some(
                "look for what releases the locks of castoff's session, or gives it another one"
                    .to_owned(),
            ),
            Self::NeedsItsSession { .. } => Some(
                "give CASTOFF_DATABASE_URL the address of the server itself, or of a pool in \
                 session mode whose server_reset_query is DISCARD ALL; the application may stay \
                 with the pool"
                    .to_owned(),
            ),
            Self::PoolTooSmall { .. } => Some(
                "give CASTOFF_DATABASE_URL the address of the server itself, or let the pool have \
                 more connections than there are starts at once (default_pool_size)"
                    .to_owned(),
            ),
            Self::NotAllowed { lacks } => Some(format!(
                "as the owner: {}; or let CASTOFF_ROLE name the owner, if this role is a member",
                join(lacks.iter().map(|lack| lack.grant.as_str()))
            )),
            Self::LockTaken
            | Self::NotPrimary
            | Self::HeadsMoved
            | Self::SchemaMoved
            | Self::Lost(_)
            | Self::NotRecorded { .. }
            | Self::KeptDownFile(_)
            | Self::NotInThisImage { .. }
            | Self::Stopped(_) => None,
        }
    }

    /// 65 for a wrong migration, 77 for a lacking privilege, 75 if another start may succeed, 70 for what should not be.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(failure) if failure.error.is("42501") => 77,
            Self::Failed(_) | Self::KeptDownFile(_) => 65,
            Self::NeedsItsSession { .. } => 78,
            Self::NotAllowed { .. } => 77,
            Self::LockDeadline { .. }
            | Self::LockGone
            | Self::LockTaken
            | Self::NotPrimary
            | Self::PoolTooSmall { .. }
            | Self::HeadsMoved
            | Self::SchemaMoved
            | Self::Lost(_) => 75,
            Self::NotRecorded { .. } | Self::NotInThisImage { .. } => 70,
            Self::Stopped(signal) => 128 + signal.number(),
        }
    }

    /// Whether there is no lock to give back any more, or no time to.
    pub(crate) fn lost_the_lock(&self) -> bool {
        matches!(self, Self::Stopped(_) | Self::Lost(_) | Self::LockGone | Self::LockTaken)
    }

    /// Whether to go back to waiting: the state is one or the other, and reading it tells.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::LockGone
                | Self::LockTaken
                | Self::NotPrimary
                | Self::PoolTooSmall { .. }
                | Self::HeadsMoved
                | Self::SchemaMoved
                | Self::Lost(_)
        )
    }
}

fn join<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => {
                write!(f, "failed to {}", failure.what)?;
                if failure.message.is_empty() {
                    Ok(())
                } else {
                    write!(f, " ({})", failure.message)
                }
            }
            Self::LockDeadline { revision, waited, .. } => {
                write!(f, "{revision} could not get its locks within {}", seconds(*waited))
            }
            Self::LockGone => f.write_str("this session does not hold the migration lock any more"),
            Self::LockTaken => f.write_str("another start has taken the migration lock"),
            Self::NotPrimary => {
                f.write_str("the server takes no writes any more: it is a standby, or read-only")
            }
            Self::NeedsItsSession { revision } => write!(
                f,
                "{revision} runs outside a transaction, which needs a session of its own, and a \
                 pooler in transaction mode is in between"
            ),
            Self::PoolTooSmall { revision } => write!(
                f,
                "{revision} runs outside a transaction, which needs a session of its own, and the \
                 pooler in between had no second connection to tell by whether it keeps sessions"
            ),
            Self::NotAllowed { lacks } => {
                f.write_str(&join(lacks.iter().map(|lack| lack.what.as_str())))
            }
            Self::HeadsMoved => {
                f.write_str("somebody else has changed the ledger although the lock is ours")
            }
            Self::SchemaMoved => {
                f.write_str("somebody has changed the schema while it was compared")
            }
            Self::Lost(_) => f.write_str("the connection was lost during the migration"),
            Self::NotRecorded { revision } => write!(
                f,
                "the transaction of {revision} ended without an error but is not in the ledger"
            ),
            Self::KeptDownFile(_) => f.write_str("the down file kept in the ledger is broken"),
            Self::NotInThisImage { revision } => {
                write!(f, "the plan names {revision}, which is not in this image")
            }
            Self::Stopped(signal) => write!(f, "stopped by {signal}"),
        }
    }
}

impl std::error::Error for ApplyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(&failure.error),
            Self::LockDeadline { error, .. } | Self::Lost(error) => Some(error),
            Self::KeptDownFile(error) => Some(error),
            Self::LockGone
            | Self::LockTaken
            | Self::NotPrimary
            | Self::NeedsItsSession { .. }
            | Self::PoolTooSmall { .. }
            | Self::NotAllowed { .. }
            | Self::HeadsMoved
            | Self::SchemaMoved
            | Self::NotRecorded { .. }
            | Self::NotInThisImage { .. }
            | Self::Stopped(_) => None,
        }
    }
}
