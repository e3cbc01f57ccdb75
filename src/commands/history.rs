//! `castoff history`, `heads` and `branches`: the image's revisions, without a database.

mod drawing;

use std::fmt;

use serde::Serialize;

use super::{Bench, Outcome};
use crate::error::Error;
use crate::plan::Danger;
use crate::revision::{Graph, Revision, RevisionId};

/// Revisions as Alembic lists them.
#[derive(Serialize)]
#[serde(transparent)]
pub(super) struct Listing<'a>(Vec<Line<'a>>);

#[derive(Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a mark of its own in the JSON")]
struct Line<'a> {
    revision: &'a RevisionId,
    down_revisions: &'a [RevisionId],
    message: &'a str,
    head: bool,
    branch_point: bool,
    merge_point: bool,
    breaking: bool,
    /// What is dangerous in it, where it is about to run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hazards: Vec<&'a Danger>,
}

impl<'a> Listing<'a> {
    pub(super) fn new(graph: &'a Graph, revisions: impl IntoIterator<Item = &'a Revision>) -> Self {
        Self(revisions.into_iter().map(|revision| line(graph, revision)).collect())
    }

    /// The same with the hazards of these revisions.
    pub(super) fn with_hazards(mut self, hazards: &'a [Danger]) -> Self {
        for line in &mut self.0 {
            line.hazards.extend(hazards.iter().filter(|it| it.revision == *line.revision));
        }
        self
    }
}

fn line<'a>(graph: &'a Graph, revision: &'a Revision) -> Line<'a> {
    let children = graph.children(revision.id()).len();
    Line {
        revision: revision.id(),
        down_revisions: revision.down_revisions(),
        message: revision.message(),
        head: children == 0,
        branch_point: children > 1,
        merge_point: graph.is_merge_point(revision.id()),
        breaking: revision.breaking(),
        hazards: Vec::new(),
    }
}

/// The newest first, as Alembic has it; with branches, as a graph.
pub(super) fn history(bench: &Bench<'_>) -> Result<Outcome, Error> {
    bench.migrator.has_migrations()?;
    let graph = bench.migrator.graph()?;
    let is_line = graph.revisions().iter().all(|revision| revision.down_revisions().len() < 2);
    if bench.json || is_line {
        return bench.print(&Listing::new(graph, graph.revisions().iter().rev()));
    }
    let label = |id: &RevisionId| graph.get(id).map_or(String::new(), |it| line(graph, it).label());
    bench.report.text(&drawing::draw(graph, bench.paper, label))?;
    Ok(Outcome::Exit(0))
}

pub(super) fn heads(bench: &Bench<'_>) -> Result<Outcome, Error> {
    bench.migrator.has_migrations()?;
    bench.print(&Listing::new(bench.migrator.graph()?, bench.migrator.heads()?))
}

pub(super) fn branches(bench: &Bench<'_>) -> Result<Outcome, Error> {
    bench.migrator.has_migrations()?;
    let graph = bench.migrator.graph()?;
    let points = graph.branch_points().into_iter().filter_map(|id| graph.get(id));
    bench.print(&Listing::new(graph, points))
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|line| line.fmt(f))
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from: Vec<_> = self.down_revisions.iter().map(ToString::to_string).collect();
        let from = if from.is_empty() { "<base>".to_owned() } else { from.join(", ") };
        writeln!(f, "{from} -> {}", self.label())?;
        self.hazards.iter().try_for_each(|hazard| writeln!(f, "  ! {}", hazard.what()))
    }
}

impl Line<'_> {
    /// The revision without its parents.
    fn label(&self) -> String {
        let marks = [
            (self.head, " (head)"),
            (self.branch_point, " (branchpoint)"),
            (self.merge_point, " (mergepoint)"),
            (self.breaking, " (breaking)"),
        ];
        let marks = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark);
        let message = if self.message.is_empty() { "" } else { ", " };
        format!("{}{}{message}{}", self.revision, marks.collect::<String>(), self.message)
    }
}
