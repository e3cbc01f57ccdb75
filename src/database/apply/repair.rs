//! What an interrupted statement left behind, and whether it still has to run.
//!
//! An interrupted `CREATE INDEX CONCURRENTLY` leaves an invalid index, which slows writes, serves
//! no query, and satisfies `IF NOT EXISTS`; PostgreSQL, "Building Indexes Concurrently".

use super::Applier;
use crate::database::quote::{identifier, literal};
use crate::database::server_error::ServerError;
use crate::revision::{Alone, Name};

/// What a statement finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Leftover {
    /// Nothing in its way (any more).
    Nothing,
    /// Its whole effect: it had run but was not recorded.
    Done,
    /// Half of its effect, which this statement completes.
    Finish(String),
}

impl Applier<'_> {
    /// Clears what an interrupted run of a statement left. `may_have_begun` says whether an
    /// earlier start may have run it.
    pub(super) async fn repair(
        &self,
        alone: &Alone,
        may_have_begun: bool,
    ) -> Result<Leftover, ServerError> {
        match alone {
            Alone::CreateIndexConcurrently { index: Some(index), table, .. } => {
                self.repair_index(index, table, may_have_begun).await
            }
            Alone::CreateIndexConcurrently { index: None, table, .. } if may_have_begun => {
                self.refuse_nameless(table).await
            }
            Alone::DropIndexConcurrently { indexes, .. } if may_have_begun => {
                self.dropped(indexes).await
            }
            Alone::ReindexConcurrently if may_have_begun => self.drop_transient_indexes().await,
            Alone::DetachPartitionConcurrently { table, partition } if may_have_begun => {
                self.detached(table, partition).await
            }
            Alone::CreateIndexConcurrently { index: None, .. }
            | Alone::DropIndexConcurrently { .. }
            | Alone::ReindexConcurrently
            | Alone::DetachPartitionConcurrently { .. }
            | Alone::Other => Ok(Leftover::Nothing),
        }
    }

    async fn repair_index(
        &self,
        index: &Name,
        table: &Name,
        may_have_begun: bool,
    ) -> Result<Leftover, ServerError> {
        let rows = self.lock.session().rows(&index_query(index, table)).await?;
        let Some(row) = rows.first() else { return Ok(Leftover::Nothing) };
        if row.get(2) == Some("t") {
            return Ok(if may_have_begun { Leftover::Done } else { Leftover::Nothing });
        }
        self.drop_invalid(row.get(0), row.get(1)).await?;
        Ok(Leftover::Nothing)
    }

    async fn drop_invalid(
        &self,
        schema: Option<&str>,
        index: Option<&str>,
    ) -> Result<(), ServerError> {
        let (schema, index) = (schema.unwrap_or_default(), index.unwrap_or_default());
        tracing::warn!(
            "Dropping the invalid index {schema}.{index} that an interrupted build left"
        );
        let drop = format!(
            "DROP INDEX CONCURRENTLY IF EXISTS {}.{}",
            identifier(schema),
            identifier(index)
        );
        self.lock.session().rows(&drop).await.map(|_| ())
    }

    async fn refuse_nameless(&self, table: &Name) -> Result<Leftover, ServerError> {
        let query = format!(
            "SELECT i.indexrelid::pg_catalog.regclass FROM pg_catalog.pg_index i \
             WHERE i.indrelid OPERATOR(pg_catalog.=) {} AND NOT i.indisvalid",
            regclass(table)
        );
        let rows = self.lock.session().rows(&query).await?;
        let indexes: Vec<_> = rows.iter().filter_map(|row| row.get(0)).collect();
        if indexes.is_empty() {
            return Ok(Leftover::Nothing);
        }
        Err(ServerError::finding(&format!(
            "an interrupted CREATE INDEX CONCURRENTLY without a name may have left the invalid \
             index {} behind: drop it with DROP INDEX CONCURRENTLY and start again",
            indexes.join(" or ")
        )))
    }

    async fn dropped(&self, indexes: &[Name]) -> Result<Leftover, ServerError> {
        for index in indexes {
            let query = format!("SELECT 1 WHERE {} IS NOT NULL", regclass(index));
            if !self.lock.session().rows(&query).await?.is_empty() {
                return Ok(Leftover::Nothing);
            }
        }
        Ok(Leftover::Done)
    }

    /// The copies that `REINDEX … CONCURRENTLY` works on; PostgreSQL, "Rebuilding Indexes
    /// Concurrently", says to drop them and start again.
    async fn drop_transient_indexes(&self) -> Result<Leftover, ServerError> {
        let query = "SELECT n.nspname, c.relname FROM pg_catalog.pg_index i \
             JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
             JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
             WHERE NOT i.indisvalid AND n.nspname OPERATOR(pg_catalog.<>) 'pg_toast' \
             AND c.relname OPERATOR(pg_catalog.~) '_cc(new|old)[0-9]*$'";
        for row in self.lock.session().rows(query).await? {
            self.drop_invalid(row.get(0), row.get(1)).await?;
        }
        Ok(Leftover::Nothing)
    }

    async fn detached(&self, table: &Name, partition: &Name) -> Result<Leftover, ServerError> {
        let query = format!(
            "SELECT h.inhdetachpending FROM pg_catalog.pg_inherits h \
             WHERE h.inhparent OPERATOR(pg_catalog.=) {} \
             AND h.inhrelid OPERATOR(pg_catalog.=) {}",
            regclass(table),
            regclass(partition)
        );
        let rows = self.lock.session().rows(&query).await?;
        Ok(match rows.first().map(|row| row.get(0) == Some("t")) {
            None => Leftover::Done,
            Some(false) => Leftover::Nothing,
            Some(true) => Leftover::Finish(format!(
                "ALTER TABLE {} DETACH PARTITION {} FINALIZE",
                qualified(table),
                qualified(partition)
            )),
        })
    }
}

/// The schema and the name of a table's index, and whether it is valid. Safe under any search path.
pub(super) fn index_query(index: &Name, table: &Name) -> String {
    format!(
        "SELECT n.nspname, c.relname, i.indisvalid AND i.indisready AND i.indislive \
         FROM pg_catalog.pg_index i \
         JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.indexrelid \
         JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
         WHERE i.indrelid OPERATOR(pg_catalog.=) {} \
         AND c.relname OPERATOR(pg_catalog.=) {} AND c.relkind OPERATOR(pg_catalog.=) 'i'",
        regclass(table),
        literal(&index.name)
    )
}

fn qualified(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", identifier(schema), identifier(&name.name)),
        None => identifier(&name.name),
    }
}

/// What the name means in this session, as the statement itself would see it; NULL if nothing.
fn regclass(name: &Name) -> String {
    format!("pg_catalog.to_regclass({})", literal(&qualified(name)))
}
