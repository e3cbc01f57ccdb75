//! A piece of SQL that somebody gives to be put into a statement: a name, a type, an expression.
//!
//! # Invariants
//! It cannot end the statement that it is put into, nor swallow what follows it: every string, quote
//! and bracket in it is closed, and it holds neither `;` nor a comment.

use std::fmt;

use crate::revision::Name;
use crate::revision::lexer::{Lexer, Token};
use crate::revision::problem::{Located, Problem};
use crate::revision::words::Words;

pub use crate::revision::lexer::TokenKind;

/// The bytes of a name that a catalogue holds.
const NAME_LENGTH: usize = 63;

/// The tokens of a piece of SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    text: &'a str,
    tokens: Vec<Token>,
}

/// Why a text is no piece of a statement, or no name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidFragment {
    /// There is nothing.
    Empty,
    /// It begins what it does not end, for example a `string`.
    Unterminated(&'static str),
    /// A bracket without the other one.
    Unbalanced(char),
    /// A comment.
    Comment,
    /// What would end the statement.
    Semicolon,
    /// A backslash, with which psql's commands begin.
    Backslash,
    /// A zero byte or a line end, which a file has no place for here.
    Control,
    /// A name is expected, with or without a schema.
    NotAName,
    /// A name that PostgreSQL would cut.
    LongName {
        /// Its length, in bytes.
        length: usize,
    },
}

impl fmt::Display for InvalidFragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::Unterminated(what) => write!(f, "a {what} in it is never ended"),
            Self::Unbalanced(bracket) => write!(f, "a `{bracket}` in it has no partner"),
            Self::Comment => f.write_str("it holds a comment"),
            Self::Semicolon => f.write_str("it holds a `;`"),
            Self::Backslash => f.write_str("it holds a backslash outside a string"),
            Self::Control => f.write_str("it holds a line end or a zero byte"),
            Self::NotAName => f.write_str(
                "it is not a name; expected one as SQL has it, in double quotes if it is no plain \
                 word",
            ),
            Self::LongName { length } => {
                write!(f, "the name has {length} bytes, of which PostgreSQL keeps {NAME_LENGTH}")
            }
        }
    }
}

impl std::error::Error for InvalidFragment {}

impl<'a> Fragment<'a> {
    /// Reads a text, of which nothing is left over.
    pub fn parse(text: &'a str) -> Result<Self, InvalidFragment> {
        let text = text.trim();
        if text.contains(['\0', '\n', '\r']) {
            return Err(InvalidFragment::Control);
        }
        let mut lexer = Lexer::new(text);
        let mut tokens: Vec<Token> = Vec::new();
        let mut open: Vec<char> = Vec::new();
        let mut end = 0;
        loop {
            let token = lexer.next().map_err(|error| unterminated(&error))?;
            let start = token.map_or(text.len(), |token| token.start);
            if !text[end..start].trim().is_empty() {
                return Err(InvalidFragment::Comment);
            }
            let Some(token) = token else { break };
            end = token.end;
            match (token.kind, &text[token.start..token.end]) {
                (TokenKind::MetaCommand, _) => return Err(InvalidFragment::Backslash),
                (TokenKind::Symbol, ";") => return Err(InvalidFragment::Semicolon),
                (TokenKind::Symbol, "(") => open.push('('),
                (TokenKind::Symbol, "[") => open.push('['),
                (TokenKind::Symbol, ")") if open.pop() != Some('(') => {
                    return Err(InvalidFragment::Unbalanced(')'));
                }
                (TokenKind::Symbol, "]") if open.pop() != Some('[') => {
                    return Err(InvalidFragment::Unbalanced(']'));
                }
                _ => {}
            }
            tokens.push(token);
        }
        match open.pop() {
            Some(bracket) => Err(InvalidFragment::Unbalanced(bracket)),
            None if tokens.is_empty() => Err(InvalidFragment::Empty),
            None => Ok(Self { text, tokens }),
        }
    }

