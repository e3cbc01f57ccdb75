//! `castoff sql`: a script for psql, for where no tool may connect. Needs no database.

use serde::Serialize;

use crate::commands::{Bench, Outcome};
use crate::database::script;
use crate::error::Error;
use crate::plan::between;
use crate::revision::Target;

#[derive(Serialize)]
struct Written {
    from: String,
    to: String,
    script: String,
}

/// From `base` to `head` where an end is not said.
pub(super) fn run(bench: &Bench<'_>, range: &str, no_baseline: bool) -> Result<Outcome, Error> {
    let migrator = &bench.migrator;
    migrator.has_migrations()?;
    // One end alone is the last, as it is Alembic's.
    let (from, to) = range.split_once(':').unwrap_or(("", range));
    let target = |text: &str, usual| Target::parse(if text.is_empty() { usual } else { text });
    let (from, to) = (target(from, "base")?, target(to, "head")?);
    let graph = migrator.graph()?;
    let plan = between(graph, &from, &to, no_baseline)?;
    let script = script(graph, migrator.ledger(), migrator.settings(), &plan)?;
    let written = Written { from: from.to_string(), to: to.to_string(), script };
    let text = if bench.json {
        serde_json::to_string(&written).unwrap_or_default() + "\n"
    } else {
        written.script
    };
    // A password that is also a word of a file must not make it another file.
    bench.report.exactly(&text)?;
    Ok(Outcome::Exit(0))
}
