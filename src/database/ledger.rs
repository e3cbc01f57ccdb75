//! The SQL of the ledger: two tables in castoff's schema.
//!
//! `revision` has a row for each applied revision; `ledger` has one row that says which format
//! this is and which castoff can still read it. Nothing here is sent alone: the texts become part
//! of a step's message, after `SET LOCAL search_path TO pg_catalog`.

use super::quote::{identifier, literal, literal_or_null, text_array};
use crate::plan::{Origin, Recorded};
use crate::revision::{Chain, Revision, RevisionId};

/// The format that this castoff writes.
const FORMAT: u32 = 1;

/// The newest format that this castoff reads.
pub(super) const READS: u32 = 1;

/// The rows that a start looks at first: the heads, and what stopped half-way. It is the predicate
/// of an index, so that the look costs the same with any number of revisions.
pub(super) const AT_HEADS: &str =
    "(head OR statements_done IS NOT NULL OR statements_undone IS NOT NULL)";

/// Where the ledger is.
#[derive(Debug, Clone)]
pub(crate) struct LedgerName {
    schema: String,
}

/// What a new row says besides what the revision says itself.
pub(super) struct Entry<'a> {
    pub(super) revision: &'a Revision,
    pub(super) chain: &'a Chain,
    pub(super) recorded: Recorded,
    pub(super) origin: Origin,
    pub(super) head: bool,
    pub(super) statements_done: Option<usize>,
    /// Whether this step's SQL is what applies it, so that its duration is the step's.
    pub(super) timed: bool,
    pub(super) application: Option<&'a str>,
}

impl LedgerName {
    pub(crate) fn new(schema: &str) -> Self {
        Self { schema: schema.to_owned() }
    }

    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    /// The table of revisions, qualified and quoted.
    pub(super) fn revision(&self) -> String {
        format!("{}.revision", identifier(&self.schema))
    }

    /// The table of the format, qualified and quoted.
    pub(super) fn format(&self) -> String {
        format!("{}.ledger", identifier(&self.schema))
    }

