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
#[cfg(feature = "author")]
mod rehearsal;
mod repair;
#[cfg(feature = "author")]
mod script;
mod session;
mod stepwise;
mod wording;
mod work;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_postgres::SimpleQueryRow;

pub use failure::{ApplyError, Failure, Kept, Place};
use job::Job;
pub use privileges::Lack;
#[cfg(feature = "author")]
pub(crate) use rehearsal::{Part, Rehearsal, Unavailable, parts};
#[cfg(feature = "author")]
pub(crate) use script::script;
use wording::{Carrier, Wording};
use work::Work;

use super::lock::MigrationLock;
use super::observe::Observer;
use super::quote::literal;
use super::read::{LedgerTables, Reading, opening};
use crate::error::Error;
use crate::migrator::Migrator;
use crate::plan::{Action, Down, Origin, Plan, Step};
use crate::revision::{Revision, RevisionId, Script};
use crate::schema::{Optional, Schema};
use crate::stop::Stop;

/// Applies plans on one locked session.
#[derive(Debug)]
pub(crate) struct Applier<'a> {
    lock: &'a MigrationLock,
    wording: Wording<'a>,
    /// How long a file that could not get its locks is tried again.
    lock_deadline: Duration,
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
        let session = lock.session();
        let observer = migrator.database()?.observer(session.server());
        let carrier = Carrier::Session {
            version: session.major_version(),
            watched: lock.is_watched(),
            of_each_transaction: lock.of_each_transaction(),
        };
        Ok(Self {
            lock,
            wording: Wording {
                graph: migrator.graph()?,
                ledger: migrator.ledger(),
                key: lock.key(),
                role: session.role(),
                carrier,
                lock_timeout: settings.lock_timeout,
                application: settings.application.as_deref(),
            },
            lock_deadline: settings.lock_deadline,
            stop: migrator.stop(),
            observer: Observer::new(observer, lock.backend()),
            schema: reading.state.schema,
            optional: migrator.image()?.lock.map(|lock| lock.optional).unwrap_or_default(),
            reached: Mutex::new(Reached { tables: reading.tables, applied: None }),
        })
    }

    /// Whether anything is known to be in the way of the plan; changes nothing.
    pub(crate) async fn check(&self, plan: &Plan) -> Result<(), ApplyError> {
        self.can_run(plan)?;
        self.may_run(plan).await
    }

    /// Applies every step in order, or up to the first that fails.
    pub(crate) async fn apply(&self, plan: &Plan) -> Result<(), ApplyError> {
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
                self.baseline(step, self.wording.known(revision)?, ancestors).await?;
            }
            Action::Upgrade { revision, resume } => {
                self.upgrade(step, self.wording.known(revision)?, *resume).await?;
            }
            Action::Downgrade { revision, down, resume } => {
                self.downgrade(step, revision, *down, *resume).await?;
            }
            Action::Stamp { record, forget } => self.stamp(step, record, forget).await?,
            Action::Rechain { revision } => {
                let job = self.wording.rechain(step, revision)?;
                self.bookkeeping(Some(revision), &job).await?;
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
                    (revision, self.wording.graph.get(revision).and_then(Revision::up), *resume)
                }
                Action::Downgrade { revision, down: Down::Image, resume } => {
                    (revision, self.wording.graph.get(revision).and_then(Revision::down), *resume)
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

    async fn record(
        &self,
        step: &Step,
        revisions: &[RevisionId],
        origin: Origin,
    ) -> Result<(), ApplyError> {
        tracing::info!("Running stamp_revision  -> {}", ids(step.heads_after()));
        let proof = self.schema.as_ref().filter(|_| origin == Origin::Recognise);
        let job = Job { proof, ..self.wording.record(step, revisions, origin)? };
        self.bookkeeping(revisions.last(), &job).await
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
        let job = self.wording.stamp(step, record, forget)?;
        self.bookkeeping(record.iter().chain(forget).last(), &job).await
    }

    async fn baseline(
        &self,
        step: &Step,
        revision: &'a Revision,
        ancestors: &[RevisionId],
    ) -> Result<(), ApplyError> {
        announce("upgrade", step.heads_before(), &[revision.id()], revision.message());
        let job = self.wording.baseline(step, revision, ancestors)?;
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
        let work = self.wording.upgrade(step, revision, resume)?;
        self.work(revision.id(), revision.message(), &work, resume).await
    }

    async fn downgrade(
        &self,
        step: &Step,
        revision: &RevisionId,
        down: Down,
        resume: Option<usize>,
    ) -> Result<(), ApplyError> {
        let here = self.wording.graph.get(revision);
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
        let work = self.wording.downgrade(step, (revision, message), script, resume);
        match self.work(revision, message, &work, resume).await {
            Err(ApplyError::Failed(failure)) => {
                let from_ledger = kept.is_some();
                Err(ApplyError::Failed(Box::new(Failure { from_ledger, ..*failure })))
            }
            other => other,
        }
    }

    async fn work(
        &self,
        revision: &RevisionId,
        message: &str,
        work: &Work<'_>,
        resume: Option<usize>,
    ) -> Result<(), ApplyError> {
        match work {
            Work::Whole(job) => self.run(revision, message, job).await,
            Work::Stepwise { begin, course } => {
                self.keeps_its_session(revision)?;
                if let Some(begin) = begin {
                    self.run(revision, message, begin).await?;
                }
                self.course(course, resume).await
            }
        }
    }

    /// The message and the down file that the image which applied `revision` left in the ledger.
    async fn kept_down_file(&self, revision: &RevisionId) -> Result<(String, Script), ApplyError> {
        let query = format!(
            "SELECT message, down_sql FROM {} WHERE revision OPERATOR(pg_catalog.=) {}",
            self.wording.ledger.revision(),
            literal(revision.as_str())
        );
        let rows = self.ask(&query).await?;
        let column = |n: usize| rows.first().and_then(|row| row.get(n)).unwrap_or_default();
        let file = format!("{revision}.down.sql, kept in {}", self.wording.ledger.revision());
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
        about: Option<&RevisionId>,
        job: &Job<'_>,
    ) -> Result<(), ApplyError> {
        // A step without a revision changes nothing, and no plan has one.
        let Some(about) = about else { return Ok(()) };
        self.run(about, &job.what, job).await
    }
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
