//! One spelling for what the server can write in several ways.

/// A text of the server's in the one spelling that lines have:
///
/// - A name stands as it is if it is a lower-case word, and in double quotes otherwise. The server
///   quotes more: what its major reserves, and under our settings everything.
/// - A constant has no `E` before it: `quote_literal` alone writes it, where there is a backslash.
/// - A cast of an array is a cast of each element. PostgreSQL makes the latter of the former when it
///   reads its own text back, so that what is restored from a dump would not be what was dumped: a
///   `varchar` that is compared by `IN` has such a cast.
/// - A chain of ANDs or of ORs has no parentheses within: PostgreSQL drops those at its beginning
///   when it reads its own text back, which `BETWEEN` has there.
pub(super) fn canonical(text: &str) -> String {
    let is_quoted = text.contains('"') || text.contains("E'");
    let plain = if is_quoted { unquote(text) } else { text.to_owned() };
    let plain = if plain.contains(ARRAY) { cast_elements(&plain) } else { plain };
    let is_chain = CHAINS.iter().any(|word| plain.contains(word));
    let mut rest = &*plain;
    let chain = is_chain.then(|| Chain::read(&mut rest).text);
    chain.filter(|_| rest.is_empty()).unwrap_or(plain)
}

/// The canonical text of a query without the server's layout, which is not the same when the server
/// has read it back: `(VALUES` becomes `( VALUES`.
pub(super) fn canonical_query(text: &str) -> String {
    let canonical = canonical(text);
    let mut plain = String::with_capacity(canonical.len());
    let mut rest = &*canonical;
    while let Some((piece, after)) = Piece::first(rest) {
        match piece {
            Piece::Name(quoted) | Piece::Constant(quoted) => plain.push_str(quoted),
            Piece::Plain(text) => text.chars().for_each(|c| match c {
                ' ' | '\n' if plain.ends_with([' ', '(']) || plain.is_empty() => {}
                '\n' => plain.push(' '),
                other => plain.push(other),
            }),
        }
        rest = after;
    }
    plain
}

/// Words that mean something else where they stand alone without quotes: `"char"` is not
/// `character`, and a column may be called `"true"`.
const TWO_MEANINGS: [&str; 3] = ["char", "false", "true"];

/// How the server begins to write an array that it casts.
const ARRAY: &str = "(ARRAY[";

/// The names of a type that may follow a cast, as far as we read them.
const TYPE_MARKS: [char; 7] = ['_', '$', ' ', '.', '"', '(', ')'];

/// A piece of SQL as the server writes it: its constants have no escape but the doubled quote.
enum Piece<'a> {
    /// A name in double quotes, with them.
    Name(&'a str),
    /// A constant in single quotes, with them.
    Constant(&'a str),
    /// What stands between those.
    Plain(&'a str),
}

impl<'a> Piece<'a> {
    /// The first piece of a text, and the rest.
    fn first(text: &'a str) -> Option<(Self, &'a str)> {
        match text.chars().next()? {
            '"' => {
                let (name, rest) = text.split_at(quoted_length(text, '"'));
                Some((Self::Name(name), rest))
            }
            '\'' => {
                let (constant, rest) = text.split_at(quoted_length(text, '\''));
                Some((Self::Constant(constant), rest))
            }
            _ => {
                let (plain, rest) = text.split_at(text.find(['"', '\'']).unwrap_or(text.len()));
                Some((Self::Plain(plain), rest))
            }
        }
    }
}

/// How long the quoted text is that `text` begins with.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(end) = text[at..].find(quote) {
        at += end + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// A quoted text without its quotes; nothing if it has no end.
fn inside(quoted: &str) -> &str {
    let ends = |c| matches!(c, '"' | '\'');
    quoted.strip_prefix(ends).and_then(|text| text.strip_suffix(ends)).unwrap_or_default()
}

fn unquote(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((piece, after)) = Piece::first(rest) {
        match piece {
            Piece::Name(name) => {
                let word = inside(name);
                let alone = !plain.ends_with('.') && !after.starts_with('.');
                let is_plain = is_word(word) && !(alone && TWO_MEANINGS.contains(&word));
                plain.push_str(if is_plain { word } else { name });
            }
            // A constant of the types `regclass` and the like is a name, in quotes like any other.
            Piece::Constant(constant) if after.starts_with("::\"reg") => {
                plain.push('\'');
                plain.push_str(&unquote(inside(constant)));
                plain.push('\'');
            }
            Piece::Constant(constant) if is_escaped(&plain) => {
                plain.pop();
                plain.push_str(&constant.replace("\\\\", "\\"));
            }
            Piece::Constant(other) | Piece::Plain(other) => plain.push_str(other),
        }
        rest = after;
    }
    plain
}

/// Whether a text ends with the letter that makes backslashes escapes in the constant behind it.
fn is_escaped(text: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '"');
    text.strip_suffix('E').is_some_and(|before| !before.ends_with(is_name))
}

fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_')
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '$'))
}

