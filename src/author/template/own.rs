//! A team's own templates: `.templates/NAME/` in the migration folder, whose reader skips it.
//!
//! A template is `up.sql` and `down.sql`, or, for several revisions, `1_NOTE.up.sql`,
//! `1_NOTE.down.sql`, `2_…`. `{{name}}` and `{{name:kind}}` are its parameters. `{{` that no letter
//! follows is no placeholder: an array of arrays of numbers stays one.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fmt, fs, io};

use crate::author::create::{Draft, Files, Text};
use crate::author::template::given::{Column, Table};
use crate::author::template::identifier::{literal, qualified};
use crate::author::template::value::type_name;
use crate::author::template::{TemplateError, is_switch};
use crate::error::Error;
use crate::migrations;
use crate::revision::{FileKind, FileName, Fragment, Name, Script, nearest, parse_name};
use crate::settings::VARIABLES;

/// Where they are in a migration folder.
pub(crate) const FOLDER: &str = ".templates";

/// What a parameter's value has to be, and how it is written into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OwnKind {
    Expression,
    Identifier,
    Table,
    Type,
    Literal,
    Number,
}

const KINDS: [(&str, OwnKind); 6] = [
    ("expression", OwnKind::Expression),
    ("identifier", OwnKind::Identifier),
    ("table", OwnKind::Table),
    ("type", OwnKind::Type),
    ("literal", OwnKind::Literal),
    ("number", OwnKind::Number),
];

impl fmt::Display for OwnKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = KINDS.iter().find(|(_, kind)| kind == self).map_or("", |(word, _)| word);
        f.write_str(&word.to_uppercase())
    }
}

/// A template of a team's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    name: String,
    summary: String,
    revisions: Vec<OwnRevision>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct OwnRevision {
    note: String,
    up: Option<Vec<Piece>>,
    down: Option<Vec<Piece>>,
}

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Parameter { name: String, kind: OwnKind },
}

impl Own {
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it says of itself, in a line.
    pub(crate) fn summary(&self) -> &str {
        &self.summary
    }

    /// Its parameters in their order, each with the kind that it is first used as.
    pub(crate) fn parameters(&self) -> Vec<(&str, OwnKind)> {
        let mut found: Vec<(&str, OwnKind)> = Vec::new();
        for piece in self.pieces() {
            if let Piece::Parameter { name, kind } = piece
                && !found.iter().any(|(known, _)| known == name)
            {
                found.push((name, *kind));
            }
        }
        found
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let files = self.revisions.iter().flat_map(|it| [&it.up, &it.down]);
        files.flatten().flatten()
    }

    /// Reads a template's files; `label` is its folder's name, for errors.
    fn parse(name: &str, files: &Files, label: &str) -> Result<Self, TemplateError> {
        let broken = |file: Option<&str>, problem: &str| {
            let file = file.map_or_else(|| label.to_owned(), |file| format!("{label}/{file}"));
            TemplateError::Broken { file, line: None, problem: problem.to_owned() }
        };
        let mut revisions: BTreeMap<_, OwnRevision> = BTreeMap::new();
        let mut summaries = BTreeMap::new();
        for (path, bytes) in files {
            let (order, note, kind) = match path.as_str() {
                "up.sql" => (None, String::new(), FileKind::Up),
                "down.sql" => (None, String::new(), FileKind::Down),
                path => match FileName::parse(path) {
                    Some(FileName {
                        id: Ok(id),
                        name,
                        kind: kind @ (FileKind::Up | FileKind::Down),
                    }) if path.ends_with(".up.sql") || kind == FileKind::Down => {
                        (Some(id), name.replace(['_', '-'], " "), kind)
                    }
                    _ => {
                        let problem = "no file of a template; expected up.sql and down.sql, or \
                                       1_NOTE.up.sql and 1_NOTE.down.sql";
                        return Err(broken(Some(path), problem));
                    }
                },
            };
            let text = str::from_utf8(bytes).map_err(|_| broken(Some(path), "not UTF-8"))?;
            let pieces = pieces(text, &format!("{label}/{path}"))?;
            let revision = revisions.entry(order.clone()).or_default();
            let place = if kind == FileKind::Up {
                revision.note = note;
                let script = Script::parse("up.sql", bytes).ok();
                summaries.insert(order, script.map(|it| it.header().message.clone()));
                &mut revision.up
            } else {
                &mut revision.down
            };
            if place.replace(pieces).is_some() {
                return Err(broken(Some(path), "a second file of the same revision"));
            }
        }
        if revisions.is_empty() {
            return Err(broken(None, "a template without files"));
        }
        if revisions.len() > 1 && revisions.contains_key(&None) {
            return Err(broken(
                None,
                "up.sql and down.sql are beside the files of several revisions",
            ));
        }
        for (order, revision) in &revisions {
            let file = |kind| {
                order
                    .as_ref()
                    .map_or_else(|| format!("{kind}.sql"), |id| format!("{id}_….{kind}.sql"))
            };
            for (place, kind) in [(&revision.up, "up"), (&revision.down, "down")] {
                if place.is_none() {
                    let problem = format!("{} is missing; it may be empty", file(kind));
                    return Err(broken(None, &problem));
                }
            }
        }
        let summary = summaries.into_values().flatten().next().unwrap_or_default();
        Ok(Self { name: name.to_owned(), summary, revisions: revisions.into_values().collect() })
    }

