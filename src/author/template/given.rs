//! The parameters of a template, and what they are given.

use std::fmt;

use crate::author::template::TemplateError;
use crate::author::template::identifier::{addition, qualified, quoted};
use crate::revision::{Fragment, Name, TokenKind, nearest, parse_name};

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) need: Need,
}

/// What it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Table,
    Name,
    /// A column, with its direction in an index.
    Column,
    /// `NAME:TYPE`, or `NAME:TYPE:not-null`.
    Definition,
    Type,
    Expression,
    /// `COLUMN = EXPRESSION, …`.
    Assignments,
    /// `TABLE` or `TABLE(COLUMN, …)`.
    Reference,
    Choice(&'static [&'static str]),
    Count,
    /// Nothing: it is there or not.
    Switch,
}

/// How often it has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Once,
    AtMostOnce,
    OnceOrMore,
    Any,
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}", self.name)?;
        match self.kind {
            Kind::Table => f.write_str(" TABLE"),
            Kind::Name => f.write_str(" NAME"),
            Kind::Column => f.write_str(" COLUMN"),
            Kind::Definition => f.write_str(" NAME:TYPE[:not-null]"),
            Kind::Type => f.write_str(" TYPE"),
            Kind::Expression => f.write_str(" EXPRESSION"),
            Kind::Assignments => f.write_str(" \"COLUMN = EXPRESSION, …\""),
            Kind::Reference => f.write_str(" TABLE(COLUMN)"),
            Kind::Choice(words) => write!(f, " {}", words.join("|")),
            Kind::Count => f.write_str(" NUMBER"),
            Kind::Switch => Ok(()),
        }
    }
}

/// What a template is given, of which only what it takes, and all that it needs, is there.
#[derive(Debug)]
pub(crate) struct Given<'a> {
    template: &'static str,
    values: &'a [(String, String)],
}

/// A table, as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table(pub(crate) Name);

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&qualified(&self.0))
    }
}

/// A column, as SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column(pub(crate) String);

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&quoted(&self.0))
    }
}

/// Columns with commas between them, and what they add to a name.
pub(crate) fn columns(columns: &[Column]) -> (String, String) {
    let list: Vec<String> = columns.iter().map(Column::to_string).collect();
    (list.join(", "), addition(columns.iter().map(|column| column.0.as_str())))
}

impl<'a> Given<'a> {
    /// Checks that each parameter is there as often as it may be, and no other.
    pub(crate) fn new(
        template: &'static str,
        parameters: &[Parameter],
        values: &'a [(String, String)],
    ) -> Result<Self, TemplateError> {
        let owned = || template.to_owned();
        for (name, _) in values {
            if !parameters.iter().any(|parameter| parameter.name == name) {
                let known = parameters.iter().map(|parameter| parameter.name);
                let nearest = nearest(name, known).first().map(|name| (*name).to_owned());
                let parameter = name.clone();
                return Err(TemplateError::Superfluous { template: owned(), parameter, nearest });
            }
        }
        for parameter in parameters {
            let count = values.iter().filter(|(name, _)| name == parameter.name).count();
            match (parameter.need, count) {
                (Need::Once | Need::OnceOrMore, 0) => {
                    let parameter = parameter.to_string();
                    return Err(TemplateError::Missing { template: owned(), parameter });
                }
                (Need::Once | Need::AtMostOnce, 2..) => {
                    let parameter = parameter.name.to_owned();
                    return Err(TemplateError::Repeated { template: owned(), parameter });
                }
                (Need::Once | Need::AtMostOnce | Need::OnceOrMore | Need::Any, _) => {}
            }
        }
        Ok(Self { template, values })
    }

