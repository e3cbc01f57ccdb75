//! `castoff trace`: the locks that it names are those that `pg_locks` shows, and nothing is changed.

use serde_json::Value;

use crate::support::{Castoff, Database, Role, SOON, Session, Signal, eventually};

const BASE: &str = "CREATE TYPE mood AS ENUM ('good');
    CREATE TABLE users (id int PRIMARY KEY, name varchar(50), age int NOT NULL, CONSTRAINT named CHECK (name <> '') NOT VALID);
    CREATE INDEX users_age ON users (age); CREATE UNIQUE INDEX users_unique ON users (id, age);
    CREATE TABLE orders (id int PRIMARY KEY, user_id int, CONSTRAINT of_user FOREIGN KEY (user_id) REFERENCES users NOT VALID);
    CREATE TABLE loose (id int, user_id int);
    CREATE VIEW adults AS SELECT 1 AS one FROM users;
    CREATE MATERIALIZED VIEW counted AS SELECT count(*) FROM users;
    CREATE SEQUENCE numbers;
    CREATE TABLE events (at date) PARTITION BY RANGE (at);
    CREATE TABLE events_2025 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    CREATE TABLE events_2026 (at date);
    CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END';
    INSERT INTO users SELECT n, 'name', n FROM generate_series(1, 40) n;";

/// A statement, and what it writes anew.
const STATEMENTS: [(&str, &[&str]); 45] = [
    ("ALTER TABLE users ADD COLUMN a int", &[]),
    ("ALTER TABLE users ADD COLUMN a int NOT NULL DEFAULT 5", &[]),
    (
        "ALTER TABLE users ADD COLUMN a timestamptz DEFAULT clock_timestamp()",
        &["public.users", "public.users_age", "public.users_pkey", "public.users_unique"],
    ),
    ("ALTER TABLE users ALTER name TYPE varchar(500)", &[]),
    ("ALTER TABLE users ALTER name TYPE text", &[]),
    ("ALTER TABLE orders ALTER user_id TYPE bigint", &["public.orders", "public.orders_pkey"]),
    ("ALTER TABLE users ALTER name SET NOT NULL", &[]),
    ("ALTER TABLE users ALTER age DROP NOT NULL", &[]),
    ("ALTER TABLE users ALTER age SET DEFAULT 3", &[]),
    ("ALTER TABLE users DROP COLUMN name", &[]),
    ("ALTER TABLE users RENAME name TO called", &[]),
    ("ALTER TABLE users RENAME TO people", &[]),
    ("ALTER TABLE users ADD CONSTRAINT old CHECK (age > 0)", &[]),
    ("ALTER TABLE users ADD CONSTRAINT old CHECK (age > 0) NOT VALID", &[]),
    ("ALTER TABLE users VALIDATE CONSTRAINT named", &[]),
    ("ALTER TABLE users DROP CONSTRAINT named", &[]),
    ("ALTER TABLE loose ADD FOREIGN KEY (user_id) REFERENCES users", &[]),
    ("ALTER TABLE loose ADD FOREIGN KEY (user_id) REFERENCES users NOT VALID", &[]),
    ("ALTER TABLE orders VALIDATE CONSTRAINT of_user", &[]),
    ("ALTER TABLE loose ADD PRIMARY KEY (id)", &[]),
    ("ALTER TABLE users ADD UNIQUE USING INDEX users_unique", &[]),
    ("ALTER TABLE users SET (fillfactor = 50)", &[]),
    ("ALTER TABLE users ALTER name SET STATISTICS 100", &[]),
    ("ALTER TABLE users ENABLE ROW LEVEL SECURITY", &[]),
    ("ALTER TABLE loose SET UNLOGGED", &["public.loose"]),
    ("CREATE INDEX ON users (name)", &[]),
    ("DROP INDEX users_age", &[]),
    ("REINDEX INDEX users_age", &["public.users_age"]),
    ("CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION nothing()", &[]),
    ("CREATE TABLE more (id int REFERENCES users)", &[]),
    ("CREATE VIEW children AS SELECT * FROM users WHERE age < 18", &[]),
    ("DROP VIEW adults", &[]),
    ("REFRESH MATERIALIZED VIEW counted", &["public.counted"]),
    ("CREATE STATISTICS s ON name, age FROM users", &[]),
    ("COMMENT ON TABLE users IS 'people'", &[]),
    ("GRANT SELECT ON users TO public", &[]),
    ("ANALYZE users", &[]),
    (
        "TRUNCATE users CASCADE",
        &[
            "public.orders",
            "public.orders_pkey",
            "public.users",
            "public.users_age",
            "public.users_pkey",
            "public.users_unique",
        ],
    ),
    ("DROP TABLE orders", &[]),
    ("LOCK TABLE users IN EXCLUSIVE MODE", &[]),
    (
        "ALTER TABLE events ATTACH PARTITION events_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
        &[],
    ),
    ("ALTER TABLE events DETACH PARTITION events_2025", &[]),
    ("UPDATE users SET age = age + 1 WHERE id < 11", &[]),
    ("INSERT INTO orders SELECT id, id FROM users", &[]),
    ("ALTER SEQUENCE numbers RESTART", &["public.numbers"]),
];

