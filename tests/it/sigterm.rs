//! SIGTERM to the first process of a container, which has no default actions, in each phase.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::{Castoff, Database, Proxy, SOON, Signal, eventually};

/// What `docker stop` does to a container whose first process is castoff: it ends in time, with
/// the right code, and nothing of it goes on in the server.
#[track_caller]
fn assert_sigterm_ends(castoff: &Castoff, db: &Database, phase: impl FnOnce(&dyn Fn(&str))) {
    let start = castoff.clone().under(PID_1).spawn();
    phase(&|line| drop(start.wait_for_line(line)));
    let asked = Instant::now();
    start.signal_child(Signal::Term);
    let run = start.wait(IN_TIME);
    run.assert_code(143).assert_stderr("stopped by SIGTERM");
    assert_eq!(run.stdout, "", "the app was started");
    eventually(IN_TIME.saturating_sub(asked.elapsed()), || {
        let left = db.backends();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
}

/// How soon after the signal all is over.
const IN_TIME: Duration = Duration::from_secs(2);

const PID_1: [&str; 4] = ["unshare", "--pid", "--fork", "--kill-child"];

fn castoff(db: &Database) -> Castoff {
    Castoff::new(db).args(["run", "--", "echo", "the app"])
}

/// One whose table is locked for as long as this session lives.
fn locked(db: &Database, table: &str) -> crate::support::Session {
    let mut holder = db.session();
    holder.psql(&format!("BEGIN; LOCK TABLE {table}"));
    holder
}

/// The statement was cancelled; the server did not find out by itself that its client was gone.
#[track_caller]
fn assert_cancelled(db: &Database) {
    let log = db.server_log();
    let cancelled = log.iter().any(|it| it.contains("canceling statement due to user request"));
    assert!(cancelled, "{log:#?}");
}

fn wait_for_a_blocked_backend(db: &Database) {
    eventually(SOON, || {
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'castoff' \
                     AND datname = current_database() AND wait_event_type = 'Lock'";
        db.psql(waits) == "1"
    });
}

#[test]
fn while_the_server_refuses() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    proxy.refuse();
    let castoff = castoff(&db).migrations(["a"]).through(&proxy);
    assert_sigterm_ends(&castoff, &db, |wait_for_line| wait_for_line("Connection refused"));
}

#[test]
fn while_the_server_is_silent() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    proxy.black_hole();
    let castoff = castoff(&db).migrations(["a"]).through(&proxy);
    assert_sigterm_ends(&castoff, &db, |_| eventually(SOON, || proxy.open_connections() == 1));
}

#[test]
fn while_another_start_migrates() {
    let db = Database::empty();
    let _leader = db.migration_lock();
    let castoff = castoff(&db).migrations(["a"]);
    assert_sigterm_ends(&castoff, &db, |wait_for_line| wait_for_line("Another start is migrating"));
}

#[test]
fn while_the_ledger_is_read() {
    let db = Database::empty();
    let castoff = castoff(&db).migrations(["a"]);
    castoff.run().assert_code(0);
    let _holder = locked(&db, "castoff.revision");
    assert_sigterm_ends(&castoff, &db, |_| wait_for_a_blocked_backend(&db));
}

#[test]
fn while_alembics_table_is_read() {
    let db = Database::empty();
    db.psql("CREATE TABLE alembic_version (version_num text)");
    let _holder = locked(&db, "alembic_version");
    let castoff = castoff(&db).migrations(["a"]);
    assert_sigterm_ends(&castoff, &db, |_| wait_for_a_blocked_backend(&db));
}

#[test]
fn while_a_long_statement_runs() {
    let db = Database::empty();
    let castoff =
        castoff(&db).files([("a_slow.up.sql", "CREATE TABLE a (); SELECT pg_sleep(600)")]);
    assert_sigterm_ends(&castoff, &db, |_| {
        eventually(SOON, || db.backends().iter().any(|it| it.wait_event == "PgSleep"));
    });
    assert_cancelled(&db);
    assert_eq!(
        db.psql("SELECT to_regclass('a') IS NULL, to_regnamespace('castoff') IS NULL"),
        "t|t"
    );
}

