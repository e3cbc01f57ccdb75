//! What a start decides, given what the ledger says.

use crate::support::{Castoff, Database};

const START: [&str; 4] = ["run", "--", "echo", "the app"];

/// A start of an image with these revisions; its log is text.
fn image<'a>(db: &Database, revisions: impl IntoIterator<Item = &'a str>) -> Castoff {
    Castoff::new(db).migrations(revisions).env("CASTOFF_LOG_FORMAT", "text").args(START)
}

/// An image whose only revision `1` has this up file.
fn with_file(db: &Database, content: &str) -> Castoff {
    image(db, []).files([("1_a.up.sql", content.to_owned())])
}

#[test]
fn an_empty_database_gets_every_revision() {
    let db = Database::empty();
    let run = image(&db, ["a", "b: a", "c: a", "d: b, c"]).run();
    run.assert_code(0).assert_stdout("the app\n");
    run.assert_stderr("Running upgrade  -> a, create a");
    run.assert_stderr("Running upgrade b, c -> d, create d");
    assert_eq!(db.heads(), "d");
    assert_eq!(db.revisions(), "a upgrade,b upgrade,c upgrade,d upgrade");
    assert_eq!(db.tables(), "a,b,c,d");
}

#[test]
fn an_older_database_gets_the_revisions_that_it_lacks() {
    let db = Database::empty();
    image(&db, ["a", "b: a"]).run().assert_code(0);
    let run = image(&db, ["a", "b: a", "c: b"]).run();
    run.assert_code(0).assert_stdout("the app\n").assert_stderr("Running upgrade b -> c, create c");
    assert!(!run.stderr.contains("-> a") && !run.stderr.contains("-> b"), "{run}");
    assert_eq!(db.tables(), "a,b,c");
}

#[test]
fn a_start_at_head_writes_nothing() {
    let db = Database::empty();
    let castoff = image(&db, ["a", "b: a"]);
    castoff.run().assert_code(0);
    let rows = "SELECT string_agg(revision || xmin || ctid, ',') FROM castoff.revision";
    let before = db.psql(rows);
    castoff.run().assert_code(0).assert_stdout("the app\n");
    assert_eq!(db.psql(rows), before);
}

#[test]
fn who_waits_for_the_head_is_refused_what_a_start_is_refused() {
    let db = Database::empty();
    let breaking = "-- drop the old price\n-- Revises: a\n-- Breaking: yes\nDROP TABLE a;";
    image(&db, ["a"]).files([("b_drop.up.sql", breaking)]).run().assert_code(0);
    let old = image(&db, ["a"]);
    let by_mode = old.clone().env("CASTOFF_MODE", "wait").run();
    by_mode.assert_code(76).assert_stderr("`Breaking: yes`");
    assert_eq!(by_mode.stdout, "");
    old.clone().args(["wait", "head"]).run().assert_code(76).assert_stderr("`Breaking: yes`");
    // Who names the revision has said all that it wants.
    old.args(["wait", "a"]).run().assert_code(0);
}

#[test]
fn an_older_image_starts_with_a_warning() {
    let db = Database::empty();
    image(&db, ["a", "b: a", "c: b"]).run().assert_code(0);
    let run = image(&db, ["a"]).run();
    run.assert_code(0).assert_stdout("the app\n");
    run.assert_stderr(
        "warning: The database is ahead of this image, which knows revisions up to a",
    );
    run.assert_stderr("it has b, c too");
    assert_eq!(db.heads(), "c");
}

#[test]
fn an_older_image_does_not_start_if_it_is_told_to_refuse() {
    let db = Database::empty();
    image(&db, ["a", "b: a"]).run().assert_code(0);
    let run = image(&db, ["a"]).env("CASTOFF_AHEAD", "refuse").run();
    run.assert_code(76).assert_stderr("the database is ahead of this image by b");
    assert_eq!(run.stdout, "");
}

#[test]
fn an_older_image_does_not_start_on_a_breaking_revision_and_says_why() {
    let db = Database::empty();
    let breaking = "-- drop the old price\n-- Revises: a\n-- Breaking: yes\nDROP TABLE a;";
    let newer = image(&db, ["a", "c: b"]).files([("b_drop.up.sql", breaking)]);
    newer.run().assert_code(0);
    let run = image(&db, ["a"]).run();
    run.assert_code(76).assert_stderr("ahead of this image by b (drop the old price)");
    run.assert_stderr("`Breaking: yes`").assert_stderr("hint: deploy an image that contains b");
    assert_eq!(run.stdout, "");
    // What breaks is what is later: an image that contains it is not concerned.
    image(&db, ["a"]).files([("b_drop.up.sql", breaking)]).run().assert_code(0);
}

#[test]
fn histories_that_diverged_are_refused() {
    let db = Database::empty();
    image(&db, ["a", "b: a"]).run().assert_code(0);
    let run = image(&db, ["a", "x: a"]).run();
    run.assert_code(76).assert_stderr("the database has b, which this image does not contain");
    run.assert_stderr("and lacks x").assert_stderr("joined by a revision with both heads");
    assert_eq!((run.stdout.as_str(), db.tables().as_str()), ("", "a,b"));
    // The way out that the hint names.
    image(&db, ["a", "b: a", "x: a", "m: b, x"]).run().assert_code(0);
    assert_eq!((db.heads(), db.tables()), ("m".to_owned(), "a,b,m,x".to_owned()));
}

#[test]
fn an_edited_file_of_an_applied_revision_is_refused_by_name() {
    let db = Database::empty();
    let castoff = image(&db, ["a", "b: a"]);
    castoff.run().assert_code(0);
    castoff.own_folder().file("a_create_a.up.sql", "-- Revises: none\nCREATE TABLE a (id bigint)");
    let run = castoff.run();
    run.assert_code(65).assert_stderr("files of applied revisions have changed since: a (applied");
    assert_eq!(run.stdout, "");
}

