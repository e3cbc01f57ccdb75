//! Names that nobody knows, servers that are not there, and passwords that are wrong.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use crate::support::{Castoff, Folder, Network, Postgres, SOON, eventually};

fn castoff(network: &Network, folder: &Folder) -> Castoff {
    folder.revision("a");
    Castoff::new(network).migrations(folder)
}

#[test]
fn a_database_that_starts_ten_seconds_late_is_waited_for() {
    let (network, folder) = (Network::new(), Folder::new());
    let start = castoff(&network, &folder).start();
    start.wait_for_line("db");
    let waiting = Instant::now();
    eventually(SOON, || waiting.elapsed() >= Duration::from_secs(10));
    let db = Postgres::new_on(&network);
    let log = start.wait_for_application();
    // Before the database has a name, and as soon as it is there.
    log.assert_message("Waiting for the database").assert_message("lookup");
    log.assert_message("The database is ready after").assert_message("at head a");
    assert_eq!(log.troubles(), [""; 0]);
    assert_eq!(db.revisions(), "a upgrade");
}

#[test]
fn a_database_that_is_restarted_in_the_middle_of_a_migration_is_waited_for() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.file(
        "b_slow.up.sql",
        "-- Revises: a\nCREATE TABLE b (); INSERT INTO a VALUES (1); SELECT pg_sleep(3)",
    );
    folder.revision("c: b");
    let start = castoff(&network, &folder).start();
    db.wait_for_castoff("wait_event = 'PgSleep'");
    db.container().command("restart");
    let log = start.wait_for_application();
    log.assert_message("waiting for the database again").assert_message("at head c");
    assert_eq!(log.count("Running upgrade  -> a"), 1, "{log:#?}");
    assert_eq!(log.count("Running upgrade a -> b"), 2, "{log:#?}");
    assert_eq!(log.count("Running upgrade b -> c"), 1, "{log:#?}");
    assert_eq!(db.revisions(), "a upgrade,b upgrade,c upgrade");
    assert_eq!((db.tables(), db.psql("SELECT count(*) FROM a")), ("a,b,c".into(), "1".into()));
}

#[test]
fn a_wrong_password_is_given_some_time_and_then_is_77() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    let castoff = castoff(&network, &folder).owner("wr0ng-s3cret", "db");
    let started = Instant::now();
    let ended = castoff.env("CASTOFF_SETTLE_TIMEOUT", "2s").run();
    let took = started.elapsed();
    let log = ended.assert_error(77, "28P01 password authentication failed");
    log.assert_no_application();
    assert_eq!(log.count("Waiting for the database"), 1, "{log:#?}");
    assert!((Duration::from_secs(2)..Duration::from_secs(8)).contains(&took), "{took:?}");
    assert!(!db.has_ledger());
}

#[test]
fn a_host_that_never_gets_a_name_is_69_with_the_reason_as_the_termination_message() {
    let (network, folder) = (Network::new(), Folder::new());
    let messages = Folder::new();
    messages.file("termination-log", "");
    let file = messages.path().join("termination-log");
    fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    let castoff = castoff(&network, &folder)
        .owner("any", "no-such-host.invalid")
        .env("CASTOFF_WAIT_TIMEOUT", "2s")
        .mount(&file, "/dev/termination-log");
    let ended = castoff.run();
    let log = ended.assert_error(69, "no-such-host.invalid");
    log.assert_no_application();
    let message = fs::read_to_string(&file).unwrap();
    let said = log.messages().last().copied().unwrap_or_default();
    assert!(message.starts_with(&format!("error: {said}\n")), "{message}\n{said}");
}
