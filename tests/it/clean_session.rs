//! Every file starts with the same clean session, whatever the file before it left behind.

use crate::support::{Castoff, Database};

/// Runs the first file, then one that puts what the expression says into a table.
#[track_caller]
fn seen_by_the_next_file(db: &Database, first: &str, expression: &str) -> String {
    let look = format!("CREATE TABLE public.seen AS SELECT ({expression})::text AS it;");
    Castoff::new(db)
        .files([("1_first.up.sql", first), ("2_look.up.sql", look.as_str())])
        .args(["upgrade"])
        .run()
        .assert_code(0);
    db.psql("SELECT it FROM public.seen")
}

#[test]
fn the_search_path_of_a_file_ends_with_it() {
    for first in [
        "SET search_path TO pg_catalog",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "SET SESSION search_path TO public; SET LOCAL search_path TO pg_catalog",
    ] {
        let db = Database::empty();
        let seen = seen_by_the_next_file(&db, first, "current_setting('search_path')");
        assert_eq!(seen, "\"$user\", public", "after {first}");
    }
}

#[test]
fn the_search_path_of_the_role_holds_for_every_file() {
    let db = Database::empty();
    db.psql("CREATE SCHEMA shop");
    let role = db.role("deploy").set("search_path", "shop").owner().create();
    db.psql(&format!("ALTER SCHEMA shop OWNER TO {}", role.name()));
    Castoff::new(&db)
        .url(role.url())
        .files([
            ("1_a.up.sql", "SET search_path TO public; CREATE TABLE a ();"),
            ("2_b.up.sql", "CREATE TABLE b ();"),
        ])
        .args(["upgrade"])
        .run()
        .assert_code(0);
    assert_eq!(db.psql("SELECT to_regclass('public.a'), to_regclass('shop.b')"), "a|shop.b");
}

#[test]
fn the_role_that_a_file_sets_ends_with_it() {
    let db = Database::empty();
    let role = db.role("other").create();
    let first = format!("SET ROLE {}", role.name());
    let seen = seen_by_the_next_file(&db, &first, "session_user || ' ' || current_user");
    assert_eq!(seen, "postgres postgres");
}

#[test]
fn the_session_authorization_that_a_file_sets_ends_with_it() {
    let db = Database::empty();
    let role = db.role("other").create();
    let first = format!("SET SESSION AUTHORIZATION {}", role.name());
    let seen = seen_by_the_next_file(&db, &first, "session_user || ' ' || current_user");
    assert_eq!(seen, "postgres postgres");
    assert_eq!(db.psql("SELECT DISTINCT applied_by FROM castoff.revision"), "postgres");
}

#[test]
fn a_role_that_is_set_for_the_login_holds_for_every_file() {
    let db = Database::empty();
    let owner = db.role("owner").owner().create();
    let login = db.role("login").create();
    let (owner, login) = (owner.name(), login);
    db.psql(&format!("GRANT {owner} TO {0}; ALTER ROLE {0} SET role = {owner}", login.name()));
    Castoff::new(&db)
        .url(login.url())
        .files([
            ("1_a.up.sql", "RESET ROLE; SET ROLE NONE; SELECT 1"),
            ("2_b.up.sql", "CREATE TABLE b ();"),
        ])
        .args(["upgrade"])
        .run()
        .assert_code(0);
    let owners =
        "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname IN ('castoff', 'public')";
    assert_eq!(db.psql(owners), owner);
}

#[test]
fn the_limits_that_a_file_sets_end_with_it() {
    let db = Database::empty();
    let first = "SET lock_timeout = '77s'; SET statement_timeout = '88s';
                 SET idle_in_transaction_session_timeout = '99s'";
    let names = "current_setting('lock_timeout') || current_setting('statement_timeout')
                 || current_setting('idle_in_transaction_session_timeout')";
    assert_eq!(seen_by_the_next_file(&db, first, names), "5s00");
}

#[test]
fn the_replication_role_that_a_file_sets_ends_with_it() {
    let db = Database::empty();
    let name = "current_setting('session_replication_role')";
    let seen = seen_by_the_next_file(&db, "SET session_replication_role = replica", name);
    assert_eq!(seen, "origin");
}

