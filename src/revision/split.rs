//! Cuts a text into statements, where psql would.
//!
//! A `;` ends a statement unless it is inside parentheses (`CREATE RULE … DO (a; b)`) or inside
//! `BEGIN ATOMIC … END` of a function's body. The checksum is made on the way.

use crate::revision::classify::{classify, is_of_interest};
use crate::revision::digest::{Checksum, TokenDigest};
use crate::revision::lexer::{Lexer, Token, TokenKind};
use crate::revision::problem::{Located, Problem};
use crate::revision::words::Words;
use crate::revision::{Statement, StatementKind};

/// The statements of a text, and the checksum of its tokens before the first of them, up to the
/// first, up to the second, and so on; the last is that of the whole.
pub(super) fn split(text: &str) -> Result<(Vec<Statement>, Vec<Checksum>), Located> {
    let mut lexer = Lexer::new(text);
    let mut digest = TokenDigest::new();
    let mut statements = Vec::new();
    let mut checksums = vec![digest.so_far()];
    let mut open = Open::default();
    while let Some(token) = lexer.next()? {
        let word = &text[token.start..token.end];
        if token.kind == TokenKind::MetaCommand {
            if open.is_empty() && is_of_pg_dump(text, token) {
                continue;
            }
            let command = word.split_whitespace().next().unwrap_or(word).to_owned();
            return Err(Located { offset: token.start, problem: Problem::MetaCommand { command } });
        }
        if word == ";" && open.ends_here() {
            let Some(mut statement) = open.finish(text) else { continue };
            if let StatementKind::CopyIn(data) = &mut statement.kind {
                *data = lexer.copy_data(statement.range.start)?;
                digest.token(&text.as_bytes()[data.clone()]);
            }
            statements.push(statement);
            checksums.push(digest.so_far());
            continue;
        }
        if open.is_empty() && !statements.is_empty() {
            digest.token(b";");
        }
        digest.token(word.as_bytes());
        open.push(text, token);
    }
    open.unclosed()?;
    if let Some(statement) = open.finish(text) {
        if matches!(statement.kind, StatementKind::CopyIn(_)) {
            let offset = statement.range.start;
            return Err(Located { offset, problem: Problem::CopyWithoutEnd });
        }
        statements.push(statement);
        checksums.push(digest.so_far());
    }
    Ok((statements, checksums))
}

/// `\restrict` and `\unrestrict`, which `pg_dump` writes on lines of their own between statements.
fn is_of_pg_dump(text: &str, token: Token) -> bool {
    let line_start = text[..token.start].rfind('\n').map_or(0, |newline| newline + 1);
    let command = text[token.start..token.end].split_whitespace().next();
    matches!(command, Some("\\restrict" | "\\unrestrict"))
        && text[line_start..token.start].trim().is_empty()
}

/// The statement that is being read.
#[derive(Default)]
struct Open {
    /// All its tokens if it is of interest, else the first alone.
    tokens: Vec<Token>,
    of_interest: bool,
    end: usize,
    depth: usize,
    /// Where the outermost open parenthesis is.
    parenthesis: usize,
    /// Inside BEGIN ATOMIC: 1, and 1 more for each CASE.
    block_depth: usize,
    /// Where BEGIN ATOMIC is.
    block: usize,
}

impl Open {
    fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    fn ends_here(&self) -> bool {
        self.depth == 0 && self.block_depth == 0
    }

    fn push(&mut self, text: &str, token: Token) {
        let word = &text[token.start..token.end];
        if self.is_empty() {
            self.of_interest = token.kind == TokenKind::Word && is_of_interest(word);
        }
        match token.kind {
            TokenKind::Symbol if word == "(" => {
                if self.depth == 0 {
                    self.parenthesis = token.start;
                }
                self.depth += 1;
            }
            TokenKind::Symbol if word == ")" => self.depth = self.depth.saturating_sub(1),
            TokenKind::Word if self.of_interest => self.block_word(text, token),
            TokenKind::Word
            | TokenKind::QuotedIdentifier
            | TokenKind::String
            | TokenKind::DollarString
            | TokenKind::Number
            | TokenKind::Symbol
            | TokenKind::MetaCommand => {}
        }
        if self.of_interest || self.is_empty() {
            self.tokens.push(token);
        }
        self.end = token.end;
    }

