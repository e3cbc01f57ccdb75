//! Why no revision was written.

use std::fmt;

use crate::revision::{FolderErrors, InvalidRevisionId, RevisionId};
use crate::settings::shown;

/// Why no revision was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CreateError {
    /// The message cannot be the first line of a file.
    Message {
        /// The message.
        message: String,
        /// Why.
        reason: &'static str,
    },
    /// The id that would be the next is none.
    Id(InvalidRevisionId),
    /// The folder is broken, or would be with the new files.
    Folder(FolderErrors),
    /// A revision that is there would follow another one than it does.
    Moves {
        /// The revision.
        revision: RevisionId,
    },
    /// What is to be merged is no head.
    NoHead {
        /// What was named.
        revision: String,
        /// The heads.
        heads: Vec<RevisionId>,
    },
    /// There are not two heads to merge.
    NothingToMerge {
        /// The heads.
        heads: Vec<RevisionId>,
    },
}

impl CreateError {
    /// The exit code, of the one list.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Message { .. } | Self::NoHead { .. } | Self::NothingToMerge { .. } => 64,
            Self::Id(_) | Self::Folder(_) | Self::Moves { .. } => 65,
        }
    }

    /// What to do about it; `None` where no advice is right every time.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Folder(errors) => errors.hint(),
            Self::Moves { revision } => {
                Some(format!("say in the file of {revision} what it revises"))
            }
            Self::NoHead { .. } => Some("`castoff merge` without arguments merges all".to_owned()),
            Self::Message { .. } | Self::Id(_) | Self::NothingToMerge { .. } => None,
        }
    }
}

impl fmt::Display for CreateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |ids: &[RevisionId]| {
            let ids: Vec<&str> = ids.iter().map(RevisionId::as_str).collect();
            if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
        };
        match self {
            Self::Message { message, reason } => {
                write!(f, "the message {} cannot be used: {reason}", shown(message))
            }
            Self::Id(error) => error.fmt(f),
            Self::Folder(errors) => {
                write!(f, "the migration folder is broken, or would be by what is new\n{errors}")
            }
            Self::Moves { revision } => write!(
                f,
                "{revision} would follow another revision than it does, since its file says none"
            ),
            Self::NoHead { revision, heads } => {
                write!(f, "{} is no head; the heads are: {}", shown(revision), list(heads))
            }
            Self::NothingToMerge { heads } => {
                write!(f, "there are not two heads to merge; the heads are: {}", list(heads))
            }
        }
    }
}

impl std::error::Error for CreateError {}

impl From<FolderErrors> for CreateError {
    fn from(errors: FolderErrors) -> Self {
        Self::Folder(errors)
    }
}
