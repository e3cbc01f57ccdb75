//! `castoff plan`, `pending` and `check`: what a start would do, and why, without doing it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::diff::{self, Differs};
use super::history::Listing;
use super::{Bench, Outcome};
use crate::backup::{Gate, NoBackup};
use crate::boot::tell_of_no_lock;
use crate::cli::{self, UsageError};
use crate::error::Error;
use crate::migrator::{Aim, Outlook};
use crate::plan::{Action, Asks, Down, Loss, Plan, Standing};
use crate::revision::{RevisionId, Target};
use crate::schema::Entry;

/// A plan before it is applied.
#[derive(Serialize)]
struct Prospect<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    /// What the revisions that run do to the schema, as far as it is known.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    schema: BTreeMap<&'a str, &'a Entry>,
    /// What it takes away that only a backup brings back.
    #[serde(skip_serializing_if = "<[Loss]>::is_empty")]
    losses: &'a [Loss],
    /// The backup gates that are asked because of that, if any are configured.
    #[serde(skip_serializing_if = "Option::is_none")]
    gates: Option<&'a [Gate]>,
    /// What the command asks for, if it is not a start.
    #[serde(skip_serializing_if = "Option::is_none")]
    asks: Option<Asks>,
    /// Why it would not be done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    refused: Vec<String>,
}

/// A plan after it was applied.
#[derive(Serialize)]
pub(super) struct Done<'a> {
    #[serde(flatten)]
    pub(super) plan: &'a Plan,
    /// What was asked for, if that is not the head.
    #[serde(skip)]
    pub(super) target: Option<&'a str>,
}

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

pub(super) async fn plan(
    bench: &Bench<'_>,
    downgrade: Option<String>,
    stamp: Option<String>,
) -> Result<Outcome, Error> {
    let aim = match (downgrade, stamp) {
        (None, None) => Aim::Upgrade,
        (Some(target), None) => Aim::Downgrade(parse(&target)?),
        (None, Some(target)) => Aim::Stamp(parse(&target)?),
        (Some(_), Some(_)) => {
            return Err(UsageError::NotTogether { first: "--downgrade", second: "--stamp" }.into());
        }
    };
    let outlook = bench.migrator.outlook(&aim).await?;
    let Outlook { plan, losses, gates, refusal } = &outlook;
    tell_of_no_lock(&bench.migrator, plan);
    let (graph, lock) = (bench.migrator.graph()?, bench.migrator.lock()?);
    let schema = plan.steps().iter().filter_map(|step| {
        let Action::Upgrade { revision, .. } = step.action() else { return None };
        Some((revision.as_str(), lock?.get(graph.get(revision)?)?))
    });
    let asks = match aim {
        Aim::Upgrade => None,
        Aim::Downgrade(_) | Aim::Stamp(_) => Some(Asks::of(bench.migrator.settings().environment)),
    };
    let closed = gates.as_ref().filter(|gates| gates.iter().all(|gate| gate.open == Some(false)));
    let closed = closed.map(|gates| {
        Error::NoBackup(Box::new(NoBackup { losses: losses.clone(), gates: gates.clone() }))
    });
    let refusals: Vec<Error> =
        refusal.iter().map(|refusal| refusal.clone().into()).chain(closed).collect();
    let prospect = Prospect {
        plan,
        schema: schema.collect(),
        losses,
        gates: gates.as_deref(),
        asks,
        refused: refusals.iter().map(ToString::to_string).collect(),
    };
    bench.report.result(&prospect, bench.json)?;
    Ok(Outcome::Exit(refusals.first().map_or(0, Error::exit_code)))
}

fn parse(target: &str) -> Result<Target, Error> {
    if cli::names_a_database(target) {
        return Err(UsageError::UrlArgument.into());
    }
    Ok(Target::parse(target)?)
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
        let Self { plan, schema, losses, gates, asks, refused } = self;
        // What is commanded needs no reason.
        if plan.is_empty() || *plan.standing() != Standing::Commanded {
            writeln!(f, "{}", Reason(plan.standing()))?;
        }
        write_steps(f, plan, |revision| schema.get(revision.as_str()).copied())?;
        for loss in *losses {
            writeln!(f, "only a backup brings back: {loss}")?;
        }
        for gate in gates.iter().copied().flatten() {
            let state = match gate.open {
                Some(true) => "open",
                Some(false) => "closed",
                None => "not known",
            };
            writeln!(f, "backup gate ({state}): {gate}")?;
        }
        match asks {
            None | Some(Asks::Nothing) => {}
            Some(Asks::Yes) => writeln!(f, "asks for --yes")?,
            Some(Asks::YesAndName) => writeln!(f, "asks for --yes and the name of the database")?,
        }
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
        match (self.plan.steps().last(), self.target) {
            (None, Some(target)) if *self.plan.standing() == Standing::AtHead => {
                writeln!(f, "nothing to do: the database has {target}")
            }
            (None, _) => writeln!(f, "nothing to do: {}", Reason(self.plan.standing())),
            (Some(last), _) => writeln!(f, "the database is at {}", ids(last.heads_after())),
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
