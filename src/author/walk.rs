//! Walking a history on databases of castoff's own, to see what each revision does to the schema.

use std::collections::BTreeSet;
use std::error::Error as StdError;
use std::fmt;

use tracing::instrument::WithSubscriber;
use tracing::subscriber::NoSubscriber;

use super::lint;
use super::scratch::Scratch;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::revision::{Graph, Revision, RevisionId, Script, Target};
use crate::schema::{Difference, Entry, Line, Lock, Optional, Schema};

/// Why no lock can be written: the history is not what a lock could say.
#[derive(Debug)]
pub enum WalkError {
    /// A baseline makes another schema than the history that it stands for.
    BaselineDiffers {
        /// The revision.
        revision: RevisionId,
        /// What it makes otherwise.
        difference: Difference,
    },
    /// A down file does not bring back the schema that was there before.
    NotTakenBack {
        /// The revision.
        revision: RevisionId,
        /// What is otherwise.
        difference: Difference,
    },
    /// What a revision does depends on the order in which two branches are applied.
    BranchesMeet {
        /// The revision after which it shows.
        revision: RevisionId,
        /// What is otherwise.
        difference: Difference,
    },
}

impl WalkError {
    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::BaselineDiffers { revision, .. } => format!(
                "write the baseline of {revision} anew from a database that has walked the history"
            ),
            Self::NotTakenBack { .. } => "mend the down file".to_owned(),
            Self::BranchesMeet { .. } => {
                "let one branch revise the other, so that their order is always the same".to_owned()
            }
        }
    }
}

impl fmt::Display for WalkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let difference = match self {
            Self::BaselineDiffers { revision, difference } => {
                write!(
                    f,
                    "the baseline of {revision} makes another schema than the history up to it \
                     (- history, + baseline):"
                )?;
                difference
            }
            Self::NotTakenBack { revision, difference } => {
                write!(
                    f,
                    "after {revision} was applied and taken back the schema is another \
                     (- before, + after):"
                )?;
                difference
            }
            Self::BranchesMeet { revision, difference } => {
                write!(
                    f,
                    "the schema of {revision} is not what its branches make of it one after the \
                     other (- together, + found):"
                )?;
                difference
            }
        };
        difference.lines().iter().try_for_each(|(sign, line)| write!(f, "\n  {sign} {line}"))
    }
}

impl StdError for WalkError {}

/// How a walk goes.
pub(crate) struct Walk<'a, 's> {
    pub(crate) scratch: &'a mut Scratch<'s>,
    pub(crate) graph: &'a Graph,
    pub(crate) optional: Optional,
    /// Whether each revision is also taken back and applied again.
    pub(crate) reversible: bool,
    /// Told before each revision: how many are done, and the next.
    pub(crate) progress: &'a dyn Fn(usize, &RevisionId),
}

/// A database of the walk, and what is applied to it.
struct Place {
    migrator: Migrator,
    applied: BTreeSet<RevisionId>,
    schema: Schema,
}

impl Walk<'_, '_> {
    /// Applies every revision on a database that has its ancestors and no more, and sees what changes.
    pub(crate) async fn lock(&mut self) -> Result<Lock, Error> {
        let mut lock = Lock::new(self.optional, Vec::new());
        let branches = !self.graph.branch_points().is_empty();
        let mut hazards = lint::hazards(self.graph);
        let mut place: Option<Place> = None;
        for (done, revision) in self.graph.revisions().iter().enumerate() {
            (self.progress)(done, revision.id());
            let mut here = Box::pin(self.before(revision, place.take())).await?;
            let before = std::mem::take(&mut here.schema);
            self.apply(&mut here, revision.id()).await?;
            if self.reversible && revision.down().is_some() {
                self.take_back(&mut here, revision, &before).await?;
            }
            let (removes, adds) = effect(&before, &here.schema);
            let baseline = revision.baseline().filter(|_| revision.up().is_some());
            let mut hazards = hazards.remove(revision.id()).unwrap_or_default();
            hazards.extend(lint::unseen(revision, &hazards, &removes, &adds));
            lock.push(Entry {
                revision: revision.id().clone(),
                checksum: revision.checksum(),
                baseline: baseline.map(Script::checksum),
                removes,
                adds,
                hazards,
            });
            if branches {
                let together = lock.schema(self.graph, std::slice::from_ref(revision.id()));
                unless_equal(&together, &here.schema, |difference| WalkError::BranchesMeet {
                    revision: revision.id().clone(),
                    difference,
                })?;
            }
            if baseline.is_some() {
                Box::pin(self.prove_baseline(revision, &here.schema)).await?;
            }
            place = Some(here);
        }
        Ok(lock)
    }

