//! The comment lines before a file's first statement, in the words of Alembic's docstring.
//!
//! ```text
//! -- add orders
//! --
//! -- Revision ID: 4f1c2a9b7d30
//! -- Revises: 1975ea83b712
//! -- Create Date: 2024-01-31 12:00:00
//! -- Transaction: none
//! ```
//!
//! Keys are known in any case, with a space, `-` or `_` between their words. Other lines are prose.

use std::time::Duration;

use crate::revision::problem::{Located, Problem};
use crate::revision::{Checksum, RevisionId, duration, nearest};

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The first line that is no key; without one, the name in the file's name.
    pub message: String,
    /// `Revision ID:`, in place of that in the file's name.
    pub revision_id: Option<RevisionId>,
    /// `Revises:`; empty for a base, none if the file doesn't say.
    pub revises: Option<Vec<RevisionId>>,
    /// `Create Date:`, as it is written.
    pub create_date: Option<String>,
    /// Whether the file runs in one transaction: false for `Transaction: none`.
    pub transaction: bool,
    /// `Breaking: yes`: an image without this revision must not start on it.
    pub breaking: bool,
    /// `Lock-Timeout:` of this file.
    pub lock_timeout: Option<Duration>,
    /// `Statement-Timeout:` of this file.
    pub statement_timeout: Option<Duration>,
    /// `Accepts:`: older checksums of this file that are also right.
    pub accepts: Vec<Checksum>,
    /// `Allow:`: hazards that its author knows of, each with the reason why it is none here.
    pub allows: Vec<Allowed>,
    /// The keys that are there, with their lines.
    keys: Vec<(&'static str, usize)>,
}

/// A hazard that the author of a file knows of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// The hazard, by the name that `castoff lint` has for it.
    pub hazard: String,
    /// Why it is none here.
    pub reason: String,
}

impl Allowed {
    fn parse(value: &str) -> Option<Self> {
        let (hazard, reason) = value.split_once([' ', '\t'])?;
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let (hazard, reason) = (hazard.to_owned(), reason.trim().to_owned());
        (hazard.chars().all(is_name) && !reason.is_empty()).then_some(Self { hazard, reason })
    }
}

const KEYS: [&str; 9] = [
    "Revision ID",
    "Revises",
    "Create Date",
    "Transaction",
    "Breaking",
    "Lock-Timeout",
    "Statement-Timeout",
    "Accepts",
    "Allow",
];

/// Comments that tools and licences begin a file with: no message.
const BOILERPLATE: [&str; 9] = [
    "Copyright",
    "SPDX-",
    "PostgreSQL database dump",
    "Dumped from database version",
    "Dumped by pg_dump version",
    "Your SQL goes here",
    "This file should undo anything in `up.sql`",
    "Add up migration script here",
    "Add down migration script here",
];

/// Marks of tools that keep both directions in one file.
const BOTH_DIRECTIONS: [&str; 4] =
    ["migrate:up", "+goose Up", "+goose StatementBegin", "+migrate Up"];

impl Header {
    /// Reads the comment lines that `text` begins with; `name` is the message if they have none.
    pub(super) fn parse(text: &str, name: &str) -> Result<Self, Located> {
        let mut reader = Reader::new(name);
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let content = line.trim();
            if !content.is_empty() && !content.starts_with("--") {
                break;
            }
            reader.line(content).map_err(|problem| {
                let indentation = line.len() - line.trim_start().len();
                Located { offset: offset + indentation, problem }
            })?;
            offset += line.len();
        }
        Ok(reader.header)
    }

    /// The line of a key, from 1.
    pub(super) fn line_of(&self, key: &str) -> Option<usize> {
        self.keys.iter().find(|(known, _)| *known == key).map(|(_, line)| *line)
    }
}

struct Reader {
    header: Header,
    message: Message,
    lines: usize,
}

#[derive(PartialEq)]
enum Message {
    Missing,
    /// The block began with a licence or the like, which goes on until a blank line.
    Boilerplate,
    Found,
}

impl Reader {
    fn new(name: &str) -> Self {
        let header = Header {
            message: name.replace(['_', '-'], " ").trim().to_owned(),
            revision_id: None,
            revises: None,
            create_date: None,
            transaction: true,
            breaking: false,
            lock_timeout: None,
            statement_timeout: None,
            accepts: Vec::new(),
            allows: Vec::new(),
            keys: Vec::new(),
        };
        Self { header, message: Message::Missing, lines: 0 }
    }

