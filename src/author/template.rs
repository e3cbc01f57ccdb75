//! Templates: revisions that do a common change beside a running application.
//!
//! Whatever waits for a lock waits for a strong one only shortly: what scans a table, or goes through
//! its rows, is in a statement or a revision of its own, with a lock that readers and writers don't
//! feel. A constraint is added NOT VALID by one revision and validated by the next, and not by one
//! file outside a transaction: so it works behind a pooler too, and where old rows do not fit, what
//! holds for new ones is already recorded.
//!
//! # Invariants
//! Pure, but for [`own`]'s reading. What is given is put into a statement only after it was parsed.

mod batches;
mod column;
mod constraint;
mod data;
mod error;
mod given;
mod identifier;
mod index;
mod known;
pub(crate) mod own;
mod rename;
mod table;
mod value;

use crate::author::create::Draft;
use crate::revision::nearest;

pub use error::TemplateError;
use given::Given;
pub(crate) use given::{Kind, Need, Parameter};
pub(crate) use known::Known;
use own::Own;

/// A template of castoff's own.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) name: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) parameters: &'static [Parameter],
    make: fn(&Given<'_>, &Known) -> Result<Vec<Draft>, TemplateError>,
}

/// Every template of castoff's own, in the order in which they are listed.
pub(crate) static TEMPLATES: [Template; 8] = [
    table::CREATE,
    column::ADD,
    column::NOT_NULL,
    rename::RENAME,
    index::ADD,
    constraint::FOREIGN_KEY,
    constraint::CHECK,
    data::MIGRATION,
];

/// Whether a parameter of some template of castoff's own is a flag without a value.
pub(crate) fn is_switch(name: &str) -> bool {
    let mut parameters = TEMPLATES.iter().flat_map(|template| template.parameters);
    parameters.any(|parameter| parameter.name == name && parameter.kind == Kind::Switch)
}

/// The revisions that a template makes of what it is given.
pub(crate) fn make(
    template: Option<&str>,
    parameters: &[(String, String)],
    own: &[Own],
    known: &Known,
) -> Result<Vec<Draft>, TemplateError> {
    let Some(name) = template else {
        return match parameters.first() {
            None => Ok(vec![Draft::default()]),
            Some((parameter, _)) => Err(TemplateError::NoTemplate { parameter: parameter.clone() }),
        };
    };
    // A team may have its own idea of one of castoff's.
    if let Some(own) = own.iter().find(|own| own.name() == name) {
        return own.make(parameters);
    }
    let Some(template) = TEMPLATES.iter().find(|template| template.name == name) else {
        let known = TEMPLATES.iter().map(|template| template.name);
        let known = known.chain(own.iter().map(Own::name));
        let nearest = nearest(name, known).first().map(|name| (*name).to_owned());
        return Err(TemplateError::Unknown { template: name.to_owned(), nearest });
    };
    let given = Given::new(template.name, template.parameters, parameters)?;
    (template.make)(&given, known)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a template makes of `--name value …`, or its error.
    pub(super) fn made(template: &str, line: &[&str]) -> Result<Vec<Draft>, String> {
        made_with(template, line, &Known::default())
    }

    pub(super) fn made_with(
        template: &str,
        line: &[&str],
        known: &Known,
    ) -> Result<Vec<Draft>, String> {
        let mut parameters = Vec::new();
        let mut words = line.iter();
        while let Some(name) = words.next() {
            let name = name.trim_start_matches("--");
            let value = if is_switch(name) { "" } else { words.next().unwrap() };
            parameters.push((name.to_owned(), value.to_owned()));
        }
        make(Some(template), &parameters, &[], known)
            .map_err(|error| format!("{error}; {}", error.hint().unwrap_or_default()))
    }

    #[test]
    fn what_a_template_does_not_take_is_refused_by_name() {
        for (template, line, expected) in [
            ("add-colum", &[][..], "no template \"add-colum\"; did you mean add-column?"),
            ("nothing", &[], "no template \"nothing\"; `castoff templates`"),
            ("add-column", &[], "add-column needs --table TABLE"),
            (
                "add-column",
                &["--table", "t", "--colum", "c"],
                "add-column has no parameter --colum; did you mean --column?",
            ),
            ("add-column", &["--table", "t", "--table", "u"], "add-column takes --table once"),
            (
                "add-column",
                &["--table", "t", "--column", "c", "--type", "int", "--method", "gin"],
                "add-column has no parameter --method",
            ),
            (
                "add-column",
                &["--table", "my table", "--column", "c", "--type", "int"],
                "--table \"my table\" of the template add-column: it is not a name",
            ),
            (
                "add-column",
                &["--table", "t", "--column", "a.b", "--type", "int"],
                "--column \"a.b\" of the template add-column: a column has no schema",
            ),
            (
                "add-column",
                &["--table", "t", "--column", "c", "--type", "int; DROP TABLE t"],
                "--type \"int; DROP TABLE t\" of the template add-column: it holds a `;`",
            ),
            (
                "add-foreign-key",
                &["--table", "t", "--column", "c", "--references", "r", "--on-delete", "drop"],
                "expected cascade, set-null, set-default, restrict or no-action",
            ),
            (
                "data-migration",
                &["--table", "t", "--set", "a = 1", "--batch-size", "0"],
                "expected a number from 1 to 10000",
            ),
        ] {
            let error = made(template, line).unwrap_err();
            assert!(error.contains(expected), "{template} {line:?}: {error}");
        }
        let stray = [("table".to_owned(), "t".to_owned())];
        let error = make(None, &stray, &[], &Known::default()).unwrap_err();
        assert!(error.to_string().contains("--table is a parameter of a template"), "{error}");
        assert_eq!(make(None, &[], &[], &Known::default()), Ok(vec![Draft::default()]));
    }

    #[test]
    fn a_parameter_is_a_switch_in_every_template_or_in_none() {
        for template in &TEMPLATES {
            for parameter in template.parameters {
                let is_switch = parameter.kind == Kind::Switch;
                assert_eq!(is_switch, super::is_switch(parameter.name), "{}", parameter.name);
            }
        }
    }
}
