//! Recognises the statements that must be run in a way of their own.
//!
//! It knows PostgreSQL's grammar just far enough for statements that the server accepts. What the
//! server will refuse anyway may be taken for anything.

use crate::revision::lexer::{Lexer, Token, TokenKind};
use crate::revision::words::Words;
use crate::revision::{Alone, Control, StatementKind};

/// True if a statement that begins with `word` can be anything but plain; others' tokens aren't needed.
pub(super) fn is_of_interest(word: &str) -> bool {
    const FIRST: [&str; 19] = [
        "abort", "alter", "begin", "call", "cluster", "commit", "copy", "create", "discard", "do",
        "drop", "end", "prepare", "reindex", "reset", "rollback", "set", "start", "vacuum",
    ];
    FIRST.iter().any(|first| word.eq_ignore_ascii_case(first))
}

/// What the statement with these tokens is. The data of a COPY are not known yet: an empty range.
pub(super) fn classify(text: &str, tokens: &[Token]) -> StatementKind {
    let mut words = Words::new(text, tokens);
    let Some((TokenKind::Word, first)) = words.next() else { return StatementKind::Plain };
    let other = StatementKind::Alone(Alone::Other);
    match first.to_ascii_lowercase().as_str() {
        "begin" => StatementKind::Control(Control::Begin),
        "start" if words.eat("transaction") => StatementKind::Control(Control::Begin),
        "commit" | "end" => end_of_transaction(words, Control::Commit),
        "rollback" | "abort" => end_of_transaction(words, Control::Rollback),
        "prepare" if words.eat("transaction") => StatementKind::Control(Control::Other),
        "create" => create(words),
        "drop" => drop(words),
        "alter" => alter(words),
        "reindex" => reindex(words),
        "copy" => copy(words),
        "set" => set(words),
        "reset" => reset(words),
        "call" => StatementKind::MayCommit,
        "do" if body_commits(words) => StatementKind::MayCommit,
        "discard" if words.eat("all") => StatementKind::DiscardAll,
        "vacuum" => other,
        "cluster" => {
            words.parentheses();
            words.eat("verbose");
            if words.is_empty() { other } else { StatementKind::MayCommit }
        }
        _ => StatementKind::Plain,
    }
}

/// Behind COMMIT, END, ROLLBACK or ABORT.
fn end_of_transaction(mut words: Words<'_>, control: Control) -> StatementKind {
    if words.eat("prepared") {
        return StatementKind::Control(Control::Other);
    }
    words.eat_any(&["work", "transaction"]);
    if words.eat("to") {
        return StatementKind::Plain;
    }
    let chain = words.eat_all(&["and", "chain"]);
    StatementKind::Control(if chain { Control::Other } else { control })
}

fn create(mut words: Words<'_>) -> StatementKind {
    if words.eat("schema") {
        let name = words.identifier().filter(|_| words.is_empty());
        return name.map_or(StatementKind::Plain, StatementKind::CreateSchema);
    }
    if words.eat("subscription") {
        let offline = [words.option("connect"), words.option("create_slot")].contains(&Some(false));
        return if offline { StatementKind::Plain } else { StatementKind::Alone(Alone::Other) };
    }
    if words.eat_any(&["database", "tablespace"]) {
        return StatementKind::Alone(Alone::Other);
    }
    words.eat("unique");
    if words.eat_all(&["index", "concurrently"]) {
        return StatementKind::Alone(create_index(words).unwrap_or(Alone::Other));
    }
    if is_in_path(words) { StatementKind::CreateInPath } else { StatementKind::Plain }
}

/// Behind CREATE: whether it makes something in the first schema of the search path.
fn is_in_path(mut words: Words<'_>) -> bool {
    words.eat_all(&["or", "replace"]);
    words.eat_any(&["unlogged", "materialized", "recursive"]);
    words.eat_any(&["table", "view", "sequence", "type", "domain", "function", "procedure"]) && {
        words.eat_all(&["if", "not", "exists"]);
        words.name().is_some_and(|name| name.schema.is_none())
    }
}

/// Behind CREATE INDEX CONCURRENTLY.
fn create_index(mut words: Words<'_>) -> Option<Alone> {
    let if_not_exists = words.eat_all(&["if", "not", "exists"]);
    let mut index = None;
    if !words.eat("on") {
        index = Some(words.name()?);
        words.eat("on").then_some(())?;
    }
    words.eat("only");
    Some(Alone::CreateIndexConcurrently { index, table: words.name()?, if_not_exists })
}

