//! Starts that wait for another start, which migrates.

use std::time::{Duration, Instant};

use crate::support::{Castoff, Database, Proxy, SOON, Signal, eventually};

const WAITS: &str = "Another start is migrating";

#[test]
fn a_follower_holds_no_connection_between_its_looks() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    let leader = db.migration_lock();
    let castoff = Castoff::new(&db).through(&proxy).migrations(["a"]).args(["run", "--", "true"]);
    let follower = castoff.spawn();
    for looks in 1..=4 {
        eventually(SOON, || proxy.connections() >= looks && proxy.open_connections() == 0);
        assert_eq!(db.advisory_locks().len(), 1);
    }
    assert_eq!(proxy.peak_connections(), 1);
    drop(leader);
    follower.wait(SOON).assert_code(0);
}

#[test]
fn a_long_wait_for_the_server_does_not_make_a_follower_slow() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    let leader = db.migration_lock();
    let castoff = Castoff::new(&db).through(&proxy).migrations(["a"]).args(["run", "--", "true"]);
    proxy.refuse();
    let follower = castoff.spawn();
    follower.wait_for_line("Connection refused");
    let refused = Instant::now();
    eventually(SOON, || refused.elapsed() > Duration::from_millis(800));
    proxy.accept();
    follower.wait_for_line(WAITS);
    drop(leader);
    follower.wait(Duration::from_secs(5)).assert_code(0);
}

#[test]
fn a_follower_names_the_leader() {
    let db = Database::empty();
    let mut leader = db.migration_lock();
    leader.psql("SET application_name = 'an older castoff'");
    let castoff = Castoff::new(&db).migrations(["a"]).args(["run", "--", "true"]);
    let follower = castoff.spawn();
    let line = follower.wait_for_line(WAITS);
    assert!(line.contains(&format!("pid {}, an older castoff", leader.pid())), "{line}");
    drop(leader);
    follower.wait(SOON).assert_code(0);
}

#[test]
fn a_follower_that_waits_for_too_long_exits_with_75_and_says_for_whom() {
    let db = Database::empty();
    let mut leader = db.migration_lock();
    let run = Castoff::new(&db)
        .migrations(["a"])
        .env("CASTOFF_LEADER_TIMEOUT", "300ms")
        .args(["run", "--", "echo", "the app"])
        .run();
    run.assert_code(75).assert_stderr("still holds the migration lock after 0 s");
    run.assert_stderr(&format!("pid {}", leader.pid())).assert_stderr("CASTOFF_LEADER_TIMEOUT");
    assert_eq!(run.stdout, "");
    assert_eq!(db.psql("SELECT count(*) FROM pg_tables WHERE tablename = 'a'"), "0");
}

#[test]
fn a_killed_leaders_statement_and_lock_end_and_a_follower_takes_over() {
    let db = Database::empty();
    db.psql("CREATE SCHEMA test; CREATE TABLE test.pause AS SELECT 600 AS seconds");
    let castoff = Castoff::new(&db)
        .migrations(["a"])
        .files([(
            "b_slow.up.sql",
            "-- Revises: a\nCREATE TABLE b (); SELECT pg_sleep(seconds) FROM test.pause",
        )])
        .env("CASTOFF_BASELINE", "base")
        .args(["run", "--", "echo", "the app"]);
    let leader = castoff.spawn();
    leader.wait_for_line("Running upgrade a -> b");
    eventually(SOON, || db.backends().into_iter().any(|it| it.wait_event == "PgSleep"));
    let follower = castoff.spawn();
    follower.wait_for_line(WAITS);
    db.psql("DELETE FROM test.pause");

    let killed = Instant::now();
    leader.signal(Signal::Kill);
    follower.wait_for_line("Running upgrade a -> b");
    assert!(killed.elapsed() < Duration::from_secs(12), "after {:?}", killed.elapsed());
    let run = follower.wait(SOON);
    run.assert_code(0).assert_stdout("the app");
    assert!(!run.stderr.contains("Running upgrade  -> a"), "{run}");
    assert_eq!(
        db.psql("SELECT string_agg(revision, ' ' ORDER BY revision) FROM castoff.revision"),
        "a b"
    );
}

#[test]
fn a_follower_of_a_leader_that_fails_fails_in_the_same_way() {
    let db = Database::empty();
    let castoff = Castoff::new(&db)
        .files([(
            "a_wrong.up.sql",
            "-- Revises: none\nSELECT pg_advisory_xact_lock(50); SELECT 1 / 0",
        )])
        .args(["run", "--", "echo", "the app"]);
    let mut gate = db.session();
    gate.psql("SELECT pg_advisory_lock(50)");
    let leader = castoff.spawn();
    leader.wait_for_line("Running upgrade");
    let follower = castoff.spawn();
    follower.wait_for_line(WAITS);
    drop(gate);
    for start in [leader, follower] {
        start.wait(SOON).assert_code(65).assert_stderr("division by zero");
    }
}

#[test]
fn after_ten_seconds_the_leader_says_how_far_it_is_and_who_blocks_it() {
    let db = Database::empty();
    let castoff = Castoff::new(&db)
        .migrations(["a"])
        .files([(
            "b_index.up.sql",
            "-- Revises: a\n-- Transaction: none\nCREATE INDEX CONCURRENTLY a_id ON a (id)",
        )])
        .args(["run", "--", "true"]);
    let mut snapshot = db.session();
    snapshot.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SET application_name = 'the report'");
    snapshot.psql("SELECT 'a long report'");
    let leader = castoff.spawn();
    let line = leader.wait_for_line("Still at work");
    for part in [
        "Still at work after 1",
        ": run statement 1 of b; ",
        "CREATE INDEX CONCURRENTLY: waiting for old snapshots, 0 of 1 transactions waited for",
        &format!("blocked by pid {} (the report, role postgres), idle in", snapshot.pid()),
        "SELECT 'a long report'",
    ] {
        assert!(line.contains(part), "no {part:?} in {line}");
    }
    snapshot.psql("COMMIT");
    leader.wait(SOON).assert_code(0);
}
