//! `castoff trace`: which locks each statement of a revision takes, and whom they keep out.

use std::fmt;

use serde::Serialize;

use crate::author::trace::{Account, Course, TraceError};
use crate::commands::{Bench, Outcome};
use crate::error::Error;
use crate::migrations::Migrations;
use crate::migrator::Migrator;
use crate::revision::{Resolved, RevisionId, Target};

/// What was seen, for the one who asked.
#[derive(Serialize)]
struct Traced {
    place: Place,
    revisions: Vec<Account>,
}

/// Where the revisions ran.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Place {
    Copy,
    Database,
}

pub(super) async fn run(
    bench: &Bench<'_>,
    migrations: &'static Migrations,
    revision: Option<&str>,
    rolled_back: bool,
) -> Result<Outcome, Error> {
    let migrator = &bench.migrator;
    migrator.has_migrations()?;
    let graph = migrator.graph()?;
    let named = match revision {
        None => None,
        Some(text) => {
            let id = match Target::parse(text)?.resolve(graph.lineage(), &[])? {
                Resolved::Base => None,
                Resolved::Revision(id) => Some(id),
                Resolved::Heads => graph.head().cloned(),
            };
            Some(id.and_then(|id| graph.get(&id)).ok_or(TraceError::Base)?)
        }
    };
    if let Some(revision) = named.filter(|revision| revision.up().is_none()) {
        return Err(TraceError::Baseline { revision: revision.id().clone() }.into());
    }
    let course = match named {
        Some(revision) if !rolled_back => Course::of(revision),
        Some(revision) => pending(migrator).await?.next(graph, revision)?,
        None => pending(migrator).await?,
    };
    let progress = bench.report.progress(course.revisions.len());
    let traced = if rolled_back {
        Box::pin(course.rolled_back(migrator)).await
    } else {
        let show = |done, revision: &RevisionId| {
            progress.show(done, revision.as_str());
        };
        Box::pin(course.on_a_copy(migrator, migrations, &show)).await
    };
    progress.clear();
    let place = if rolled_back { Place::Database } else { Place::Copy };
    bench.print(&Traced { place, revisions: traced? })
}

async fn pending(migrator: &Migrator) -> Result<Course<'_>, Error> {
    let plan = migrator.plan().await?;
    Course::pending(migrator, &plan)
}

impl fmt::Display for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.revisions.is_empty() {
            return writeln!(f, "nothing to trace: no revision is pending");
        }
        for account in &self.revisions {
            writeln!(f, "{account}")?;
        }
        match self.place {
            Place::Copy => writeln!(
                f,
                "traced on a copy that holds no rows but those of the revisions: the locks are the \
                 same\nwhere there are rows, and held for longer by what rewrites or scans a table"
            ),
            Place::Database => writeln!(
                f,
                "traced on the database itself, and rolled back: the next revision alone, since what \
                 it\nlocks could not be told from what those after it lock"
            ),
        }
    }
}