    /// The text without white space around it.
    pub fn text(&self) -> &'a str {
        self.text
    }

    /// The tokens, each with its kind.
    pub fn tokens(&self) -> impl Iterator<Item = (TokenKind, &'a str)> {
        self.tokens.iter().map(|token| (token.kind, &self.text[token.start..token.end]))
    }

    /// The name with which it begins, and the text behind it.
    pub fn name(&self) -> Result<(Name, &'a str), InvalidFragment> {
        let mut words = Words::new(self.text, &self.tokens);
        let name = words.name().ok_or(InvalidFragment::NotAName)?;
        let used = self.tokens.len() - words.len();
        let named = &self.tokens[..used];
        if named.iter().filter(|token| &self.text[token.start..token.end] == ".").count() > 1 {
            return Err(InvalidFragment::NotAName);
        }
        for token in named {
            let word = &self.text[token.start..token.end];
            // What is doubled or escaped counts twice: a name that long is nobody's.
            let quotes = if token.kind == TokenKind::QuotedIdentifier { 2 } else { 0 };
            let length = word.len().saturating_sub(quotes);
            if length == 0 {
                return Err(InvalidFragment::NotAName);
            }
            if length > NAME_LENGTH {
                return Err(InvalidFragment::LongName { length });
            }
        }
        let end = named.last().map_or(0, |token| token.end);
        Ok((name, self.text[end..].trim_start()))
    }
}

/// Reads a text that is a name and nothing else.
pub fn name(text: &str) -> Result<Name, InvalidFragment> {
    match Fragment::parse(text)?.name()? {
        (name, "") => Ok(name),
        _ => Err(InvalidFragment::NotAName),
    }
}

fn unterminated(error: &Located) -> InvalidFragment {
    if let Problem::Unterminated { what } = error.problem {
        InvalidFragment::Unterminated(what)
    } else {
        InvalidFragment::Comment
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_or_swallow_a_statement_is_refused() {
        for (text, expected) in [
            ("", InvalidFragment::Empty),
            (" \t", InvalidFragment::Empty),
            ("a; DROP TABLE b", InvalidFragment::Semicolon),
            ("a -- b", InvalidFragment::Comment),
            ("a /* b */", InvalidFragment::Comment),
            ("/* b", InvalidFragment::Unterminated("comment")),
            ("'a", InvalidFragment::Unterminated("string")),
            ("\"a", InvalidFragment::Unterminated("quoted identifier")),
            ("$$a", InvalidFragment::Unterminated("dollar-quoted string")),
            ("(a", InvalidFragment::Unbalanced('(')),
            ("a)", InvalidFragment::Unbalanced(')')),
            ("(a]", InvalidFragment::Unbalanced(']')),
            ("a \\i b", InvalidFragment::Backslash),
            ("a\nb", InvalidFragment::Control),
        ] {
            assert_eq!(Fragment::parse(text), Err(expected), "{text:?}");
        }
        for text in ["a > 0 AND (b[1] = ';' OR c = $x$--$x$)", "\"a;b\"", "'it''s'", "E'\\\\'"] {
            assert_eq!(Fragment::parse(text).map(|it| it.text().to_owned()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn names_are_read_as_postgresql_reads_them() {
        let named = |schema: Option<&str>, name: &str| {
            Ok(Name { schema: schema.map(str::to_owned), name: name.to_owned() })
        };
        for (text, expected) in [
            ("Users", named(None, "users")),
            (" public.Users ", named(Some("public"), "users")),
            ("\"My shop\".\"Order\"\"s\"", named(Some("My shop"), "Order\"s")),
            ("order", named(None, "order")),
            ("straße", named(None, "straße")),
            ("a.b.c", Err(InvalidFragment::NotAName)),
            ("a.", Err(InvalidFragment::NotAName)),
            ("my table", Err(InvalidFragment::NotAName)),
            ("a-b", Err(InvalidFragment::NotAName)),
            ("'a'", Err(InvalidFragment::NotAName)),
            ("1a", Err(InvalidFragment::NotAName)),
            ("\"\"", Err(InvalidFragment::NotAName)),
        ] {
            assert_eq!(name(text), expected, "{text}");
        }
        assert!(name(&"x".repeat(63)).is_ok());
        assert_eq!(name(&"x".repeat(64)), Err(InvalidFragment::LongName { length: 64 }));
        let quoted = format!("\"{}\"", "é".repeat(32));
        assert_eq!(name(&quoted), Err(InvalidFragment::LongName { length: 64 }));
    }

    #[test]
    fn what_follows_a_name_is_given() {
        let read = |text: &str| {
            Fragment::parse(text).and_then(|it| {
                let (name, rest) = it.name()?;
                Ok((name.to_string(), rest.to_owned()))
            })
        };
        assert_eq!(read("shop.orders (id)"), Ok(("shop.orders".into(), "(id)".into())));
        assert_eq!(read("a"), Ok(("a".into(), String::new())));
    }
}
