//! The lines of a database: what each object's are, on which everything is the same, and what has
//! none.
//!
//! `every_kind.lines` shows the format, `changes.txt` what each attribute does to it.

use std::ffi::OsString;
use std::{env, fs, thread};

use castoff::schema::{Difference, Kind, Line, Optional, Schema};
use castoff::{Migrations, Migrator, Settings, include_dir};

use crate::support::{Castoff, Cluster, Database, SOON, eventually};

const EVERY_KIND: &str = include_str!("every_kind.sql");

/// The lines that are told only to those who ask, too.
const ALL: Optional = Optional { comments: true, owners: true, grants: true };

/// What the superuser sees.
pub(crate) fn lines(db: &Database, optional: Optional) -> Schema {
    lines_at(&db.url(), optional)
}

/// What the role of a URL sees.
#[track_caller]
fn lines_at(url: &str, optional: Optional) -> Schema {
    static NONE: Migrations =
        Migrations::new(&include_dir::include_dir!("$CARGO_MANIFEST_DIR/examples/embedded"));
    let variables = [(OsString::from("DATABASE_URL"), OsString::from(url))];
    let settings = Settings::read(variables.into_iter(), &[]).unwrap();
    let migrator = Migrator::new(&NONE, settings).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(migrator.schema_with(optional)).unwrap()
}

/// The major version of the server.
fn major(db: &Database) -> u16 {
    db.psql("SELECT current_setting('server_version_num')::integer / 10000").parse().unwrap()
}

#[test]
fn every_kind_has_its_lines() {
    let db = Database::empty();
    db.psql(EVERY_KIND);
    let expected =
        include_str!("every_kind.lines").replace("body@15", &format!("body@{}", major(&db)));
    let found = lines(&db, ALL);
    let schema = expected.lines().map(|line| line.parse::<Line>().unwrap()).collect();
    assert_eq!(Difference::between(&schema, &found).to_string(), "");
    assert_eq!(found.to_string(), expected);
    let not_told = |kind: &Kind| !schema.lines().any(|line| line.identity.kind == *kind);
    assert_eq!(Kind::ALL.into_iter().filter(not_told).collect::<Vec<_>>(), [Kind::Extension]);
}

#[test]
#[ignore = "scripts/same-lines has it write the lines of LINES_OF to the file LINES_TO"]
#[expect(clippy::disallowed_methods, reason = "the tests have no settings.rs")]
fn lines_of_a_given_database() {
    let lines = lines_at(&env::var("LINES_OF").unwrap(), ALL);
    fs::write(env::var_os("LINES_TO").unwrap(), lines.to_string()).unwrap();
}

/// A paragraph of `changes.txt`.
struct Change<'a> {
    since: u16,
    optional: Optional,
    before: &'a str,
    after: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Change<'a> {
    fn parse(paragraph: &'a str) -> Self {
        let mut change = Change {
            since: 14,
            optional: Optional::default(),
            before: "",
            after: "",
            lines: Vec::new(),
        };
        for line in paragraph.lines() {
            match line.split_once(' ') {
                Some(("since", major)) => change.since = major.parse().unwrap(),
                Some(("with", _)) => change.optional = ALL,
                Some(("=>", sql)) => change.after = sql,
                Some(("-" | "+", _)) => change.lines.push(line),
                _ => change.before = line,
            }
        }
        change
    }
}

