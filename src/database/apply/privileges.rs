//! What the role may not do, found out before anything runs.

use std::fmt;

use tokio_postgres::SimpleQueryRow;

use super::{Applier, ApplyError};
use crate::database::quote::{identifier, literal};
use crate::database::read::{LedgerTables, opening};
use crate::plan::{Action, Plan};
use crate::revision::{Script, StatementKind};

/// A privilege that is needed and missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lack {
    /// What the role cannot do.
    pub what: String,
    /// What would let it.
    pub grant: String,
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Applier<'_> {
    /// Fails if the plan would stumble over a privilege that the catalogue shows to be missing.
    pub(super) async fn may_run(&self, plan: &Plan) -> Result<(), ApplyError> {
        if plan.is_empty() {
            return Ok(());
        }
        let session = self.lock.session();
        let query = format!("BEGIN; {}; {}; COMMIT", opening(session), self.privileges());
        let rows = session.rows(&query).await.map_err(ApplyError::Lost)?;
        let lacks = rows.first().map(|row| self.lacks(plan, row)).unwrap_or_default();
        if lacks.is_empty() { Ok(()) } else { Err(ApplyError::NotAllowed { lacks }) }
    }

    fn privileges(&self) -> String {
        let schema = literal(self.wording.ledger.schema());
        format!(
            "SELECT current_user, pg_catalog.current_database(), pg_catalog.current_schema(), \
             pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE'), \
             pg_catalog.has_schema_privilege(pg_catalog.current_schema()::pg_catalog.text, \
               'CREATE'), \
             (SELECT pg_catalog.has_schema_privilege(n.oid, 'CREATE') \
               FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) {schema}), \
             (SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, 'INSERT') \
                 AND pg_catalog.has_table_privilege(c.oid, 'UPDATE') \
                 AND pg_catalog.has_table_privilege(c.oid, 'DELETE')) \
               FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n \
               ON n.oid OPERATOR(pg_catalog.=) c.relnamespace \
               WHERE n.nspname OPERATOR(pg_catalog.=) {schema} \
               AND c.relname OPERATOR(pg_catalog.=) 'revision')"
        )
    }

    fn lacks(&self, plan: &Plan, row: &SimpleQueryRow) -> Vec<Lack> {
        let name = |column| identifier(row.get(column).unwrap_or_default());
        let (role, database, current) = (name(0), name(1), name(2));
        let missing = |column: usize| row.get(column) == Some("f");
        let ledger = identifier(self.wording.ledger.schema());
        let mut lacks = Vec::new();
        let mut lack = |is_missing: bool, what: String, privilege: String| {
            if is_missing {
                lacks.push(Lack {
                    what: format!("role {role} may not {what}"),
                    grant: format!("GRANT {privilege} TO {role}"),
                });
            }
        };
        match self.reached().tables {
            LedgerTables::Absent { schema_exists: false } => lack(
                missing(3),
                format!("create the ledger's schema {ledger} in database {database}"),
                format!("CREATE ON DATABASE {database}"),
            ),
            LedgerTables::Absent { schema_exists: true } => lack(
                missing(5),
                format!("create the ledger in schema {ledger}"),
                format!("CREATE ON SCHEMA {ledger}"),
            ),
            LedgerTables::Present => lack(
                missing(6),
                format!("write to {}", self.wording.ledger.revision()),
                format!("INSERT, UPDATE, DELETE ON {}", self.wording.ledger.revision()),
            ),
        }
        let first = plan.steps().iter().find_map(|step| self.script_of(step.action()));
        lack(
            missing(4) && first.is_some_and(creates_in_the_search_path),
            format!("create anything in schema {current}, as the first file wants to"),
            format!("CREATE ON SCHEMA {current}"),
        );
        lacks
    }

    fn script_of(&self, action: &Action) -> Option<&Script> {
        let revision = |id| self.wording.graph.get(id);
        match action {
            Action::Baseline { revision: id, .. } => revision(id)?.baseline(),
            Action::Upgrade { revision: id, .. } => revision(id)?.up(),
            Action::Downgrade { .. }
            | Action::Record { .. }
            | Action::Stamp { .. }
            | Action::Rechain { .. } => None,
        }
    }
}

/// Whether a file surely creates something in the first schema of the search path that the session
/// begins with: before it says anything that could change that schema, or who may what there.
fn creates_in_the_search_path(script: &Script) -> bool {
    const CHANGES: [&str; 8] =
        ["search_path", "set_config", "grant", "role", "authorization", "schema", "do", "call"];
    script
        .statements()
        .iter()
        .take_while(|statement| {
            let text = script.text()[statement.range()].to_ascii_lowercase();
            let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            !words.any(|word| CHANGES.contains(&word))
        })
        .any(|statement| *statement.kind() == StatementKind::CreateInPath)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_surely_is_created_in_the_search_path_counts() {
        for (text, creates) in [
            ("CREATE TABLE a ()", true),
            ("create unlogged table if not exists a ()", true),
            ("SELECT 1; CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS ''", true),
            ("CREATE TYPE \"T\" AS ENUM ()", true),
            ("CREATE MATERIALIZED VIEW v AS SELECT 1", true),
            ("CREATE TEMP TABLE a ()", false),
            ("CREATE TABLE shop.a ()", false),
            ("CREATE INDEX i ON shop.a (id)", false),
            ("SET search_path TO shop; CREATE TABLE a ()", false),
            ("SELECT pg_catalog.set_config('search_path', 'x', true); CREATE TABLE a ()", false),
            ("SET ROLE owner; CREATE TABLE a ()", false),
            ("CREATE SCHEMA AUTHORIZATION shop; CREATE TABLE a ()", false),
            ("DO $$ BEGIN END $$; CREATE TABLE a ()", false),
            ("", false),
        ] {
            let script = Script::parse("1_x.up.sql", text.as_bytes()).unwrap();
            assert_eq!(creates_in_the_search_path(&script), creates, "{text}");
        }
    }
}
