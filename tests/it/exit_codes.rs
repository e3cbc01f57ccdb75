//! Every exit code, and the termination message that goes with it.

use std::fs;
use std::process::Stdio;

use crate::support::{Castoff, Database, Folder, SENTINEL, SOON, Signal};

/// A start of an image with one revision.
fn image(db: &Database) -> Castoff {
    let castoff = Castoff::new(db).migrations(["a"]).env("CASTOFF_LOG_FORMAT", "text");
    castoff.args(["run", "--", "true"])
}

#[test]
fn code_0_is_success() {
    let db = Database::empty();
    image(&db).run().assert_code(0);
    image(&db).args(["check"]).run().assert_code(0);
}

#[test]
fn code_1_is_what_is_pending() {
    let db = Database::empty();
    image(&db).args(["check"]).run().assert_code(1);
}

#[test]
fn code_64_is_a_wrong_command_line() {
    let db = Database::empty();
    for arguments in [&["start"][..], &["run", "--now"], &["upgrade", "nowhere"], &[]] {
        image(&db).args(arguments.iter().copied()).run().assert_code(64);
    }
}

#[test]
fn code_65_is_a_wrong_migration_or_history() {
    let db = Database::empty();
    image(&db).files([("b.txt", "")]).run().assert_code(65);
    image(&db).files([("b_x.up.sql", "-- Revises: nothing\n")]).run().assert_code(65);
    image(&db).files([("a_create_a.up.sql", "SELECT 1/0")]).run().assert_code(65);
    image(&db).folder("/no/such/folder").run().assert_code(65);
    image(&db).run().assert_code(0);
    image(&db).files([("a_create_a.up.sql", "SELECT 1")]).run().assert_code(65);
}

#[test]
fn code_69_is_a_database_that_is_not_ready_in_time() {
    let db = Database::empty();
    let url = "postgresql://shop:x@127.0.0.1:1/shop";
    image(&db).url(url).env("CASTOFF_WAIT_TIMEOUT", "200ms").run().assert_code(69);
    let wait = image(&db).args(["wait", "a"]).env("CASTOFF_WAIT_TIMEOUT", "200ms");
    wait.run().assert_code(69);
}

