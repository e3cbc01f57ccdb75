//! Why a target means no revision.

use std::error::Error;
use std::fmt;

use crate::revision::RevisionId;

/// A text that cannot be a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidTarget {
    pub(super) text: String,
    pub(super) reason: &'static str,
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no target: {}", self.text.escape_debug(), self.reason)
    }
}

impl Error for InvalidTarget {}

/// Why a target means no revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// No revision has this id, nor an id that begins so.
    Unknown {
        /// The target.
        target: String,
        /// What may have been meant.
        nearest: Vec<RevisionId>,
    },
    /// Several revisions' ids begin so.
    Ambiguous {
        /// The target.
        target: String,
        /// The revisions.
        matches: Vec<RevisionId>,
    },
    /// A relative target from a database with several heads.
    SeveralHeads {
        /// The database's heads.
        heads: Vec<RevisionId>,
    },
    /// A relative target from a revision that is not known here.
    UnknownCurrent {
        /// The database's head.
        current: RevisionId,
    },
    /// The way up divides.
    BranchPoint {
        /// Where, none being the base.
        at: Option<RevisionId>,
        /// The revisions that follow.
        children: Vec<RevisionId>,
    },
    /// The way down divides, or the way up needs another branch too.
    MergePoint {
        /// The revision that merges.
        merge: RevisionId,
        /// What it merges.
        parents: Vec<RevisionId>,
    },
    /// The line ends before.
    TooFar {
        /// Where the walk began, none being the base.
        start: Option<RevisionId>,
        /// Whether it goes up.
        is_up: bool,
        /// How many steps were asked for.
        steps: usize,
        /// How many there are.
        walked: usize,
    },
}

impl fmt::Display for TargetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { target, nearest } => {
                write!(f, "no revision is called `{target}`, nor begins with it")?;
                if nearest.is_empty() {
                    return Ok(());
                }
                write!(f, "; did you mean {}?", list(nearest))
            }
            Self::Ambiguous { target, matches } => {
                write!(f, "`{target}` may mean any of {}", list(matches))
            }
            Self::SeveralHeads { heads } => write!(
                f,
                "a relative target needs one head to start from, but the database has {}",
                list(heads)
            ),
            Self::UnknownCurrent { current } => write!(
                f,
                "a relative target starts from {current}, where the database is, but that revision is unknown here"
            ),
            Self::BranchPoint { at, children } => {
                write!(
                    f,
                    "behind {} the way divides: name one of {}",
                    start(at.as_ref()),
                    list(children)
                )
            }
            Self::MergePoint { merge, parents } => {
                write!(f, "{merge} merges {}: name the revision that is meant", list(parents))
            }
            Self::TooFar { start: from, is_up, steps, walked } => {
                let sign = if *is_up { '+' } else { '-' };
                write!(
                    f,
                    "{sign}{steps} is too far: from {} it goes {walked} ",
                    start(from.as_ref())
                )?;
                write!(f, "{} at most", if *walked == 1 { "step" } else { "steps" })
            }
        }
    }
}

impl Error for TargetError {}

fn start(at: Option<&RevisionId>) -> &str {
    at.map_or("base", RevisionId::as_str)
}

fn list(ids: &[RevisionId]) -> String {
    ids.iter().map(RevisionId::as_str).collect::<Vec<_>>().join(", ")
}
