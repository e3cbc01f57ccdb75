//! Losing the server, or the way to it, in the middle of a migration.

use crate::support::{Castoff, Cluster, Database, Proxy, SOON, Session, eventually};

const AGAIN: &str = "waiting for the database again";

/// `a` inserts into the table that it makes; `b` waits for the gate before it does so.
fn castoff(db: &Database) -> Castoff {
    Castoff::new(db)
        .files([
            (
                "a_make.up.sql",
                "CREATE TABLE applied (revision text); INSERT INTO applied VALUES ('a')",
            ),
            ("b_wait.up.sql", "INSERT INTO applied VALUES ('b'); SELECT pg_advisory_xact_lock(50)"),
            ("c_insert.up.sql", "INSERT INTO applied VALUES ('c')"),
        ])
        .env("CASTOFF_LOCK_TIMEOUT", "1m")
        .args(["run", "--", "echo", "the app"])
}

/// Keeps `b` waiting until it is dropped.
fn closed_gate(db: &Database) -> Session {
    let mut gate = db.session();
    gate.psql("SELECT pg_advisory_lock(50)");
    gate
}

fn wait_at_the_gate(db: &Database) {
    eventually(SOON, || db.backends().iter().any(|it| it.wait_event == "advisory"));
}

fn assert_each_once(db: &Database) {
    assert_eq!(db.psql("SELECT string_agg(revision, ' ' ORDER BY revision) FROM applied"), "a b c");
    assert_eq!(db.psql("SELECT count(*) FROM castoff.revision"), "3");
}

/// How a server ends.
type End = fn(&Cluster);

#[test]
fn a_server_that_crashes_or_restarts_is_waited_for_and_the_migration_goes_on() {
    let cluster = Cluster::own();
    let stops: [(End, &str); 2] =
        [(Cluster::crash, "immediate shutdown"), (Cluster::stop, "57P01 terminating")];
    for (stop, reason) in stops {
        let db = Database::on(&cluster);
        let _gate = closed_gate(&db);
        let castoff = castoff(&db);
        let start = castoff.spawn();
        wait_at_the_gate(&db);
        stop(&cluster);
        start.wait_for_line(AGAIN);
        start.wait_for_line("Waiting for the database, ");
        cluster.start();
        let run = start.wait(2 * SOON);
        run.assert_code(0).assert_stdout("the app").assert_stderr(reason);
        assert_eq!(run.stderr.matches("Running upgrade  -> a").count(), 1, "{run}");
        assert_each_once(&db);
    }
}

#[test]
fn an_index_that_a_crash_interrupted_is_repaired_by_the_same_start() {
    let cluster = Cluster::own();
    let db = Database::on(&cluster);
    let castoff = Castoff::new(&db)
        .files([
            ("a_make.up.sql", "CREATE TABLE t (id int)"),
            ("b_index.up.sql", "-- Transaction: none\nCREATE INDEX CONCURRENTLY i ON t (id)"),
        ])
        .args(["run", "--", "echo", "the app"]);
    let mut snapshot = db.session();
    snapshot.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let start = castoff.spawn();
    eventually(SOON, || {
        db.psql("SELECT phase FROM pg_stat_progress_create_index") == "waiting for old snapshots"
    });
    cluster.crash();
    cluster.start();
    let run = start.wait(2 * SOON);
    run.assert_code(0)
        .assert_stdout("the app")
        .assert_stderr("Dropping the invalid index public.i");
    assert_eq!(
        db.psql(
            "SELECT indexrelid::regclass, indisvalid FROM pg_index \
        WHERE indrelid = 't'::regclass"
        ),
        "i|t"
    );
}

#[test]
fn a_failover_in_the_middle_of_a_migration_is_followed_to_the_new_primary() {
    let primary = Cluster::own();
    let db = Database::on(&primary);
    let standby = primary.standby();
    let there = db.at(&standby);
    let gate = closed_gate(&db);
    let both = db.url().replace(
        &format!("127.0.0.1:{}", primary.port()),
        &format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), standby.port()),
    );
    let castoff = castoff(&db).url(both);
    let start = castoff.spawn();
    wait_at_the_gate(&db);
    eventually(SOON, || there.try_psql("TABLE applied").is_ok_and(|rows| rows == "a"));
    primary.crash();
    start.wait_for_line(AGAIN);
    standby.promote();
    start.wait(2 * SOON).assert_code(0).assert_stdout("the app");
    assert_each_once(&there);
    drop(gate);
}

