//! Looking at the leader's session from a second connection: who blocks it, how far it is.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::wait::seconds;
use crate::stop::pause;

/// How often a step that is still running says so.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// A session that holds what ours waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocker {
    /// Its backend's process id.
    pub pid: i32,
    /// Its application name.
    pub application: String,
    /// Its role.
    pub user: String,
    /// Its state: `active`, `idle in transaction` …
    pub state: String,
    /// The age of its transaction.
    pub age: Duration,
    /// Its last statement, shortened.
    pub query: String,
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pid {} ({}, role {}), {} for {}: {}",
            self.pid,
            if self.application.is_empty() { "no application name" } else { &self.application },
            self.user,
            if self.state.is_empty() { "state unknown" } else { &self.state },
            seconds(self.age),
            if self.query.is_empty() { "statement not visible to this role" } else { &self.query }
        )
    }
}

/// Watches one backend.
#[derive(Debug)]
pub(super) struct Observer {
    pool: Option<Pool>,
    /// An expression for its process id.
    backend: String,
    blockers: Mutex<Vec<Blocker>>,
}

impl Observer {
    pub(super) fn new(pool: Option<Pool>, backend: String) -> Self {
        Self { pool, backend, blockers: Mutex::default() }
    }

    /// Who was last seen to block; forgotten when a new step begins.
    pub(super) fn blockers(&self) -> Vec<Blocker> {
        self.blockers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Runs `work` and watches it: the first look after `first_look`, then every second.
    pub(super) async fn beside<T>(
        &self,
        what: &str,
        first_look: Duration,
        work: impl Future<Output = T>,
    ) -> T {
        self.keep(Vec::new());
        tokio::select! {
            biased;
            value = work => value,
            () = self.watch(what, first_look) => std::future::pending().await,
        }
    }

    /// Lets go of its connection.
    pub(super) fn close(&self) {
        if let Some(pool) = &self.pool {
            pool.close();
        }
    }

    fn keep(&self, blockers: Vec<Blocker>) {
        *self.blockers.lock().unwrap_or_else(PoisonError::into_inner) = blockers;
    }

    async fn watch(&self, what: &str, first_look: Duration) {
        let start = Instant::now();
        let mut said = start;
        pause(first_look).await;
        loop {
            let sample = self.look().await;
            let beat = said.elapsed() >= HEARTBEAT;
            if beat {
                said = Instant::now();
            }
            match sample {
                Some((blockers, progress)) => {
                    if beat {
                        say(what, start.elapsed(), &blockers, &progress);
                    }
                    if !blockers.is_empty() {
                        self.keep(blockers);
                    }
                }
                // Without a second connection the heart still beats.
                None if beat => {
                    tracing::info!("Still at work after {}: {what}", seconds(start.elapsed()));
                }
                None => {}
            }
            pause(Duration::from_secs(1)).await;
        }
    }

    async fn look(&self) -> Option<(Vec<Blocker>, Vec<String>)> {
        let client = self.pool.as_ref()?.get().await.ok()?;
        let messages = client.simple_query(&query(&self.backend)).await.ok()?;
        let mut blockers = Vec::new();
        let mut progress = Vec::new();
        for message in messages {
            let SimpleQueryMessage::Row(row) = message else { continue };
            match row.get(0) {
                Some("blocker") => blockers.extend(blocker(&row)),
                Some("progress") => progress.extend(row.get(2).map(str::to_owned)),
                _ => {}
            }
        }
        Some((blockers, progress))
    }
}

fn say(what: &str, elapsed: Duration, blockers: &[Blocker], progress: &[String]) {
    let mut line = format!("Still at work after {}: {what}", seconds(elapsed));
    for part in progress {
        line.push_str("; ");
        line.push_str(part);
    }
    for blocker in blockers {
        line.push_str("; blocked by ");
        line.push_str(&blocker.to_string());
    }
    tracing::info!("{line}");
}

fn blocker(row: &SimpleQueryRow) -> Option<Blocker> {
    let text = |column: usize| row.get(column).unwrap_or_default().to_owned();
    Some(Blocker {
        pid: row.get(1)?.parse().ok()?,
        application: text(2),
        user: text(3),
        state: text(4),
        age: Duration::from_secs(text(5).parse().unwrap_or(0)),
        query: text(6),
    })
}

fn query(backend: &str) -> String {
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; SET LOCAL search_path TO pg_catalog; \
         SELECT 'blocker', a.pid::text, a.application_name, a.usename::text, a.state, \
           greatest(0, extract(epoch FROM clock_timestamp() \
             - coalesce(a.xact_start, a.state_change, a.backend_start)))::bigint::text, \
           left(regexp_replace(a.query, '\\s+', ' ', 'g'), 120) \
         FROM unnest(pg_blocking_pids({backend})) AS blocking (pid) \
         JOIN pg_stat_activity a ON a.pid = blocking.pid \
         UNION ALL \
         SELECT 'progress', NULL, format('%s: %s%s', p.command, p.phase, \
           CASE WHEN p.lockers_total > p.lockers_done \
             THEN format(', %s of %s transactions waited for', p.lockers_done, p.lockers_total) \
             WHEN p.blocks_total > 0 THEN format(', %s %% of blocks', \
               100 * p.blocks_done / p.blocks_total) \
             WHEN p.tuples_total > 0 THEN format(', %s %% of rows', \
               100 * p.tuples_done / p.tuples_total) ELSE '' END), \
           NULL, NULL, NULL, NULL \
         FROM pg_stat_progress_create_index p WHERE p.pid = {backend} \
         UNION ALL \
         SELECT 'progress', NULL, format('waiting for %s (%s)', a.wait_event_type, a.wait_event), \
           NULL, NULL, NULL, NULL \
         FROM pg_stat_activity a WHERE a.pid = {backend} AND a.wait_event_type = 'Lock'; \
         COMMIT"
    )
}
