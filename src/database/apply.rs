//! Applying a plan, step by step, on the session that holds the lock.
//!
//! # Invariants
//! - A step moves the head and runs its SQL in one transaction, which first makes sure that this
//!   session still holds the lock and that the heads are the ones that the plan expected.
//! - Every file starts with the same clean session, whatever the file before it left behind.
//! - After an error nothing of the step is kept, unless its file runs outside a transaction; then
//!   the ledger says how far it got.

mod alone;
mod failure;
mod job;
mod message;
mod privileges;
mod repair;
mod session;
mod stepwise;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::SimpleQueryRow;

pub use failure::{ApplyError, Failure, Kept, Place};
use job::{AtStart, Job};
pub use privileges::Lack;

use super::ledger::{Entry, LedgerName};
use super::lock::MigrationLock;
use super::observe::Observer;
use super::quote::literal;
use super::read::{LedgerTables, Reading, opening};
use crate::error::Error;
use crate::migrator::Migrator;
use crate::plan::{Action, Down, Origin, Plan, Recorded, Step};
use crate::revision::{Graph, Revision, RevisionId, Script};
use crate::schema::{Optional, Schema};
use crate::stop::Stop;

/// How long locks may be waited for.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// PostgreSQL's `lock_timeout` for each statement.
    lock_timeout: Duration,
    /// How long a file that could not get its locks is tried again.
    lock_deadline: Duration,
}

/// Applies plans on one locked session.
#[derive(Debug)]
pub(crate) struct Applier<'a> {
    lock: &'a MigrationLock,
    graph: &'a Graph,
    ledger: &'a LedgerName,
    limits: Limits,
    application: Option<&'a str>,
    stop: &'a Stop,
    observer: Observer,
    /// The schema that the plan was made from, where it proves something.
    schema: Option<Schema>,
    optional: Optional,
    reached: Mutex<Reached>,
}

/// How far the plan has come.
#[derive(Debug)]
struct Reached {
    tables: LedgerTables,
    /// The last revision that was applied.
    applied: Option<RevisionId>,
}

impl<'a> Applier<'a> {
    pub(crate) fn new(
        lock: &'a MigrationLock,
        migrator: &'a Migrator,
        reading: Reading,
    ) -> Result<Self, Error> {
        let settings = migrator.settings();
        let observer = migrator.database()?.observer(lock.session().server());
        Ok(Self {
            lock,
            graph: migrator.graph()?,
            ledger: migrator.ledger(),
            limits: Limits {
                lock_timeout: settings.lock_timeout,
                lock_deadline: settings.lock_deadline,
            },
            application: settings.application.as_deref(),
            stop: migrator.stop(),
            observer: Observer::new(observer, lock.backend()),
            schema: reading.state.schema,
            optional: migrator.image()?.lock.map(|lock| lock.optional).unwrap_or_default(),
            reached: Mutex::new(Reached { tables: reading.tables, applied: None }),
        })
    }

    /// Applies every step in order, or up to the first that fails.
    pub(crate) async fn apply(&self, plan: &Plan) -> Result<(), ApplyError> {
        self.can_run(plan)?;
        self.may_run(plan).await?;
        let mut result = Ok(());
        for step in plan.steps() {
            result = self.step(step).await;
            if result.is_err() {
                break;
            }
        }
        self.observer.close();
        result
    }

    async fn step(&self, step: &Step) -> Result<(), ApplyError> {
        let start = Instant::now();
        match step.action() {
            Action::Record { revisions, origin } => {
                self.record(step, revisions, *origin).await?;
            }
            Action::Baseline { revision, ancestors } => {
                self.baseline(step, self.known(revision)?, ancestors).await?;
            }
            Action::Upgrade { revision, resume } => {
                self.upgrade(step, self.known(revision)?, *resume).await?;
            }
            Action::Downgrade { revision, down, resume } => {
                self.downgrade(step, revision, *down, *resume).await?;
            }
            Action::Stamp { record, forget } => self.stamp(step, record, forget).await?,
            Action::Rechain { revision } => {
                let chain = self.graph.chain(revision).ok_or_else(|| unknown(revision))?;
                let record = vec![self.ledger.set_chain(revision, chain)];
                self.bookkeeping(step, Some(revision), "record the chain", record, None).await?;
            }
        }
        if let Action::Baseline { revision, .. }
        | Action::Upgrade { revision, .. }
        | Action::Downgrade { revision, .. } = step.action()
        {
            let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(
                revision = revision.as_str(),
                duration_ms = milliseconds,
                "Done with {revision} in {milliseconds} ms"
            );
            self.reached().applied = Some(revision.clone());
        }
        Ok(())
    }