/// The locks of a session as another one sees them, each as `relation mode`.
fn locks(db: &Database, pid: &str) -> Vec<String> {
    let lines = db.psql(&format!(
        "SELECT DISTINCT format('%I.%I', n.nspname, c.relname) || ' ' || l.mode COLLATE \"C\"
         FROM pg_locks l JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE l.pid = {pid} AND l.locktype = 'relation' AND n.nspname = 'public' ORDER BY 1"
    ));
    lines.lines().map(str::to_owned).collect()
}

fn castoff(db: &Database) -> Castoff {
    let castoff = Castoff::new(db).env("CASTOFF_LOG_FORMAT", "text");
    castoff.files([("1_base.up.sql", BASE)])
}

/// The only statement of the only revision of `castoff trace --json`.
#[track_caller]
fn traced(castoff: &Castoff, arguments: &[&str]) -> Value {
    let run = castoff.clone().args([&["trace", "--json"], arguments].concat()).run();
    run.assert_code(0);
    let said: Value = serde_json::from_str(&run.stdout).unwrap();
    let [statement] = &said["revisions"][0]["statements"].as_array().unwrap()[..] else {
        panic!("{said}");
    };
    statement.clone()
}

/// The locks on what was there before, each as `relation mode`.
fn told(statement: &Value) -> Vec<String> {
    let locks = statement["locks"].as_array().unwrap().iter().filter(|lock| lock["new"] == false);
    let mut locks: Vec<_> = locks
        .map(|lock| {
            format!("{} {}", lock["relation"].as_str().unwrap(), lock["mode"].as_str().unwrap())
        })
        .collect();
    locks.sort();
    locks
}

#[test]
fn it_names_the_locks_that_pg_locks_shows() {
    let db = Database::empty();
    let castoff = castoff(&db);
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    for (sql, rewritten) in STATEMENTS {
        let mut session = db.session();
        let pid = session.pid();
        session.psql(&format!("BEGIN; {sql}"));
        let expected = locks(&db, &pid);
        session.psql("ROLLBACK");
        castoff.own_folder().file("2_it.up.sql", sql);
        for place in [&["2"][..], &["--rolled-back"]] {
            let statement = traced(&castoff, place);
            assert_eq!(told(&statement), expected, "{sql} {place:?}");
            let mut names: Vec<_> = statement["rewritten"]
                .as_array()
                .unwrap()
                .iter()
                .map(|it| it["relation"].as_str().unwrap())
                .collect();
            names.sort_unstable();
            assert_eq!(names, rewritten, "{sql} {place:?}");
        }
    }
}

#[test]
fn it_names_the_locks_of_what_runs_outside_a_transaction() {
    for (sql, wait_for, table) in [
        ("CREATE INDEX CONCURRENTLY i ON users (name)", "users", "public.users"),
        ("DROP INDEX CONCURRENTLY users_age", "users", "public.users"),
        ("REINDEX INDEX CONCURRENTLY users_age", "users", "public.users"),
        ("ALTER TABLE events DETACH PARTITION events_2025 CONCURRENTLY", "events", "public.events"),
        ("VACUUM users", "users", "public.users"),
        ("VACUUM FULL users", "users", "public.users"),
    ] {
        let db = Database::empty();
        let castoff = castoff(&db);
        castoff.clone().args(["upgrade"]).run().assert_code(0);
        let mut holder = db.session();
        let vacuum =
            if sql.starts_with("VACUUM") { "SHARE UPDATE EXCLUSIVE" } else { "ROW EXCLUSIVE" };
        holder.psql(&format!("BEGIN; LOCK TABLE {wait_for} IN {vacuum} MODE"));
        let mut session: Session = db.session();
        let pid = session.pid();
        session.start(sql);
        eventually(SOON, || {
            let waits = db.psql(&format!(
                "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = {pid}"
            ));
            if waits == "t" { Ok(()) } else { Err(waits) }
        });
        let mut expected = locks(&db, &pid);
        expected.retain(|lock| !lock.contains("_ccnew "));
        holder.psql("COMMIT");
        session.finish();
        castoff.own_folder().file("2_it.up.sql", format!("-- Transaction: none\n{sql}"));
        let told = told(&traced(&castoff, &["2"]));
        assert!(told.iter().any(|lock| lock.starts_with(table)), "{sql}: {told:?}");
        let lacks: Vec<_> = expected.iter().filter(|lock| !told.contains(lock)).collect();
        assert!(lacks.is_empty(), "{sql}: {told:?} lacks {lacks:?}");
    }
}

