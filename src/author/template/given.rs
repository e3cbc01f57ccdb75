//! The parameters of a template, and what they are given.

use std::fmt;

use crate::author::template::TemplateError;
use crate::author::template::identifier::{addition, qualified, quoted};
use crate::author::template::value;
use crate::revision::{Name, nearest, parse_name};

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
        self.read(parameter, value::column)
    }

    /// The name of something in the table's schema.
    pub(crate) fn name(&self, parameter: &str) -> Result<Option<String>, TemplateError> {
        Ok(self.read(parameter, value::column)?.map(|column| column.0))
    }

    /// The columns of a constraint.
    pub(crate) fn columns(&self) -> Result<Vec<Column>, TemplateError> {
        let read =
            |value| value::column(value).map_err(|problem| self.wrong("column", value, problem));
        let columns: Vec<Column> = self.all("column").map(read).collect::<Result<_, _>>()?;
        match columns.iter().enumerate().find(|(at, it)| columns[..*at].contains(it)) {
            Some((_, twice)) => Err(self.misfit("column", format!("{twice} is named twice"))),
            None => Ok(columns),
        }
    }

    /// The columns of an index, each with its direction.
    pub(crate) fn index_columns(&self) -> Result<Vec<(Column, String)>, TemplateError> {
        let read = |value| {
            value::index_column(value).map_err(|problem| self.wrong("column", value, problem))
        };
        self.all("column").map(read).collect()
    }

    /// The columns of a new table, each with its type and whether it has to have a value.
    pub(crate) fn definitions(&self) -> Result<Vec<(Column, String, bool)>, TemplateError> {
        let read = |value| {
            value::definition(value).map_err(|problem| self.wrong("column", value, problem))
        };
        self.all("column").map(read).collect()
    }

    pub(crate) fn type_name(&self) -> Result<Option<String>, TemplateError> {
        self.read("type", value::type_name)
    }

    pub(crate) fn expression(&self, parameter: &str) -> Result<Option<String>, TemplateError> {
        self.read(parameter, value::expression)
    }

    pub(crate) fn assignments(&self, parameter: &str) -> Result<Option<String>, TemplateError> {
        self.read(parameter, value::assignments)
    }

    /// A table and the columns of it that are referred to; none for its primary key.
    pub(crate) fn reference(&self) -> Result<(Table, Vec<Column>), TemplateError> {
        self.required("references", self.read("references", value::reference)?)
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