fn drop(mut words: Words<'_>) -> StatementKind {
    if words.eat_any(&["database", "tablespace", "subscription"]) {
        return StatementKind::Alone(Alone::Other);
    }
    if !words.eat_all(&["index", "concurrently"]) {
        return StatementKind::Plain;
    }
    let if_exists = words.eat_all(&["if", "exists"]);
    let mut indexes = Vec::from_iter(words.name());
    while words.eat_symbol(",") {
        indexes.extend(words.name());
    }
    StatementKind::Alone(Alone::DropIndexConcurrently { indexes, if_exists })
}

fn alter(mut words: Words<'_>) -> StatementKind {
    let alone = if words.eat("system") {
        Some(Alone::Other)
    } else if words.eat("database") {
        words.identifier();
        words.eat_all(&["set", "tablespace"]).then_some(Alone::Other)
    } else if words.eat("subscription") {
        words.identifier();
        let refreshes = words.eat_any(&["add", "drop", "set"])
            && words.eat("publication")
            && words.option("refresh") != Some(false);
        (refreshes || words.eat("refresh")).then_some(Alone::Other)
    } else if words.eat("table") {
        detach_partition(words)
    } else {
        None
    };
    alone.map_or(StatementKind::Plain, StatementKind::Alone)
}

/// Behind ALTER TABLE.
fn detach_partition(mut words: Words<'_>) -> Option<Alone> {
    words.eat_all(&["if", "exists"]);
    words.eat("only");
    let table = words.name()?;
    words.eat_symbol("*");
    words.eat_all(&["detach", "partition"]).then_some(())?;
    let partition = words.name()?;
    words.eat("concurrently").then_some(Alone::DetachPartitionConcurrently { table, partition })
}

fn reindex(mut words: Words<'_>) -> StatementKind {
    let by_option = words.parentheses().option("concurrently") == Some(true);
    let many = words.eat_any(&["database", "system", "schema"]);
    let _one = words.eat_any(&["index", "table"]);
    if by_option || words.eat("concurrently") {
        StatementKind::Alone(Alone::ReindexConcurrently)
    } else if many {
        StatementKind::Alone(Alone::Other)
    } else {
        StatementKind::MayCommit
    }
}

/// PostgreSQL takes `stdin` and `stdout` for each other: the direction is in FROM and TO.
fn copy(words: Words<'_>) -> StatementKind {
    if words.has_pair("from", &["stdin", "stdout"]) {
        StatementKind::CopyIn(0..0)
    } else if words.has_pair("to", &["stdout", "stdin"]) {
        StatementKind::CopyOut
    } else {
        StatementKind::Plain
    }
}

fn set(mut words: Words<'_>) -> StatementKind {
    if words.eat_all(&["session", "authorization"]) {
        return StatementKind::SetParameter("session_authorization".to_owned());
    }
    let kind = if words.eat("local") {
        StatementKind::SetLocal
    } else {
        words.eat("session");
        StatementKind::SetParameter
    };
    let special = if words.eat_all(&["time", "zone"]) {
        Some("timezone")
    } else if words.eat("names") {
        Some("client_encoding")
    } else if words.eat("schema") {
        Some("search_path")
    } else if words.eat("role") {
        Some("role")
    } else {
        None
    };
    if let Some(name) = special {
        return kind(name.to_owned());
    }
    match words.name() {
        Some(name) if words.eat_symbol("=") || words.eat("to") => {
            kind(name.to_string().to_lowercase())
        }
        _ => StatementKind::Plain,
    }
}

/// Behind RESET. `RESET ALL` has the name `all`.
fn reset(mut words: Words<'_>) -> StatementKind {
    let name = if words.eat_all(&["session", "authorization"]) {
        Some("session_authorization".to_owned())
    } else if words.eat_all(&["time", "zone"]) {
        Some("timezone".to_owned())
    } else {
        words.name().map(|name| name.to_string().to_lowercase())
    };
    name.map_or(StatementKind::Plain, StatementKind::SetParameter)
}

/// True if the body of a DO has the word COMMIT or ROLLBACK outside its strings and comments.
fn body_commits(mut words: Words<'_>) -> bool {
    while let Some((kind, text)) = words.next() {
        let is_body = matches!(kind, TokenKind::String | TokenKind::DollarString);
        if is_body && has_commit(text.trim_start_matches(|c| c != '\'' && c != '$')) {
            return true;
        }
    }
    false
}

