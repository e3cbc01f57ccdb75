//! What a start does: the table of cases, each in a function of its own.

use std::collections::BTreeSet;

use serde::Serialize;

use super::hazards::{Hazards, weigh};
use super::state::{AlembicVersion, Applied, DatabaseState, Ledger, Origin, Progress, Recorded};
use super::{Action, Plan, Planner, Refusal, Standing, in_order};
use crate::revision::{Graph, Resolved, Revision, RevisionId, Source, Target};
use crate::schema::{Comparison, Difference, Lock, Recognition, Schema, compare, recognise};

/// What to do on a database that has later revisions than this image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ahead {
    /// Start the app with a warning: every rolling deploy and every rollback does this.
    Start,
    /// Refuse.
    Refuse,
}

/// What to do where a database's schema is not the one that its revisions make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// Nothing: nobody looks.
    Ignore,
    /// Say so.
    Warn,
    /// Refuse.
    Refuse,
}

/// What the image brings along.
#[derive(Debug, Clone, Copy)]
pub struct Image<'a> {
    /// Its revisions.
    pub graph: &'a Graph,
    /// What each of them does to the schema, if that is known.
    pub lock: Option<&'a Lock>,
}

impl<'a> From<&'a Graph> for Image<'a> {
    fn from(graph: &'a Graph) -> Self {
        Self { graph, lock: None }
    }
}

/// The operator's word on which revision an unversioned schema is: `CASTOFF_BASELINE` as given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline(pub String);

/// What the operator wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Where to go.
    pub target: Target,
    /// What to do if the database is ahead.
    pub ahead: Ahead,
    /// Where an unversioned schema stands, if nothing proves it.
    pub baseline: Option<Baseline>,
    /// What to do about a schema that is not what the ledger says.
    pub drift: Drift,
    /// What to do about hazards that nobody has acknowledged.
    pub hazards: Hazards,
    /// Whether an empty database walks the history even where a baseline stands for it.
    pub history: bool,
}

impl Policy {
    /// To the head, with the defaults.
    pub fn head() -> Self {
        Self {
            target: Target::head(),
            ahead: Ahead::Start,
            baseline: None,
            drift: Drift::Ignore,
            hazards: Hazards::Warn,
            history: false,
        }
    }
}

/// Decides what brings `state` to the policy's target in the image's graph.
pub fn decide<'a>(
    image: impl Into<Image<'a>>,
    state: &DatabaseState,
    policy: &Policy,
) -> Result<Plan, Refusal> {
    let image = image.into();
    let plan = match &state.ledger {
        Some(ledger) => {
            let drift = drift(image, ledger, state.schema.as_ref(), policy)?;
            Plan { drift, ..versioned(image.graph, ledger, policy)? }
        }
        None => unversioned(image, state, policy)?,
    };
    let hazards = weigh(image, &plan, state, policy)?;
    Ok(Plan { hazards, ..plan })
}

/// How the schema differs from what the ledger's heads make; nothing where that is not known: some
/// head is not this image's, or a revision stopped half-way.
fn drift(
    Image { graph, lock }: Image<'_>,
    ledger: &Ledger,
    found: Option<&Schema>,
    policy: &Policy,
) -> Result<Option<Difference>, Refusal> {
    let (Some(lock), Some(found)) = (lock, found) else { return Ok(None) };
    let heads = ledger.heads();
    let is_known = heads.iter().all(|head| graph.get(head).is_some());
    if policy.drift == Drift::Ignore || !is_known || ledger.interrupted().next().is_some() {
        return Ok(None);
    }
    refuse_stale(graph, lock)?;
    let Comparison { difference, .. } = compare(lock, &lock.schema(graph, &heads), found);
    match policy.drift {
        Drift::Refuse if !difference.is_empty() => Err(Refusal::Drifted { heads, difference }),
        Drift::Ignore | Drift::Warn | Drift::Refuse => {
            Ok(Some(difference).filter(|difference| !difference.is_empty()))
        }
    }
}

fn refuse_stale(graph: &Graph, lock: &Lock) -> Result<(), Refusal> {
    let stale = lock.stale(graph);
    if stale.is_empty() { Ok(()) } else { Err(Refusal::StaleLock { stale }) }
}

