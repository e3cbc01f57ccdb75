//! A pooler in between: PgBouncer in its three modes.

use std::time::Duration;

use crate::support::{Castoff, Database, Pooler, Proxy, SOON, Session, Signal, eventually};

const DEALT_OUT: &str = "A pooler deals out the transactions";

/// An image of three revisions, behind a pooler.
fn image(db: &Database, pooler: &Pooler) -> Castoff {
    let castoff = Castoff::new(db).url(pooler.url()).migrations(["a", "b: a", "c: b"]);
    castoff.args(["run", "--", "echo", "the app"])
}

/// The revision `d`, which builds an index concurrently.
fn an_index() -> [(&'static str, &'static str); 1] {
    let index = "-- index\n-- Revises: c\n-- Transaction: none\n\
                 CREATE INDEX CONCURRENTLY a_id ON a (id)";
    [("d_index.up.sql", index)]
}

/// A pool of one backend: the test's client has the one that castoff had.
fn of_one_backend(db: &Database) -> Pooler {
    Pooler::with(db, "transaction", "default_pool_size = 1")
}

/// Clients that have a backend each, if they may keep it.
fn clients(pooler: &Pooler) -> Vec<Session> {
    let mut clients: Vec<_> = (0..3).map(|_| pooler.session()).collect();
    for client in &mut clients {
        client.pid();
    }
    clients
}

/// No advisory lock is held or waited for, on whatever backend of the pool.
#[track_caller]
fn assert_no_lock_is_left(db: &Database) {
    eventually(SOON, || {
        let locks = db.advisory_locks();
        if locks.is_empty() { Ok(()) } else { Err(locks) }
    });
}

#[test]
fn in_session_mode_it_is_as_without_a_pooler() {
    let db = Database::empty();
    let pooler = Pooler::new(&db, "session");
    // What other clients have left in the pool proves nothing.
    drop(clients(&pooler));
    let run = image(&db, &pooler).files(an_index()).run();
    run.assert_code(0).assert_stdout("the app");
    assert!(!run.stderr.contains(DEALT_OUT), "{run}");
    assert_eq!(db.heads(), "d");
    assert_no_lock_is_left(&db);
}

#[test]
fn a_pool_that_does_not_reset_its_sessions_is_trusted_with_no_lock() {
    let db = Database::empty();
    let pooler = Pooler::with(&db, "session", "server_reset_query =");
    image(&db, &pooler).run().assert_code(0).assert_stderr(DEALT_OUT);
    assert_eq!(db.heads(), "c");
    assert_no_lock_is_left(&db);
}

#[test]
fn a_pool_that_is_too_small_to_tell_its_mode_by_is_told_and_may_grow() {
    let db = Database::empty();
    let pooler = Pooler::with(&db, "session", "default_pool_size = 1");
    let castoff = image(&db, &pooler).env("CASTOFF_CONNECT_TIMEOUT", "1s");
    castoff.run().assert_code(0).assert_stderr("no second connection to tell its mode by");
    assert_eq!(db.heads(), "c");
    let castoff = castoff.files(an_index()).env("CASTOFF_LOG_FORMAT", "text");
    let run = castoff.run();
    run.assert_code(75).assert_stderr("d runs outside a transaction").assert_stderr("pool_size");
    assert_eq!(db.heads(), "c");

    let start = castoff.spawn();
    start.wait_for_line("waiting for the database again");
    pooler.reload("default_pool_size = 1", "default_pool_size = 2");
    start.wait(2 * SOON).assert_code(0).assert_stdout("the app");
    assert_eq!(db.heads(), "d");
    assert_no_lock_is_left(&db);
}

#[test]
fn what_only_carries_bytes_is_no_pooler() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    let castoff = Castoff::new(&db).through(&proxy).migrations(["a", "b: a", "c: b"]);
    let run = castoff.files(an_index()).args(["run", "--", "true"]).run();
    run.assert_code(0);
    assert!(!run.stderr.contains(DEALT_OUT), "{run}");
}

#[test]
fn in_transaction_mode_each_step_takes_the_lock_and_none_is_left() {
    let db = Database::empty();
    let pooler = Pooler::new(&db, "transaction");
    let sees = "CREATE TABLE seen AS SELECT count(*) AS locks FROM pg_locks \
                WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted";
    let castoff = image(&db, &pooler).files([("d_see.up.sql", sees)]);
    castoff.run().assert_code(0).assert_stdout("the app").assert_stderr(DEALT_OUT);
    assert_eq!((db.heads().as_str(), db.psql("TABLE seen").as_str()), ("d", "1"));
    assert_no_lock_is_left(&db);
    let again = castoff.run();
    again.assert_code(0).assert_stdout("the app");
    assert!(!again.stderr.contains(DEALT_OUT), "{again}");
}

