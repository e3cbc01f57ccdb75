//! Why the author of revisions did not get what was asked for.

use std::path::PathBuf;
use std::{fmt, io};

use super::create::CreateError;
use super::git::GitError;
use super::squash::SquashError;
use super::template::TemplateError;
use super::trace::TraceError;
use super::walk::WalkError;
use crate::database::ServerError;
use crate::error::Error;

/// Why a command of an author's did not do what it was asked to.
#[derive(Debug)]
pub enum AuthorError {
    /// No revision can be written.
    Create(CreateError),
    /// The folder of another commit cannot be had.
    Git(GitError),
    /// The folder's `castoff.lock` is not what its revisions do.
    LockDiffers {
        /// What does not fit, a line each.
        problems: Vec<String>,
    },
    /// The history is not what a lock could say.
    Walk(WalkError),
    /// The revisions are not traced.
    Trace(TraceError),
    /// The history does not become a baseline.
    Squash(SquashError),
    /// A template makes nothing of what it is given.
    Template(TemplateError),
    /// No database can be made or dropped to walk the history on.
    Scratch(ServerError),
    /// The migrations are not in a folder of files, and a file is to be written there.
    NoFolder,
    /// A file cannot be written.
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl AuthorError {
    /// The exit code, of the one list.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Create(error) => error.exit_code(),
            Self::Template(error) => error.exit_code(),
            Self::Git(error) => error.exit_code(),
            Self::LockDiffers { .. } | Self::Walk(_) => 65,
            Self::Squash(error) => error.exit_code(),
            Self::Trace(error) => error.exit_code(),
            Self::Scratch(error) if error.is_connection_loss() => 75,
            Self::Scratch(error) if error.is("42501") => 77,
            Self::Scratch(_) | Self::Unwritable { .. } => 70,
            Self::NoFolder => 78,
        }
    }

    /// What to do about it; `None` where no advice is right every time.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Create(error) => error.hint(),
            Self::Template(error) => error.hint(),
            Self::Git(error) => error.hint(),
            Self::LockDiffers { .. } => Some("write it anew with `castoff lock`".to_owned()),
            Self::Walk(error) => Some(error.hint()),
            Self::Squash(error) => error.hint(),
            Self::Trace(error) => error.hint(),
            Self::Scratch(error) if error.is("42501") => Some(
                "set CASTOFF_SCRATCH_URL to a server on which the role may create databases"
                    .to_owned(),
            ),
            Self::NoFolder => Some(
                "make one with `castoff init`, or name it with CASTOFF_MIGRATIONS_DIR".to_owned(),
            ),
            Self::Scratch(_) | Self::Unwritable { .. } => None,
        }
    }
}

impl fmt::Display for AuthorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(error) => error.fmt(f),
            Self::Template(error) => error.fmt(f),
            Self::Git(error) => error.fmt(f),
            Self::LockDiffers { problems } => {
                write!(f, "castoff.lock is not what the revisions do:\n  {}", problems.join("\n  "))
            }
            Self::Walk(error) => error.fmt(f),
            Self::Squash(error) => error.fmt(f),
            Self::Trace(error) => error.fmt(f),
            Self::Scratch(_) => f.write_str("no database can be made to walk the history on"),
            Self::NoFolder => f.write_str("there is no folder migrations/ here"),
            Self::Unwritable { path, .. } => write!(f, "cannot write {}", path.display()),
        }
    }
}

impl std::error::Error for AuthorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Git(error) => error.source(),
            Self::Scratch(error) => Some(error),
            Self::Squash(error) => error.source(),
            Self::Unwritable { source, .. } => Some(source),
            Self::Create(_)
            | Self::Template(_)
            | Self::Trace(_)
            | Self::LockDiffers { .. }
            | Self::Walk(_)
            | Self::NoFolder => None,
        }
    }
}

impl From<AuthorError> for Error {
    fn from(error: AuthorError) -> Self {
        Self::Author(Box::new(error))
    }
}

impl From<WalkError> for Error {
    fn from(error: WalkError) -> Self {
        AuthorError::Walk(error).into()
    }
}
