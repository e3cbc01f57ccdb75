//! Unversioned databases that are the schema of a revision, by the proof of `castoff.lock`.

use crate::support::{Castoff, Database, Proxy, SOON, eventually};

/// A history in which everything happens once; `4` and `6` change only data.
const HISTORY: [(&str, &str); 7] = [
    (
        "1_users.up.sql",
        "CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text)",
    ),
    ("2_email.up.sql", "ALTER TABLE users ADD email varchar(255) NOT NULL DEFAULT ''"),
    (
        "3_orders.up.sql",
        "CREATE TYPE state AS ENUM ('open', 'paid');
         CREATE TABLE orders (id int PRIMARY KEY, buyer bigint REFERENCES users, state state);
         CREATE INDEX orders_buyer ON orders (buyer)",
    ),
    ("4_fill.up.sql", "UPDATE users SET email = name WHERE name IS NOT NULL"),
    (
        "5_view.up.sql",
        "CREATE VIEW open_orders AS SELECT id FROM orders WHERE state = 'open';
         ALTER TABLE users ALTER name SET NOT NULL, ADD CHECK (name <> '')",
    ),
    ("6_more.up.sql", "INSERT INTO users (name) VALUES ('root')"),
    ("7_money.up.sql", "ALTER TABLE orders ADD total numeric(12, 2)"),
];

/// What its baseline at 6 is.
const BASELINE: &str = "
    CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      name text NOT NULL CHECK (name <> ''), email varchar(255) NOT NULL DEFAULT '');
    CREATE TYPE state AS ENUM ('open', 'paid');
    CREATE TABLE orders (id int PRIMARY KEY, buyer bigint REFERENCES users, state state);
    CREATE INDEX orders_buyer ON orders (buyer);
    CREATE VIEW open_orders AS SELECT id FROM orders WHERE state = 'open';
    INSERT INTO users (name) VALUES ('root')";

/// An image of the history with its lock.
fn image(db: &Database) -> Castoff {
    with_lock(Castoff::new(db).files(HISTORY))
}

fn with_lock(castoff: Castoff) -> Castoff {
    let castoff = castoff.env("CASTOFF_LOG_FORMAT", "text");
    castoff.clone().args(["lock"]).run().assert_code(0);
    castoff.args(["run", "--", "echo", "the app"])
}

/// A database to which psql alone has brought the first revisions.
fn by_psql(db: &Database, revisions: usize) {
    for (_, sql) in &HISTORY[..revisions] {
        db.psql(sql);
    }
}

fn recognised(db: &Database) -> String {
    db.psql(
        "SELECT coalesce(max(revision), 'none') FROM castoff.revision WHERE origin = 'recognise'",
    )
}

#[test]
fn at_each_revision_the_schema_is_recognised_and_the_rest_runs() {
    let fresh = Database::empty();
    let image = image(&fresh);
    image.run().assert_code(0);
    // 4 and 6 do not change the schema: these are told apart by data alone.
    for revisions in [1, 2, 7] {
        let db = Database::empty();
        by_psql(&db, revisions);
        let run = image.clone().url(db.url()).run();
        run.assert_code(0).assert_stdout("the app\n");
        run.assert_stderr(&format!("The schema is that of {revisions}, line by line"));
        assert_eq!(recognised(&db), revisions.to_string());
        assert_eq!((db.heads().as_str(), db.dump()), ("7", fresh.dump()));
        // From now on it is a versioned database.
        image.clone().url(db.url()).run().assert_code(0);
        assert_eq!(recognised(&db), revisions.to_string());
    }
}

#[test]
fn revisions_that_only_data_tells_apart_are_left_to_the_operator() {
    let db = Database::empty();
    by_psql(&db, 5);
    let image = image(&db);
    let before = db.dump() + &db.data();
    let run = image.run();
    run.assert_code(76).assert_stderr("its schema is that of 5, 6");
    run.assert_stderr("give the one that has run as CASTOFF_BASELINE");
    assert_eq!((run.stdout.as_str(), db.has_ledger()), ("", false));
    assert_eq!(db.dump() + &db.data(), before);
    image.env("CASTOFF_BASELINE", "5").run().assert_code(0);
    assert_eq!((db.heads().as_str(), recognised(&db).as_str()), ("7", "none"));
    assert_eq!(db.psql("SELECT count(*) FROM users"), "1");
}

