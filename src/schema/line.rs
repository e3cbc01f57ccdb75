//! Lines and the schema that they make.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

use super::Kind;

/// Which object, or which part of one, a line describes.
///
/// Names stand as they are if they are lower-case words and in double quotes otherwise, whatever the
/// server's list of reserved words is. Parts are named behind their table (`public.users.email`),
/// functions with their argument types (`public.f(integer, text)`). A comment, an owner and a
/// privilege have the identity of what they are of (`table public.users`), a privilege also the role
/// (`table public.users app`); an object has its kind in its name (`cast((text AS integer))`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// What it is.
    pub kind: Kind,
    /// Its qualified name.
    pub name: String,
}

impl Identity {
    /// The table of a part, such as `public.users` of `public.users.email`.
    pub fn table(&self) -> Option<&str> {
        if !self.kind.is_part() {
            return None;
        }
        let mut quoted = false;
        let dots = self.name.char_indices().filter(|(_, c)| {
            quoted ^= *c == '"';
            *c == '.' && !quoted
        });
        dots.last().and_then(|(dot, _)| self.name.get(..dot))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// One line of a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// What it describes.
    pub identity: Identity,
    /// What that is like; a line end in it is written `\n`. May be empty.
    pub definition: String,
    /// The major version that said so, for what differs between majors: exactly the bodies.
    pub major: Option<u16>,
}

impl Line {
    /// A line that is the same on every major.
    pub fn new(kind: Kind, name: impl Into<String>, definition: impl Into<String>) -> Self {
        let identity = Identity { kind, name: name.into() };
        Self { identity, definition: definition.into(), major: None }
    }

    /// The body of an object, as this major writes it.
    pub fn body(name: impl Into<String>, definition: impl Into<String>, major: u16) -> Self {
        Self { major: Some(major), ..Self::new(Kind::Body, name, definition) }
    }

    /// The type of a column and its collation, with which its definition begins.
    pub fn column_type(&self) -> &str {
        const BEHIND: [&str; 9] = [
            " local",
            " storage ",
            " compression ",
            " not null",
            " default ",
            " generated ",
            " statistics ",
            " with (",
            " options (",
        ];
        let end = BEHIND.iter().filter_map(|word| self.definition.find(word)).min();
        &self.definition[..end.unwrap_or(self.definition.len())]
    }

    /// The type of a column alone.
    pub fn data_type(&self) -> &str {
        self.column_type().split(" collate ").next().unwrap_or_default()
    }

    /// The table of a part or an index.
    pub fn table(&self) -> Option<&str> {
        if self.identity.kind != Kind::Index {
            return self.identity.table();
        }
        // Its own name, which may hold anything, stands before the word.
        let mut quoted = false;
        let on = self.definition.char_indices().find(|(at, c)| {
            quoted ^= *c == '"';
            !quoted && self.definition[*at..].starts_with(" ON ")
        });
        let (_, rest) = self.definition.split_at(on?.0 + " ON ".len());
        let rest = rest.strip_prefix("ONLY ").unwrap_or(rest);
        rest.get(..name_length(rest))
    }

    /// Whether it says the same as another; what different majors say of a body is no contradiction.
    pub fn agrees(&self, other: &Self) -> bool {
        self.definition == other.definition
            || matches!((self.major, other.major), (Some(a), Some(b)) if a != b)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Identity { kind, name } = &self.identity;
        kind.fmt(f)?;
        if let Some(major) = self.major {
            write!(f, "@{major}")?;
        }
        write!(f, " {}", one_line(name))?;
        if !self.definition.is_empty() {
            write!(f, " {}", one_line(&self.definition))?;
        }
        Ok(())
    }
}

/// Lines with `-` and lines with `+` before them, as a patch has them.
pub(super) fn patch<'a>(
    minus: impl Iterator<Item = &'a Line>,
    plus: impl Iterator<Item = &'a Line>,
) -> Vec<(char, &'a Line)> {
    let mut lines: Vec<_> =
        minus.map(|line| ('-', line)).chain(plus.map(|line| ('+', line))).collect();
    lines.sort_by(|(a_sign, a), (b_sign, b)| (&a.identity, b_sign).cmp(&(&b.identity, a_sign)));
    lines
}

fn one_line(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn several_lines(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => plain.extend(rest.next().map(|escaped| match escaped {
                'n' => '\n',
                'r' => '\r',
                other => other,
            })),
            other => plain.push(other),
        }
    }
    plain
}

/// A text that is no line of a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidLine {
    text: String,
}