    /// Whether the session is one that every revision of the plan can be run in.
    fn can_run(&self, plan: &Plan) -> Result<(), ApplyError> {
        for step in plan.steps() {
            let (revision, script, resume) = match step.action() {
                Action::Upgrade { revision, resume } => {
                    (revision, self.graph.get(revision).and_then(Revision::up), *resume)
                }
                Action::Downgrade { revision, down: Down::Image, resume } => {
                    (revision, self.graph.get(revision).and_then(Revision::down), *resume)
                }
                Action::Downgrade { .. }
                | Action::Record { .. }
                | Action::Baseline { .. }
                | Action::Stamp { .. }
                | Action::Rechain { .. } => continue,
            };
            if script.is_some_and(|script| stepwise::is_needed(script, resume)) {
                self.keeps_its_session(revision)?;
            }
        }
        Ok(())
    }

    /// A file outside a transaction has what it sets, and the lock, in its session alone.
    fn keeps_its_session(&self, revision: &RevisionId) -> Result<(), ApplyError> {
        let revision = revision.clone();
        if self.lock.is_held_throughout() {
            Ok(())
        } else if self.lock.may_keep_sessions() {
            Err(ApplyError::PoolTooSmall { revision })
        } else {
            Err(ApplyError::NeedsItsSession { revision })
        }
    }

    fn reached(&self) -> MutexGuard<'_, Reached> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn known(&self, revision: &RevisionId) -> Result<&'a Revision, ApplyError> {
        self.graph.get(revision).ok_or_else(|| unknown(revision))
    }

    async fn record(
        &self,
        step: &Step,
        revisions: &[RevisionId],
        origin: Origin,
    ) -> Result<(), ApplyError> {
        tracing::info!("Running stamp_revision  -> {}", ids(step.heads_after()));
        let rows = self.entries(revisions, origin, step.heads_after())?;
        let record = self.ledger.insert(rows).into_iter().collect();
        let proof = self.schema.as_ref().filter(|_| origin == Origin::Recognise);
        let what = "stamp";
        self.bookkeeping(step, revisions.last(), what, record, proof).await
    }

    async fn stamp(
        &self,
        step: &Step,
        record: &[RevisionId],
        forget: &[RevisionId],
    ) -> Result<(), ApplyError> {
        tracing::info!(
            "Running stamp_revision {} -> {}",
            ids(step.heads_before()),
            ids(step.heads_after())
        );
        let rows = self.entries(record, Origin::Stamp, step.heads_after())?;
        let mut sql = vec![self.ledger.delete(record.iter().chain(forget))];
        sql.extend(self.ledger.insert(rows));
        self.bookkeeping(step, record.iter().chain(forget).last(), "stamp", sql, None).await
    }

    async fn baseline(
        &self,
        step: &Step,
        revision: &'a Revision,
        ancestors: &[RevisionId],
    ) -> Result<(), ApplyError> {
        announce("upgrade", step.heads_before(), &[revision.id()], revision.message());
        let mut rows = self.entries(ancestors, Origin::Baseline, &[])?;
        rows.push(self.entry(revision, Origin::Baseline, true, true)?);
        let job = Job {
            what: format!("apply the baseline {}", revision.id()),
            script: revision.baseline(),
            statements: all(revision.baseline()),
            session: AtStart::Clean,
            baseline: true,
            proof: None,
            heads_before: step.heads_before().to_vec(),
            record: self.ledger.insert(rows).into_iter().collect(),
            heads_after: step.heads_after().to_vec(),
        };
        self.run(revision.id(), revision.message(), &job).await
    }

    async fn upgrade(
        &self,
        step: &Step,
        revision: &'a Revision,
        resume: Option<usize>,
    ) -> Result<(), ApplyError> {
        let parents: Vec<_> = revision.down_revisions().iter().collect();
        let from: Vec<_> = parents.iter().map(|id| (*id).clone()).collect();
        announce("upgrade", &from, &[revision.id()], revision.message());
        let script = revision.up();
        if let Some(script) = script.filter(|script| stepwise::is_needed(script, resume)) {
            return self.upgrade_stepwise(step, revision, script, resume).await;
        }
        let mut record: Vec<_> =
            resume.map(|_| self.ledger.delete([revision.id()])).into_iter().collect();
        record.extend(self.ledger.insert([self.entry(revision, Origin::Upgrade, true, true)?]));
        let job = Job {
            what: format!("upgrade to {}", revision.id()),
            script,
            statements: all(script),
            session: AtStart::Clean,
            baseline: false,
            proof: None,
            heads_before: step.heads_before().to_vec(),
            record,
            heads_after: step.heads_after().to_vec(),
        };
        self.run(revision.id(), revision.message(), &job).await
    }

