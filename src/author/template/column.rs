//! The templates `add-column` and `set-not-null`.

use crate::author::create::{Draft, Text};
use crate::author::template::batches::Batches;
use crate::author::template::data::{BATCH_SIZE, KEY};
use crate::author::template::given::{Column, Given, Kind, Need, Parameter, Table};
use crate::author::template::identifier::{object_name, quoted};
use crate::author::template::value::{is_constant, type_name};
use crate::author::template::{Known, Template, TemplateError};

pub(super) const ADD: Template = Template {
    name: "add-column",
    summary: "add a column; one whose default differs from row to row is filled in batches",
    parameters: &[
        Parameter { name: "table", kind: Kind::Table, need: Need::Once },
        Parameter { name: "column", kind: Kind::Name, need: Need::Once },
        Parameter { name: "type", kind: Kind::Type, need: Need::Once },
        Parameter { name: "default", kind: Kind::Expression, need: Need::AtMostOnce },
        Parameter { name: "not-null", kind: Kind::Switch, need: Need::AtMostOnce },
        KEY,
        BATCH_SIZE,
    ],
    make: add,
};

pub(super) const NOT_NULL: Template = Template {
    name: "set-not-null",
    summary: "make a column NOT NULL by a CHECK that is validated first",
    parameters: &[
        Parameter { name: "table", kind: Kind::Table, need: Need::Once },
        Parameter { name: "column", kind: Kind::Name, need: Need::Once },
    ],
    make: not_null,
};

fn add(given: &Given<'_>, known: &Known) -> Result<Vec<Draft>, TemplateError> {
    let (table, column) = (given.table()?, given.column("column")?);
    let type_name = given.type_name()?.unwrap_or_default();
    let default = given.expression("default")?;
    let is_not_null = given.has("not-null");
    if is_serial(&type_name) {
        let problem = format!(
            "{type_name} rewrites the table; take an integer type with --default \"nextval('…')\", \
             whose sequence is there already"
        );
        return Err(given.misfit("type", problem));
    }
    let no_value = default.as_deref().is_none_or(|it| it.eq_ignore_ascii_case("null"));
    if is_not_null && no_value {
        let problem = "needs --default with a value for the rows that are there";
        return Err(given.misfit("not-null", problem));
    }
    if default.as_deref().is_none_or(is_constant) {
        for parameter in ["key", "batch-size"] {
            if given.has(parameter) {
                let problem = "is of no use: the rows that are there need not be gone through";
                return Err(given.misfit(parameter, problem));
            }
        }
    }
    let add = format!("ALTER TABLE {table}\n    ADD COLUMN {column} {type_name}");
    let drop = sql(format!("ALTER TABLE {table}\n    DROP COLUMN {column};"));
    let Some(default) = default else { return Ok(vec![one(format!("{add};"), drop)]) };
    if is_constant(&default) {
        // PostgreSQL keeps the value once, for all rows that are there, and checks it alone.
        let end = if is_not_null { " NOT NULL" } else { "" };
        return Ok(vec![one(format!("{add} DEFAULT {default}{end};"), drop)]);
    }
    let batches = Batches::new(given, known)?;
    let filled = Draft {
        note: "fill".to_owned(),
        up: batches.text(&format!("{column} = DEFAULT"), Some(&format!("{column} IS NULL"))),
        down: Text { prose: vec!["The column goes as a whole.".to_owned()], ..Text::default() },
    };
    let added = Draft {
        note: "for new rows".to_owned(),
        up: Text {
            prose: vec![
                "The default may differ from row to row. If it came with the column, the table would be"
                    .to_owned(),
                "rewritten while nobody can read it.".to_owned(),
            ],
            ..sql(format!(
                "{add};\n\nALTER TABLE {table}\n    ALTER COLUMN {column} SET DEFAULT {default};"
            ))
        },
        down: drop,
    };
    let mut drafts = vec![added, filled];
    if is_not_null {
        drafts.extend(checked_then_set(&table, &column));
    }
    Ok(drafts)
}

fn not_null(given: &Given<'_>, _: &Known) -> Result<Vec<Draft>, TemplateError> {
    Ok(checked_then_set(&given.table()?, &given.column("column")?))
}