    /// Reads a comment line with its dashes, or a blank line.
    fn line(&mut self, line: &str) -> Result<(), Problem> {
        self.lines += 1;
        let Some(comment) = line.strip_prefix("--").map(str::trim) else {
            if self.message == Message::Boilerplate {
                self.message = Message::Missing;
            }
            return Ok(());
        };
        if self.lines == 1 && comment == "no-transaction" {
            self.header.transaction = false;
            return Ok(());
        }
        if BOTH_DIRECTIONS.iter().any(|mark| comment.starts_with(mark)) {
            return Err(Problem::BothDirections { mark: format!("-- {comment}") });
        }
        if let Some((key, value)) = comment.split_once(':') {
            if let Some(key) = known_key(key) {
                return self.key(key, value.trim());
            }
            if let Some(known) = misspelled_key(key) {
                return Err(Problem::MisspelledKey { found: key.to_owned(), known });
            }
        }
        if self.message == Message::Missing && !comment.is_empty() {
            if BOILERPLATE.iter().any(|start| comment.starts_with(start)) {
                self.message = Message::Boilerplate;
            } else {
                self.message = Message::Found;
                comment.clone_into(&mut self.header.message);
            }
        }
        Ok(())
    }

    fn key(&mut self, key: &'static str, value: &str) -> Result<(), Problem> {
        let header = &mut self.header;
        if header.line_of(key).is_some() && !matches!(key, "Accepts" | "Allow") {
            return Err(Problem::RepeatedKey { key });
        }
        header.keys.push((key, self.lines));
        let expected = match key {
            "Revision ID" => {
                header.revision_id = RevisionId::new(value).ok();
                header.revision_id.is_none().then_some("letters, digits, `.`, `_` and `-`")
            }
            "Revises" => {
                header.revises = parse_revises(value);
                header.revises.is_none().then_some("revision ids, or `none`")
            }
            "Create Date" => {
                header.create_date = Some(value.to_owned()).filter(|date| !date.is_empty());
                None
            }
            "Transaction" => {
                header.transaction = false;
                (!value.eq_ignore_ascii_case("none")).then_some("`none`, or no such line")
            }
            "Breaking" => {
                header.breaking = value.eq_ignore_ascii_case("yes");
                let known = header.breaking || value.eq_ignore_ascii_case("no");
                (!known).then_some("`yes` or `no`")
            }
            "Lock-Timeout" => {
                header.lock_timeout = parse_timeout(value).filter(|timeout| !timeout.is_zero());
                header.lock_timeout.is_none().then_some("a duration above zero such as `5s`")
            }
            "Statement-Timeout" => {
                header.statement_timeout = parse_timeout(value);
                header.statement_timeout.is_none().then_some("a duration such as `30s` or `5m`")
            }
            "Allow" => match Allowed::parse(value) {
                Some(allowed) => {
                    header.allows.push(allowed);
                    None
                }
                None => Some("a hazard, such as `drop-column`, and the reason why it is none"),
            },
            _ => match parse_accepts(value) {
                Some(mut accepts) => {
                    header.accepts.append(&mut accepts);
                    None
                }
                None => Some("`sha256:` and 64 hexadecimal digits"),
            },
        };
        match expected {
            Some(expected) => Err(Problem::HeaderValue { key, value: value.to_owned(), expected }),
            None => Ok(()),
        }
    }
}

fn normal(key: &str) -> String {
    key.trim().to_ascii_lowercase().replace(['-', '_'], " ")
}

fn known_key(key: &str) -> Option<&'static str> {
    let key = normal(key);
    KEYS.into_iter().find(|known| normal(known) == key)
}

fn misspelled_key(key: &str) -> Option<&'static str> {
    let key = normal(key);
    KEYS.into_iter().find(|known| !nearest(&key, [normal(known).as_str()]).is_empty())
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split([',', ' ', '\t']).filter(|word| !word.is_empty())
}

fn parse_revises(value: &str) -> Option<Vec<RevisionId>> {
    if ["none", "base", "<base>"].iter().any(|base| value.eq_ignore_ascii_case(base)) {
        return Some(Vec::new());
    }
    let mut ids = words(value).map(RevisionId::new).collect::<Result<Vec<_>, _>>().ok()?;
    ids.sort();
    ids.dedup();
    Some(ids)
}

/// A duration that PostgreSQL can hold: milliseconds in 31 bits.
fn parse_timeout(value: &str) -> Option<Duration> {
    duration::parse(value).filter(|timeout| i32::try_from(timeout.as_millis()).is_ok())
}

