//! The template `rename-column`: a second column beside the first, kept the same by a trigger, until
//! no application knows the old name.
//!
//! ```text
//! one release      from  to (a shadow)   both are read and written
//! a later one      to                    the shadow goes, and from takes its name
//! ```
//!
//! It is the old column that is renamed in the end, so that its indexes, its constraints, its default
//! and its privileges stay. The contracting revision is written by itself (`--contract`): applied in
//! the same start as the expanding ones, it would take the old name from the applications that are
//! still at work with it.

use crate::author::create::{Draft, Text};
use crate::author::template::batches::Batches;
use crate::author::template::data::{BATCH_SIZE, KEY};
use crate::author::template::given::{Column, Given, Kind, Need, Parameter, Table};
use crate::author::template::identifier::{addition, beside, dollar_quoted, object_name, quoted};
use crate::author::template::{Known, Template, TemplateError};

pub(super) const RENAME: Template = Template {
    name: "rename-column",
    summary: "give a column a second name, and with --contract, a release later, that alone",
    parameters: &[
        Parameter { name: "table", kind: Kind::Table, need: Need::Once },
        Parameter { name: "from", kind: Kind::Name, need: Need::Once },
        Parameter { name: "to", kind: Kind::Name, need: Need::Once },
        Parameter { name: "type", kind: Kind::Type, need: Need::AtMostOnce },
        Parameter { name: "contract", kind: Kind::Switch, need: Need::AtMostOnce },
        KEY,
        BATCH_SIZE,
    ],
    make: rename,
};

/// A column and its second name.
struct Rename {
    table: Table,
    from: Column,
    to: Column,
    type_name: String,
    /// Of the trigger and its function.
    sync: String,
    batches: Batches,
}

fn rename(given: &Given<'_>, known: &Known) -> Result<Vec<Draft>, TemplateError> {
    let (table, from, to) = (given.table()?, given.column("from")?, given.column("to")?);
    if from == to {
        return Err(given.misfit("to", "is the name that the column has"));
    }
    let contract = given.has("contract");
    let facts = known.column(&table.0, &from.0);
    let type_name = match (given.type_name()?, facts) {
        (_, Some(facts)) if facts.generated => {
            let problem = format!("{from} is computed by the server, and nobody can write to it");
            return Err(given.misfit("from", problem));
        }
        (Some(type_name), _) => type_name,
        (None, Some(facts)) => facts.type_name,
        (None, None) => {
            let problem = format!(
                "is needed: castoff.lock does not say which type {table}.{from} has (`castoff lock` \
                 writes it)"
            );
            return Err(given.misfit("type", problem));
        }
    };
    let names = addition([from.0.as_str(), to.0.as_str()]);
    let sync = object_name(&table.0.name, &names, "sync");
    let batches = Batches::new(given, known)?;
    let rename = Rename { table, from, to, type_name, sync, batches };
    Ok(if contract { vec![rename.contract()] } else { rename.expand() })
}

impl Rename {
    fn expand(&self) -> Vec<Draft> {
        let Self { table, from, to, type_name, .. } = self;
        vec![
            Draft {
                note: "both names".to_owned(),
                up: Text {
                    prose: vec![
                        format!("A trigger keeps {from} and {to} the same, for as long as some application knows"),
                        format!("{from} alone. Indexes and constraints stay on it, and are renamed with it by"),
                        "the revision that the same command writes with --contract, a release later.".to_owned(),
                    ],
                    sql: format!(
                        "ALTER TABLE {table}\n    ADD COLUMN {to} {type_name};\n\n{}",
                        self.trigger(from, to)
                    ),
                    ..Text::default()
                },
                down: Text {
                    sql: format!(
                        "{}\n\nALTER TABLE {table}\n    DROP COLUMN {to};",
                        self.without_trigger()
                    ),
                    ..Text::default()
                },
            },
            Draft {
                note: "fill".to_owned(),
                up: self.batches.text(&format!("{to} = {from}"), Some(&missing(to, from))),
                down: Text {
                    prose: vec![format!("The column {to} goes as a whole.")],
                    ..Text::default()
                },
            },
        ]
    }

    fn contract(&self) -> Draft {
        let Self { table, from, to, type_name, batches, .. } = self;
        let alter = format!("ALTER TABLE {table}\n    ");
        let batches = batches.renamed(from, to);
        let between = Column(object_name(&from.0, &to.0, "swap"));
        let up = format!(
            "{}\n\n{alter}DROP COLUMN {to};\n\n{alter}RENAME COLUMN {from} TO {to};",
            self.without_trigger()
        );
        let down = format!(
            "BEGIN;

{alter}ADD COLUMN {from} {type_name};

{trigger}

COMMIT;

{copy}

BEGIN;

{alter}RENAME COLUMN {to} TO {between};

{alter}RENAME COLUMN {from} TO {to};

{alter}RENAME COLUMN {between} TO {from};

{back}

COMMIT;",
            trigger = self.trigger(to, from),
            copy = batches.statements(&format!("{from} = {to}"), Some(&missing(from, to))),
            back = self.function(from, to).replacen("CREATE", "CREATE OR REPLACE", 1),
        );
        Draft {
            note: String::new(),
            up: Text {
                keys: vec![
                    "Breaking: yes".to_owned(),
                    format!("Allow: drop-column {to} holds what {from} holds"),
                    "Allow: renaming-column the application knows the new name alone".to_owned(),
                ],
                prose: vec![format!("No application that still says {from} may be at work.")],
                sql: up,
            },
            down: Text {
                keys: vec!["Transaction: none".to_owned()],
                prose: vec![format!(
                    "First {from} is the shadow, and filled; then the two change their names."
                )],
                sql: down,
            },
        }
    }

