//! The migration lock: an advisory lock on the session that does the work, or, where a pooler
//! keeps no session, on each transaction that does a part of it.
//!
//! # Invariants
//! - The session's lock is taken only where the session is known to be ours alone, and to be reset
//!   when we are gone ([`super::pooler`]). A transaction's lock ends with it, whatever happens.
//! - It is polled, never waited for in the server: a blocked `pg_advisory_lock` holds a snapshot,
//!   and another's `CREATE INDEX CONCURRENTLY` waits for that snapshot for ever.
//! - Only a session on a writable primary asks for it: a standby grants advisory locks too.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::connection::{Database, Session};
use super::ledger::LedgerName;
use super::pooler::{self, Service};
use super::server_error::ServerError;

/// A leader whose machine is gone must not hold the lock for hours: after these it is gone in 9 s.
/// Each with the server's major version that has it.
pub(super) const KEEPALIVES: [(u32, &str, &str); 4] = [
    (0, "tcp_keepalives_idle", "'5s'"),
    (0, "tcp_keepalives_interval", "'2s'"),
    (0, "tcp_keepalives_count", "3"),
    (12, "tcp_user_timeout", "'8s'"),
];

/// The lock's key: one for each ledger in a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LockKey(i64);

impl LockKey {
    pub(super) fn of(ledger: &LedgerName) -> Self {
        let digest = Sha256::digest(format!("castoff migration lock\0{}", ledger.revision()));
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        Self(i64::from_be_bytes(first))
    }

    /// A condition on `l`, a row of `pg_locks`, safe under any search path; the server splits a
    /// 64-bit key over two columns (PostgreSQL, `pg_locks`).
    fn condition(self) -> String {
        let bits = self.0.cast_unsigned();
        format!(
            "l.locktype OPERATOR(pg_catalog.=) 'advisory' \
             AND l.classid OPERATOR(pg_catalog.=) {}::pg_catalog.oid \
             AND l.objid OPERATOR(pg_catalog.=) {}::pg_catalog.oid \
             AND l.objsubid OPERATOR(pg_catalog.=) 1 AND l.granted \
             AND l.database OPERATOR(pg_catalog.=) (SELECT d.oid FROM pg_catalog.pg_database d \
               WHERE d.datname OPERATOR(pg_catalog.=) pg_catalog.current_database())",
            bits >> 32,
            bits & 0xffff_ffff
        )
    }

    /// An expression that takes the lock for a transaction, if it can.
    pub(super) fn try_in_transaction(self) -> String {
        format!("pg_catalog.pg_try_advisory_xact_lock({})", self.0)
    }

    /// An expression that takes the lock for a session, if it can.
    #[cfg(feature = "author")]
    pub(super) fn try_in_session(self) -> String {
        format!("pg_catalog.pg_try_advisory_lock({})", self.0)
    }

    /// An expression that gives it back, and says whether it was held.
    #[cfg(feature = "author")]
    pub(super) fn unlock(self) -> String {
        format!("pg_catalog.pg_advisory_unlock({})", self.0)
    }

    /// A query for the process ids of those who hold it.
    pub(super) fn holders(self) -> String {
        format!("SELECT l.pid FROM pg_catalog.pg_locks l WHERE {}", self.condition())
    }

    /// An expression that is true while this very session holds the lock.
    pub(super) fn is_held(self) -> String {
        format!(
            "EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE {} \
             AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())",
            self.condition()
        )
    }
}

/// A session that holds the lock, or may take it for a transaction.
#[derive(Debug)]
pub(crate) struct MigrationLock {
    session: Session,
    key: LockKey,
    hold: Hold,
}

/// What holds the lock.
#[derive(Debug)]
enum Hold {
    /// The session: this backend.
    Session { pid: i32, service: Service, watched: bool },
    /// Each transaction, if it can.
    Transactions { application: String, watched: bool, service: Service },
}