fn versioned(graph: &Graph, ledger: &Ledger, policy: &Policy) -> Result<Plan, Refusal> {
    if let Some((row, done)) = half_way_down(ledger) {
        return Err(Refusal::DowngradeHalfWay {
            revision: row.revision.clone(),
            statements_done: done,
        });
    }
    if graph.revisions().is_empty() {
        return Err(Refusal::NoRevisions { current: ledger.heads() });
    }
    refuse_edited(graph, ledger)?;

    let known: BTreeSet<_> =
        ledger.lineage().ids().filter(|id| graph.get(id).is_some()).cloned().collect();
    let heads = ledger.heads();
    let standing_at: Vec<_> = heads.iter().filter(|id| known.contains(*id)).cloned().collect();
    let wanted = closure(graph, &policy.target, &standing_at)?;
    let applied = graph.lineage().ancestors(&known);
    let pending: BTreeSet<_> = wanted.difference(&applied).cloned().collect();
    let later = later(graph, ledger, &known);

    if pending.is_empty() {
        return if later.is_empty() {
            Ok(at_head(graph, ledger, &heads))
        } else {
            ahead(ledger, later, policy)
        };
    }
    if let Some(baseline) = in_order(graph, &pending).into_iter().find(|r| r.up().is_none()) {
        return Err(Refusal::BeforeBaseline { current: heads, baseline: baseline.id().clone() });
    }
    if !later.is_empty() {
        return Err(Refusal::Diverged {
            unknown: later,
            missing: in_order(graph, &pending).into_iter().map(|r| r.id().clone()).collect(),
        });
    }

    let mut planner = Planner::new(graph.lineage(), heads, applied);
    let mut standing = Standing::Behind;
    for revision in in_order(graph, &pending) {
        let resume = resume_point(revision, ledger.get(revision.id()))?;
        if let Some(statements_done) = resume {
            standing = Standing::Interrupted { revision: revision.id().clone(), statements_done };
        }
        upgrade(&mut planner, revision, resume);
    }
    Ok(planner.finish(standing, false))
}

/// Nothing is missing and nothing is unknown; the chain may still be another image's.
fn at_head(graph: &Graph, ledger: &Ledger, heads: &[RevisionId]) -> Plan {
    let foreign: Vec<_> = heads
        .iter()
        .filter(|id| {
            let recorded = ledger.get(id).map(|row| &row.chain);
            graph.chain(id).is_some_and(|chain| Some(chain) != recorded)
        })
        .cloned()
        .collect();
    let mut planner = Planner::new(graph.lineage(), heads.to_vec(), []);
    for revision in foreign {
        planner.push(Action::Rechain { revision }, heads.to_vec());
    }
    planner.finish(Standing::AtHead, false)
}

fn ahead(ledger: &Ledger, later: Vec<RevisionId>, policy: &Policy) -> Result<Plan, Refusal> {
    let breaking: Vec<_> = later
        .iter()
        .filter_map(|id| ledger.get(id))
        .filter(|row| row.breaking)
        .map(|row| (row.revision.clone(), row.message.clone()))
        .collect();
    if !breaking.is_empty() {
        return Err(Refusal::AheadAndBreaking { breaking });
    }
    match policy.ahead {
        Ahead::Refuse => Err(Refusal::Ahead { later }),
        Ahead::Start => Ok(Plan::nothing(Standing::Ahead { later })),
    }
}

/// The recorded revisions that this image does not contain, except those that come before one
/// that it does contain: a squashed folder has forgotten them.
fn later(graph: &Graph, ledger: &Ledger, known: &BTreeSet<RevisionId>) -> Vec<RevisionId> {
    let before = ledger.lineage().ancestors(known);
    ledger
        .rows()
        .map(|row| &row.revision)
        .filter(|id| graph.get(id).is_none() && !before.contains(*id))
        .cloned()
        .collect()
}

fn half_way_down(ledger: &Ledger) -> Option<(&Applied, usize)> {
    ledger.rows().find_map(|row| match row.progress {
        Progress::Downgrading(done) => Some((row, done)),
        Progress::Complete | Progress::Upgrading(_) => None,
    })
}

fn refuse_edited(graph: &Graph, ledger: &Ledger) -> Result<(), Refusal> {
    let revisions: Vec<_> = ledger
        .rows()
        .filter(|row| row.progress == Progress::Complete)
        .filter_map(|row| Some((row, graph.get(&row.revision)?)))
        .filter(|(row, revision)| row.recorded.contradicts(revision))
        .map(|(row, revision)| {
            (row.revision.clone(), Box::new((row.recorded, Recorded::of(revision))))
        })
        .collect();
    if revisions.is_empty() { Ok(()) } else { Err(Refusal::Edited { revisions }) }
}

/// Where an interrupted run of `revision` goes on, if it was one; the statements that have run
/// must still be the ones in the file.
fn resume_point(revision: &Revision, row: Option<&Applied>) -> Result<Option<usize>, Refusal> {
    let Some(row) = row else { return Ok(None) };
    let Progress::Upgrading(done) = row.progress else { return Ok(None) };
    let (source, script) = match revision.up() {
        Some(up) => (Source::Up, Some(up)),
        None => (Source::Baseline, revision.baseline()),
    };
    let unchanged = script
        .and_then(|script| script.prefix_checksum(done))
        .is_some_and(|prefix| row.recorded == Recorded { source, checksum: prefix });
    if unchanged {
        Ok(Some(done))
    } else {
        Err(Refusal::EditedHalfWay { revision: revision.id().clone(), statements_done: done })
    }
}

