//! The password is in no output of any error path, at any level, in any format.
//!
//! Every run's output is searched by `support`; the termination message is searched here.

use std::fs;

use crate::support::{Castoff, Database, Folder, SENTINEL};

/// Fails in each format and at each level, and says nothing of the password anywhere.
#[track_caller]
fn fails_silently(castoff: &Castoff, code: i32, told: &str) {
    let folder = Folder::new();
    folder.file("message", "");
    let path = folder.path().join("message");
    for (format, level) in [("text", "trace"), ("json", "trace"), ("json", "error")] {
        let run = castoff
            .clone()
            .env("CASTOFF_LOG_FORMAT", format)
            .env("CASTOFF_LOG", level)
            .env("CASTOFF_TERMINATION_LOG", &path)
            .env("CASTOFF_WAIT_TIMEOUT", "150ms")
            .env("CASTOFF_SETTLE_TIMEOUT", "100ms")
            .run();
        run.assert_code(code).assert_stderr(told);
        let message = fs::read_to_string(&path).unwrap();
        assert!(!message.is_empty() && !message.contains(SENTINEL), "{message}");
    }
}

fn image(db: &Database) -> Castoff {
    Castoff::new(db).migrations(["a"]).args(["run", "--", "true"])
}

#[test]
fn the_password_is_in_no_error_about_the_way_to_the_database() {
    let db = Database::empty();
    let port = db.cluster().port();
    let url = |rest: &str| format!("postgresql://postgres:{SENTINEL}@{rest}");
    for (url, code, told) in [
        (url("127.0.0.1:1/x"), 69, "refused"),
        (url("no-such-host.invalid/x"), 69, "no-such-host.invalid"),
        (url(&format!("127.0.0.1:{port}/no_such_database")), 78, "3D000"),
        (url("%2Fno%2Fsuch%2Ffolder/x"), 69, "/no/such/folder"),
        (format!("postgresql://nobody:{SENTINEL}@127.0.0.1:{port}/x"), 77, "28P01"),
        (
            url(&format!("127.0.0.1:{port}/postgres?options=-cno_such_setting%3D1")),
            78,
            "no_such_setting",
        ),
    ] {
        fails_silently(&image(&db).url(url), code, told);
    }
}

#[test]
fn the_password_is_in_no_error_about_the_url() {
    let db = Database::empty();
    for url in [
        format!("postgresql://shop:{SENTINEL}@host:port/x"),
        format!("postgresql://shop:{SENTINEL}@host:99999/x"),
        format!("postgresql://shop:{SENTINEL}@[::1/x"),
        format!("postgresql://shop:{SENTINEL}%zz@host/x"),
        format!("postgresql://shop:{SENTINEL}@host/x?nonsense=1"),
        format!("postgresql://shop:{SENTINEL}@host/x?sslmode=maybe"),
        format!("postgresql://host/x?passwrd={SENTINEL}"),
        format!("postgresql://host/x?password={SENTINEL}&nonsense"),
        format!("mysql://shop:{SENTINEL}@host/x"),
        format!("shop:{SENTINEL}@host/x"),
        format!("host=h password='{SENTINEL}"),
        format!("host=h passwrd={SENTINEL}"),
        format!("host=h password={SENTINEL} {SENTINEL}"),
        SENTINEL.to_owned(),
    ] {
        fails_silently(&image(&db).url(&url), 78, "DATABASE_URL");
    }
}

#[test]
fn a_password_with_unescaped_characters_is_in_no_error() {
    let db = Database::empty();
    for sign in ["@", "/", "#", "?", ":", "%", "[", " ", "\\", "&"] {
        for password in [format!("x{sign}{SENTINEL}"), format!("{SENTINEL}{sign}x")] {
            let url = format!("postgresql://shop:{password}@127.0.0.1:1/shop");
            let castoff = image(&db).url(url).env("CASTOFF_LOG", "trace");
            let castoff = castoff.env("CASTOFF_WAIT_TIMEOUT", "50ms");
            // Some of them are libpq's own way to read it, and some are errors.
            let run = castoff.run();
            assert!(matches!(run.code(), Some(69 | 78)), "{sign}\n{run}");
            castoff.args(["settings"]).run();
        }
    }
}

