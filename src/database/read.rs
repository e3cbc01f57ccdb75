//! Reading what a database says of itself, in one snapshot and without any privilege to write.
//!
//! The catalogue is asked rather than `to_regclass`, which answers NULL for a table in a schema
//! that the role may not use: "cannot see" must not read as "is not there".

use std::fmt;

use tokio_postgres::SimpleQueryRow;

use super::connection::Session;
use super::ledger::{LedgerName, READS};
use super::quote::{identifier, literal};
use super::server_error::ServerError;
use crate::plan::{AlembicVersion, Applied, DatabaseState, Ledger, Progress, UserObjects};
use crate::revision::RevisionId;

/// Schemas that managed services and extensions make in databases that are otherwise empty.
pub(super) const PROVIDER_SCHEMAS: &str = "'information_schema', 'cron', 'google_vacuum_mgmt', 'google_ml', 'rdsadmin', 'aws_commons', \
     'aws_lambda', 'aws_s3', 'azure_sys', 'pgbouncer', 'partman', 'neon', 'neon_migration', \
     'crunchy_monitoring'";

/// Roles of managed services; what they own is not the user's.
pub(super) const PROVIDER_ROLES: &str = "'rdsadmin', 'cloudsqladmin', 'cloudsqlagent', 'alloydbadmin', 'azuresu', 'azure_superuser', \
     'supabase_admin', 'supabase_auth_admin', 'supabase_storage_admin', 'cloud_admin', \
     'neon_superuser', 'doadmin_internal', 'crunchy_superuser'";

/// A session that waits for a lock does not notice that its client has gone; so no reading waits
/// for long, and what it reads is locked for longer only while somebody works on the ledger. And
/// a start that is frozen in the middle must not hold its snapshot: an index that is built
/// concurrently would wait for it.
const LIMITS: &str = "SET LOCAL lock_timeout = '1s'; SET LOCAL idle_in_transaction_session_timeout = '10s'; \
     SET LOCAL statement_timeout = 0";

/// Who we are and what names mean, whatever another client of a pool has left in its place.
const OURSELVES: &str = "SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL role TO DEFAULT; \
     SET LOCAL search_path TO DEFAULT";

/// What a transaction that reads begins with: our limits in place of the role's, and the role.
pub(super) fn opening(session: &Session) -> String {
    let mut statements = vec![LIMITS.to_owned(), OURSELVES.to_owned()];
    if session.major_version() >= 17 {
        statements.push("SET LOCAL transaction_timeout = 0".to_owned());
    }
    statements.extend(session.role().map(|role| format!("SET LOCAL ROLE {}", identifier(role))));
    statements.join("; ")
}

/// The state, and what the ledger's tables are like.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) state: DatabaseState,
    pub(crate) tables: LedgerTables,
}

/// Whether there is something to write the ledger to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LedgerTables {
    /// Neither table is there.
    Absent {
        /// Whether the schema is.
        schema_exists: bool,
    },
    /// Both are.
    Present,
}

/// Why the state cannot be read.
#[derive(Debug)]
pub enum ReadError {
    /// The server refused or went away.
    Server(ServerError),
    /// The server said nothing for so long.
    NoAnswer(std::time::Duration),
    /// The role may not read a table that castoff needs.
    NoAccess {
        /// The schema.
        schema: String,
        /// The tables in it.
        tables: Vec<String>,
    },
    /// The ledger says that only a newer castoff may use it.
    NewerLedger {
        /// The ledger's format.
        format: u32,
        /// The oldest castoff format that may read it.
        oldest_reader: u32,
    },
    /// The schema holds a table by the name of one of the ledger's, but it is not the ledger's.
    NotALedger {
        /// That table.
        table: String,
    },
    /// A row of the ledger makes no sense.
    Corrupt {
        /// The revision, as far as it can be read.
        revision: String,
        /// The column.
        column: &'static str,
    },
    /// The schema is being changed, and so cannot be read.
    Changing,
    /// A pooler in between has no transactions of more than one statement.
    StatementPooling,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(_) => f.write_str("failed to read the state of the database"),
            Self::NoAnswer(limit) => write!(f, "the server said nothing for {limit:?}"),
            Self::NoAccess { schema, tables } => write!(
                f,
                "the role may not read {}, so nothing can be said of its version",
                tables
                    .iter()
                    .map(|table| format!("{schema}.{table}"))
                    .collect::<Vec<_>>()
                    .join(" and ")
            ),
            Self::NewerLedger { format, oldest_reader } => write!(
                f,
                "the ledger has format {format}, which only a castoff that reads format \
                 {oldest_reader} may use, and this one reads format {READS}"
            ),
            Self::NotALedger { table } => {
                write!(f, "table {table} has the name of the ledger's but is not castoff's")
            }
            Self::Corrupt { revision, column } => {
                write!(f, "the ledger's row of revision {revision:?} has no valid {column}")
            }
            Self::Changing => f.write_str("the schema was changed while it was read"),
            Self::StatementPooling => f.write_str(
                "a pooler in statement mode is in between, which allows no transactions: nothing \
                 can be migrated through it",
            ),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        if let Self::Server(error) = self { Some(error) } else { None }
    }
}

