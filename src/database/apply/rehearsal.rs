//! Running a file's statements one by one and looking at the server in between.
//!
//! # Invariants
//! - Nobody else migrates meanwhile: the migration lock is held.
//! - What is asked in between is safe under any search path, and changes nothing of the session.

use std::time::{Duration, Instant};

use tokio_postgres::SimpleQueryRow;

use super::failure::{ApplyError, Failure, Kept, Place};
use super::job::gives_way;
use super::message::{self, byte_offset};
use super::session::timeouts;
use super::stepwise::{Unit, units};
use super::wording::{Carrier, Wording};
use crate::database::lock::{Attempt, LockKey, MigrationLock};
use crate::database::quote::literal;
use crate::database::read::ReadError;
use crate::database::server_error::ServerError;
use crate::database::wait::Need;
use crate::error::Error;
use crate::migrator::Migrator;
use crate::revision::{Revision, Script};
use crate::stop::pause;

/// A session that runs statements and rolls them back, or not.
pub(crate) struct Rehearsal<'a> {
    migrator: &'a Migrator,
    lock: MigrationLock,
    wording: Wording<'a>,
    pid: String,
}

/// Why there is none.
pub(crate) enum Unavailable {
    /// Somebody migrates: who.
    Busy(String),
    /// A pooler keeps no session for it.
    Pooled,
}

/// Statements that are run together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// In one transaction.
    Transaction(Vec<usize>),
    /// Outside any.
    Alone(usize),
}

/// The parts of a file, with the numbers of its statements.
pub(crate) fn parts(script: &Script) -> Vec<Part> {
    let runs =
        |index: &usize| script.statements()[*index].sets_parameter() != Some("client_encoding");
    if script.header().transaction {
        return vec![Part::Transaction((0..script.statements().len()).filter(runs).collect())];
    }
    let part = |unit| match unit {
        Unit::Together { inside, .. } => Part::Transaction(inside.filter(runs).collect()),
        Unit::Alone(index) => Part::Alone(index),
    };
    units(script, 0).into_iter().map(part).collect()
}

impl<'a> Rehearsal<'a> {
    pub(crate) async fn on(migrator: &'a Migrator) -> Result<Result<Self, Unavailable>, Error> {
        let ledger = migrator.ledger();
        let (session, probe) = migrator.session(Need::Writing).await?;
        let asked = MigrationLock::ask((session, probe.backend), migrator.database()?, ledger);
        let lock = match asked.await.map_err(ReadError::from)? {
            Attempt::Held(lock) => lock,
            Attempt::Busy(holder) => return Ok(Err(Unavailable::Busy(holder.to_string()))),
        };
        if !lock.is_held_throughout() {
            lock.release().await;
            return Ok(Err(Unavailable::Pooled));
        }
        let settings = migrator.settings();
        let carrier = Carrier::Session {
            version: lock.session().major_version(),
            watched: lock.is_watched(),
            of_each_transaction: None,
        };
        let wording = Wording {
            graph: migrator.graph()?,
            ledger,
            key: LockKey::of(ledger),
            role: settings.role.as_deref(),
            carrier,
            lock_timeout: settings.lock_timeout,
            application: None,
        };
        let pid = lock.backend();
        Ok(Ok(Self { migrator, lock, wording, pid }))
    }

    /// A session as a file finds it.
    pub(crate) async fn clean(&self) -> Result<(), Error> {
        let mut statements = self.wording.clean_session();
        statements.extend(self.wording.as_ourselves());
        self.own(&statements.join(";\n")).await
    }

    pub(crate) async fn begin(&self, script: &Script) -> Result<(), Error> {
        let mut statements = vec!["BEGIN ISOLATION LEVEL READ COMMITTED".to_owned()];
        statements.extend(timeouts(script));
        self.own(&statements.join(";\n")).await
    }

    /// What castoff adds to each transaction before it ends: deferred triggers run now.
    pub(crate) async fn settle(&self, revision: &Revision) -> Result<(), Error> {
        let settled = self.lock.session().rows("SET CONSTRAINTS ALL IMMEDIATE").await;
        settled.map(drop).map_err(|error| failed(revision, None, (error, Duration::ZERO)))
    }