#[test]
fn many_starts_in_transaction_mode_apply_each_revision_once() {
    let db = Database::empty();
    let pooler = Pooler::with(&db, "transaction", "default_pool_size = 4\nserver_round_robin = 1");
    let castoff = Castoff::new(&db).url(pooler.url()).line(12).args(["run", "--", "echo", "app"]);
    let starts: Vec<_> = (0..10).map(|_| castoff.spawn()).collect();
    for start in starts {
        start.wait(4 * SOON).assert_code(0).assert_stdout("app");
    }
    assert_eq!(db.psql("SELECT count(*) FROM castoff.revision"), "12");
    assert_eq!(db.psql("SELECT count(*) FROM pg_tables WHERE tablename LIKE 't0%'"), "12");
    assert_no_lock_is_left(&db);
}

#[test]
fn a_start_behind_a_pooler_and_a_direct_one_exclude_each_other() {
    let db = Database::empty();
    let pooler = Pooler::new(&db, "transaction");
    let leader = db.migration_lock();
    let castoff = image(&db, &pooler);
    let follower = castoff.spawn();
    follower.wait_for_line("Another start is migrating (pid");
    assert!(!db.has_ledger());
    drop(leader);
    follower.wait(SOON).assert_code(0).assert_stdout("the app");

    let gate = "SELECT pg_advisory_xact_lock(50)";
    let castoff = castoff.files([("d_wait.up.sql", gate)]).env("CASTOFF_LOCK_TIMEOUT", "1m");
    let mut closed = db.session();
    closed.psql("SELECT pg_advisory_lock(50)");
    let leader = castoff.spawn();
    leader.wait_for_line("Running upgrade c -> d");
    let direct = castoff.clone().url(db.url());
    let follower = direct.spawn();
    follower.wait_for_line("Another start is migrating (pid");
    drop(closed);
    for start in [leader, follower] {
        start.wait(SOON).assert_code(0).assert_stdout("the app");
    }
    assert_no_lock_is_left(&db);
}

#[test]
fn what_runs_outside_a_transaction_is_refused_before_anything_runs() {
    let db = Database::empty();
    let pooler = Pooler::new(&db, "transaction");
    let castoff = image(&db, &pooler).files(an_index());
    let run = castoff.run();
    run.assert_code(78).assert_stderr("d runs outside a transaction, which needs a session");
    run.assert_stderr("CASTOFF_DATABASE_URL");
    assert!(!db.has_ledger());
    assert_no_lock_is_left(&db);
    castoff.env("CASTOFF_DATABASE_URL", db.url()).run().assert_code(0).assert_stdout("the app");
    assert_eq!(db.heads(), "d");
}

#[test]
fn statement_mode_is_refused_by_name_unless_there_is_nothing_to_do() {
    let db = Database::empty();
    let pooler = Pooler::new(&db, "statement");
    let castoff = image(&db, &pooler);
    let run = castoff.run();
    run.assert_code(78)
        .assert_stderr("a pooler in statement mode")
        .assert_stderr("CASTOFF_DATABASE_URL");
    assert!(!db.has_ledger());
    assert_no_lock_is_left(&db);
    castoff.clone().url(db.url()).run().assert_code(0);
    castoff.run().assert_code(0).assert_stdout("the app");
}

#[test]
fn options_that_the_pooler_does_not_pass_on_are_named_at_once() {
    let db = Database::empty();
    let pooler = Pooler::new(&db, "transaction");
    let castoff = image(&db, &pooler);
    let prisma = castoff.clone().url(format!("{}?schema=public&pgbouncer=true", pooler.url()));
    for castoff in [castoff.env("PGOPTIONS", "-c work_mem=64MB"), prisma] {
        let run = castoff.run();
        run.assert_code(78)
            .assert_stderr("unsupported startup parameter: options")
            .assert_stderr("leave out options, and what stands for it in a URL");
    }
}

/// What a file can leave in a session, and a failure after it.
const LEAVES: &str = "CREATE TEMP TABLE left_behind (); LISTEN news; \
     SET search_path TO pg_catalog; SET lock_timeout = '77s'; SET my.own = 'x'; \
     SET ROLE pg_monitor; SELECT pg_advisory_lock(77);";

/// What of it the next client of the backend sees.
const IS_LEFT: &str = "SELECT current_setting('search_path'), current_setting('lock_timeout'), \
     current_setting('my.own', true), current_user, to_regclass('pg_temp.left_behind'), \
     (SELECT count(*) FROM pg_listening_channels()), current_setting('statement_timeout'), \
     (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";

