//! Names of tables and indexes as PostgreSQL stores them.

use std::fmt;

use crate::revision::position::char_boundary;

/// A name, with its schema if the statement says one; unquoted and folded as PostgreSQL does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The schema, if one is written.
    pub schema: Option<String>,
    /// The name itself.
    pub name: String,
}

impl Name {
    /// Reads a name as a statement would have it, with double quotes where it has them; `None` if it
    /// is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let length =
                if rest.starts_with('"') { quoted_length(rest)? } else { bare_length(rest) };
            let (part, after) = rest.split_at(length);
            let part = if part.starts_with('"') { unquote(part, '\\') } else { fold(part) };
            parts.push(Some(part).filter(|part| !part.is_empty())?);
            match after.strip_prefix('.') {
                Some(next) => rest = next,
                None if after.is_empty() => break,
                None => return None,
            }
        }
        let name = parts.pop()?;
        Some(Self { schema: parts.pop(), name })
    }
}

/// The bytes of a `"…"` that a text begins with.
fn quoted_length(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == b'"')? + 1;
        if bytes.get(at) != Some(&b'"') {
            return Some(at);
        }
        at += 1;
    }
}

fn bare_length(text: &str) -> usize {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{schema}.")?;
        }
        f.write_str(&self.name)
    }
}

/// An unquoted identifier: ASCII letters fold to lower case, and it is cut to what a catalogue holds.
pub(super) fn fold(identifier: &str) -> String {
    truncate(identifier.to_ascii_lowercase())
}

/// A `"…"` or `U&"…"` with its quotes; `escape` is that of `U&`, a backslash unless `UESCAPE` says so.
pub(super) fn unquote(quoted: &str, escape: char) -> String {
    let unicode = quoted.starts_with(['u', 'U']);
    let opening = if unicode { 3 } else { 1 };
    let inner = quoted.get(opening..quoted.len() - 1).unwrap_or_default().replace("\"\"", "\"");
    truncate(if unicode { unescape(&inner, escape) } else { inner })
}

/// Decodes `\0061` and `\+000061`; a malformed escape stays as it is, for the server to refuse.
fn unescape(text: &str, escape: char) -> String {
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut buffer = [0; 2];
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        if character == escape {
            if let Some((decoded, length)) = code_point(after) {
                units.extend_from_slice(match &decoded {
                    Decoded::Character(decoded) => decoded.encode_utf16(&mut buffer),
                    Decoded::Surrogate(unit) => std::slice::from_ref(unit),
                });
                rest = &after[length..];
                continue;
            }
            if let Some(after) = after.strip_prefix(escape) {
                units.extend_from_slice(escape.encode_utf16(&mut buffer));
                rest = after;
                continue;
            }
        }
        units.extend_from_slice(character.encode_utf16(&mut buffer));
        rest = after;
    }
    String::from_utf16_lossy(&units)
}

enum Decoded {
    Character(char),
    Surrogate(u16),
}

/// The code point that `text` begins with, `0061` or `+000061`, and how many bytes it takes.
fn code_point(text: &str) -> Option<(Decoded, usize)> {
    let (start, end) = if text.starts_with('+') { (1, 7) } else { (0, 4) };
    let hex = text.get(start..end).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let value = u32::from_str_radix(hex, 16).ok()?;
    let decoded = match char::from_u32(value) {
        Some(character) => Decoded::Character(character),
        None => Decoded::Surrogate(u16::try_from(value).ok()?),
    };
    Some((decoded, end))
}

/// Cuts a name to the 63 bytes that a catalogue holds, between two characters.
fn truncate(mut name: String) -> String {
    name.truncate(char_boundary(&name, 63));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_with_its_schema_and_without() {
        for (text, schema, name) in [
            ("users", None, "users"),
            ("Public.Users", Some("public"), "users"),
            (r#""a b"."c "".d""#, Some("a b"), r#"c ".d"#),
            (r#"shop.public."Users""#, Some("public"), "Users"),
            ("straße", None, "straße"),
        ] {
            let expected = Name { schema: schema.map(str::to_owned), name: name.to_owned() };
            assert_eq!(Name::parse(text), Some(expected), "{text}");
        }
        for text in ["", ".", "a.", ".a", "a..b", "\"", "\"\"", "\"a", "\"a\"b", "a b", "a(b)"] {
            assert_eq!(Name::parse(text), None, "{text}");
        }
    }

    #[test]
    fn names_are_unquoted_and_folded_as_postgresql_does() {
        assert_eq!(fold("Users"), "users");
        assert_eq!(fold("ÄÖ_X"), "ÄÖ_x");
        assert_eq!(unquote(r#""Users""#, '\\'), "Users");
        assert_eq!(unquote(r#""quo""ted""#, '\\'), "quo\"ted");
        assert_eq!(unquote(r#"U&"d\0061t\+000061""#, '\\'), "data");
        assert_eq!(unquote(r#"u&"d!0061t!!a""#, '!'), "dat!a");
        assert_eq!(unquote(r#"U&"\D83D\DE00""#, '\\'), "😀");
        assert_eq!(unquote(r#"U&"\00é\zzzz\+1""#, '\\'), r"\00é\zzzz\+1");
        assert_eq!(fold(&"X".repeat(70)), "x".repeat(63));
        assert_eq!(fold(&"é".repeat(40)), "é".repeat(31));
    }
}