impl fmt::Display for InvalidLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` does not describe an object", self.text)
    }
}

impl Error for InvalidLine {}

impl FromStr for Line {
    type Err = InvalidLine;

    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        let invalid = || InvalidLine { text: text.to_owned() };
        let (kind, rest) = text.split_once(' ').ok_or_else(invalid)?;
        let (kind, major) = match kind.split_once('@') {
            Some((kind, major)) => (kind, Some(major.parse().map_err(|_| invalid())?)),
            None => (kind, None),
        };
        let kind: Kind = kind.parse().map_err(|()| invalid())?;
        let (name, definition) = rest.split_at(names_length(rest, kind.names()));
        if name.is_empty() || major.is_some() != (kind == Kind::Body) {
            return Err(invalid());
        }
        let definition = definition.strip_prefix(' ').unwrap_or(definition);
        let identity = Identity { kind, name: several_lines(name) };
        Ok(Self { identity, definition: several_lines(definition), major })
    }
}

/// How long so many names are, with the spaces between them.
fn names_length(text: &str, names: usize) -> usize {
    (1..names).fold(name_length(text), |length, _| {
        let more = text.get(length + 1..).unwrap_or_default();
        (length + 1 + name_length(more)).min(text.len())
    })
}

/// A name ends at the first space that is in neither quotes nor parentheses.
fn name_length(text: &str) -> usize {
    let (mut quoted, mut depth) = (false, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.saturating_sub(1),
            ' ' if !quoted && depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// Every line of a database, one for each identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    lines: BTreeMap<Identity, Line>,
}

impl Schema {
    /// The lines, in order.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.lines.values()
    }

    /// What is said of an object or part.
    pub fn get(&self, identity: &Identity) -> Option<&Line> {
        self.lines.get(identity)
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Adds a line, in the place of what was said of the same.
    pub fn insert(&mut self, line: Line) {
        self.lines.insert(line.identity.clone(), line);
    }

    /// Takes a line away.
    pub fn remove(&mut self, identity: &Identity) -> Option<Line> {
        self.lines.remove(identity)
    }
}

impl FromIterator<Line> for Schema {
    fn from_iter<I: IntoIterator<Item = Line>>(lines: I) -> Self {
        Self { lines: lines.into_iter().map(|line| (line.identity.clone(), line)).collect() }
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for text in [
            "schema shop",
            "table public.users",
            "column public.users.email character varying(255) not null default 'a''b c'::text",
            "column public.\"my table\".\"a.\"\"b\" integer",
            "function public.f(integer, \"my type\") returns text language sql AS \\n SELECT '\\\\n'\\n",
            "body@17 public.v  SELECT 1\\n   FROM x;",
            "body@15 public.f(a integer) BEGIN ATOMIC",
            "object operator(public.=(integer, \"my type\"))",
            "object transform(for \"my type\" language sql)",
            "comment column public.\"my table\".a of this and that",
            "comment object operator_class(public.o USING btree) a class",
            "owner table public.\"my table\" \"some one\"",
            "grant function public.f(integer, text) \"some one\" execute",
        ] {
            let line: Line = text.parse().unwrap();
            assert_eq!(line.to_string(), text);
        }
        let line: Line = "column public.\"my table\".\"a.\"\"b\" integer".parse().unwrap();
        assert_eq!(line.table(), Some("public.\"my table\""));
        assert_eq!(line.definition, "integer");
        let line: Line = "function public.f(a integer, b text) x\\ny".parse().unwrap();
        assert_eq!(line.identity.name, "public.f(a integer, b text)");
        assert_eq!(line.definition, "x\ny");
        let line: Line =
            "index public.i CREATE INDEX i ON ONLY public.\"t u\" USING btree (a)".parse().unwrap();
        assert_eq!(line.table(), Some("public.\"t u\""));
        let evil =
            "index public.\" ON \" CREATE INDEX \" ON \" ON public.\" USING \" USING btree (a)";
        let line: Line = evil.parse().unwrap();
        assert_eq!(line.table(), Some("public.\" USING \""));
        let line: Line = "grant table public.t app all".parse().unwrap();
        assert_eq!(line.identity.name, "table public.t app");
        assert_eq!(line.definition, "all");
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "",
            "table",
            "table ",
            "tabel public.x",
            "table@15 public.x",
            "body public.v x",
            "body@x public.v y",
        ] {
            assert!(text.parse::<Line>().is_err(), "{text}");
        }
    }

    #[test]
    fn bodies_of_different_majors_do_not_contradict_each_other() {
        let on = |major, text: &str| Line::body("public.v", text, major);
        assert!(on(15, "a").agrees(&on(17, "b")));
        assert!(!on(15, "a").agrees(&on(15, "b")));
    }
}
