//! Changes of a column's type that PostgreSQL makes without touching a row, and nobody notices.

/// Whether every value of a type is one of another, stored the same way.
pub(super) fn is_widening(from: &str, to: &str) -> bool {
    let (from, to) = (Type::parse(from), Type::parse(to));
    if from == to {
        return true;
    }
    match (from.base.as_str(), to.base.as_str()) {
        ("varchar" | "text", "text") | ("text", "varchar") => to.arguments.is_empty(),
        ("varchar", "varchar") | ("varbit", "varbit") => {
            match (&from.arguments[..], &to.arguments[..]) {
                (_, []) => true,
                ([from], [to]) => from <= to,
                _ => false,
            }
        }
        ("numeric", "numeric") => match (&from.arguments[..], &to.arguments[..]) {
            (_, []) => true,
            ([from], [to]) => from <= to,
            ([from, scale], [to, other]) => from <= to && scale == other,
            _ => false,
        },
        ("cidr", "inet") => true,
        _ => false,
    }
}

#[derive(PartialEq)]
struct Type {
    base: String,
    arguments: Vec<u32>,
}

impl Type {
    fn parse(text: &str) -> Self {
        let text = text.to_lowercase();
        let (base, rest) = text.split_once('(').unwrap_or((&text, ""));
        let (arguments, behind) = rest.split_once(')').unwrap_or((rest, ""));
        let words = base.split_whitespace().chain(behind.split_whitespace());
        let base = words.collect::<Vec<_>>().join(" ");
        let base = base.strip_prefix("pg_catalog.").unwrap_or(&base);
        let base = match base {
            "character varying" | "char varying" => "varchar",
            "decimal" => "numeric",
            "bit varying" => "varbit",
            "int" | "int4" => "integer",
            "int8" => "bigint",
            "int2" => "smallint",
            "timestamp with time zone" => "timestamptz",
            "timestamp without time zone" => "timestamp",
            "bool" => "boolean",
            other => other,
        };
        let arguments = arguments.split(',').filter_map(|it| it.trim().parse().ok()).collect();
        Self { base: base.to_owned(), arguments }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_loses_nothing_is_a_widening() {
        for (from, to) in [
            ("varchar(10)", "VARCHAR (20)"),
            ("character varying(10)", "text"),
            ("varchar", "pg_catalog.text"),
            ("text", "varchar"),
            ("numeric(10, 2)", "decimal(12,2)"),
            ("numeric(10,2)", "numeric"),
            ("bit varying(3)", "varbit(4)"),
            ("cidr", "inet"),
            ("int", "integer"),
            ("timestamp with time zone", "timestamptz"),
        ] {
            assert!(is_widening(from, to), "{from} to {to}");
        }
        for (from, to) in [
            ("varchar(20)", "varchar(10)"),
            ("varchar", "varchar(10)"),
            ("text", "varchar(10)"),
            ("char(3)", "text"),
            ("numeric(10,2)", "numeric(12,4)"),
            ("numeric", "numeric(12,4)"),
            ("integer", "bigint"),
            ("bigint", "integer"),
            ("timestamp", "timestamptz"),
            ("text", "text[]"),
            ("text", "jsonb"),
        ] {
            assert!(!is_widening(from, to), "{from} to {to}");
        }
    }
}