#[test]
fn while_an_index_is_built_concurrently() {
    let db = Database::empty();
    let castoff = castoff(&db).migrations(["a"]).files([(
        "b_index.up.sql",
        "-- Revises: a\n-- Transaction: none\nCREATE INDEX CONCURRENTLY i ON a (id)",
    )]);
    let mut snapshot = db.session();
    snapshot.psql("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    assert_sigterm_ends(&castoff, &db, |_| wait_for_a_blocked_backend(&db));
    assert_cancelled(&db);
    snapshot.psql("COMMIT");
    let valid = "SELECT bool_and(indisvalid) FROM pg_index WHERE indrelid = 'a'::regclass";
    assert_eq!(db.psql(valid), "f");
    castoff.run().assert_code(0).assert_stdout("the app");
    assert_eq!(db.psql(valid), "t");
}

#[test]
fn while_rows_are_copied() {
    let db = Database::empty();
    let rows = "a row of the many that no buffer on the way can hold\n".repeat(200_000);
    let castoff = castoff(&db).files([(
        "a_copy.up.sql",
        format!(
            "CREATE TABLE a (x text);
             CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_sleep(600); RETURN NULL; END';
             CREATE TRIGGER pause BEFORE INSERT ON a FOR EACH ROW EXECUTE FUNCTION pause();
             COPY a FROM stdin;\n{rows}\\.\n"
        ),
    )]);
    assert_sigterm_ends(&castoff, &db, |_| {
        eventually(SOON, || db.backends().iter().any(|it| it.wait_event == "PgSleep"));
    });
    assert_cancelled(&db);
    assert_eq!(db.psql("SELECT to_regclass('a') IS NULL"), "t");
}

#[test]
fn in_the_pause_before_another_try_for_a_lock() {
    let db = Database::empty();
    let castoff = castoff(&db)
        .migrations(["a"])
        .files([("b_alter.up.sql", "-- Revises: a\nALTER TABLE a ADD COLUMN b int")])
        .env("CASTOFF_LOCK_TIMEOUT", "50ms");
    castoff.clone().args(["upgrade", "a"]).run().assert_code(0);
    let _holder = locked(&db, "a");
    assert_sigterm_ends(&castoff, &db, |wait_for_line| {
        // A pause that has lasted longer than any try.
        wait_for_line("b gave way (55P03");
        eventually(SOON, || {
            let idle = "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid) \
                        WHERE l.locktype = 'advisory' AND a.datname = current_database() \
                        AND a.state = 'idle' AND now() - a.state_change > '200 ms'";
            db.psql(idle) == "1"
        });
    });
}

#[test]
fn just_before_exec() {
    let db = Database::empty();
    let castoff = castoff(&db).migrations(["a"]);
    castoff.run().assert_code(0);
    // Its last words before it becomes the app go to a pipe that is full.
    let path = castoff.own_folder().path().with_extension("stderr");
    let mut stderr = full_pipe(&path);
    let script = format!("exec \"$@\" 2>'{}'", path.display());
    let before = sessions(&db);
    let stalled =
        PID_1.map(str::to_owned).into_iter().chain(["sh", "-c", &script, "sh"].map(str::to_owned));
    let start = castoff.clone().under(stalled).spawn();
    eventually(SOON, || sessions(&db) > before && sessions(&db) == goodbyes(&db));
    start.signal_child(Signal::Term);
    let mut said = read_all(&mut stderr);
    let run = start.wait(IN_TIME);
    run.assert_code(143);
    assert_eq!(run.stdout, "", "the app was started");
    said += &read_all(&mut stderr);
    let said = said.trim_start_matches('.');
    assert!(said.contains("at head a") && said.contains("stopped by SIGTERM"), "{said}");
    std::fs::remove_file(path).unwrap();
}

/// How many sessions castoff has opened in this database.
fn sessions(db: &Database) -> usize {
    db.server_log().iter().filter(|line| line.contains("application_name=castoff")).count()
}

/// How many of them have ended.
fn goodbyes(db: &Database) -> usize {
    db.server_log().iter().filter(|line| line.contains("app=castoff LOG:  disconnection")).count()
}

/// A pipe with a name that takes nothing more until it is read.
fn full_pipe(path: &Path) -> File {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut pipe =
        OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(path).unwrap();
    let full = loop {
        if let Err(error) = pipe.write_all(&[b'.'; 4096]) {
            break error;
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    pipe
}

fn read_all(pipe: &mut File) -> String {
    let mut text = Vec::new();
    let end = pipe.read_to_end(&mut text).unwrap_err();
    assert_eq!(end.kind(), ErrorKind::WouldBlock);
    String::from_utf8(text).unwrap()
}
