//! What statements take away that nothing brings back, as far as their words tell.

use crate::revision::lexer::{Lexer, Token, TokenKind};
use crate::revision::words::Words;
use crate::revision::{Script, Statement};

/// What a statement takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Rows.
    Rows,
    /// Tables, columns or what else holds data, with their rows.
    Objects,
    /// It may be anything: what is run is not written here.
    Unknown,
}

/// What the statements of a file take away, each with the words that it begins with.
///
/// An UPDATE takes nothing away, nor does a function that a query calls.
pub fn removals(script: &Script) -> Vec<(Removal, &'static str)> {
    let removal = |statement: &Statement| {
        let text = script.text().get(statement.range()).unwrap_or_default();
        let tokens = tokens(text);
        removal(text, &tokens)
    };
    script.statements().iter().filter_map(removal).collect()
}

fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer::new(text);
    let mut tokens = Vec::new();
    while let Ok(Some(token)) = lexer.next() {
        tokens.push(token);
    }
    tokens
}

fn removal(text: &str, tokens: &[Token]) -> Option<(Removal, &'static str)> {
    let mut words = Words::new(text, tokens);
    let Some((TokenKind::Word, first)) = words.next() else { return None };
    match first.to_ascii_lowercase().as_str() {
        "truncate" => Some((Removal::Rows, "TRUNCATE")),
        "delete" => Some((Removal::Rows, "DELETE")),
        "with" | "merge" | "explain" => {
            has_word(text, tokens, "delete").then_some((Removal::Rows, "DELETE"))
        }
        "drop" => drop(words),
        "alter" => alter(words),
        "do" => body(text, tokens),
        "call" => Some((Removal::Unknown, "CALL")),
        _ => None,
    }
}

/// Behind DROP.
fn drop(mut words: Words<'_>) -> Option<(Removal, &'static str)> {
    const HOLDERS: [(&[&str], &str); 9] = [
        (&["table"], "DROP TABLE"),
        (&["schema"], "DROP SCHEMA"),
        (&["sequence"], "DROP SEQUENCE"),
        (&["type"], "DROP TYPE"),
        (&["domain"], "DROP DOMAIN"),
        (&["materialized", "view"], "DROP MATERIALIZED VIEW"),
        (&["extension"], "DROP EXTENSION"),
        (&["owned"], "DROP OWNED"),
        (&["database"], "DROP DATABASE"),
    ];
    let (_, told) = HOLDERS.into_iter().find(|(holder, _)| words.eat_all(holder))?;
    Some((Removal::Objects, told))
}

/// Behind ALTER.
fn alter(mut words: Words<'_>) -> Option<(Removal, &'static str)> {
    if words.eat("type") {
        let drops = words.has_pair("drop", &["attribute"]);
        return drops.then_some((Removal::Objects, "DROP ATTRIBUTE"));
    }
    words.eat("foreign");
    words.eat("table").then_some(())?;
    words.eat_all(&["if", "exists"]);
    words.eat("only");
    words.name()?;
    words.eat_symbol("*");
    loop {
        if words.eat("drop") {
            if !words.eat("constraint") {
                return Some((Removal::Objects, "DROP COLUMN"));
            }
        } else if words.eat("alter") {
            words.eat("column");
            words.identifier();
            if words.eat("type") || words.eat_all(&["set", "data", "type"]) {
                return Some((Removal::Objects, "ALTER COLUMN TYPE"));
            }
        }
        while !words.is_empty() && !words.eat_symbol(",") {
            let before = words;
            words.parentheses();
            if !words.is_shorter_than(before) {
                words.next();
            }
        }
        if words.is_empty() {
            return None;
        }
    }
}