    /// The revisions that it makes of what it is given.
    pub(super) fn make(&self, values: &[(String, String)]) -> Result<Vec<Draft>, TemplateError> {
        let parameters = self.parameters();
        let template = || self.name.clone();
        for (at, (name, _)) in values.iter().enumerate() {
            let parameter = name.clone();
            if values[..at].iter().any(|(other, _)| other == name) {
                return Err(TemplateError::Repeated { template: template(), parameter });
            }
            if !parameters.iter().any(|(known, _)| known == name) {
                let known = parameters.iter().map(|(known, _)| *known);
                let nearest = nearest(name, known).first().map(|it| (*it).to_owned());
                return Err(TemplateError::Superfluous {
                    template: template(),
                    parameter,
                    nearest,
                });
            }
        }
        for (name, kind) in &parameters {
            if !values.iter().any(|(given, _)| given == name) {
                let parameter = format!("--{name} {kind}");
                return Err(TemplateError::Missing { template: template(), parameter });
            }
        }
        let text = |pieces: &Option<Vec<Piece>>| {
            let pieces = pieces.iter().flatten();
            pieces.map(|piece| self.written(piece, values)).collect::<Result<String, _>>()
        };
        let several = self.revisions.len() > 1;
        let drafts = self.revisions.iter().map(|revision| {
            let note = if several { revision.note.clone() } else { String::new() };
            Ok(Draft { note, up: split(&text(&revision.up)?), down: split(&text(&revision.down)?) })
        });
        drafts.collect()
    }

    fn written(&self, piece: &Piece, values: &[(String, String)]) -> Result<String, TemplateError> {
        match piece {
            Piece::Text(text) => Ok(text.clone()),
            Piece::Parameter { name, kind } => {
                let value = values.iter().find(|(given, _)| given == name);
                let value = value.map(|(_, value)| value.as_str()).unwrap_or_default();
                written(*kind, value).map_err(|problem| TemplateError::Value {
                    template: self.name.clone(),
                    parameter: name.clone(),
                    value: value.to_owned(),
                    problem,
                })
            }
        }
    }
}

/// A value as the file has it.
fn written(kind: OwnKind, value: &str) -> Result<String, String> {
    let name = || parse_name(value).map_err(|problem| problem.to_string());
    match kind {
        OwnKind::Expression => {
            let fragment = Fragment::parse(value).map_err(|problem| problem.to_string())?;
            Ok(fragment.text().to_owned())
        }
        OwnKind::Identifier => match name()? {
            Name { schema: None, name } => Ok(Column(name).to_string()),
            name @ Name { schema: Some(_), .. } => {
                Err(format!("expected a name without a schema; {} has one", qualified(&name)))
            }
        },
        OwnKind::Table => Ok(Table(name()?).to_string()),
        OwnKind::Type => type_name(value),
        OwnKind::Literal if value.contains('\0') => Err("it holds a zero byte".to_owned()),
        OwnKind::Literal => Ok(literal(value)),
        OwnKind::Number => {
            let unsigned = value.strip_prefix('-').unwrap_or(value);
            let is_number = !unsigned.is_empty() && unsigned.bytes().all(|b| b.is_ascii_digit());
            if is_number { Ok(value.to_owned()) } else { Err("expected a whole number".to_owned()) }
        }
    }
}

