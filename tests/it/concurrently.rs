//! CONCURRENTLY statements that were interrupted, and what the next start makes of the remains.

use crate::support::{Castoff, Database, SOON, Signal, eventually};

const INDEXES: &str = "SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ',' ORDER BY indexrelid::regclass::text)
    FROM pg_index WHERE indrelid = 'a'::regclass";

/// castoff with one file outside a transaction, and a database that has what it needs.
fn interruptible(setup: &str, statements: &str) -> (Database, Castoff) {
    let db = Database::empty();
    db.psql(setup);
    let castoff = Castoff::new(&db)
        .args(["upgrade"])
        .env("CASTOFF_BASELINE", "base")
        .env("CASTOFF_LOG_FORMAT", "text");
    castoff.own_folder().file("1_x.up.sql", format!("-- Transaction: none\n{statements}"));
    (db, castoff)
}

/// Kills castoff while its statement waits for a transaction that uses the table, and looks at what
/// is there then.
fn kill_while_blocked(db: &Database, castoff: &Castoff, remains: &str) -> String {
    let mut session = db.session();
    session.psql("BEGIN; SELECT count(*) FROM a; INSERT INTO a VALUES (1)");
    let running = castoff.spawn();
    eventually(SOON, || {
        let backends = db.backends();
        let waits = backends.iter().any(|it| {
            it.wait_event == "virtualxid" && it.query.to_lowercase().contains("concurrently")
        });
        if waits { Ok(()) } else { Err((backends, running.output())) }
    });
    running.signal(Signal::Kill);
    running.wait(SOON);
    eventually(SOON, || db.backends().is_empty());
    session.psql("COMMIT");
    db.psql(remains)
}

#[test]
fn an_invalid_index_of_an_interrupted_build_is_dropped_and_built_again() {
    let create = "CREATE INDEX CONCURRENTLY i ON a (n);";
    let (db, castoff) = interruptible("CREATE TABLE a (n int)", create);
    assert_eq!(kill_while_blocked(&db, &castoff, INDEXES), "i false");
    castoff.run().assert_code(0).assert_stderr("Dropping the invalid index public.i");
    assert_eq!(db.psql(INDEXES), "i true");
}

#[test]
fn an_invalid_index_does_not_satisfy_if_not_exists() {
    let create = "SET search_path TO other, public;
                  CREATE INDEX CONCURRENTLY IF NOT EXISTS \"I x\" ON a (n);";
    let (db, castoff) = interruptible("CREATE TABLE a (n int)", create);
    assert_eq!(kill_while_blocked(&db, &castoff, INDEXES), "\"I x\" false");
    castoff.run().assert_code(0);
    assert_eq!(db.psql(INDEXES), "\"I x\" true");
}

#[test]
fn an_invalid_index_that_was_there_before_does_not_satisfy_if_not_exists() {
    let create = "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON a (n);";
    let (db, castoff) = interruptible("CREATE TABLE a (n int)", create);
    db.psql("CREATE INDEX i ON a (n); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass");
    castoff.run().assert_code(0);
    assert_eq!(db.psql(INDEXES), "i true");
}

#[test]
fn an_index_that_was_built_but_not_recorded_is_not_built_again() {
    let create = "CREATE TABLE b (); CREATE INDEX CONCURRENTLY i ON a (n); SELECT 1";
    let (db, castoff) = interruptible("CREATE TABLE a (n int)", create);
    kill_while_blocked(&db, &castoff, INDEXES);
    db.psql("DROP INDEX i; CREATE INDEX i ON a (n)");
    let before = db.psql("SELECT 'i'::regclass::oid");
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT 'i'::regclass::oid"), before);
}

#[test]
fn a_unique_index_that_failed_is_built_when_the_rows_are_right() {
    let create = "CREATE UNIQUE INDEX CONCURRENTLY i ON a (n);";
    let (db, castoff) =
        interruptible("CREATE TABLE a (n int); INSERT INTO a VALUES (1), (1)", create);
    castoff
        .run()
        .assert_code(65)
        .assert_stderr("23505")
        .assert_stderr("Key (n)=(1) is duplicated.");
    db.psql("DELETE FROM a");
    castoff.run().assert_code(0);
    assert_eq!(db.psql(INDEXES), "i true");
}

#[test]
fn an_interrupted_build_without_a_name_asks_the_operator() {
    let (db, castoff) =
        interruptible("CREATE TABLE a (n int)", "CREATE INDEX CONCURRENTLY ON a (n);");
    assert_eq!(kill_while_blocked(&db, &castoff, INDEXES), "a_n_idx false");
    castoff
        .run()
        .assert_code(65)
        .assert_stderr("1_x.up.sql:2:1")
        .assert_stderr("invalid index a_n_idx behind: drop it with DROP INDEX CONCURRENTLY");
    db.psql("DROP INDEX a_n_idx");
    castoff.run().assert_code(0);
    assert_eq!(db.psql(INDEXES), "a_n_idx true");
}