fn has_commit(quoted: &str) -> bool {
    let mark = quoted.chars().next().unwrap_or('$');
    let opening = quoted.get(1..).and_then(|rest| rest.find('$')).map_or(1, |end| end + 2);
    let opening = if mark == '$' { opening } else { 1 };
    let body = quoted.get(opening..quoted.len().saturating_sub(opening)).unwrap_or_default();
    let mut lexer = Lexer::new(body);
    while let Ok(Some(token)) = lexer.next() {
        let word = &body[token.start..token.end];
        if ["commit", "rollback"].iter().any(|end| word.eq_ignore_ascii_case(end)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::{Name, split};

    fn kind(text: &str) -> StatementKind {
        let (statements, _) = split::split(text).unwrap();
        assert_eq!(statements.len(), 1, "{text}");
        statements[0].kind.clone()
    }

    fn name(name: &str) -> Name {
        match name.split_once('.') {
            Some((schema, name)) => Name { schema: Some(schema.into()), name: name.into() },
            None => Name { schema: None, name: name.into() },
        }
    }

    #[test]
    fn create_index_concurrently_names_its_index_and_table() {
        let index = |index: Option<&str>, table: &str, if_not_exists| {
            let (index, table) = (index.map(name), name(table));
            StatementKind::Alone(Alone::CreateIndexConcurrently { index, table, if_not_exists })
        };
        for (text, expected) in [
            ("create index concurrently i on t (a)", index(Some("i"), "t", false)),
            (
                "CREATE UNIQUE INDEX CONCURRENTLY I ON Public.T (a)",
                index(Some("i"), "public.t", false),
            ),
            (
                "create index /* x */ concurrently if not exists \"I x\" on only \"S\".\"T\" using gin (a)",
                index(Some("I x"), "S.T", true),
            ),
            ("create index concurrently on db.s.t (a)", index(None, "s.t", false)),
            (
                r#"create index concurrently U&"!0061" uescape '!' on t (a)"#,
                index(Some("a"), "t", false),
            ),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn concurrent_statements_are_told_apart() {
        let drop = |indexes: &[&str], if_exists| {
            let indexes = indexes.iter().map(|index| name(index)).collect();
            StatementKind::Alone(Alone::DropIndexConcurrently { indexes, if_exists })
        };
        let detach = StatementKind::Alone(Alone::DetachPartitionConcurrently {
            table: name("s.t"),
            partition: name("p"),
        });
        let reindex = StatementKind::Alone(Alone::ReindexConcurrently);
        for (text, expected) in [
            ("drop index concurrently a", drop(&["a"], false)),
            ("drop index concurrently if exists a, s.\"B\" cascade", drop(&["a", "s.B"], true)),
            ("alter table if exists only s.t detach partition p concurrently", detach),
            ("reindex table concurrently t", reindex.clone()),
            ("reindex (verbose, concurrently) index i", reindex.clone()),
            ("reindex (concurrently on) schema s", reindex.clone()),
            ("reindex (tablespace x) database concurrently d", reindex),
        ] {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn what_postgresql_refuses_in_a_transaction_is_known() {
        for text in [
            "vacuum",
            "vacuum (full, analyze) t",
            "create database d",
            "drop database if exists d",
            "create tablespace t location '/x'",
            "drop tablespace t",
            "alter system set a = 1",
            "alter database d set tablespace t",
            "reindex schema s",
            "reindex (verbose) system s",
            "reindex database",
            "cluster",
            "cluster verbose",
            "cluster (verbose)",
            "create subscription s connection '' publication p",
            "drop subscription s",
            "alter subscription s refresh publication",
            "alter subscription s add publication p",
        ] {
            assert_eq!(kind(text), StatementKind::Alone(Alone::Other), "{text}");
        }
        assert_eq!(kind("discard all"), StatementKind::DiscardAll);
    }

    #[test]
    fn what_is_made_where_the_search_path_says_is_known() {
        for (text, in_path) in [
            ("create table concurrently_t (vacuum int)", true),
            ("create unlogged table if not exists t ()", true),
            ("create or replace view v as select 1", true),
            ("create materialized view v as select 1", true),
            ("create type \"T\" as enum ()", true),
            ("create table s.t ()", false),
            ("create temp table t ()", false),
            ("create global temporary table t ()", false),
            ("create extension x", false),
            ("create role r", false),
        ] {
            let expected = if in_path { StatementKind::CreateInPath } else { StatementKind::Plain };
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn what_postgresql_allows_in_a_transaction_is_plain() {
        for text in [
            "create index i on t (a)",
            "create index concurrently_i on t (a)",
            "drop index i",
            "refresh materialized view concurrently v",
            "alter table t detach partition p",
            "alter table t detach partition p finalize",
            "alter type t add value 'x'",
            "analyze",
            "alter database d set a = 'tablespace'",
            "create subscription s connection '' publication p with (connect = false, slot_name = none)",
            "create subscription s connection '' publication p with (create_slot = 'off')",
            "alter subscription s set publication p with (refresh = false)",
            "checkpoint",
            "alter subscription s disable",
            "discard temp",
            "comment on index i is 'concurrently'",
            "select 1",
            "\"vacuum\"",
            "savepoint a",
            "release savepoint a",
            "rollback to savepoint a",
            "rollback work to a",
            "prepare p as select 1",
            "set transaction read only",
            "set session characteristics as transaction read only",
            "set constraints all deferred",
            "create schema if not exists s",
            "create schema s authorization r",
            "start_of_day",
        ] {
            assert_eq!(kind(text), StatementKind::Plain, "{text}");
        }
    }

    #[test]
    fn transaction_control_is_known_in_all_its_words() {
        for (control, texts) in [
            (Control::Begin, ["begin", "BEGIN isolation level serializable", "start transaction"]),
            (Control::Commit, ["commit", "end work", "commit and no chain"]),
            (Control::Rollback, ["rollback", "ABORT", "rollback transaction"]),
            (
                Control::Other,
                ["prepare transaction 'x'", "commit prepared 'x'", "commit and chain"],
            ),
        ] {
            for text in texts {
                assert_eq!(kind(text), StatementKind::Control(control), "{text}");
            }
        }
    }

    #[test]
    fn what_may_end_transactions_itself_is_known() {
        for text in [
            "call p()",
            "do $$ begin commit; end $$",
            "do language plpgsql 'begin ROLLBACK; end'",
            "do $a$ begin perform 'x'; commit; end $a$ language plpgsql",
            "do E'begin commit; end'",
            "reindex table t",
            "reindex (concurrently false) index i",
            "cluster t using i",
            "cluster verbose t",
        ] {
            assert_eq!(kind(text), StatementKind::MayCommit, "{text}");
        }
        for text in ["do $$ begin perform 'commit'; end $$", "do $$ -- commit\n $$", "do", "do ''"]
        {
            assert_eq!(kind(text), StatementKind::Plain, "{text}");
        }
    }

    #[test]
    fn copy_is_known_by_its_direction() {
        assert_eq!(kind("copy t to stdout"), StatementKind::CopyOut);
        assert_eq!(kind("copy (select a from stdin) to stdout with csv"), StatementKind::CopyOut);
        assert_eq!(kind("copy t from stdin;\n\\.\n"), StatementKind::CopyIn(19..19));
        assert_eq!(kind("copy t (\"from\") from stdout;\n\\.\n"), StatementKind::CopyIn(29..29));
        for text in ["copy t from '/x'", "copy t to program 'cat'", "copy \"from\" from 'stdin'"] {
            assert_eq!(kind(text), StatementKind::Plain, "{text}");
        }
    }

    #[test]
    fn what_pg_dump_sets_and_creates_is_known() {
        for (text, parameter) in [
            ("SET transaction_timeout = 0", "transaction_timeout"),
            ("set session Lock_Timeout to '1s'", "lock_timeout"),
            ("set my.Setting = a, b", "my.setting"),
            ("set time zone 'UTC'", "timezone"),
            ("set role r", "role"),
            ("set session authorization default", "session_authorization"),
            ("set names 'utf8'", "client_encoding"),
            ("set schema 'x'", "search_path"),
            ("reset Lock_Timeout", "lock_timeout"),
            ("reset time zone", "timezone"),
            ("reset role", "role"),
            ("reset session authorization", "session_authorization"),
            ("reset all", "all"),
        ] {
            assert_eq!(kind(text), StatementKind::SetParameter(parameter.to_owned()), "{text}");
        }
        for (text, parameter) in
            [("set local My.setting to x", "my.setting"), ("SET LOCAL ROLE r", "role")]
        {
            assert_eq!(kind(text), StatementKind::SetLocal(parameter.to_owned()), "{text}");
        }
        assert_eq!(kind("CREATE SCHEMA Public"), StatementKind::CreateSchema("public".to_owned()));
    }
}