#[test]
fn the_next_client_gets_a_clean_backend_after_a_success_and_a_failure() {
    for (end, code) in [("", 0), ("RESET ROLE; SELECT 1 / 0", 65)] {
        let db = Database::empty();
        let pooler = of_one_backend(&db);
        let mut client = pooler.session();
        let backend = client.pid();
        let before = client.psql(IS_LEFT);
        let castoff = image(&db, &pooler).files([("d_leave.up.sql", format!("{LEAVES}{end}"))]);
        castoff.run().assert_code(code);
        assert_eq!(client.psql(IS_LEFT), before);
        assert_eq!(client.pid(), backend);
        assert_no_lock_is_left(&db);
    }
}

#[test]
fn what_another_client_has_left_is_not_in_a_file() {
    let db = Database::empty();
    let pooler = of_one_backend(&db);
    let mut client = pooler.session();
    client
        .psql("SET search_path TO pg_catalog; SET statement_timeout = '60ms'; SET ROLE pg_monitor");
    let look = "SELECT pg_sleep(0.2); CREATE TABLE seen AS SELECT current_user::text || ' ' || \
                current_setting('search_path') || current_setting('lock_timeout') AS it";
    let castoff = image(&db, &pooler).files([("d_look.up.sql", look)]);
    castoff.run().assert_code(0);
    assert_eq!(db.psql("TABLE public.seen"), "postgres \"$user\", public5s");
}

#[test]
fn the_rows_of_a_dump_pass_a_transaction_pooler() {
    let db = Database::empty();
    let pooler = Pooler::new(&db, "transaction");
    let rows = "CREATE TABLE t (id int, name text);\nCOPY t FROM stdin;\n1\tö\n2\t\\N\n\\.\n";
    let more = "COPY t (id) FROM stdin;\n3\n\\.\n";
    let castoff = image(&db, &pooler).files([("d_rows.up.sql", rows), ("e_rows.up.sql", more)]);
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT count(*), min(name) FROM t"), "3|ö");
    let broken = castoff.files([("f_rows.up.sql", "COPY t (id) FROM stdin;\n1\nx\n\\.\n")]);
    broken.run().assert_code(65).assert_stderr("f_rows.up.sql:3:1");
    assert_eq!(db.psql("SELECT count(*) FROM t"), "3");
}

#[test]
fn a_start_that_is_killed_or_stopped_in_transaction_mode_leaves_no_lock() {
    let db = Database::empty();
    let pooler = Pooler::new(&db, "transaction");
    db.psql("CREATE SCHEMA test; CREATE TABLE test.pause AS SELECT 600 AS seconds");
    let slow = "CREATE TABLE d (); SELECT pg_sleep(seconds) FROM test.pause";
    let castoff = image(&db, &pooler).files([("d_slow.up.sql", slow)]);
    let castoff = castoff.env("CASTOFF_BASELINE", "base");
    for (signal, code) in [(Signal::Term, Some(143)), (Signal::Kill, None)] {
        let start = castoff.spawn();
        start.wait_for_line("Running upgrade c -> d");
        eventually(SOON, || {
            let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' \
                         AND datname = current_database()";
            db.psql(waits) == "1"
        });
        assert_eq!(db.advisory_locks().len(), 1);
        start.signal(signal);
        let run = start.wait(Duration::from_secs(4));
        assert_eq!(run.code(), code, "{run}");
        assert_no_lock_is_left(&db);
        assert_eq!(db.heads(), "c");
    }
    db.psql("DELETE FROM test.pause");
    castoff.run().assert_code(0).assert_stdout("the app");
}

#[test]
fn a_pool_that_stops_to_keep_sessions_under_a_leader_keeps_no_lock_either() {
    let db = Database::empty();
    let pooler = Pooler::with(&db, "session", "server_round_robin = 1");
    let gate = "SELECT pg_advisory_xact_lock(50)";
    let castoff = image(&db, &pooler)
        .files([("d_wait.up.sql", gate), ("e_last.up.sql", "CREATE TABLE e ()")])
        .env("CASTOFF_LOCK_TIMEOUT", "1m");
    let mut closed = db.session();
    closed.psql("SELECT pg_advisory_lock(50)");
    // Backends that the pool gives in turn once it may.
    let others = clients(&pooler);
    let start = castoff.spawn();
    start.wait_for_line("Running upgrade c -> d");
    drop(others);
    pooler.reload("pool_mode = session", "pool_mode = transaction");
    eventually(SOON, || pooler.log().contains("RELOAD") || pooler.log().contains("SIGHUP"));
    drop(closed);
    let run = start.wait(2 * SOON);
    run.assert_code(0)
        .assert_stdout("the app")
        .assert_stderr("the one that held the migration lock");
    assert_eq!(db.heads(), "e");
    assert_no_lock_is_left(&db);
}
