//! Taking revisions back: down files of this image and of another, in a transaction and outside.

use crate::support::{Castoff, Database, SOON, Signal, eventually};

fn castoff(db: &Database) -> Castoff {
    Castoff::new(db).env("CASTOFF_LOG_FORMAT", "text").files([
        ("1_a.up.sql", "CREATE TABLE a (n int);"),
        ("1_a.down.sql", "DROP TABLE a;"),
        ("2_b.up.sql", "-- Transaction: none\nCREATE TABLE b (n int); CREATE INDEX CONCURRENTLY i ON b (n);"),
        ("2_b.down.sql", "-- Transaction: none\nDROP INDEX CONCURRENTLY i;\nBEGIN; CREATE TABLE undone (); COMMIT;\nDROP TABLE b;"),
    ])
}

fn ledger(db: &Database) -> String {
    db.psql("SELECT revision, head, statements_undone FROM castoff.revision ORDER BY 1")
}

#[test]
fn down_files_take_everything_back_newest_first() {
    let db = Database::empty();
    let castoff = castoff(&db);
    let before = db.dump();
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    let run = castoff.clone().args(["downgrade", "base"]).run();
    run.assert_code(0)
        .assert_stderr("Running downgrade 2 -> 1, b")
        .assert_stderr("Running downgrade 1 -> , a");
    assert_eq!(ledger(&db), "");
    db.psql("DROP TABLE undone");
    assert_eq!(db.dump(), before);
    castoff.args(["upgrade"]).run().assert_code(0);
    assert_eq!(ledger(&db), "1|f|\n2|t|");
}

#[test]
fn a_down_file_that_fails_in_its_transaction_changes_nothing() {
    let db = Database::empty();
    let castoff = castoff(&db).files([("1_a.down.sql", "DROP TABLE a;\nSELECT 1 / 0;")]);
    castoff.clone().args(["upgrade", "1"]).run().assert_code(0);
    castoff
        .clone()
        .args(["downgrade", "base"])
        .run()
        .assert_code(65)
        .assert_stderr("1_a.down.sql:2");
    assert_eq!(db.psql("SELECT to_regclass('a')"), "a");
    assert_eq!(ledger(&db), "1|t|");
}

#[test]
fn a_down_file_outside_a_transaction_goes_on_where_it_stopped() {
    let db = Database::empty();
    let castoff = castoff(&db);
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    db.psql("CREATE VIEW in_the_way AS SELECT * FROM b");
    castoff
        .clone()
        .args(["downgrade", "1"])
        .run()
        .assert_code(65)
        .assert_stderr("2_b.down.sql:4:1");
    assert_eq!(ledger(&db), "1|f|\n2|f|4");

    // Neither a start nor a check takes it for anything else.
    castoff
        .clone()
        .args(["upgrade"])
        .run()
        .assert_code(65)
        .assert_stderr("a downgrade of 2 stopped after 4 of its statements");
    db.psql("DROP VIEW in_the_way");
    let run = castoff.clone().args(["downgrade", "1"]).run();
    run.assert_code(0).assert_stderr("Going on with 2 after 4 of its statements");
    assert_eq!(ledger(&db), "1|t|");
    assert_eq!(db.psql("SELECT to_regclass('b'), to_regclass('undone')"), "|undone");
}

#[test]
fn a_down_file_that_was_killed_goes_on() {
    let db = Database::empty();
    let castoff = castoff(&db);
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    let mut session = db.session();
    session.psql("BEGIN; INSERT INTO b VALUES (1)");
    let downgrade = castoff.args(["downgrade", "1"]);
    let running = downgrade.spawn();
    eventually(SOON, || db.backends().iter().any(|it| it.wait_event == "virtualxid"));
    running.signal(Signal::Kill);
    running.wait(SOON);
    eventually(SOON, || db.backends().is_empty());
    assert_eq!(ledger(&db), "1|f|\n2|f|0");
    session.psql("COMMIT");
    downgrade.run().assert_code(0);
    assert_eq!(ledger(&db), "1|t|");
    assert_eq!(db.psql("SELECT to_regclass('b'), to_regclass('i')"), "|");
}

#[test]
fn an_older_image_takes_back_what_it_never_contained() {
    let db = Database::empty();
    let castoff = castoff(&db);
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    castoff.own_folder().remove("2_b.up.sql");
    castoff.own_folder().remove("2_b.down.sql");
    castoff.clone().args(["run", "--", "true"]).run().assert_code(0);
    assert_eq!(ledger(&db), "1|f|\n2|t|");
    castoff.args(["downgrade", "1"]).run().assert_code(0);
    assert_eq!(ledger(&db), "1|t|");
    assert_eq!(db.psql("SELECT to_regclass('b'), to_regclass('undone')"), "|undone");
}

#[test]
fn a_kept_down_file_runs_as_it_was_written() {
    let db = Database::empty();
    let down = "\u{feff}-- Statement-Timeout: 3m\r\nCREATE TABLE seen AS SELECT 'it''s \\ é $$' AS a, current_setting('statement_timeout') AS b;\r\n\
                COPY seen FROM stdin;\r\nx\\ty\tz\r\n\\.\r\n";
    let castoff = castoff(&db).files([("2_b.down.sql", down)]);
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    castoff.own_folder().remove("2_b.up.sql");
    castoff.own_folder().remove("2_b.down.sql");
    castoff.args(["downgrade", "1"]).run().assert_code(0);
    assert_eq!(db.psql("TABLE seen"), "it's \\ é $$|3min\nx\ty|z");
}

#[test]
fn a_kept_down_file_that_fails_is_named_with_its_line_and_goes_on() {
    let db = Database::empty();
    let castoff = castoff(&db);
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    castoff.own_folder().remove("2_b.up.sql");
    castoff.own_folder().remove("2_b.down.sql");
    db.psql("CREATE VIEW in_the_way AS SELECT * FROM b");
    let downgrade = castoff.args(["downgrade", "1"]);
    downgrade
        .run()
        .assert_code(65)
        .assert_stderr("Running downgrade 2 -> 1, b")
        .assert_stderr("error: failed to run statement 5 of 2 (b)")
        .assert_stderr("at 2.down.sql, kept in \"castoff\".revision:4:1")
        .assert_stderr("| DROP TABLE b;")
        .assert_stderr("hint: its SQL is kept in the ledger");
    db.psql("DROP VIEW in_the_way");
    downgrade.run().assert_code(0).assert_stderr("Going on with 2 after 4 of its statements");
    assert_eq!(ledger(&db), "1|t|");
}

#[test]
fn a_revision_without_a_down_file_is_not_taken_back() {
    let db = Database::empty();
    let castoff = castoff(&db);
    castoff.own_folder().remove("1_a.down.sql");
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    castoff
        .args(["downgrade", "base"])
        .run()
        .assert_code(65)
        .assert_stderr("revision 1 cannot be taken back");
    assert_eq!(ledger(&db), "1|f|\n2|t|");
}
