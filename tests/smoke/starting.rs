//! Fresh, again, several at once, and images older than the database.

use crate::support::{Castoff, Container, Folder, Image, Network, Postgres, SOON, eventually};

#[test]
fn a_fresh_database_is_brought_to_head_and_a_second_start_finds_it_there() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.line(3);
    let castoff = Castoff::new(&network).migrations(&folder);
    let first = castoff.start();
    let log = first.wait_for_application();
    assert_eq!(log.troubles(), [""; 0]);
    assert_eq!(log.count("Running upgrade"), 3, "{log:#?}");
    log.assert_message("The database is at head 0003");
    assert_eq!(db.revisions(), "0001 upgrade,0002 upgrade,0003 upgrade");
    assert_eq!(db.tables(), "t0001,t0002,t0003");
    assert_eq!(db.psql("SELECT DISTINCT applied_by FROM castoff.revision"), "shop");

    let ledger = db.psql("SELECT * FROM castoff.revision ORDER BY 1");
    let second = castoff.start();
    assert_eq!(second.wait_for_application().messages(), ["The database is at head 0003"]);
    assert_eq!(db.psql("SELECT * FROM castoff.revision ORDER BY 1"), ledger);
}

#[test]
fn of_three_replicas_at_once_one_migrates_and_all_become_the_application() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.revision("a");
    // Whoever migrates waits until all three have met.
    folder.file(
        "b_gate.up.sql",
        "-- Revises: a\n-- Lock-Timeout: 5m\nCREATE TABLE b (); SELECT pg_advisory_xact_lock(1)",
    );
    db.hold("SELECT pg_advisory_lock(1)");
    let castoff = Castoff::new(&network).migrations(&folder);
    let replicas = [castoff.start(), castoff.start(), castoff.start()];
    let waiting = || {
        let said = |it: &&Container| it.log().count("Another start is migrating") > 0;
        replicas.iter().filter(said).count()
    };
    eventually(SOON, || waiting() == 2);
    db.let_go();
    let logs = replicas.each_ref().map(|replica| replica.wait_for_application());
    for log in &logs {
        assert_eq!(log.troubles(), [""; 0]);
        log.assert_message("The database is at head b");
    }
    let applied = logs.each_ref().map(|log| log.count("Running upgrade"));
    assert_eq!((applied.iter().sum::<usize>(), applied.iter().max()), (2, Some(&2)), "{logs:#?}");
    assert_eq!((db.revisions(), db.tables()), ("a upgrade,b upgrade".into(), "a,b".into()));
}

#[test]
fn without_an_application_it_ends_when_the_schema_is_at_head() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.revision("a");
    let castoff = Castoff::new(&network).migrations(&folder);
    let ended = castoff.clone().program("/castoff", &["run"]).run();
    ended.assert_code(0).assert_message("The database is at head a");
    assert_eq!(db.heads(), "a");
    let current = castoff.program("/castoff", &["current", "--json"]).run();
    let current: serde_json::Value = serde_json::from_str(&current.assert_code(0).stdout).unwrap();
    assert!(current.to_string().contains("\"a\""), "{current}");
}

#[test]
fn an_older_image_starts_on_a_newer_database_with_a_warning() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.revision("a");
    let old = Image::bundling(&folder);
    folder.revision("b: a");
    let new = Image::bundling(&folder);
    let castoff = Castoff::new(&network);
    castoff.clone().image(&new).start().wait_for_application();
    let ledger = db.psql("SELECT * FROM castoff.revision ORDER BY 1");
    let start = castoff.clone().image(&old).start();
    start.wait_for_application();
    let warning = "The database is ahead of this image, which knows revisions up to a: it has b \
                   too; starting all the same";
    assert_eq!(start.log().messages(), [warning]);
    assert_eq!(start.log().troubles(), [warning]);
    assert_eq!(db.psql("SELECT * FROM castoff.revision ORDER BY 1"), ledger);

    let refused = castoff.image(&old).env("CASTOFF_AHEAD", "refuse").run();
    refused.assert_error(76, "ahead").assert_no_application();
}

#[test]
fn an_older_image_is_refused_by_a_revision_that_breaks_it() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.revision("a");
    let old = Image::bundling(&folder);
    folder.file("b_drop.up.sql", "-- Revises: a\n-- Breaking: yes\nDROP TABLE a");
    let new = Image::bundling(&folder);
    let castoff = Castoff::new(&network);
    castoff.clone().image(&new).start().wait_for_application();
    let refused = castoff.image(&old).run();
    refused.assert_error(76, "b").assert_no_application();
    assert_eq!(db.revisions(), "a upgrade,b upgrade");
}
