//! What is asked and told on the leader's session alone.

use std::time::Duration;

use super::Applier;
use super::failure::ApplyError;
use super::job::Interruption;
use super::wording::Condition;
use crate::database::quote::literal;
use crate::database::read::LedgerTables;
use crate::database::server_error::ServerError;
use crate::revision::{RevisionId, Script};

/// What the guard makes the server complain of, since SQL alone has no way to raise an error but
/// a value that is no number.
pub(super) const LOCK_GONE: &str = "castoff: the migration lock is gone";
pub(super) const LOCK_TAKEN: &str = "castoff: the migration lock is taken";
pub(super) const NOT_PRIMARY: &str = "castoff: the server takes no writes";
pub(super) const HEADS_MOVED: &str = "castoff: the heads are not the expected ones";

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

impl Applier<'_> {
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

    /// Statements that fail unless the job's guards hold.
    pub(super) fn guards(&self, heads: &[RevisionId]) -> [String; 2] {
        let heads = match self.reached().tables {
            LedgerTables::Absent { .. } => self.wording.ledger.is_absent(),
            LedgerTables::Present => self.wording.heads_are(heads),
        };
        self.wording.guards(heads).map(|conditions| unless(&conditions))
    }
}

/// A statement that fails with the complaint of the first condition that does not hold, with any
/// cast from text to integer.
fn unless(conditions: &[Condition]) -> String {
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