    fn all(&self, parameter: &str) -> impl Iterator<Item = &'a str> {
        let values = self.values.iter().filter(move |(name, _)| name == parameter);
        values.map(|(_, value)| value.as_str())
    }

    fn value(&self, parameter: &str) -> Option<&'a str> {
        self.all(parameter).next()
    }

    pub(crate) fn has(&self, parameter: &str) -> bool {
        self.value(parameter).is_some()
    }

    /// A value that does not fit to the others.
    pub(crate) fn misfit(&self, parameter: &str, problem: impl Into<String>) -> TemplateError {
        TemplateError::Together {
            template: self.template.to_owned(),
            parameter: parameter.to_owned(),
            problem: problem.into(),
        }
    }

    fn wrong(&self, parameter: &str, value: &str, problem: impl Into<String>) -> TemplateError {
        TemplateError::Value {
            template: self.template.to_owned(),
            parameter: parameter.to_owned(),
            value: value.to_owned(),
            problem: problem.into(),
        }
    }

    fn read<T>(
        &self,
        parameter: &str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, TemplateError> {
        let read = |value| read(value).map_err(|problem| self.wrong(parameter, value, problem));
        self.value(parameter).map(read).transpose()
    }

    /// The value of a parameter that is there, since [`Given::new`] has seen it.
    fn required<T>(&self, parameter: &str, value: Option<T>) -> Result<T, TemplateError> {
        value.ok_or_else(|| TemplateError::Missing {
            template: self.template.to_owned(),
            parameter: format!("--{parameter}"),
        })
    }

    pub(crate) fn table(&self) -> Result<Table, TemplateError> {
        let table = self.read("table", |value| {
            parse_name(value).map(Table).map_err(|problem| problem.to_string())
        })?;
        self.required("table", table)
    }

    pub(crate) fn column(&self, parameter: &str) -> Result<Column, TemplateError> {
        self.required(parameter, self.optional_column(parameter)?)
    }

    pub(crate) fn optional_column(&self, parameter: &str) -> Result<Option<Column>, TemplateError> {
        self.read(parameter, column)
    }

    /// The name of something in the table's schema.
    pub(crate) fn name(&self, parameter: &str) -> Result<Option<String>, TemplateError> {
        Ok(self.read(parameter, column)?.map(|column| column.0))
    }

    /// The columns of a constraint.
    pub(crate) fn columns(&self) -> Result<Vec<Column>, TemplateError> {
        let read = |value| column(value).map_err(|problem| self.wrong("column", value, problem));
        let columns: Vec<Column> = self.all("column").map(read).collect::<Result<_, _>>()?;
        match columns.iter().enumerate().find(|(at, it)| columns[..*at].contains(it)) {
            Some((_, twice)) => Err(self.misfit("column", format!("{twice} is named twice"))),
            None => Ok(columns),
        }
    }

    /// The columns of an index, each with its direction.
    pub(crate) fn index_columns(&self) -> Result<Vec<(Column, String)>, TemplateError> {
        let read =
            |value| index_column(value).map_err(|problem| self.wrong("column", value, problem));
        self.all("column").map(read).collect()
    }

    /// The columns of a new table, each with its type and whether it has to have a value.
    pub(crate) fn definitions(&self) -> Result<Vec<(Column, String, bool)>, TemplateError> {
        let read =
            |value| definition(value).map_err(|problem| self.wrong("column", value, problem));
        self.all("column").map(read).collect()
    }

    pub(crate) fn type_name(&self) -> Result<Option<String>, TemplateError> {
        self.read("type", type_name)
    }

    pub(crate) fn expression(&self, parameter: &str) -> Result<Option<String>, TemplateError> {
        self.read(parameter, expression)
    }

    pub(crate) fn assignments(&self, parameter: &str) -> Result<Option<String>, TemplateError> {
        self.read(parameter, assignments)
    }

    /// A table and the columns of it that are referred to; none for its primary key.
    pub(crate) fn reference(&self) -> Result<(Table, Vec<Column>), TemplateError> {
        self.required("references", self.read("references", reference)?)
    }

    /// One of a few words.
    pub(crate) fn choice(
        &self,
        parameter: &str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, TemplateError> {
        self.read(parameter, |value| {
            let found = words.iter().find(|word| word.eq_ignore_ascii_case(value));
            let (last, most) = words.split_last().unwrap_or((&"", &[]));
            found.copied().ok_or_else(|| format!("expected {} or {last}", most.join(", ")))
        })
    }

    pub(crate) fn count(&self, parameter: &str, most: u32) -> Result<Option<u32>, TemplateError> {
        self.read(parameter, |value| {
            let number = value.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("expected a number from 1 to {most}"))
        })
    }
}

fn column(text: &str) -> Result<Column, String> {
    match parse_name(text).map_err(|error| error.to_string())? {
        Name { schema: None, name } => Ok(Column(name)),
        Name { schema: Some(_), .. } => Err("a column has no schema".to_owned()),
    }
}

fn index_column(text: &str) -> Result<(Column, String), String> {
    const DIRECTIONS: [&str; 6] = ["asc", "desc", "nulls", "first", "last", ""];
    let fragment = Fragment::parse(text).map_err(|error| error.to_string())?;
    let (name, rest) = fragment.name().map_err(|error| error.to_string())?;
    let direction = rest.to_ascii_uppercase();
    let known = rest
        .split_ascii_whitespace()
        .all(|word| DIRECTIONS.iter().any(|direction| direction.eq_ignore_ascii_case(word)));
    if name.schema.is_some() || !known {
        return Err("expected a column, with ASC, DESC, NULLS FIRST or NULLS LAST".to_owned());
    }
    Ok((Column(name.name), direction))
}

fn definition(text: &str) -> Result<(Column, String, bool), String> {
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

fn expression(text: &str) -> Result<String, String> {
    Fragment::parse(text)
        .map(|fragment| fragment.text().to_owned())
        .map_err(|error| error.to_string())
}

/// `COLUMN = EXPRESSION` once or more.
fn assignments(text: &str) -> Result<String, String> {
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

fn reference(text: &str) -> Result<(Table, Vec<Column>), String> {
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
