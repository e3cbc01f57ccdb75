//! What a database says of itself, as data.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::revision::{Chain, Checksum, Lineage, Revision, RevisionId, Source};
use crate::schema::Schema;

/// How a revision came to be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Its up file ran.
    Upgrade,
    /// A baseline file ran that contains it.
    Baseline,
    /// An operator said so.
    Stamp,
    /// Alembic's version table said so.
    Adopt,
    /// The schema was the revision's, line by line.
    Recognise,
}

impl Origin {
    /// The word in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upgrade => "upgrade",
            Self::Baseline => "baseline",
            Self::Stamp => "stamp",
            Self::Adopt => "adopt",
            Self::Recognise => "recognise",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Origin {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Upgrade, Self::Baseline, Self::Stamp, Self::Adopt, Self::Recognise]
            .into_iter()
            .find(|origin| origin.as_str() == word)
            .ok_or(())
    }
}

/// Which file a recorded checksum was taken over.
///
/// A revision that is a baseline alone in one image can have an up file in another, and the two
/// say nothing about each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recorded {
    /// The kind of file.
    pub source: Source,
    /// Its digest.
    pub checksum: Checksum,
}

impl Recorded {
    /// What this image would record for `revision`.
    pub fn of(revision: &Revision) -> Self {
        Self { source: revision.source(), checksum: revision.checksum() }
    }

    /// Whether the recorded file and this image's are known to differ.
    pub fn contradicts(&self, revision: &Revision) -> bool {
        self.source == revision.source()
            && self.checksum != revision.checksum()
            && !revision.accepts().any(|accepted| accepted == self.checksum)
    }
}

impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Up => "up",
            Source::Baseline => "baseline",
        };
        write!(f, "{source} {}", self.checksum)
    }
}

impl FromStr for Recorded {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (source, checksum) = text.split_once(' ').ok_or(())?;
        let source = match source {
            "up" => Source::Up,
            "baseline" => Source::Baseline,
            _ => return Err(()),
        };
        Ok(Self { source, checksum: checksum.parse().map_err(|_| ())? })
    }
}

/// How far a recorded revision got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// It is applied.
    Complete,
    /// Its up file stopped after so many statements.
    Upgrading(usize),
    /// Its down file stopped after so many statements.
    Downgrading(usize),
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The revision.
    pub revision: RevisionId,
    /// Its parents, as the image that applied it had them.
    pub down_revisions: Vec<RevisionId>,
    /// Its message.
    pub message: String,
    /// Its file's checksum; of the statements done so far if it is not complete.
    pub recorded: Recorded,
    /// The digest of its history, as the image that applied it had it.
    pub chain: Chain,
    /// Whether it is a head.
    pub head: bool,
    /// How it came here.
    pub origin: Origin,
    /// Whether an older image must not run on it.
    pub breaking: bool,
    /// Whether the ledger keeps the SQL that takes it back.
    pub has_down_sql: bool,
    /// How far it got.
    pub progress: Progress,
}

/// The rows of the ledger; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    rows: BTreeMap<RevisionId, Applied>,
    lineage: Lineage,
}

impl Ledger {
    /// A ledger of these rows, or `None` if there are none: an empty ledger is no version.
    pub fn new(rows: impl IntoIterator<Item = Applied>) -> Option<Self> {
        let rows: BTreeMap<_, _> =
            rows.into_iter().map(|row| (row.revision.clone(), row)).collect();
        let lineage = Lineage::new(
            rows.values()
                .filter(|row| row.progress == Progress::Complete)
                .map(|row| (row.revision.clone(), row.down_revisions.clone())),
        );
        (!rows.is_empty()).then_some(Self { rows, lineage })
    }

    /// Every row, in natural order.
    pub fn rows(&self) -> impl Iterator<Item = &Applied> {
        self.rows.values()
    }

    /// The row of one revision.
    pub fn get(&self, revision: &RevisionId) -> Option<&Applied> {
        self.rows.get(revision)
    }

    /// The complete revisions and their edges.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// The heads as recorded, in order.
    pub fn heads(&self) -> Vec<RevisionId> {
        self.rows.values().filter(|row| row.head).map(|row| row.revision.clone()).collect()
    }

    /// The rows whose revision stopped half-way, up or down.
    pub fn interrupted(&self) -> impl Iterator<Item = &Applied> {
        self.rows.values().filter(|row| row.progress != Progress::Complete)
    }
}

/// An `alembic_version` table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlembicVersion {
    /// The schema that holds it.
    pub schema: String,
    /// Its rows as they are, in order; `None` if the role may not read them.
    pub versions: Option<Vec<String>>,
    /// Whether its bare name finds it, by the search path.
    pub visible: bool,
}

/// Objects that are neither castoff's, Alembic's, an extension's nor a provider's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserObjects {
    /// How many.
    pub count: u64,
    /// A few of them, as `table public.users`.
    pub examples: Vec<String>,
}

/// What a database says of itself, read in one snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DatabaseState {
    /// The ledger, unless there is none or an empty one.
    pub ledger: Option<Ledger>,
    /// Every `alembic_version` table; read only where there is no ledger.
    pub alembic: Vec<AlembicVersion>,
    /// Counted only where there is no ledger.
    pub user_objects: UserObjects,
    /// Every line of the schema; read only where it is asked for.
    pub schema: Option<Schema>,
    /// Those of the tables in question that exist and hold rows, or may; absent if nobody has looked.
    pub occupied: Option<BTreeSet<String>>,
}