#[test]
fn it_says_in_words_whom_a_file_keeps_out() {
    let db = Database::empty();
    let castoff = castoff(&db).files([
        ("2_two.up.sql", "-- two things\nALTER TABLE users ADD a int;\nCREATE INDEX i ON orders (user_id);\n"),
        ("3_alone.up.sql", "-- Transaction: none\nCREATE INDEX CONCURRENTLY j ON orders (user_id);\nDROP INDEX i; CREATE TABLE n ();"),
        ("4_new.up.sql", "CREATE TABLE other (id int); CREATE INDEX k ON other (id); UPDATE users SET a = 1"),
    ]);
    castoff.clone().args(["upgrade", "1"]).run().assert_code(0);
    let run = castoff.clone().args(["trace"]).run();
    run.assert_code(0);
    for line in [
        "2 (two things), in one transaction\n",
        "  line 2: ALTER TABLE users ADD a int  (",
        "    AccessExclusiveLock on public.users: blocks reads and writes\n",
        "    ShareLock on public.orders: blocks writes\n",
        "  this file blocks writes of public.orders for ",
        "  this file blocks reads and writes of public.users for ",
        "3 (alone), without a transaction\n",
        "    ShareUpdateExclusiveLock on public.orders: blocks only schema changes\n",
        "    AccessExclusiveLock on public.orders: blocks reads and writes\n",
        "  this file blocks reads and writes of public.orders for ",
        "4 (new), in one transaction\n",
        "    updates 40 rows, scans 40 rows of public.users\n",
        "  this file blocks neither reads nor writes\n",
        "traced on a copy that holds no rows but those of the revisions",
    ] {
        run.assert_stdout(line);
    }
    assert!(!run.stdout.contains("other:"), "{run}");
    assert_eq!((db.heads().as_str(), db.tables().contains("other")), ("1", false));
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    castoff.args(["trace"]).run().assert_code(0).assert_stdout("no revision is pending");
}

#[test]
fn on_the_database_itself_it_sees_its_rows_and_changes_none() {
    let db = Database::empty();
    let castoff = castoff(&db).files([
        ("2_x.up.sql", "SET search_path TO pg_temp; UPDATE public.users SET age = 0 WHERE id <= 1000; DELETE FROM public.users WHERE id > 1500; SET ROLE none"),
        ("3_y.up.sql", "ALTER TABLE users ALTER id TYPE bigint"),
    ]);
    castoff.clone().args(["upgrade", "1"]).run().assert_code(0);
    db.psql("INSERT INTO users SELECT n, 'x', n FROM generate_series(41, 2000) n; ANALYZE users");
    let (dump, data) = (db.pg_dump(&["-s"]).len(), db.pg_dump(&["-a"]).len());
    let run = castoff.clone().args(["trace", "--rolled-back"]).run();
    run.assert_code(0).assert_stdout("    updates 1000 rows, scans 2000 rows of public.users\n");
    run.assert_stdout("    deletes 500 rows").assert_stdout("rolled back: the next revision alone");
    assert!(!run.stdout.contains("3 (y)"), "{run}");
    assert_eq!((db.pg_dump(&["-s"]).len(), db.pg_dump(&["-a"]).len()), (dump, data));
    assert!(db.advisory_locks().is_empty());

    let refused = castoff.clone().args(["trace", "3", "--rolled-back"]).run();
    refused
        .assert_code(76)
        .assert_stderr("2 is pending before 3, and its locks would be held already");
    castoff
        .clone()
        .args(["trace", "1", "--rolled-back"])
        .run()
        .assert_code(76)
        .assert_stderr("the database has 1 already");
    castoff.clone().args(["upgrade", "2"]).run().assert_code(0);
    db.psql("ANALYZE users");
    castoff
        .clone()
        .args(["trace", "3", "--rolled-back"])
        .run()
        .assert_code(0)
        .assert_stdout("    rewrites public.users, about 1500 rows\n");
    castoff.own_folder().file("3_y.up.sql", "-- Transaction: none\nVACUUM users");
    let refused = castoff.args(["trace", "--rolled-back"]).run();
    refused
        .assert_code(76)
        .assert_stderr("3 runs outside a transaction, so it cannot be rolled back");
}