    /// Follows `BEGIN ATOMIC`, `CASE` and `END`; behind AS or a dot they are names.
    fn block_word(&mut self, text: &str, token: Token) {
        let word = &text[token.start..token.end];
        let last = self.tokens.last().map_or("", |last| &text[last.start..last.end]);
        let is = |keyword: &str| word.eq_ignore_ascii_case(keyword);
        let follows = |keyword: &str| last.eq_ignore_ascii_case(keyword);
        if self.block_depth == 0 {
            if is("atomic") && follows("begin") && self.is_routine(text) {
                self.block_depth = 1;
                self.block = token.start;
            }
            return;
        }
        let is_name = follows(".") || follows("as");
        if is("case") && !is_name {
            self.block_depth += 1;
        } else if is("end") && !is_name {
            self.block_depth -= 1;
        }
    }

    fn is_routine(&self, text: &str) -> bool {
        let mut words = Words::new(text, &self.tokens);
        let create = words.eat("create");
        words.eat_all(&["or", "replace"]);
        create && words.eat_any(&["function", "procedure"])
    }

    /// An error if a parenthesis or a BEGIN ATOMIC is still open.
    fn unclosed(&self) -> Result<(), Located> {
        let (offset, what) = if self.depth > 0 {
            (self.parenthesis, "parenthesis")
        } else if self.block_depth > 0 {
            (self.block, "BEGIN ATOMIC")
        } else {
            return Ok(());
        };
        Err(Located { offset, problem: Problem::Unterminated { what } })
    }

