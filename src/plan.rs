//! The decision: what this image does to that database, and why.
//!
//! Pure and total: the same graph, state and policy give the same plan, and every combination is
//! either a [`Plan`] or a [`Refusal`]. Only this module makes a plan, and the shell applies
//! nothing else.
//!
//! # Invariants
//! - A revision is never recorded as applied that never ran, except on proof (an Alembic version,
//!   the schema itself) or on the operator's word.
//! - Each step names the heads it expects to find, so that a plan made stale by somebody else's
//!   work changes nothing.

#[cfg(feature = "author")]
mod between;
mod decide;
mod environment;
mod hazards;
mod json;
mod loss;
mod refusal;
mod state;
mod undo;

use serde::Serialize;

#[cfg(feature = "author")]
pub use between::between;
pub use decide::{Ahead, Baseline, Drift, Image, Policy, decide};
pub use environment::{Asks, Consent, Environment, Objection};
pub use hazards::{Danger, Hazards, tables_in_question};
pub use loss::Loss;
pub use refusal::Refusal;
pub use state::{
    AlembicVersion, Applied, DatabaseState, Ledger, Origin, Progress, Recorded, UserObjects,
};
pub use undo::{downgrade, stamp};

use crate::revision::{Graph, Lineage, RevisionId};
use crate::schema::{Difference, Line};

/// Where a database stands, seen from this image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum Standing {
    /// Every revision of this image is applied, and nothing else.
    AtHead,
    /// Some revisions of this image are not applied yet.
    Behind,
    /// A revision that runs outside a transaction stopped half-way.
    Interrupted {
        /// That revision.
        revision: RevisionId,
        /// How many of its statements have run.
        statements_done: usize,
    },
    /// All of this image's revisions are applied, and later ones that it does not contain.
    Ahead {
        /// The later revisions.
        later: Vec<RevisionId>,
    },
    /// Nothing was ever applied and there is nothing of the user's.
    Fresh,
    /// Alembic brought it to revisions that this image contains.
    Adopted {
        /// The rows of `alembic_version`.
        versions: Vec<RevisionId>,
    },
    /// Its schema is that of a revision, line by line.
    Recognised {
        /// The revision.
        revision: RevisionId,
        /// How many bodies were not compared, since the lock has them of another major version.
        unchecked: usize,
        /// What is there besides, of which no revision speaks.
        unmanaged: Vec<Line>,
    },
    /// The operator says that it stands at a revision.
    Baselined {
        /// The heads that the operator named; none for `base`.
        heads: Vec<RevisionId>,
    },
    /// An explicit command takes it elsewhere.
    Commanded,
}

/// One change of the ledger, and of the schema with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "snake_case")]
pub enum Action {
    /// Records revisions whose effects are there already; parents first.
    Record {
        /// The revisions.
        revisions: Vec<RevisionId>,
        /// On whose word.
        origin: Origin,
    },
    /// Runs a baseline file on an empty database and records its ancestors too; parents first.
    Baseline {
        /// The revision.
        revision: RevisionId,
        /// Its ancestors in this image.
        ancestors: Vec<RevisionId>,
    },
    /// Runs a revision's up file.
    Upgrade {
        /// The revision.
        revision: RevisionId,
        /// How many statements an earlier, interrupted run has done; `None` for a first run.
        resume: Option<usize>,
    },
    /// Takes a revision back.
    Downgrade {
        /// The revision.
        revision: RevisionId,
        /// Where its SQL comes from.
        down: Down,
        /// How many statements an earlier, interrupted run has done; `None` for a first run.
        resume: Option<usize>,
    },
    /// Makes the ledger say what the operator says; no SQL of the user's runs.
    Stamp {
        /// The revisions to record, parents first.
        record: Vec<RevisionId>,
        /// The revisions to forget.
        forget: Vec<RevisionId>,
    },
    /// Records this image's chain digest of a head whose history was compared by checksums.
    Rechain {
        /// The head.
        revision: RevisionId,
    },
}

/// Where the SQL that takes a revision back comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Down {
    /// This image's down file.
    Image,
    /// The ledger, which keeps the down file of the image that applied it.
    Ledger,
    /// Nothing: the revision did nothing.
    Nothing,
}

/// A step of a plan, with the heads before and after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    #[serde(flatten)]
    action: Action,
    heads_before: Vec<RevisionId>,
    heads_after: Vec<RevisionId>,
}

impl Step {
    /// What the step does.
    pub fn action(&self) -> &Action {
        &self.action
    }

