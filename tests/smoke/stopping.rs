//! `docker stop` in each phase: it ends in time, with the right code, and nothing of it goes on.

use crate::support::{APPLICATIONS_CODE, Castoff, Container, Folder, Network, Postgres};

/// Stops castoff before it has become the application.
#[track_caller]
fn assert_stops(start: &Container) {
    let stopped = start.stop();
    let log = stopped.in_time().assert_error(143, "stopped by SIGTERM");
    log.assert_no_application();
}

#[test]
fn while_the_host_has_no_name() {
    let (network, folder) = (Network::new(), Folder::new());
    folder.revision("a");
    let start = Castoff::new(&network).migrations(&folder).start();
    start.wait_for_line("Waiting for the database");
    assert_stops(&start);
}

#[test]
fn while_a_name_server_says_nothing() {
    let (network, folder) = (Network::new(), Folder::new());
    folder.revision("a");
    // An address of RFC 5737, where nobody is.
    let castoff = Castoff::new(&network).migrations(&folder).flag("--dns", "192.0.2.1");
    let castoff = castoff.owner("any", "a-host.example").env("CASTOFF_CONNECT_TIMEOUT", "1s");
    let start = castoff.start();
    start.wait_for_line("no answer within 1s");
    assert_stops(&start);
}

#[test]
fn while_the_server_is_not_there() {
    let (network, folder) = (Network::new(), Folder::new());
    folder.revision("a");
    let nobody = Castoff::new(&network).flag("--network-alias", "db").program("/application", &[]);
    let nobody = nobody.start();
    let start = Castoff::new(&network).migrations(&folder).start();
    start.wait_for_line("refused");
    assert_stops(&start);
    nobody.stop().in_time().assert_code(APPLICATIONS_CODE);
}

#[test]
fn while_the_server_is_frozen() {
    let (network, folder) = (Network::new(), Folder::new());
    folder.revision("a");
    let db = Postgres::start(&network);
    db.container().command("pause");
    let start = Castoff::new(&network).migrations(&folder);
    let start = start.env("CASTOFF_CONNECT_TIMEOUT", "1s").start();
    start.wait_for_line("no answer within 1s");
    assert_stops(&start);
    db.container().command("unpause");
    db.assert_soon_rid_of_castoff();
}

#[test]
fn while_another_start_migrates_and_then_that_one_in_its_statement() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.revision("a");
    folder.file("b_slow.up.sql", "-- Revises: a\nCREATE TABLE b (); SELECT pg_sleep(600)");
    let castoff = Castoff::new(&network).migrations(&folder);
    let leader = castoff.start();
    db.wait_for_castoff("wait_event = 'PgSleep'");
    let follower = castoff.start();
    follower.wait_for_line("Another start is migrating");
    assert_stops(&follower);
    db.wait_for_castoff("wait_event = 'PgSleep'");
    assert_stops(&leader);
    db.assert_soon_rid_of_castoff();
    assert_eq!((db.revisions(), db.tables()), ("a upgrade".into(), "a".into()));
}

#[test]
fn while_an_index_is_built_concurrently_which_the_next_start_builds_anew() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.revision("a");
    folder.file(
        "b_index.up.sql",
        "-- Revises: a\n-- Transaction: none\nCREATE INDEX CONCURRENTLY i ON a (id)",
    );
    db.hold("SELECT 1");
    let castoff = Castoff::new(&network).migrations(&folder);
    let start = castoff.start();
    db.wait_for_castoff("wait_event_type = 'Lock' AND query LIKE '%CONCURRENTLY%'");
    assert_stops(&start);
    db.assert_soon_rid_of_castoff();
    let valid = "SELECT indisvalid FROM pg_index WHERE indrelid = 'a'::regclass";
    assert_eq!(db.psql(valid), "f");
    db.let_go();
    let start = castoff.start();
    start.wait_for_application();
    assert_eq!((db.psql(valid), db.heads()), ("t".into(), "b".into()));
}