#[test]
fn a_url_in_the_wrong_place_is_not_repeated() {
    let db = Database::empty();
    let url = db.url();
    for variable in [
        "CASTOFF_SCHEMA",
        "CASTOFF_MIGRATIONS_DIR",
        "CASTOFF_BASELINE",
        "CASTOFF_MODE",
        "CASTOFF_WAIT_TIMOUT",
        "CASTOFF_AHEAD",
        "CASTOFF_APPLICATION",
        "CASTOFF_ENV",
        "CASTOFF_BACKUP_PATH",
        "PGHOST",
        "PGPORT",
        "PGSSLMODE",
        "PGDATABASE",
        "DATABASE_URL_FILE",
        "CASTOFF_DATABASE_URL_FILE",
        "PGPASSWORD_FILE",
    ] {
        let castoff = Castoff::without_database().migrations(["a"]).args(["current"]);
        let castoff = castoff.env(variable, &url).env("CASTOFF_LOG", "trace");
        let run = castoff.env("CASTOFF_WAIT_TIMEOUT", "50ms").run();
        assert_ne!(run.code(), Some(0), "{variable}\n{run}");
    }
    // The secret itself in place of a file that holds it.
    for variable in ["PGPASSWORD_FILE", "DATABASE_URL_FILE"] {
        let castoff =
            Castoff::without_database().env(variable, SENTINEL).env("PGHOST", "localhost");
        castoff.args(["current"]).run().assert_code(78).assert_stderr(variable);
    }
    let long = format!("--schema={url}");
    let secret = format!("--database-url={url}");
    let joined = format!("DATABASE_URL={url}");
    for arguments in [
        &["upgrade", &url][..],
        &["upgrade", &long],
        &["upgrade", &secret],
        &["run", &url],
        &[&url],
        &["run", "--", &url],
        &["run", "--", &joined, "true"],
        &["wait", "--revision", &url],
        &["plan", "--downgrade", &url],
        &["stamp", "head", "--database", &url],
        &["show", SENTINEL, &url],
    ] {
        for database in ["postgresql://127.0.0.1:1/x", &url] {
            let castoff = Castoff::without_database().url(database);
            let run = castoff.args(arguments.iter().copied()).run();
            assert!(matches!(run.code(), Some(64 | 78 | 127)), "{arguments:?}\n{run}");
        }
    }
}

#[test]
fn the_password_is_in_no_error_about_the_migration() {
    let db = Database::empty();
    let file = |sql: String| image(&db).files([("a_create_a.up.sql", sql)]);
    fails_silently(&file("SELECT 1/0".to_owned()), 65, "22012");
    fails_silently(&file("TABLE missing".to_owned()), 65, "42P01");
    // Should the server repeat it, it leaves as stars.
    fails_silently(&file(format!("DO $$ BEGIN RAISE '{SENTINEL}'; END $$")), 65, "P0001 ***");
    fails_silently(&file(format!("SELECT '{SENTINEL}'::int")), 65, "***");
    let nobody = db.role("nobody").create();
    fails_silently(&image(&db).url(nobody.url()), 77, "may not create the ledger's schema");
}

#[test]
fn the_password_is_in_no_refusal() {
    let db = Database::empty();
    db.psql("CREATE TABLE unknown ()");
    fails_silently(&image(&db), 76, "table public.unknown");
    fails_silently(&image(&db).env("CASTOFF_BASELINE", SENTINEL), 78, "CASTOFF_BASELINE");
    fails_silently(&image(&db).args(["run", "--", "no-such-app"]), 127, "no-such-app");
}

#[test]
fn a_notice_with_the_password_leaves_as_stars() {
    let db = Database::empty();
    let notice = format!("DO $$ BEGIN RAISE NOTICE 'it is {SENTINEL}'; END $$");
    let run = image(&db).files([("a_create_a.up.sql", notice)]).run();
    run.assert_code(0).assert_stderr("it is ***");
}
