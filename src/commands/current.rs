//! `castoff current`: the revisions that the database is at.

use std::fmt;

use serde::Serialize;

use super::{Bench, Outcome};
use crate::error::Error;
use crate::plan::Progress;
use crate::revision::RevisionId;

#[derive(Serialize)]
struct Current {
    current: Vec<Row>,
    interrupted: Vec<Interrupted>,
}

#[derive(Serialize)]
struct Row {
    revision: RevisionId,
    message: String,
    /// Whether it is a head of this image.
    head: bool,
    /// Whether this image contains it.
    known: bool,
}

#[derive(Serialize)]
struct Interrupted {
    revision: RevisionId,
    progress: Progress,
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Outcome, Error> {
    let state = bench.migrator.state().await?;
    let graph = bench.migrator.graph()?;
    let heads = graph.heads();
    let mut report = Current { current: Vec::new(), interrupted: Vec::new() };
    if let Some(ledger) = &state.ledger {
        for row in ledger.rows().filter(|row| row.head) {
            report.current.push(Row {
                revision: row.revision.clone(),
                message: row.message.clone(),
                head: heads.contains(&&row.revision),
                known: graph.get(&row.revision).is_some(),
            });
        }
        for row in ledger.interrupted() {
            report
                .interrupted
                .push(Interrupted { revision: row.revision.clone(), progress: row.progress });
        }
    }
    bench.print(&report)
}

impl fmt::Display for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.current {
            write!(f, "{}", row.revision)?;
            if row.head {
                f.write_str(" (head)")?;
            }
            if !row.known {
                f.write_str(" (not in this image)")?;
            }
            if row.message.is_empty() {
                writeln!(f)?;
            } else {
                writeln!(f, ", {}", row.message)?;
            }
        }
        for row in &self.interrupted {
            let (way, done) = match row.progress {
                Progress::Upgrading(done) => ("upgrade", done),
                Progress::Downgrading(done) => ("downgrade", done),
                Progress::Complete => continue,
            };
            writeln!(f, "{} ({way} stopped after {done} of its statements)", row.revision)?;
        }
        Ok(())
    }
}
