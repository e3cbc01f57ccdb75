//! What the values of parameters mean, each read as a whole.

use crate::author::template::given::{Column, Table};
use crate::revision::{Fragment, Name, TokenKind, parse_name};

/// A column, without its table.
pub(super) fn column(text: &str) -> Result<Column, String> {
    match parse_name(text).map_err(|error| error.to_string())? {
        Name { schema: None, name } => Ok(Column(name)),
        Name { schema: Some(_), .. } => Err("a column has no schema".to_owned()),
    }
}

/// A column with its direction, which is empty if none is said.
pub(super) fn index_column(text: &str) -> Result<(Column, String), String> {
    const ORDERS: [&str; 3] = ["", "ASC", "DESC"];
    const NULLS: [&str; 3] = ["", "NULLS FIRST", "NULLS LAST"];
    let fragment = Fragment::parse(text).map_err(|error| error.to_string())?;
    let (name, rest) = fragment.name().map_err(|error| error.to_string())?;
    let words: Vec<String> = rest.split_whitespace().map(str::to_ascii_uppercase).collect();
    let direction = words.join(" ");
    let known = ORDERS
        .iter()
        .any(|order| NULLS.iter().any(|nulls| format!("{order} {nulls}").trim() == direction));
    if name.schema.is_some() || !known {
        return Err("expected a column, with ASC, DESC, NULLS FIRST or NULLS LAST".to_owned());
    }
    Ok((Column(name.name), direction))
}

/// A column of a new table: its name, its type, and whether it has to have a value.
pub(super) fn definition(text: &str) -> Result<(Column, String, bool), String> {
    let expected = || "expected NAME:TYPE or NAME:TYPE:not-null".to_owned();
    let (definition, not_null) = match text.strip_suffix(":not-null") {
        Some(definition) => (definition, true),
        None => (text, false),
    };
    let mut quoted = false;
    let colon = definition.find(|c| {
        quoted ^= c == '"';
        c == ':' && !quoted
    });
    let (name, type_text) = definition.split_at(colon.ok_or_else(expected)?);
    Ok((column(name)?, type_name(&type_text[1..])?, not_null))
}

/// A type: words, its modifiers in parentheses, brackets.
pub(super) fn type_name(text: &str) -> Result<String, String> {
    const OTHERS: [&str; 12] = [
        "not",
        "null",
        "default",
        "references",
        "check",
        "primary",
        "key",
        "unique",
        "collate",
        "generated",
        "constraint",
        "using",
    ];
    let fragment = Fragment::parse(text).map_err(|error| error.to_string())?;
    let mut depth = 0;
    let mut before = "";
    for (at, (kind, token)) in fragment.tokens().enumerate() {
        let is_name = matches!(kind, TokenKind::Word | TokenKind::QuotedIdentifier);
        let fits = match token {
            "(" | "[" => {
                depth += 1;
                at > 0
            }
            ")" | "]" => {
                depth -= 1;
                true
            }
            "." => depth == 0 && at > 0,
            "," | "-" => depth > 0,
            _ if depth > 0 => is_name || kind == TokenKind::Number,
            _ => is_name && !OTHERS.iter().any(|word| word.eq_ignore_ascii_case(token)),
        };
        let is_second = at > 0 && kind == TokenKind::QuotedIdentifier && before != ".";
        if !fits || (is_second && depth == 0) {
            return Err("expected a type alone, such as text, numeric(10,2) or shop.state[]".into());
        }
        before = token;
    }
    Ok(fragment.text().to_owned())
}

/// What may stand between parentheses.
pub(super) fn expression(text: &str) -> Result<String, String> {
    Fragment::parse(text)
        .map(|fragment| fragment.text().to_owned())
        .map_err(|error| error.to_string())
}

/// `COLUMN = EXPRESSION` once or more.
pub(super) fn assignments(text: &str) -> Result<String, String> {
    let expected = || "expected \"COLUMN = EXPRESSION\", or several with commas".to_owned();
    let fragment = Fragment::parse(text).map_err(|error| error.to_string())?;
    let mut depth = 0;
    let mut place = 0;
    for (kind, token) in fragment.tokens() {
        let is_name = matches!(kind, TokenKind::Word | TokenKind::QuotedIdentifier);
        let fits = match place {
            0 => is_name,
            1 => token == "=",
            2 => token != ",",
            _ => true,
        };
        if !fits {
            return Err(expected());
        }
        match token {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            _ => {}
        }
        place = if token == "," && depth == 0 && place > 2 { 0 } else { place + 1 };
    }
    if place > 2 { Ok(fragment.text().to_owned()) } else { Err(expected()) }
}

/// A table, and the columns of it that are named.
pub(super) fn reference(text: &str) -> Result<(Table, Vec<Column>), String> {
    let expected = || "expected TABLE or TABLE(COLUMN, …)".to_owned();
    let fragment = Fragment::parse(text).map_err(|error| error.to_string())?;
    let (table, rest) = fragment.name().map_err(|error| error.to_string())?;
    if rest.is_empty() {
        return Ok((Table(table), Vec::new()));
    }
    let inside = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let columns = inside.ok_or_else(expected)?;
    // A comma in a quoted name is nothing that anybody has.
    let columns = columns.split(',').map(|name| column(name.trim()));
    Ok((Table(table), columns.collect::<Result<_, _>>().map_err(|_| expected())?))
}