fn unversioned(image: Image<'_>, state: &DatabaseState, policy: &Policy) -> Result<Plan, Refusal> {
    let graph = image.graph;
    let refusal = match alembic(&state.alembic) {
        Err(refusal) => refusal,
        Ok(Some(AlembicVersion { schema, versions: None, .. })) => {
            Refusal::AlembicUnreadable { schema: schema.clone() }
        }
        Ok(Some(AlembicVersion { schema, versions: Some(versions), .. }))
            if !versions.is_empty() =>
        {
            match sort_versions(graph, versions) {
                (known, unknown) if unknown.is_empty() => {
                    let standing = Standing::Adopted { versions: known.clone() };
                    return record(graph, &known, Origin::Adopt, policy, standing);
                }
                (known, unknown) => {
                    Refusal::AlembicUnknown { schema: schema.clone(), unknown, known }
                }
            }
        }
        Ok(_) if state.user_objects.count == 0 => return fresh(graph, policy, Standing::Fresh),
        Ok(table) => match proven(image, state, policy) {
            Ok(Some(plan)) => return Ok(plan),
            Err(refusal @ Refusal::Contradicted { .. }) => return Err(refusal),
            Err(refusal) => refusal,
            Ok(None) => match table {
                Some(AlembicVersion { schema, .. }) => Refusal::AlembicEmpty {
                    schema: schema.clone(),
                    objects: state.user_objects.clone(),
                },
                None => Refusal::Unrecognised {
                    objects: state.user_objects.clone(),
                    compared: image.lock.is_some() && state.schema.is_some(),
                },
            },
        },
    };
    match &policy.baseline {
        Some(baseline) => baselined(graph, baseline, policy),
        None => Err(refusal),
    }
}

/// What the schema itself proves; nothing if it was not read, or is not about this image at all.
fn proven(
    image: Image<'_>,
    state: &DatabaseState,
    policy: &Policy,
) -> Result<Option<Plan>, Refusal> {
    let Image { graph, lock: Some(lock) } = image else { return Ok(None) };
    let Some(found) = &state.schema else { return Ok(None) };
    refuse_stale(graph, lock)?;
    let word = policy.baseline.as_ref();
    let word = word.map(|word| Ok((word, named(graph, word)?))).transpose()?;
    match (recognise(lock, graph, found), word) {
        (
            Recognition::Exactly { candidates, .. } | Recognition::Ambiguous { candidates },
            Some((word, heads)),
        ) => {
            // The operator chooses among what may be, and not against the proof.
            let heads: BTreeSet<_> = heads.iter().collect();
            if candidates.iter().any(|it| it.iter().collect::<BTreeSet<_>>() == heads) {
                return baselined(graph, word, policy).map(Some);
            }
            Err(Refusal::Contradicted { value: word.0.clone(), candidates })
        }
        (Recognition::Exactly { revision, unmanaged, unchecked, .. }, None) => {
            let at = [revision.clone()];
            let standing = Standing::Recognised { revision, unchecked, unmanaged };
            record(graph, &at, Origin::Recognise, policy, standing).map(Some)
        }
        (Recognition::Ambiguous { candidates }, None) => Err(Refusal::Ambiguous { candidates }),
        (Recognition::Unknown { nearest, difference }, _) => {
            Err(Refusal::NotQuite { nearest, difference })
        }
        (Recognition::Foreign, _) => Ok(None),
    }
}

/// Tells the versions that the image contains from those that it doesn't.
fn sort_versions(graph: &Graph, versions: &[String]) -> (Vec<RevisionId>, Vec<String>) {
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for version in versions {
        match RevisionId::new(version).ok().filter(|id| graph.get(id).is_some()) {
            Some(id) => known.push(id),
            None => unknown.push(version.clone()),
        }
    }
    (known, unknown)
}

/// The version table that counts: the one that its bare name finds, else the only one.
fn alembic(tables: &[AlembicVersion]) -> Result<Option<&AlembicVersion>, Refusal> {
    if let Some(visible) = tables.iter().find(|table| table.visible) {
        return Ok(Some(visible));
    }
    match tables {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        several => Err(Refusal::AlembicAmbiguous {
            schemas: several.iter().map(|table| table.schema.clone()).collect(),
        }),
    }
}

