//! The first query: is this a writable primary, and is it at our head?
//!
//! One message, one round trip, no error in the server's log where there is no ledger yet, no
//! cost that grows with the number of revisions, and no privilege that a reader lacks.

use super::connection::Session;
use super::ledger::{AT_HEADS, LedgerName, READS};
use super::product::look_alike;
use super::quote::literal;
use super::read::opening;
use super::server_error::ServerError;
use crate::revision::{Chain, RevisionId};

/// What the first query says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
pub(crate) struct Probe {
    pub(crate) in_recovery: bool,
    pub(crate) read_only: bool,
    /// The backend that has answered.
    pub(crate) backend: Option<i32>,
    /// What the server is, if it is not PostgreSQL.
    pub(crate) look_alike: Option<&'static str>,
    /// The heads and their chain digests; empty also if there is no ledger, or none we may read.
    pub(crate) heads: Vec<(String, String)>,
    /// Whether a revision, of this image or a later one, stopped half-way.
    half_way: bool,
    /// Whether the ledger is of a format that this castoff understands.
    readable: bool,
}

impl Probe {
    pub(crate) async fn run(session: &Session, ledger: &LedgerName) -> Result<Self, ServerError> {
        let rows = session.rows(&query(session, ledger)).await?;
        let mut probe = Self {
            in_recovery: false,
            read_only: false,
            backend: None,
            look_alike: None,
            heads: Vec::new(),
            half_way: false,
            readable: true,
        };
        for row in &rows {
            probe.in_recovery = row.get(0) == Some("t");
            probe.read_only = row.get(1) == Some("on");
            probe.backend = row.get(4).and_then(|pid| pid.parse().ok());
            probe.look_alike = row.get(3).and_then(look_alike);
            let mut words = row.get(2).unwrap_or_default().split(' ');
            match (words.next(), words.next(), words.next()) {
                (Some("head"), Some(revision), Some(chain)) => {
                    probe.heads.push((revision.to_owned(), chain.to_owned()));
                }
                (Some("half"), Some(_), None) => probe.half_way = true,
                (Some("reader"), Some(oldest), None) => {
                    probe.readable = oldest.parse().is_ok_and(|oldest: u32| oldest <= READS);
                }
                _ => {}
            }
        }
        Ok(probe)
    }

    /// Whether the one head is this revision, reached by this very history, and nothing is
    /// half-way: half of a breaking revision may break this image as well.
    pub(crate) fn is_at(&self, head: &RevisionId, chain: &Chain) -> bool {
        self.readable
            && !self.half_way
            && matches!(&self.heads[..], [(revision, recorded)]
                if revision == head.as_str() && *recorded == chain.to_string())
    }
}

/// A plain query of a table that is not there fails when it is parsed, whatever guards it. So the
/// table is named in a text that `ts_stat` runs only if the catalogue has it: of the built-in
/// functions that run a query, it is the one that needs no library and no language.
fn query(session: &Session, ledger: &LedgerName) -> String {
    let opening = opening(session);
    let revision = ledger.revision();
    let heads = format!(
        "SELECT array_to_tsvector(ARRAY[CASE WHEN head THEN 'head ' || revision || ' ' || chain \
           ELSE 'half ' || revision END]) FROM {revision} WHERE {AT_HEADS} \
         UNION ALL \
         SELECT array_to_tsvector(ARRAY['reader ' || l.oldest_reader]) FROM {} l",
        ledger.format()
    );
    format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; {opening}; \
         SET LOCAL search_path TO pg_catalog; \
         SELECT pg_is_in_recovery(), current_setting('transaction_read_only'), entry.word, \
           version(), pg_backend_pid() \
         FROM (SELECT count(*) = 2 AND bool_and(has_schema_privilege(n.oid, 'USAGE') \
                 AND has_table_privilege(c.oid, 'SELECT')) AS readable \
               FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
               WHERE n.nspname = {schema} AND c.relname IN ('revision', 'ledger') \
                 AND c.relkind = 'r') AS ledger \
         LEFT JOIN LATERAL ts_stat(CASE WHEN ledger.readable THEN {heads} \
           ELSE 'SELECT NULL::tsvector WHERE false' END) AS entry ON true; \
         COMMIT",
        schema = literal(ledger.schema()),
        heads = literal(&heads),
    )
}
