//! Findings for people.

use std::fmt;

use super::{Linted, Rules};
use crate::author::lint::Finding;

impl fmt::Display for Linted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.findings.iter().filter(|finding| finding.allowed.is_none()) {
            show(f, finding)?;
        }
        let many = |count: usize, what: &str| match (count, what) {
            (1, "hazard" | "error" | "revision") => format!("1 {what}"),
            (_, "hazard" | "error" | "revision") => format!("{count} {what}s"),
            _ => format!("{count} {what}"),
        };
        let found: Vec<String> = [
            (self.errors, "error"),
            (self.hazards, "hazard"),
            (self.style, "of style"),
            (self.allowed, "allowed"),
        ]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| many(count, what))
        .collect();
        let found = if found.is_empty() { "nothing found".to_owned() } else { found.join(", ") };
        writeln!(f, "{}: {found}", many(self.revisions, "revision"))
    }
}

fn show(f: &mut fmt::Formatter<'_>, finding: &Finding) -> fmt::Result {
    let Finding { rule, file, place, line, message, .. } = finding;
    f.write_str(file)?;
    if let Some((start, _)) = place {
        write!(f, ":{start}")?;
    }
    writeln!(f, ": {} {}", rule.level.word(), rule.name)?;
    if !line.is_empty() {
        writeln!(f, "  | {line}")?;
    }
    writeln!(f, "  {message}")?;
    writeln!(f, "  instead: {}\n", rule.instead)
}

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|rule| rule.name.len()).max().unwrap_or_default();
        for rule in self.0 {
            let asked = if rule.optional { " (--style)" } else { "" };
            writeln!(f, "{:<6} {:<width$} {}{asked}", rule.level.word(), rule.name, rule.summary)?;
        }
        Ok(())
    }
}
