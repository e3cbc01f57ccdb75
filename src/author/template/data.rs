//! The template `data-migration`.

use crate::author::create::{Draft, Text};
use crate::author::template::batches::Batches;
use crate::author::template::given::{Given, Kind, Need, Parameter};
use crate::author::template::{Known, Template, TemplateError};

pub(super) const MIGRATION: Template = Template {
    name: "data-migration",
    summary: "change the rows of a table, in batches that a restart goes on with",
    parameters: &[
        Parameter { name: "table", kind: Kind::Table, need: Need::Once },
        Parameter { name: "set", kind: Kind::Assignments, need: Need::Once },
        Parameter { name: "where", kind: Kind::Expression, need: Need::AtMostOnce },
        KEY,
        BATCH_SIZE,
        Parameter { name: "down-set", kind: Kind::Assignments, need: Need::AtMostOnce },
        Parameter { name: "down-where", kind: Kind::Expression, need: Need::AtMostOnce },
    ],
    make: migrate,
};

/// The unique column by whose order the rows are gone through.
pub(super) const KEY: Parameter =
    Parameter { name: "key", kind: Kind::Name, need: Need::AtMostOnce };
/// How many rows at a time.
pub(super) const BATCH_SIZE: Parameter =
    Parameter { name: "batch-size", kind: Kind::Count, need: Need::AtMostOnce };

fn migrate(given: &Given<'_>, known: &Known) -> Result<Vec<Draft>, TemplateError> {
    let batches = Batches::new(given, known)?;
    let set = given.assignments("set")?.unwrap_or_default();
    let up = batches.text(&set, given.expression("where")?.as_deref());
    let down_where = given.expression("down-where")?;
    let down = match given.assignments("down-set")? {
        Some(set) => batches.text(&set, down_where.as_deref()),
        None if down_where.is_some() => {
            return Err(
                given.misfit("down-where", "says of which rows --down-set is, and needs it")
            );
        }
        None => Text {
            prose: vec!["The rows stay as they are: what they were before is not kept.".to_owned()],
            ..Text::default()
        },
    };
    Ok(vec![Draft { note: String::new(), up, down }])
}

#[cfg(test)]
mod tests {
    use crate::author::template::tests::made;

    #[test]
    fn what_is_taken_back_is_said_or_nothing_is() {
        let line = ["--table", "t", "--set", "a = b", "--where", "a IS NULL"];
        let drafts = made("data-migration", &line).unwrap();
        assert!(drafts[0].up.sql.contains("castoff_last\n               AND (a IS NULL);"));
        assert_eq!(drafts[0].down.sql, "");
        let down = [&line[..], &["--down-set", "a = NULL", "--down-where", "b > 0"]].concat();
        let drafts = made("data-migration", &down).unwrap();
        assert!(drafts[0].down.sql.contains("SET a = NULL\n"), "{}", drafts[0].down.sql);
        assert!(drafts[0].down.sql.contains("AND (b > 0);"), "{}", drafts[0].down.sql);
        let alone = [&line[..], &["--down-where", "b > 0"]].concat();
        assert!(made("data-migration", &alone).unwrap_err().contains("--down-where"));
    }
}