/// NOT NULL alone goes through the table while nobody can read it; where a valid CHECK says the same,
/// it does not.
fn checked_then_set(table: &Table, column: &Column) -> Vec<Draft> {
    let name = quoted(&object_name(&table.0.name, &column.0, "not_null_check"));
    let add = format!("ADD CONSTRAINT {name} CHECK ({column} IS NOT NULL) NOT VALID");
    let alter = format!("ALTER TABLE {table}\n    ");
    vec![
        Draft {
            note: "not null for new rows".to_owned(),
            up: sql(format!("{alter}{add};")),
            down: sql(format!("{alter}DROP CONSTRAINT {name};")),
        },
        Draft {
            note: "not null".to_owned(),
            up: Text {
                keys: vec!["Transaction: none".to_owned()],
                prose: vec![
                    "Statement by statement, so that what the first one has seen to is kept without its"
                        .to_owned(),
                    "lock. By the CHECK the second one knows that there is nothing to look for."
                        .to_owned(),
                ],
                sql: format!(
                    "{alter}VALIDATE CONSTRAINT {name};\n\n\
                     {alter}ALTER COLUMN {column} SET NOT NULL;\n\n\
                     {alter}DROP CONSTRAINT {name};"
                ),
            },
            down: sql(format!("{alter}{add},\n    ALTER COLUMN {column} DROP NOT NULL;")),
        },
    ]
}

fn one(up: String, down: Text) -> Draft {
    Draft { note: String::new(), up: sql(up), down }
}

fn sql(sql: String) -> Text {
    Text { sql, ..Text::default() }
}

/// Whether it is no type, but a column with a sequence of its own.
fn is_serial(text: &str) -> bool {
    const SERIAL: [&str; 6] =
        ["serial", "serial2", "serial4", "serial8", "bigserial", "smallserial"];
    type_name(text).is_ok_and(|it| SERIAL.iter().any(|word| word.eq_ignore_ascii_case(&it)))
}

#[cfg(test)]
mod tests {
    use crate::author::template::tests::made;

    fn add(line: &[&str]) -> Result<Vec<(String, String)>, String> {
        let line = [&["--table", "t", "--column", "c", "--type"], line].concat();
        let drafts = made("add-column", &line)?;
        Ok(drafts.into_iter().map(|draft| (draft.note, draft.up.sql)).collect())
    }

    #[test]
    fn a_column_with_a_constant_or_without_one_is_added_at_once() {
        for (line, expected) in [
            (&["text"][..], "ADD COLUMN c text;"),
            (&["int", "--default", "0"], "ADD COLUMN c int DEFAULT 0;"),
            (&["int", "--default", "0", "--not-null"], "ADD COLUMN c int DEFAULT 0 NOT NULL;"),
        ] {
            let drafts = add(line).unwrap();
            assert_eq!(drafts, [(String::new(), format!("ALTER TABLE t\n    {expected}"))]);
        }
    }

    #[test]
    fn a_default_that_differs_from_row_to_row_is_filled_in_afterwards() {
        let notes = |line: &[&str]| -> Vec<String> {
            add(line).unwrap().into_iter().map(|(note, _)| note).collect()
        };
        let default = ["uuid", "--default", "gen_random_uuid()"];
        assert_eq!(notes(&default), ["for new rows", "fill"]);
        let not_null = [&default[..], &["--not-null"]].concat();
        assert_eq!(notes(&not_null), ["for new rows", "fill", "not null for new rows", "not null"]);
        let drafts = add(&default).unwrap();
        assert!(!drafts[0].1.contains("uuid DEFAULT"), "{}", drafts[0].1);
        assert!(drafts[1].1.contains("SET c = DEFAULT\n"), "{}", drafts[1].1);
    }

    #[test]
    fn what_cannot_be_added_beside_a_running_application_is_refused() {
        for (line, expected) in [
            (&["int", "--not-null"][..], "--not-null of the template add-column: needs --default"),
            (&["int", "--not-null", "--default", "NULL"], "needs --default with a value"),
            (&["BigSerial"], "BigSerial rewrites the table"),
            (&["int", "--default", "1", "--batch-size", "5"], "--batch-size of the template"),
        ] {
            let error = add(line).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn not_null_stands_on_a_check_that_is_valid() {
        let drafts = made("set-not-null", &["--table", "users", "--column", "email"]).unwrap();
        assert_eq!(
            drafts[0].up.sql,
            "ALTER TABLE users\n    ADD CONSTRAINT users_email_not_null_check CHECK \
             (email IS NOT NULL) NOT VALID;"
        );
        assert_eq!(drafts[1].up.keys, ["Transaction: none"]);
        let statements: Vec<&str> = drafts[1].up.sql.split("\n\n").collect();
        assert_eq!(statements.len(), 3);
        assert!(statements[1].ends_with("ALTER COLUMN email SET NOT NULL;"));
    }
}