    /// A database that has the revision's ancestors and nothing else: this one, if it lacks nothing
    /// but some of them, else a new one.
    async fn before(&mut self, revision: &Revision, place: Option<Place>) -> Result<Place, Error> {
        let mut wanted = self.graph.lineage().ancestors([revision.id()]);
        wanted.remove(revision.id());
        let mut place = match place {
            Some(place) if place.applied.is_subset(&wanted) => place,
            Some(_) | None => self.empty().await?,
        };
        if place.applied != wanted {
            for parent in revision.down_revisions() {
                self.apply(&mut place, parent).await?;
            }
        }
        Ok(place)
    }

    async fn empty(&mut self) -> Result<Place, Error> {
        // Not quietly: it may have to wait for the server.
        let migrator = self.scratch.create().await?;
        let schema = quietly(migrator.schema_with(self.optional)).await?;
        Ok(Place { migrator, applied: BTreeSet::new(), schema })
    }

    /// Brings the database to a revision by its history, whatever baselines there are.
    async fn apply(&self, place: &mut Place, revision: &RevisionId) -> Result<(), Error> {
        quietly(place.migrator.walk_to(&Target::parse(revision.as_str())?)).await?;
        place.applied.extend(self.graph.lineage().ancestors([revision]));
        place.schema = quietly(place.migrator.schema_with(self.optional)).await?;
        Ok(())
    }

    async fn take_back(
        &self,
        place: &mut Place,
        revision: &Revision,
        before: &Schema,
    ) -> Result<(), Error> {
        let parent = revision.down_revisions().first().map_or("base", RevisionId::as_str);
        quietly(place.migrator.downgrade(&Target::parse(parent)?)).await?;
        let after = quietly(place.migrator.schema_with(self.optional)).await?;
        unless_equal(before, &after, |difference| WalkError::NotTakenBack {
            revision: revision.id().clone(),
            difference,
        })?;
        self.apply(place, revision.id()).await
    }

    async fn prove_baseline(&mut self, revision: &Revision, history: &Schema) -> Result<(), Error> {
        let migrator = quietly(self.scratch.create()).await?;
        quietly(migrator.upgrade(&Target::parse(revision.id().as_str())?)).await?;
        let baseline = quietly(migrator.schema_with(self.optional)).await?;
        unless_equal(history, &baseline, |difference| WalkError::BaselineDiffers {
            revision: revision.id().clone(),
            difference,
        })?;
        Ok(())
    }
}

/// Each start of a walk would tell what it does, as if somebody had asked for it.
pub(super) async fn quietly<T>(work: impl Future<Output = T>) -> T {
    Box::pin(work).with_subscriber(NoSubscriber::default()).await
}

fn unless_equal(
    expected: &Schema,
    found: &Schema,
    error: impl FnOnce(Difference) -> WalkError,
) -> Result<(), WalkError> {
    let difference = Difference::between(expected, found);
    if difference.is_empty() { Ok(()) } else { Err(error(difference)) }
}

/// The lines that are gone or otherwise, as they were, and the lines that are new or otherwise.
fn effect(before: &Schema, after: &Schema) -> (Vec<Line>, Vec<Line>) {
    let without = |these: &Schema, others: &Schema| -> Vec<Line> {
        let lines = these.lines().filter(|line| others.get(&line.identity) != Some(line));
        lines.cloned().collect()
    };
    (without(before, after), without(after, before))
}