#[test]
fn a_setting_that_changes_how_sql_is_read_ends_with_its_file() {
    let db = Database::empty();
    let first = "SET standard_conforming_strings = off; SET check_function_bodies = off;
                 SET row_security = off; SET default_tablespace = ''; 
                 SET DateStyle = 'German'; SET TIME ZONE 'Asia/Tokyo'; SET my.own = 'x'";
    let names = "current_setting('standard_conforming_strings') || ' '
                 || current_setting('check_function_bodies') || ' '
                 || current_setting('row_security') || ' ' || current_setting('DateStyle') || ' ' || current_setting('my.own')
                 || ' ' || (current_setting('TimeZone') <> 'Asia/Tokyo')";
    assert_eq!(seen_by_the_next_file(&db, first, names), "on on on ISO, MDY  true");
}

#[test]
fn a_files_temporary_tables_and_sequence_values_end_with_it() {
    let db = Database::empty();
    let first = "CREATE SEQUENCE s; SELECT nextval('s'); CREATE TEMP TABLE t (id int);
                 CREATE TEMP TABLE seen ()";
    assert_eq!(seen_by_the_next_file(&db, first, "to_regclass('t') IS NULL"), "true");
    let db = Database::empty();
    let run = Castoff::new(&db)
        .files([
            ("1_a.up.sql", "CREATE SEQUENCE s; SELECT nextval('s');"),
            ("2_b.up.sql", "SELECT lastval();"),
        ])
        .args(["upgrade"])
        .run();
    run.assert_code(65).assert_stderr("lastval is not yet defined in this session");
}

#[test]
fn what_a_file_listens_to_ends_with_it() {
    let db = Database::empty();
    let seen = "SELECT string_agg(c, ',') FROM pg_listening_channels() c";
    assert_eq!(seen_by_the_next_file(&db, "LISTEN news; LISTEN more", seen), "");
}

#[test]
fn a_files_prepared_statements_and_cursors_end_with_it() {
    let db = Database::empty();
    let first = "PREPARE p AS SELECT 1; DECLARE c CURSOR WITH HOLD FOR SELECT 1";
    let seen = "(SELECT count(*) FROM pg_prepared_statements) + (SELECT count(*) FROM pg_cursors)";
    assert_eq!(seen_by_the_next_file(&db, first, seen), "0");
}

#[test]
fn what_a_failed_file_set_is_not_in_the_next_start() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).args(["upgrade"]);
    castoff.own_folder().file("1_a.up.sql", "SET search_path TO pg_catalog; SELECT 1 / 0");
    castoff.run().assert_code(65);
    castoff.own_folder().file("1_a.up.sql", "CREATE TABLE a ();");
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT to_regclass('public.a')"), "a");
}

#[test]
fn the_session_of_a_file_outside_a_transaction_is_clean_for_the_next() {
    let db = Database::empty();
    let first = "-- Transaction: none\nSET search_path TO pg_catalog; SET lock_timeout = '77s';
                 CREATE TEMP TABLE t (); LISTEN news; SET session_replication_role = replica;";
    let names = "current_setting('search_path') || current_setting('lock_timeout')
                 || current_setting('session_replication_role')
                 || (SELECT count(*) FROM pg_listening_channels()) || (to_regclass('t') IS NULL)";
    assert_eq!(seen_by_the_next_file(&db, first, names), "\"$user\", public5sorigin0true");
}

#[test]
fn a_file_is_sent_as_utf8_whatever_encoding_it_sets() {
    let db = Database::empty();
    let encoding = |id: &str| {
        format!(
            "SET client_encoding = 'LATIN1'; SET NAMES 'LATIN1';
             CREATE TABLE a{id} AS SELECT 'é' AS t;\nCOPY a{id} FROM stdin;\né\n\\.\n
             INSERT INTO a{id} VALUES ('é')"
        )
    };
    let outside = format!("-- Transaction: none\n{}", encoding("2"));
    Castoff::new(&db)
        .files([
            ("1_a.up.sql", encoding("1")),
            ("2_b.up.sql", outside),
            ("3_c.up.sql", "CREATE TABLE a3 AS SELECT 'é' AS t".to_owned()),
        ])
        .args(["upgrade"])
        .run()
        .assert_code(0);
    let all = "SELECT string_agg(t, '') FROM (TABLE a1 UNION ALL TABLE a2 UNION ALL TABLE a3) x";
    assert_eq!(db.psql(all), "ééééééé");
}
