//! Who only reads: a role that may SELECT, a standby, `wait`, and the modes.

use std::time::Duration;

use crate::support::{Castoff, Cluster, Database, Run, SOON, Signal};

fn image<'a>(db: &Database, revisions: impl IntoIterator<Item = &'a str>) -> Castoff {
    Castoff::new(db).migrations(revisions).env("CASTOFF_LOG_FORMAT", "text")
}

/// The commands that change nothing.
const READERS: [&str; 7] =
    ["check", "current", "plan", "pending", "status", "wait", "wait --revision head"];

#[track_caller]
fn run(castoff: &Castoff, line: &str) -> Run {
    castoff.clone().args(line.split(' ')).run()
}

#[test]
fn a_role_that_may_only_select_from_the_ledger_is_enough_to_read() {
    let db = Database::empty();
    run(&image(&db, ["r", "a: r"]), "upgrade").assert_code(0);
    let role = db
        .role("reader")
        .grant("USAGE ON SCHEMA castoff")
        .grant("SELECT ON ALL TABLES IN SCHEMA castoff")
        .set("default_transaction_read_only", "on")
        .create();
    let at_head = image(&db, ["r", "a: r"]).url(role.url());
    let behind = image(&db, ["r", "a: r", "b: a"]).url(role.url());
    let ahead = image(&db, ["r"]).url(role.url());
    for line in READERS {
        run(&at_head, line).assert_code(0);
        run(&ahead, line).assert_code(0);
    }
    run(&behind, "check").assert_code(1).assert_stdout("upgrade a -> b");
    run(&behind, "pending").assert_code(0).assert_stdout("a -> b (head)");
    run(&behind, "plan").assert_code(0).assert_stdout("upgrade a -> b");
    run(&behind, "current").assert_code(0).assert_stdout("a, create a");
    run(&behind, "wait a").assert_code(0);
    assert_eq!((db.heads().as_str(), db.tables().as_str()), ("a", "a,r"));
}

#[test]
fn reading_takes_no_lock_and_writes_nothing() {
    let db = Database::empty();
    let castoff = image(&db, ["a"]);
    for line in ["check", "plan", "pending", "current", "wait"] {
        assert!(run(&castoff, line).code().is_some_and(|code| code < 2), "{line}");
    }
    assert!(!db.has_ledger());
    run(&castoff, "upgrade").assert_code(0);
    // A session that holds the ledger against every writer, and the lock against every other.
    let mut holder = db.session();
    holder.psql("BEGIN; LOCK TABLE castoff.revision, castoff.ledger IN EXCLUSIVE MODE");
    for line in READERS {
        run(&castoff, line).assert_code(0);
    }
    holder.psql("ROLLBACK");
}

#[test]
fn a_hot_standby_is_enough_to_read_and_not_to_start() {
    let primary = Cluster::own();
    let db = Database::on(&primary);
    let castoff = image(&db, ["a"]);
    run(&castoff, "upgrade").assert_code(0);
    let standby = primary.standby();
    let copy = db.at(&standby);
    let there = castoff.clone().url(copy.url());
    for line in READERS {
        run(&there, line).assert_code(0);
    }
    let newer = image(&db, ["a", "b: a"]).url(copy.url());
    run(&newer, "check").assert_code(1);
    let start = newer.env("CASTOFF_WAIT_TIMEOUT", "300ms").args(["run", "--", "true"]).run();
    start.assert_code(69).assert_stderr("it is a standby, which takes no writes");

    // A failover in the middle of a wait: the standby is the primary now.
    let waiting = image(&db, ["a", "b: a"]).url(copy.url()).args(["run", "--", "echo", "the app"]);
    let waiting_run = waiting.spawn();
    waiting_run.wait_for_line("it is a standby");
    standby.promote();
    waiting_run.wait(SOON).assert_code(0).assert_stdout("the app");
    assert_eq!(copy.heads(), "b");
}

