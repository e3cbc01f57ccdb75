//! `castoff diff [REV|URL]`: what the database's schema has otherwise.

use std::fmt;

use serde::Serialize;

use super::{Bench, Outcome};
use crate::database::ReadError;
use crate::error::Error;
use crate::migrations::Migrations;
use crate::migrator::Migrator;
use crate::plan::Ledger;
use crate::revision::{Resolved, RevisionId, Target};
use crate::schema::{Comparison, Difference, Line, Lock, Schema, compare, recognise};
use crate::settings::Settings;

/// The answer.
#[derive(Serialize)]
pub(super) struct Differs {
    /// With what the database was compared.
    against: String,
    pub(super) difference: Difference,
    /// What no revision speaks of.
    unmanaged: Vec<Line>,
    /// How many bodies were not compared, since the lock has them of another major version.
    unchecked: usize,
}

pub(super) async fn run(
    bench: &Bench<'_>,
    migrations: &'static Migrations,
    other: Option<&str>,
) -> Result<Outcome, Error> {
    let differs = match other {
        Some(url) if url.contains("://") => with_database(bench, migrations, url).await?,
        Some(revision) => with_revision(bench, revision).await?,
        None => with_own_revisions(bench).await?,
    };
    bench.report.result(&differs, bench.json)?;
    Ok(Outcome::Exit(u8::from(!differs.difference.is_empty())))
}

async fn with_database(
    bench: &Bench<'_>,
    migrations: &'static Migrations,
    url: &str,
) -> Result<Differs, Error> {
    let settings = bench.migrator.settings();
    let database = Some(settings.another(url)?);
    let other = Settings { database, role: None, ..settings.clone() };
    let other = Migrator::new(migrations, other)?.until(bench.migrator.stop().clone());
    let (expected, found) = (other.schema().await?, bench.migrator.schema().await?);
    let difference = Difference::between(&expected, &found);
    let unchecked = Comparison::unchecked(&expected, &found);
    let against = "the other database".to_owned();
    Ok(Differs { against, difference, unmanaged: Vec::new(), unchecked })
}

async fn with_revision(bench: &Bench<'_>, text: &str) -> Result<Differs, Error> {
    let (graph, lock) = (bench.migrator.graph()?, bench.migrator.fitting_lock()?);
    let target = Target::parse(text)?;
    let current = bench.migrator.current().await?;
    let heads = match target.resolve(graph.lineage(), &current)? {
        Resolved::Base => Vec::new(),
        Resolved::Revision(id) => vec![id],
        Resolved::Heads => graph.heads().into_iter().cloned().collect(),
    };
    let found = bench.migrator.schema().await?;
    differs(bench, lock, &heads, &found)
}

/// Compares the schema with the one that the ledger says, or without one with the nearest.
pub(super) async fn with_own_revisions(bench: &Bench<'_>) -> Result<Differs, Error> {
    let (graph, lock) = (bench.migrator.graph()?, bench.migrator.fitting_lock()?);
    let (ledger, found) = at_one_moment(bench).await?;
    let Some(ledger) = ledger else {
        let heads: Vec<_> = recognise(lock, graph, &found).nearest().into_iter().cloned().collect();
        return differs(bench, lock, &heads, &found);
    };
    if let Some(row) = ledger.interrupted().next() {
        return Err(Error::HalfWay { revision: row.revision.clone() });
    }
    let heads = ledger.heads();
    let later: Vec<_> = heads.iter().filter(|head| graph.get(head).is_none()).cloned().collect();
    if !later.is_empty() {
        return Err(Error::UnknownSchema { later });
    }
    differs(bench, lock, &heads, &found)
}

/// The ledger and the schema, between which nobody has upgraded the database.
async fn at_one_moment(bench: &Bench<'_>) -> Result<(Option<Ledger>, Schema), Error> {
    const TRIES: usize = 5;
    let mut before = bench.migrator.state().await?.ledger;
    for _ in 0..TRIES {
        let schema = bench.migrator.schema().await?;
        let after = bench.migrator.state().await?.ledger;
        if after == before {
            return Ok((after, schema));
        }
        before = after;
    }
    Err(ReadError::Changing.into())
}

fn differs(
    bench: &Bench<'_>,
    lock: &Lock,
    heads: &[RevisionId],
    found: &Schema,
) -> Result<Differs, Error> {
    let expected = lock.schema(bench.migrator.graph()?, heads);
    let Comparison { difference, unmanaged, unchecked } = compare(lock, &expected, found);
    let heads: Vec<_> = heads.iter().map(ToString::to_string).collect();
    let against = if heads.is_empty() { "base".to_owned() } else { heads.join(", ") };
    Ok(Differs { against, difference, unmanaged, unchecked })
}

impl fmt::Display for Differs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { against, difference, unmanaged, unchecked } = self;
        if difference.is_empty() {
            writeln!(f, "the schema is that of {against}")?;
        } else {
            writeln!(
                f,
                "the schema is not that of {against} (- expected, + found):\n{difference}"
            )?;
        }
        if *unchecked > 0 {
            writeln!(f, "  not compared: {unchecked} bodies, written by another major version")?;
        }
        unmanaged
            .iter()
            .try_for_each(|line| writeln!(f, "  no revision speaks of {}", line.identity))
    }
}
