//! Locks that a revision cannot get: it gives way, says who is in the way, and tries again.

use std::time::{Duration, Instant};

use crate::support::{Castoff, Database, SOON, eventually};

/// castoff with a revision that needs the whole table `a`, and little patience.
fn altering(db: &Database) -> Castoff {
    db.psql("CREATE TABLE a (n int)");
    Castoff::new(db)
        .files([("1_x.up.sql", "CREATE TABLE b ();\nALTER TABLE a ADD m int;")])
        .env("CASTOFF_BASELINE", "base")
        .env("CASTOFF_LOCK_TIMEOUT", "300ms")
        .env("CASTOFF_LOG_FORMAT", "text")
        .args(["upgrade"])
}

#[test]
fn a_file_that_gets_no_lock_is_tried_again_as_a_whole() {
    let db = Database::empty();
    let castoff = altering(&db);
    let mut session = db.session();
    session.psql("BEGIN; SELECT * FROM a");
    let running = castoff.spawn();
    running.wait_for_line("1 gave way (55P03");
    session.psql("COMMIT");
    let run = running.wait(SOON);
    run.assert_code(0).assert_stderr("nothing of this try was kept; trying again in");
    assert_eq!(db.psql("SELECT to_regclass('b'), count(*) FROM castoff.revision"), "b|1");
}

#[test]
fn a_queued_statement_gives_readers_their_turn() {
    let db = Database::empty();
    let castoff = altering(&db);
    let mut session = db.session();
    session.psql("BEGIN; SELECT * FROM a");
    let running = castoff.spawn();
    running.wait_for_line("1 gave way (55P03");
    let start = Instant::now();
    db.psql("SELECT * FROM a");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    session.psql("COMMIT");
    running.wait(SOON).assert_code(0);
}

#[test]
fn who_is_in_the_way_is_named_with_pid_application_state_age_and_query() {
    let db = Database::empty();
    let castoff = altering(&db);
    let mut session = db.session();
    session.psql("BEGIN; SELECT *   FROM\n a");
    let pid = session.pid();
    session.psql("SELECT n  FROM\n a /* the report */");
    let running = castoff.spawn();
    let line = running.wait_for_line("1 gave way");
    let blocker = line.split_once("; blocked by ").unwrap_or_else(|| panic!("{line}")).1;
    let (who, doing) = blocker.split_once(" for ").unwrap();
    assert_eq!(who, format!("pid {pid} (test, role postgres), idle in transaction"));
    let (age, query) = doing.split_once(": ").unwrap();
    assert!(age.ends_with(" s") || age.ends_with(" ms"), "{line}");
    assert!(query.starts_with("SELECT n FROM a /* the report */"), "{line}");
    session.psql("COMMIT");
    running.wait(SOON).assert_code(0);
}

#[test]
fn after_the_deadline_the_start_gives_up_with_75_and_names_who_was_in_the_way() {
    let db = Database::empty();
    let castoff = altering(&db).env("CASTOFF_LOCK_DEADLINE", "1s");
    let mut session = db.session();
    session.psql("BEGIN; SELECT * FROM a");
    let pid = session.pid();
    let start = Instant::now();
    let run = castoff.run();
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    run.assert_code(75)
        .assert_stderr("error: 1 could not get its locks within")
        .assert_stderr("caused by: 55P03 canceling statement due to lock timeout")
        .assert_stderr(&format!(
            "\nblocked by: pid {pid} (test, role postgres), idle in transaction"
        ))
        .assert_stderr("hint: end the transactions that are in the way");
    assert_eq!(db.psql("SELECT to_regclass('b'), to_regnamespace('castoff')"), "|");
    assert_eq!(db.advisory_locks(), []);

    let run = castoff.env("CASTOFF_LOG_FORMAT", "json").run();
    let error: serde_json::Value =
        serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["sqlstate"], "55P03");
    assert!(error["blocked_by"][0].as_str().unwrap().starts_with(&format!("pid {pid} ")), "{run}");
    session.psql("COMMIT");
}

#[test]
fn the_deadline_holds_outside_a_transaction_too() {
    let db = Database::empty();
    let castoff = altering(&db).env("CASTOFF_LOCK_DEADLINE", "1s").files([(
        "1_x.up.sql",
        "-- Transaction: none\nCREATE TABLE b ();\nALTER TABLE a ADD m int;",
    )]);
    let mut session = db.session();
    session.psql("BEGIN; SELECT * FROM a");
    castoff.run().assert_code(75).assert_stderr("55P03");
    session.psql("COMMIT");
    castoff.run().assert_code(0).assert_stderr("Going on with 1 after 1 of its statements");
}

