//! Reading the schema of a database: the catalogue as lines.
//!
//! One statement composes every line in the server, so that reading costs one round trip whatever
//! there is. It asks `pg_catalog` alone and for nothing that an unprivileged role may not see.
//!
//! # What is not in the lines
//! - What has no effect on an application: the order of a table's columns, tablespaces, the names of
//!   NOT NULL constraints, whether an owned sequence is logged.
//! - What is another's: objects and versions of extensions, and what belongs to a provider, castoff
//!   or Alembic.
//! - What comes and goes with something that has a line, such as an identity column's sequence.
//! - What the server keeps for a database or a role: `ALTER DATABASE` and `ALTER ROLE … SET`, the
//!   contents of roles; and what only a superuser sees: subscriptions, the options of user mappings.
//! - Security labels, large objects and the versions of collations; what joins an operator family of
//!   PostgreSQL's or an extension's without a class of the user's; and which of the triggers that a
//!   constraint has on a table are switched, if not all of them.
//!
//! # Invariants
//! - The same SQL gives the same lines on every major, except the bodies. Where majors differ, the
//!   query or [`canonical()`] says so.
//! - What is read is sent as the server wrote it under [`SETTINGS`], whatever the session's are.

mod canonical;

use std::collections::BTreeMap;

use tokio_postgres::SimpleQueryRow;

use self::canonical::{canonical, canonical_query};
use super::connection::Session;
use super::ledger::LedgerName;
use super::quote::literal;
use super::read::{PROVIDER_ROLES, PROVIDER_SCHEMAS, ReadError, opening};
use super::server_error::ServerError;
use crate::schema::{Identity, Kind, Line, Optional, Schema};

/// What the server's texts depend on. With every identifier quoted they do not depend on the
/// server's list of reserved words, which grows; with `pg_catalog` alone in the search path all
/// that is the user's is qualified. A plan for tables without statistics is no work for the
/// just-in-time compiler, which takes longer than the query.
const SETTINGS: &str = "SET LOCAL search_path TO pg_catalog, pg_temp; \
     SET LOCAL quote_all_identifiers TO on; \
     SET LOCAL standard_conforming_strings TO on; \
     SET LOCAL datestyle TO 'ISO, MDY'; \
     SET LOCAL intervalstyle TO postgres; \
     SET LOCAL timezone TO 'UTC'; \
     SET LOCAL extra_float_digits TO 1; \
     SET LOCAL bytea_output TO hex; \
     SET LOCAL lc_monetary TO 'C'; \
     SET LOCAL jit TO off; \
     SET LOCAL max_parallel_workers_per_gather TO 0";

/// The queries on which all others build.
const BASIS: &str = include_str!("catalogue/basis.sql");

/// What gives the lines. Each has these columns: the kind; the object's class, number and part, as
/// `pg_description` tells them; the name and the definition, in the server's words; and what
/// follows the definition in the user's.
const QUERIES: [&str; 17] = [
    include_str!("catalogue/schemas.sql"),
    include_str!("catalogue/extensions.sql"),
    include_str!("catalogue/objects.sql"),
    include_str!("catalogue/types.sql"),
    include_str!("catalogue/sequences.sql"),
    include_str!("catalogue/relations.sql"),
    include_str!("catalogue/columns.sql"),
    include_str!("catalogue/constraints.sql"),
    include_str!("catalogue/indexes.sql"),
    include_str!("catalogue/statistics.sql"),
    include_str!("catalogue/routines.sql"),
    include_str!("catalogue/aggregates.sql"),
    include_str!("catalogue/triggers.sql"),
    include_str!("catalogue/rules.sql"),
    include_str!("catalogue/policies.sql"),
    include_str!("catalogue/bodies.sql"),
    include_str!("catalogue/event_triggers.sql"),
];

/// What 14 knows of publications is less.
const PUBLICATIONS: &str = include_str!("catalogue/publications.sql");
const PUBLICATIONS_14: &str = include_str!("catalogue/publications_14.sql");

/// What gives the optional lines, with the same columns; their names are those of the lines of the
/// same class, number and part, but for the default privileges, which are of no object.
const COMMENTS: &str = include_str!("catalogue/comments.sql");
const OWNERS: &str = include_str!("catalogue/owners.sql");
const GRANTS: &str = include_str!("catalogue/grants.sql");
const DEFAULT_GRANTS: &str = include_str!("catalogue/default_grants.sql");

/// What encloses the reading.
struct Frame {
    begin: &'static str,
    end: &'static str,
    undo: &'static str,
}

/// A transaction of its own.
const ALONE: Frame = Frame {
    begin: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
    end: "COMMIT",
    undo: "ROLLBACK",
};

