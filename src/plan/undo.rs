//! What only an explicit command does: take revisions back, or say where a database stands.

use std::collections::BTreeSet;

use super::state::{DatabaseState, Ledger, Progress, Recorded};
use super::{Action, Down, Plan, Planner, Refusal, Standing, in_order};
use crate::revision::{Graph, Lineage, Resolved, RevisionId, Target};

/// Decides what takes `state` back to `target`: everything that descends from it is undone,
/// the newest first, also what this image does not contain.
pub fn downgrade(graph: &Graph, state: &DatabaseState, target: &Target) -> Result<Plan, Refusal> {
    let ledger = state.ledger.as_ref().ok_or(Refusal::NotVersioned)?;
    if let Some((revision, statements_done)) = half_way(ledger, |progress| match progress {
        Progress::Upgrading(done) => Some(done),
        Progress::Complete | Progress::Downgrading(_) => None,
    }) {
        return Err(Refusal::UpgradeHalfWay { revision, statements_done });
    }
    let lineage =
        Lineage::new(ledger.rows().map(|row| (row.revision.clone(), row.down_revisions.clone())));
    let mut undone = undone(graph, ledger, &lineage, target)?;
    let mut planner = Planner::new(&lineage, ledger.heads(), lineage.ids().cloned());

    let resumed = half_way(ledger, |progress| match progress {
        Progress::Downgrading(done) => Some(done),
        Progress::Complete | Progress::Upgrading(_) => None,
    });
    if let Some((revision, statements_done)) = resumed {
        if !undone.remove(&revision) {
            return Err(Refusal::DowngradeHalfWay { revision, statements_done });
        }
        undo(&mut planner, graph, ledger, &revision, Some(statements_done))?;
    }
    for revision in lineage.ordered().into_iter().rev().filter(|id| undone.contains(*id)) {
        undo(&mut planner, graph, ledger, revision, None)?;
    }
    Ok(planner.finish(Standing::Commanded, false))
}

fn half_way(
    ledger: &Ledger,
    of: impl Fn(Progress) -> Option<usize>,
) -> Option<(RevisionId, usize)> {
    ledger.rows().find_map(|row| Some((row.revision.clone(), of(row.progress)?)))
}

fn undone(
    graph: &Graph,
    ledger: &Ledger,
    lineage: &Lineage,
    target: &Target,
) -> Result<BTreeSet<RevisionId>, Refusal> {
    let resolved = match target.resolve(lineage, &ledger.heads()) {
        Ok(resolved) => resolved,
        // The ledger does not have it: tell a revision that is not applied from a misspelt one.
        Err(error) => {
            return Err(match target.resolve(graph.lineage(), &[]) {
                Ok(Resolved::Revision(revision)) => {
                    Refusal::NotApplied { revision, current: ledger.heads() }
                }
                Ok(Resolved::Base | Resolved::Heads) | Err(_) => Refusal::Target(error),
            });
        }
    };
    Ok(match resolved {
        Resolved::Base => lineage.ids().cloned().collect(),
        Resolved::Heads => BTreeSet::new(),
        Resolved::Revision(id) => {
            let mut undone = lineage.descendants([&id]);
            undone.remove(&id);
            undone
        }
    })
}

fn undo(
    planner: &mut Planner<'_>,
    graph: &Graph,
    ledger: &Ledger,
    revision: &RevisionId,
    resume: Option<usize>,
) -> Result<(), Refusal> {
    let row = ledger.get(revision);
    let here = graph.get(revision).filter(|here| {
        row.is_none_or(|row| row.progress != Progress::Complete || !row.recorded.contradicts(here))
    });
    let down = if here.is_some_and(|here| here.down().is_some()) {
        Down::Image
    } else if row.is_some_and(|row| row.has_down_sql) {
        Down::Ledger
    } else if here.is_some_and(|here| here.up().is_some_and(|up| up.statements().is_empty())) {
        Down::Nothing
    } else {
        return Err(Refusal::NoDownFile { revision: revision.clone() });
    };
    planner.retreat(revision, Action::Downgrade { revision: revision.clone(), down, resume });
    Ok(())
}

/// Decides what makes the ledger say `target` and all before it, and nothing else.
///
/// It also records again the files that have changed since, which makes it the way out of
/// [`Refusal::Edited`] for an operator who knows that the schema is right.
pub fn stamp(graph: &Graph, state: &DatabaseState, target: &Target) -> Result<Plan, Refusal> {
    let current = state.ledger.as_ref().map(Ledger::heads).unwrap_or_default();
    let known: Vec<_> = current.iter().filter(|id| graph.get(id).is_some()).cloned().collect();
    let lineage = graph.lineage();
    let heads: Vec<RevisionId> = match target.resolve(lineage, &known).map_err(Refusal::Target)? {
        Resolved::Base => Vec::new(),
        Resolved::Revision(id) => vec![id],
        Resolved::Heads => graph.heads().into_iter().cloned().collect(),
    };
    let closure = lineage.ancestors(&heads);
    let row = |id: &RevisionId| state.ledger.as_ref().and_then(|ledger| ledger.get(id));
    let record: Vec<_> = in_order(graph, &closure)
        .into_iter()
        .filter(|revision| {
            row(revision.id()).is_none_or(|row| {
                row.progress != Progress::Complete
                    || row.recorded != Recorded::of(revision)
                    || (heads.contains(revision.id())
                        && graph.chain(revision.id()) != Some(&row.chain))
            })
        })
        .map(|revision| revision.id().clone())
        .collect();
    let forget: Vec<_> = match &state.ledger {
        None => Vec::new(),
        Some(ledger) => {
            let before = ledger.lineage().ancestors(&closure);
            ledger
                .rows()
                .map(|row| &row.revision)
                .filter(|id| !closure.contains(*id) && !before.contains(*id))
                .cloned()
                .collect()
        }
    };
    let mut planner = Planner::new(lineage, current.clone(), []);
    if !(record.is_empty() && forget.is_empty() && current == heads) {
        planner.push(Action::Stamp { record, forget }, heads);
    }
    let creates_ledger = state.ledger.is_none() && !planner.steps.is_empty();
    Ok(planner.finish(Standing::Commanded, creates_ledger))
}
