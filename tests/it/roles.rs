//! The role that everything is done as: another than the one that logs in, one that lacks
//! privileges, and one whose defaults would break a run.

use crate::support::{Castoff, Database, Pooler, Role, SOON};

/// What is in a file of each kind.
const FILES: [(&str, &str); 4] = [
    (
        "1_a.up.sql",
        "CREATE TABLE a (id int); CREATE TYPE t AS ENUM ('x');\nCOPY a FROM stdin;\n1\n\\.\n",
    ),
    ("2_b.up.sql", "SET ROLE NONE; RESET ROLE"),
    ("2_b.down.sql", "SELECT 1"),
    (
        "3_c.up.sql",
        "-- Transaction: none\nCREATE TABLE c (id int); CREATE INDEX CONCURRENTLY i ON a (id)",
    ),
];

const OWNERS: &str = "SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ',') FROM pg_class \
     WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('castoff', 'public'))";

/// An owner that nobody logs in as, and a login that is its member and nothing else.
fn owner_and_login(db: &Database) -> (Role, Role) {
    let owner = db.role("owner").owner().create();
    db.psql(&format!("ALTER ROLE {} NOLOGIN", owner.name()));
    let login = db.role("login").option("NOINHERIT").grant_role(&owner).create();
    (owner, login)
}

fn image(db: &Database, login: &Role) -> Castoff {
    let castoff = Castoff::new(db).url(login.url()).env("CASTOFF_LOG_FORMAT", "text");
    let castoff = castoff.env("CASTOFF_SETTLE_TIMEOUT", "100ms");
    castoff.args(["run", "--", "echo", "the app"])
}

fn errors(db: &Database) -> Vec<String> {
    let mut log = db.server_log();
    log.retain(|line| line.contains("ERROR: ") || line.contains("WARNING: "));
    log
}

#[test]
fn everything_belongs_to_the_role_that_is_to_be_taken() {
    let db = Database::empty();
    let (owner, login) = owner_and_login(&db);
    let castoff = image(&db, &login).files(FILES).env("CASTOFF_ROLE", owner.name());
    castoff.run().assert_code(0).assert_stdout("the app");
    assert_eq!(db.psql(OWNERS), owner.name());
    assert_eq!(
        db.psql("SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'castoff'"),
        owner.name()
    );
    assert_eq!(db.psql("SELECT DISTINCT applied_by FROM castoff.revision"), login.name());
    for command in ["check", "current", "plan", "pending", "upgrade"] {
        castoff.clone().args([command]).run().assert_code(0);
    }
    castoff
        .clone()
        .args(["run", "--role", owner.name(), "--", "true"])
        .env_remove("CASTOFF_ROLE")
        .run()
        .assert_code(0);
    assert_eq!(errors(&db), Vec::<String>::new());
    // The login may not even look at the ledger.
    assert!(login.try_psql("TABLE castoff.revision").is_err());
}

#[test]
fn an_older_image_takes_back_as_the_owner_what_it_does_not_contain() {
    let db = Database::empty();
    let (owner, login) = owner_and_login(&db);
    let castoff = image(&db, &login).env("CASTOFF_ROLE", owner.name());
    castoff.clone().migrations(["a"]).run().assert_code(0);
    let older = Castoff::new(&db).url(login.url()).env("CASTOFF_ROLE", owner.name());
    older.args(["downgrade", "base"]).run().assert_code(0);
    assert_eq!(db.tables(), "");
}

#[test]
fn behind_a_transaction_pooler_the_role_ends_with_the_step() {
    let db = Database::empty();
    let (owner, login) = owner_and_login(&db);
    let pooler = Pooler::with(&db, "transaction", "default_pool_size = 1");
    let castoff = image(&db, &login).url(pooler.of(&login)).env("CASTOFF_ROLE", owner.name());
    let castoff = castoff.migrations(["a", "b: a"]);
    castoff.run().assert_code(0).assert_stdout("the app");
    assert_eq!(db.psql(OWNERS), owner.name());
    assert_eq!(pooler.psql(&login, "SELECT current_user"), login.name());
}

#[test]
fn a_role_that_is_not_there_or_not_ours_is_explained_and_nothing_runs() {
    let db = Database::empty();
    let login = db.role("login").create();
    let other = db.role("other").create();
    let castoff = image(&db, &login).migrations(["a"]);
    for (role, reason) in
        [("nobody_at_all", "does not exist"), (other.name(), "permission denied to set role")]
    {
        let run = castoff.clone().env("CASTOFF_ROLE", role).run();
        run.assert_code(77).assert_stderr(reason).assert_stderr("CASTOFF_ROLE is");
        run.assert_stderr(&format!("GRANT \"{role}\" TO"));
    }
    castoff.env("CASTOFF_ROLE", "none").run().assert_code(78);
    assert!(!db.has_ledger());
}