#[test]
fn comments_white_space_line_ends_and_a_byte_order_mark_are_no_edit() {
    let db = Database::empty();
    with_file(&db, "-- first\nCREATE TABLE a (id int, t text DEFAULT 'x');\n").run().assert_code(0);
    for same in [
        "-- another message\n/* why */ CREATE TABLE a (id int, t text DEFAULT 'x'); -- so\n",
        "-- first\r\nCREATE TABLE a (id int,\r\n  t text DEFAULT 'x');\r\n",
        "\u{feff}-- first\nCREATE\tTABLE a(id int, t text DEFAULT 'x')",
    ] {
        with_file(&db, same).run().assert_code(0).assert_stdout("the app\n");
    }
    for other in [
        "CREATE TABLE a (id int, t text DEFAULT 'x ');",
        "CREATE TABLE a (id int, t text DEFAULT 'X');",
        "CREATE TABLE a (id int, t text DEFAULT 'x'); SELECT 1;",
    ] {
        with_file(&db, other).run().assert_code(65);
    }
}

#[test]
fn an_edit_that_lists_the_old_checksum_is_accepted() {
    let db = Database::empty();
    with_file(&db, "CREATE TABLE a (id int)").run().assert_code(0);
    let run = with_file(&db, "CREATE TABLE IF NOT EXISTS a (id int)").run();
    run.assert_code(65);
    let hint = run.stderr.lines().find_map(|line| line.split("`-- Accepts: ").nth(1)).unwrap();
    let (checksum, _) = hint.split_once('`').unwrap();
    let accepts = format!("-- a\n-- Accepts: {checksum}\nCREATE TABLE IF NOT EXISTS a (id int)");
    let castoff = with_file(&db, &accepts);
    castoff.run().assert_code(0).assert_stdout("the app\n");
    // The other chain is recorded, so that the next start is at head without a comparison.
    let plan = castoff.clone().args(["plan", "--json"]).run();
    plan.assert_stdout(r#""standing": "at_head""#).assert_stdout(r#""steps": []"#);
}

#[test]
fn stamp_records_an_edited_file_as_it_is_now() {
    let db = Database::empty();
    let castoff = image(&db, ["a", "b: a"]);
    castoff.run().assert_code(0);
    castoff.own_folder().file("a_create_a.up.sql", "-- Revises: none\nCREATE TABLE a (id bigint)");
    castoff.run().assert_code(65);
    castoff.clone().args(["stamp", "head"]).run().assert_code(0);
    castoff.run().assert_code(0).assert_stdout("the app\n");
    assert_eq!((db.heads(), db.tables()), ("b".to_owned(), "a,b".to_owned()));
}

const TWO_STATEMENTS: &str = "-- two\n-- Transaction: none\nCREATE TABLE a (); ";

#[test]
fn an_interrupted_revision_goes_on_at_its_next_statement() {
    let db = Database::empty();
    with_file(&db, &format!("{TWO_STATEMENTS} TABLE missing;")).run().assert_code(65);
    let corrected = with_file(&db, &format!("{TWO_STATEMENTS} CREATE TABLE b ();"));
    let check = corrected.clone().args(["check"]).run();
    check.assert_code(1).assert_stdout("1 stopped after 1 of its statements, and goes on there");
    let current = corrected.clone().args(["current"]).run();
    current.assert_code(0).assert_stdout("1 (upgrade stopped after 1 of its statements)");
    corrected.run().assert_code(0).assert_stdout("the app\n");
    assert_eq!((db.heads(), db.tables()), ("1".to_owned(), "a,b".to_owned()));
}

#[test]
fn an_interrupted_revision_whose_finished_statements_changed_is_refused() {
    let db = Database::empty();
    with_file(&db, &format!("{TWO_STATEMENTS} TABLE missing;")).run().assert_code(65);
    let edited = "-- two\n-- Transaction: none\nCREATE TABLE z (); CREATE TABLE b ();";
    let run = with_file(&db, edited).run();
    run.assert_code(65).assert_stderr("revision 1 stopped after 1 of its statements, and those");
    let half = with_file(&db, &format!("{TWO_STATEMENTS} CREATE TABLE b ();"));
    let downgrade = half.args(["downgrade", "base"]).run();
    downgrade.assert_code(65).assert_stderr("there is no whole revision to take back");
    assert_eq!(db.tables(), "a");
}

#[test]
fn an_older_image_does_not_start_on_half_of_a_breaking_revision() {
    let db = Database::empty();
    let old = Castoff::new(&db).migrations(["a"]).args(["run", "--", "echo", "the app"]);
    old.run().assert_code(0);
    let new = Castoff::new(&db).migrations(["a"]).files([(
        "b_rename.up.sql",
        "-- Revises: a\n-- Breaking: yes\n-- Transaction: none\n\
         ALTER TABLE a RENAME id TO number; SELECT 1 / 0;",
    )]);
    new.args(["run"]).run().assert_code(65);
    old.run().assert_code(76).assert_stderr("Breaking: yes");
    old.args(["check"]).run().assert_code(76);
}

#[test]
fn stamp_base_forgets_a_first_revision_that_stopped_half_way() {
    let db = Database::empty();
    let castoff = Castoff::new(&db)
        .files([("1_x.up.sql", "-- Transaction: none\nCREATE TABLE x (); SELECT 1 / 0;")]);
    castoff.clone().args(["run"]).run().assert_code(65);
    castoff.args(["stamp", "base"]).run().assert_code(0);
    assert_eq!(db.psql("SELECT count(*) FROM castoff.revision"), "0");
}
