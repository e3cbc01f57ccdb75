//! Files of `pg_dump` as baselines, unchanged: what they make is what psql makes of them.

use crate::support::{Castoff, Database};

const THIRTEEN: &str = include_str!("pg_dump/thirteen.sql");

/// A database with one of everything, and the roles that it needs.
fn library() -> Database {
    let db = Database::empty();
    let (owner, reader) = (db.role("owner").create(), db.role("reader").create());
    let sql = include_str!("pg_dump/library.sql")
        .replace("OWNER TO OWNER", &format!("OWNER TO {}", owner.name()))
        .replace("AUTHORIZATION OWNER", &format!("AUTHORIZATION {}", owner.name()))
        .replace("READER", reader.name());
    db.psql(&sql);
    db
}

/// castoff with a dump as its baseline and a revision that finds names by the usual search path.
fn baseline(db: &Database, dump: &str) -> Castoff {
    Castoff::new(db)
        .files([
            ("0001_x.baseline.sql", dump),
            ("0002_y.up.sql", "CREATE TABLE after_it (n int);"),
            ("0002_y.down.sql", "DROP TABLE after_it;"),
        ])
        .env("CASTOFF_LOG_FORMAT", "text")
        .args(["upgrade"])
}

#[track_caller]
fn make_the_same(dump_with: &[&[&str]]) {
    let source = library();
    for arguments in dump_with {
        let dump = source.pg_dump(arguments);
        let (by_castoff, by_psql) = (Database::empty(), Database::empty());
        let castoff = baseline(&by_castoff, &dump);
        castoff.run().assert_code(0).assert_stderr("Running upgrade  -> 0001, x\n");
        assert_eq!(by_castoff.psql("SELECT to_regclass('public.after_it')"), "after_it");
        castoff.args(["downgrade", "0001"]).run().assert_code(0);
        by_psql.psql(&dump);
        assert_eq!(by_castoff.dump(), by_psql.dump(), "{arguments:?}");
        assert_eq!(by_castoff.data(), by_psql.data(), "{arguments:?}");
        if arguments.is_empty() {
            assert_eq!(by_castoff.dump(), source.dump());
            assert_eq!(by_castoff.data(), source.data());
        }
    }
}

#[test]
fn a_dump_with_data_makes_what_it_was_made_of() {
    make_the_same(&[&[]]);
}

#[test]
fn a_dump_with_inserts_makes_what_psql_makes() {
    make_the_same(&[&["--inserts"], &["--column-inserts", "--rows-per-insert=50"]]);
}

#[test]
fn a_dump_with_any_flags_makes_what_psql_makes() {
    make_the_same(&[
        &["--schema-only"],
        &["--no-owner", "--no-privileges"],
        &["--disable-triggers"],
        &["--quote-all-identifiers", "--no-comments"],
    ]);
}

#[test]
fn a_dump_in_the_style_of_13_is_a_baseline_as_it_is() {
    let db = Database::empty();
    baseline(&db, THIRTEEN).run().assert_code(0).assert_stderr("Running upgrade  -> 0001, x\n");
    assert_eq!(
        db.psql("SELECT (SELECT count(*) FROM event), (SELECT name FROM users), greet('x'), nextval('users_id_seq')"),
        "2|it's; $$|hello; x|2"
    );
    assert_eq!(db.psql("SELECT to_regclass('public.after_it')"), "after_it");
}

#[test]
fn a_dump_with_large_objects_is_a_baseline_as_it_is() {
    let source = Database::empty();
    source.psql("SELECT lo_from_bytea(424242, 'abc')");
    let dump = source.pg_dump(&[]);
    assert!(dump.contains("\nBEGIN;\n"), "{dump}");
    let db = Database::empty();
    baseline(&db, &dump).run().assert_code(0);
    assert_eq!(db.psql("SELECT lo_get(424242)"), "\\x616263");
}

#[test]
fn restrict_lines_of_a_dump_are_passed_over() {
    let db = Database::empty();
    let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict aBc123\n\n\
                -- Dumped from database version 17.6\n\nCREATE TABLE public.a (n int);\n\n\
                \\unrestrict aBc123\n\n";
    baseline(&db, dump).run().assert_code(0);
    assert_eq!(db.psql("SELECT to_regclass('a')"), "a");
}

#[test]
fn settings_of_a_newer_dump_are_passed_over_by_an_older_server() {
    let db = Database::empty();
    let dump = "SET statement_timeout = 0;\nSET transaction_timeout = 0;\nSET row_security = off;
                CREATE TABLE public.a (n int);";
    baseline(&db, dump).run().assert_code(0);
    assert_eq!(db.psql("SELECT to_regclass('a')"), "a");
}

#[test]
fn a_dump_that_creates_the_public_schema_is_a_baseline() {
    for setup in ["", "DROP SCHEMA public"] {
        let db = Database::empty();
        db.psql(setup);
        let dump = "CREATE SCHEMA public;\nALTER SCHEMA public OWNER TO postgres;
                    COMMENT ON SCHEMA public IS 'ours';\nCREATE TABLE public.a (n int);";
        baseline(&db, dump).run().assert_code(0);
        assert_eq!(
            db.psql("SELECT obj_description('public'::regnamespace), to_regclass('public.a')"),
            "ours|a"
        );
    }
}

#[test]
fn an_owner_that_is_not_there_fails_at_its_line_and_keeps_nothing() {
    let db = Database::empty();
    let dump = "CREATE TABLE public.a (n int);\n\nALTER TABLE public.a OWNER TO nobody_here;\n";
    baseline(&db, dump)
        .run()
        .assert_code(65)
        .assert_stderr("0001_x.baseline.sql:3:1")
        .assert_stderr("caused by: 42704 role \"nobody_here\" does not exist")
        .assert_stderr("hint: nothing of 0001 was kept");
    assert_eq!(db.psql("SELECT to_regclass('a'), to_regnamespace('castoff')"), "|");
}

#[test]
fn a_line_of_data_that_is_wrong_keeps_nothing_of_the_dump_and_the_lock_is_given_back() {
    let db = Database::empty();
    let dump = "CREATE TABLE public.a (n int);\nCOPY public.a (n) FROM stdin;\n1\nx\n\\.\n";
    baseline(&db, dump).run().assert_code(65).assert_stderr("0001_x.baseline.sql:4:1");
    assert_eq!(db.psql("SELECT to_regclass('a'), to_regnamespace('castoff')"), "|");
    assert_eq!(db.advisory_locks(), []);
}

#[test]
fn the_baseline_is_recorded_as_one() {
    let db = Database::empty();
    baseline(&db, THIRTEEN).run().assert_code(0);
    let rows = "SELECT revision, origin, head, message FROM castoff.revision ORDER BY 1";
    assert_eq!(db.psql(rows), "0001|baseline|f|x\n0002|upgrade|t|y");
}