impl From<ServerError> for ReadError {
    fn from(error: ServerError) -> Self {
        // PgBouncer's words, when a client begins a transaction.
        if error.is("08P01") && error.message.contains("statement pooling") {
            Self::StatementPooling
        } else {
            Self::Server(error)
        }
    }
}

impl ReadError {
    /// Whether another try may succeed: the connection was lost, or a table is locked.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Server(error) => error.is_connection_loss() || error.is("55P03"),
            Self::NoAnswer(_) | Self::Changing => true,
            Self::NoAccess { .. }
            | Self::NewerLedger { .. }
            | Self::NotALedger { .. }
            | Self::Corrupt { .. }
            | Self::StatementPooling => false,
        }
    }

    /// Whether there is no connection any more.
    pub(crate) fn is_connection_loss(&self) -> bool {
        matches!(self, Self::Server(error) if error.is_connection_loss())
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoAccess { schema, tables } => Some(format!(
                "as the owner: GRANT USAGE ON SCHEMA {0} TO the role; GRANT SELECT ON {1} TO the \
                 role",
                identifier(schema),
                tables
                    .iter()
                    .map(|table| format!("{}.{}", identifier(schema), identifier(table)))
                    .collect::<Vec<_>>()
                    .join(", ")
            )),
            Self::NewerLedger { .. } => Some("deploy an image with a newer castoff".to_owned()),
            Self::NotALedger { .. } => {
                Some("give castoff a schema of its own with CASTOFF_SCHEMA".to_owned())
            }
            Self::StatementPooling => Some(
                "give CASTOFF_DATABASE_URL the address of the server itself; the application may \
                 stay with the pool"
                    .to_owned(),
            ),
            Self::Server(_) | Self::NoAnswer(_) | Self::Corrupt { .. } | Self::Changing => None,
        }
    }
}

/// Reads the state in one snapshot.
pub(crate) async fn read_state(
    session: &Session,
    ledger: &LedgerName,
) -> Result<Reading, ReadError> {
    let reading = snapshot(session, ledger).await;
    match session.rows("COMMIT").await {
        Ok(_) => reading,
        Err(error) => reading.and(Err(error.into())),
    }
}

async fn snapshot(session: &Session, ledger: &LedgerName) -> Result<Reading, ReadError> {
    let facts = session.rows(&facts_query(session, ledger)).await?;
    let facts = Facts::of(&facts, ledger)?;
    let mut state = DatabaseState::default();
    if facts.tables == LedgerTables::Present {
        state.ledger = Ledger::new(ledger_rows(session, ledger).await?);
    }
    if state.ledger.is_none() {
        // An empty ledger is what a downgrade to base leaves behind: what Alembic's table says is
        // older, and was taken back with the rest.
        if let LedgerTables::Absent { .. } = facts.tables {
            state.alembic = alembic_tables(session, &facts).await?;
        }
        state.user_objects = user_objects(session, ledger).await?;
    }
    Ok(Reading { state, tables: facts.tables })
}

struct Facts {
    tables: LedgerTables,
    search_path: Vec<String>,
    /// Each schema that has Alembic's table, and whether the role may read it.
    alembic: Vec<(String, bool)>,
}

/// The number of the ledger's columns that a stranger's table would not have.
const OUR_COLUMNS: &str = "'chain', 'oldest_reader', 'statements_undone'";

