//! `castoff plan`, `pending` and `check`: what a start would do, and why, without doing it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::diff::{self, Differs};
use super::history::Listing;
use super::{Bench, Outcome};
use crate::error::Error;
use crate::plan::{Action, Down, Plan, Refusal, Standing};
use crate::revision::RevisionId;
use crate::schema::Entry;

/// A plan before it is applied.
#[derive(Serialize)]
struct Prospect<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// What the revisions that run do to the schema, as far as it is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    schema: BTreeMap<&'a str, &'a Entry>,
    /// Why a start would not do it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
}

/// A plan after it was applied.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Done<'a>(pub(super) &'a Plan);

/// The answer of `check`.
#[derive(Serialize)]
struct Checked<'a> {
    at_head: bool,
    #[serde(flatten)]
    plan: &'a Plan,
    /// How the schema stands, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<Differs>,
}

pub(super) async fn plan(bench: &Bench<'_>) -> Result<Outcome, Error> {
    let (plan, refusal) = bench.migrator.prospect().await?;
    let (graph, lock) = (bench.migrator.graph()?, bench.migrator.lock()?);
    let schema = plan.steps().iter().filter_map(|step| {
        let Action::Upgrade { revision, .. } = step.action() else { return None };
        Some((revision.as_str(), lock?.get(graph.get(revision)?)?))
    });
    let refused = refusal.as_ref().map(Refusal::to_string);
    bench
        .report
        .result(&Prospect { plan: &plan, schema: schema.collect(), refused }, bench.json)?;
    Ok(Outcome::Exit(refusal.map_or(0, |refusal| refusal.exit_code())))
}

pub(super) async fn pending(bench: &Bench<'_>) -> Result<Outcome, Error> {
    let (plan, _) = bench.migrator.prospect().await?;
    let graph = bench.migrator.graph()?;
    let pending = plan.runs().filter_map(|id| graph.get(id));
    bench.print(&Listing::new(graph, pending).with_hazards(plan.hazards()))
}

/// Exit code 0 if a start would change nothing but its own notes, 1 if it would.
///
/// With `drift` the schema must be the one that the ledger says, too.
pub(super) async fn check(bench: &Bench<'_>, drift: bool) -> Result<Outcome, Error> {
    let plan = bench.migrator.check().await?;
    let at_head = matches!(plan.standing(), Standing::AtHead | Standing::Ahead { .. });
    let schema = if drift { Some(diff::with_own_revisions(bench).await?) } else { None };
    let differs = schema.as_ref().is_some_and(|schema| !schema.difference.is_empty());
    bench.report.result(&Checked { at_head, plan: &plan, schema }, bench.json)?;
    Ok(Outcome::Exit(u8::from(!at_head || differs)))
}

impl fmt::Display for Prospect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { plan, schema, refused } = self;
        writeln!(f, "{}", Reason(plan.standing()))?;
        write_steps(f, plan, |revision| schema.get(revision.as_str()).copied())?;
        refused.iter().try_for_each(|refusal| writeln!(f, "refused: {refusal}"))
    }
}

impl fmt::Display for Checked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", Reason(self.plan.standing()))?;
        if !self.at_head {
            write_steps(f, self.plan, |_| None)?;
        }
        self.schema.iter().try_for_each(|schema| schema.fmt(f))
    }
}

/// The log has told it step by step; only that there was nothing to do is news.
impl fmt::Display for Done<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.steps().last() {
            None => writeln!(f, "nothing to do: {}", Reason(self.0.standing())),
            Some(last) => writeln!(f, "the database is at {}", ids(last.heads_after())),
        }
    }
}

pub(super) struct Reason<'a>(pub(super) &'a Standing);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Standing::AtHead => f.write_str("the database is at head"),
            Standing::Behind => f.write_str("the database is behind this image"),
            Standing::Interrupted { revision, statements_done } => write!(
                f,
                "{revision} stopped after {statements_done} of its statements, and goes on there"
            ),
            Standing::Ahead { later } => write!(
                f,
                "the database is ahead of this image, which does not contain {}",
                ids(later)
            ),
            Standing::Fresh => f.write_str("the database is empty"),
            Standing::Adopted { versions } => {
                write!(f, "Alembic's version table says {}, which is taken over", ids(versions))
            }
            Standing::Recognised { revision, .. } => {
                write!(f, "the schema is that of {revision}, line by line")
            }
            Standing::Baselined { heads } => {
                write!(f, "CASTOFF_BASELINE says that the schema is {}", ids(heads))
            }
            Standing::Commanded => f.write_str("the ledger says so already"),
        }
    }
}

/// Writes what is done, with what each revision that runs does to the schema.
fn write_steps<'a>(
    f: &mut fmt::Formatter<'_>,
    plan: &Plan,
    effect: impl Fn(&RevisionId) -> Option<&'a Entry>,
) -> fmt::Result {
    for step in plan.steps() {
        match step.action() {
            Action::Record { revisions, origin } => {
                writeln!(f, "  record ({origin}) {}", ids(revisions))?;
            }
            Action::Baseline { revision, ancestors } if ancestors.is_empty() => {
                writeln!(f, "  baseline {revision}")?;
            }
            Action::Baseline { revision, ancestors } => {
                writeln!(f, "  baseline {revision}, which stands for {} too", ids(ancestors))?;
            }
            Action::Upgrade { revision, resume: None } => {
                writeln!(f, "  upgrade {} -> {revision}", ids(step.heads_before()))?;
                for (sign, line) in effect(revision).iter().flat_map(|entry| entry.lines()) {
                    writeln!(f, "    {sign} {line}")?;
                }
                for danger in plan.hazards().iter().filter(|it| it.revision == *revision) {
                    writeln!(f, "    ! {}", danger.what())?;
                }
            }
            Action::Upgrade { revision, resume: Some(done) } => {
                writeln!(
                    f,
                    "  go on with the upgrade to {revision} after {done} of its statements"
                )?;
            }
            Action::Downgrade { revision, down, .. } => {
                let from = match down {
                    Down::Image => "this image's down file",
                    Down::Ledger => "the down file kept in the ledger",
                    Down::Nothing => "nothing to run",
                };
                writeln!(f, "  downgrade {revision} ({from})")?;
            }
            Action::Stamp { record, forget } => {
                writeln!(f, "  record {}, forget {}", ids(record), ids(forget))?;
            }
            Action::Rechain { revision } => {
                writeln!(f, "  note that {revision} was compared with this image's history")?;
            }
        }
    }
    Ok(())
}

fn ids(ids: &[RevisionId]) -> String {
    if ids.is_empty() {
        return "base".to_owned();
    }
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