/// A part of a transaction, which is left as it was: its settings and its locks too.
const WITHIN: Frame = Frame {
    begin: "SAVEPOINT castoff_catalogue",
    end: "ROLLBACK TO SAVEPOINT castoff_catalogue; RELEASE SAVEPOINT castoff_catalogue",
    undo: "ROLLBACK TO SAVEPOINT castoff_catalogue; RELEASE SAVEPOINT castoff_catalogue",
};

/// Reads the schema, in a transaction of its own.
pub(crate) async fn read_schema(
    session: &Session,
    ledger: &LedgerName,
    optional: Optional,
) -> Result<Schema, ReadError> {
    read(session, ledger, optional, &ALONE).await
}

/// Reads the schema as the session's open transaction sees it.
pub(crate) async fn read_schema_within(
    session: &Session,
    ledger: &LedgerName,
    optional: Optional,
) -> Result<Schema, ReadError> {
    read(session, ledger, optional, &WITHIN).await
}

/// How often a catalogue is read that changes meanwhile.
const TRIES: u32 = 5;

/// `pg_get_indexdef` and the like look at the catalogue as it is now, whatever the transaction's
/// snapshot: of what was dropped since, they know nothing, or fail. So there are several tries.
async fn read(
    session: &Session,
    ledger: &LedgerName,
    optional: Optional,
    frame: &Frame,
) -> Result<Schema, ReadError> {
    let major = session.major_version();
    let query = format!(
        "{}; {}; {SETTINGS}; {}; {}",
        frame.begin,
        opening(session),
        query(ledger, major, optional),
        frame.end
    );
    for _ in 0..TRIES {
        match session.rows(&query).await {
            Ok(rows) => {
                if let Some(schema) = lines(&rows, u16::try_from(major).unwrap_or_default()) {
                    return Ok(schema);
                }
            }
            Err(error) => {
                if !error.is_connection_loss() {
                    session.rows(frame.undo).await?;
                }
                if !is_of_a_change(&error) {
                    return Err(error.into());
                }
            }
        }
    }
    Err(ReadError::Changing)
}

/// Whether an error may come from an object that is gone by now: an internal one, or an undefined
/// object, table, column or function.
fn is_of_a_change(error: &ServerError) -> bool {
    ["XX000", "42704", "42P01", "42703", "42883"].into_iter().any(|sqlstate| error.is(sqlstate))
}

fn query(ledger: &LedgerName, major: u32, optional: Optional) -> String {
    let publications = if major < 15 { PUBLICATIONS_14 } else { PUBLICATIONS };
    let queries = [&QUERIES[..], &[publications]].concat();
    let mut text = format!("{BASIS}\n{}", queries.join("\nUNION ALL\n"));
    let more = [
        (optional.comments, COMMENTS),
        (optional.owners, OWNERS),
        (optional.grants, GRANTS),
        (optional.grants, DEFAULT_GRANTS),
    ];
    for (_, query) in more.into_iter().filter(|(wanted, _)| *wanted) {
        text.push_str(";\n");
        text.push_str(query);
    }
    text.replace("{provider_schemas}", PROVIDER_SCHEMAS)
        .replace("{provider_roles}", PROVIDER_ROLES)
        .replace("{ledger}", &literal(ledger.schema()))
}

/// The lines, or nothing if the server could not say one of them.
fn lines(rows: &[SimpleQueryRow], major: u16) -> Option<Schema> {
    let mut schema = Schema::default();
    let mut names = BTreeMap::new();
    for row in rows {
        let (kind, definition, verbatim) = (row.get(0)?, row.get(5)?, row.get(6)?);
        let object = (row.get(1)?, row.get(2)?, row.get(3)?);
        let name = canonical(row.get(4)?);
        let kind = kind.parse();
        let definition = match kind {
            Ok(Kind::Body) => canonical_query(definition),
            // A file's line ends are no part of its checksum either.
            _ => canonical(definition.trim_start()) + &verbatim.replace("\r\n", "\n"),
        };
        let line = match kind {
            Ok(Kind::Body) => Line::body(name, definition, major),
            Ok(kind @ (Kind::Comment | Kind::Owner | Kind::Grant)) => {
                let Some(Identity { kind: of, name: object }) = names.get(&object) else {
                    continue;
                };
                let separator = if name.is_empty() { "" } else { " " };
                Line::new(kind, format!("{of} {object}{separator}{name}"), definition)
            }
            Ok(kind) => {
                let line = Line::new(kind, name, definition);
                names.insert(object, line.identity.clone());
                line
            }
            // The schema `public`, which has no line of its own.
            Err(()) => {
                names.insert(object, Identity { kind: Kind::Schema, name });
                continue;
            }
        };
        schema.insert(line);
    }
    Some(schema)
}
