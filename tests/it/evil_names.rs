//! A user's own functions, operators, types and tables, found before PostgreSQL's by every name,
//! change nothing that castoff does.

use crate::support::{Castoff, Database, SOON, eventually};

const EVIL: &str = include_str!("evil_names.sql");

/// A database with the evil schema, and castoff as a role that sees it first.
fn evil() -> (Database, Castoff) {
    let db = Database::empty();
    db.psql(EVIL);
    let role = db.role("victim").option("SUPERUSER").owner().create();
    db.psql(&format!("ALTER ROLE {} SET search_path TO evil, pg_catalog, public", role.name()));
    assert_eq!(role.psql("SHOW search_path"), "evil, pg_catalog, public");
    let castoff = Castoff::new(&db)
        .url(role.url())
        .env("CASTOFF_LOG_FORMAT", "text")
        .env("CASTOFF_BASELINE", "base")
        .args(["upgrade"]);
    (db, castoff)
}

#[test]
fn the_evil_schema_is_evil() {
    let (db, _) = evil();
    db.psql("SET search_path TO pg_catalog; SELECT 1 WHERE 'a'::text = 'a'::text");
    for sql in [
        "SELECT 1 WHERE 'a'::text = 'a'::text",
        "SELECT 'a'::text || 'b'::text",
        "SELECT 1::oid = 1::oid",
        "SELECT 'a'::pg_catalog.name < 'b'::pg_catalog.name",
        "SELECT now()",
        "SELECT pg_backend_pid()",
        "SELECT current_setting('lock_timeout')",
        "SELECT ARRAY['a']::pg_catalog.text[] = ARRAY['a']::pg_catalog.text[]",
        "SELECT * FROM pg_class",
        "SELECT ''::tsvector",
    ] {
        let path = "SET search_path TO evil, pg_catalog;";
        assert!(db.try_psql(&format!("{path} {sql}")).is_err(), "{sql}");
    }
    assert_eq!(db.psql("SET search_path TO evil, pg_catalog; SELECT count(*)"), "41");
}

#[test]
fn probe_read_guard_ledger_and_unlock_are_proof_against_evil_names() {
    let (db, castoff) = evil();
    let castoff = castoff.files([
        ("1_a.up.sql", "SET search_path TO public; CREATE TABLE public.a (id int);"),
        ("2_b.up.sql", "SET search_path TO evil, pg_catalog, public; SELECT 1"),
        (
            "3_c.up.sql",
            "-- Transaction: none\nCREATE TABLE public.c (id int); SELECT 1; VACUUM public.c;",
        ),
    ]);
    let run = castoff.run();
    run.assert_code(0);
    assert!(!run.stderr.contains("warning"), "{run}");
    assert!(!run.stderr.contains("evil"), "{run}");
    assert_eq!(db.psql("SELECT revision, head FROM castoff.revision ORDER BY 1"), "1|f\n2|f\n3|t");

    // At head: the probe; and the readers.
    for (arguments, code) in [
        (&["check"][..], 0),
        (&["current"], 0),
        (&["pending"], 0),
        (&["run", "--", "true"], 0),
        (&["wait", "head"], 0),
        (&["upgrade"], 0),
    ] {
        castoff.clone().args(arguments.iter().copied()).run().assert_code(code);
    }
    assert_eq!(db.advisory_locks(), []);
    let errors: Vec<_> = db
        .server_log()
        .into_iter()
        .filter(|line| line.contains("ERROR:") && line.contains("app=castoff"))
        .collect();
    assert_eq!(errors, [""; 0]);
}

#[test]
fn down_files_and_stamps_are_proof_against_evil_names() {
    let (db, castoff) = evil();
    let castoff = castoff.files([
        ("1_a.up.sql", "CREATE TABLE public.a (id int);"),
        ("1_a.down.sql", "DROP TABLE public.a;"),
        ("2_b.up.sql", "CREATE TABLE public.b (id int);"),
        ("2_b.down.sql", "DROP TABLE public.b;"),
    ]);
    castoff.run().assert_code(0);
    castoff.own_folder().remove("2_b.up.sql");
    castoff.own_folder().remove("2_b.down.sql");
    castoff.clone().args(["downgrade", "1"]).run().assert_code(0);
    castoff.clone().args(["stamp", "base"]).run().assert_code(0);
    castoff.clone().args(["stamp", "1"]).run().assert_code(0);
    castoff.clone().args(["downgrade", "base"]).run().assert_code(0);
    assert_eq!(db.psql("SELECT to_regclass('public.a'), count(*) FROM castoff.revision"), "|0");
}

