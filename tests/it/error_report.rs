//! What is said of a revision that fails: where, why, what is kept, what to do.

use crate::support::{Castoff, Database, Folder};

fn file(db: &Database, content: &str) -> Castoff {
    Castoff::new(db)
        .files([("1_x.up.sql", content)])
        .args(["upgrade"])
        .env("CASTOFF_LOG_FORMAT", "text")
}

/// The place that the report of this file's failure names, and the line it shows.
#[track_caller]
fn place(content: &str) -> (String, String) {
    let db = Database::empty();
    let run = file(&db, content).run();
    run.assert_code(65);
    let mut lines = run.stderr.lines().skip_while(|line| !line.starts_with("error: "));
    let mut next = || lines.next().unwrap_or_default().to_owned();
    next();
    let (at, line) = (next(), next());
    let at = at.rsplit_once("1_x.up.sql:").unwrap_or_else(|| panic!("no place in {run}")).1;
    (at.to_owned(), line.trim_start().trim_start_matches("| ").to_owned())
}

#[test]
fn a_failure_is_reported_in_full() {
    let db = Database::empty();
    let castoff = Castoff::new(&db)
        .migrations(["a"])
        .files([(
            "b_add_orders.up.sql",
            "-- add orders\n-- Revises: a\n\nCREATE TABLE orders (\n  id int,\n  total numbr (10)\n);\nSELECT 1;",
        )])
        .args(["upgrade"]);
    let run = castoff.clone().env("CASTOFF_LOG_FORMAT", "text").run();
    let folder = castoff.own_folder().path().display().to_string();
    let error = &run.stderr[run.stderr.find("error: ").unwrap()..];
    assert_eq!(
        error.replace(&folder, "FOLDER"),
        "error: failed to upgrade to b (add orders)\n\
         \x20 at FOLDER/b_add_orders.up.sql:6:9\n\
         \x20    |   total numbr (10)\n\
         caused by: 42704 type \"numbr\" does not exist\n\
         applied before it: a\n\
         hint: nothing of b was kept; correct the file and start again\n",
        "{run}"
    );
    run.assert_code(65);
}

#[test]
fn detail_hint_and_context_of_the_server_are_shown() {
    let db = Database::empty();
    let sql = "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
                 RAISE 'no' USING DETAIL = 'the detail', HINT = 'the hint', ERRCODE = 'UX001';
               END $$;\nSELECT 1;\nSELECT f();";
    file(&db, sql)
        .run()
        .assert_code(65)
        .assert_stderr("1_x.up.sql:5:1\n     | SELECT f();")
        .assert_stderr("caused by: UX001 no\n")
        .assert_stderr("detail: the detail\n")
        .assert_stderr("server's hint: the hint\n")
        .assert_stderr("context: PL/pgSQL function f() line 2 at RAISE\n");
}

#[test]
fn the_same_is_in_json() {
    let db = Database::empty();
    let castoff = file(&db, "SELECT 1;\nSELECT no;").env("CASTOFF_LOG_FORMAT", "json");
    let run = castoff.run();
    run.assert_code(65);
    let line = run.stderr.lines().last().unwrap();
    let error: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(error["level"], "error");
    assert_eq!(error["message"], "failed to upgrade to 1 (x)");
    assert_eq!(error["sqlstate"], "42703");
    assert_eq!(error["line"], "SELECT no;");
    assert!(error["at"].as_str().unwrap().ends_with("/1_x.up.sql:2:8"), "{error}");
    assert_eq!(error["caused_by"][0], "42703 column \"no\" does not exist");
    assert_eq!(error["hint"], "nothing of 1 was kept; correct the file and start again");
    assert_eq!(error["exit_code"], 65);
    assert_eq!(error.get("applied_before_it"), None);
}

#[test]
fn an_error_without_a_position_points_at_its_statement() {
    let (at, line) = place(
        "CREATE TABLE a (n int PRIMARY KEY);\nINSERT INTO a VALUES (1);\n\n  INSERT INTO a\n  VALUES (1);\nSELECT 1;",
    );
    assert_eq!((at.as_str(), line.as_str()), ("4:3", "  INSERT INTO a"));
}

#[test]
fn characters_of_several_bytes_before_the_position_count_as_one() {
    let (at, _) = place("-- é 🚢\r\nSELECT 'é🚢日本', no;\r\n");
    assert_eq!(at, "2:16");
    let (at, _) = place("\u{feff}/* 🚢 */ SELECT 'é'; SELECT '🚢', no");
    assert_eq!(at, "1:33");
}