/// The comment lines that a file begins with are the header's; the rest is SQL.
fn split(text: &str) -> Text {
    let mut keys = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    while let Some(comment) = rest.strip_prefix("--") {
        let (line, after) = comment.split_once('\n').unwrap_or((comment, ""));
        keys.push(line.trim().to_owned());
        rest = after;
    }
    Text { keys, prose: Vec::new(), sql: rest.trim().to_owned() }
}

/// Cuts a file where its placeholders are.
fn pieces(text: &str, file: &str) -> Result<Vec<Piece>, TemplateError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        let line = text[..text.len() - rest.len() + at].matches('\n').count() + 1;
        let broken = |problem: String| TemplateError::Broken {
            file: file.to_owned(),
            line: Some(line),
            problem,
        };
        plain.push_str(&rest[..at]);
        let after = &rest[at + 2..];
        if !after.trim_start_matches(' ').starts_with(|c: char| c.is_alphabetic() || c == '_') {
            // Not two at once: a third may begin a placeholder.
            plain.push('{');
            rest = &rest[at + 1..];
            continue;
        }
        let end = after.lines().next().and_then(|line| line.find("}}"));
        let end = end.ok_or_else(|| broken("`{{` without `}}` on its line".to_owned()))?;
        let (name, kind) = after[..end].split_once(':').unwrap_or((&after[..end], "expression"));
        let (name, kind) = (name.trim(), kind.trim());
        if !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            let found = format!("`{{{{{}}}}}` is no placeholder: ", &after[..end]);
            let expected = "expected lower-case letters, digits and `-`, and `{ {` for an array";
            return Err(broken(found + expected));
        }
        if is_ours(name) {
            return Err(broken(format!("--{name} is a flag of castoff's; take another name")));
        }
        let Some((_, kind)) = KINDS.iter().find(|(word, _)| *word == kind) else {
            let words: Vec<&str> = KINDS.iter().map(|(word, _)| *word).collect();
            let expected = words.join(", ");
            return Err(broken(format!("unknown kind `{kind}` of {name}; expected {expected}")));
        };
        pieces.push(Piece::Text(std::mem::take(&mut plain)));
        pieces.push(Piece::Parameter { name: name.to_owned(), kind: *kind });
        rest = &after[end + 2..];
    }
    plain.push_str(rest);
    pieces.push(Piece::Text(plain));
    Ok(pieces)
}

/// Whether a flag means something else already.
fn is_ours(name: &str) -> bool {
    const OTHERS: [&str; 6] = ["help", "version", "json", "template", "password", "pgpassword"];
    OTHERS.contains(&name) || is_switch(name) || VARIABLES.iter().any(|it| it.flag() == name)
}

/// The template of a migration folder that has this name.
pub(crate) fn read_one(migrations: &Path, name: &str) -> Result<Option<Own>, Error> {
    if !names(migrations)?.iter().any(|known| known == name) {
        return Ok(None);
    }
    let path = migrations.join(FOLDER).join(name);
    let mut files = migrations::read(&path)?;
    files.sort();
    let own = Own::parse(name, &files, &path.to_string_lossy());
    Ok(Some(own.map_err(crate::author::AuthorError::Template)?))
}

/// All of them, by name.
pub(crate) fn read(migrations: &Path) -> Result<Vec<Own>, Error> {
    let own = names(migrations)?.into_iter().map(|name| read_one(migrations, &name));
    own.filter_map(Result::transpose).collect()
}