/// What asking for the lock gave.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "it lives for one match")]
pub(crate) enum Attempt {
    /// The lock.
    Held(MigrationLock),
    /// Somebody else has it.
    Busy(Holder),
}

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Holder(String);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MigrationLock {
    /// Asks once, on a session with the backend that answered there. A session that does not get
    /// the lock is closed: who waits holds no connection.
    pub(crate) async fn ask(
        (session, backend): (Session, Option<i32>),
        database: &Database,
        ledger: &LedgerName,
    ) -> Result<Attempt, ServerError> {
        let key = LockKey::of(ledger);
        let service = if database.deals_out_transactions(session.server()) {
            Service::Transaction
        } else if !pooler::is_pooled(&session, backend).await {
            Service::Direct
        } else if try_in_transaction(&session, key).await?.is_none() {
            return busy(session, key).await;
        } else {
            pooler::service(&session, database).await?
        };
        if matches!(service, Service::Transaction | Service::Unknown) {
            if service == Service::Unknown {
                tracing::info!(
                    "A pooler has no second connection to tell its mode by: each step takes the \
                     lock for itself"
                );
            } else if !database.deals_out_transactions(session.server()) {
                tracing::info!(
                    "A pooler deals out the transactions: each step takes the lock for itself"
                );
                database.note_that_transactions_are_dealt_out(session.server());
            }
            return match try_in_transaction(&session, key).await? {
                None => busy(session, key).await,
                Some(application) => {
                    let watched = watches_for_a_dead_client(&session, "SET LOCAL").await?;
                    let hold = Hold::Transactions { application, watched, service };
                    Ok(Attempt::Held(Self { session, key, hold }))
                }
            };
        }
        let version = session.major_version();
        let keepalives = KEEPALIVES.iter().filter(|(since, ..)| version >= *since);
        let mut ask: String =
            keepalives.map(|(_, name, value)| format!("SET {name} = {value}; ")).collect();
        ask += &format!(
            "SELECT pg_catalog.pg_try_advisory_lock({}), pg_catalog.pg_backend_pid()",
            key.0
        );
        let rows = session.rows(&ask).await?;
        let row = rows.first();
        if row.and_then(|row| row.get(0)) != Some("t") {
            return busy(session, key).await;
        }
        let pid = row.and_then(|row| row.get(1)?.parse().ok()).unwrap_or(0);
        let watched = watches_for_a_dead_client(&session, "SET").await?;
        Ok(Attempt::Held(Self { session, key, hold: Hold::Session { pid, service, watched } }))
    }

    pub(super) fn key(&self) -> LockKey {
        self.key
    }

    /// An expression for the backend that holds it, or null.
    pub(super) fn backend(&self) -> String {
        match &self.hold {
            Hold::Session { pid, .. } => pid.to_string(),
            Hold::Transactions { .. } => format!("({} LIMIT 1)", self.key.holders()),
        }
    }

    /// Whether the server watches for the loss of this client.
    pub(super) fn is_watched(&self) -> bool {
        match self.hold {
            Hold::Session { watched, .. } | Hold::Transactions { watched, .. } => watched,
        }
    }

    /// Where each transaction takes the lock for itself: the session's application name.
    pub(super) fn of_each_transaction(&self) -> Option<&str> {
        match &self.hold {
            Hold::Session { .. } => None,
            Hold::Transactions { application, .. } => Some(application),
        }
    }

    /// Whether it is held from before the first reading to the end of the last step.
    pub(crate) fn is_held_throughout(&self) -> bool {
        self.of_each_transaction().is_none()
    }

    /// Whether a pooler is in between of which it could not be found out that it keeps sessions.
    pub(super) fn may_keep_sessions(&self) -> bool {
        matches!(self.hold, Hold::Transactions { service: Service::Unknown, .. })
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Gives the lock back and closes the session.
    pub(crate) async fn release(self) {
        if let Hold::Session { .. } = self.hold {
            let unlock = format!("SELECT pg_catalog.pg_advisory_unlock({})", self.key.0);
            match self.session.rows(&unlock).await {
                Ok(rows) if rows.first().and_then(|row| row.get(0)) == Some("t") => {}
                Ok(_) => tracing::warn!(
                    "the migration lock was gone before it was given back; something in this \
                     session has released it"
                ),
                // The end of the session releases it as well, and the first error must stay the
                // one that is seen.
                Err(error) => tracing::debug!("the migration lock was not given back: {error}"),
            }
        }
        self.abandon().await;
    }

    /// Closes the session, which releases the lock.
    pub(crate) async fn abandon(self) {
        const PATIENCE: Duration = Duration::from_millis(300);
        if let Hold::Session { pid, service: Service::Session, .. } = self.hold {
            let look = self.end_a_backend_left_behind(pid);
            drop(tokio::time::timeout(PATIENCE, look).await);
        }
        self.session.close().await;
    }

    /// A pooler that was told in the meantime to keep no sessions has the lock on a backend that
    /// is ours no longer. It is our role's still, so we may end it.
    async fn end_a_backend_left_behind(&self, pid: i32) {
        let end = format!(
            "SELECT pg_catalog.pg_terminate_backend(h.pid) FROM ({}) h \
             WHERE h.pid OPERATOR(pg_catalog.=) {pid} \
             AND h.pid OPERATOR(pg_catalog.<>) pg_catalog.pg_backend_pid()",
            self.key.holders()
        );
        match self.session.rows(&end).await {
            Ok(rows) if rows.is_empty() => {}
            Ok(_) => tracing::warn!(
                "the pooler gave this session another backend; the one that held the migration \
                 lock (pid {pid}) was ended"
            ),
            Err(error) => tracing::debug!("no look at what holds the lock: {error}"),
        }
    }
}

/// Takes the lock for a transaction that ends at once, to see whether it can be had; gives the
/// session's application name if so.
async fn try_in_transaction(
    session: &Session,
    key: LockKey,
) -> Result<Option<String>, ServerError> {
    let ask = format!(
        "BEGIN; SELECT {}, pg_catalog.current_setting('application_name'); COMMIT",
        key.try_in_transaction()
    );
    let rows = session.rows(&ask).await?;
    let row = rows.first().filter(|row| row.get(0) == Some("t"));
    Ok(row.map(|row| row.get(1).unwrap_or_default().to_owned()))
}

/// Says who holds the lock, and closes the session.
async fn busy(session: Session, key: LockKey) -> Result<Attempt, ServerError> {
    let holder = holder(&session, key).await?;
    session.close().await;
    Ok(Attempt::Busy(holder.unwrap_or_else(|| Holder("it has just ended".to_owned()))))
}

/// Lets the server notice within seconds that this process is gone, even in the middle of a
/// statement; otherwise a killed leader's statement and lock live on until it ends. Says whether
/// the server can.
async fn watches_for_a_dead_client(session: &Session, set: &str) -> Result<bool, ServerError> {
    if session.major_version() < 14 {
        return Ok(false);
    }
    // A server on a system without POLLRDHUP refuses the setting; it is a help, no need.
    let set = format!("BEGIN; {set} client_connection_check_interval = '2s'; COMMIT");
    match session.rows(&set).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_connection_loss() => Err(error),
        Err(error) => {
            tracing::debug!("the server does not watch for a lost client: {error}");
            session.rows("ROLLBACK").await.map(|_| false)
        }
    }
}

/// Who holds the lock, if somebody does.
pub(super) async fn holder(session: &Session, key: LockKey) -> Result<Option<Holder>, ServerError> {
    let rows = session
        .rows(&format!(
            "SELECT l.pid, a.application_name, pg_catalog.host(a.client_addr), \
             pg_catalog.to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') \
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a \
             ON a.pid OPERATOR(pg_catalog.=) l.pid WHERE {}",
            key.condition()
        ))
        .await?;
    Ok(rows
        .first()
        .map(|row| {
            let part = |column: usize, before: &str| {
                row.get(column)
                    .filter(|text| !text.is_empty())
                    .map(|text| format!("{before}{text}"))
            };
            [part(0, "pid "), part(1, ""), part(2, "from "), part(3, "connected since ")]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(", ")
        })
        .map(Holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_schemas_have_two_keys_and_a_key_never_changes() {
        let key = |schema| LockKey::of(&LedgerName::new(schema)).0;
        assert_ne!(key("castoff"), key("other"));
        // The first 64 bits of the digest, as another program computes it: two versions of castoff in a rolling deploy must exclude each other.
        assert_eq!(key("castoff"), -4_318_582_747_113_608_335);
    }
}