fn parse_accepts(value: &str) -> Option<Vec<Checksum>> {
    let accepts = words(value).map(str::parse).collect::<Result<Vec<_>, _>>().ok()?;
    Some(accepts).filter(|accepts| !accepts.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(text: &str) -> Header {
        Header::parse(text, "add_e-mail").unwrap()
    }

    fn problem(text: &str) -> (usize, String) {
        let located = Header::parse(text, "").unwrap_err();
        (located.offset, located.problem.to_string())
    }

    fn ids(ids: &[&str]) -> Vec<RevisionId> {
        ids.iter().map(|id| RevisionId::new(id).unwrap()).collect()
    }

    #[test]
    fn every_key_is_read() {
        let checksum = format!("sha256:{}", "0a".repeat(32));
        let text = format!(
            "\r\n-- add orders\r\n--\r\n--Revision ID: 4f1c\r\n-- REVISES: b, a\r\n\
             -- Create Date: 2024-01-31 12:00:00\r\n-- transaction: None\r\n-- Breaking: yes\r\n\
             -- lock_timeout: 500ms\r\n-- Statement Timeout: 0\r\n-- Accepts: {checksum}\r\n\
             -- and: so on\r\n-- Accepts: {checksum}, {checksum}\r\n-- Allow: drop-column  nobody \
             reads it\r\n-- allow: rename-table it is new\r\nselect 1; -- Breaking: maybe\r\n"
        );
        let header = header(&text);
        assert_eq!(header.message, "add orders");
        assert_eq!(header.revision_id, RevisionId::new("4f1c").ok());
        assert_eq!(header.revises, Some(ids(&["a", "b"])));
        assert_eq!(header.create_date.as_deref(), Some("2024-01-31 12:00:00"));
        assert!(!header.transaction && header.breaking);
        assert_eq!(header.lock_timeout, Some(Duration::from_millis(500)));
        assert_eq!(header.statement_timeout, Some(Duration::ZERO));
        assert_eq!(header.accepts, [checksum.parse().unwrap(); 3]);
        let allows: Vec<_> =
            header.allows.iter().map(|it| (it.hazard.as_str(), it.reason.as_str())).collect();
        assert_eq!(allows, [("drop-column", "nobody reads it"), ("rename-table", "it is new")]);
        assert_eq!(header.line_of("Revises"), Some(5));
    }

    #[test]
    fn a_file_without_comments_is_named_by_its_file() {
        for text in ["", "select 1; -- x", "--\n\n--\nselect 1", "/* x */", "-- Revises: 1"] {
            assert_eq!(header(text).message, "add e mail", "{text:?}");
        }
        let header = header("");
        assert!(header.transaction && !header.breaking && header.revises.is_none());
    }

    #[test]
    fn licences_and_templates_are_no_message() {
        for first in BOILERPLATE {
            assert_eq!(header(&format!("-- {first} x\n-- y\nselect 1")).message, "add e mail");
            assert_eq!(header(&format!("-- {first} x\n-- y\n\n-- z\n")).message, "z");
        }
    }

    #[test]
    fn revises_nothing_is_a_base() {
        for text in ["-- Revises:", "-- Revises: none", "-- Revises: <base>", "-- revises: base"] {
            assert_eq!(header(text).revises, Some(Vec::new()), "{text}");
        }
        assert_eq!(header("-- Revises: b a,b").revises, Some(ids(&["a", "b"])));
        assert_eq!(header("-- x").revises, None);
    }

    #[test]
    fn no_transaction_of_sqlx_counts_in_the_first_line_alone() {
        let first = header("-- no-transaction\n-- add an index\n");
        assert!(!first.transaction);
        assert_eq!(first.message, "add an index");
        assert!(header("-- add an index\n-- no-transaction\n").transaction);
    }

    #[test]
    fn a_wrong_value_is_an_error_at_its_line() {
        for line in [
            "Revision ID: a b",
            "Revision ID:",
            "Revises: a/b",
            "Transaction: yes",
            "Breaking: maybe",
            "Lock-Timeout: 0",
            "Lock-Timeout: soon",
            "Statement-Timeout: 1d",
            "Accepts: x",
            "Accepts:",
            "Allow: drop-column",
            "Allow: Everything there is",
            "Statement-Timeout: 999999h",
            "Transactions: none",
            "Breaking: no\n-- Breaking: no",
            "migrate:up",
            "+goose Up",
        ] {
            let (offset, message) = problem(&format!("-- x\n  -- {line}\n"));
            assert!(offset == 7 || line.contains('\n'), "{message}");
        }
        assert_eq!(
            problem("-- Breaking: maybe").1,
            "`Breaking: maybe` is not understood; expected `yes` or `no`"
        );
        assert_eq!(
            problem("-- Statement-Time-out: 1s").1,
            "`Statement-Time-out:` is not a known key; did you mean `Statement-Timeout:`?"
        );
    }

    #[test]
    fn prose_with_a_colon_is_prose() {
        for line in
            ["Note: this", "See https://example.org/", "Fixes: #12", "a: b: c", "Revision: 3"]
        {
            assert_eq!(header(&format!("-- {line}\n")).message, line);
        }
    }
}