#[test]
fn code_70_is_a_failure_of_the_machine() {
    let castoff = Castoff::without_database().args(["help"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = castoff.command().stdout(Stdio::from(full)).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(70), "{told}");
    assert!(told.contains("cannot write to standard output"), "{told}");
}

#[test]
fn code_75_is_worth_another_try() {
    let db = Database::empty();
    db.psql("CREATE TABLE busy ()");
    let mut session = db.session();
    session.psql("BEGIN; LOCK TABLE busy");
    let blocked = image(&db)
        .files([("a_create_a.up.sql", "ALTER TABLE busy ADD COLUMN i int")])
        .env("CASTOFF_BASELINE", "base")
        .env("CASTOFF_LOCK_TIMEOUT", "50ms");
    blocked.clone().env("CASTOFF_LOCK_DEADLINE", "100ms").run().assert_code(75);

    let leader = blocked.env("CASTOFF_LOCK_TIMEOUT", "1m");
    let leader = leader.spawn();
    leader.wait_for_line("Running upgrade");
    let follower = image(&db).env("CASTOFF_LEADER_TIMEOUT", "200ms").run();
    follower.assert_code(75).assert_stderr("still holds the migration lock");
}

#[test]
fn code_76_is_a_refusal() {
    let db = Database::empty();
    db.psql("CREATE TABLE unknown ()");
    image(&db).run().assert_code(76);
}

#[test]
fn code_77_is_about_credentials_or_privileges() {
    let db = Database::empty();
    let settle = |castoff: Castoff| castoff.env("CASTOFF_SETTLE_TIMEOUT", "100ms");
    let wrong = db.url().replace(SENTINEL, "wrong");
    settle(image(&db)).url(wrong).run().assert_code(77).assert_stderr("28P01");
    let nobody = db.role("nobody").create();
    let run = settle(image(&db)).url(nobody.url()).run();
    run.assert_code(77).assert_stderr("may not create the ledger's schema");
    db.psql(&format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", db.name()));
    let run = settle(image(&db)).url(nobody.url()).run();
    run.assert_code(77).assert_stderr("42501 permission denied for database");
    let locked_out = db.role("locked_out").create();
    db.psql(&format!("ALTER ROLE {} NOLOGIN", locked_out.name()));
    settle(image(&db)).url(locked_out.url()).run().assert_code(77).assert_stderr("28000");
    let nameless = format!("postgresql://postgres@127.0.0.1:{}/x", db.cluster().port());
    settle(image(&db)).url(nameless).run().assert_code(77).assert_stderr("password");
}

#[test]
fn code_78_is_a_wrong_configuration() {
    let db = Database::empty();
    image(&db).env_remove("DATABASE_URL").run().assert_code(78).assert_stderr("no database");
    image(&db).url("mysql://shop@localhost/shop").run().assert_code(78);
    image(&db).env("CASTOFF_AHEAD", "maybe").run().assert_code(78);
    image(&db).env("CASTOFF_LOCK_TIMEOUT", "soon").run().assert_code(78);
}

#[test]
fn codes_126_and_127_are_about_the_application() {
    let db = Database::empty();
    image(&db).args(["run", "--", "/etc/passwd"]).run().assert_code(126);
    image(&db).args(["run", "--", "no-such-app"]).run().assert_code(127);
}

#[test]
fn codes_above_128_are_signals() {
    let db = Database::empty();
    for (signal, code) in [(Signal::Term, 143), (Signal::Int, 130)] {
        let castoff = image(&db).args(["wait", "never"]);
        let waiting = castoff.spawn();
        waiting.wait_for_line("Waiting for never");
        waiting.signal(signal);
        waiting.wait(SOON).assert_code(code);
    }
}

#[test]
fn the_exit_code_is_in_the_json_of_an_error() {
    let db = Database::empty();
    db.psql("CREATE TABLE unknown ()");
    let run = image(&db).env("CASTOFF_LOG_FORMAT", "json").run();
    let line = run.stderr.lines().last().unwrap();
    let error: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(error["level"], "error");
    assert_eq!(error["exit_code"], 76);
    assert!(error["message"].as_str().unwrap().contains("table public.unknown"));
    assert!(error["hint"].as_str().unwrap().contains("CASTOFF_BASELINE"));
    assert!(error["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn every_line_of_the_log_is_a_json_object_if_it_is_no_terminal() {
    let db = Database::empty();
    let run = image(&db).env_remove("CASTOFF_LOG_FORMAT").env("CASTOFF_LOG", "trace").run();
    assert!(run.assert_code(0).stderr.lines().count() > 2, "{run}");
    for line in run.stderr.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(line["message"].is_string() && line["level"].is_string(), "{line}");
    }
}

#[test]
fn the_reason_of_a_failure_is_left_where_kubernetes_looks() {
    let db = Database::empty();
    db.psql("CREATE TABLE unknown ()");
    let folder = Folder::new();
    folder.file("message", "an older and longer message ".repeat(100));
    let path = folder.path().join("message");
    let castoff = image(&db).env("CASTOFF_TERMINATION_LOG", &path);
    let message = || fs::read_to_string(&path).unwrap();

    castoff.run().assert_code(76);
    assert!(message().starts_with("error: the database holds table public.unknown"));
    assert!(message().contains("hint: "));
    // Also of what is wrong before the settings are known, and as text for people in any case.
    castoff.clone().env("CASTOFF_AHEAD", "maybe").run().assert_code(78);
    assert!(message().starts_with("error: CASTOFF_AHEAD is \"maybe\""));
    castoff.clone().args(["start"]).env("CASTOFF_LOG_FORMAT", "json").run().assert_code(64);
    assert!(message().starts_with("error: "));
    castoff.clone().args(["run", "--", "no-such-app"]).run().assert_code(127);
    assert!(message().contains("no-such-app"));
    // A success says nothing.
    castoff.clone().args(["history"]).run().assert_code(0);
    assert!(message().contains("no-such-app"));
}

#[test]
fn the_termination_message_is_at_most_what_kubernetes_reads() {
    let db = Database::empty();
    let folder = Folder::new();
    folder.file("message", "");
    let path = folder.path().join("message");
    let long = format!("DO $$ BEGIN RAISE '{}' USING DETAIL = 'ü'; END $$", "ü".repeat(3000));
    let castoff = image(&db).files([("a_create_a.up.sql", long)]);
    castoff.env("CASTOFF_TERMINATION_LOG", &path).run().assert_code(65);
    let message = fs::read_to_string(&path).unwrap();
    assert!((4000..=4096).contains(&message.len()), "{}", message.len());
}

#[test]
fn a_termination_log_that_is_not_there_is_not_created() {
    let db = Database::empty();
    let folder = Folder::new();
    let path = folder.path().join("message");
    image(&db).folder("/none").env("CASTOFF_TERMINATION_LOG", &path).run().assert_code(65);
    assert!(!path.exists());
}