/// What they are called.
fn names(migrations: &Path) -> Result<Vec<String>, Error> {
    let path = migrations.join(FOLDER);
    let unreadable = |source| Error::UnreadableFolder { path: path.clone(), source };
    let entries = match fs::read_dir(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(unreadable)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(files: &[(&str, &str)]) -> Result<Own, String> {
        let files: Files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()))
            .collect();
        Own::parse("audit", &files, "m/.templates/audit").map_err(|error| error.to_string())
    }

    fn made(own: &Own, values: &[(&str, &str)]) -> Result<Vec<Draft>, String> {
        let values: Vec<(String, String)> =
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        own.make(&values).map_err(|error| error.to_string())
    }

    #[test]
    fn placeholders_are_what_they_are_given_in_the_way_of_their_kind() {
        let up = "-- audit a table\n-- Transaction: none\n\n\
                  CREATE INDEX CONCURRENTLY ON {{table:table}} ({{ column:identifier }}) \
                  WHERE {{where}};\nSELECT {{text:literal}}, '{{1,2},{3}}', {{n:number}}::{{t:type}};";
        let own = own(&[("up.sql", up), ("down.sql", "")]).unwrap();
        assert_eq!(own.summary(), "audit a table");
        let names: Vec<&str> = own.parameters().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["table", "column", "where", "text", "n", "t"]);
        let values = [
            ("table", "shop.Order"),
            ("column", "\"No\""),
            ("where", "a > 0"),
            ("text", "it's"),
            ("n", "-5"),
            ("t", "numeric(9,2)"),
        ];
        let drafts = made(&own, &values).unwrap();
        assert_eq!(drafts[0].up.keys, ["audit a table", "Transaction: none"]);
        assert_eq!(
            drafts[0].up.sql,
            "CREATE INDEX CONCURRENTLY ON shop.\"order\" (\"No\") WHERE a > 0;\n\
             SELECT 'it''s', '{{1,2},{3}}', -5::numeric(9,2);"
        );
        for (name, value, expected) in [
            ("table", "a b", "--table \"a b\" of the template audit: it is not a name"),
            ("column", "a.b", "expected a name without a schema"),
            ("where", "a; b", "it holds a `;`"),
            ("n", "1.5", "expected a whole number"),
            ("t", "int not null", "expected a type alone"),
        ] {
            let mut values = values;
            values.iter_mut().filter(|it| it.0 == name).for_each(|it| it.1 = value);
            let error = made(&own, &values).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = made(&own, &values[1..]).unwrap_err();
        assert!(error.contains("audit needs --table TABLE"), "{error}");
        let error = made(&own, &[&values[..], &[("colum", "x")]].concat()).unwrap_err();
        assert!(error.contains("has no parameter --colum"), "{error}");
        let error = made(&own, &[&values[..], &values[..1]].concat()).unwrap_err();
        assert!(error.contains("takes --table once"), "{error}");
    }

    #[test]
    fn several_files_are_several_revisions_in_their_order() {
        let own = own(&[
            ("10_second_half.up.sql", "B"),
            ("10_second_half.down.sql", ""),
            ("9_first.up.sql", "-- does both\nA"),
            ("9_first.down.sql", "C"),
        ])
        .unwrap();
        let drafts = made(&own, &[]).unwrap();
        let notes: Vec<_> =
            drafts.iter().map(|it| (it.note.as_str(), it.up.sql.as_str())).collect();
        assert_eq!(notes, [("first", "A"), ("second half", "B")]);
        assert_eq!((own.summary(), drafts[0].down.sql.as_str()), ("does both", "C"));
    }

    #[test]
    fn a_broken_template_is_told_with_file_and_line() {
        for (up, expected) in [
            ("a\n{{x", "m/.templates/audit/up.sql:2: `{{` without `}}` on its line"),
            ("a\n\n {{x:colour}}", "up.sql:3: unknown kind `colour` of x; expected expression,"),
            ("'{{a,b},{c,d}}'", "up.sql:1: `{{a,b},{c,d}}` is no placeholder: expected"),
            ("{{Table}}", "is no placeholder"),
            ("{{role}}", "up.sql:1: --role is a flag of castoff's"),
            ("{{unique}}", "--unique is a flag of castoff's"),
        ] {
            let error = own(&[("up.sql", up), ("down.sql", "")]).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        for (files, expected) in [
            (&[][..], "m/.templates/audit: a template without files"),
            (&[("up.sql", "")], "down.sql is missing; it may be empty"),
            (&[("1_x.down.sql", "")], "1_….up.sql is missing"),
            (&[("x.txt", "")], "audit/x.txt: no file of a template"),
            (&[("1_x.sql", "")], "audit/1_x.sql: no file of a template"),
            (
                &[("up.sql", ""), ("down.sql", ""), ("1_x.up.sql", "")],
                "beside the files of several",
            ),
            (&[("1_x.up.sql", ""), ("1_y.up.sql", "")], "a second file of the same revision"),
        ] {
            let error = own(files).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