#[test]
fn a_syntax_error_has_its_place() {
    let (at, line) = place("CREATE TABLE a (n int);\n\n  ALTER TABEL a ADD m int;");
    assert_eq!((at.as_str(), line.as_str()), ("3:9", "  ALTER TABEL a ADD m int;"));
}

#[test]
fn a_statement_that_ends_too_early_has_its_place() {
    let (at, _) = place("SELECT 1;\nSELECT 2 +;\nSELECT 3");
    assert_eq!(at, "2:11");
}

#[test]
fn an_error_behind_copy_data_has_its_place() {
    let (at, line) =
        place("CREATE TABLE a (n int);\nCOPY a FROM stdin;\n1\n\\.\nSELECT 1;\nSELECT no;");
    assert_eq!((at.as_str(), line.as_str()), ("6:8", "SELECT no;"));
}

#[test]
fn an_error_in_copy_data_points_at_the_line_of_the_data() {
    let content = "CREATE TABLE a (n int, m int);\nCOPY a FROM stdin;\n1\t1\n2\tx\n3\t3\n\\.\n";
    let (at, line) = place(content);
    assert_eq!((at.as_str(), line.as_str()), ("4:1", "2\tx"));
    let db = Database::empty();
    file(&db, content)
        .run()
        .assert_stderr("caused by: 22P02 invalid input syntax for type integer: \"x\"")
        .assert_stderr("context: COPY a, line 2, column m: \"x\"");
}

#[test]
fn an_error_of_the_copy_itself_points_at_it() {
    let (at, _) = place("SELECT 1;\nCOPY nobody FROM stdin;\n1\n\\.\n");
    assert_eq!(at, "2:1");
    let (at, _) = place("CREATE TABLE a (n int);\nCOPY a (n, é) FROM stdin;\n1\n\\.\n");
    assert_eq!(at, "2:1");
}

#[test]
fn an_error_inside_a_do_block_points_at_the_block() {
    let (at, line) = place("SELECT 1;\nDO $$\nBEGIN\n  PERFORM no;\nEND $$;");
    assert_eq!((at.as_str(), line.as_str()), ("2:1", "DO $$"));
}

#[test]
fn an_error_outside_a_transaction_has_its_place() {
    let (at, _) = place("-- Transaction: none\nSELECT 'é';\nVACUUM é;\n");
    assert_eq!(at, "3:1");
    let (at, _) = place(
        "-- Transaction: none\nCREATE TABLE a (n int);\nCREATE INDEX CONCURRENTLY é ON a (é);",
    );
    assert_eq!(at, "3:1");
}

#[test]
fn an_error_of_a_down_file_has_its_place() {
    let db = Database::empty();
    let castoff = file(&db, "SELECT 1;").files([("1_x.down.sql", "SELECT 1;\nDROP TABLE no;")]);
    castoff.run().assert_code(0);
    castoff
        .args(["downgrade", "base"])
        .run()
        .assert_code(65)
        .assert_stderr("1_x.down.sql:2:1")
        .assert_stderr("| DROP TABLE no;")
        .assert_stderr("table \"no\" does not exist");
}

#[test]
fn the_reason_is_left_for_kubernetes() {
    let db = Database::empty();
    let castoff = file(&db, "SELECT 1;\nSELECT no;");
    let folder = Folder::new();
    folder.file("termination-log", "");
    let path = folder.path().join("termination-log");
    castoff.env("CASTOFF_TERMINATION_LOG", &path).run().assert_code(65);
    let message = std::fs::read_to_string(&path).unwrap();
    assert!(message.starts_with("error: failed to upgrade to 1 (x)\n  at "), "{message}");
    assert!(message.contains("1_x.up.sql:2:8"), "{message}");
}

#[test]
fn notices_and_warnings_of_a_file_are_shown() {
    let db = Database::empty();
    let sql = "DO $$ BEGIN RAISE NOTICE 'half of it'; RAISE WARNING 'look' USING DETAIL = 'here';
               RAISE DEBUG 'secret'; END $$;";
    let run = file(&db, sql).run();
    run.assert_code(0).assert_stderr("NOTICE: half of it").assert_stderr("WARNING: look (here)");
    assert!(!run.stderr.contains("secret"), "{run}");
}
