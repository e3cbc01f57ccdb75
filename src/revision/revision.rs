//! One revision: its files as one value.

use crate::revision::{Allowed, Checksum, RevisionId, Script};

/// Which file a revision's checksum is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The up file.
    Up,
    /// The baseline of a revision that has no up file.
    Baseline,
}

/// A revision of the folder. It has an up file, a baseline or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    pub(super) id: RevisionId,
    pub(super) down_revisions: Vec<RevisionId>,
    /// The file that stands for it, which `source` names.
    pub(super) main: Box<Script>,
    pub(super) source: Source,
    pub(super) down: Option<Box<Script>>,
    /// The baseline beside an up file.
    pub(super) baseline: Option<Box<Script>>,
}

impl Revision {
    /// The id.
    pub fn id(&self) -> &RevisionId {
        &self.id
    }

    /// What it is about, in a line.
    pub fn message(&self) -> &str {
        &self.main().header().message
    }

    /// The revisions that it follows, in the order of their ids; several for a merge, none for a base.
    pub fn down_revisions(&self) -> &[RevisionId] {
        &self.down_revisions
    }

    /// When it was written, in its author's words.
    pub fn create_date(&self) -> Option<&str> {
        [Some(self.main()), self.baseline()]
            .into_iter()
            .flatten()
            .find_map(|script| script.header().create_date.as_deref())
    }

    /// Whether an image without it must not start on it.
    pub fn breaking(&self) -> bool {
        self.main().header().breaking || self.baseline().is_some_and(|b| b.header().breaking)
    }

    /// The file that leads to it from the revisions before it.
    pub fn up(&self) -> Option<&Script> {
        match self.source {
            Source::Up => Some(&self.main),
            Source::Baseline => None,
        }
    }

    /// The file that leads back.
    pub fn down(&self) -> Option<&Script> {
        self.down.as_deref()
    }

    /// The file that leads to it from an empty database.
    pub fn baseline(&self) -> Option<&Script> {
        match self.source {
            Source::Up => self.baseline.as_deref(),
            Source::Baseline => Some(&self.main),
        }
    }

    /// Older checksums that are also right.
    pub fn accepts(&self) -> impl Iterator<Item = Checksum> {
        [self.up(), self.baseline()]
            .into_iter()
            .flatten()
            .flat_map(|script| script.header().accepts.iter().copied())
    }

    /// Hazards that its author knows of.
    pub fn allows(&self) -> impl Iterator<Item = &Allowed> {
        self.main().header().allows.iter()
    }

    /// The checksum of its up file, else of its baseline.
    pub fn checksum(&self) -> Checksum {
        self.main().checksum()
    }

    /// Which file [`Self::checksum`] is of.
    pub fn source(&self) -> Source {
        self.source
    }

    /// The file that stands for the revision: up, else the baseline.
    pub(super) fn main(&self) -> &Script {
        &self.main
    }
}