/// What is told otherwise after the changes, which are made in one database, a schema for each.
fn told(changes: &[Change<'_>], optional: Optional) -> Vec<String> {
    let db = Database::empty();
    let make = |sql: &mut dyn Iterator<Item = &str>| {
        let each = schemas().zip(sql).map(|(schema, sql)| {
            format!("SET search_path TO {schema}; {};\n", sql.replace("{s}", &schema))
        });
        db.psql(&each.collect::<String>());
        lines(&db, optional)
    };
    let schemas: Vec<_> = schemas().take(changes.len()).collect();
    db.psql(&format!("CREATE SCHEMA {}", schemas.join("; CREATE SCHEMA ")));
    let before = make(&mut changes.iter().map(|change| change.before));
    let after = make(&mut changes.iter().map(|change| change.after));
    let difference = Difference::between(&before, &after).to_string();
    let of = |schema: &String| {
        let lines = difference.lines().filter(|line| line.contains(schema));
        lines.map(|line| line.replace(schema, "s") + "\n").collect()
    };
    schemas.iter().map(of).collect()
}

/// The names of the schemas, none of which is the beginning of another.
fn schemas() -> impl Iterator<Item = String> {
    (100..).map(|number| format!("schema_{number}"))
}

#[test]
fn every_attribute_changes_its_line() {
    let major = major(&Database::empty());
    let paragraphs = include_str!("changes.txt").split("\n\n").skip(1);
    let (all, plain): (Vec<_>, Vec<_>) = paragraphs
        .map(Change::parse)
        .filter(|change| change.since <= major)
        .partition(|change| change.optional == ALL);
    for (changes, optional) in [(plain, Optional::default()), (all, ALL)] {
        for (change, told) in changes.iter().zip(told(&changes, optional)) {
            let expected: String = change.lines.iter().map(|line| format!("{line}\n")).collect();
            let expected = expected.replace("body@15", &format!("body@{major}"));
            assert_eq!(told, expected, "{}\n=> {}", change.before, change.after);
        }
    }
}

#[test]
fn extensions_providers_alembic_castoff_and_sessions_have_no_lines() {
    let db = Database::on(&Cluster::own());
    let mut session = db.session();
    session.psql("CREATE TEMP TABLE t (a serial); CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    Castoff::new(&db).migrations(["a"]).args(["upgrade"]).run().assert_code(0);
    db.psql(
        "DROP TABLE a;
         CREATE EXTENSION hstore; CREATE SCHEMA extensions; CREATE EXTENSION citext SCHEMA extensions;
         CREATE TABLE public.mapping (a serial); ALTER EXTENSION hstore ADD TABLE mapping;
         ALTER EXTENSION hstore ADD SEQUENCE mapping_a_seq;
         CREATE TABLE public.alembic_version (version_num varchar(32) PRIMARY KEY);
         CREATE SCHEMA cron; CREATE TABLE cron.job (id serial PRIMARY KEY);
         CREATE TYPE cron.state AS ENUM (); CREATE FUNCTION cron.f() RETURNS int LANGUAGE sql AS 'SELECT 1';
         CREATE ROLE rdsadmin SUPERUSER; SET ROLE rdsadmin;
         CREATE SCHEMA theirs; CREATE TABLE public.heartbeat (id serial PRIMARY KEY);
         CREATE VIEW public.beats AS SELECT 1; CREATE DOMAIN public.beat AS integer CHECK (VALUE > 0);
         CREATE FUNCTION public.watch() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
         CREATE EVENT TRIGGER watch ON sql_drop EXECUTE FUNCTION watch(); CREATE PUBLICATION feed;
         COMMENT ON TABLE public.heartbeat IS 'theirs';",
    );
    assert_eq!(
        lines(&db, Optional::default()).to_string(),
        "schema extensions\nextension citext schema extensions\nextension hstore\n"
    );
    let theirs = ["mapping", "alembic", "cron", "rdsadmin", "beat", "watch", "feed", "revision"];
    let all = lines(&db, ALL).to_string();
    assert!(!all.contains("comment"), "{all}");
    assert!(!theirs.iter().any(|theirs| all.contains(theirs)), "{all}");
}

#[test]
fn every_line_parses_back_to_itself_whatever_the_names() {
    const WORDS: [&str; 5] = ["select", "true", "char", "_a$1", "e"];
    const OTHERS: [&str; 17] = [
        "a b", "a.b", "a\"b", "a'b", "\"", "'", "a\\b", " E'", "a\nb", "(", ")", " ON ", "$1",
        "größe", "A", "::", "(ARRAY[",
    ];
    let db = Database::empty();
    db.psql(EVERY_KIND);
    db.psql(include_str!("evil_names.sql"));
    for name in [&WORDS[..], &OTHERS[..]].concat() {
        let quoted = |suffix| format!("\"{}{suffix}\"", name.replace('"', "\"\""));
        let (it, index, state) = (quoted(""), quoted("i"), quoted("e"));
        let literal = format!("'{}'", name.replace('\'', "''"));
        db.psql(&format!(
            "SET check_function_bodies TO off; CREATE SCHEMA {it}; SET search_path TO {it};
             CREATE TABLE {it} ({it} text DEFAULT {literal} CONSTRAINT {it} CHECK ({it} > {literal}));
             CREATE INDEX {index} ON {it} (upper({it}));
             CREATE TYPE {state} AS ENUM ({literal});
             CREATE FUNCTION {it}({it} {state}) RETURNS {it} LANGUAGE sql AS {literal};
             COMMENT ON COLUMN {it}.{it} IS {literal};"
        ));
    }
    let lines = lines(&db, ALL);
    for line in lines.lines() {
        let text = line.to_string();
        assert_eq!(text.parse().as_ref(), Ok(line));
        assert!(!text.contains(['\n', '\r']), "{text}");
    }
    for name in [&WORDS[..], &OTHERS[..]].concat() {
        let quoted = format!("\"{}\"", name.replace('"', "\"\""));
        let it = if WORDS.contains(&name) { name } else { &quoted };
        // Alone, these two mean something else.
        let alone = if ["true", "char"].contains(&name) { &quoted } else { it };
        let literal = format!("'{}'::text", name.replace('\'', "''"));
        let part = format!("{it}.{it}.{it}");
        let column = Line::new(Kind::Column, &part, format!("text default {literal}"));
        let check = Line::new(Kind::Constraint, &part, format!("CHECK (({alone} > {literal}))"));
        for line in [column, check] {
            assert_eq!(lines.get(&line.identity), Some(&line));
            assert_eq!(line.table(), Some(&*format!("{it}.{it}")));
        }
        let of_it = |line: &&Line| line.table() == Some(&*format!("{it}.{it}"));
        assert_eq!(lines.lines().filter(of_it).count(), 3, "the column, the constraint, the index");
    }
}

/// A database that `pg_dump` says of what it says of another.
fn restored(db: &Database) -> Database {
    let restored = Database::empty();
    restored.psql(&db.pg_dump(&["--schema-only"]));
    restored
}

#[test]
fn what_is_restored_from_a_dump_has_the_lines_of_what_was_dumped() {
    let everything = Database::empty();
    everything.psql(EVERY_KIND);
    everything.psql(
        "CREATE VIEW shop.laid_out AS SELECT * FROM (VALUES (1), (2)) AS v (a);
         CREATE TABLE shop.chained (a integer CHECK (a BETWEEN 1 AND 5 AND (a, a) = (2, 3)));",
    );
    let shop = Database::empty();
    Castoff::new(&shop).folder("migrations").args(["upgrade"]).run().assert_code(0);
    for db in [everything, shop] {
        let before = lines(&db, ALL);
        assert_eq!(Difference::between(&before, &lines(&restored(&db), ALL)).to_string(), "");
        assert!(before.len() > 20, "{before}");
    }
}

#[test]
fn a_role_without_any_privilege_reads_the_same() {
    let db = Database::empty();
    db.psql(EVERY_KIND);
    let reader = db.role("reader").create();
    assert!(reader.try_psql("SELECT FROM shop.customers").is_err());
    assert_eq!(lines_at(reader.url(), ALL), lines(&db, ALL));
}

#[test]
fn a_session_whose_search_path_begins_with_evil_names_reads_the_same() {
    let db = Database::empty();
    db.psql(include_str!("evil_names.sql"));
    let victim =
        db.role("victim").set("search_path", "evil").set("quote_all_identifiers", "on").create();
    db.psql(&format!(
        "GRANT ALL ON SCHEMA evil TO {0}; ALTER ROLE {0} SET datestyle TO 'German'",
        victim.name()
    ));
    assert_eq!(lines_at(victim.url(), ALL), lines(&db, ALL));
}

#[test]
fn what_goes_while_it_is_read_does_no_harm() {
    for gone in ["FUNCTION f", "VIEW w"] {
        let db = Database::empty();
        db.psql(
            "CREATE TABLE t (a integer); CREATE VIEW v AS SELECT a FROM t; CREATE VIEW w AS SELECT 1;
             CREATE FUNCTION f() RETURNS integer LANGUAGE sql RETURN 1;",
        );
        let mut session = db.session();
        session.psql(&format!("BEGIN; LOCK TABLE t; DROP {gone}"));
        let url = db.url();
        let reader = thread::spawn(move || lines_at(&url, ALL));
        eventually(SOON, || {
            let waits: Vec<_> =
                db.backends().into_iter().map(|backend| backend.wait_event).collect();
            if waits == ["relation"] { Ok(()) } else { Err(waits) }
        });
        session.psql("COMMIT");
        assert_eq!(reader.join().unwrap(), lines(&db, ALL), "{gone}");
    }
}
