//! What squawk finds in a file.

use std::ops::Range;

use squawk_linter::Linter;
use squawk_syntax::ast::{self, AstNode};

use super::rule::Rule;
use super::rules::{self, RULES};
use super::sheet::{Sheet, place};

/// What squawk says of a place.
pub(super) struct Violation {
    pub(super) rule: &'static Rule,
    pub(super) place: Range<usize>,
    /// The statement that it is in.
    pub(super) statement: usize,
}

/// Everything that squawk's rules of ours find, in the order of the file.
pub(super) fn violations(sheet: &Sheet<'_>) -> Vec<Violation> {
    let names = RULES.iter().map(|rule| rule.squawk.unwrap_or(rule.name));
    let mut linter = Linter::from(names.filter_map(|name| name.parse().ok()));
    linter.settings.assume_in_transaction = sheet.script.header().transaction;
    let found = linter.lint(&sheet.parse, &sheet.text);
    let mut violations: Vec<Violation> = found
        .into_iter()
        .filter_map(|violation| {
            let rule = Rule::named(&violation.code.to_string())?;
            let range = violation.text_range;
            let place = range.start().into()..range.end().into();
            let statement = sheet.statement_at(&place)?;
            Some(Violation { rule, place, statement })
        })
        .collect();
    // It tells of the first one too.
    violations.dedup_by(|a, b| {
        let twice = a.rule == rules::DUPLICATE_COLUMN_ASSIGNMENTS && b.rule == a.rule;
        twice && a.statement == b.statement
    });
    violations
}

/// What squawk's parser can't make sense of: the first place in each statement, and why.
pub(super) fn syntax_errors(sheet: &Sheet<'_>) -> Vec<(Range<usize>, String)> {
    let mut found: Vec<(usize, Range<usize>, String)> = Vec::new();
    for error in sheet.parse.errors() {
        let range = error.range();
        let here: Range<usize> = range.start().into()..range.end().into();
        // Where a statement ends too early, the error is behind it.
        let statement = statement_before(sheet, here.start);
        let is_first = found.last().is_none_or(|(last, ..)| *last != statement);
        if is_first && !is_unknown_to_squawk(sheet, statement) {
            found.push((statement, here, error.message().to_owned()));
        }
    }
    found.into_iter().map(|(_, place, message)| (place, message)).collect()
}

/// The statement of the file, as castoff cuts it, that a place is in or behind.
fn statement_before(sheet: &Sheet<'_>, offset: usize) -> usize {
    sheet.script.statements().partition_point(|it| it.range().start <= offset)
}

/// Whether a statement is right although squawk's parser knows nothing of it.
fn is_unknown_to_squawk(sheet: &Sheet<'_>, behind: usize) -> bool {
    let Some(statement) = behind.checked_sub(1).and_then(|at| sheet.script.statements().get(at))
    else {
        return false;
    };
    let text = sheet.script.text().get(statement.range()).unwrap_or_default();
    let words = text.split_whitespace().take(4).map(str::to_ascii_lowercase);
    let words: Vec<String> = words.filter(|it| it != "or" && it != "replace").collect();
    words.starts_with(&["create".to_owned(), "trusted".to_owned()])
}

/// The node of a kind that a place is in, or begins with.
pub(super) fn node_at<N: AstNode>(statement: &ast::Stmt, at: &Range<usize>) -> Option<N> {
    let nodes = statement.syntax().descendants().filter_map(N::cast);
    nodes
        .filter(|node| {
            let node = place(node.syntax());
            node.start <= at.start && at.start < node.end.max(node.start + 1)
        })
        .last()
}