    async fn downgrade(
        &self,
        step: &Step,
        revision: &RevisionId,
        down: Down,
        resume: Option<usize>,
    ) -> Result<(), ApplyError> {
        let here = self.graph.get(revision);
        let kept = match down {
            Down::Nothing | Down::Image => None,
            Down::Ledger => Some(self.kept_down_file(revision).await?),
        };
        let (message, script) = match &kept {
            Some((message, script)) => (message.as_str(), Some(script)),
            None => (here.map_or("", Revision::message), here.and_then(Revision::down)),
        };
        let to: Vec<_> = step.heads_after().iter().collect();
        announce("downgrade", std::slice::from_ref(revision), &to, message);
        let result = self.take_back(step, (revision, message), script, resume).await;
        match result {
            Err(ApplyError::Failed(failure)) => {
                let from_ledger = kept.is_some();
                Err(ApplyError::Failed(Box::new(Failure { from_ledger, ..*failure })))
            }
            other => other,
        }
    }

    async fn take_back(
        &self,
        step: &Step,
        (revision, message): (&RevisionId, &str),
        script: Option<&Script>,
        resume: Option<usize>,
    ) -> Result<(), ApplyError> {
        if let Some(script) = script.filter(|script| stepwise::is_needed(script, resume)) {
            return self.downgrade_stepwise(step, revision, message, script, resume).await;
        }
        let job = Job {
            what: format!("downgrade {revision}"),
            script,
            statements: all(script),
            session: AtStart::Clean,
            baseline: false,
            proof: None,
            heads_before: step.heads_before().to_vec(),
            record: vec![self.ledger.delete([revision])],
            heads_after: step.heads_after().to_vec(),
        };
        self.run(revision, message, &job).await
    }

    /// The message and the down file that the image which applied `revision` left in the ledger.
    async fn kept_down_file(&self, revision: &RevisionId) -> Result<(String, Script), ApplyError> {
        let query = format!(
            "SELECT message, down_sql FROM {} WHERE revision OPERATOR(pg_catalog.=) {}",
            self.ledger.revision(),
            literal(revision.as_str())
        );
        let rows = self.ask(&query).await?;
        let column = |n: usize| rows.first().and_then(|row| row.get(n)).unwrap_or_default();
        let file = format!("{revision}.down.sql, kept in {}", self.ledger.revision());
        let script =
            Script::parse(&file, column(1).as_bytes()).map_err(ApplyError::KeptDownFile)?;
        Ok((column(0).to_owned(), script))
    }

    /// What the ledger says, to whoever may read it.
    async fn ask(&self, query: &str) -> Result<Vec<SimpleQueryRow>, ApplyError> {
        let session = self.lock.session();
        let query = format!("BEGIN; {}; {query}; COMMIT", opening(session));
        session.rows(&query).await.map_err(ApplyError::Lost)
    }

    /// A step that runs no SQL of the user's; `about` is what an error would name.
    async fn bookkeeping(
        &self,
        step: &Step,
        about: Option<&RevisionId>,
        what: &str,
        record: Vec<String>,
        proof: Option<&Schema>,
    ) -> Result<(), ApplyError> {
        let job = Job {
            what: what.to_owned(),
            script: None,
            statements: 0..0,
            session: AtStart::Clean,
            baseline: false,
            proof,
            heads_before: step.heads_before().to_vec(),
            record,
            heads_after: step.heads_after().to_vec(),
        };
        // A step without a revision changes nothing, and no plan has one.
        let Some(about) = about else { return Ok(()) };
        self.run(about, what, &job).await
    }

    fn entries(
        &self,
        revisions: &[RevisionId],
        origin: Origin,
        heads: &[RevisionId],
    ) -> Result<Vec<Entry<'_>>, ApplyError> {
        revisions
            .iter()
            .map(|id| self.entry(self.known(id)?, origin, heads.contains(id), false))
            .collect()
    }

    fn entry(
        &self,
        revision: &'a Revision,
        origin: Origin,
        head: bool,
        timed: bool,
    ) -> Result<Entry<'_>, ApplyError> {
        Ok(Entry {
            revision,
            chain: self.graph.chain(revision.id()).ok_or_else(|| unknown(revision.id()))?,
            recorded: Recorded::of(revision),
            origin,
            head,
            statements_done: None,
            timed,
            application: self.application,
        })
    }
}

fn all(script: Option<&Script>) -> std::ops::Range<usize> {
    0..script.map_or(0, |script| script.statements().len())
}

fn unknown(revision: &RevisionId) -> ApplyError {
    ApplyError::NotInThisImage { revision: revision.clone() }
}

/// Alembic's words.
fn announce(verb: &str, from: &[RevisionId], to: &[&RevisionId], message: &str) {
    let to: Vec<_> = to.iter().map(ToString::to_string).collect();
    let message = if message.is_empty() { String::new() } else { format!(", {message}") };
    tracing::info!("Running {verb} {} -> {}{message}", ids(from), to.join(", "));
}

fn ids(ids: &[RevisionId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
