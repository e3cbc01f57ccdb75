//! A file of SQL as squawk reads it: statements alone, each where it is in the file.

use std::ops::Range;

use squawk_syntax::ast::{self, AstNode};
use squawk_syntax::{Parse, SourceFile, SyntaxElement, SyntaxNode};

use crate::revision::{Position, Script};

/// A file and its syntax tree.
///
/// What castoff knows to be no statement (data of a `COPY`, the `\restrict` of `pg_dump`, comments between
/// statements) is left out of the tree; offsets are the file's.
pub(super) struct Sheet<'a> {
    pub(super) script: &'a Script,
    pub(super) text: String,
    pub(super) parse: Parse<SourceFile>,
    pub(super) statements: Vec<ast::Stmt>,
    /// Statements that are not in the tree, since reading them would take more than the stack.
    pub(super) too_deep: Vec<Range<usize>>,
}

/// How deep a statement may nest; PostgreSQL itself gives up before.
const DEEPEST: usize = 10_000;

impl<'a> Sheet<'a> {
    pub(super) fn new(script: &'a Script) -> Self {
        let (text, too_deep) = statements_alone(script);
        let parse = SourceFile::parse(&text);
        let is_empty = |statement: &ast::Stmt| matches!(statement, ast::Stmt::EmptyStmt(_));
        let statements = parse.tree().stmts().filter(|it| !is_empty(it)).collect();
        Self { script, text, parse, statements, too_deep }
    }

    /// The statement that a place is in.
    pub(super) fn statement_at(&self, place: &Range<usize>) -> Option<usize> {
        let begun = |statement: &ast::Stmt| bytes(statement.syntax()).start <= place.start;
        self.statements.partition_point(begun).checked_sub(1)
    }

    /// Where something begins and ends in the file.
    pub(super) fn positions(&self, place: &Range<usize>) -> (Position, Position) {
        (self.script.position(place.start), self.script.position(place.end))
    }
}

/// The bytes of a node.
pub(super) fn bytes(node: &SyntaxNode) -> Range<usize> {
    let range = node.text_range();
    range.start().into()..range.end().into()
}

/// The bytes of a node without what there is of white space and comments in front.
pub(super) fn place(node: &SyntaxNode) -> Range<usize> {
    let tokens = node.descendants_with_tokens().filter_map(SyntaxElement::into_token);
    let mut solid = tokens.filter(|token| !token.kind().is_trivia());
    let start = solid.next().map(|token| usize::from(token.text_range().start()));
    let Range { start: from, end } = bytes(node);
    start.unwrap_or(from)..end
}

/// The statements of a script with white space around them, each ended by a `;`, and those that are
/// left out.
fn statements_alone(script: &Script) -> (String, Vec<Range<usize>>) {
    let text = script.text();
    let mut too_deep = Vec::new();
    let mut bytes: Vec<u8> =
        text.bytes().map(|byte| if byte == b'\n' { byte } else { b' ' }).collect();
    for statement in script.statements() {
        let range = statement.range();
        if depth(&text[range.clone()]) > DEEPEST {
            too_deep.push(range);
            continue;
        }
        bytes[range.clone()].copy_from_slice(&text.as_bytes()[range.clone()]);
        match bytes.get_mut(range.end) {
            Some(byte) => *byte = b';',
            None => bytes.push(b';'),
        }
    }
    // Statements begin and end between characters.
    // squawk would leave out what such a comment names, and nobody would know: `Allow:` is for that.
    let text = String::from_utf8_lossy(&bytes).replace("squawk-ignore", "squawk_ignore");
    let text = text.replace("squawk-disable-assume", "squawk_disable_assume");
    (text, too_deep)
}

/// An upper bound of how deep expressions nest in a text.
fn depth(text: &str) -> usize {
    let opening = text.bytes().filter(|byte| matches!(byte, b'(' | b'[')).count();
    if opening + text.len() / "not ".len() <= DEEPEST {
        return 0;
    }
    let mut open = 0_usize;
    let mut deepest = 0;
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' => open += 1,
            b')' | b']' => open = open.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(open);
    }
    let prefix = |word: &&str| ["not", "case"].iter().any(|it| word.eq_ignore_ascii_case(it));
    deepest + text.split_ascii_whitespace().filter(prefix).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_are_parsed_and_they_stay_where_they_are() {
        let text = "-- é\n\\restrict x\nCOPY t (a) FROM stdin;\nDROP TABLE é;\n\\.\n/* ; */ SELECT 'é' ;;\nDROP TABLE u";
        let script = Script::parse("1_x.sql", text.as_bytes()).unwrap();
        let sheet = Sheet::new(&script);
        assert_eq!(sheet.parse.errors(), []);
        let places: Vec<_> = sheet
            .statements
            .iter()
            .map(|it| sheet.positions(&place(it.syntax())).0.to_string())
            .collect();
        assert_eq!(places, ["3:1", "6:9", "7:1"]);
        let last = place(sheet.statements[2].syntax());
        assert_eq!(sheet.statement_at(&last), Some(2));
        assert_eq!(sheet.positions(&last).1.to_string(), "7:13");
    }
}