    pub(crate) async fn commit(&self) -> Result<(), Error> {
        self.own("COMMIT").await
    }

    async fn own(&self, sql: &str) -> Result<(), Error> {
        Ok(self.lock.session().rows(sql).await.map(drop).map_err(ReadError::from)?)
    }

    /// Runs a statement, and says how long that took.
    pub(crate) async fn run(
        &self,
        revision: &Revision,
        script: &Script,
        index: usize,
    ) -> Result<Duration, Error> {
        let start = Instant::now();
        let work = self.send(script, index);
        tokio::pin!(work);
        let result = tokio::select! {
            biased;
            result = &mut work => result,
            signal = self.migrator.stop().requested() => {
                if let Err(error) = self.lock.session().cancel().await {
                    tracing::debug!("the cancel request was not taken: {error}");
                }
                return Err(signal.into());
            }
        };
        let took = start.elapsed();
        result
            .map(|()| took)
            .map_err(|error| failed(revision, Some((script, index)), (error, took)))
    }

    /// The same outside a transaction, with the locks that another session sees meanwhile.
    ///
    /// The statement is made to wait once: `LOCK TABLE` on the other tables' behalf, which is given up as
    /// soon as it waits. So there is something to be seen of what takes no time.
    pub(crate) async fn run_watched(
        &self,
        revision: &Revision,
        script: &Script,
        index: usize,
        tables: &[String],
    ) -> Result<(Duration, Vec<SimpleQueryRow>), Error> {
        const BETWEEN: Duration = Duration::from_millis(2);
        let (watcher, _) = self.migrator.session(Need::Writing).await?;
        let (holder, _) = self.migrator.session(Need::Writing).await?;
        let text = &script.text()[script.statements()[index].range()];
        let is_vacuum = text.get(..6).is_some_and(|word| word.eq_ignore_ascii_case("vacuum"));
        let mode = if is_vacuum { "SHARE UPDATE EXCLUSIVE" } else { "ROW EXCLUSIVE" };
        if !tables.is_empty() {
            let hold = format!("BEGIN; LOCK TABLE {} IN {mode} MODE", tables.join(", "));
            holder.rows(&hold).await.map_err(ReadError::from)?;
        }
        let look = format!("{}; {}", locks_of(&self.pid), self.waits());
        let (mut seen, mut waited, mut is_held) = (Vec::new(), Duration::ZERO, !tables.is_empty());
        let work = self.run(revision, script, index);
        tokio::pin!(work);
        let result = loop {
            tokio::select! {
                biased;
                result = &mut work => break result,
                () = pause(BETWEEN) => {}
            }
            let looked = Instant::now();
            let rows = watcher.rows(&look).await.map_err(ReadError::from)?;
            let (waits, locks): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.len() == 1);
            seen.extend(locks);
            if is_held && !waits.is_empty() {
                holder.rows("COMMIT").await.map_err(ReadError::from)?;
                is_held = false;
                waited = looked.elapsed() + BETWEEN;
            }
        };
        holder.close().await;
        watcher.close().await;
        Ok((result?.saturating_sub(waited), seen))
    }

    fn waits(&self) -> String {
        format!(
            "SELECT 1 FROM pg_catalog.pg_stat_activity a \
             WHERE a.pid OPERATOR(pg_catalog.=) {} \
             AND a.wait_event_type OPERATOR(pg_catalog.=) 'Lock'",
            self.pid
        )
    }

    async fn send(&self, script: &Script, index: usize) -> Result<(), ServerError> {
        let statement = &script.statements()[index];
        let text = &script.text()[statement.range()];
        let session = self.lock.session();
        match statement.copy_data() {
            Some(data) => message::copy(session, text, script.text()[data].as_bytes()).await,
            None => session.rows(text).await.map(drop),
        }
    }

    /// What the catalogue, `pg_locks` and the statistics of this transaction say, a kind of row each.
    pub(crate) async fn look(&self) -> Result<Vec<SimpleQueryRow>, Error> {
        let sql = format!(
            "{}; {}; {}",
            relations(self.wording.ledger.schema()),
            locks_of("pg_catalog.pg_backend_pid()"),
            COUNTS
        );
        Ok(self.lock.session().rows(&sql).await.map_err(ReadError::from)?)
    }

    /// Undoes everything since the transaction began, if one has.
    pub(crate) async fn roll_back(&self) -> Result<(), Error> {
        self.own("ROLLBACK").await
    }

    /// Gives the lock back; a transaction that is open ends with the session.
    pub(crate) async fn end(self) {
        if let Err(error) = self.roll_back().await {
            tracing::debug!("ROLLBACK failed: {error}");
        }
        self.lock.release().await;
    }
}