#[test]
fn the_operator_chooses_among_what_may_be_and_not_against_the_proof() {
    let db = Database::empty();
    by_psql(&db, 5);
    let castoff = Castoff::new(&db).files(HISTORY).files([("6_more.baseline.sql", BASELINE)]);
    let image = with_lock(castoff);
    let refused = image.clone().env("CASTOFF_BASELINE", "3").run();
    refused
        .assert_code(76)
        .assert_stderr("CASTOFF_BASELINE is \"3\", but the schema is that of 5, 6");
    assert!(!db.has_ledger());
    // Although 6 has a baseline: its data may not be there.
    image.env("CASTOFF_BASELINE", "5").run().assert_code(0);
    assert_eq!(db.psql("SELECT origin FROM castoff.revision WHERE revision = '6'"), "upgrade");
}

#[test]
fn a_database_of_somebody_elses_with_an_extension_of_ours_is_no_match() {
    let db = Database::empty();
    let files =
        [("1_x.sql", "CREATE EXTENSION IF NOT EXISTS plpgsql; CREATE SCHEMA ours"), HISTORY[1]];
    let history = [files[0], ("2_a.sql", "CREATE TABLE ours.a ()")];
    let image = with_lock(Castoff::new(&db).files(history));
    db.psql("CREATE SCHEMA ours; CREATE TABLE somebodys (id int)");
    let run = image.run();
    run.assert_code(76).assert_stderr("nothing that castoff.lock speaks of");
    assert!(!db.has_ledger());
}

#[test]
fn a_schema_whose_name_begins_like_the_servers_is_not_overlooked() {
    let db = Database::empty();
    db.psql("CREATE SCHEMA pgstore; CREATE TABLE pgstore.a (id int)");
    db.psql(&format!("ALTER DATABASE {} SET standard_conforming_strings = off", db.name()));
    image(&db).run().assert_code(76).assert_stderr("table pgstore.a");
}

#[test]
fn a_baseline_among_them_is_the_answer() {
    let db = Database::empty();
    by_psql(&db, 6);
    let castoff = Castoff::new(&db).files(HISTORY).files([("6_more.baseline.sql", BASELINE)]);
    let image = with_lock(castoff);
    image.run().assert_code(0).assert_stderr("The schema is that of 6");
    assert_eq!((db.heads().as_str(), recognised(&db).as_str()), ("7", "6"));
}

#[test]
fn a_schema_that_is_no_revisions_is_refused_with_each_line_of_the_difference() {
    let model = Database::empty();
    let image = image(&model);
    for (change, lines) in [
        (
            "ALTER TABLE users DROP email",
            "  - column public.users.email character varying(255) not null default ''::character varying\n",
        ),
        (
            "ALTER TABLE orders ALTER total TYPE numeric(10, 2)",
            "  - column public.orders.total numeric(12,2)\n  + column public.orders.total numeric(10,2)\n",
        ),
        (
            "DROP INDEX orders_buyer",
            "  - index public.orders_buyer CREATE INDEX orders_buyer ON public.orders USING btree (buyer)\n",
        ),
        ("ALTER TABLE users ADD extra text", "  + column public.users.extra text\n"),
        (
            "ALTER TYPE state ADD VALUE 'late' BEFORE 'paid'",
            "  - type public.state enum ('open', 'paid')\n  + type public.state enum ('open', 'late', 'paid')\n",
        ),
        (
            "ALTER TABLE users ALTER name DROP NOT NULL; ALTER TABLE users DROP CONSTRAINT users_name_check",
            "  - column public.users.name text not null\n  + column public.users.name text\n  \
             - constraint public.users.users_name_check CHECK ((name <> ''::text))\n",
        ),
        (
            "CREATE OR REPLACE VIEW open_orders AS SELECT id FROM orders WHERE state <> 'paid'",
            "public.open_orders SELECT",
        ),
    ] {
        let db = Database::empty();
        by_psql(&db, 7);
        for statement in change.split("; ") {
            db.psql(statement);
        }
        let run = image.clone().url(db.url()).run();
        run.assert_code(76).assert_stderr(lines);
        run.assert_stderr(
            "its schema is that of no revision; the nearest is 7, from which it differs",
        );
        assert_eq!((run.stdout.as_str(), db.has_ledger()), ("", false), "{change}");
        // The same can be asked for.
        let difference = image.clone().url(db.url()).args(["diff", "7"]).run();
        difference.assert_code(1).assert_stdout(lines.replace("\n  ", "\n").trim_start());
        // And the operator's word goes.
        let told = image.clone().url(db.url()).env("CASTOFF_BASELINE", "7").run();
        told.assert_code(0).assert_stdout("the app\n");
    }
}

