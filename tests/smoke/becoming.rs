//! The application is the container's first process, and nothing of castoff's is in it.

use crate::support::{APPLICATIONS_CODE, Castoff, Folder, Network, Postgres};

#[test]
fn the_application_is_pid_1_with_nothing_of_castoffs_and_gets_sigterm() {
    let network = Network::new();
    let db = Postgres::start(&network);
    let folder = Folder::new();
    folder.revision("a");
    let start =
        Castoff::new(&network).migrations(&folder).args(&["/application", "a b", ""]).start();
    start.wait_for_application();
    assert_eq!(
        start.exec(&["/application", "processes"]).lines().next(),
        Some("1 0 S application")
    );
    // What Docker sets, and what the test has; castoff's own secret is gone.
    assert_eq!(
        start.exec(&["/application", "environ", "1"]),
        "CASTOFF_MIGRATIONS_DIR DATABASE_URL HOME HOSTNAME PATH"
    );
    let stopped = start.stop();
    let log = stopped.in_time().assert_code(APPLICATIONS_CODE);
    assert_eq!(log.troubles(), [""; 0]);
    log.assert_message("The database is at head a");
    assert_eq!(log.application.last().unwrap(), "got SIGTERM");
    assert_eq!(log.told("pid"), "1");
    assert_eq!(log.told("arguments"), r#"["/application", "a b", ""]"#);
    assert_eq!(log.told("descriptors"), "0 1 2");
    assert_eq!(log.told("environment"), "CASTOFF_MIGRATIONS_DIR DATABASE_URL HOME HOSTNAME PATH");
    assert_eq!(log.told("Uid"), "1000620000 1000620000 1000620000 1000620000");
    assert_eq!(log.told("Gid"), "0 0 0 0");
    for nothing in ["SigBlk", "CapEff"] {
        assert_eq!(log.told(nothing), "0000000000000000", "{nothing}");
    }
    // SIGPIPE alone: the application's own runtime ignores it.
    assert_eq!(log.told("SigIgn"), "0000000000001000");
    assert_eq!(log.told("NoNewPrivs"), "1");
    assert_eq!((db.heads(), db.tables()), ("a".to_owned(), "a".to_owned()));
}

#[test]
fn an_application_that_is_not_there_costs_no_migration() {
    let network = Network::new();
    let db = Postgres::start(&network);
    let folder = Folder::new();
    folder.revision("a");
    let castoff = Castoff::new(&network).migrations(&folder);
    castoff.clone().args(&["/no/such/file"]).run().assert_error(127, "/no/such/file");
    castoff.args(&["/migrations"]).run().assert_error(126, "/migrations");
    assert!(!db.has_ledger());
}
