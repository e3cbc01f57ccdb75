//! The leader's session: clean before each file, and still the holder of the lock.

use std::time::Duration;

use super::Applier;
use super::failure::ApplyError;
use super::job::Interruption;
use crate::database::lock::KEEPALIVES;
use crate::database::quote::{identifier, literal, text_array};
use crate::database::read::LedgerTables;
use crate::database::server_error::ServerError;
use crate::revision::{RevisionId, Script};

/// What the guard makes the server complain of, since SQL alone has no way to raise an error but
/// a value that is no number.
const LOCK_GONE: &str = "castoff: the migration lock is gone";
const LOCK_TAKEN: &str = "castoff: the migration lock is taken";
const NOT_PRIMARY: &str = "castoff: the server takes no writes";
const HEADS_MOVED: &str = "castoff: the heads are not the expected ones";

/// What a step's first statements found amiss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    LockGone,
    LockTaken,
    NotPrimary,
    HeadsMoved,
}

impl From<Guard> for ApplyError {
    fn from(guard: Guard) -> Self {
        match guard {
            Guard::LockGone => Self::LockGone,
            Guard::LockTaken => Self::LockTaken,
            Guard::NotPrimary => Self::NotPrimary,
            Guard::HeadsMoved => Self::HeadsMoved,
        }
    }
}

/// The role that logged in, or what the server gives it in its place.
const LOGGED_IN: [&str; 2] = ["SET SESSION AUTHORIZATION DEFAULT", "RESET ROLE"];

fn reset() -> Vec<String> {
    let rest = ["RESET ALL", "CLOSE ALL", "UNLISTEN *", "DISCARD TEMP", "DISCARD SEQUENCES"];
    LOGGED_IN.into_iter().chain(rest).map(str::to_owned).collect()
}

/// How long a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Session,
    Transaction,
}

impl Applier<'_> {
    /// The session's own role, or the one that it was told to take; it alone may be sure to read
    /// and write the ledger.
    pub(super) fn as_ourselves(&self) -> Vec<String> {
        let mut statements = LOGGED_IN.map(str::to_owned).to_vec();
        let role = self.lock.session().role();
        statements.extend(role.map(|role| format!("SET ROLE {}", identifier(role))));
        statements
    }

    /// Opens a transaction; before it, or in it where the session is not ours alone, everything is
    /// undone that a file before it has set.
    pub(super) fn open_clean(&self) -> Vec<String> {
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED".to_owned();
        if self.lock.is_held_throughout() {
            let mut statements = vec!["BEGIN".to_owned()];
            statements.extend(self.clean_session());
            statements.extend(["COMMIT".to_owned(), begin]);
            statements
        } else {
            let mut statements = vec![begin];
            statements.extend(self.nothing_left_behind());
            statements.extend(self.settings(Scope::Transaction));
            statements
        }
    }

    /// Everything but `DISCARD ALL`, which would release the lock, then our own settings.
    pub(super) fn clean_session(&self) -> Vec<String> {
        let mut statements = reset();
        statements.extend(["DEALLOCATE ALL", "DISCARD PLANS"].map(str::to_owned));
        statements.extend(self.settings(Scope::Session));
        statements
    }

    /// What gives a backend back as the next one of the pool's clients wants to find it. Prepared
    /// statements stay: those of the protocol are the pooler's, which counts on them.
    pub(super) fn nothing_left_behind(&self) -> Vec<String> {
        let Some(application) = self.lock.of_each_transaction() else { return Vec::new() };
        let mut statements = reset();
        // A pooler takes these for what its client wants, and sets them for each.
        statements.extend([
            "SET client_encoding = 'UTF8'".to_owned(),
            format!("SET application_name = {}", literal(application)),
            // Nobody can count on a session's lock here, and a file may have taken one.
            "SELECT pg_catalog.pg_advisory_unlock_all()".to_owned(),
        ]);
        statements
    }

    fn settings(&self, scope: Scope) -> Vec<String> {
        let version = self.lock.session().major_version();
        let lock_timeout = milliseconds(self.limits.lock_timeout);
        let settings = [
            (0, "client_encoding", "'UTF8'"),
            (0, "lock_timeout", lock_timeout.as_str()),
            (0, "statement_timeout", "0"),
            (0, "idle_in_transaction_session_timeout", "0"),
            (14, "idle_session_timeout", "0"),
            (17, "transaction_timeout", "0"),
            (0, "default_transaction_isolation", "'read committed'"),
            (0, "default_transaction_read_only", "off"),
            (0, "default_transaction_deferrable", "off"),
            (0, "standard_conforming_strings", "on"),
            (0, "row_security", "on"),
            (0, "exit_on_error", "off"),
            (0, "client_min_messages", "notice"),
        ];
        let set = match scope {
            Scope::Session => "SET",
            Scope::Transaction => "SET LOCAL",
        };
        let mut statements: Vec<_> = settings
            .into_iter()
            .chain(KEEPALIVES)
            .filter(|(since, ..)| version >= *since)
            .map(|(_, name, value)| format!("{set} {name} = {value}"))
            .collect();
        if self.lock.is_watched() {
            statements.push(format!("{set} client_connection_check_interval = '2s'"));
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

    /// Statements that fail unless the lock is held, here or by this transaction, and the heads are
    /// as expected. Two, since the second must see what was done before the first had the lock.
    /// Safe under any search path, and with any cast from text to integer.
    pub(super) fn guards(&self, heads: &[RevisionId]) -> [String; 2] {
        let key = self.lock.key();
        let lock = if self.lock.is_held_throughout() {
            (key.is_held(), LOCK_GONE)
        } else {
            (key.try_in_transaction(), LOCK_TAKEN)
        };
        let primary = "NOT pg_catalog.pg_is_in_recovery() AND \
             pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.=) 'off'";
        let heads = match self.reached().tables {
            LedgerTables::Absent { .. } => self.ledger.is_absent(),
            LedgerTables::Present => self.heads_are(heads),
        };
        [unless(&[lock]), unless(&[(primary.to_owned(), NOT_PRIMARY), (heads, HEADS_MOVED)])]
    }

    pub(super) fn heads_are(&self, heads: &[RevisionId]) -> String {
        let mut heads: Vec<_> = heads.iter().map(RevisionId::as_str).collect();
        heads.sort_unstable();
        format!("{} OPERATOR(pg_catalog.=) {}", self.ledger.heads(), text_array(heads))
    }
}

/// A statement that fails with the complaint of the first condition that does not hold.
fn unless(conditions: &[(String, &str)]) -> String {
    let cases: Vec<_> = conditions
        .iter()
        .map(|(condition, complaint)| {
            format!("WHEN NOT ({condition}) THEN {} ", literal(complaint))
        })
        .collect();
    format!("SELECT pg_catalog.int4in((CASE {}ELSE '1' END)::pg_catalog.cstring)", cases.concat())
}

pub(super) fn guard_of(error: &ServerError) -> Option<Guard> {
    [
        (LOCK_GONE, Guard::LockGone),
        (LOCK_TAKEN, Guard::LockTaken),
        (NOT_PRIMARY, Guard::NotPrimary),
        (HEADS_MOVED, Guard::HeadsMoved),
    ]
    .into_iter()
    .find_map(|(complaint, guard)| error.message.contains(complaint).then_some(guard))
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
