//! Hazards of revisions that are to run: when they count, and what is done about them.

use std::fs;

use serde_json::Value;

use crate::support::{Castoff, Database, Pooler};

const FILES: [(&str, &str); 2] = [
    ("1_users.sql", "CREATE TABLE users (id int PRIMARY KEY, name text, fax text)"),
    ("2_contract.sql", "ALTER TABLE users DROP fax; ALTER TABLE users RENAME name TO names"),
];

const HAZARDS: [(&str, &str); 2] = [("2", "drop-column users"), ("2", "rename-column users")];

/// An image, with these hazards in its lock and no others.
fn locked(castoff: Castoff, hazards: &[(&str, &str)]) -> Castoff {
    castoff.clone().args(["lock"]).run().assert_code(0);
    let path = castoff.own_folder().path().join("castoff.lock");
    let mut lock = String::new();
    for line in fs::read_to_string(&path).unwrap().lines().filter(|line| !line.starts_with('!')) {
        lock += &format!("{line}\n");
        for (revision, hazard) in hazards {
            if line.starts_with(&format!("revision {revision} ")) {
                lock += &format!("! {hazard}\n");
            }
        }
    }
    fs::write(path, lock).unwrap();
    castoff
}

fn castoff(db: &Database) -> Castoff {
    Castoff::new(db).files(FILES).env("CASTOFF_LOG_FORMAT", "text").args(["upgrade"])
}

/// An image whose revision 2 has hazards for `users`, on a database at 1.
fn at_1(db: &Database) -> Castoff {
    let image = locked(castoff(db), &HAZARDS);
    image.clone().args(["upgrade", "1"]).run().assert_code(0);
    image
}

fn with_a_row(db: &Database) -> Castoff {
    let image = at_1(db);
    db.psql("INSERT INTO users VALUES (1, 'Ada', '1815')");
    image
}

const WARNINGS: [&str; 2] = [
    "warning: Hazard: drop-column in 2 (users holds rows)",
    "warning: Hazard: rename-column in 2 (users holds rows)",
];

#[test]
fn each_environment_and_each_word_does_with_hazards_what_it_says() {
    for (environment, word, code, warns) in [
        ("development", "", 0, true),
        ("staging", "", 0, true),
        ("", "", 0, true),
        ("production", "", 76, false),
        ("production", "warn", 0, true),
        ("production", "ignore", 0, false),
        ("development", "refuse", 76, false),
        ("", "refuse", 76, false),
        ("staging", "ignore", 0, false),
    ] {
        let db = Database::empty();
        let image = with_a_row(&db).env("CASTOFF_ENV", environment).env("CASTOFF_HAZARDS", word);
        let run = image.args(["run", "--", "echo", "the app"]).run();
        assert_eq!(run.code(), Some(code), "{environment:?} {word:?}\n{run}");
        for warning in WARNINGS {
            assert_eq!(run.stderr.contains(warning), warns, "{environment:?} {word:?}\n{run}");
        }
        assert_eq!(db.heads(), if code == 0 { "2" } else { "1" });
        assert_eq!(run.stdout, if code == 0 { "the app\n" } else { "" });
    }
}

#[test]
fn a_refusal_names_each_hazard_and_what_acknowledges_it() {
    let db = Database::empty();
    let image = with_a_row(&db).env("CASTOFF_HAZARDS", "refuse");
    let run = image.run();
    run.assert_code(76).assert_stderr(
        "error: revisions that are to run have hazards that nobody has acknowledged: drop-column \
         in 2 (users holds rows), rename-column in 2 (users holds rows)",
    );
    run.assert_stderr("`-- Allow: drop-column REASON` in 2, `-- Allow: rename-column REASON` in 2");
    run.assert_stderr("CASTOFF_HAZARDS=warn");
    // Who allows them in the file need not write the lock anew.
    let header = "-- contract\n-- Allow: drop-column nobody has one\n";
    let image = image.files([("2_contract.sql", format!("{header}{}", FILES[1].1))]);
    let run = image.run();
    run.assert_code(76).assert_stderr("acknowledged: rename-column in 2 (users holds rows)\n");
    let header = format!("{header}-- Allow: rename-column the application reads both\n");
    let image = image.files([("2_contract.sql", format!("{header}{}", FILES[1].1))]);
    let run = image.run();
    run.assert_code(0);
    assert!(!run.stderr.contains("Hazard"), "{run}");
    assert_eq!(db.heads(), "2");
}

#[test]
fn rows_count_whatever_the_table_was_called_before() {
    for (files, told) in [
        (
            vec![
                ("2_rename.sql", "ALTER TABLE users RENAME TO people"),
                ("3_drop.sql", "DROP TABLE people"),
            ],
            "drop-table in 3 (users holds rows)",
        ),
        (
            vec![("2_rename.sql", "ALTER TABLE users RENAME TO people; DROP TABLE people")],
            "drop-table in 2 (users holds rows)",
        ),
        (
            vec![
                ("2_move.sql", "CREATE SCHEMA s; ALTER TABLE users SET SCHEMA s"),
                ("3_drop.sql", "DROP TABLE s.users"),
            ],
            "drop-table in 3 (users holds rows)",
        ),
    ] {
        let db = Database::empty();
        let image = Castoff::new(&db)
            .files([FILES[0]])
            .files(files)
            .env("CASTOFF_LOG_FORMAT", "text")
            .env("CASTOFF_ENV", "production");
        image.clone().args(["lock"]).run().assert_code(0);
        image.clone().args(["upgrade", "1"]).run().assert_code(0);
        db.psql("INSERT INTO users VALUES (1)");
        image.args(["upgrade"]).run().assert_code(76).assert_stderr(told);
        assert_eq!(db.heads(), "1");
    }
}