fn facts_query(session: &Session, ledger: &LedgerName) -> String {
    let schema = literal(ledger.schema());
    let opening = opening(session);
    format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {opening}; \
         SELECT 'path', pg_catalog.array_to_json(pg_catalog.current_schemas(false)), '', ''; \
         SET LOCAL search_path TO pg_catalog; \
         SELECT 'schema', nspname, '', '' FROM pg_namespace WHERE nspname = {schema} \
         UNION ALL \
         SELECT CASE WHEN c.relname = 'alembic_version' THEN 'alembic' ELSE 'ledger' END, \
           CASE WHEN c.relname = 'alembic_version' THEN n.nspname ELSE c.relname END, \
           CASE WHEN has_schema_privilege(n.oid, 'USAGE') \
             AND has_table_privilege(c.oid, 'SELECT') THEN 'readable' ELSE '' END, \
           CASE WHEN EXISTS (SELECT 1 FROM pg_attribute a WHERE a.attrelid = c.oid \
             AND a.attname IN ({OUR_COLUMNS})) THEN 'ours' ELSE '' END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'v') AND (c.relname = 'alembic_version' \
           OR n.nspname = {schema} AND c.relname IN ('revision', 'ledger'))"
    )
}

impl Facts {
    fn of(rows: &[SimpleQueryRow], ledger: &LedgerName) -> Result<Self, ReadError> {
        let mut schema_exists = false;
        let mut search_path = Vec::new();
        let mut alembic = Vec::new();
        let mut ledger_tables = Vec::new();
        let mut closed = Vec::new();
        for row in rows {
            let text = |column| row.get(column).unwrap_or_default().to_owned();
            let readable = row.get(2) == Some("readable");
            match row.get(0) {
                Some("path") => {
                    search_path = serde_json::from_str(&text(1)).unwrap_or_default();
                }
                Some("schema") => schema_exists = true,
                Some("alembic") => alembic.push((text(1), readable)),
                Some("ledger") => {
                    let table = text(1);
                    if row.get(3) != Some("ours") {
                        let table = format!("{}.{table}", ledger.schema());
                        return Err(ReadError::NotALedger { table });
                    }
                    if !readable {
                        closed.push(table.clone());
                    }
                    ledger_tables.push(table);
                }
                _ => {}
            }
        }
        if !closed.is_empty() {
            let schema = ledger.schema().to_owned();
            return Err(ReadError::NoAccess { schema, tables: closed });
        }
        let tables = match &ledger_tables[..] {
            [] => LedgerTables::Absent { schema_exists },
            [only] => {
                let table = format!("{}.{only}", ledger.schema());
                return Err(ReadError::NotALedger { table });
            }
            _ => LedgerTables::Present,
        };
        Ok(Self { tables, search_path, alembic })
    }
}

async fn ledger_rows(session: &Session, ledger: &LedgerName) -> Result<Vec<Applied>, ReadError> {
    let rows = session
        .rows(&format!(
            "SELECT format, oldest_reader FROM {}; \
             SELECT revision, array_to_json(down_revisions), message, checksum, chain, head, \
             origin, breaking, down_sql IS NOT NULL, statements_done, statements_undone FROM {}",
            ledger.format(),
            ledger.revision()
        ))
        .await?;
    let (formats, rows): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.len() == 2);
    for row in &formats {
        let number = |column: usize| row.get(column).and_then(|text| text.parse().ok());
        let (format, oldest_reader) = (number(0).unwrap_or(0), number(1).unwrap_or(u32::MAX));
        if oldest_reader > READS {
            return Err(ReadError::NewerLedger { format, oldest_reader });
        }
    }
    rows.iter().map(applied).collect()
}