#[test]
fn wait_is_satisfied_by_at_least_the_revision() {
    let db = Database::empty();
    run(&image(&db, ["a", "b: a", "c: b"]), "upgrade").assert_code(0);
    let old = image(&db, ["a", "b: a"]);
    for line in ["wait a", "wait b", "wait --revision head", "wait --revision=a", "wait base"] {
        run(&old, line).assert_code(0);
    }
    // One that this image does not know, in full.
    run(&old, "wait c").assert_code(0);
    let late = old.env("CASTOFF_WAIT_TIMEOUT", "300ms");
    let timeout = run(&late, "wait f00d");
    timeout.assert_code(69).assert_stderr("the database did not reach f00d within 0 s; it is at c");
}

#[test]
fn wait_ends_when_another_has_migrated() {
    let db = Database::empty();
    let castoff = image(&db, ["a"]).args(["wait", "--revision", "head"]);
    let waiting = castoff.spawn();
    waiting.wait_for_line("Waiting for a; the database is at no revision");
    run(&image(&db, ["a", "b: a"]), "upgrade").assert_code(0);
    waiting.wait(SOON).assert_code(0);
    let stopped = image(&db, ["x"]).args(["wait", "x"]);
    let stopped = stopped.spawn();
    stopped.wait_for_line("Waiting for x; the database is at b");
    stopped.signal(Signal::Term);
    stopped.wait(Duration::from_secs(2)).assert_code(143);
}

#[test]
fn an_interrupted_revision_is_none_to_be_satisfied_with() {
    let db = Database::empty();
    let file = "-- x\n-- Transaction: none\nCREATE TABLE a (); TABLE missing;";
    let castoff = image(&db, []).files([("x_y.up.sql", file)]);
    run(&castoff, "upgrade").assert_code(65);
    run(&castoff.env("CASTOFF_WAIT_TIMEOUT", "200ms"), "wait x").assert_code(69);
}

#[test]
fn mode_upgrade_ends_after_the_upgrade() {
    let db = Database::empty();
    let start = image(&db, ["a"]).args(["run", "--", "echo", "the app"]);
    let run = start.env("CASTOFF_MODE", "upgrade").run();
    assert_eq!((run.assert_code(0).stdout.as_str(), db.heads().as_str()), ("", "a"));
}

#[test]
fn mode_check_only_looks() {
    let db = Database::empty();
    let castoff = image(&db, ["a"]).args(["run", "--", "echo", "the app"]);
    let start = castoff.clone().env("CASTOFF_MODE", "check");
    start.run().assert_code(1).assert_stdout("the database is empty");
    assert!(!db.has_ledger());
    castoff.run().assert_code(0);
    let run = start.run();
    assert_eq!(run.assert_code(0).stdout, "the database is at head\n");
}

#[test]
fn mode_wait_starts_the_application_when_another_has_migrated() {
    let db = Database::empty();
    let castoff = image(&db, ["a"]).args(["run", "--", "echo", "the app"]);
    let waiting = castoff.clone().env("CASTOFF_MODE", "wait").spawn();
    waiting.wait_for_line("Waiting for a; the database is at no revision");
    assert!(!db.has_ledger());
    castoff.run().assert_code(0);
    waiting.wait(SOON).assert_code(0).assert_stdout("the app\n");
}

#[test]
fn mode_skip_starts_the_application_without_the_database() {
    let run = Castoff::without_database()
        .url("postgresql://127.0.0.1:1/nowhere")
        .env("CASTOFF_MODE", "skip")
        .env("CASTOFF_LOG_FORMAT", "text")
        .args(["run", "--", "echo", "the app"])
        .run();
    run.assert_code(0).assert_stdout("the app\n").assert_stderr("the database is left alone");
}

#[test]
fn mode_skip_needs_no_other_setting_to_be_right() {
    for (name, value) in [
        ("DATABASE_URL", "postgresql://u@h/d?sslmode=verify-ca"),
        ("DATABASE_URL", "what is this"),
        ("CASTOFF_LOCK_TIMEOUT", "x"),
    ] {
        Castoff::without_database()
            .env("CASTOFF_MODE", "skip")
            .env(name, value)
            .args(["run", "--", "echo", "the app"])
            .run()
            .assert_code(0)
            .assert_stdout("the app")
            .assert_stderr("CASTOFF_MODE=skip, so it does not matter");
    }
}