#[test]
fn a_truncate_that_cascades_counts_though_its_own_table_is_empty() {
    let db = Database::empty();
    let image = Castoff::new(&db)
        .files([FILES[0]])
        .files([
            ("2_posts.sql", "CREATE TABLE posts (by_user int REFERENCES users)"),
            ("3_truncate.sql", "TRUNCATE users CASCADE"),
        ])
        .env("CASTOFF_LOG_FORMAT", "text")
        .env("CASTOFF_ENV", "production");
    image.clone().args(["lock"]).run().assert_code(0);
    image.clone().args(["upgrade", "2"]).run().assert_code(0);
    db.psql("INSERT INTO posts VALUES (NULL)");
    image.args(["upgrade"]).run().assert_code(76).assert_stderr("truncate in 3");
}

#[test]
fn an_empty_database_has_no_hazards() {
    let db = Database::empty();
    let image = castoff(&db)
        .files([("1_users.sql", format!("{}; INSERT INTO users VALUES (1)", FILES[0].1))]);
    let run = locked(image, &[("2", "drop-column users"), ("2", "drop-type")])
        .env("CASTOFF_ENV", "production")
        .run();
    run.assert_code(0);
    assert!(!run.stderr.contains("Hazard"), "{run}");
    assert_eq!(db.heads(), "2");
}

#[test]
fn only_tables_that_are_there_and_hold_rows_count() {
    for (hazard, setup, counts) in [
        ("drop-column users", "", false),
        ("drop-column users", "INSERT INTO users VALUES (1)", true),
        ("drop-column public.users", "INSERT INTO users VALUES (1)", true),
        ("drop-column PUBLIC.Users", "INSERT INTO users VALUES (1)", true),
        ("drop-column other.users", "INSERT INTO users VALUES (1)", false),
        ("drop-column \"Users\"", "INSERT INTO users VALUES (1)", false),
        // Without a schema it may be any.
        ("drop-column users", "CREATE SCHEMA s; CREATE TABLE s.users AS SELECT 1", true),
        ("drop-column s.users", "CREATE SCHEMA s; CREATE TABLE s.users AS SELECT 1", true),
        ("drop-column public.users", "CREATE SCHEMA s; CREATE TABLE s.users AS SELECT 1", false),
        ("drop-table gone", "", false),
        ("drop-table gone users", "INSERT INTO users VALUES (1)", true),
        (
            r#"drop-table "S x"."t ""1"" .""#,
            r#"CREATE SCHEMA "S x"; CREATE TABLE "S x"."t ""1"" ." AS SELECT 1"#,
            true,
        ),
        // Without a table it always counts.
        ("drop-schema", "", true),
        // The ledger's own tables are not the revisions', nor are PostgreSQL's.
        ("drop-table revision", "", false),
        ("drop-table pg_class", "", false),
        // Rows anywhere below it.
        (
            "drop-table whole",
            "CREATE TABLE whole (n int) PARTITION BY LIST (n);
             CREATE TABLE part PARTITION OF whole FOR VALUES IN (1);
             INSERT INTO whole VALUES (1)",
            true,
        ),
        ("drop-table whole", "CREATE TABLE whole (n int) PARTITION BY LIST (n)", false),
        ("drop-view v", "CREATE VIEW v AS SELECT 1", true),
        ("drop-view m", "CREATE MATERIALIZED VIEW m AS SELECT 1 WHERE false", false),
        ("drop-column users", "INSERT INTO users VALUES (1); DELETE FROM users", false),
    ] {
        let db = Database::empty();
        let image = locked(castoff(&db), &[("2", hazard)]);
        image.clone().args(["upgrade", "1"]).run().assert_code(0);
        db.psql(setup);
        let run = image.run();
        run.assert_code(0);
        assert_eq!(
            run.stderr.contains("warning: Hazard: drop-"),
            counts,
            "{hazard}; {setup}\n{run}"
        );
    }
}

#[test]
fn a_pooler_that_deals_out_transactions_hides_no_hazard() {
    let db = Database::empty();
    let image = at_1(&db).env("CASTOFF_ENV", "production");
    db.psql("INSERT INTO users VALUES (1)");
    let pooler = Pooler::new(&db, "transaction");
    image.clone().url(pooler.url()).run().assert_code(76).assert_stderr("(users holds rows)");
    db.psql("DELETE FROM users");
    image.url(pooler.url()).run().assert_code(0);
    assert_eq!(db.heads(), "2");
}