fn applied(row: &SimpleQueryRow) -> Result<Applied, ReadError> {
    let text = |column: usize| row.get(column).unwrap_or_default();
    let corrupt = |column| ReadError::Corrupt { revision: text(0).to_owned(), column };
    let down_revisions: Vec<String> =
        serde_json::from_str(text(1)).map_err(|_| corrupt("down_revisions"))?;
    let statements = |column: usize, name| {
        row.get(column).map(|done| done.parse::<usize>().map_err(|_| corrupt(name))).transpose()
    };
    let progress = match (statements(9, "statements_done")?, statements(10, "statements_undone")?) {
        (_, Some(undone)) => Progress::Downgrading(undone),
        (Some(done), None) => Progress::Upgrading(done),
        (None, None) => Progress::Complete,
    };
    Ok(Applied {
        revision: RevisionId::new(text(0)).map_err(|_| corrupt("revision"))?,
        down_revisions: down_revisions
            .iter()
            .map(|id| RevisionId::new(id))
            .collect::<Result<_, _>>()
            .map_err(|_| corrupt("down_revisions"))?,
        message: text(2).to_owned(),
        recorded: text(3).parse().map_err(|()| corrupt("checksum"))?,
        chain: text(4).parse().map_err(|_| corrupt("chain"))?,
        head: text(5) == "t",
        origin: text(6).parse().map_err(|()| corrupt("origin"))?,
        breaking: text(7) == "t",
        has_down_sql: text(8) == "t",
        progress,
    })
}

async fn alembic_tables(
    session: &Session,
    facts: &Facts,
) -> Result<Vec<AlembicVersion>, ReadError> {
    let mut tables = Vec::new();
    // The first schema of the search path that has the table is what its bare name means.
    let visible =
        facts.search_path.iter().find(|path| facts.alembic.iter().any(|(it, _)| it == *path));
    for (schema, readable) in &facts.alembic {
        let query =
            format!("SELECT version_num FROM {}.alembic_version ORDER BY 1", identifier(schema));
        let versions = if *readable {
            let rows = session.rows(&query).await?;
            Some(rows.iter().map(|row| row.get(0).unwrap_or_default().to_owned()).collect())
        } else {
            None
        };
        let visible = visible == Some(schema);
        tables.push(AlembicVersion { schema: schema.clone(), versions, visible });
    }
    Ok(tables)
}

async fn user_objects(session: &Session, ledger: &LedgerName) -> Result<UserObjects, ReadError> {
    let rows = session.rows(&user_objects_query(ledger)).await?;
    Ok(UserObjects {
        count: rows.first().and_then(|row| row.get(0)?.parse().ok()).unwrap_or(0),
        examples: rows.iter().filter_map(|row| row.get(1)).map(str::to_owned).collect(),
    })
}

/// A query for objects of the user's, after `SET LOCAL search_path TO pg_catalog`.
pub(super) fn user_objects_query(ledger: &LedgerName) -> String {
    format!(
        "SELECT count(*) OVER (), object.name FROM ( \
               SELECT 1 AS rank, 'pg_class'::regclass AS class, c.oid, c.relnamespace AS schema, \
                 c.relowner AS owner, CASE c.relkind WHEN 'v' THEN 'view' \
                   WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' \
                   WHEN 'S' THEN 'sequence' ELSE 'table' END AS kind, c.relname AS name \
               FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') \
                 OR c.relkind = 'S' AND NOT EXISTS (SELECT 1 FROM pg_depend d \
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid \
                     AND d.deptype IN ('a', 'i')) \
               UNION ALL \
               SELECT 2, 'pg_type'::regclass, t.oid, t.typnamespace, t.typowner, 'type', t.typname \
               FROM pg_type t WHERE t.typtype IN ('e', 'd', 'r') OR t.typtype = 'c' AND EXISTS ( \
                 SELECT 1 FROM pg_class c WHERE c.oid = t.typrelid AND c.relkind = 'c') \
               UNION ALL \
               SELECT 3, 'pg_proc'::regclass, p.oid, p.pronamespace, p.proowner, 'function', \
                 p.proname FROM pg_proc p \
             ) AS found (rank, class, oid, schema, owner, kind, relname) \
             JOIN pg_namespace n ON n.oid = found.schema \
             CROSS JOIN LATERAL (SELECT found.kind || ' ' || n.nspname || '.' || found.relname) \
               AS object (name) \
             WHERE NOT starts_with(n.nspname, 'pg_') AND n.nspname NOT IN ({PROVIDER_SCHEMAS}) \
               AND NOT (n.nspname = {schema} AND found.relname IN ('revision', 'ledger')) \
               AND found.relname <> 'alembic_version' \
               AND pg_get_userbyid(found.owner) NOT IN ({PROVIDER_ROLES}) \
               AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.classid = found.class \
                 AND d.objid = found.oid AND d.deptype = 'e') \
             ORDER BY found.rank, n.nspname, found.relname LIMIT 5",
        schema = literal(ledger.schema())
    )
}
