//! Versioned databases whose schema is not the one that their revisions make, and what says so.

use crate::support::{Castoff, Database, Proxy};

const FILES: [(&str, &str); 3] = [
    ("1_users.sql", "CREATE TABLE users (id int PRIMARY KEY, name text)"),
    ("2_email.sql", "ALTER TABLE users ADD email text"),
    ("3_index.sql", "CREATE INDEX users_email ON users (email)"),
];

/// An image with its lock, and the database at its head.
fn at_head(db: &Database) -> Castoff {
    let image = Castoff::new(db).files(FILES).env("CASTOFF_LOG_FORMAT", "text");
    image.clone().args(["lock"]).run().assert_code(0);
    image.clone().args(["upgrade"]).run().assert_code(0);
    image
}

fn drifted(db: &Database) -> Castoff {
    let image = at_head(db);
    db.psql("ALTER TABLE users ALTER email TYPE varchar(80)");
    db.psql("ALTER TABLE users ADD hotfix int");
    db.psql("CREATE TABLE somebodys (id int)");
    image
}

const DIFFERENCE: &str = "\
- column public.users.email text
+ column public.users.email character varying(80)
+ column public.users.hotfix integer
";

#[test]
fn check_tells_a_drifted_schema_when_it_is_asked_to() {
    let db = Database::empty();
    let image = at_head(&db);
    let check = || image.clone().args(["check", "--drift"]).run();
    check().assert_code(0).assert_stdout("the schema is that of 3\n");
    db.psql("ALTER TABLE users ADD hotfix int");
    check().assert_code(1).assert_stdout(
        "the schema is not that of 3 (- expected, + found):\n+ column public.users.hotfix integer\n",
    );
    // Its version is right all the same.
    image.clone().args(["check"]).run().assert_code(0);
    let json = image.clone().args(["check", "--drift", "--json"]).run();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["at_head"], true);
    assert_eq!(json["schema"]["difference"][0], "+ column public.users.hotfix integer");
}

#[test]
fn diff_compares_with_the_databases_own_revisions_or_with_another() {
    let db = Database::empty();
    let image = drifted(&db);
    let diff = |words: &[&str]| image.clone().args(words.iter().copied()).run();
    let own = diff(&["diff"]);
    own.assert_code(1).assert_stdout(&format!(
        "the schema is not that of 3 (- expected, + found):\n{DIFFERENCE}"
    ));
    own.assert_stdout("no revision speaks of table public.somebodys\n");
    let with_1 = diff(&["diff", "1"]);
    with_1
        .assert_code(1)
        .assert_stdout("not that of 1 ")
        .assert_stdout("+ index public.users_email");
    diff(&["diff", "head"]).assert_code(1).assert_stdout(DIFFERENCE);
    diff(&["diff", "base"]).assert_code(1).assert_stdout("+ table public.users\n");
    diff(&["diff", "4"]).assert_code(64).assert_stderr("4");
    let json = diff(&["diff", "--json"]);
    json.assert_code(1);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let lines: Vec<_> = DIFFERENCE.lines().map(serde_json::Value::from).collect();
    assert_eq!(json["difference"], serde_json::Value::from(lines));
    assert_eq!(json["against"], "3");
    assert_eq!(json["unmanaged"][0], "table public.somebodys");
    // What comes back is the same schema again.
    db.psql("ALTER TABLE users DROP hotfix, ALTER email TYPE text; DROP TABLE somebodys");
    let own = diff(&["diff"]);
    own.assert_code(0);
    assert_eq!(own.stdout, "the schema is that of 3\n");
}

#[test]
fn diff_compares_two_databases() {
    let (db, other) = (Database::empty(), Database::empty());
    let image = drifted(&db);
    image.clone().url(other.url()).args(["upgrade"]).run().assert_code(0);
    let url = other.socket_url();
    let run = image.clone().args(["diff", &url]).run();
    run.assert_code(1).assert_stdout(DIFFERENCE).assert_stdout("+ table public.somebodys\n");
    image.clone().url(other.url()).args(["diff", &url]).run().assert_code(0);
    // Over TCP the password is that of the configured database, if the server and the role are.
    let open = other.url().replacen(&format!(":{}@", crate::support::SENTINEL), "@", 1);
    assert!(!open.contains(crate::support::SENTINEL), "{open}");
    image.clone().args(["diff", &open]).run().assert_code(1).assert_stdout(DIFFERENCE);
    image.clone().args(["diff", &other.url()]).run().assert_code(64).assert_stderr("PGPASSWORD");
}

#[test]
fn diff_of_an_unversioned_database_names_a_revision() {
    let db = Database::empty();
    let image = Castoff::new(&db).files(FILES);
    image.clone().args(["lock"]).run().assert_code(0);
    db.psql(FILES[0].1);
    image.clone().args(["diff", "1"]).run().assert_code(0);
    let with_2 = image.clone().args(["diff", "2"]).run();
    with_2.assert_code(1).assert_stdout("- column public.users.email text\n");
    // Or is told which one is the nearest.
    image.clone().args(["diff"]).run().assert_code(0).assert_stdout("the schema is that of 1\n");
    db.psql("ALTER TABLE users ADD email bytea");
    let nearest = image.clone().args(["diff"]).run();
    nearest.assert_code(1).assert_stdout("the schema is not that of 2 ");
    nearest.assert_stdout("+ column public.users.email bytea\n");
    assert!(!db.has_ledger());
}

