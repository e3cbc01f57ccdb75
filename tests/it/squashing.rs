//! Baselines: a new database jumps, an old one walks, and a pruned folder knows its descendants.
//!
//! ```text
//! whole     a ── b ── c ── d        c has a baseline beside its up file
//! pruned              c ── d        c is a baseline alone
//! old       a ── b
//! ```

use crate::support::{Castoff, Database};

const SCHEMA_OF_C: &str =
    "-- squashed\nCREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int);";

fn image<'a>(db: &Database, revisions: impl IntoIterator<Item = &'a str>) -> Castoff {
    let castoff = Castoff::new(db).env("CASTOFF_LOG_FORMAT", "text");
    castoff.migrations(revisions).args(["run", "--", "echo", "the app"])
}

fn whole(db: &Database) -> Castoff {
    let castoff = image(db, ["a", "b: a", "c: b", "d: c"]);
    castoff.files([("c_create_c.baseline.sql", SCHEMA_OF_C)])
}

fn pruned(db: &Database) -> Castoff {
    image(db, ["d: c"]).files([("c_squash.baseline.sql", SCHEMA_OF_C)])
}

fn old(db: &Database) -> Castoff {
    image(db, ["a", "b: a"])
}

#[test]
fn a_new_database_jumps_to_the_baseline() {
    let db = Database::empty();
    let run = whole(&db).run();
    run.assert_code(0).assert_stdout("the app\n");
    assert_eq!(db.revisions(), "a baseline,b baseline,c baseline,d upgrade");
    assert_eq!((db.heads().as_str(), db.tables().as_str()), ("d", "a,b,c,d"));
    assert!(!run.stderr.contains("a -> b"), "{run}");
}

#[test]
fn a_new_database_jumps_to_the_newest_baseline_at_or_below_the_target() {
    let newest = ("d_create_d.baseline.sql", "-- squashed again\nCREATE TABLE jumped ();");
    let db = Database::empty();
    whole(&db).files([newest]).run().assert_code(0);
    assert_eq!((db.heads().as_str(), db.tables().as_str()), ("d", "jumped"));

    let db = Database::empty();
    whole(&db).files([newest]).args(["upgrade", "c"]).run().assert_code(0);
    assert_eq!((db.heads().as_str(), db.tables().as_str()), ("c", "a,b,c"));

    let db = Database::empty();
    whole(&db).files([newest]).args(["upgrade", "b"]).run().assert_code(0);
    assert_eq!(db.revisions(), "a upgrade,b upgrade");
}

#[test]
fn an_old_database_walks_past_the_baseline() {
    let db = Database::empty();
    old(&db).run().assert_code(0);
    whole(&db).run().assert_code(0);
    assert_eq!(db.revisions(), "a upgrade,b upgrade,c upgrade,d upgrade");
    assert_eq!(db.tables(), "a,b,c,d");
}

#[test]
fn an_old_image_recognises_itself_in_a_database_made_from_a_baseline() {
    let db = Database::empty();
    whole(&db).run().assert_code(0);
    let run = old(&db).run();
    run.assert_code(0).assert_stdout("the app\n").assert_stderr("ahead of this image");
    run.assert_stderr("it has c, d too");
    assert_eq!(db.heads(), "d");
}

#[test]
fn a_pruned_folder_starts_on_each_database_that_is_at_or_past_its_baseline() {
    for upgraded_to in ["c", "d"] {
        let db = Database::empty();
        whole(&db).args(["upgrade", upgraded_to]).run().assert_code(0);
        pruned(&db).run().assert_code(0).assert_stdout("the app\n");
        assert_eq!((db.heads().as_str(), db.tables().as_str()), ("d", "a,b,c,d"));
    }
    let db = Database::empty();
    old(&db).run().assert_code(0);
    whole(&db).run().assert_code(0);
    pruned(&db).migrations(["e: d"]).run().assert_code(0);
    assert_eq!(db.tables(), "a,b,c,d,e");
}

#[test]
fn a_pruned_folder_refuses_a_database_before_its_baseline() {
    let db = Database::empty();
    old(&db).run().assert_code(0);
    let run = pruned(&db).run();
    run.assert_code(76).assert_stderr("the database is at b, before the baseline c");
    run.assert_stderr("first run an image that still contains the revisions up to c");
    assert_eq!((run.stdout.as_str(), db.tables().as_str()), ("", "a,b"));
}

#[test]
fn an_image_with_the_whole_history_starts_on_a_database_from_a_pruned_one() {
    let db = Database::empty();
    pruned(&db).run().assert_code(0);
    assert_eq!(
        (db.revisions().as_str(), db.tables().as_str()),
        ("c baseline,d upgrade", "a,b,c,d")
    );
    whole(&db).run().assert_code(0).assert_stdout("the app\n");
    whole(&db).migrations(["e: d"]).run().assert_code(0);
    // Both of a rolling deploy, again and again.
    pruned(&db).run().assert_code(0).assert_stderr("ahead of this image");
    whole(&db).run().assert_code(0).assert_stdout("the app\n");
    assert_eq!((db.heads().as_str(), db.tables().as_str()), ("e", "a,b,c,d,e"));
}

#[test]
fn an_old_image_refuses_a_database_from_a_pruned_one_that_it_cannot_recognise() {
    let db = Database::empty();
    pruned(&db).run().assert_code(0);
    let run = old(&db).run();
    run.assert_code(76).assert_stderr("the database has c, d").assert_stderr("lacks a, b");
    assert_eq!(run.stdout, "");
}

#[test]
fn a_baseline_is_what_alembics_version_is_recorded_with() {
    let db = Database::empty();
    db.psql(SCHEMA_OF_C);
    db.psql(
        "CREATE TABLE alembic_version (version_num text); INSERT INTO alembic_version VALUES ('c')",
    );
    pruned(&db).run().assert_code(0);
    assert_eq!(db.revisions(), "c adopt,d upgrade");
    assert_eq!(db.tables(), "a,alembic_version,b,c,d");
    // The baseline's file did not run, and may still not change.
    let run = pruned(&db).files([("c_squash.baseline.sql", "SELECT 1")]).run();
    run.assert_code(65);
}

#[test]
fn an_unversioned_schema_is_stamped_with_the_baseline_on_the_operators_word() {
    let db = Database::empty();
    db.psql(SCHEMA_OF_C);
    pruned(&db).run().assert_code(76);
    pruned(&db).env("CASTOFF_BASELINE", "c").run().assert_code(0);
    assert_eq!(db.revisions(), "c stamp,d upgrade");
}

#[test]
fn a_failed_baseline_leaves_nothing() {
    let db = Database::empty();
    let broken = "CREATE TABLE a (id int); SELECT 1/0;";
    let run = image(&db, []).files([("c_squash.baseline.sql", broken)]).run();
    run.assert_code(65).assert_stderr("c_squash.baseline.sql:1:");
    assert_eq!((db.has_ledger(), db.tables().as_str()), (false, ""));
}
