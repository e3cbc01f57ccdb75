//! Running revisions to see whom they would keep out of which table.
//!
//! # Invariants
//! The configured database is changed by none of it: a revision runs on a database of castoff's own, or,
//! if that is asked for, in a transaction that is rolled back.

mod account;
mod error;
mod mode;

use std::collections::BTreeSet;

pub(crate) use account::Account;
use account::{Counts, Done, Look, Relation, blocked};
pub use error::TraceError;
use mode::Mode;
use tokio_postgres::SimpleQueryRow;

use super::scratch::Scratch;
use super::walk::quietly;
use crate::database::{Part, Rehearsal, Unavailable, parts};
use crate::error::Error;
use crate::migrations::Migrations;
use crate::migrator::Migrator;
use crate::plan::{Action, Plan};
use crate::revision::{Alone, Graph, Name, Revision, RevisionId, Script, Target};

/// Which revisions are traced, where a database has what is before them.
pub(crate) struct Course<'g> {
    /// What it is brought to first.
    pub(crate) from: Vec<RevisionId>,
    pub(crate) revisions: Vec<&'g Revision>,
}

impl<'g> Course<'g> {
    /// One revision, after those before it.
    pub(crate) fn of(revision: &'g Revision) -> Self {
        Self { from: revision.down_revisions().to_vec(), revisions: vec![revision] }
    }

    /// What a start would run; a baseline, which runs on an empty database, keeps nobody out.
    pub(crate) fn pending(migrator: &'g Migrator, plan: &Plan) -> Result<Self, Error> {
        let graph = migrator.graph()?;
        let mut from = None;
        let mut revisions = Vec::new();
        for step in plan.steps() {
            if let Action::Upgrade { revision, .. } = step.action() {
                from.get_or_insert_with(|| step.heads_before().to_vec());
                revisions.extend(graph.get(revision));
            }
        }
        Ok(Self { from: from.unwrap_or_default(), revisions })
    }

    /// Of those that are pending the one that is named, if nothing has to precede it.
    pub(crate) fn next(self, graph: &Graph, revision: &'g Revision) -> Result<Self, TraceError> {
        let id = revision.id();
        if !self.revisions.iter().any(|pending| pending.id() == id) {
            return Err(TraceError::Applied { revision: id.clone() });
        }
        let before = graph.lineage().ancestors([id]);
        match self.revisions.iter().find(|pending| before.contains(pending.id())) {
            Some(next) if next.id() != id => {
                Err(TraceError::NotNext { revision: id.clone(), next: next.id().clone() })
            }
            Some(_) | None => Ok(Self { revisions: vec![revision], ..self }),
        }
    }

    /// Traces them on a database of castoff's own, which is empty but for what they put into it.
    pub(crate) async fn on_a_copy(
        &self,
        migrator: &Migrator,
        migrations: &'static Migrations,
        progress: &dyn Fn(usize, &RevisionId),
    ) -> Result<Vec<Account>, Error> {
        let mut scratch = Scratch::new(migrations, migrator.settings(), migrator.stop())?;
        let traced = Box::pin(self.walked(&mut scratch, progress)).await;
        scratch.drop_all().await;
        traced
    }

    async fn walked(
        &self,
        scratch: &mut Scratch<'_>,
        progress: &dyn Fn(usize, &RevisionId),
    ) -> Result<Vec<Account>, Error> {
        let copy = scratch.create().await?;
        for revision in &self.from {
            quietly(copy.walk_to(&Target::parse(revision.as_str())?)).await?;
        }
        let mut accounts = Vec::new();
        for (done, revision) in self.revisions.iter().enumerate() {
            progress(done, revision.id());
            let target = Target::parse(revision.id().as_str())?;
            let Some(script) = revision.up() else {
                quietly(copy.walk_to(&target)).await?;
                continue;
            };
            let stage = Stage::on(&copy).await?;
            let account = stage.file(revision, script).await;
            stage.rehearsal.end().await;
            accounts.push(account?);
            if script.header().transaction {
                quietly(copy.walk_to(&target)).await?;
            } else {
                quietly(copy.stamp(&target)).await?;
            }
        }
        Ok(accounts)
    }

    /// Traces the first of them on the configured database itself, in a transaction that is rolled
    /// back. What it has locked could not be told from what a second one locks.
    pub(crate) async fn rolled_back(&self, migrator: &Migrator) -> Result<Vec<Account>, Error> {
        let Some(revision) = self.revisions.first() else { return Ok(Vec::new()) };
        let Some(script) = revision.up() else { return Ok(Vec::new()) };
        if !script.header().transaction {
            return Err(TraceError::NotRolledBack { revision: revision.id().clone() }.into());
        }
        let stage = Stage::on(migrator).await?;
        let account = stage.file(revision, script).await;
        stage.rehearsal.end().await;
        Ok(vec![account?])
    }
}

/// A database that revisions are run on.
struct Stage<'a> {
    rehearsal: Rehearsal<'a>,
}

