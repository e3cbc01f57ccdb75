//! PostgreSQL's table locks, and whom each of them keeps out.

use std::fmt;

use serde::Serialize;

/// A mode of a table lock, from the weakest to the strongest; PostgreSQL, "Table-Level Locks".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Mode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

/// What an application cannot do to a table that is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Blocks {
    /// Nothing that an application does: only what changes the table as such, or vacuums it.
    SchemaChanges,
    /// INSERT, UPDATE, DELETE, and locks of rows.
    Writes,
    /// Anything.
    Reads,
}

const NAMES: [(&str, Mode); 8] = [
    ("AccessShareLock", Mode::AccessShare),
    ("RowShareLock", Mode::RowShare),
    ("RowExclusiveLock", Mode::RowExclusive),
    ("ShareUpdateExclusiveLock", Mode::ShareUpdateExclusive),
    ("ShareLock", Mode::Share),
    ("ShareRowExclusiveLock", Mode::ShareRowExclusive),
    ("ExclusiveLock", Mode::Exclusive),
    ("AccessExclusiveLock", Mode::AccessExclusive),
];

impl Mode {
    /// The mode by its name in `pg_locks`.
    pub(crate) fn named(name: &str) -> Option<Self> {
        NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, mode)| mode)
    }

    /// Its name in `pg_locks`.
    pub(crate) fn name(self) -> &'static str {
        NAMES[self as usize].0
    }

    pub(crate) fn blocks(self) -> Blocks {
        match self {
            Self::AccessShare
            | Self::RowShare
            | Self::RowExclusive
            | Self::ShareUpdateExclusive => Blocks::SchemaChanges,
            Self::Share | Self::ShareRowExclusive | Self::Exclusive => Blocks::Writes,
            Self::AccessExclusive => Blocks::Reads,
        }
    }
}

impl Serialize for Mode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SchemaChanges => "blocks only schema changes",
            Self::Writes => "blocks writes",
            Self::Reads => "blocks reads and writes",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mode_has_its_name_and_blocks_no_less_than_a_weaker_one() {
        for (name, mode) in NAMES {
            assert_eq!((mode.name(), Mode::named(name)), (name, Some(mode)));
        }
        assert!(NAMES.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert!(NAMES.windows(2).all(|pair| pair[0].1.blocks() <= pair[1].1.blocks()));
        assert_eq!(Mode::named("SIReadLock"), None);
    }
}
