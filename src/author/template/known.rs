//! What `castoff.lock` knows of the tables that a template is about.

use crate::revision::{Name, parse_name};
use crate::schema::{Identity, Kind, Line, Schema};

/// The schema after the folder's head, as far as it is known; empty if it is not.
#[derive(Debug, Default)]
pub(crate) struct Known(pub(crate) Schema);

/// What is known of a table's primary key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyFacts {
    /// Nothing, not even that there is such a table.
    Unknown,
    /// It is this column.
    Column(String),
    /// It is not one column.
    Other,
}

/// What is known of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnFacts {
    /// Its type, with a collation of its own.
    pub(super) type_name: String,
    /// Whether the server computes it from others.
    pub(super) generated: bool,
}

impl Known {
    /// A column, if it is known.
    pub(super) fn column(&self, table: &Name, column: &str) -> Option<ColumnFacts> {
        let name = format!("{}.{}", self.table(table)?, plain(column));
        let line = self.0.get(&Identity { kind: Kind::Column, name })?;
        let definition = &line.definition;
        Some(ColumnFacts {
            type_name: line.column_type().replacen(" collate ", " COLLATE ", 1),
            generated: definition.contains(" generated always as ("),
        })
    }

    /// The primary key of a table.
    pub(super) fn key(&self, table: &Name) -> KeyFacts {
        let Some(table) = self.table(table) else { return KeyFacts::Unknown };
        let is_tables = |line: &&Line| {
            line.identity.kind == Kind::Constraint && line.identity.table() == Some(table.as_str())
        };
        let mut constraints = self.0.lines().filter(is_tables);
        let columns = constraints.find_map(|line| {
            line.definition.strip_prefix("PRIMARY KEY (")?.split_once(')').map(|(inside, _)| inside)
        });
        match columns.map(parse_name) {
            Some(Ok(column)) => KeyFacts::Column(column.name),
            Some(Err(_)) | None => KeyFacts::Other,
        }
    }

    /// The table as lines name it; one without a schema is the one of `public`, or the only one.
    fn table(&self, table: &Name) -> Option<String> {
        let tables = || self.0.lines().filter(|line| line.identity.kind == Kind::Table);
        let name = plain(&table.name);
        let in_schema = |schema: &str| format!("{}.{name}", plain(schema));
        if let Some(schema) = &table.schema {
            let wanted = in_schema(schema);
            return tables().find(|line| line.identity.name == wanted).map(|_| wanted);
        }
        let suffix = format!(".{name}");
        let found: Vec<&String> = tables()
            .map(|line| &line.identity.name)
            .filter(|name| name.ends_with(&suffix))
            .collect();
        let public = in_schema("public");
        match found[..] {
            [only] => Some(only.clone()),
            _ => found.into_iter().find(|name| **name == public).cloned(),
        }
    }
}

/// A name as lines have it: in quotes unless it is a lower-case word.
fn plain(name: &str) -> String {
    let is_start = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_word = name.bytes().next().is_some_and(is_start)
        && name.bytes().all(|byte| is_start(byte) || byte.is_ascii_digit());
    if is_word { name.to_owned() } else { format!("\"{}\"", name.replace('"', "\"\"")) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::author::template) fn known(lines: &[&str]) -> Known {
        let mut schema = Schema::default();
        for line in lines {
            schema.insert(line.parse().unwrap());
        }
        Known(schema)
    }

    fn name(text: &str) -> Name {
        parse_name(text).unwrap()
    }

    #[test]
    fn a_column_has_the_type_that_the_lock_says() {
        let known = known(&[
            "table public.users",
            "table shop.\"Order\"",
            "column public.users.name character varying(255) not null default ''::text",
            "column public.users.code text collate \"C\" not null",
            "column public.users.at timestamp with time zone default now()",
            "column public.users.low text generated always as (lower(name)) stored",
            "column shop.\"Order\".\"No\" bigint not null generated always as identity",
            "constraint public.users.users_pkey PRIMARY KEY (code)",
            "constraint shop.\"Order\".x PRIMARY KEY (\"No\", b)",
        ]);
        for (table, column, expected) in [
            ("users", "name", Some("character varying(255)")),
            ("public.users", "code", Some("text COLLATE \"C\"")),
            ("users", "at", Some("timestamp with time zone")),
            ("\"Order\"", "No", Some("bigint")),
            ("shop.\"Order\"", "No", Some("bigint")),
            ("public.\"Order\"", "No", None),
            ("users", "nothing", None),
        ] {
            let facts = known.column(&name(table), column);
            assert_eq!(facts.map(|facts| facts.type_name).as_deref(), expected, "{table}.{column}");
        }
        assert!(known.column(&name("users"), "low").unwrap().generated);
        assert!(!known.column(&name("shop.\"Order\""), "No").unwrap().generated);
        assert_eq!(known.key(&name("users")), KeyFacts::Column("code".to_owned()));
        assert_eq!(known.key(&name("\"Order\"")), KeyFacts::Other);
        assert_eq!(known.key(&name("other")), KeyFacts::Unknown);
    }
}
