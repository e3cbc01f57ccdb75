//! `castoff templates`: castoff's own, and those of the team.

use std::fmt;

use serde::Serialize;

use super::Desk;
use crate::author::template::{Need, TEMPLATES, Template, own};
use crate::commands::Outcome;
use crate::error::Error;

#[derive(Serialize)]
#[serde(transparent)]
struct Listing(Vec<Entry>);

#[derive(Serialize)]
struct Entry {
    template: String,
    summary: String,
    parameters: Vec<Shown>,
    /// The team's.
    own: bool,
}

#[derive(Serialize)]
struct Shown {
    parameter: String,
    required: bool,
    repeatable: bool,
}

pub(super) fn run(desk: &Desk<'_>) -> Result<Outcome, Error> {
    let mut entries: Vec<Entry> = TEMPLATES.iter().map(ours).collect();
    if let Ok(path) = desk.folder() {
        for own in own::read(path)? {
            entries.retain(|entry| entry.template != own.name());
            let parameter = |(name, kind)| Shown {
                parameter: format!("--{name} {kind}"),
                required: true,
                repeatable: false,
            };
            entries.push(Entry {
                template: own.name().to_owned(),
                summary: own.summary().to_owned(),
                parameters: own.parameters().into_iter().map(parameter).collect(),
                own: true,
            });
        }
    }
    desk.print(&Listing(entries))
}

fn ours(template: &Template) -> Entry {
    let parameters = template.parameters.iter().map(|parameter| Shown {
        parameter: parameter.to_string(),
        required: matches!(parameter.need, Need::Once | Need::OnceOrMore),
        repeatable: matches!(parameter.need, Need::OnceOrMore | Need::Any),
    });
    Entry {
        template: template.name.to_owned(),
        summary: template.summary.to_owned(),
        parameters: parameters.collect(),
        own: false,
    }
}

impl fmt::Display for Listing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|entry| entry.fmt(f))
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WIDTH: usize = 80;
        let mark = if self.own { " (this folder's)" } else { "" };
        writeln!(f, "{}{mark}: {}", self.template, self.summary)?;
        let mut line = String::from("   ");
        for Shown { parameter, required, repeatable } in &self.parameters {
            let again = if *repeatable { "…" } else { "" };
            let shown = if *required {
                format!(" {parameter}{again}")
            } else {
                format!(" [{parameter}{again}]")
            };
            if line.chars().count() + shown.chars().count() > WIDTH {
                writeln!(f, "{line}")?;
                line = String::from("   ");
            }
            line += &shown;
        }
        if self.parameters.is_empty() { Ok(()) } else { writeln!(f, "{line}") }
    }
}