    /// Ends the statement; none if it is empty.
    fn finish(&mut self, text: &str) -> Option<Statement> {
        let start = self.tokens.first()?.start;
        let kind =
            if self.of_interest { classify(text, &self.tokens) } else { StatementKind::Plain };
        self.tokens.clear();
        Some(Statement { range: start..self.end, kind })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statements(text: &str) -> Vec<&str> {
        let (statements, _) = split(text).unwrap();
        statements.into_iter().map(|statement| &text[statement.range]).collect()
    }

    fn checksum(text: &str) -> Checksum {
        *split(text).unwrap().1.last().unwrap()
    }

    fn problem(text: &str) -> (usize, Problem) {
        let located = split(text).unwrap_err();
        (located.offset, located.problem)
    }

    #[test]
    fn semicolons_end_statements_and_empty_ones_vanish() {
        assert_eq!(statements("a b ; ;; c"), ["a b", "c"]);
        assert_eq!(statements(";"), [""; 0]);
        assert_eq!(statements("-- a; b\n/* ; */"), [""; 0]);
        assert_eq!(
            statements("select ';', \"quo;ted\", $$;$$, E'\\';'; x"),
            ["select ';', \"quo;ted\", $$;$$, E'\\';'", "x"]
        );
    }

    #[test]
    fn a_rule_keeps_its_parenthesised_statements() {
        let text = "create rule r as on insert to t do (delete from a; delete from b); select 1";
        assert_eq!(statements(text).len(), 2);
        assert_eq!(statements("select 1); select 2"), ["select 1)", "select 2"]);
        let open = Problem::Unterminated { what: "parenthesis" };
        assert_eq!(problem("select 1; insert (a (b); x"), (17, open));
    }

    #[test]
    fn begin_atomic_keeps_its_statements() {
        for create in ["CREATE FUNCTION", "create or replace procedure", "Create Function begin."] {
            let body = "BEGIN ATOMIC SELECT CASE WHEN a THEN 1 END; SELECT (CASE x WHEN 1 THEN 2 END) AS end, t.case; END";
            let text = format!("{create} f() RETURNS int {body}; SELECT 2;");
            assert_eq!(statements(&text).len(), 2, "{text}");
        }
        assert_eq!(statements("BEGIN; atomic; END;").len(), 3);
        assert_eq!(statements("select begin atomic; end").len(), 2);
        assert_eq!(statements("create function begin() as 'x'; select case; end").len(), 3);
        let open = Problem::Unterminated { what: "BEGIN ATOMIC" };
        assert_eq!(problem("create function f() begin atomic select 1;").1, open);
    }

    #[test]
    fn copy_data_are_no_statements() {
        let text = "COPY t (a) FROM stdin;\n1\n';$$\n\\.\nselect 1;";
        let (statements, _) = split(text).unwrap();
        assert_eq!(statements.len(), 2);
        assert_eq!(&text[statements[0].range()], "COPY t (a) FROM stdin");
        assert_eq!(&text[statements[0].copy_data().unwrap()], "1\n';$$\n");
        assert_eq!(&text[statements[1].range()], "select 1");

        let text = "copy t from stdin with (format csv) ; -- data\r\na\\.\r\n\\.\r\n";
        let (statements, _) = split(text).unwrap();
        assert_eq!(&text[statements[0].copy_data().unwrap()], "a\\.\r\n");
        let text = "copy t from stdin;\n\\.";
        assert_eq!(split(text).unwrap().0[0].copy_data(), Some(19..19));
    }

    #[test]
    fn copy_data_end_at_a_line_of_their_own() {
        assert_eq!(problem("x; copy t from stdin;\n1\n\\. \n"), (3, Problem::CopyWithoutEnd));
        assert_eq!(problem("x; copy t from stdin"), (3, Problem::CopyWithoutEnd));
        assert_eq!(problem("x; copy t from stdin;"), (3, Problem::CopyWithoutEnd));
        assert_eq!(problem("copy t from stdin; x\n\\."), (19, Problem::TextAfterCopy));
    }

    #[test]
    fn restrict_lines_of_pg_dump_are_no_statements() {
        let text = "\\restrict aB3\n\nselect 1;\n\n\\unrestrict aB3\n";
        assert_eq!(statements(text), ["select 1"]);
        assert_eq!(checksum(text), checksum("select 1"));
        let refused = |command: &str| Problem::MetaCommand { command: command.to_owned() };
        assert_eq!(problem("a;\n\\i b.sql\n"), (3, refused("\\i")));
        assert_eq!(problem("select 1 \\gexec\n"), (9, refused("\\gexec")));
        assert_eq!(problem("select 1\n\\restrict a\n"), (9, refused("\\restrict")));
        assert_eq!(problem("select 1; \\restrict a\n"), (10, refused("\\restrict")));
        assert_eq!(problem("\\connect shop"), (0, refused("\\connect")));
    }

    #[test]
    fn comments_white_space_line_ends_and_the_last_semicolon_do_not_count() {
        let plain = checksum("create table a (b text default 'x\ny'); select 1");
        for same in [
            "create table a (b text default 'x\ny'); select 1;",
            "create table a (b text default 'x\r\ny');\r\n\r\nselect 1 ;\r\n;",
            "-- a\n;create/**/table a(b text/* ; */default 'x\ny')--\n;;select 1",
        ] {
            assert_eq!(checksum(same), plain, "{same:?}");
        }
        for other in [
            "create table a (b text default 'x y'); select 1",
            "create table a (b text default 'x\ny') select 1",
            "create table a (b text default 'x\ny'); select 2",
            "create table A (b text default 'x\ny'); select 1",
            "create table a (b text default 'x\ny'); select; 1",
            "createtable a (b text default 'x\ny'); select 1",
        ] {
            assert_ne!(checksum(other), plain, "{other:?}");
        }
    }

    #[test]
    fn copy_data_count_with_their_line_ends_normalised() {
        let plain = checksum("copy t from stdin;\n1\n2\n\\.\n");
        assert_eq!(checksum("copy t from stdin;\r\n1\r\n2\r\n\\.\r\n;"), plain);
        assert_ne!(checksum("copy t from stdin;\n1\n3\n\\.\n"), plain);
        assert_ne!(checksum("copy t from stdin;\n1\n2 \n\\.\n"), plain);
    }

    /// Made with Python's hashlib from the tokens, written down by hand.
    #[test]
    fn pinned_checksums_never_change() {
        for (text, digest) in PINNED {
            assert_eq!(checksum(text).to_hex(), digest, "{text:?}");
        }
    }

    const PINNED: [(&str, &str); 5] = [
        ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("SELECT 1;", "7ad65f73cf6acfd85d1240a579325180605e52b8ca561ea1fdc127e84abdbdde"),
        (
            "select a.b::int, -1.5e-3 <= x->>'k' -- c\n from \"T\"\r\n;;\nselect E'a\\'\r\nb';",
            "93ec776527e752d79d99c0233183c089dccc0dfb20c0b099bcda39637e965a08",
        ),
        (
            "do $x$ begin; $x$; copy t from stdin;\r\n1\t2\r\n\\.\r\nvacuum",
            "2cacefbc38734a5195b9d772cde6257215131af1e83cca064c0bfe3ffc5caa75",
        ),
        (
            "\\restrict q\ncreate rule r as on insert to t do (a; b);",
            "888c9acb6698c10ff7397d05e9beb9ef364b510a2cacd3c2302070a5185ce17c",
        ),
    ];

    #[test]
    fn ten_megabytes_are_read_in_linear_time() {
        let unit = "insert into t values ('a long enough text', $a$ $b$ $ $a$); -- $a $b\n";
        let text = unit.repeat(10_000_000 / unit.len());
        assert_eq!(split(&text).unwrap().0.len(), 10_000_000 / unit.len());
        for opening in
            ["/*", "(", "'", "\"", "$a$b ", "$a$ $b", "copy t from stdin;\n", "create (a"]
        {
            assert!(split(&opening.repeat(100_001)).is_err(), "{opening}");
        }
    }

    /// A small generator of SQL-like rubbish; the same every time.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(self.0 >> 33).unwrap() % limit
        }
    }

    const PIECES: [&str; 48] = [
        "'",
        "''",
        "\"",
        "$",
        "$$",
        "$a$",
        "$1",
        ";",
        ";",
        "(",
        ")",
        "/*",
        "*/",
        "--",
        "-",
        "+",
        "*",
        "\\",
        "\\.",
        "\n\\.\n",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "E'",
        "U&'",
        "U&\"",
        "e",
        "é",
        "1",
        ".",
        "1e",
        "::",
        ":",
        "@",
        "create ",
        "function ",
        "begin ",
        "atomic ",
        "case ",
        "end ",
        "copy ",
        " from ",
        "stdin",
        "commit ",
        "\\restrict x\n",
        "\0",
    ];

    #[test]
    fn rubbish_never_panics_and_statements_and_gaps_make_the_text() {
        let mut random = Random(1);
        let mut read = 0;
        for _ in 0..30_000 {
            let length = random.below(14) + 1;
            let text: String = (0..length).map(|_| PIECES[random.below(PIECES.len())]).collect();
            let Ok((statements, digests)) = split(&text) else { continue };
            read += 1;
            let mut at = 0;
            for statement in &statements {
                assert_is_gap(&text[at..statement.range.start], &text);
                let source = &text[statement.range.clone()];
                at = statement.range.end;
                match statement.copy_data() {
                    Some(data) => {
                        assert!(text[at..data.start].trim_start().starts_with(';'), "{text:?}");
                        assert!(text[data.end..].starts_with("\\."), "{text:?}");
                        at = data.end + 2;
                    }
                    None => assert_eq!(self::statements(source), [source], "{text:?}"),
                }
            }
            assert_is_gap(&text[at..], &text);
            let whole = checksum(&format!("{text}\n/* c */;"));
            assert_eq!(Some(&whole), digests.last(), "{text:?}");
            // Each is the checksum of the text up to the next statement.
            let ends = statements.iter().map(|next| next.range.start).chain([text.len()]);
            let prefixes = ends.map(|end| checksum(&text[..end]));
            assert!(prefixes.eq(digests.iter().copied()), "{text:?}");
        }
        assert!(read > 3_000, "only {read} texts were read");
    }

    fn assert_is_gap(gap: &str, text: &str) {
        let mut lexer = Lexer::new(gap);
        while let Some(token) = lexer.next().unwrap() {
            let word = &gap[token.start..token.end];
            assert!(word == ";" || token.kind == TokenKind::MetaCommand, "{word:?} in {text:?}");
        }
    }
}
