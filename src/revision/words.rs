//! A cursor over one statement's tokens, to recognise what it is.

use crate::revision::lexer::{Token, TokenKind};
use crate::revision::name::{self, Name};

/// The tokens of a statement that are still to be read.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    text: &'a str,
    tokens: &'a [Token],
}

impl<'a> Words<'a> {
    pub(super) fn new(text: &'a str, tokens: &'a [Token]) -> Self {
        Self { text, tokens }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Whether more of it has been read than of another of the same statement.
    pub(super) fn is_shorter_than(&self, other: Self) -> bool {
        self.tokens.len() < other.tokens.len()
    }

    /// How many tokens are left.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Takes the next token, whatever it is.
    pub(super) fn next(&mut self) -> Option<(TokenKind, &'a str)> {
        let (token, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some((token.kind, &self.text[token.start..token.end]))
    }

    fn peek(&self) -> Option<(TokenKind, &'a str)> {
        Self::next(&mut self.clone())
    }

    /// Takes the next word if it is `word`, in any case.
    pub(super) fn eat(&mut self, word: &str) -> bool {
        let found = self
            .peek()
            .is_some_and(|(kind, text)| kind == TokenKind::Word && text.eq_ignore_ascii_case(word));
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    /// Takes the next words if they are `words`, all or none of them.
    pub(super) fn eat_all(&mut self, words: &[&str]) -> bool {
        let before = *self;
        let found = words.iter().all(|word| self.eat(word));
        if !found {
            *self = before;
        }
        found
    }

    /// Takes the next word if it is one of `words`.
    pub(super) fn eat_any(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.eat(word))
    }

    pub(super) fn eat_symbol(&mut self, symbol: &str) -> bool {
        let found = self.peek() == Some((TokenKind::Symbol, symbol));
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    /// Takes `( … )`, if that is what comes next, and gives what is inside.
    pub(super) fn parentheses(&mut self) -> Self {
        let inside = self.tokens;
        let mut depth = 0_usize;
        while let Some((kind, text)) = self.peek() {
            match text {
                "(" if kind == TokenKind::Symbol => depth += 1,
                ")" if kind == TokenKind::Symbol => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 && text != ")" {
                break;
            }
            self.tokens = &self.tokens[1..];
            if depth == 0 {
                break;
            }
        }
        let taken = inside.len() - self.tokens.len();
        Self { text: self.text, tokens: inside.get(1..taken.max(1)).unwrap_or_default() }
    }

    /// Takes an identifier, unquoted and folded.
    pub(super) fn identifier(&mut self) -> Option<String> {
        match self.peek()? {
            (TokenKind::Word, word) => {
                self.next();
                Some(name::fold(word))
            }
            (TokenKind::QuotedIdentifier, quoted) => {
                self.next();
                let escape = if self.eat("uescape") {
                    self.next().and_then(|(_, text)| text.chars().nth(1))
                } else {
                    None
                };
                Some(name::unquote(quoted, escape.unwrap_or('\\')))
            }
            (
                TokenKind::String
                | TokenKind::DollarString
                | TokenKind::Number
                | TokenKind::Symbol
                | TokenKind::MetaCommand,
                _,
            ) => None,
        }
    }

    /// Takes a name with or without its schema (and a database before it, which PostgreSQL allows).
    pub(super) fn name(&mut self) -> Option<Name> {
        let mut schema = None;
        let mut name = self.identifier()?;
        while self.eat_symbol(".") {
            schema = Some(name);
            name = self.identifier()?;
        }
        Some(Name { schema, name })
    }

    /// True if the rest holds `word` outside parentheses, followed by one of `next`.
    pub(super) fn has_pair(mut self, word: &str, next: &[&str]) -> bool {
        while !self.is_empty() {
            if self.eat(word) {
                if self.eat_any(next) {
                    return true;
                }
            } else if self.peek() == Some((TokenKind::Symbol, "(")) {
                self.parentheses();
            } else {
                self.next();
            }
        }
        false
    }

    /// What an option list among the rest says of `option`: on when named without a value.
    pub(super) fn option(mut self, option: &str) -> Option<bool> {
        while !self.is_empty() {
            if self.eat(option) {
                self.eat_symbol("=");
                let value = self.peek().map(|(_, text)| text.trim_matches('\'').to_lowercase());
                return Some(!matches!(value.as_deref(), Some("false" | "off" | "no" | "0")));
            }
            self.next();
        }
        None
    }
}