    /// What keeps the two the same: what is written to either is written to both; where nothing is,
    /// the shadow follows.
    fn function(&self, source: &Column, shadow: &Column) -> String {
        let function = beside(&self.table.0, &self.sync);
        let body = format!(
            "BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.{shadow} IS NULL THEN
            NEW.{shadow} := NEW.{source};
        ELSE
            NEW.{source} := NEW.{shadow};
        END IF;
    -- As images, which every type has, and not only those with an equality.
    ELSIF ROW(NEW.{shadow})::record OPERATOR(pg_catalog.*<>) ROW(OLD.{shadow})::record THEN
        NEW.{source} := NEW.{shadow};
    ELSE
        NEW.{shadow} := NEW.{source};
    END IF;
    RETURN NEW;
END;"
        );
        format!(
            "CREATE FUNCTION {function}() RETURNS trigger\nLANGUAGE plpgsql\nAS {};",
            dollar_quoted(&body)
        )
    }

    fn trigger(&self, source: &Column, shadow: &Column) -> String {
        let Self { table, sync, .. } = self;
        format!(
            "{}\n\nCREATE TRIGGER {}\nBEFORE INSERT OR UPDATE ON {table}\nFOR EACH ROW EXECUTE \
             FUNCTION {}();",
            self.function(source, shadow),
            quoted(sync),
            beside(&table.0, sync)
        )
    }

    fn without_trigger(&self) -> String {
        let Self { table, sync, .. } = self;
        format!(
            "DROP TRIGGER {} ON {table};\n\nDROP FUNCTION {}();",
            quoted(sync),
            beside(&table.0, sync)
        )
    }
}

fn missing(shadow: &Column, source: &Column) -> String {
    format!("{shadow} IS NULL AND {source} IS NOT NULL")
}

#[cfg(test)]
mod tests {
    use crate::author::template::known::tests::known;
    use crate::author::template::tests::{made, made_with};

    const LINE: [&str; 6] = ["--table", "users", "--from", "name", "--to", "full_name"];

    #[test]
    fn the_type_is_the_one_of_the_lock_unless_it_is_given() {
        let lock = known(&[
            "table public.users",
            "column public.users.name character varying(9) not null",
        ]);
        let with_key = [&LINE[..], &["--key", "id"]].concat();
        let sql = |line: &[&str]| {
            made_with("rename-column", line, &lock).map(|drafts| drafts[0].up.sql.clone())
        };
        assert!(sql(&with_key).unwrap().contains("ADD COLUMN full_name character varying(9);"));
        let typed = [&with_key[..], &["--type", "text"]].concat();
        assert!(sql(&typed).unwrap().contains("ADD COLUMN full_name text;"));
        let error = made("rename-column", &LINE).unwrap_err();
        assert!(error.contains("--type of the template rename-column: is needed"), "{error}");
    }

    #[test]
    fn the_contracting_revision_is_written_by_itself_and_breaks() {
        let typed = [&LINE[..], &["--type", "text"]].concat();
        let expand = made("rename-column", &typed).unwrap();
        assert_eq!(expand.len(), 2);
        assert!(expand.iter().all(|draft| !draft.up.keys.contains(&"Breaking: yes".to_owned())));
        let contract = made("rename-column", &[&typed[..], &["--contract"]].concat()).unwrap();
        assert_eq!((contract.len(), contract[0].up.keys[0].as_str()), (1, "Breaking: yes"));
        assert!(contract[0].up.sql.ends_with("RENAME COLUMN name TO full_name;"));
    }

    /// When the old name is filled again, the index is on the new one.
    #[test]
    fn the_key_itself_is_filled_in_its_own_order() {
        let line = ["--table", "t", "--from", "id", "--to", "no", "--type", "bigint", "--contract"];
        let drafts = made("rename-column", &line).unwrap();
        assert!(drafts[0].down.sql.contains("WHERE no > castoff_last ORDER BY no LIMIT 1"));
        assert!(!drafts[0].down.sql.contains("id > castoff_last"), "{}", drafts[0].down.sql);
    }

    #[test]
    fn what_cannot_be_renamed_so_is_refused() {
        let lock = known(&[
            "table public.users",
            "column public.users.name text generated always as (lower(a)) stored",
        ]);
        let error = made_with("rename-column", &LINE, &lock).unwrap_err();
        assert!(error.contains("computed by the server"), "{error}");
        let same = ["--table", "t", "--from", "a", "--to", "A", "--type", "text"];
        assert!(made("rename-column", &same).unwrap_err().contains("--to"), "{same:?}");
    }
}