#[test]
fn of_later_revisions_only_their_own_image_knows_the_schema() {
    let db = Database::empty();
    let image = at_head(&db);
    let newer = Castoff::new(&db).files(FILES).files([("4_more.sql", "CREATE TABLE more ()")]);
    newer.args(["upgrade"]).run().assert_code(0);
    for words in [&["diff"][..], &["check", "--drift"]] {
        let run = image.clone().args(words.iter().copied()).run();
        run.assert_code(76).assert_stderr("what the schema of 4 is cannot be said");
    }
    // A rollback starts all the same, for the same reason.
    let start = image.clone().env("CASTOFF_DRIFT", "refuse").args(["run", "--", "echo", "the app"]);
    start.run().assert_code(0).assert_stdout("the app\n");
    image.args(["diff", "3"]).run().assert_code(0).assert_stdout("table public.more");
}

#[test]
fn without_a_lock_nothing_is_said_of_the_schema() {
    let db = Database::empty();
    let image = at_head(&db);
    image.own_folder().remove("castoff.lock");
    for words in [&["diff"][..], &["diff", "2"], &["check", "--drift"]] {
        let run = image.clone().args(words.iter().copied()).run();
        run.assert_code(65).assert_stderr("castoff.lock").assert_stderr("`castoff lock`");
    }
    // A start that is to look at it says that it can't.
    let start = image.args(["run", "--", "echo", "the app"]);
    let refused = start.clone().env("CASTOFF_DRIFT", "refuse").run();
    refused.assert_code(65).assert_stderr("there is no castoff.lock");
    let told = start.env("CASTOFF_DRIFT", "warn").run();
    told.assert_code(0).assert_stdout("the app\n").assert_stderr("there is no castoff.lock");
}

#[test]
fn a_start_ignores_drift_or_tells_it_or_refuses() {
    let db = Database::empty();
    let image = drifted(&db).args(["run", "--", "echo", "the app"]);
    let start = |drift: &str| image.clone().env("CASTOFF_DRIFT", drift).run();
    let ignored = image.run();
    ignored.assert_code(0).assert_stdout("the app\n");
    assert!(!ignored.stderr.contains("schema"), "{ignored}");
    let told = start("warn");
    told.assert_code(0).assert_stdout("the app\n");
    told.assert_stderr("\n  + column public.users.email character varying(80)\n");
    let refused = start("refuse");
    refused.assert_code(76).assert_stderr("the database is at 3, but its schema is not");
    refused.assert_stderr("  + column public.users.hotfix integer\n");
    assert_eq!(refused.stdout, "");
    start("yes").assert_code(78).assert_stderr("ignore, warn or refuse");
    db.psql("ALTER TABLE users DROP hotfix, ALTER email TYPE text");
    for drift in ["warn", "refuse"] {
        let run = start(drift);
        run.assert_code(0).assert_stdout("the app\n");
        assert!(!run.stderr.contains("expected"), "{run}");
    }
}

#[test]
fn in_the_middle_of_a_revision_there_is_nothing_to_compare_with() {
    let db = Database::empty();
    let halting = "-- Transaction: none\nCREATE TABLE x ();\nSELECT 1 / 0;";
    let image = at_head(&db).files([("4_halting.sql", halting)]);
    image.clone().args(["upgrade"]).run().assert_code(65);
    image.own_folder().file("4_halting.sql", halting.replace("/ 0", "/ 1"));
    image.clone().args(["lock"]).run().assert_code(0);
    let run = image.args(["diff"]).run();
    run.assert_code(76).assert_stderr("4 stopped half-way");
}

#[test]
fn a_relative_target_counts_from_where_the_database_is() {
    let db = Database::empty();
    let image = at_head(&db);
    let diff = image.clone().args(["diff", "-1"]).run();
    diff.assert_code(1).assert_stdout("not that of 2 ").assert_stdout("+ index public.users_email");
}

#[test]
fn who_only_wants_to_be_told_starts_although_nothing_can_be_told() {
    let db = Database::empty();
    let image = at_head(&db);
    db.psql("CREATE VIEW names AS SELECT name FROM users");
    let mut other = db.session();
    other.psql("BEGIN");
    other.psql("LOCK TABLE users");
    let image = image.args(["run", "--", "echo", "the app"]).env("CASTOFF_DRIFT", "warn");
    let run = image.run();
    run.assert_code(0).assert_stdout("the app\n");
    run.assert_stderr("Whether the schema has drifted can't be told: 55P03");
}

#[test]
fn a_drifted_schema_is_not_upgraded_where_drift_is_refused() {
    let db = Database::empty();
    let image = drifted(&db).files([("4_more.sql", "CREATE TABLE more ()")]);
    image.clone().args(["lock"]).run().assert_code(0);
    let image = image.env("CASTOFF_DRIFT", "refuse").args(["upgrade"]);
    image.run().assert_code(76).assert_stderr("is at 3, but");
    assert_eq!(db.heads(), "3");
    image
        .env("CASTOFF_DRIFT", "warn")
        .run()
        .assert_code(0)
        .assert_stderr("+ column public.users.hotfix");
    assert_eq!(db.heads(), "4");
}

#[test]
fn who_does_not_ask_for_it_does_not_pay_for_it() {
    let db = Database::empty();
    let image = at_head(&db).args(["run", "--", "true"]);
    let trips = |drift: &str| {
        let proxy = Proxy::new(&db);
        image.clone().through(&proxy).env("CASTOFF_DRIFT", drift).run().assert_code(0);
        proxy.round_trips()
    };
    let without = trips("ignore");
    image.own_folder().remove("castoff.lock");
    assert_eq!(trips("ignore"), without);
}