#[test]
fn a_role_that_is_granted_late_is_waited_for() {
    let db = Database::empty();
    let owner = db.role("owner").owner().create();
    let login = db.role("login").create();
    let castoff = image(&db, &login).migrations(["a"]).env("CASTOFF_ROLE", owner.name());
    let castoff = castoff.env("CASTOFF_SETTLE_TIMEOUT", "15s");
    let start = castoff.spawn();
    start.wait_for_line("permission denied to set role");
    db.psql(&format!("GRANT {} TO {}", owner.name(), login.name()));
    start.wait(SOON).assert_code(0);
}

#[test]
fn a_privilege_that_is_missing_is_explained_before_anything_runs() {
    let db = Database::empty();
    db.psql("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let role = db.role("app").create();
    let castoff = image(&db, &role).migrations(["a"]);
    let name = role.name();
    let on_database = format!("GRANT CREATE ON DATABASE \"{}\" TO \"{name}\"", db.name());
    let run = castoff.run();
    run.assert_code(77)
        .assert_stderr("may not create the ledger's schema")
        .assert_stderr(&on_database);
    run.assert_stderr(&format!("GRANT CREATE ON SCHEMA \"public\" TO \"{name}\""));

    db.psql(&format!("GRANT CREATE ON DATABASE {} TO {name}", db.name()));
    let run = castoff.run();
    run.assert_code(77).assert_stderr("may not create anything in schema \"public\"");
    assert!(!run.stderr.contains("the ledger's schema"), "{run}");
    assert!(!db.has_ledger());
    assert_eq!(errors(&db), Vec::<String>::new());

    db.psql(&format!("GRANT CREATE ON SCHEMA public TO {name}"));
    castoff.run().assert_code(0).assert_stdout("the app");
}

#[test]
fn who_creates_in_a_schema_of_its_own_needs_none_in_public() {
    let db = Database::empty();
    db.psql("REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let role = db.role("app").grant(&format!("CREATE ON DATABASE {}", db.name())).create();
    let file = "CREATE SCHEMA shop; SET search_path TO shop; CREATE TABLE a ()";
    image(&db, &role).files([("a_x.up.sql", file)]).run().assert_code(0);
}

#[test]
fn a_ledger_that_may_only_be_read_is_explained() {
    let db = Database::empty();
    Castoff::new(&db).migrations(["a"]).args(["upgrade"]).run().assert_code(0);
    let reader = db
        .role("reader")
        .grant("USAGE ON SCHEMA castoff")
        .grant("SELECT ON ALL TABLES IN SCHEMA castoff")
        .grant("CREATE ON SCHEMA public")
        .create();
    let run = image(&db, &reader).migrations(["a", "b: a"]).run();
    run.assert_code(77).assert_stderr("may not write to");
    run.assert_stderr("GRANT INSERT, UPDATE, DELETE ON \"castoff\".revision TO");
    assert_eq!(db.tables(), "a");
    image(&db, &reader).migrations(["a"]).run().assert_code(0).assert_stdout("the app");
}

#[test]
fn what_is_set_for_the_role_does_not_break_a_run() {
    let db = Database::empty();
    let mut role = db.role("deploy").owner();
    for (name, value) in [
        ("statement_timeout", "60ms"),
        ("lock_timeout", "1ms"),
        ("idle_in_transaction_session_timeout", "60ms"),
        ("idle_session_timeout", "200ms"),
        ("default_transaction_isolation", "serializable"),
        ("default_transaction_deferrable", "on"),
        ("standard_conforming_strings", "off"),
        ("exit_on_error", "on"),
        ("row_security", "off"),
        ("client_encoding", "LATIN1"),
        ("client_min_messages", "error"),
        ("DateStyle", "German, DMY"),
        ("IntervalStyle", "sql_standard"),
        ("bytea_output", "escape"),
        ("quote_all_identifiers", "on"),
        ("array_nulls", "off"),
        ("transform_null_equals", "on"),
        ("enable_indexscan", "off"),
    ] {
        role = role.set(name, value);
    }
    let role = role.create();
    if db.psql("SELECT current_setting('server_version_num')::int >= 170000") == "t" {
        db.psql(&format!("ALTER ROLE {} SET transaction_timeout = '60ms'", role.name()));
    }
    let seen = ["statement_timeout", "lock_timeout", "transaction_isolation", "client_encoding"];
    let seen = seen.map(|name| format!("current_setting('{name}')")).join(" || ' ' || ");
    let look = format!("SELECT pg_sleep(0.2); CREATE TABLE seen AS SELECT {seen} || ' é\\' AS it");
    let outside = "-- Transaction: none\nCREATE TABLE c (id int); SELECT pg_sleep(0.2); \
                   CREATE INDEX CONCURRENTLY i ON c (id); VACUUM c";
    let castoff =
        image(&db, &role).files([("1_look.up.sql", look.as_str()), ("2_c.up.sql", outside)]);
    castoff.run().assert_code(0).assert_stdout("the app");
    assert_eq!(db.psql("TABLE seen"), "0 5s read committed UTF8 é\\");
    for command in ["check", "plan", "current", "upgrade"] {
        castoff.clone().args([command]).run().assert_code(0);
    }
    let late = castoff.files([("3_d.up.sql", "SELECT 1 / 0")]);
    late.args(["upgrade"]).run().assert_code(65).assert_stderr("division by zero");
}
