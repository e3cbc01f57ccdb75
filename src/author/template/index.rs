//! The template `add-index`.

use crate::author::create::{Draft, Text};
use crate::author::template::given::{Column, Given, Kind, Need, Parameter};
use crate::author::template::identifier::{addition, beside, object_name, quoted};
use crate::author::template::{Known, Template, TemplateError};

pub(super) const ADD: Template = Template {
    name: "add-index",
    summary: "build an index CONCURRENTLY",
    parameters: &[
        Parameter { name: "table", kind: Kind::Table, need: Need::Once },
        Parameter { name: "column", kind: Kind::Column, need: Need::OnceOrMore },
        Parameter { name: "unique", kind: Kind::Switch, need: Need::AtMostOnce },
        Parameter { name: "method", kind: Kind::Name, need: Need::AtMostOnce },
        Parameter { name: "where", kind: Kind::Expression, need: Need::AtMostOnce },
        Parameter { name: "name", kind: Kind::Name, need: Need::AtMostOnce },
    ],
    make: add,
};

/// The methods of PostgreSQL's own that keep an order, or can be unique.
const ORDERED: &str = "btree";

fn add(given: &Given<'_>, _: &Known) -> Result<Vec<Draft>, TemplateError> {
    let table = given.table()?;
    let columns = given.index_columns()?;
    let method = given.name("method")?.unwrap_or_else(|| ORDERED.to_owned());
    let unique = given.has("unique");
    if unique && method != ORDERED {
        return Err(given.misfit("unique", format!("an index by {method} cannot be unique")));
    }
    if method != ORDERED && columns.iter().any(|(_, direction)| !direction.is_empty()) {
        return Err(given.misfit("column", format!("an index by {method} has no order")));
    }
    let names = addition(columns.iter().map(|(column, _)| column.0.as_str()));
    let name = given.name("name")?;
    let name = name.unwrap_or_else(|| object_name(&table.0.name, &names, "idx"));
    let columns: Vec<String> = columns.iter().map(ordered).collect();
    let columns = columns.join(", ");
    let unique = if unique { "UNIQUE " } else { "" };
    let using =
        if method == ORDERED { String::new() } else { format!(" USING {}", quoted(&method)) };
    let condition =
        given.expression("where")?.map_or_else(String::new, |it| format!("\n    WHERE {it}"));
    let keys = || vec!["Transaction: none".to_owned()];
    let up = format!(
        "CREATE {unique}INDEX CONCURRENTLY {}\n    ON {table}{using} ({columns}){condition};",
        quoted(&name)
    );
    let down = format!("DROP INDEX CONCURRENTLY {};", beside(&table.0, &name));
    Ok(vec![Draft {
        note: String::new(),
        up: Text { keys: keys(), sql: up, ..Text::default() },
        down: Text { keys: keys(), sql: down, ..Text::default() },
    }])
}

fn ordered((column, direction): &(Column, String)) -> String {
    format!("{column} {direction}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use crate::author::template::tests::made;

    #[test]
    fn an_index_is_named_as_postgresql_names_it() {
        let sql = |line: &[&str]| {
            made("add-index", line).map(|it| (it[0].up.sql.clone(), it[0].down.sql.clone()))
        };
        let (up, down) = sql(&[
            "--table",
            "shop.Order",
            "--column",
            "placed_at desc",
            "--column",
            "\"Id\"",
            "--unique",
            "--where",
            "state > 1",
        ])
        .unwrap();
        assert_eq!(
            up,
            "CREATE UNIQUE INDEX CONCURRENTLY \"order_placed_at_Id_idx\"\n    ON shop.\"order\" \
             (placed_at DESC, \"Id\")\n    WHERE state > 1;"
        );
        assert_eq!(down, "DROP INDEX CONCURRENTLY shop.\"order_placed_at_Id_idx\";");
        let (up, _) =
            sql(&["--table", "t", "--column", "a", "--method", "gin", "--name", "i"]).unwrap();
        assert_eq!(up, "CREATE INDEX CONCURRENTLY i\n    ON t USING gin (a);");
        for (line, expected) in [
            (&["--method", "gin", "--unique"][..], "an index by gin cannot be unique"),
            (&["--method", "hash", "--column", "b desc"], "an index by hash has no order"),
            (&["--column", "b sideways"], "expected a column, with ASC"),
        ] {
            let line = [&["--table", "t", "--column", "a"], line].concat();
            let error = sql(&line).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