    /// The heads that the ledger must show for the step to run, in order.
    pub fn heads_before(&self) -> &[RevisionId] {
        &self.heads_before
    }

    /// The heads that the ledger shows afterwards, in order.
    pub fn heads_after(&self) -> &[RevisionId] {
        &self.heads_after
    }
}

/// What will be done, in order; made by this module alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    #[serde(flatten)]
    standing: Standing,
    creates_ledger: bool,
    steps: Vec<Step>,
    /// How the schema differs from the one that the database's revisions make.
    #[serde(skip_serializing_if = "Option::is_none")]
    drift: Option<Difference>,
    /// The hazards that nobody has acknowledged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hazards: Vec<Danger>,
}

impl Plan {
    /// Where the database stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The steps, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether the first step writes the first row of the ledger.
    pub fn creates_ledger(&self) -> bool {
        self.creates_ledger
    }

    /// Nothing to do, since the database stands there.
    pub(crate) fn nothing(standing: Standing) -> Self {
        Self {
            standing,
            creates_ledger: false,
            steps: Vec::new(),
            drift: None,
            hazards: Vec::new(),
        }
    }

    /// How the schema differs from the one that the database's revisions make, if it does and the
    /// policy wants to know.
    pub fn drift(&self) -> Option<&Difference> {
        self.drift.as_ref()
    }

    /// The hazards of what runs that matter to this database and that nobody has acknowledged, if the
    /// policy wants to know.
    pub fn hazards(&self) -> &[Danger] {
        &self.hazards
    }

    /// The revisions whose up or baseline file runs, in order.
    pub fn runs(&self) -> impl Iterator<Item = &RevisionId> {
        self.steps.iter().filter_map(|step| match &step.action {
            Action::Upgrade { revision, .. } | Action::Baseline { revision, .. } => Some(revision),
            Action::Record { .. }
            | Action::Downgrade { .. }
            | Action::Stamp { .. }
            | Action::Rechain { .. } => None,
        })
    }

    /// Whether there is nothing to do, and so nothing to lock for.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// Collects steps and keeps the heads between them.
struct Planner<'a> {
    lineage: &'a Lineage,
    heads: Vec<RevisionId>,
    applied: std::collections::BTreeSet<RevisionId>,
    steps: Vec<Step>,
}

impl<'a> Planner<'a> {
    fn new(
        lineage: &'a Lineage,
        heads: Vec<RevisionId>,
        applied: impl IntoIterator<Item = RevisionId>,
    ) -> Self {
        Self { lineage, heads, applied: applied.into_iter().collect(), steps: Vec::new() }
    }

    /// Adds a step that makes `revision` a head in place of its parents.
    fn advance(&mut self, revision: &RevisionId, action: Action) {
        let parents = self.lineage.parents(revision);
        let mut after: Vec<_> =
            self.heads.iter().filter(|head| !parents.contains(head)).cloned().collect();
        after.push(revision.clone());
        self.applied.insert(revision.clone());
        self.push(action, after);
    }

    /// Adds a step that takes the head `revision` away; a parent with no other applied child
    /// becomes a head again.
    fn retreat(&mut self, revision: &RevisionId, action: Action) {
        self.applied.remove(revision);
        let mut after: Vec<_> =
            self.heads.iter().filter(|head| *head != revision).cloned().collect();
        for parent in self.lineage.parents(revision) {
            let bare =
                !self.lineage.children(parent).iter().any(|child| self.applied.contains(child));
            if bare && self.applied.contains(parent) {
                after.push(parent.clone());
            }
        }
        self.push(action, after);
    }

    fn push(&mut self, action: Action, mut after: Vec<RevisionId>) {
        after.sort();
        after.dedup();
        let before = std::mem::replace(&mut self.heads, after.clone());
        self.steps.push(Step { action, heads_before: before, heads_after: after });
    }

    fn finish(self, standing: Standing, creates_ledger: bool) -> Plan {
        Plan { standing, creates_ledger, steps: self.steps, drift: None, hazards: Vec::new() }
    }
}

/// The revisions of `graph` among `wanted`, parents first.
fn in_order<'g>(
    graph: &'g Graph,
    wanted: &std::collections::BTreeSet<RevisionId>,
) -> Vec<&'g crate::revision::Revision> {
    graph.revisions().iter().filter(|revision| wanted.contains(revision.id())).collect()
}

#[cfg(test)]
mod tests;
