//! One SQL file.

#[cfg(feature = "author")]
use crate::revision::lexer::Lexer;
use crate::revision::position::Position;
use crate::revision::problem::{Located, Problem};
use crate::revision::{Checksum, FileError, FileName, Header, Statement, split};

/// An SQL file, or SQL kept in the ledger: its header, its statements, its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    file: String,
    text: String,
    header: Header,
    statements: Vec<Statement>,
    /// Of the first statements, for each number of them.
    checksums: Vec<Checksum>,
}

impl Script {
    /// Reads a file's bytes; `file` is how it is shown, and what names it if it has no message.
    ///
    /// Says nothing of how the file fits into a folder, nor of statements that castoff won't run.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, FileError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let refuse = |text: &str, Located { offset, problem }| FileError {
            file: file.to_owned(),
            position: Some(Position::of(text, offset)),
            problem,
        };
        let text = str::from_utf8(bytes).map_err(|error| {
            let located = Located { offset: error.valid_up_to(), problem: Problem::NotUtf8 };
            refuse(&String::from_utf8_lossy(bytes), located)
        })?;
        let refuse = |located| refuse(text, located);
        if let Some(offset) = text.find('\0') {
            return Err(refuse(Located { offset, problem: Problem::NulByte }));
        }
        let base = file.rsplit('/').next().unwrap_or(file);
        let name = FileName::parse(base).map(|name| name.name).unwrap_or_default();
        let header = Header::parse(text, &name).map_err(refuse)?;
        let (statements, checksums) = split::split(text).map_err(refuse)?;
        Ok(Self { file: file.to_owned(), header, statements, checksums, text: text.to_owned() })
    }

    /// The file as it is shown.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The whole text, without a byte order mark. Statements' ranges count its bytes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the file says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The statements in their order; empty ones are left out.
    pub fn statements(&self) -> &[Statement] {
        &self.statements
    }

    /// A statement's text, in which psql finds no variables of its own.
    ///
    /// It takes `:name` for one, which in SQL may be the end of a slice: `a[1:n]`.
    #[cfg(feature = "author")]
    pub fn for_psql(&self, statement: &Statement) -> String {
        let text = &self.text[statement.range()];
        let mut written = String::with_capacity(text.len());
        let (mut lexer, mut copied, mut colon) = (Lexer::new(text), 0, None);
        while let Ok(Some(token)) = lexer.next() {
            if colon == Some(token.start) {
                written.push_str(&text[copied..token.start]);
                written.push(' ');
                copied = token.start;
            }
            colon = (&text[token.start..token.end] == ":").then_some(token.end);
        }
        written + &text[copied..]
    }

    /// The digest of the tokens.
    pub fn checksum(&self) -> Checksum {
        self.checksums[self.statements.len()]
    }

    /// The digest of the first `statements` statements, as if the file ended there; `None` if
    /// there are fewer. Tells whether what an interrupted run has done is still what the file says.
    pub fn prefix_checksum(&self, statements: usize) -> Option<Checksum> {
        self.checksums.get(statements).copied()
    }

    /// Where a byte of the text is. Linear in the offset.
    pub fn position(&self, byte_offset: usize) -> Position {
        Position::of(&self.text, byte_offset)
    }

    /// A line by its number, from 1, without its line end; empty if there is none.
    pub fn line(&self, number: usize) -> &str {
        self.text.lines().nth(number.saturating_sub(1)).unwrap_or_default()
    }

    pub(super) fn error(&self, offset: usize, problem: Problem) -> FileError {
        let position = Some(self.position(offset));
        FileError { file: self.file.clone(), position, problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(bytes: &[u8]) -> String {
        Script::parse("m/1_x.up.sql", bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_byte_order_mark_does_not_count() {
        let plain = Script::parse("m/1_add_x.up.sql", b"-- Breaking: yes\nselect 1;").unwrap();
        let marked = b"\xef\xbb\xbf-- Breaking: yes\nselect 1;";
        assert_eq!(Script::parse("m/1_add_x.up.sql", marked).unwrap(), plain);
        assert_eq!(plain.header().message, "add x");
        assert!(plain.header().breaking);
        let only_mark = Script::parse("x", b"\xef\xbb\xbf").unwrap();
        assert_eq!((only_mark.text(), only_mark.statements().len()), ("", 0));
    }

    #[test]
    #[cfg(feature = "author")]
    fn psql_finds_no_variables_in_a_statement() {
        for (text, expected) in [
            ("SELECT a[1:n], a[x:\"N\"], b::text", "SELECT a[1: n], a[x: \"N\"], b::text"),
            ("SELECT a[:USER] -- :x", "SELECT a[: USER]"),
            (
                "SELECT ':a', $$ :b $$, a[1 : n] /* :c */, 1",
                "SELECT ':a', $$ :b $$, a[1 : n] /* :c */, 1",
            ),
            ("DO $$ BEGIN x := 1; END $$", "DO $$ BEGIN x := 1; END $$"),
            ("CALL f(a := 1, b => 2)", "CALL f(a := 1, b => 2)"),
        ] {
            let script = Script::parse("1_x.up.sql", text.as_bytes()).unwrap();
            assert_eq!(script.for_psql(&script.statements()[0]), expected);
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_with_their_position() {
        assert_eq!(
            error(b"\xef\xbb\xbfselect 1;\n-- \xc3\xa9\xef\xbf\xbd\xff"),
            "m/1_x.up.sql:2:6: not UTF-8; save the file as UTF-8"
        );
        assert_eq!(
            error(b"select\n 1\0"),
            "m/1_x.up.sql:2:3: a zero byte, which PostgreSQL doesn't take"
        );
    }

    #[test]
    fn what_is_left_open_is_refused_with_its_position() {
        assert_eq!(
            error("select 1;\r\n-- é\r\nselect 'é', 'a;\r\n".as_bytes()),
            "m/1_x.up.sql:3:13: this string is never ended"
        );
        assert_eq!(error(b"do $$"), "m/1_x.up.sql:1:4: this dollar-quoted string is never ended");
    }

    #[test]
    fn lines_and_positions_are_an_editors() {
        let script = Script::parse("x", "a\r\n  é; b\n".as_bytes()).unwrap();
        let b = script.statements()[1].range();
        assert_eq!(script.position(b.start).to_string(), "2:6");
        assert_eq!(script.line(2), "  é; b");
        assert_eq!((script.line(1), script.line(3), script.line(0)), ("a", "", "a"));
    }
}