/// `(ARRAY[a, b])::text[]` as `ARRAY[(a)::text, (b)::text]`, throughout.
fn cast_elements(text: &str) -> String {
    let mut cast = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((piece, after)) = Piece::first(rest) {
        let Piece::Plain(plain) = piece else {
            cast.push_str(&rest[..rest.len() - after.len()]);
            rest = after;
            continue;
        };
        let Some(start) = plain.find(ARRAY) else {
            cast.push_str(plain);
            rest = after;
            continue;
        };
        cast.push_str(&rest[..start]);
        rest = &rest[start..];
        if let Some((array, after)) = array(rest) {
            cast.push_str(&array);
            rest = after;
        } else {
            cast.push_str(ARRAY);
            rest = &rest[ARRAY.len()..];
        }
    }
    cast
}

/// The array in parentheses that a text begins with, if all of it is cast; and the rest.
fn array(text: &str) -> Option<(String, &str)> {
    let (elements, rest) = elements(text.strip_prefix(ARRAY)?)?;
    let (name, rest) = rest.strip_prefix(")::")?.split_once("[]")?;
    let is_type = |c: char| c.is_alphanumeric() || c == ',' || TYPE_MARKS.contains(&c);
    name.chars().all(is_type).then(|| (cast_each(&elements, name), rest))
}

fn cast_each(list: &[&str], name: &str) -> String {
    let cast = list.iter().map(|element| {
        let inner = element.strip_prefix("ARRAY[").and_then(elements);
        match inner {
            Some((inner, "")) => cast_each(&inner, name),
            Some(_) | None => format!("({})::{name}", cast_elements(element)),
        }
    });
    format!("ARRAY[{}]", cast.collect::<Vec<_>>().join(", "))
}

/// What stands between the commas up to the bracket that closes, and what follows that.
fn elements(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut begin, mut at) = (0_usize, 0, 0);
    let mut elements = Vec::new();
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '\'' => {
                at += quoted_length(&text[at..], c);
                continue;
            }
            '(' | '[' => depth += 1,
            ']' if depth == 0 => {
                elements.push(text[begin..at].trim());
                return Some((elements, &text[at + 1..]));
            }
            ')' | ']' => depth = depth.checked_sub(1)?,
            ',' if depth == 0 => {
                elements.push(text[begin..at].trim());
                begin = at + 1;
            }
            _ => {}
        }
        at += c.len_utf8();
    }
    None
}

/// What joins the parts of a chain.
const CHAINS: [&str; 2] = [" AND ", " OR "];

/// What stands between two parentheses, or the whole text.
struct Chain {
    text: String,
    /// What joins its parts, if it is always the same.
    word: Option<&'static str>,
}

impl Chain {
    /// Reads up to the parenthesis that closes.
    fn read(rest: &mut &str) -> Self {
        let mut words = Vec::new();
        let mut parts = vec![Part::default()];
        while let Some(c) = rest.chars().next() {
            let word = CHAINS.into_iter().find(|word| rest.starts_with(word));
            let length = match c {
                ')' => break,
                '"' | '\'' => quoted_length(rest, c),
                _ => word.map_or(c.len_utf8(), str::len),
            };
            let (taken, after) = rest.split_at(length);
            *rest = after;
            let Some(part) = parts.last_mut() else { break };
            if let Some(word) = word {
                words.push(word);
                parts.push(Part::default());
            } else if c == '(' {
                let inner = Self::read(rest);
                let closing = rest.strip_prefix(')');
                *rest = closing.unwrap_or_default();
                let is_all = part.text.is_empty();
                part.text += &format!("({}{}", inner.text, closing.map_or("", |_| ")"));
                part.inner = is_all.then_some(inner);
            } else {
                part.text += taken;
                part.inner = None;
            }
        }
        let word = words.first().copied().filter(|first| words.iter().all(|word| word == first));
        let mut words = words.into_iter();
        let mut text = String::new();
        for part in parts {
            match part.inner {
                Some(inner) if word.is_some() && inner.word == word => text += &inner.text,
                Some(_) | None => text += &part.text,
            }
            text += words.next().unwrap_or_default();
        }
        Self { text, word }
    }
}