/// A DO with its body.
fn body(text: &str, tokens: &[Token]) -> Option<(Removal, &'static str)> {
    let bodies = tokens.iter().filter(|token| token.kind == TokenKind::DollarString);
    let mut bodies = bodies.map(|token| {
        let quoted = &text[token.start..token.end];
        let opening = quoted.get(1..).and_then(|rest| rest.find('$')).map_or(1, |end| end + 2);
        quoted.get(opening..quoted.len().saturating_sub(opening)).unwrap_or_default()
    });
    // What is quoted in another way is not looked into.
    let Some(body) = bodies.next() else { return Some((Removal::Unknown, "DO")) };
    let inside = self::tokens(body);
    let has = |word| has_word(body, &inside, word);
    if has("truncate") || has("delete") {
        Some((Removal::Rows, "DO"))
    } else if has("drop") {
        Some((Removal::Objects, "DO"))
    } else {
        (has("execute") || has("call") || has("perform")).then_some((Removal::Unknown, "DO"))
    }
}

fn has_word(text: &str, tokens: &[Token], word: &str) -> bool {
    let mut words = tokens.iter().filter(|token| token.kind == TokenKind::Word);
    words.any(|token| text[token.start..token.end].eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_statement_takes_away_is_told_by_its_words() {
        use Removal::{Objects, Rows, Unknown};
        for (sql, expected) in [
            ("SELECT 1", None),
            ("UPDATE a SET b = 1", None),
            ("INSERT INTO a SELECT 'delete from b'", None),
            ("TRUNCATE a", Some(Rows)),
            ("delete from a", Some(Rows)),
            ("WITH x AS (DELETE FROM a RETURNING *) INSERT INTO b TABLE x", Some(Rows)),
            ("WITH x AS (SELECT 1) SELECT * FROM x", None),
            ("MERGE INTO a USING b ON true WHEN MATCHED THEN DELETE", Some(Rows)),
            ("DROP TABLE a", Some(Objects)),
            ("drop materialized view a", Some(Objects)),
            ("DROP SCHEMA s CASCADE", Some(Objects)),
            ("DROP INDEX a", None),
            ("DROP VIEW a", None),
            ("DROP FUNCTION f", None),
            ("ALTER TABLE a DROP b", Some(Objects)),
            ("ALTER TABLE IF EXISTS ONLY s.a DROP COLUMN IF EXISTS b", Some(Objects)),
            ("ALTER TABLE a ADD b numeric(1, 2), DROP c", Some(Objects)),
            ("ALTER TABLE a ADD b int DEFAULT f(1, drop), ADD c int", None),
            ("ALTER TABLE a DROP CONSTRAINT b, DROP \"constraint\"", Some(Objects)),
            ("ALTER TABLE a DROP CONSTRAINT b", None),
            ("ALTER TABLE a ALTER b DROP DEFAULT, ALTER COLUMN c DROP NOT NULL", None),
            ("ALTER TABLE a ALTER b TYPE int USING b::int", Some(Objects)),
            ("ALTER TABLE a ALTER COLUMN b SET DATA TYPE int", Some(Objects)),
            ("ALTER TABLE a RENAME b TO c", None),
            ("ALTER TYPE a DROP ATTRIBUTE b", Some(Objects)),
            ("ALTER TYPE a ADD VALUE 'x'", None),
            ("CREATE TABLE a (b int REFERENCES c ON DELETE CASCADE)", None),
            ("CREATE TRIGGER t BEFORE DELETE OR TRUNCATE ON a EXECUTE FUNCTION f()", None),
            ("GRANT DELETE, TRUNCATE ON a TO b", None),
            ("DO $$ BEGIN DELETE FROM a; END $$", Some(Rows)),
            ("DO $x$ BEGIN DROP TABLE a; END $x$", Some(Objects)),
            ("DO $$ BEGIN EXECUTE 'x'; END $$", Some(Unknown)),
            ("DO $$ BEGIN RAISE NOTICE 'delete'; END $$", None),
            ("DO 'BEGIN DELETE FROM a; END'", Some(Unknown)),
            ("CALL p()", Some(Unknown)),
        ] {
            let script = Script::parse("1_a.sql", sql.as_bytes()).unwrap();
            let found: Vec<_> = removals(&script).into_iter().map(|(removal, _)| removal).collect();
            assert_eq!(found, Vec::from_iter(expected), "{sql}");
        }
    }
}
