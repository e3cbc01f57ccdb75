//! Many starts at once: one of them migrates, and all become the application.

use std::collections::{BTreeSet, HashSet};

use crate::support::{Castoff, Cluster, Database, SOON, Session, eventually};

const WAITS: &str = "Another start is migrating";

#[test]
fn fifty_starts_on_an_empty_database_apply_each_revision_once() {
    let cluster = Cluster::own();
    let db = Database::on(&cluster);
    let gate = closed_gate(&db);
    let castoff = Castoff::new(&db)
        .line(100)
        .files([("0050_create.up.sql", "CREATE TABLE t0050 (); SELECT pg_advisory_xact_lock(50)")])
        .env("CASTOFF_LOCK_TIMEOUT", "1m")
        .args(["run", "--", "echo", "the app"]);

    let starts: Vec<_> = (0..50).map(|_| castoff.spawn()).collect();
    eventually(2 * SOON, || {
        let waiting = starts.iter().filter(|start| start.output().contains(WAITS)).count();
        if waiting == 49 { Ok(()) } else { Err(waiting) }
    });
    let polls = || cluster.log().matches(CONNECTION).count();
    let first = polls();
    eventually(2 * SOON, || polls() >= first + 50);
    let settled = cluster.log().len();
    eventually(2 * SOON, || polls() >= first + 100);
    drop(gate);

    let mut upgrades = Vec::new();
    for start in starts {
        let run = start.wait(2 * SOON);
        run.assert_code(0).assert_stdout("the app");
        let lines = run.stderr.lines().filter_map(|line| line.split_once("Running upgrade "));
        upgrades.extend(lines.map(|(_, revisions)| revisions.to_owned()));
    }
    assert_eq!(upgrades.len(), 100, "{upgrades:?}");
    assert_eq!(upgrades.iter().collect::<BTreeSet<_>>().len(), 100, "{upgrades:?}");
    assert_eq!(db.psql("SELECT count(*) FROM castoff.revision"), "100");
    assert_eq!(db.psql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 't0%'"), "100");
    assert_eq!(complaints(&db), Vec::<String>::new());
    let peak = peak_connections(&cluster.log(), settled);
    assert!(peak <= 10, "{peak} connections at once while the followers waited");
}

#[test]
fn fifty_starts_at_head_take_no_lock_and_ask_one_question_each() {
    let cluster = Cluster::own();
    let db = Database::on(&cluster);
    let castoff = Castoff::new(&db).line(100).args(["run", "--", "echo", "the app"]);
    castoff.run().assert_code(0);
    db.psql(&format!("ALTER DATABASE {} SET log_statement = 'all'", db.name()));
    let _migrating = db.migration_lock();

    let starts: Vec<_> = (0..50).map(|_| castoff.spawn()).collect();
    for start in starts {
        start.wait(2 * SOON).assert_code(0).assert_stdout("the app");
    }
    let asked: Vec<_> = statements(&db);
    assert_eq!(asked.len(), 50, "{asked:#?}");
    assert!(!asked.iter().any(|statement| statement.contains("advisory")), "{asked:#?}");
}

#[test]
fn what_was_read_before_the_lock_is_read_again_under_it() {
    let db = Database::empty();
    db.psql("CREATE TABLE alembic_version (version_num text)");
    let gate = closed_gate(&db);
    let castoff = Castoff::new(&db)
        .files([("a_make.up.sql", "CREATE TABLE a (); SELECT pg_advisory_xact_lock(50)")])
        .args(["run", "--", "echo", "the app"]);
    let leader = castoff.spawn();
    eventually(SOON, || db.backends().iter().any(|it| it.wait_event == "advisory"));

    // The other one's snapshot is of the empty database, and it is held up in its reading…
    let mut holder = db.session();
    holder.psql("BEGIN; LOCK TABLE alembic_version");
    let late = castoff.spawn();
    eventually(SOON, || db.backends().iter().any(|it| it.wait_event == "relation"));
    // …until the leader is done and the lock is free.
    drop(gate);
    leader.wait(SOON).assert_code(0).assert_stdout("the app");
    holder.psql("COMMIT");

    let run = late.wait(SOON);
    run.assert_code(0).assert_stdout("the app");
    assert!(!run.stderr.contains("Running"), "{run}");
}

#[test]
fn a_start_at_its_head_does_not_queue_behind_a_newer_image() {
    let db = Database::empty();
    let old = Castoff::new(&db).migrations(["a"]).args(["run", "--", "echo", "the app"]);
    old.run().assert_code(0);
    let gate = closed_gate(&db);
    let new = Castoff::new(&db)
        .migrations(["a", "b: a"])
        .files([("c_slow.up.sql", "-- Revises: b\nSELECT pg_advisory_xact_lock(50)")])
        .args(["run"]);
    let new = new.spawn();
    new.wait_for_line("Running upgrade b -> c");
    let waits = "SELECT count(*) FROM pg_stat_activity \
                 WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually(SOON, || db.psql(waits) == "1");

    old.run().assert_code(0).assert_stdout("the app").assert_stderr("ahead of this image");
    drop(gate);
    new.wait(SOON).assert_code(0);
}

#[test]
fn followers_and_an_index_built_concurrently_do_not_wait_for_each_other() {
    let db = Database::empty();
    let castoff = Castoff::new(&db)
        .migrations(["a"])
        .files([(
            "b_index.up.sql",
            "-- Revises: a\n-- Transaction: none\nCREATE INDEX CONCURRENTLY a_id ON a (id)",
        )])
        .args(["run", "--", "echo", "the app"]);
    let mut snapshot = db.session();
    snapshot.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let leader = castoff.spawn();
    eventually(SOON, || match &*db.psql("SELECT phase FROM pg_stat_progress_create_index") {
        "waiting for old snapshots" => Ok(()),
        other => Err(other.to_owned()),
    });

    let followers: Vec<_> = (0..10).map(|_| castoff.spawn()).collect();
    for follower in &followers {
        follower.wait_for_line(WAITS);
    }
    let polls = || db.server_log().iter().filter(|line| line.contains("disconnection: ")).count();
    let before = polls();
    eventually(SOON, || polls() >= before + 30);
    snapshot.psql("COMMIT");

    leader.wait(SOON).assert_code(0).assert_stdout("the app");
    for follower in followers {
        follower.wait(SOON).assert_code(0).assert_stdout("the app");
    }
    assert_eq!(
        db.psql(
            "SELECT indexrelid::regclass, indisvalid FROM pg_index \
        WHERE indrelid = 'a'::regclass"
        ),
        "a_id|t"
    );
    assert_eq!(complaints(&db), Vec::<String>::new());
}

/// A session that keeps `pg_advisory_xact_lock(50)` waiting until it is dropped.
fn closed_gate(db: &Database) -> Session {
    let mut gate = db.session();
    gate.psql("SELECT pg_advisory_lock(50)");
    gate
}

/// What the server logged as an error in castoff's sessions, or worse.
fn complaints(db: &Database) -> Vec<String> {
    let worse = ["ERROR: ", "FATAL: ", "PANIC: "];
    let log = db.server_log();
    log.into_iter().filter(|line| worse.iter().any(|level| line.contains(level))).collect()
}

/// What castoff sent, a message each, with `log_statement` on.
fn statements(db: &Database) -> Vec<String> {
    let mark = "app=castoff LOG:  statement: ";
    db.server_log().into_iter().filter(|line| line.contains(mark)).collect()
}

/// How the server's log begins a connection by TCP, which in these tests only castoff uses.
const CONNECTION: &str = "connection received: host=127.0.0.1";

/// The most connections by TCP that were open at once after the first `from` bytes of the log.
fn peak_connections(log: &str, from: usize) -> usize {
    let (mut open, mut peak, mut read) = (HashSet::new(), 0, 0);
    for line in log.split_inclusive('\n') {
        let pid = line.split_once(" [").and_then(|(_, rest)| rest.split_once(']'));
        let pid = pid.map(|(pid, _)| pid);
        if line.contains(CONNECTION) {
            open.insert(pid);
        } else if line.contains("disconnection: ") {
            open.remove(&pid);
        }
        read += line.len();
        if read > from {
            peak = peak.max(open.len());
        }
    }
    peak
}
