//! The migration lock: who asks for it, how it can be lost, and what waits for what.

use std::fmt::Write;

use crate::support::{Castoff, Cluster, Database, SOON, eventually};

/// The revision `b`, which indexes the table of `a` as its header says.
fn index(header: &str) -> [(&'static str, String); 1] {
    let statement = "CREATE INDEX CONCURRENTLY a_id ON a (id)";
    let text = format!("-- index a\n-- Revises: a\n-- Transaction: none\n{header}\n{statement};\n");
    [("b_index.up.sql", text)]
}

fn index_is_valid(db: &Database) -> bool {
    db.psql("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('a_id')") == "t"
}

#[test]
fn lock_timeout_does_not_end_a_concurrent_builds_wait_for_unrelated_transactions() {
    let db = Database::empty();
    let role = db.role("owner").owner().set("lock_timeout", "100ms").create();
    let castoff = Castoff::new(&db)
        .url(role.url())
        .migrations(["a"])
        .files(index(""))
        .env("CASTOFF_LOCK_TIMEOUT", "100ms")
        .args(["run", "--", "true"]);
    let mut unrelated = db.session();
    unrelated.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let start = castoff.spawn();
    eventually(SOON, || {
        let waits = "SELECT count(*) FROM pg_stat_activity JOIN pg_stat_progress_create_index \
                     USING (pid, datname) WHERE phase = 'waiting for old snapshots' \
                     AND datname = current_database() AND now() - query_start > '1 s'";
        db.psql(waits) == "1"
    });
    unrelated.psql("COMMIT");
    let run = start.wait(SOON);
    run.assert_code(0);
    assert!(!run.stderr.contains("invalid index"), "{run}");
    assert!(index_is_valid(&db));
}

#[test]
fn a_files_own_lock_timeout_ends_that_wait_and_the_invalid_index_is_built_again() {
    let db = Database::empty();
    let castoff = Castoff::new(&db)
        .migrations(["a"])
        .files(index("-- Lock-Timeout: 100ms"))
        .args(["run", "--", "true"]);
    let mut unrelated = db.session();
    unrelated.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let start = castoff.spawn();
    start.wait_for_line("b gave way (55P03");
    unrelated.psql("COMMIT");
    start.wait(SOON).assert_code(0).assert_stderr("Dropping the invalid index public.a_id");
    assert!(index_is_valid(&db));
}

#[test]
fn a_roles_default_isolation_does_not_let_our_sessions_block_our_own_index() {
    for isolation in ["repeatable read", "serializable"] {
        let db = Database::empty();
        let role =
            db.role("owner").owner().set("default_transaction_isolation", isolation).create();
        let castoff = Castoff::new(&db)
            .url(role.url())
            .migrations(["a"])
            .files(index(""))
            .args(["run", "--", "true"]);
        let mut unrelated = db.session();
        unrelated.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
        let start = castoff.spawn();
        // The second connection, which looks for who is in the way, is there and idle.
        eventually(SOON, || {
            let backends = db.backends();
            let looks = backends.len() == 2 && backends.iter().any(|it| it.state == "idle");
            if looks { Ok(()) } else { Err(backends) }
        });
        unrelated.psql("COMMIT");
        start.wait(SOON).assert_code(0);
        assert!(index_is_valid(&db));
    }
}

#[test]
fn a_file_that_releases_all_locks_is_applied_once_and_the_next_ones_under_the_lock() {
    let db = Database::empty();
    let run = Castoff::new(&db)
        .migrations(["a"])
        .files([
            (
                "b_unlock.up.sql",
                "-- Revises: a\nSELECT pg_advisory_unlock_all(); CREATE TABLE b ()",
            ),
            (
                "c_look.up.sql",
                "-- Revises: b\nCREATE TABLE c AS SELECT count(*) AS locks FROM pg_locks \
                 WHERE locktype = 'advisory' AND pid = pg_backend_pid()",
            ),
        ])
        .args(["run", "--", "echo", "the app"])
        .run();
    run.assert_code(0).assert_stdout("the app");
    run.assert_stderr("this session does not hold the migration lock any more");
    assert_eq!(db.psql("SELECT count(*), (SELECT locks FROM c) FROM castoff.revision"), "3|1");
}

#[test]
fn more_files_that_release_all_locks_than_there_are_tries_are_applied_in_one_start() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).line(6).args(["run", "--", "true"]);
    for number in 2..=5 {
        let file = format!("000{number}_create.up.sql");
        castoff.own_folder().file(&file, "SELECT pg_advisory_unlock_all()");
    }
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT count(*) FROM castoff.revision"), "6");
}

#[test]
fn discard_all_is_refused_before_the_database_is_touched() {
    let db = Database::empty();
    for file in ["DISCARD ALL", "-- Transaction: none\ndiscard /* it */ all;"] {
        let run = Castoff::new(&db).files([("a_x.up.sql", file)]).args(["run"]).run();
        run.assert_code(65).assert_stderr("DISCARD ALL would release castoff's lock");
        run.assert_stderr("a_x.up.sql:");
    }
    assert!(db.server_log().iter().all(|line| !line.contains("app=castoff")));
}