fn baselined(graph: &Graph, baseline: &Baseline, policy: &Policy) -> Result<Plan, Refusal> {
    let heads = named(graph, baseline)?;
    if heads.is_empty() {
        return fresh(graph, policy, Standing::Baselined { heads });
    }
    record(graph, &heads, Origin::Stamp, policy, Standing::Baselined { heads: heads.clone() })
}

/// The revisions that the operator names; none for `base`.
fn named(graph: &Graph, baseline: &Baseline) -> Result<Vec<RevisionId>, Refusal> {
    let refuse = |reason: String| Refusal::Baseline { value: baseline.0.clone(), reason };
    let mut heads = Vec::new();
    for revision in baseline.0.split(',').map(str::trim) {
        let target = Target::parse(revision).map_err(|error| refuse(error.to_string()))?;
        let resolved = target.resolve(graph.lineage(), &[]);
        match resolved.map_err(|error| refuse(error.to_string()))? {
            Resolved::Base => {}
            Resolved::Revision(id) => heads.push(id),
            Resolved::Heads => heads.extend(graph.heads().into_iter().cloned()),
        }
    }
    Ok(heads)
}

/// Records `at` and all before it, then upgrades the rest.
fn record(
    graph: &Graph,
    at: &[RevisionId],
    origin: Origin,
    policy: &Policy,
    standing: Standing,
) -> Result<Plan, Refusal> {
    let applied = graph.lineage().ancestors(at);
    let heads: Vec<_> = applied
        .iter()
        .filter(|id| !graph.lineage().children(id).iter().any(|child| applied.contains(child)))
        .cloned()
        .collect();
    let wanted = closure(graph, &policy.target, &heads)?;
    let pending: BTreeSet<_> = wanted.difference(&applied).cloned().collect();
    if let Some(baseline) = in_order(graph, &pending).into_iter().find(|r| r.up().is_none()) {
        return Err(Refusal::BeforeBaseline { current: heads, baseline: baseline.id().clone() });
    }
    let revisions = in_order(graph, &applied).into_iter().map(|r| r.id().clone()).collect();
    let mut planner = Planner::new(graph.lineage(), Vec::new(), applied);
    planner.push(Action::Record { revisions, origin }, heads);
    for revision in in_order(graph, &pending) {
        upgrade(&mut planner, revision, None);
    }
    Ok(planner.finish(standing, true))
}

/// The baseline that stands for the most, then the rest.
fn fresh(graph: &Graph, policy: &Policy, standing: Standing) -> Result<Plan, Refusal> {
    let wanted = closure(graph, &policy.target, &[])?;
    let mut planner = Planner::new(graph.lineage(), Vec::new(), []);
    let baseline = in_order(graph, &wanted)
        .into_iter()
        .filter(|revision| revision.baseline().is_some() && !policy.history)
        .map(|revision| (graph.lineage().ancestors([revision.id()]), revision))
        .max_by_key(|(covered, _)| covered.len());
    let mut rest = wanted.clone();
    if let Some((covered, revision)) = baseline {
        run_baseline(&mut planner, graph, revision, &covered);
        rest.retain(|id| !covered.contains(id));
    }
    for revision in in_order(graph, &rest) {
        upgrade(&mut planner, revision, None);
    }
    let standing = if planner.steps.is_empty() { Standing::AtHead } else { standing };
    let creates_ledger = !planner.steps.is_empty();
    Ok(planner.finish(standing, creates_ledger))
}

fn run_baseline(
    planner: &mut Planner<'_>,
    graph: &Graph,
    revision: &Revision,
    covered: &BTreeSet<RevisionId>,
) {
    let ancestors = in_order(graph, covered)
        .into_iter()
        .map(|ancestor| ancestor.id().clone())
        .filter(|id| id != revision.id())
        .collect();
    planner.applied.extend(covered.iter().cloned());
    planner.advance(revision.id(), Action::Baseline { revision: revision.id().clone(), ancestors });
}

fn upgrade(planner: &mut Planner<'_>, revision: &Revision, resume: Option<usize>) {
    let id = revision.id().clone();
    let action = if revision.up().is_some() {
        Action::Upgrade { revision: id, resume }
    } else {
        Action::Baseline { revision: id, ancestors: Vec::new() }
    };
    planner.advance(revision.id(), action);
}

/// The target and everything before it.
fn closure(
    graph: &Graph,
    target: &Target,
    current: &[RevisionId],
) -> Result<BTreeSet<RevisionId>, Refusal> {
    let lineage = graph.lineage();
    Ok(match target.resolve(lineage, current).map_err(Refusal::Target)? {
        Resolved::Base => BTreeSet::new(),
        Resolved::Revision(id) => lineage.ancestors([&id]),
        Resolved::Heads => lineage.ids().cloned().collect(),
    })
}
