//! PostgreSQL's tokens, as its scanner (`scan.l`) and psql's (`psqlscan.l`) cut them.
//!
//! # Invariants
//! The checksum is made of these tokens, so their bounds never change. Tokens lie in order and don't
//! overlap; between them there are white space and comments alone. Linear time, no recursion.
//!
//! `standard_conforming_strings` is taken to be on, as it is in every supported server.

use std::ops::Range;

use crate::revision::problem::{Located, Problem};

/// What a token is, as far as castoff needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A keyword or an unquoted identifier.
    Word,
    /// `"…"` or `U&"…"`.
    QuotedIdentifier,
    /// `'…'` with any prefix, or one part of it where a literal continues on the next line.
    String,
    /// `$tag$…$tag$`.
    DollarString,
    /// A number or `$1`.
    Number,
    /// An operator or punctuation.
    Symbol,
    /// A backslash outside any other token, up to the end of its line.
    MetaCommand,
}

/// A token: its kind and its bytes in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Walks the tokens of a text.
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Set behind a `'…'`: whether it was an `E'…'`. A literal may go on behind a line end.
    open_literal: Option<bool>,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0, open_literal: None }
    }

    /// The next token, or none at the end of the text.
    pub(super) fn next(&mut self) -> Result<Option<Token>, Located> {
        let continues = self.skip_gap()?;
        let literal = self.open_literal.take().filter(|_| continues);
        let start = self.at;
        let Some(first) = self.peek(0) else { return Ok(None) };
        let kind = match first {
            b'\'' => self.literal(1, literal.unwrap_or(false))?,
            b'e' | b'E' if self.peek(1) == Some(b'\'') => self.literal(2, true)?,
            b'b' | b'B' | b'x' | b'X' | b'n' | b'N' if self.peek(1) == Some(b'\'') => {
                self.literal(2, false)?
            }
            b'u' | b'U' if self.looking_at(1, b"&'") => self.literal(3, false)?,
            b'u' | b'U' if self.looking_at(1, b"&\"") => self.quoted_identifier(3)?,
            b'"' => self.quoted_identifier(1)?,
            b'$' => self.dollar()?,
            b'0'..=b'9' => self.number(),
            b'.' if self.peek(1).is_some_and(|byte| byte.is_ascii_digit()) => self.number(),
            b'\\' => self.meta_command(),
            byte if is_word_start(byte) => self.word(),
            byte if is_operator(byte) => self.operator(),
            _ => self.punctuation(),
        };
        Ok(Some(Token { kind, start, end: self.at }))
    }

    /// The data behind a `COPY … FROM stdin;` that was just read, up to the line `\.`, which is skipped.
    /// `statement` is where the COPY begins.
    pub(super) fn copy_data(&mut self, statement: usize) -> Result<Range<usize>, Located> {
        let rest = self.line();
        let blank = rest.iter().position(|byte| !is_space(*byte));
        if let Some(blank) = blank.filter(|at| !rest[*at..].starts_with(b"--")) {
            return Err(Located { offset: self.at + blank, problem: Problem::TextAfterCopy });
        }
        self.at += rest.len();
        let start = self.at;
        while self.at < self.bytes.len() {
            let line = self.line();
            let end = self.at;
            self.at += line.len();
            if matches!(line, b"\\." | b"\\.\n" | b"\\.\r\n" | b"\\.\r") {
                return Ok(start..end);
            }
        }
        Err(Located { offset: statement, problem: Problem::CopyWithoutEnd })
    }

    /// The bytes from here to the end of the line, with its line feed.
    fn line(&self) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        &rest[..end]
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        self.bytes.get(self.at + ahead).copied()
    }

    fn looking_at(&self, ahead: usize, what: &[u8]) -> bool {
        self.bytes.get(self.at + ahead..).is_some_and(|rest| rest.starts_with(what))
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        let rest = &self.bytes[self.at..];
        self.at += rest.iter().position(|byte| !accept(*byte)).unwrap_or(rest.len());
    }

    /// Skips white space and comments. True if a string literal may continue behind them: there was a
    /// line end, and no comment of the `/* */` kind.
    fn skip_gap(&mut self) -> Result<bool, Located> {
        let mut newline = false;
        let mut block_comment = false;
        loop {
            match self.peek(0) {
                Some(byte) if is_space(byte) => {
                    newline |= is_newline(byte);
                    self.at += 1;
                }
                Some(b'-') if self.peek(1) == Some(b'-') => self.skip_while(|b| !is_newline(b)),
                Some(b'/') if self.peek(1) == Some(b'*') => {
                    block_comment = true;
                    self.block_comment()?;
                }
                _ => return Ok(newline && !block_comment),
            }
        }
    }

    fn block_comment(&mut self) -> Result<(), Located> {
        let start = self.at;
        let mut depth = 0_usize;
        while self.at < self.bytes.len() {
            if self.looking_at(0, b"/*") {
                depth += 1;
                self.at += 2;
            } else if self.looking_at(0, b"*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else {
                self.at += 1;
            }
        }
        Err(unterminated(start, "comment"))
    }

    /// A `'…'` whose opening, prefix and quote, has `opening` bytes.
    fn literal(&mut self, opening: usize, escapes: bool) -> Result<TokenKind, Located> {
        let start = self.at;
        self.at += opening;
        loop {
            self.skip_while(|byte| byte != b'\'' && !(escapes && byte == b'\\'));
            match (self.peek(0), self.peek(1)) {
                (Some(b'\''), Some(b'\'')) | (Some(b'\\'), Some(_)) => self.at += 2,
                (Some(b'\''), _) => break,
                _ => return Err(unterminated(start, "string")),
            }
        }
        self.at += 1;
        self.open_literal = Some(escapes);
        Ok(TokenKind::String)
    }

    fn quoted_identifier(&mut self, opening: usize) -> Result<TokenKind, Located> {
        let start = self.at;
        self.at += opening;
        loop {
            self.skip_while(|byte| byte != b'"');
            match (self.peek(0), self.peek(1)) {
                (Some(_), Some(b'"')) => self.at += 2,
                (Some(_), _) => break,
                (None, _) => return Err(unterminated(start, "quoted identifier")),
            }
        }
        self.at += 1;
        Ok(TokenKind::QuotedIdentifier)
    }

    /// `$1`, `$tag$…$tag$`, or a lone `$`.
    fn dollar(&mut self) -> Result<TokenKind, Located> {
        let start = self.at;
        self.at += 1;
        if self.peek(0).is_some_and(|byte| byte.is_ascii_digit()) {
            self.skip_while(|byte| byte.is_ascii_digit());
            return Ok(TokenKind::Number);
        }
        if self.peek(0).is_some_and(is_word_start) {
            self.skip_while(|byte| is_word_start(byte) || byte.is_ascii_digit());
        }
        if self.peek(0) != Some(b'$') {
            self.at = start + 1;
            return Ok(TokenKind::Symbol);
        }
        self.at += 1;
        let delimiter = &self.bytes[start..self.at];
        loop {
            self.skip_while(|byte| byte != b'$');
            if self.looking_at(0, delimiter) {
                self.at += delimiter.len();
                return Ok(TokenKind::DollarString);
            }
            if self.peek(0).is_none() {
                return Err(unterminated(start, "dollar-quoted string"));
            }
            self.at += 1;
        }
    }

    fn number(&mut self) -> TokenKind {
        let based = self.peek(0) == Some(b'0')
            && self.peek(1).is_some_and(|byte| b"xXoObB".contains(&byte))
            && self.peek(2).is_some_and(|byte| byte.is_ascii_hexdigit() || byte == b'_');
        if based {
            self.at += 2;
            self.skip_while(|byte| byte.is_ascii_hexdigit() || byte == b'_');
            return TokenKind::Number;
        }
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
        self.skip_while(is_digit);
        if self.peek(0) == Some(b'.') && self.peek(1) != Some(b'.') {
            self.at += 1;
            self.skip_while(is_digit);
        }
        if matches!(self.peek(0), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.peek(1), Some(b'+' | b'-')));
            if self.peek(1 + sign).is_some_and(|byte| byte.is_ascii_digit()) {
                self.at += 1 + sign;
                self.skip_while(is_digit);
            }
        }
        TokenKind::Number
    }

    fn word(&mut self) -> TokenKind {
        self.skip_while(|byte| is_word_start(byte) || byte.is_ascii_digit() || byte == b'$');
        TokenKind::Word
    }

    /// The longest run of operator characters, cut where a comment begins; a last `+` or `-` belongs to
    /// it only beside a character that no operator of standard SQL has, so that `=-1` is `=` and `-1`.
    fn operator(&mut self) -> TokenKind {
        let start = self.at;
        self.skip_while(is_operator);
        let run = &self.bytes[start..self.at];
        let comment = run.windows(2).position(|pair| pair == b"--" || pair == b"/*");
        let mut run = &run[..comment.unwrap_or(run.len())];
        if !run.iter().any(|byte| b"~!@#^&|`?%".contains(byte)) {
            while let [_, .., b'+' | b'-'] = run {
                run = &run[..run.len() - 1];
            }
        }
        self.at = start + run.len();
        TokenKind::Symbol
    }

    fn punctuation(&mut self) -> TokenKind {
        let pair = [b"::", b":=", b".."].iter().any(|pair| self.looking_at(0, *pair));
        self.at += if pair { 2 } else { 1 };
        TokenKind::Symbol
    }

    fn meta_command(&mut self) -> TokenKind {
        self.skip_while(|byte| !is_newline(byte));
        TokenKind::MetaCommand
    }
}