/// Whether an expression is surely the same for every row, so that it is kept once for all rows that
/// are there: constants, casts of them, and the time.
pub(super) fn is_constant(expression: &str) -> bool {
    const CONSTANTS: [&str; 13] = [
        "true",
        "false",
        "null",
        "array",
        "now",
        "current_timestamp",
        "current_date",
        "current_time",
        "localtimestamp",
        "localtime",
        "current_user",
        "session_user",
        "current_role",
    ];
    const TYPE_WORDS: [&str; 13] = [
        "varying",
        "precision",
        "with",
        "without",
        "time",
        "zone",
        "year",
        "month",
        "day",
        "hour",
        "minute",
        "second",
        "to",
    ];
    let Ok(fragment) = Fragment::parse(expression) else { return false };
    let tokens: Vec<(TokenKind, &str)> = fragment.tokens().collect();
    // Behind `::` stands a type, with its schema, its further words and its modifiers.
    let (mut in_type, mut in_modifiers) = (false, false);
    tokens.iter().enumerate().all(|(at, (kind, token))| match kind {
        TokenKind::Number | TokenKind::String | TokenKind::DollarString => true,
        TokenKind::Symbol => {
            in_modifiers = in_type && *token == "(" || in_modifiers && *token == ",";
            in_type = *token == "::" || in_type && *token == ".";
            matches!(*token, "::" | "(" | ")" | "[" | "]" | "," | "-" | "+" | ".")
        }
        TokenKind::Word | TokenKind::QuotedIdentifier if in_type => {
            let begins = matches!(tokens[at - 1].1, "::" | ".");
            begins || TYPE_WORDS.iter().any(|word| word.eq_ignore_ascii_case(token))
        }
        TokenKind::Word | TokenKind::QuotedIdentifier if in_modifiers => true,
        TokenKind::Word => {
            let is_typed = tokens.get(at + 1).is_some_and(|next| next.0 == TokenKind::String);
            is_typed || CONSTANTS.iter().any(|word| word.eq_ignore_ascii_case(token))
        }
        TokenKind::QuotedIdentifier | TokenKind::MetaCommand => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::author::template::given::columns;

    #[test]
    fn a_type_is_a_type_alone() {
        for text in [
            "text",
            "varchar(20)",
            "numeric(10, -2)",
            "timestamp with time zone",
            "double precision",
            "interval day to second",
            "text[][3]",
            "shop.\"State\"",
            "public.geometry(Point,4326)",
            "\"My type\"",
        ] {
            assert_eq!(type_name(text).as_deref(), Ok(text));
        }
        for text in [
            "text not null",
            "text default 'x'",
            "int references t",
            "text collate \"C\"",
            "int, b int",
            "'text'",
            "(int)",
            "int = 1",
            "\"a\" \"b\"",
            "int constraint c",
            "1",
        ] {
            assert!(type_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn assignments_have_columns_and_expressions() {
        for text in ["a = 1", "a = coalesce(b, 0), \"B\" = a", "a = b = c", "a=ARRAY[1,2]"] {
            assert_eq!(assignments(text).as_deref(), Ok(text));
        }
        for text in ["a", "a =", "= 1", "a = 1,", "a = 1, b", "a = , b", "(a) = (1)", "a > 1"] {
            assert!(assignments(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_reference_is_a_table_with_columns_or_without() {
        let read = |text: &str| {
            reference(text).map(|(table, list)| format!("{table} {}", columns(&list).0))
        };
        assert_eq!(read("customer").as_deref(), Ok("customer "));
        assert_eq!(read("shop.order(id, \"No\")").as_deref(), Ok("shop.\"order\" id, \"No\""));
        for text in ["customer()", "customer(id", "customer id", "customer(id) x", "(id)"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_column_of_an_index_has_a_direction_or_none() {
        let read = |text: &str| index_column(text).map(|(column, it)| format!("{column} {it}"));
        for (text, expected) in [
            ("a", "a "),
            ("\"B\" desc", "\"B\" DESC"),
            ("a asc  nulls first", "a ASC NULLS FIRST"),
            ("a Nulls Last", "a NULLS LAST"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected));
        }
        for text in ["a b", "a desc asc", "a nulls", "a first", "s.a", "lower(a)", "a desc,b"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_column_of_a_table_has_a_type() {
        let read = |text: &str| {
            definition(text)
                .map(|(column, type_name, not_null)| format!("{column} {type_name} {not_null}"))
        };
        assert_eq!(read("name:text").as_deref(), Ok("name text false"));
        assert_eq!(read("n:numeric(10,2):not-null").as_deref(), Ok("n numeric(10,2) true"));
        assert_eq!(read("\"a:b\":int").as_deref(), Ok("\"a:b\" int false"));
        for text in ["name", "name:", ":text", "name:text not null", "name:text:null"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_may_differ_from_row_to_row_is_no_constant() {
        for text in [
            "0",
            "-1.5",
            "'x'",
            "true",
            "NULL",
            "now()",
            "CURRENT_TIMESTAMP",
            "'{}'::jsonb",
            "'a'::shop.state",
            "ARRAY[]::text[]",
            "'1'::numeric(10,2)",
            "date '2024-01-31'",
            "'x'::character varying(20)",
            "(0)",
            "$$x$$",
            "interval '1 day'",
        ] {
            assert!(is_constant(text), "{text}");
        }
        for text in [
            "random()",
            "gen_random_uuid()",
            "nextval('s')",
            "clock_timestamp()",
            "other_column",
            "\"Other\"",
            "lower('X')",
            "'x'::text || random()",
            "my.now()",
            "(SELECT 1)",
            "'x'::text + random()",
            "ARRAY['a'::text, random()]",
            "'a'::text COLLATE random()",
            "'a'::text, random()",
            "(1)::int and random(1)",
        ] {
            assert!(!is_constant(text), "{text}");
        }
    }
}
