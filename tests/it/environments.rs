//! What `downgrade` and `stamp` ask for, by what the database is for.

use crate::support::{Castoff, Database, Run};

/// castoff at `b` of a line of two, whose log is text.
fn at_b(db: &Database) -> Castoff {
    let castoff = Castoff::new(db).migrations(["a", "b: a"]).env("CASTOFF_LOG_FORMAT", "text");
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    castoff
}

fn in_environment(castoff: &Castoff, environment: &str) -> Castoff {
    castoff.clone().env("CASTOFF_ENV", environment)
}

/// The line that a refusal tells to type, word by word.
fn told(run: &Run) -> Vec<String> {
    let hint =
        run.stderr.lines().find_map(|line| line.strip_prefix("hint: if it is meant: castoff "));
    let line = hint.unwrap_or_else(|| panic!("no line to type\n{run}")).split(';').next().unwrap();
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn each_environment_asks_for_what_it_asks_for() {
    let db = Database::empty();
    let castoff = at_b(&db);
    let name = db.name().to_owned();
    let nothing: &[&str] = &[];
    let (yes, named) = (["--yes"], ["--database", &name]);
    let both = ["--yes", "--database", &name];
    let other = ["--yes", "--database", "other"];
    for (environment, said, code) in [
        ("development", nothing, 0),
        ("development", &yes, 0),
        ("development", &other, 76),
        ("staging", nothing, 76),
        ("staging", &named, 76),
        ("staging", &yes, 0),
        ("staging", &both, 0),
        ("staging", &other, 76),
        ("production", nothing, 76),
        ("production", &yes, 76),
        ("production", &named, 76),
        ("production", &other, 76),
        ("production", &both, 0),
        ("", nothing, 76),
        ("", &yes, 76),
        ("", &named, 76),
        ("", &other, 76),
        ("", &both, 0),
    ] {
        for (command, done) in [("downgrade", "a"), ("stamp", "a")] {
            castoff.clone().args(["upgrade"]).run().assert_code(0);
            assert_eq!((db.heads(), db.tables()), ("b".to_owned(), "a,b".to_owned()));
            let line = [&[command, "a"], said].concat();
            let run = in_environment(&castoff, environment).args(line.clone()).run();
            assert_eq!(run.code(), Some(code), "{environment:?} {line:?}\n{run}");
            let expected = if code == 0 { done } else { "b" };
            assert_eq!(db.heads(), expected, "{environment:?} {line:?}");
            if code == 0 && command == "stamp" {
                // The tables are there still.
                castoff.clone().args(["stamp", "b"]).run().assert_code(0);
            }
        }
    }
}

#[test]
fn the_line_that_a_refusal_tells_to_type_does_it() {
    let db = Database::empty();
    let castoff = at_b(&db);
    for (environment, target, before, after) in
        [("staging", "-1", "b", "a"), ("production", "-1", "a", ""), ("", "base", "b", "")]
    {
        castoff.clone().args(["upgrade", before]).run().assert_code(0);
        let castoff = in_environment(&castoff, environment);
        let command = ["downgrade", target, "--wait-timeout", "20s", "--application", "it's me"];
        let refused = castoff.clone().args(command).run();
        refused.assert_code(76).assert_stderr(r"--wait-timeout 20s --application 'it'\''s me'");
        assert_eq!(db.heads(), before);
        let line: Vec<_> =
            told(&refused).into_iter().take_while(|it| it != "--application").collect();
        castoff.args(line).run().assert_code(0);
        assert_eq!(db.heads(), after);
    }
}

#[test]
fn a_refusal_says_what_is_asked_and_where() {
    let db = Database::empty();
    let castoff = at_b(&db);
    for (environment, command, told) in [
        ("staging", "downgrade", "`castoff downgrade` asks for --yes where CASTOFF_ENV=staging"),
        (
            "production",
            "stamp",
            "`castoff stamp` asks for --yes and the name of the database where \
             CASTOFF_ENV=production",
        ),
        (
            "",
            "downgrade",
            "`castoff downgrade` asks for --yes and the name of the database where CASTOFF_ENV is \
             not set",
        ),
    ] {
        let run = in_environment(&castoff, environment).args([command, "a"]).run();
        run.assert_code(76).assert_stderr(told);
    }
    let other = castoff.clone().args(["stamp", "a", "--database", "elsewhere"]).run();
    let told = format!("--database says \"elsewhere\", but the database is {:?}", db.name());
    other.assert_code(76).assert_stderr(&told);
    let url = castoff.clone().args(["stamp", "a", "--database", &db.url()]).run();
    url.assert_code(64).assert_stderr("a database URL is not an argument");
    let word = castoff.env("CASTOFF_ENV", "prod").args(["current"]).run();
    let told = "CASTOFF_ENV is \"prod\", and should be development, staging or production";
    word.assert_code(78).assert_stderr(told);
}

#[test]
fn what_is_refused_asks_the_database_nothing() {
    let castoff = Castoff::without_database()
        .migrations(["a"])
        .url("postgresql://nobody@127.0.0.1:1/shop")
        .env_remove("CASTOFF_ENV");
    let run = castoff.args(["downgrade", "base"]).run();
    run.assert_code(76).assert_stderr("castoff downgrade base --yes --database shop");
}

#[test]
fn forward_is_asked_for_nothing_anywhere() {
    for environment in ["development", "staging", "production", ""] {
        let db = Database::empty();
        let castoff = Castoff::new(&db).migrations(["a"]).env("CASTOFF_ENV", environment);
        castoff.args(["run", "--", "true"]).run().assert_code(0);
        assert_eq!(db.heads(), "a", "{environment:?}");
    }
}
