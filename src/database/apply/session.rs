//! The leader's session: clean before each file, and still the holder of the lock.

use std::time::Duration;

use super::Applier;
use super::job::Interruption;
use crate::database::quote::{literal, text_array};
use crate::database::read::LedgerTables;
use crate::database::server_error::ServerError;
use crate::revision::{RevisionId, Script};

/// What the guard makes the server complain of, since SQL alone has no way to raise an error but
/// a value that is no number.
const LOCK_GONE: &str = "castoff: the migration lock is gone";
const HEADS_MOVED: &str = "castoff: the heads are not the expected ones";

/// What a step's first statement found amiss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    LockGone,
    HeadsMoved,
}

impl Applier<'_> {
    /// Everything but `DISCARD ALL`, which would release the lock, then our own settings.
    pub(super) fn clean_session(&self) -> Vec<String> {
        let mut statements: Vec<String> = [
            "SET SESSION AUTHORIZATION DEFAULT",
            "RESET ROLE",
            "RESET ALL",
            "CLOSE ALL",
            "UNLISTEN *",
            "DEALLOCATE ALL",
            "DISCARD PLANS",
            "DISCARD TEMP",
            "DISCARD SEQUENCES",
        ]
        .map(str::to_owned)
        .to_vec();
        let version = self.lock.session().major_version();
        let lock_timeout = milliseconds(self.limits.lock_timeout);
        let settings = [
            (0, "lock_timeout", lock_timeout.as_str()),
            (0, "statement_timeout", "0"),
            (0, "idle_in_transaction_session_timeout", "0"),
            (14, "idle_session_timeout", "0"),
            (17, "transaction_timeout", "0"),
            (0, "default_transaction_isolation", "'read committed'"),
            (0, "default_transaction_read_only", "off"),
            (0, "default_transaction_deferrable", "off"),
            (0, "standard_conforming_strings", "on"),
            (0, "client_min_messages", "notice"),
            // A leader whose machine is gone must not hold the lock for hours.
            (0, "tcp_keepalives_idle", "'5s'"),
            (0, "tcp_keepalives_interval", "'2s'"),
            (0, "tcp_keepalives_count", "3"),
            (12, "tcp_user_timeout", "'10s'"),
        ];
        for (since, name, value) in settings {
            if version >= since {
                statements.push(format!("SET {name} = {value}"));
            }
        }
        if self.lock.is_watched() {
            statements.push("SET client_connection_check_interval = '2s'".to_owned());
        }
        statements
    }

    /// The statements of a dump that mean nothing here: settings that a newer `pg_dump` writes
    /// and this server does not know, and the `public` schema where it exists.
    pub(super) async fn unneeded(&self, script: &Script) -> Result<Vec<usize>, Interruption> {
        let version = self.lock.session().major_version();
        let unknown: &[&str] = match version {
            ..14 => &["idle_session_timeout", "transaction_timeout"],
            14..17 => &["transaction_timeout"],
            17.. => &[],
        };
        let creates_public =
            script.statements().iter().any(|it| it.creates_schema() == Some("public"));
        let public_exists = creates_public && {
            let query = "SELECT 1 FROM pg_catalog.pg_namespace n \
                         WHERE n.nspname OPERATOR(pg_catalog.=) 'public'";
            let rows = self.lock.session().rows(query).await;
            !rows
                .map_err(|error| Interruption::Failed { error, place: None, guard: None })?
                .is_empty()
        };
        Ok(script
            .statements()
            .iter()
            .enumerate()
            .filter(|(_, statement)| {
                statement.sets_parameter().is_some_and(|name| unknown.contains(&name))
                    || (public_exists && statement.creates_schema() == Some("public"))
            })
            .map(|(index, _)| index)
            .collect())
    }

    /// A statement that fails unless this session holds the lock and the heads are as expected;
    /// safe under any search path, and with any cast from text to integer.
    pub(super) fn guard(&self, heads: &[RevisionId]) -> String {
        let tables = self.reached().tables;
        let heads = match tables {
            LedgerTables::Absent { .. } => String::new(),
            LedgerTables::Present => {
                format!("WHEN NOT ({}) THEN {} ", self.heads_are(heads), literal(HEADS_MOVED))
            }
        };
        format!(
            "SELECT pg_catalog.int4in((CASE WHEN NOT {} THEN {} {heads}ELSE '1' END)\
             ::pg_catalog.cstring)",
            self.lock.key().is_held(),
            literal(LOCK_GONE)
        )
    }

    pub(super) fn heads_are(&self, heads: &[RevisionId]) -> String {
        let mut heads: Vec<_> = heads.iter().map(RevisionId::as_str).collect();
        heads.sort_unstable();
        format!("{} OPERATOR(pg_catalog.=) {}", self.ledger.heads(), text_array(heads))
    }
}

pub(super) fn guard_of(error: &ServerError) -> Option<Guard> {
    if error.message.contains(LOCK_GONE) {
        Some(Guard::LockGone)
    } else if error.message.contains(HEADS_MOVED) {
        Some(Guard::HeadsMoved)
    } else {
        None
    }
}

pub(super) fn milliseconds(duration: Duration) -> String {
    // 0 means no limit to PostgreSQL, so less than a millisecond is one.
    let least = u128::from(!duration.is_zero());
    duration.as_millis().clamp(least, 2_147_483_647).to_string()
}

/// The limits that a file sets itself.
pub(super) fn timeouts(script: &Script) -> Vec<String> {
    let header = script.header();
    [("lock_timeout", header.lock_timeout), ("statement_timeout", header.statement_timeout)]
        .into_iter()
        .filter_map(|(name, value)| {
            value.map(|value| format!("SET LOCAL {name} = {}", milliseconds(value)))
        })
        .collect()
}