/// A part of a chain, and what is in it if it is nothing but parentheses.
#[derive(Default)]
struct Part {
    text: String,
    inner: Option<Chain>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_where_it_is_no_lower_case_word() {
        for (server, line) in [
            (r#""public"."users"."email""#, "public.users.email"),
            (r#""public"."order""#, "public.order"),
            (r#""public"."My ""t"" 1""#, r#"public."My ""t"" 1""#),
            (r#""1a" "a$1" "größe" """#, r#""1a" a$1 "größe" """#),
            (r#"("json" ->> '"a"'::"text")"#, r#"(json ->> '"a"'::text)"#),
            (r#"'it''s "x"' = "a""#, r#"'it''s "x"' = a"#),
            (
                r#""nextval"('"public"."my seq"'::"regclass")"#,
                r#"nextval('public."my seq"'::regclass)"#,
            ),
            (r#"'"english"'::"regconfig""#, "'english'::regconfig"),
            (r#"'"a"'::"public"."regular""#, r#"'"a"'::public.regular"#),
            (r#"("true" = true) AND "t"."true""#, r#"("true" = true) AND t.true"#),
            (r#"'a'::"char" "public"."char" "char"."x""#, r#"'a'::"char" public.char char.x"#),
            (r#""""a""" """a" "a"""#, r#""""a""" """a" "a"""#),
            (r"enum ('a', E'b\\c''d')", r"enum ('a', 'b\c''d')"),
            (r"SOME'a\\b' 'a\\b'", r"SOME'a\\b' 'a\\b'"),
            (r#"an "open"#, r#"an "open"#),
            ("an 'open end", "an 'open end"),
        ] {
            assert_eq!(canonical(server), line);
            assert_eq!(canonical(line), line, "canonical of canonical");
        }
    }

    #[test]
    fn a_query_has_no_layout() {
        for (server, line) in [
            (" SELECT a,\n    b\n   FROM t;", "SELECT a, b FROM t;"),
            ("(VALUES (1)) ( VALUES\n (1))", "(VALUES (1)) (VALUES (1))"),
            ("'  ( \n'  \"a  \n\"", "'  ( \n' \"a  \n\""),
        ] {
            assert_eq!(canonical_query(server), line);
        }
    }

    #[test]
    fn a_cast_of_an_array_is_a_cast_of_each_element() {
        for (server, line) in [
            (
                "((a)::text = ANY ((ARRAY['x'::character varying, 'y]'::character varying])::text[]))",
                "((a)::text = ANY (ARRAY[('x'::character varying)::text, ('y]'::character varying)::text]))",
            ),
            ("(ARRAY[f(1, 2), b[3]])::bigint[]", "ARRAY[(f(1, 2))::bigint, (b[3])::bigint]"),
            (
                "(ARRAY[ARRAY[1], ARRAY[2]])::public.\"My n\"[] || c",
                "ARRAY[ARRAY[(1)::public.\"My n\"], ARRAY[(2)::public.\"My n\"]] || c",
            ),
            ("(ARRAY[(ARRAY[1])::int[]])::text[]", "ARRAY[(ARRAY[(1)::int])::text]"),
            ("(ARRAY[1])::text || (b)::text[]", "(ARRAY[1])::text || (b)::text[]"),
            ("'(ARRAY[1])::text[]' ARRAY[1]", "'(ARRAY[1])::text[]' ARRAY[1]"),
            ("(ARRAY[1, 2", "(ARRAY[1, 2"),
            ("(ARRAY[1)])::int[]", "(ARRAY[1)])::int[]"),
        ] {
            assert_eq!(canonical(server), line);
        }
    }

    #[test]
    fn a_chain_has_no_parentheses_within() {
        for (server, line) in [
            ("CHECK ((((a) AND (b)) AND (c)))", "CHECK (((a) AND (b) AND (c)))"),
            ("((a AND (b AND (c AND d))))", "((a AND b AND c AND d))"),
            ("(((a AND b) OR (c OR d)))", "(((a AND b) OR c OR d))"),
            (
                "((a OR b) AND f(c AND d) AND (NOT (e AND g)))",
                "((a OR b) AND f(c AND d) AND (NOT (e AND g)))",
            ),
            ("(((a AND b) AND c OR d))", "(((a AND b) AND c OR d))"),
            ("(((a = ' AND ((') AND b) AND \" OR (\")", "((a = ' AND ((') AND b AND \" OR (\")"),
            ("((a AND b) AND c", "(a AND b AND c"),
            ("(a AND (b AND c))", "(a AND b AND c)"),
            ("((a AND b)) AND c) AND d", "((a AND b)) AND c) AND d"),
        ] {
            assert_eq!(canonical(server), line);
            assert_eq!(canonical(line), line, "canonical of canonical");
        }
    }
}