#[test]
fn an_interrupted_drop_of_an_index_is_finished() {
    let setup = "CREATE TABLE a (n int); CREATE INDEX i ON a (n); CREATE INDEX j ON a (n)";
    let (db, castoff) = interruptible(setup, "DROP INDEX CONCURRENTLY i;");
    kill_while_blocked(&db, &castoff, INDEXES);
    castoff.run().assert_code(0);
    assert_eq!(db.psql(INDEXES), "j true");
}

#[test]
fn a_drop_that_was_done_but_not_recorded_is_no_error() {
    let setup = "CREATE TABLE a (n int); CREATE INDEX i ON a (n); CREATE INDEX j ON a (n)";
    let (db, castoff) = interruptible(setup, "DROP INDEX CONCURRENTLY i;");
    kill_while_blocked(&db, &castoff, INDEXES);
    db.psql("DROP INDEX IF EXISTS i");
    castoff.run().assert_code(0);
    assert_eq!(db.psql(INDEXES), "j true");
}

#[test]
fn an_interrupted_reindex_leaves_no_second_index() {
    let setup = "CREATE TABLE a (n int); CREATE INDEX i ON a (n)";
    for reindex in ["REINDEX INDEX CONCURRENTLY i;", "REINDEX (CONCURRENTLY) TABLE a;"] {
        let (db, castoff) = interruptible(setup, reindex);
        assert_eq!(kill_while_blocked(&db, &castoff, INDEXES), "i true,i_ccnew false");
        castoff.run().assert_code(0);
        assert_eq!(db.psql(INDEXES), "i true");
    }
}

#[test]
fn an_interrupted_detach_of_a_partition_is_finished() {
    let setup = "CREATE TABLE a (n int) PARTITION BY RANGE (n);
                 CREATE TABLE \"A one\" PARTITION OF a FOR VALUES FROM (0) TO (9)";
    let detach = "ALTER TABLE a DETACH PARTITION \"A one\" CONCURRENTLY;";
    let (db, castoff) = interruptible(setup, detach);
    let pending = "SELECT string_agg(inhdetachpending::text, ',') FROM pg_inherits WHERE inhparent = 'a'::regclass";
    assert_eq!(kill_while_blocked(&db, &castoff, pending), "true");
    castoff.run().assert_code(0);
    assert_eq!(db.psql(pending), "");
    assert_eq!(db.psql("SELECT count(*) FROM \"A one\""), "1");
}

#[test]
fn the_house_lock_timeout_does_not_hold_for_concurrently_and_holds_after_it() {
    let statements = "CREATE INDEX CONCURRENTLY i ON a (n);
                      CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS it;";
    let (db, castoff) = interruptible("CREATE TABLE a (n int)", statements);
    let castoff = castoff.env("CASTOFF_LOCK_TIMEOUT", "200ms");
    let mut session = db.session();
    session.psql("BEGIN; INSERT INTO a VALUES (1)");
    let running = castoff.spawn();
    let waited = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'castoff'
                  AND datname = current_database() AND wait_event = 'virtualxid'
                  AND query_start < clock_timestamp() - interval '700 ms'";
    eventually(SOON, || db.psql(waited) == "1");
    session.psql("COMMIT");
    running.wait(SOON).assert_code(0);
    assert_eq!(db.psql(INDEXES), "i true");
    assert_eq!(db.psql("TABLE seen"), "200ms");
}

#[test]
fn the_files_own_lock_timeout_holds_for_concurrently_too() {
    for statements in [
        "-- Lock-Timeout: 150ms\nCREATE INDEX CONCURRENTLY i ON a (n);",
        "SET lock_timeout = '150ms'; CREATE INDEX CONCURRENTLY i ON a (n);",
    ] {
        let (db, castoff) = interruptible("CREATE TABLE a (n int)", statements);
        let mut session = db.session();
        session.psql("BEGIN; INSERT INTO a VALUES (1)");
        let running = castoff.spawn();
        running.wait_for_line("1 gave way (55P03");
        session.psql("COMMIT");
        running.wait(SOON).assert_code(0);
        assert_eq!(db.psql(INDEXES), "i true", "{statements}");
    }
}

#[test]
fn a_concurrent_statement_that_was_refused_is_refused_again() {
    let set_up = "CREATE TABLE t (a int, b int); CREATE INDEX t_idx ON t (b); \
                  INSERT INTO t VALUES (1, 1), (1, 2); \
                  CREATE TABLE parts (n int) PARTITION BY RANGE (n); CREATE TABLE part (n int);";
    for (statement, sqlstate) in [
        ("CREATE UNIQUE INDEX CONCURRENTLY t_idx ON t (a)", "42P07"),
        ("DROP INDEX CONCURRENTLY t_idxx", "42704"),
        ("ALTER TABLE parts DETACH PARTITION part CONCURRENTLY", "42P01"),
    ] {
        let db = Database::empty();
        let file = format!("-- Transaction: none\n{statement};");
        let castoff = Castoff::new(&db)
            .files([("1_set_up.up.sql", set_up), ("2_x.up.sql", file.as_str())])
            .args(["upgrade"]);
        for _ in 0..3 {
            castoff.run().assert_code(65).assert_stderr(sqlstate);
        }
        assert_eq!(db.heads(), "1", "{statement}");
    }
}