#[test]
fn deferred_checks_are_part_of_it() {
    let db = Database::empty();
    let castoff = castoff(&db).files([(
        "2_x.up.sql",
        "ALTER TABLE loose ADD FOREIGN KEY (user_id) REFERENCES users DEFERRABLE INITIALLY DEFERRED; INSERT INTO loose VALUES (1, 99)",
    )]);
    castoff
        .clone()
        .args(["trace", "2"])
        .run()
        .assert_code(65)
        .assert_stderr("violates foreign key constraint");
}

#[test]
fn what_fails_is_told_with_its_place() {
    let db = Database::empty();
    let castoff =
        castoff(&db).files([("2_x.up.sql", "CREATE TABLE n ();\nSELECT nothing\n FROM users")]);
    castoff.clone().args(["upgrade", "1"]).run().assert_code(0);
    for arguments in [&["trace", "2"][..], &["trace", "--rolled-back"]] {
        let run = castoff.clone().args(arguments.iter().copied()).run();
        run.assert_code(65).assert_stderr("error: failed to trace 2 (x)\n");
        run.assert_stderr("2_x.up.sql:2:8\n").assert_stderr("column \"nothing\" does not exist");
    }
    castoff.clone().args(["trace", "base"]).run().assert_code(64);
    castoff.clone().args(["trace", "9"]).run().assert_code(64);
    castoff.own_folder().remove("1_base.up.sql");
    castoff.own_folder().file("1_base.baseline.sql", BASE);
    castoff.args(["trace", "1"]).run().assert_code(64).assert_stderr("1 is a baseline");
}

#[test]
fn a_lock_that_cannot_be_had_is_no_fault_of_the_file() {
    let db = Database::empty();
    let castoff = castoff(&db)
        .files([("2_x.up.sql", "ALTER TABLE users ADD a int")])
        .env("CASTOFF_LOCK_TIMEOUT", "200ms");
    castoff.clone().args(["upgrade", "1"]).run().assert_code(0);
    let castoff = castoff.args(["trace", "--rolled-back"]);
    let mut reader = db.session();
    reader.psql("BEGIN; SELECT count(*) FROM users");
    castoff.run().assert_code(75).assert_stderr("2 could not get its locks within 0.2 s");
    reader.psql("COMMIT");
    let _held = db.migration_lock();
    castoff.run().assert_code(75).assert_stderr("somebody else is migrating (pid ");
}

fn author(db: &Database) -> Role {
    db.role("author").owner().option("CREATEDB").create()
}

#[test]
fn a_signal_ends_it_and_leaves_no_copy() {
    let db = Database::empty();
    let role = author(&db);
    let castoff = castoff(&db).url(role.url()).files([("2_x.up.sql", "SELECT pg_sleep(1000)")]);
    let castoff = castoff.args(["trace", "2"]);
    let running = castoff.spawn();
    let copies = || {
        db.psql(&format!("SELECT count(*) FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE r.rolname = '{}' AND d.datname LIKE 'castoff_scratch%'", role.name()))
    };
    eventually(SOON, || {
        let sleeping = db.psql(&format!(
            "SELECT count(*) FROM pg_stat_activity WHERE usename = '{}' AND wait_event = 'PgSleep'",
            role.name()
        ));
        if sleeping == "1" { Ok(()) } else { Err(sleeping + &running.output()) }
    });
    assert_eq!(copies(), "1");
    running.signal(Signal::Term);
    running.wait(SOON).assert_code(143);
    assert_eq!(copies(), "0");
}

#[test]
fn a_copy_of_an_empty_database_begins_where_its_baseline_ends() {
    let db = Database::empty();
    let role = author(&db);
    let castoff = Castoff::new(&db).url(role.url()).env("CASTOFF_LOG_FORMAT", "text").files([
        ("1_a.baseline.sql", "CREATE TABLE a (id int);"),
        ("2_b.up.sql", "-- Transaction: none\nCREATE INDEX CONCURRENTLY i ON a (id)"),
        ("3_c.up.sql", "-- Revises: 1\nALTER TABLE a ADD c int"),
        ("4_d.up.sql", "-- Revises: 2, 3\nDROP TABLE a"),
    ]);
    let run = castoff.args(["trace", "--json"]).run();
    let said: Value = serde_json::from_str(&run.assert_code(0).stdout).unwrap();
    let revisions: Vec<_> = said["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["revision"].as_str().unwrap())
        .collect();
    assert_eq!((said["place"].as_str(), revisions), (Some("copy"), vec!["2", "3", "4"]));
    let blocked: Vec<_> = said["revisions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["blocked"][0]["blocks"].as_str())
        .collect();
    assert_eq!(blocked, [None, Some("reads"), Some("reads")]);
    assert!(!db.has_ledger());
}