#[test]
fn a_terminated_leader_goes_on_with_a_new_session() {
    let db = Database::empty();
    let gate = closed_gate(&db);
    let castoff = castoff(&db);
    let start = castoff.spawn();
    wait_at_the_gate(&db);
    db.psql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND wait_event_type = 'Lock'",
    );
    start.wait_for_line(AGAIN);
    wait_at_the_gate(&db);
    drop(gate);
    let run = start.wait(SOON);
    run.assert_code(0).assert_stdout("the app").assert_stderr("57P01 terminating connection");
    assert_each_once(&db);
}

#[test]
fn a_cut_connections_old_session_is_waited_out_like_any_leader() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    let gate = closed_gate(&db);
    let castoff = castoff(&db).through(&proxy);
    let start = castoff.spawn();
    wait_at_the_gate(&db);
    proxy.cut();
    start.wait_for_line(AGAIN);
    start.wait_for_line("Another start is migrating (pid");
    drop(gate);
    start.wait(SOON).assert_code(0).assert_stdout("the app");
    assert_each_once(&db);
}

#[test]
fn a_commit_whose_answer_is_lost_is_not_done_again() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    let gate = closed_gate(&db);
    let castoff = castoff(&db).through(&proxy);
    let start = castoff.spawn();
    wait_at_the_gate(&db);
    proxy.black_hole();
    drop(gate);
    eventually(SOON, || db.psql("SELECT count(*) FROM applied") == "2");
    proxy.cut();
    proxy.accept();
    let run = start.wait(SOON);
    run.assert_code(0).assert_stdout("the app").assert_stderr(AGAIN);
    assert_eq!(run.stderr.matches("Running upgrade a -> b").count(), 1, "{run}");
    assert_each_once(&db);
}

#[test]
fn a_connection_that_is_cut_in_each_try_is_given_up_with_75() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    let _gate = closed_gate(&db);
    let castoff = Castoff::new(&db)
        .through(&proxy)
        .files([("a_wait.up.sql", "SELECT pg_advisory_xact_lock(50)")])
        .env("CASTOFF_LOCK_TIMEOUT", "1m")
        .args(["run", "--", "echo", "the app"]);
    let start = castoff.spawn();
    let mut before = String::new();
    for _ in 0..3 {
        before = eventually(SOON, || {
            let waiting = db.backends().into_iter().find(|it| it.wait_event == "advisory");
            waiting.map(|it| it.pid).filter(|pid| *pid != before)
        });
        proxy.cut();
    }
    let run = start.wait(SOON);
    run.assert_code(75).assert_stderr("Another start is migrating").assert_stderr("gave up after");
    assert_eq!(run.stdout, "");
}

#[test]
fn a_migration_that_ends_its_own_connection_each_time_is_given_up_with_75() {
    let db = Database::empty();
    let run = Castoff::new(&db)
        .files([("a_end.up.sql", "SELECT pg_terminate_backend(pg_backend_pid())")])
        .args(["run", "--", "echo", "the app"])
        .run();
    run.assert_code(75).assert_stderr("gave up after 3 tries").assert_stderr("57P01");
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.matches("Running upgrade  -> a").count(), 3, "{run}");
}

#[test]
fn an_error_that_only_sounds_like_a_lost_connection_is_the_files() {
    let db = Database::empty();
    for sqlstate in ["08001", "57P01"] {
        let raise = format!("DO $$ BEGIN RAISE 'no partner' USING ERRCODE = '{sqlstate}'; END $$");
        Castoff::new(&db)
            .files([("1_ask.up.sql", raise.as_str())])
            .args(["upgrade"])
            .run()
            .assert_code(65)
            .assert_stderr("no partner")
            .assert_stderr("failed to upgrade to 1 (ask)");
    }
}
