//! Which tables hold rows, as far as that can be told soon: in doubt a table does.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::connection::Session;
use super::ledger::LedgerName;
use super::quote::{identifier, literal, literal_or_null};
use super::read::{ReadError, opening};
use crate::revision::Name;

/// How long is looked, all in all; one look takes at most a second, and as long again for a lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// A look is over at the first row, but an empty table may have many pages of dead ones. What row
/// security would hide is an error.
const LIMITS: &str = "SET LOCAL statement_timeout = '1s'; SET LOCAL row_security = off";

/// Those of `tables` that exist and hold rows. A name without a schema means every table of that name,
/// since the search path may be another when the revision runs.
pub(crate) async fn occupied(
    session: &Session,
    ledger: &LedgerName,
    tables: &BTreeSet<&str>,
) -> Result<BTreeSet<String>, ReadError> {
    let begun = Instant::now();
    let mut occupied = BTreeSet::new();
    for table in tables {
        let holds_rows = match Name::parse(table) {
            Some(name) => any_holds_rows(session, ledger, &name, begun).await?,
            None => true,
        };
        if holds_rows {
            occupied.insert((*table).to_owned());
        }
    }
    Ok(occupied)
}

async fn any_holds_rows(
    session: &Session,
    ledger: &LedgerName,
    name: &Name,
    begun: Instant,
) -> Result<bool, ReadError> {
    for found in session.rows(&candidates(session, ledger, name)).await? {
        let column = |column| found.get(column).unwrap_or_default();
        // A view's or a foreign table's rows may take long, or do something.
        if column(2) != "stored" || begun.elapsed() > PATIENCE {
            return Ok(true);
        }
        if holds_rows(session, column(0), column(1)).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn candidates(session: &Session, ledger: &LedgerName, name: &Name) -> String {
    let Name { schema, name } = name;
    format!(
        "BEGIN READ ONLY; {opening}; SET LOCAL search_path TO pg_catalog; \
         SELECT n.nspname, c.relname, \
           CASE WHEN c.relkind IN ('r', 'p', 'm') THEN 'stored' ELSE '' END \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p', 'm', 'v', 'f') AND c.relname = {name} \
           AND CASE WHEN {schema}::text IS NULL \
             THEN NOT starts_with(n.nspname, 'pg_') AND n.nspname <> 'information_schema' \
               AND NOT (n.nspname = {own} AND c.relname IN ('revision', 'ledger')) \
             ELSE n.nspname = {schema}::text END \
         ORDER BY 3, 1; COMMIT",
        opening = opening(session),
        name = literal(name),
        schema = literal_or_null(schema.as_deref()),
        own = literal(ledger.schema()),
    )
}

async fn holds_rows(session: &Session, schema: &str, table: &str) -> Result<bool, ReadError> {
    let look = format!(
        "BEGIN READ ONLY; {}; {LIMITS}; SELECT EXISTS (SELECT 1 FROM {}.{}); COMMIT",
        opening(session),
        identifier(schema),
        identifier(table)
    );
    match session.rows(&look).await {
        Ok(rows) => Ok(rows.first().and_then(|row| row.get(0)) != Some("f")),
        Err(error) if error.is_connection_loss() => Err(error.into()),
        Err(error) => {
            tracing::debug!("{schema}.{table} is taken to hold rows: {error}");
            session.rows("ROLLBACK").await?;
            Ok(true)
        }
    }
}
