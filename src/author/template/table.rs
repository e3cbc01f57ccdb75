//! The template `create-table`.

use crate::author::create::{Draft, Text};
use crate::author::template::given::{Column, Given, Kind, Need, Parameter};
use crate::author::template::identifier::{beside, object_name, quoted};
use crate::author::template::{Known, Template, TemplateError};

pub(super) const CREATE: Template = Template {
    name: "create-table",
    summary: "create a table with an identity column as its primary key",
    parameters: &[
        Parameter { name: "table", kind: Kind::Table, need: Need::Once },
        Parameter { name: "column", kind: Kind::Definition, need: Need::Any },
        Parameter { name: "timestamps", kind: Kind::Switch, need: Need::AtMostOnce },
        Parameter { name: "soft-delete", kind: Kind::Switch, need: Need::AtMostOnce },
    ],
    make: create,
};

fn create(given: &Given<'_>, _: &Known) -> Result<Vec<Draft>, TemplateError> {
    let table = given.table()?;
    let mut columns = vec![(
        Column("id".to_owned()),
        "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY".to_owned(),
    )];
    for (column, type_name, not_null) in given.definitions()? {
        columns.push((column, format!("{type_name}{}", if not_null { " NOT NULL" } else { "" })));
    }
    let timestamps = given.has("timestamps");
    if timestamps {
        for name in ["created_at", "updated_at"] {
            let column = Column(name.to_owned());
            columns.push((column, "timestamptz NOT NULL DEFAULT now()".to_owned()));
        }
    }
    if given.has("soft-delete") {
        columns.push((Column("deleted_at".to_owned()), "timestamptz".to_owned()));
    }
    for (at, (column, _)) in columns.iter().enumerate() {
        if columns[..at].iter().any(|(other, _)| other == column) {
            let problem =
                format!("there are two columns {column}; id, and what the switches add, is one");
            return Err(given.misfit("column", problem));
        }
    }
    let width = columns.iter().map(|(column, _)| column.to_string().chars().count()).max();
    let width = width.unwrap_or_default();
    let lines: Vec<String> = columns
        .iter()
        .map(|(column, rest)| format!("    {:<width$} {rest}", column.to_string()))
        .collect();
    let mut up = format!("CREATE TABLE {table} (\n{}\n);", lines.join(",\n"));
    let mut down = format!("DROP TABLE {table};");
    let mut prose = Vec::new();
    if timestamps {
        let name = object_name(&table.0.name, "updated_at", "touch");
        let function = beside(&table.0, &name);
        up += &format!(
            "

CREATE FUNCTION {function}() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    NEW.updated_at := pg_catalog.now();
    RETURN NEW;
END;
$$;

CREATE TRIGGER {trigger}
BEFORE UPDATE ON {table}
FOR EACH ROW EXECUTE FUNCTION {function}();",
            trigger = quoted(&name)
        );
        down += &format!("\n\nDROP FUNCTION {function}();");
    }
    if given.has("soft-delete") {
        prose = vec![
            "A row with a deleted_at is deleted: whoever reads says `deleted_at IS NULL`."
                .to_owned(),
        ];
    }
    let down = Text { sql: down, ..Text::default() };
    Ok(vec![Draft { note: String::new(), up: Text { sql: up, prose, ..Text::default() }, down }])
}

#[cfg(test)]
mod tests {
    use crate::author::template::tests::made;

    #[test]
    fn a_table_has_its_columns_under_each_other() {
        let line = [
            "--table",
            "shop.Order",
            "--column",
            "state:text:not-null",
            "--column",
            "\"No\":numeric(10,2)",
            "--soft-delete",
        ];
        let drafts = made("create-table", &line).unwrap();
        assert_eq!(
            drafts[0].up.sql,
            "CREATE TABLE shop.\"order\" (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    state      text NOT NULL,
    \"No\"       numeric(10,2),
    deleted_at timestamptz
);"
        );
        assert_eq!(drafts[0].down.sql, "DROP TABLE shop.\"order\";");
    }

    #[test]
    fn timestamps_bring_what_keeps_them() {
        let drafts = made("create-table", &["--table", "s.t", "--timestamps"]).unwrap();
        for part in [
            "    updated_at timestamptz NOT NULL DEFAULT now()\n",
            "CREATE TRIGGER t_updated_at_touch\n",
        ] {
            assert!(drafts[0].up.sql.contains(part), "{}", drafts[0].up.sql);
        }
        assert!(drafts[0].down.sql.ends_with("DROP FUNCTION s.t_updated_at_touch();"));
    }

    #[test]
    fn no_column_is_there_twice() {
        for columns in [
            &["--column", "id:int"][..],
            &["--column", "a:int", "--column", "A:text"],
            &["--column", "created_at:date", "--timestamps"],
        ] {
            let line = [&["--table", "t"], columns].concat();
            assert!(made("create-table", &line).unwrap_err().contains("two columns"), "{line:?}");
        }
    }
}
