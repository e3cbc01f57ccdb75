//! The migration lock: a session-level advisory lock on the session that does the work.
//!
//! # Invariants
//! - It is polled, never waited for in the server: a blocked `pg_advisory_lock` holds a snapshot,
//!   and another's `CREATE INDEX CONCURRENTLY` waits for that snapshot for ever.
//! - Only a session on a writable primary asks for it: a standby grants advisory locks too.

use std::fmt;

use sha2::{Digest, Sha256};

use super::connection::Session;
use super::ledger::LedgerName;
use super::server_error::ServerError;

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

    /// An expression that is true while this very session holds the lock.
    pub(super) fn is_held(self) -> String {
        format!(
            "EXISTS (SELECT 1 FROM pg_catalog.pg_locks l WHERE {} \
             AND l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid())",
            self.condition()
        )
    }
}

/// A session that holds the lock.
#[derive(Debug)]
pub(crate) struct MigrationLock {
    session: Session,
    key: LockKey,
    pid: i32,
    watched: bool,
}

/// What asking for the lock gave.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// The lock.
    Held(MigrationLock),
    /// Somebody else has it.
    Busy(Holder),
}

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder(String);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl MigrationLock {
    /// Asks once. A session that does not get the lock is closed: who waits holds no connection.
    pub(crate) async fn ask(session: Session, ledger: &LedgerName) -> Result<Attempt, ServerError> {
        let key = LockKey::of(ledger);
        let ask = format!(
            "SELECT pg_catalog.pg_try_advisory_lock({}), pg_catalog.pg_backend_pid()",
            key.0
        );
        let rows = session.rows(&ask).await?;
        let row = rows.first();
        if row.and_then(|row| row.get(0)) == Some("t") {
            let pid = row.and_then(|row| row.get(1)?.parse().ok()).unwrap_or(0);
            let watched = watches_for_a_dead_client(&session).await?;
            return Ok(Attempt::Held(Self { session, key, pid, watched }));
        }
        let holder = holder(&session, key).await?;
        session.close().await;
        Ok(Attempt::Busy(holder))
    }

    pub(super) fn key(&self) -> LockKey {
        self.key
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether the server watches for the loss of this client.
    pub(super) fn is_watched(&self) -> bool {
        self.watched
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Gives the lock back and closes the session.
    pub(crate) async fn release(self) {
        let unlock = format!("SELECT pg_catalog.pg_advisory_unlock({})", self.key.0);
        match self.session.rows(&unlock).await {
            Ok(rows) if rows.first().and_then(|row| row.get(0)) == Some("t") => {}
            Ok(_) => tracing::warn!(
                "the migration lock was gone before it was given back; something in this session \
                 has released it"
            ),
            // The end of the session releases it as well, and the first error must stay the one
            // that is seen.
            Err(error) => tracing::debug!("the migration lock was not given back: {error}"),
        }
        self.session.close().await;
    }

    /// Closes the session, which releases the lock.
    pub(crate) async fn abandon(self) {
        self.session.close().await;
    }
}

/// Lets the server notice within seconds that this process is gone, even in the middle of a
/// statement; otherwise a killed leader's statement and lock live on until it ends.
async fn watches_for_a_dead_client(session: &Session) -> Result<bool, ServerError> {
    if session.major_version() < 14 {
        return Ok(false);
    }
    // A server on a system without POLLRDHUP refuses the setting; it is a help, no need.
    match session.rows("SET client_connection_check_interval = '2s'").await {
        Ok(_) => Ok(true),
        Err(error) if error.is_connection_loss() => Err(error),
        Err(error) => {
            tracing::debug!("the server does not watch for a lost client: {error}");
            Ok(false)
        }
    }
}

async fn holder(session: &Session, key: LockKey) -> Result<Holder, ServerError> {
    let rows = session
        .rows(&format!(
            "SELECT l.pid, a.application_name, pg_catalog.host(a.client_addr), \
             pg_catalog.to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS TZ') \
             FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a \
             ON a.pid OPERATOR(pg_catalog.=) l.pid WHERE {}",
            key.condition()
        ))
        .await?;
    let text = rows.first().map(|row| {
        let part = |column: usize, before: &str| {
            row.get(column).filter(|text| !text.is_empty()).map(|text| format!("{before}{text}"))
        };
        [part(0, "pid "), part(1, ""), part(2, "from "), part(3, "connected since ")]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(", ")
    });
    Ok(Holder(text.unwrap_or_else(|| "it has just ended".to_owned())))
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