#[test]
fn alembic_tables_are_read_in_spite_of_evil_names() {
    let (db, castoff) = evil();
    db.psql("CREATE TABLE public.alembic_version (version_num varchar(32)); INSERT INTO public.alembic_version VALUES ('1')");
    let castoff = castoff.env_remove("CASTOFF_BASELINE").files([
        ("1_a.up.sql", "CREATE TABLE public.a (id int);"),
        ("2_b.up.sql", "CREATE TABLE public.b (id int);"),
    ]);
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT to_regclass('public.a'), to_regclass('public.b')"), "|b");
}

#[test]
fn the_repair_of_an_index_is_proof_against_evil_names() {
    let (db, castoff) = evil();
    db.psql("CREATE TABLE public.a (id int); INSERT INTO public.a VALUES (1), (1)");
    let file = "-- Transaction: none\nCREATE UNIQUE INDEX CONCURRENTLY i ON public.a (id);";
    let castoff = castoff.files([("1_a.up.sql", file)]);
    castoff.run().assert_code(65).assert_stderr("23505");
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'public.i'::regclass";
    assert_eq!(db.psql(valid), "f");
    db.psql("DELETE FROM public.a");
    castoff.run().assert_code(0).assert_stderr("Dropping the invalid index public.i");
    assert_eq!(db.psql(valid), "t");
}

#[test]
fn the_blockers_are_seen_in_spite_of_evil_names() {
    let (db, castoff) = evil();
    db.psql("CREATE TABLE public.a (id int)");
    let mut session = db.session();
    session.psql("BEGIN; LOCK TABLE public.a");
    let pid = session.pid();
    let castoff = castoff
        .files([("1_a.up.sql", "ALTER TABLE public.a ADD b int;")])
        .env("CASTOFF_LOCK_TIMEOUT", "400ms");
    let running = castoff.spawn();
    running.wait_for_line(&format!("blocked by pid {pid} (test, role postgres)"));
    session.psql("COMMIT");
    running.wait(SOON).assert_code(0);
}

#[test]
fn the_holder_of_the_lock_is_named_in_spite_of_evil_names() {
    let (db, castoff) = evil();
    let castoff = castoff.files([("1_a.up.sql", "SELECT pg_catalog.pg_sleep(60);")]);
    let leader = castoff.spawn();
    let pid = eventually(SOON, || db.advisory_locks().first().map(|lock| lock.pid.clone()));
    let follower = castoff.spawn();
    follower.wait_for_line(&format!("Another start is migrating (pid {pid}, castoff"));
    drop((leader, follower));
}

#[test]
fn the_guard_is_proof_against_a_cast_from_text_to_integer() {
    let (db, castoff) = evil();
    let castoff = castoff.files([
        ("1_a.up.sql", "SELECT pg_catalog.pg_advisory_unlock_all();"),
        ("2_b.up.sql", "CREATE TABLE public.b (id int);"),
    ]);
    db.psql(
        "CREATE FUNCTION evil.forgiving(text) RETURNS int4 LANGUAGE sql AS 'SELECT 0';
         CREATE CAST (text AS int4) WITH FUNCTION evil.forgiving(text)",
    );
    castoff.run().assert_code(0).assert_stderr("does not hold the migration lock any more");
    assert_eq!(db.psql("SELECT to_regclass('public.b')"), "b");
}

#[test]
fn a_temporary_table_by_the_name_of_a_type_does_not_hide_the_type() {
    let db = Database::empty();
    let sql = "CREATE TEMP TABLE text (a int); CREATE TEMP TABLE timestamptz (a int);
               CREATE TEMP TABLE pg_locks (a int); CREATE TEMP TABLE revision (a int);";
    Castoff::new(&db).files([("1_a.up.sql", sql)]).args(["upgrade"]).run().assert_code(0);
    let kind = "SELECT atttypid FROM pg_attribute
                WHERE attrelid = 'castoff.revision'::regclass AND attname = 'message'";
    assert_eq!(db.psql(kind), "25");
}
