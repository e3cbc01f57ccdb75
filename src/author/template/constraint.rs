//! The templates `add-foreign-key` and `add-check-constraint`.

use crate::author::create::{Draft, Text};
use crate::author::template::given::{Given, Kind, Need, Parameter, Table, columns};
use crate::author::template::identifier::{object_name, quoted};
use crate::author::template::{Known, Template, TemplateError};

const ACTIONS: [&str; 5] = ["cascade", "set-null", "set-default", "restrict", "no-action"];

/// Who waits for the first table has to wait on, while the second one is waited for.
const HALF_THE_TIME: &str =
    "SELECT pg_catalog.set_config('lock_timeout', greatest(setting::int / 2, 1)::text, true)
  FROM pg_catalog.pg_settings WHERE name = 'lock_timeout';";

pub(super) const FOREIGN_KEY: Template = Template {
    name: "add-foreign-key",
    summary: "add a foreign key, and validate it in a second revision",
    parameters: &[
        Parameter { name: "table", kind: Kind::Table, need: Need::Once },
        Parameter { name: "column", kind: Kind::Name, need: Need::OnceOrMore },
        Parameter { name: "references", kind: Kind::Reference, need: Need::Once },
        Parameter { name: "on-delete", kind: Kind::Choice(&ACTIONS), need: Need::AtMostOnce },
        Parameter { name: "name", kind: Kind::Name, need: Need::AtMostOnce },
    ],
    make: foreign_key,
};

pub(super) const CHECK: Template = Template {
    name: "add-check-constraint",
    summary: "add a CHECK, and validate it in a second revision",
    parameters: &[
        Parameter { name: "table", kind: Kind::Table, need: Need::Once },
        Parameter { name: "name", kind: Kind::Name, need: Need::Once },
        Parameter { name: "check", kind: Kind::Expression, need: Need::Once },
    ],
    make: check,
};

fn foreign_key(given: &Given<'_>, _: &Known) -> Result<Vec<Draft>, TemplateError> {
    let table = given.table()?;
    let local = given.columns()?;
    let (other, others) = given.reference()?;
    if !others.is_empty() && others.len() != local.len() {
        let problem = format!("{} columns refer to {}", local.len(), others.len());
        return Err(given.misfit("references", problem));
    }
    let (list, names) = columns(&local);
    let name = given.name("name")?;
    let name = quoted(&name.unwrap_or_else(|| object_name(&table.0.name, &names, "fkey")));
    let others =
        if others.is_empty() { String::new() } else { format!(" ({})", columns(&others).0) };
    let action = given.choice("on-delete", &ACTIONS)?.filter(|action| *action != "no-action");
    let action = action.map_or_else(String::new, |action| {
        format!(" ON DELETE {}", action.to_uppercase().replace('-', " "))
    });
    let definition = format!("FOREIGN KEY ({list}) REFERENCES {other}{others}{action}");
    let mut drafts = added_then_validated(&table, &name, &definition);
    if let [first, second] = drafts.as_mut_slice() {
        first.up.prose = vec![
            format!("Whoever deletes from {other}, or changes its key, looks here for what refers"),
            format!("to it: {table} ({list}) needs an index for that, if it has none."),
        ];
        for text in [&mut first.up, &mut first.down, &mut second.down] {
            text.prose.push(
                "Two tables are locked, one after the other: each is waited for half as long as one."
                    .to_owned(),
            );
            text.sql = format!("{HALF_THE_TIME}\n\n{}", text.sql);
        }
    }
    Ok(drafts)
}

fn check(given: &Given<'_>, _: &Known) -> Result<Vec<Draft>, TemplateError> {
    let table = given.table()?;
    let name = quoted(&given.name("name")?.unwrap_or_default());
    let check = given.expression("check")?.unwrap_or_default();
    Ok(added_then_validated(&table, &name, &format!("CHECK ({check})")))
}

/// Two revisions: what is new has to fit after the first, and what is there after the second, which
/// goes through the rows with a lock that only others of its kind feel.
fn added_then_validated(table: &Table, name: &str, definition: &str) -> Vec<Draft> {
    let add = format!("ALTER TABLE {table}\n    ADD CONSTRAINT {name} {definition} NOT VALID;");
    let drop = format!("ALTER TABLE {table}\n    DROP CONSTRAINT {name};");
    let sql = |sql: String| Text { sql, ..Text::default() };
    vec![
        Draft { note: "not valid yet".to_owned(), up: sql(add.clone()), down: sql(drop.clone()) },
        Draft {
            note: "validate".to_owned(),
            up: sql(format!("ALTER TABLE {table}\n    VALIDATE CONSTRAINT {name};")),
            down: sql(format!("{drop}\n\n{add}")),
        },
    ]
}

#[cfg(test)]
mod tests {
    use crate::author::template::tests::made;

    #[test]
    fn a_foreign_key_is_added_not_valid_and_validated_by_the_next_revision() {
        let drafts = made(
            "add-foreign-key",
            &[
                "--table",
                "orders",
                "--column",
                "customer_id",
                "--references",
                "shop.customer(id)",
                "--on-delete",
                "set-null",
            ],
        )
        .unwrap();
        let statements = |sql: &str| sql.split_once("\n\n").unwrap().1.to_owned();
        assert_eq!(
            statements(&drafts[0].up.sql),
            "ALTER TABLE orders\n    ADD CONSTRAINT orders_customer_id_fkey FOREIGN KEY \
             (customer_id) REFERENCES shop.customer (id) ON DELETE SET NULL NOT VALID;"
        );
        assert_eq!(
            drafts[1].up.sql,
            "ALTER TABLE orders\n    VALIDATE CONSTRAINT orders_customer_id_fkey;"
        );
        assert_eq!(drafts.len(), 2);
        let plain = made(
            "add-foreign-key",
            &[
                "--table",
                "a",
                "--column",
                "b",
                "--column",
                "c",
                "--references",
                "d",
                "--on-delete",
                "no-action",
                "--name",
                "Mine",
            ],
        )
        .unwrap();
        assert_eq!(
            statements(&plain[0].up.sql),
            "ALTER TABLE a\n    ADD CONSTRAINT mine FOREIGN KEY (b, c) REFERENCES d NOT VALID;"
        );
    }

    #[test]
    fn columns_that_do_not_fit_together_are_refused() {
        for (columns, references, expected) in [
            (&["--column", "a"][..], "r(a, b)", "1 columns refer to 2"),
            (&["--column", "a", "--column", "a"], "r(a, b)", "a is named twice"),
        ] {
            let line = [&["--table", "t"], columns, &["--references", references]].concat();
            let error = made("add-foreign-key", &line).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_check_has_the_name_that_it_is_given() {
        let line = ["--table", "t", "--name", "positive", "--check", "a > 0"];
        let drafts = made("add-check-constraint", &line).unwrap();
        assert_eq!(
            drafts[0].up.sql,
            "ALTER TABLE t\n    ADD CONSTRAINT positive CHECK (a > 0) NOT VALID;"
        );
        assert!(drafts[1].down.sql.ends_with(&drafts[0].up.sql));
    }
}