    /// A condition that there is no ledger, safe under any search path.
    pub(super) fn is_absent(&self) -> String {
        format!(
            "NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
             ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
             WHERE n.nspname OPERATOR(pg_catalog.=) {} \
             AND c.relname OPERATOR(pg_catalog.=) 'revision')",
            literal(&self.schema)
        )
    }

    /// A condition that there are no revisions in it.
    #[cfg(feature = "author")]
    pub(super) fn is_empty(&self) -> String {
        format!("NOT EXISTS (SELECT 1 FROM {})", self.revision())
    }

    /// A condition that no revision stopped half-way.
    #[cfg(feature = "author")]
    pub(super) fn is_at_rest(&self) -> String {
        format!(
            "NOT EXISTS (SELECT 1 FROM {} r WHERE {AT_HEADS} \
             AND (r.statements_done IS NOT NULL OR r.statements_undone IS NOT NULL))",
            self.revision()
        )
    }

    /// A condition that this castoff may read it, after `SET LOCAL search_path TO pg_catalog`.
    #[cfg(feature = "author")]
    pub(super) fn is_readable(&self) -> String {
        format!("NOT EXISTS (SELECT 1 FROM {} WHERE oldest_reader > {READS})", self.format())
    }

    /// Creates what is not there yet; `IF NOT EXISTS` would hide a race that the lock excludes.
    pub(super) fn create(&self, schema_exists: bool) -> Vec<String> {
        let schema =
            (!schema_exists).then(|| format!("CREATE SCHEMA {}", identifier(&self.schema)));
        let (ledger, revision) = (self.format(), self.revision());
        let tables = [
            format!(
                "CREATE TABLE {ledger} (format integer NOT NULL, oldest_reader integer NOT NULL)"
            ),
            format!("INSERT INTO {ledger} VALUES ({FORMAT}, {FORMAT})"),
            format!(
                "CREATE TABLE {revision} (\n\
               revision text COLLATE \"C\" PRIMARY KEY,\n\
               down_revisions text[] NOT NULL,\n\
               message text NOT NULL,\n\
               checksum text NOT NULL,\n\
               chain text NOT NULL,\n\
               head boolean NOT NULL,\n\
               origin text NOT NULL CHECK (\n\
                 origin IN ('upgrade', 'baseline', 'stamp', 'adopt', 'recognise')),\n\
               breaking boolean NOT NULL,\n\
               down_sql text,\n\
               statements_done integer,\n\
               statements_undone integer,\n\
               statement_begun boolean NOT NULL DEFAULT false,\n\
               applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),\n\
               duration_ms bigint,\n\
               applied_by text NOT NULL DEFAULT session_user,\n\
               application text)"
            ),
            format!("CREATE INDEX revision_head ON {revision} (revision) WHERE {AT_HEADS}"),
            format!("COMMENT ON TABLE {revision} IS 'the revisions that castoff has applied'"),
        ];
        schema.into_iter().chain(tables).collect()
    }

    /// A multi-row insert; none without rows.
    pub(super) fn insert<'a>(
        &self,
        entries: impl IntoIterator<Item = Entry<'a>>,
    ) -> Option<String> {
        let rows: Vec<_> = entries.into_iter().map(|entry| row(&entry)).collect();
        (!rows.is_empty()).then(|| {
            format!(
                "INSERT INTO {} (revision, down_revisions, message, checksum, chain, head, origin, \
             breaking, down_sql, statements_done, duration_ms, application) VALUES\n{}",
                self.revision(),
                rows.join(",\n")
            )
        })
    }

    /// Removes rows.
    pub(super) fn delete<'a>(&self, revisions: impl IntoIterator<Item = &'a RevisionId>) -> String {
        let revisions = text_array(revisions.into_iter().map(RevisionId::as_str));
        format!("DELETE FROM {} WHERE revision = ANY ({revisions})", self.revision())
    }

    /// Makes exactly `heads` the heads.
    pub(super) fn set_heads(&self, heads: &[RevisionId]) -> [String; 2] {
        let table = self.revision();
        let heads = text_array(heads.iter().map(RevisionId::as_str));
        [
            format!("UPDATE {table} SET head = false WHERE head AND revision <> ALL ({heads})"),
            format!("UPDATE {table} SET head = true WHERE revision = ANY ({heads}) AND NOT head"),
        ]
    }

    /// Notes how many statements of a revision have run, up or down.
    pub(super) fn set_progress(
        &self,
        revision: &RevisionId,
        column: ProgressColumn,
        done: usize,
        recorded: Option<Recorded>,
    ) -> String {
        let checksum = recorded
            .map(|recorded| format!(", checksum = {}", literal(&recorded.to_string())))
            .unwrap_or_default();
        format!(
            "UPDATE {} SET {} = {done}{checksum}, statement_begun = false WHERE revision = {}",
            self.revision(),
            column.name(),
            literal(revision.as_str())
        )
    }

    /// Completes a revision that ran statement by statement; its duration is since its start.
    pub(super) fn complete(&self, revision: &RevisionId, recorded: Recorded) -> String {
        format!(
            "UPDATE {} SET statements_done = NULL, statement_begun = false, checksum = {}, \
             head = true, \
             duration_ms = {}, applied_at = clock_timestamp() WHERE revision = {}",
            self.revision(),
            literal(&recorded.to_string()),
            milliseconds_since("applied_at"),
            literal(revision.as_str())
        )
    }

    /// Notes that the server is asked to run a statement that cannot share a transaction with its
    /// record, or that it has answered. Safe under any search path.
    pub(super) fn set_begun(&self, revision: &RevisionId, begun: bool) -> String {
        format!(
            "UPDATE {} SET statement_begun = {begun} WHERE revision OPERATOR(pg_catalog.=) {}",
            self.revision(),
            literal(revision.as_str())
        )
    }

    /// Records another chain digest.
    pub(super) fn set_chain(&self, revision: &RevisionId, chain: &Chain) -> String {
        format!(
            "UPDATE {} SET chain = {} WHERE revision = {}",
            self.revision(),
            literal(&chain.to_string()),
            literal(revision.as_str())
        )
    }

    /// An expression for the heads as `text[]`, safe under any search path.
    pub(super) fn heads(&self) -> String {
        format!(
            "ARRAY(SELECT r.revision::pg_catalog.text FROM {} r WHERE r.head \
             ORDER BY r.revision USING OPERATOR(pg_catalog.<))",
            self.revision()
        )
    }
}

/// The column that counts statements.
#[derive(Debug, Clone, Copy)]
pub(super) enum ProgressColumn {
    Up,
    Down,
}

impl ProgressColumn {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Up => "statements_done",
            Self::Down => "statements_undone",
        }
    }
}

fn row(entry: &Entry<'_>) -> String {
    let revision = entry.revision;
    let down_sql = match (revision.down(), revision.up()) {
        (Some(down), _) => Some(down.text()),
        // A revision without statements, such as a merge, is taken back by nothing.
        (None, Some(up)) if up.statements().is_empty() => Some(""),
        (None, _) => None,
    };
    format!(
        "({}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {})",
        literal(revision.id().as_str()),
        text_array(revision.down_revisions().iter().map(RevisionId::as_str)),
        literal(revision.message()),
        literal(&entry.recorded.to_string()),
        literal(&entry.chain.to_string()),
        entry.head,
        literal(entry.origin.as_str()),
        revision.breaking(),
        literal_or_null(down_sql),
        entry.statements_done.map_or_else(|| "NULL".to_owned(), |done| done.to_string()),
        if entry.timed { milliseconds_since("now()") } else { "NULL".to_owned() },
        literal_or_null(entry.application),
    )
}

fn milliseconds_since(start: &str) -> String {
    format!("(extract(epoch FROM clock_timestamp() - {start}) * 1000)::bigint")
}