impl<'a> Stage<'a> {
    async fn on(migrator: &'a Migrator) -> Result<Self, Error> {
        match Rehearsal::on(migrator).await? {
            Ok(rehearsal) => {
                rehearsal.clean().await?;
                Ok(Self { rehearsal })
            }
            Err(Unavailable::Busy(holder)) => Err(TraceError::Busy { holder }.into()),
            Err(Unavailable::Pooled) => Err(TraceError::Pooled.into()),
        }
    }

    /// One file, each of its transactions by itself; one that is all in a transaction is rolled back.
    async fn file(&self, revision: &Revision, script: &Script) -> Result<Account, Error> {
        let mut statements = Vec::new();
        for (number, part) in parts(script).into_iter().enumerate() {
            let done = match part {
                Part::Transaction(indexes) => {
                    self.rehearsal.begin(script).await?;
                    let done = self.transaction(revision, script, &indexes).await?;
                    if script.header().transaction {
                        self.rehearsal.roll_back().await?;
                    } else {
                        self.rehearsal.commit().await?;
                    }
                    done
                }
                Part::Alone(index) => vec![self.alone(revision, script, index).await?],
            };
            statements.extend(done.into_iter().map(|done| Done { transaction: number, ..done }));
        }
        Ok(account(revision, script, statements))
    }

    async fn transaction(
        &self,
        revision: &Revision,
        script: &Script,
        indexes: &[usize],
    ) -> Result<Vec<Done>, Error> {
        let beginning = self.look().await?;
        let mut before = beginning.clone();
        let mut statements = Vec::new();
        for index in indexes {
            let duration = self.rehearsal.run(revision, script, *index).await?;
            let after = self.look().await?;
            let looks = (&beginning, &before, &after);
            statements.push(Done::new(statement(script, *index), duration, looks));
            before = after;
        }
        self.rehearsal.settle(revision).await?;
        Ok(statements)
    }

    async fn alone(
        &self,
        revision: &Revision,
        script: &Script,
        index: usize,
    ) -> Result<Done, Error> {
        let before = self.look().await?;
        let tables = before.relations.values().filter(|relation| "rp".contains(relation.kind));
        let tables: Vec<_> = tables.map(|table| table.name.clone()).collect();
        let (duration, seen) = self.rehearsal.run_watched(revision, script, index, &tables).await?;
        let mut after = self.look().await?;
        after.locks = read(&seen).locks;
        after.locks.extend(known(script, index, &before));
        let before = Look { locks: BTreeSet::new(), ..before };
        Ok(Done::new(statement(script, index), duration, (&before, &before, &after)))
    }

    async fn look(&self) -> Result<Look, Error> {
        Ok(read(&self.rehearsal.look().await?))
    }
}

/// Locks that no other session has the time to see: detaching takes them at its end.
fn known(script: &Script, index: usize, look: &Look) -> Vec<(String, Mode)> {
    let Some(Alone::DetachPartitionConcurrently { table, partition }) =
        script.statements()[index].alone()
    else {
        return Vec::new();
    };
    let with_name = |name: &Name| {
        let plain = |relation: &Relation| relation.name.replace('"', "");
        let mut found = look.relations.iter().filter(|(_, relation)| match &name.schema {
            Some(schema) => plain(relation) == format!("{schema}.{}", name.name),
            None => plain(relation).ends_with(&format!(".{}", name.name)),
        });
        found.next().map(|(id, _)| id.clone())
    };
    let locks = [
        (with_name(table), Mode::ShareUpdateExclusive),
        (with_name(partition), Mode::AccessExclusive),
    ];
    locks.into_iter().filter_map(|(id, mode)| Some((id?, mode))).collect()
}

fn account(revision: &Revision, script: &Script, statements: Vec<Done>) -> Account {
    Account {
        revision: revision.id().to_string(),
        message: revision.message().to_owned(),
        file: script.file().to_owned(),
        transaction: script.header().transaction,
        blocked: blocked(&statements),
        statements,
    }
}

/// The line of a statement, and its text.
fn statement(script: &Script, index: usize) -> (usize, &str) {
    let range = script.statements()[index].range();
    (script.position(range.start).line, &script.text()[range])
}

/// Tells the kinds of rows from each other by how many columns they have.
fn read(rows: &[SimpleQueryRow]) -> Look {
    let mut look = Look::default();
    for row in rows {
        let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
        let number = |column: usize| row.get(column).and_then(|text| text.parse().ok());
        match row.len() {
            7 => {
                let relation = Relation {
                    name: text(1),
                    kind: text(2).chars().next().unwrap_or('r'),
                    file: text(3),
                    rows: number(4),
                    table: row.get(5).map(str::to_owned),
                };
                look.relations.insert(text(0), relation);
            }
            2 => {
                let mode = row.get(1).and_then(Mode::named);
                look.locks.extend(mode.map(|mode| (text(0), mode)));
            }
            5 => {
                let counts = Counts {
                    inserted: number(1).unwrap_or(0),
                    updated: number(2).unwrap_or(0),
                    deleted: number(3).unwrap_or(0),
                    scanned: number(4).unwrap_or(0),
                };
                look.counts.insert(text(0), counts);
            }
            _ => {}
        }
    }
    look
}