#[test]
fn what_cannot_be_looked_at_counts() {
    let db = Database::empty();
    let image = at_1(&db).env("CASTOFF_ENV", "production");
    let reader = db
        .role("reader")
        .grant("USAGE ON SCHEMA castoff")
        .grant("SELECT ON castoff.revision, castoff.ledger")
        .create();
    let plan = image.clone().args(["plan"]);
    plan.run().assert_code(0);
    // No privilege.
    let refused = "refused: revisions that are to run have hazards";
    plan.clone().url(reader.url()).run().assert_code(76).assert_stdout(refused);
    db.psql(&format!("GRANT SELECT ON users TO {}", reader.name()));
    plan.clone().url(reader.url()).run().assert_code(0);
    // Rows that may be hidden.
    db.psql("ALTER TABLE users ENABLE ROW LEVEL SECURITY");
    plan.clone().url(reader.url()).run().assert_code(76).assert_stdout(refused);
    plan.run().assert_code(0);
    // A lock that somebody holds.
    let mut session = db.session();
    session.psql("BEGIN; LOCK TABLE users");
    plan.run().assert_code(76).assert_stdout(refused);
    session.psql("ROLLBACK");
    plan.run().assert_code(0);
    db.psql(&format!("DROP OWNED BY {}", reader.name()));
}

#[test]
fn plan_and_pending_show_hazards_and_plan_what_would_be_refused() {
    let db = Database::empty();
    let image = with_a_row(&db);
    let plan = image.clone().args(["plan"]).run();
    plan.assert_code(0).assert_stdout("  upgrade 1 -> 2\n");
    plan.assert_stdout("    ! drop-column (users holds rows)\n    ! rename-column (users holds");
    assert!(!plan.stdout.contains("refused"), "{plan}");
    let pending = image.clone().args(["pending"]).run();
    pending.assert_code(0).assert_stdout("1 -> 2 (head), contract\n  ! drop-column (users holds");
    let strict = image.env("CASTOFF_ENV", "production");
    let plan = strict.clone().args(["plan"]).run();
    plan.assert_code(76).assert_stdout("  upgrade 1 -> 2\n");
    plan.assert_stdout("refused: revisions that are to run have hazards that nobody has acknowl");
    let json = strict.clone().args(["plan", "--json"]).run();
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    let hazard = serde_json::json!({"revision": "2", "hazard": "drop-column", "tables": ["users"]});
    assert_eq!(json["hazards"][0], hazard);
    assert!(json["refused"][0].as_str().unwrap().contains("nobody has acknowledged"), "{json}");
    let json = strict.clone().args(["pending", "--json"]).run();
    let json: Value = serde_json::from_str(&json.assert_code(0).stdout).unwrap();
    assert_eq!(json[0]["hazards"][0], hazard);
    // Who asks where the database stands, or waits for another to upgrade it, runs nothing.
    strict.clone().args(["check"]).run().assert_code(1);
    strict.clone().env("CASTOFF_HAZARDS", "warn").args(["upgrade"]).run().assert_code(0);
    strict.clone().args(["wait", "head"]).run().assert_code(0);
    strict.args(["upgrade"]).run().assert_code(0);
}

#[test]
fn what_was_let_through_and_stopped_half_way_goes_on() {
    let db = Database::empty();
    let half = "-- contract\n-- Transaction: none\nALTER TABLE users DROP fax; SELECT 1 / ";
    let image =
        castoff(&db).files([("2_contract.sql", format!("{half}(SELECT count(*) FROM users)"))]);
    let image =
        image.files([("1_users.sql", format!("{}; INSERT INTO users VALUES (1)", FILES[0].1))]);
    let image = locked(image, &HAZARDS);
    image.clone().args(["upgrade", "1"]).run().assert_code(0);
    db.psql("DELETE FROM users");
    image.clone().env("CASTOFF_HAZARDS", "refuse").run().assert_code(65);
    db.psql("INSERT INTO users VALUES (1)");
    image.env("CASTOFF_HAZARDS", "refuse").run().assert_code(0);
    assert_eq!(db.heads(), "2");
}

#[test]
fn where_hazards_are_refused_the_lock_must_know_of_them() {
    let db = Database::empty();
    let image = with_a_row(&db);
    let image =
        image.files([("3_more.sql", "CREATE TABLE more ()")]).env("CASTOFF_ENV", "production");
    let run = image.run();
    run.assert_code(65).assert_stderr("castoff.lock does not fit the migrations: 3 is not in");
    image.own_folder().remove("castoff.lock");
    for run in [image.clone().args(["plan"]).run(), image.run()] {
        run.assert_code(0).assert_stderr("There is no castoff.lock, so nothing is known");
    }
}

#[test]
fn what_runs_later_is_not_asked_for_its_hazards_now() {
    let db = Database::empty();
    let image = locked(castoff(&db), &[("2", "drop-column users"), ("1", "create-table")]);
    image.clone().args(["upgrade", "1"]).run().assert_code(0);
    db.psql("INSERT INTO users VALUES (1)");
    let image = image.env("CASTOFF_ENV", "production");
    image.clone().args(["upgrade", "1"]).run().assert_code(0);
    image.args(["upgrade"]).run().assert_code(76);
}
