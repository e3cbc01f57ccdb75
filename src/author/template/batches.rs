//! Changing the rows of a table a few at a time, so that nobody waits long for one of them.

use crate::author::create::Text;
use crate::author::template::given::{Column, Given, Table};
use crate::author::template::identifier::{beside, dollar_quoted, object_name};
use crate::author::template::known::KeyFacts;
use crate::author::template::{Known, TemplateError};

/// How many rows at a time, if nothing else is said.
const SIZE: u32 = 1000;

/// The most: the rows of a batch stay locked until it is done, and who wants one of them waits.
const MOST: u32 = 10_000;

/// How often one row is waited for, which takes no longer than `lock_timeout` each time.
const TRIES: u32 = 20;

/// Which rows of a table are changed, and by how many at a time.
#[derive(Debug)]
pub(super) struct Batches {
    table: Table,
    key: Column,
    size: u32,
}

impl Batches {
    /// By `--key` and `--batch-size`; without the one, by the primary key that is known, or `id`.
    pub(super) fn new(given: &Given<'_>, known: &Known) -> Result<Self, TemplateError> {
        let table = given.table()?;
        let key = match (given.optional_column("key")?, known.key(&table.0)) {
            (Some(key), _) => key,
            (None, KeyFacts::Column(key)) => Column(key),
            (None, KeyFacts::Unknown) => Column("id".to_owned()),
            (None, KeyFacts::Other) => {
                let problem = "is needed: the table has no primary key of one column, and the rows \
                               are changed in the order of a unique one";
                return Err(given.misfit("key", problem));
            }
        };
        let size = given.count("batch-size", MOST)?.unwrap_or(SIZE);
        Ok(Self { table, key, size })
    }

    /// The same where a column has another name.
    pub(super) fn renamed(&self, from: &Column, to: &Column) -> Self {
        let key = if self.key == *from { to } else { &self.key };
        Self { table: self.table.clone(), key: key.clone(), size: self.size }
    }

    /// A file that sets `assignments` in the rows of which `condition` holds.
    pub(super) fn text(&self, assignments: &str, condition: Option<&str>) -> Text {
        let prose = "Each batch is committed, with the last key that is done: a start that is \
                     interrupted\ngoes on there, and no row is changed twice. A batch with a row that \
                     somebody else has locked\nis tried again with half of its rows, so that nobody \
                     waits for rows that wait for others.";
        Text {
            keys: vec!["Transaction: none".to_owned()],
            prose: prose.lines().map(str::to_owned).collect(),
            sql: self.statements(assignments, condition),
        }
    }

    pub(super) fn statements(&self, assignments: &str, condition: Option<&str>) -> String {
        let Self { table, key, size } = self;
        let progress = beside(&table.0, &object_name(&table.0.name, "castoff", "progress"));
        let message = format!("rows of {table} have no {key}, and would be passed over");
        let message = message.replace('\'', "''");
        let condition =
            condition.map_or_else(String::new, |it| format!("\n               AND ({it})"));
        let body = format!(
            "#variable_conflict use_column
DECLARE
    castoff_first {table}.{key}%TYPE;
    castoff_last {table}.{key}%TYPE;
    castoff_size int := {size};
    castoff_tries int := 0;
BEGIN
    IF EXISTS (SELECT FROM {table} WHERE {key} IS NULL{condition}) THEN
        RAISE not_null_violation USING MESSAGE = '{message}',
            HINT = 'take a --key that has no nulls';
    END IF;
    SELECT done INTO castoff_last FROM {progress};
    IF castoff_last IS NULL THEN
        SELECT {key} INTO castoff_first FROM {table} ORDER BY {key} LIMIT 1;
    ELSE
        SELECT {key} INTO castoff_first FROM {table}
         WHERE {key} > castoff_last ORDER BY {key} LIMIT 1;
    END IF;
    WHILE castoff_first IS NOT NULL LOOP
        SELECT {key} INTO castoff_last
          FROM (SELECT {key} FROM {table}
                 WHERE {key} >= castoff_first ORDER BY {key} LIMIT castoff_size) AS batch
         ORDER BY {key} DESC LIMIT 1;
        BEGIN
            IF castoff_size > 1 THEN
                PERFORM 1 FROM {table}
                 WHERE {key} BETWEEN castoff_first AND castoff_last{condition}
                   FOR NO KEY UPDATE NOWAIT;
            END IF;
            UPDATE {table}
               SET {assignments}
             WHERE {key} BETWEEN castoff_first AND castoff_last{condition};
            UPDATE {progress} SET done = castoff_last;
            castoff_tries := 0;
        EXCEPTION WHEN lock_not_available THEN
            castoff_tries := castoff_tries + 1;
            IF castoff_size = 1 AND castoff_tries > {TRIES} THEN
                RAISE;
            END IF;
        END;
        COMMIT;
        IF castoff_tries > 0 THEN
            castoff_size := greatest(castoff_size / 2, 1);
        ELSE
            castoff_size := least(castoff_size * 2, {size});
            SELECT {key} INTO castoff_first FROM {table}
             WHERE {key} > castoff_last ORDER BY {key} LIMIT 1;
        END IF;
    END LOOP;
END;"
        );
        format!(
            "CREATE TABLE {progress} AS SELECT NULL::text AS done;

DO {};

DROP TABLE {progress};",
            dollar_quoted(&body)
        )
    }
}

#[cfg(test)]
mod tests {
    use crate::author::template::known::tests::known;
    use crate::author::template::tests::{made, made_with};

    #[test]
    fn rows_are_gone_through_by_the_key_that_is_known() {
        let line = ["--table", "users", "--set", "a = 1"];
        let sql = |lines: &[&str], line: &[&str]| {
            made_with("data-migration", line, &known(lines)).map(|drafts| drafts[0].up.sql.clone())
        };
        let in_order_of = |key: &str| format!("{key} > castoff_last ORDER BY {key} LIMIT 1");
        assert!(sql(&[], &line).unwrap().contains(&in_order_of("id")));
        let users = ["table public.users", "constraint public.users.p PRIMARY KEY (\"No\")"];
        assert!(sql(&users, &line).unwrap().contains(&in_order_of("\"No\"")));
        let error = sql(&users[..1], &line).unwrap_err();
        assert!(error.contains("--key of the template data-migration: is needed"), "{error}");
        let with_key = [&line[..], &["--key", "code"]].concat();
        assert!(sql(&users[..1], &with_key).unwrap().contains(&in_order_of("code")));
    }

    #[test]
    fn what_is_set_ends_no_quote() {
        let drafts = made("data-migration", &["--table", "t", "--set", "a = '$$; x'"]).unwrap();
        assert!(drafts[0].up.sql.contains("\n$_$;\n"), "{}", drafts[0].up.sql);
    }
}