#[test]
fn what_no_revision_speaks_of_is_reported_and_no_obstacle() {
    let db = Database::empty();
    by_psql(&db, 2);
    db.psql(
        "CREATE SCHEMA reports; CREATE TABLE reports.weekly (id int PRIMARY KEY);
         CREATE FUNCTION greet() RETURNS text LANGUAGE sql RETURN 'hello';
         CREATE INDEX tuning ON users (email)",
    );
    let run = image(&db).run();
    run.assert_code(0).assert_stdout("the app\n").assert_stderr("The schema is that of 2");
    for unmanaged in
        ["schema reports", "table reports.weekly", "function public.greet()", "index public.tuning"]
    {
        run.assert_stderr(&format!("No revision speaks of {unmanaged}\n"));
    }
    assert!(!run.stderr.contains("reports.weekly.id"), "{run}");
    assert_eq!((db.heads().as_str(), recognised(&db).as_str()), ("7", "2"));
}

#[test]
fn a_database_about_something_else_is_no_match_with_an_empty_one() {
    let db = Database::empty();
    db.psql("CREATE TABLE invoices (id int)");
    let run = image(&db).run();
    run.assert_code(76).assert_stderr("table public.invoices");
    assert!(!run.stderr.contains("nearest"), "{run}");
    assert!(!db.has_ledger());
}

#[test]
fn an_empty_alembic_version_beside_a_known_schema_is_no_obstacle() {
    let db = Database::empty();
    by_psql(&db, 2);
    db.psql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)");
    image(&db).run().assert_code(0).assert_stderr("The schema is that of 2");
    assert_eq!(db.psql("SELECT count(*) FROM alembic_version"), "0");
}

#[test]
fn a_lock_of_other_files_proves_nothing() {
    let db = Database::empty();
    by_psql(&db, 2);
    let image = image(&db).files([("8_later.up.sql", "CREATE TABLE later ()")]);
    let run = image.run();
    run.assert_code(65).assert_stderr("castoff.lock does not fit the migrations: 8 is not in");
    run.assert_stderr("run `castoff lock`");
    assert!(!db.has_ledger());
    image.clone().env("CASTOFF_BASELINE", "2").run().assert_code(0);
    // Where nothing is proven by it, it does not matter.
    let fresh = Database::empty();
    image.url(fresh.url()).run().assert_code(0);
}

#[test]
fn a_lock_that_cannot_be_read_is_refused_with_its_line() {
    let db = Database::empty();
    let image = image(&db).files([("castoff.lock", "# castoff.lock 2\n")]);
    image.run().assert_code(65).assert_stderr("castoff.lock:1: expected");
    assert!(!db.has_ledger());
}

#[test]
fn an_upgrade_to_an_earlier_revision_is_recorded_and_no_more() {
    let db = Database::empty();
    by_psql(&db, 2);
    let image = image(&db);
    image.clone().args(["plan"]).run().assert_code(0).assert_stdout("that of 2, line by line");
    assert!(!db.has_ledger());
    image.clone().args(["upgrade", "2"]).run().assert_code(0);
    assert_eq!((db.heads().as_str(), recognised(&db).as_str()), ("2", "2"));
    // A schema that is further than where it should go is not taken back.
    let later = Database::empty();
    by_psql(&later, 7);
    image.url(later.url()).args(["upgrade", "2"]).run().assert_code(0);
    assert_eq!((later.heads().as_str(), recognised(&later).as_str()), ("7", "7"));
}

#[test]
fn a_bundle_has_its_lock_inside() {
    let db = Database::empty();
    by_psql(&db, 1);
    let image = image(&db);
    let bundle = image.own_folder().path().with_extension("bundle");
    let folder = image.own_folder().path().to_str().unwrap().to_owned();
    let output = bundle.to_str().unwrap().to_owned();
    let bundled = image.clone().args(["bundle", "--migrations", &folder, "--output", &output]);
    bundled.run().assert_code(0);
    image.program(&bundle).embedded().run().assert_code(0).assert_stderr("The schema is that of 1");
    std::fs::remove_file(&bundle).unwrap();
    assert_eq!(recognised(&db), "1");
}

#[test]
fn the_proof_and_the_stamp_are_one_transaction() {
    let db = Database::empty();
    by_psql(&db, 2);
    let image = image(&db);
    let proxy = Proxy::new(&db);
    proxy.black_hole_at("int4in((CASE WHEN NOT ");
    let image = image.through(&proxy);
    let start = image.spawn();
    // It has seen the schema of 2 and is about to record that; then it is another.
    start.wait_for_line("The schema is that of 2");
    eventually(SOON, || proxy.is_black_hole().then_some(()));
    db.psql("ALTER TABLE users DROP email");
    proxy.accept();
    let run = start.wait(SOON);
    run.assert_code(0).assert_stderr("somebody has changed the schema while it was compared");
    // Nothing was recorded but what the schema is now.
    assert_eq!((recognised(&db).as_str(), db.heads().as_str()), ("1", "7"));
}
