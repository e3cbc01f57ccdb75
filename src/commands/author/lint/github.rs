//! Findings as the workflow commands that GitHub shows beside a pull request's lines.

use crate::author::lint::{Finding, Level};

/// A line for each finding that is not allowed.
pub(super) fn annotations(findings: &[Finding]) -> String {
    findings.iter().filter(|finding| finding.allowed.is_none()).map(annotation).collect()
}

fn annotation(finding: &Finding) -> String {
    let Finding { rule, file, place, message, .. } = finding;
    let command = match rule.level {
        Level::Error => "error",
        Level::Hazard => "warning",
        Level::Style => "notice",
    };
    let place = place.map_or(String::new(), |(start, end)| {
        // Columns are only of one line.
        let columns = if start.line == end.line && end.column > start.column {
            format!(",col={},endColumn={}", start.column, end.column)
        } else {
            format!(",col={}", start.column)
        };
        format!(",line={},endLine={}{columns}", start.line, end.line)
    });
    let text = escaped(&format!("{message}; instead: {}", rule.instead));
    let (file, title) = (property(file), property(rule.name));
    format!("::{command} file={file}{place},title={title}::{text}\n")
}

/// What a command's text may hold.
fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What a property of a command may hold.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_property_is_escaped() {
        assert_eq!(property("a,b:c%\r\n"), "a%2Cb%3Ac%25%0D%0A");
        assert_eq!(escaped("a, b: 100%\n"), "a, b: 100%25%0A");
    }
}
