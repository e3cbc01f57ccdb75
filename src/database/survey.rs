//! A look around for people: which server this is, what was run last, and who migrates.

use serde::Serialize;
use tokio_postgres::SimpleQueryRow;

use super::connection::Session;
use super::ledger::LedgerName;
use super::lock::{self, Holder, LockKey};
use super::read::{LedgerTables, opening};
use super::server_error::ServerError;

/// How many of the last runs are of interest.
const LAST_RUNS: usize = 5;

/// What there is to see.
#[derive(Debug, Serialize)]
pub(crate) struct Survey {
    /// The database's name.
    pub(crate) database: String,
    /// The role that logged in.
    pub(crate) user: String,
    /// Where the server was reached.
    pub(crate) address: String,
    /// The server's version, as it says it.
    pub(crate) server_version: String,
    /// Whether the server is a standby.
    pub(crate) standby: bool,
    /// Whether nothing can be written.
    pub(crate) read_only: bool,
    /// The database's size in bytes; nothing if the role may not see it.
    pub(crate) size: Option<u64>,
    /// The revisions that were recorded last, the latest first.
    pub(crate) last_runs: Vec<Run>,
    /// Who holds the migration lock, if somebody does.
    pub(crate) lock_holder: Option<Holder>,
}

/// How a revision came to be recorded.
#[derive(Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) revision: String,
    /// The ledger's word for it.
    pub(crate) origin: String,
    /// When, in UTC.
    pub(crate) applied_at: String,
    /// How long it took; nothing if nothing ran.
    pub(crate) duration_ms: Option<u64>,
    /// The role.
    pub(crate) applied_by: String,
    /// What `CASTOFF_APPLICATION` said.
    pub(crate) application: Option<String>,
}

/// Looks around; `tables` says whether there is a ledger to look at.
pub(crate) async fn survey(
    session: &Session,
    address: &str,
    ledger: &LedgerName,
    tables: Option<LedgerTables>,
) -> Result<Survey, ServerError> {
    let rows = in_transaction(session, SERVER).await?;
    let row = rows.first();
    let text = |column| row.and_then(|row| row.get(column)).unwrap_or_default().to_owned();
    let last_runs = match tables {
        Some(LedgerTables::Present) => {
            in_transaction(session, &runs_query(ledger)).await?.iter().map(run).collect()
        }
        Some(LedgerTables::Absent { .. }) | None => Vec::new(),
    };
    Ok(Survey {
        database: text(0),
        user: text(1),
        address: address.to_owned(),
        server_version: text(2),
        standby: text(3) == "t",
        read_only: text(4) == "on",
        size: text(5).parse().ok(),
        last_runs,
        lock_holder: lock::holder(session, LockKey::of(ledger)).await?,
    })
}

const SERVER: &str = "SELECT current_database(), session_user, current_setting('server_version'), \
     pg_is_in_recovery(), current_setting('transaction_read_only'), \
     CASE WHEN has_database_privilege(current_database(), 'CONNECT') \
       THEN pg_database_size(current_database()) END";

fn runs_query(ledger: &LedgerName) -> String {
    format!(
        "SELECT revision, origin, \
           to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS\"Z\"'), duration_ms, \
           applied_by, application FROM {} ORDER BY applied_at DESC, head DESC, revision DESC \
         LIMIT {LAST_RUNS}",
        ledger.revision()
    )
}

fn run(row: &SimpleQueryRow) -> Run {
    let text = |column| row.get(column).unwrap_or_default().to_owned();
    Run {
        revision: text(0),
        origin: text(1),
        applied_at: text(2),
        duration_ms: row.get(3).and_then(|duration| duration.parse().ok()),
        applied_by: text(4),
        application: row.get(5).map(str::to_owned),
    }
}

/// In a transaction of its own, which a pooler may have given to any backend.
async fn in_transaction(
    session: &Session,
    query: &str,
) -> Result<Vec<SimpleQueryRow>, ServerError> {
    let opening = opening(session);
    let rows = session
        .rows(&format!("BEGIN; {opening}; SET LOCAL search_path TO pg_catalog; {query}; COMMIT"))
        .await;
    if rows.is_err() {
        session.rows("ROLLBACK").await?;
    }
    rows
}