fn unterminated(offset: usize, what: &'static str) -> Located {
    Located { offset, problem: Problem::Unterminated { what } }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn is_newline(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_operator(byte: u8) -> bool {
    b"~!@#^&|`?+-*/%<>=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(text: &str) -> Vec<&str> {
        let mut lexer = Lexer::new(text);
        let mut tokens = Vec::new();
        while let Some(token) = lexer.next().unwrap() {
            tokens.push(&text[token.start..token.end]);
        }
        tokens
    }

    /// Where and what the text leaves open.
    fn open(text: &str) -> (usize, &'static str) {
        let mut lexer = Lexer::new(text);
        loop {
            match lexer.next() {
                Ok(Some(_)) => {}
                Err(Located { offset, problem: Problem::Unterminated { what } }) => {
                    return (offset, what);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn dollar_quotes_end_at_their_own_tag() {
        assert_eq!(tokens("$$a;$b$c$$;"), ["$$a;$b$c$$", ";"]);
        assert_eq!(tokens("$a$ $b$ $$ $A$ $a$x"), ["$a$ $b$ $$ $A$ $a$", "x"]);
        assert_eq!(tokens("$a$$b$a$"), ["$a$$b$a$"]);
        assert_eq!(tokens("$_é1$x$_é1$"), ["$_é1$x$_é1$"]);
    }

    #[test]
    fn dollar_tags_may_lie_side_by_side() {
        assert_eq!(tokens("$a$x$a$$a$y$a$"), ["$a$x$a$", "$a$y$a$"]);
        assert_eq!(tokens("$$x$$$$y$$"), ["$$x$$", "$$y$$"]);
        assert_eq!(tokens("1$a$x$a$2"), ["1", "$a$x$a$", "2"]);
    }

    #[test]
    fn parameters_and_dollars_in_identifiers_quote_nothing() {
        assert_eq!(tokens("$1$2"), ["$1", "$2"]);
        assert_eq!(tokens("a$b$c;d$$"), ["a$b$c", ";", "d$$"]);
        assert_eq!(tokens("$1a"), ["$1", "a"]);
        assert_eq!(tokens("$ $a"), ["$", "$", "a"]);
    }

    #[test]
    fn comments_nest() {
        assert_eq!(tokens("a /* /* ; ' */ -- */ b"), ["a", "b"]);
        assert_eq!(tokens("a -- /* ; '\nb"), ["a", "b"]);
        assert_eq!(tokens("a -- x\rb"), ["a", "b"]);
        assert_eq!(open("a /* /* */"), (2, "comment"));
        assert_eq!(open("/*/"), (0, "comment"));
    }

    #[test]
    fn backslashes_escape_in_e_strings_alone() {
        assert_eq!(tokens(r"E'\'' ';'"), [r"E'\''", "';'"]);
        assert_eq!(tokens(r"'\' ;"), [r"'\'", ";"]);
        assert_eq!(tokens(r"e'a\\' ''''"), [r"e'a\\'", "''''"]);
        assert_eq!(tokens(r"U&'\' b'1' X'f' n'\'"), [r"U&'\'", "b'1'", "X'f'", r"n'\'"]);
        assert_eq!(tokens(r"some'\'"), ["some", r"'\'"]);
        assert_eq!(open(r"x E'a\'"), (2, "string"));
        assert_eq!(open("'a''"), (0, "string"));
    }

    #[test]
    fn an_e_string_stays_one_on_the_next_line() {
        assert_eq!(tokens("E'a'\n 'b\\'c' d"), ["E'a'", "'b\\'c'", "d"]);
        assert_eq!(tokens("E'a' -- x\n 'b\\'c' d"), ["E'a'", "'b\\'c'", "d"]);
        assert_eq!(tokens("E'a' 'b\\' d"), ["E'a'", "'b\\'", "d"]);
        assert_eq!(tokens("E'a',\n'b\\' d"), ["E'a'", ",", "'b\\'", "d"]);
        assert_eq!(tokens("E'a' /* */\n 'b\\' d"), ["E'a'", "'b\\'", "d"]);
        assert_eq!(tokens("'a'\n'b\\' d"), ["'a'", "'b\\'", "d"]);
    }

    #[test]
    fn quoted_identifiers_hold_anything() {
        assert_eq!(
            tokens(r#""quo;ted" "a""b" U&"\"x"#),
            [r#""quo;ted""#, r#""a""b""#, r#"U&"\""#, "x"]
        );
        assert_eq!(open("a.\"b"), (2, "quoted identifier"));
    }

    #[test]
    fn operators_end_where_postgresql_ends_them() {
        assert_eq!(tokens("a<=-1"), ["a", "<=", "-", "1"]);
        assert_eq!(tokens("a=-b*-c"), ["a", "=", "-", "b", "*", "-", "c"]);
        assert_eq!(tokens("@-1 ->>'x' #>> -+"), ["@-", "1", "->>", "'x'", "#>>", "-", "+"]);
        assert_eq!(tokens("a+--x\n-b"), ["a", "+", "-", "b"]);
        assert_eq!(tokens("a*/* x */b"), ["a", "*", "b"]);
        assert_eq!(tokens("a::b:=c..d:e"), ["a", "::", "b", ":=", "c", "..", "d", ":", "e"]);
    }

    #[test]
    fn numbers_are_whole() {
        assert_eq!(tokens("1.5e-3+1e5 .5 1..2"), ["1.5e-3", "+", "1e5", ".5", "1", "..", "2"]);
        assert_eq!(tokens("0xFFe-1 1_000.5_0 1.e5"), ["0xFFe", "-", "1", "1_000.5_0", "1.e5"]);
        assert_eq!(tokens("1from 2e 0x"), ["1", "from", "2", "e", "0", "x"]);
    }

    #[test]
    fn an_empty_text_has_no_tokens() {
        assert!(tokens("").is_empty());
        assert!(tokens(" \t\r\n\x0b\x0c").is_empty());
        assert!(tokens("-- only a comment").is_empty());
    }
}