#[test]
fn idle_session_timeout_does_not_end_a_leader_that_pauses() {
    let db = Database::empty();
    let role = db.role("owner").owner().set("idle_session_timeout", "200ms").create();
    let castoff = Castoff::new(&db)
        .url(role.url())
        .migrations(["a"])
        .files([("b_alter.up.sql", "-- Revises: a\nALTER TABLE a ADD COLUMN b int")])
        .env("CASTOFF_LOCK_TIMEOUT", "100ms")
        .args(["run", "--", "true"]);
    castoff.clone().args(["upgrade", "a"]).run().assert_code(0);
    let mut holder = db.session();
    holder.psql("BEGIN; LOCK TABLE a");
    let start = castoff.spawn();
    // Longer than the timeout without a word from us.
    eventually(SOON, || {
        let idle = "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid) \
                    WHERE l.locktype = 'advisory' AND a.datname = current_database() \
                    AND a.state = 'idle' AND now() - a.state_change > '500 ms'";
        db.psql(idle) == "1"
    });
    holder.psql("COMMIT");
    let run = start.wait(SOON);
    run.assert_code(0);
    assert!(!run.stderr.contains("waiting for the database again"), "{run}");
}

#[test]
fn an_error_in_a_transaction_is_the_only_one_that_is_seen() {
    let db = Database::empty();
    let run = Castoff::new(&db)
        .files([("a_wrong.up.sql", "CREATE TABLE a (); SELECT 1 / 0; CREATE TABLE b ()")])
        .args(["run"])
        .run();
    run.assert_code(65).assert_stderr("22012 division by zero");
    assert!(!run.stderr.contains("25P02"), "{run}");
    let mut errors = db.server_log();
    errors.retain(|line| line.contains("ERROR: ") || line.contains("WARNING: "));
    assert_eq!(errors.len(), 1, "{errors:#?}");
    eventually(SOON, || db.advisory_locks().is_empty());
}

#[test]
fn two_products_in_one_database_have_a_lock_and_a_ledger_each() {
    let db = Database::empty();
    let mut gate = db.session();
    gate.psql("SELECT pg_advisory_lock(50)");
    let shop = Castoff::new(&db)
        .files([("a_shop.up.sql", "CREATE TABLE shop (); SELECT pg_advisory_xact_lock(50)")])
        .args(["run", "--", "echo", "the shop"]);
    let start = shop.spawn();
    start.wait_for_line("Running upgrade  -> a");
    let blog = Castoff::new(&db)
        .files([("a_blog.up.sql", "CREATE TABLE blog ()")])
        .env("CASTOFF_SCHEMA", "castoff_blog")
        .args(["run", "--", "echo", "the blog"]);
    blog.run().assert_code(0).assert_stdout("the blog");
    drop(gate);
    start.wait(SOON).assert_code(0).assert_stdout("the shop");
    for schema in ["castoff", "castoff_blog"] {
        assert_eq!(db.psql(&format!("SELECT message FROM {schema}.revision")).len(), 4);
    }
}

#[test]
fn a_standby_is_not_asked_for_the_lock() {
    let primary = Cluster::own();
    let db = Database::on(&primary);
    let standby = primary.standby();
    let there = db.at(&standby);
    eventually(SOON, || there.try_psql("SELECT 1").is_ok());
    let castoff = Castoff::new(&there).migrations(["a"]).args(["run", "--", "echo", "the app"]);
    let start = castoff.spawn();
    start.wait_for_line("it is a standby, which takes no writes");
    let mut looks = Vec::new();
    eventually(SOON, || {
        looks.push(there.advisory_locks());
        looks.len() > 20
    });
    assert!(looks.iter().all(Vec::is_empty), "{looks:?}");
    primary.crash();
    standby.promote();
    start.wait(2 * SOON).assert_code(0).assert_stdout("the app");
    assert_eq!(there.psql("SELECT revision FROM castoff.revision"), "a");
}

#[test]
fn the_leaders_session_notices_a_lost_client_within_seconds() {
    let settings = [
        ("client_connection_check_interval", "2s"),
        ("tcp_keepalives_idle", "5"),
        ("tcp_keepalives_interval", "2"),
        ("tcp_keepalives_count", "3"),
        ("tcp_user_timeout", "8000"),
        ("idle_session_timeout", "0"),
    ];
    let mut sql = "CREATE TABLE found (name text, value text);".to_owned();
    for (name, _) in settings {
        write!(sql, "INSERT INTO found VALUES ('{name}', current_setting('{name}'));").unwrap();
    }
    for header in ["", "-- Transaction: none\n"] {
        let db = Database::empty();
        let castoff = Castoff::new(&db).files([("a_look.up.sql", format!("{header}{sql}"))]);
        castoff.args(["run"]).run().assert_code(0);
        for (name, value) in settings {
            let found = db.psql(&format!("SELECT value FROM found WHERE name = '{name}'"));
            assert_eq!(found, value, "{name}");
        }
    }
}