fn failed(
    revision: &Revision,
    at: Option<(&Script, usize)>,
    (error, waited): (ServerError, Duration),
) -> Error {
    if error.is_connection_loss() {
        return ApplyError::Lost(error).into();
    }
    if gives_way(&error) {
        let revision = revision.id().clone();
        return ApplyError::LockDeadline { revision, waited, error, blockers: Vec::new() }.into();
    }
    let place = at.map(|(script, index)| {
        let range = script.statements()[index].range();
        let offset = byte_offset(&script.text()[range.clone()], error.position).unwrap_or(0);
        Place::at(script, range.start + offset)
    });
    ApplyError::Failed(Box::new(Failure {
        what: format!("trace {}", revision.id()),
        revision: revision.id().clone(),
        message: revision.message().to_owned(),
        place,
        error,
        applied_before: None,
        kept: Kept::Nothing,
        from_ledger: false,
    }))
    .into()
}

/// Every relation that is neither PostgreSQL's nor castoff's, in seven columns.
fn relations(ledger: &str) -> String {
    format!(
        "SELECT c.oid, pg_catalog.format('%I.%I', n.nspname, c.relname), c.relkind, \
           c.relfilenode, c.reltuples::pg_catalog.int8, \
           (SELECT pg_catalog.format('%I.%I', tn.nspname, t.relname) FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) i.indrelid \
             JOIN pg_catalog.pg_namespace tn ON tn.oid OPERATOR(pg_catalog.=) t.relnamespace \
             WHERE i.indexrelid OPERATOR(pg_catalog.=) c.oid), '' \
         FROM pg_catalog.pg_class c \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE NOT pg_catalog.starts_with(n.nspname::pg_catalog.text, 'pg_') \
         AND n.nspname OPERATOR(pg_catalog.<>) 'information_schema' \
         AND n.nspname OPERATOR(pg_catalog.<>) {}",
        literal(ledger)
    )
}

/// The locks of tables that a backend holds or waits for, in two columns.
fn locks_of(pid: &str) -> String {
    format!(
        "SELECT l.relation, l.mode FROM pg_catalog.pg_locks l \
         WHERE l.locktype OPERATOR(pg_catalog.=) 'relation' \
         AND l.pid OPERATOR(pg_catalog.=) {pid}"
    )
}

/// What this transaction has done to rows, in five columns.
const COUNTS: &str = "SELECT s.relid, s.n_tup_ins, s.n_tup_upd, s.n_tup_del, s.seq_tup_read \
     FROM pg_catalog.pg_stat_xact_user_tables s";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_falls_into_its_transactions() {
        let parts = |text: &str| parts(&Script::parse("1_x.up.sql", text.as_bytes()).unwrap());
        assert_eq!(
            parts("SET client_encoding = 'x'; SELECT 1; VACUUM"),
            [Part::Transaction(vec![1, 2])]
        );
        assert_eq!(
            parts("-- Transaction: none\nSELECT 1; VACUUM; BEGIN; SELECT 2; SELECT 3; COMMIT"),
            [Part::Transaction(vec![0]), Part::Alone(1), Part::Transaction(vec![3, 4])]
        );
    }
}