#[test]
fn a_nowait_that_fails_is_tried_again() {
    let db = Database::empty();
    let castoff = altering(&db).files([("1_x.up.sql", "LOCK TABLE a NOWAIT;")]);
    let mut session = db.session();
    session.psql("BEGIN; SELECT * FROM a");
    let running = castoff.spawn();
    running.wait_for_line("1 gave way (55P03 could not obtain lock on relation \"a\"");
    session.psql("COMMIT");
    running.wait(SOON).assert_code(0);
}

#[test]
fn a_deadlock_is_tried_again() {
    let db = Database::empty();
    let file = "SET deadlock_timeout = '10ms'; LOCK TABLE b;
        DO $$ BEGIN
          WHILE NOT EXISTS (SELECT FROM over UNION ALL
            SELECT FROM pg_locks WHERE relation = 'b'::regclass AND NOT granted)
          LOOP PERFORM pg_sleep(0.01); END LOOP;
        END $$;
        LOCK TABLE a;";
    let castoff = altering(&db).env("CASTOFF_LOCK_TIMEOUT", "1m").files([("1_x.up.sql", file)]);
    db.psql("CREATE TABLE b (); CREATE TABLE over ()");
    let mut session = db.session();
    session.psql("SET deadlock_timeout = '1h'; BEGIN; LOCK TABLE a");
    let running = castoff.spawn();
    eventually(SOON, || {
        db.psql("SELECT count(*) FROM pg_locks WHERE relation = 'b'::regclass") == "1"
    });
    session.psql("LOCK TABLE b; INSERT INTO over DEFAULT VALUES; COMMIT");
    running.wait(SOON).assert_code(0).assert_stderr("1 gave way (40P01");
}

#[test]
fn the_headers_limits_hold_for_their_file_alone() {
    let db = Database::empty();
    let look = |table: &str| {
        format!(
            "CREATE TABLE {table} AS SELECT current_setting('lock_timeout') || ' '
             || current_setting('statement_timeout') AS it;"
        )
    };
    Castoff::new(&db)
        .files([
            ("1_a.up.sql", format!("-- Lock-Timeout: 70s\n-- Statement-Timeout: 2m\n{}", look("a"))),
            ("2_b.up.sql", look("b")),
            (
                "3_c.up.sql",
                format!("-- Transaction: none\n-- Lock-Timeout: 70s\n-- Statement-Timeout: 2m\nVACUUM a; {}", look("c")),
            ),
            ("4_d.up.sql", look("d")),
        ])
        .args(["upgrade"])
        .env("CASTOFF_LOCK_TIMEOUT", "1500ms")
        .run()
        .assert_code(0);
    let seen = "SELECT string_agg(it, ', ') FROM (TABLE a UNION ALL TABLE b UNION ALL TABLE c UNION ALL TABLE d) x";
    assert_eq!(db.psql(seen), "70s 2min, 1500ms 0, 70s 2min, 1500ms 0");
}

#[test]
fn a_statement_that_takes_longer_than_its_header_allows_fails() {
    for header in
        ["-- Statement-Timeout: 100ms", "-- Transaction: none\n-- Statement-Timeout: 100ms"]
    {
        let db = Database::empty();
        Castoff::new(&db)
            .files([("1_x.up.sql", format!("{header}\nSELECT pg_sleep(60);"))])
            .args(["upgrade"])
            .env("CASTOFF_LOG_FORMAT", "text")
            .run()
            .assert_code(65)
            .assert_stderr("57014 canceling statement due to statement timeout");
    }
}

#[test]
fn limits_of_the_role_do_not_end_a_migration() {
    let db = Database::empty();
    let role = db
        .role("hasty")
        .set("statement_timeout", "50ms")
        .set("lock_timeout", "1ms")
        .set("idle_in_transaction_session_timeout", "50ms")
        .owner()
        .create();
    Castoff::new(&db)
        .url(role.url())
        .files([("1_x.up.sql", "SELECT pg_sleep(0.3);")])
        .args(["upgrade"])
        .run()
        .assert_code(0);
}
