//! `castoff sql`: what psql makes of it is what castoff makes, and where it stops.

use crate::support::{Castoff, Database, SOON, eventually};

/// Branches, a merge, data, a baseline that is one of `pg_dump`, and files outside a transaction.
const FOLDER: [(&str, &str); 14] = [
    (
        "1_a.up.sql",
        "CREATE TABLE a (id int PRIMARY KEY, text text); INSERT INTO a VALUES (1, 'it''s')",
    ),
    ("2_b.up.sql", "-- Breaking: yes\n-- Lock-Timeout: 1s\nCREATE VIEW b AS SELECT id FROM a"),
    ("2_b.down.sql", "DROP VIEW b"),
    (
        "2_b.baseline.sql",
        "\\restrict x\n\
         SET transaction_timeout = 0;\n\
         SET client_encoding = 'SQL_ASCII';\n\
         SELECT pg_catalog.set_config('search_path', '', false);\n\
         CREATE SCHEMA public;\n\
         CREATE TABLE public.a (id int PRIMARY KEY, text text);\n\
         COPY public.a (id, text) FROM stdin;\n1\tit's\n\\.\n\n\
         CREATE VIEW public.b AS SELECT id FROM public.a;\n\
         \\unrestrict x\n",
    ),
    (
        "3_c.up.sql",
        "-- Revises: 2\n-- Transaction: none\n\
         SET lock_timeout = '7s';\n\
         CREATE TABLE c (id int); -- of the author\n\
         INSERT INTO c SELECT id FROM a;\n\
         CREATE INDEX CONCURRENTLY c_id ON c (id);\n\
         BEGIN; INSERT INTO c VALUES (2); COMMIT;\n\
         VACUUM c;",
    ),
    ("3_c.down.sql", "-- Transaction: none\nDROP INDEX CONCURRENTLY c_id; DROP TABLE c"),
    (
        "4_d.up.sql",
        "-- Revises: 2\nCREATE TABLE d (é text DEFAULT '\\\\', f text); COPY d FROM stdin;\n\\\\:USER\té\n\\.\n",
    ),
    ("4_d.down.sql", "DROP TABLE d; -- \\ 'this'"),
    ("5_e.up.sql", "-- it's \\ the :merge\n-- Revises: 3, 4\n"),
    (
        "6_f.up.sql",
        "CREATE FUNCTION f(USER_ int[]) RETURNS int[] LANGUAGE sql BEGIN ATOMIC SELECT user_[1:2]; END",
    ),
    ("6_f.down.sql", "DROP FUNCTION f"),
    ("7_g.up.sql", "CREATE TABLE g (a int[] DEFAULT (ARRAY[1, 2, 3])[1:length(':USER')]);"),
    ("7_g.down.sql", "DROP TABLE g"),
    ("8_h.up.sql", "-- Transaction: none\n"),
];

/// The ledger, but for when it was written.
const LEDGER: &str = "SELECT to_jsonb(r) - 'applied_at' - 'duration_ms' || jsonb_build_object(
       'timed', duration_ms IS NOT NULL)
     FROM castoff.revision r ORDER BY revision; TABLE castoff.ledger";

fn folder(castoff: Castoff) -> Castoff {
    castoff.files(FOLDER).env("CASTOFF_LOG_FORMAT", "text").env("CASTOFF_APPLICATION", "it's 1")
}

/// What castoff prints for psql.
#[track_caller]
fn script(castoff: &Castoff, arguments: &[&str]) -> String {
    let arguments = [&["sql"], arguments].concat();
    let run = castoff.clone().env_remove("DATABASE_URL").args(arguments).run();
    run.assert_code(0);
    assert_eq!(run.stderr, "");
    run.stdout
}

#[track_caller]
fn assert_same(by_psql: &Database, by_castoff: &Database) {
    assert_eq!(by_psql.psql(LEDGER), by_castoff.psql(LEDGER));
    assert_eq!(
        by_psql.pg_dump(&["-s", "-n", "castoff"]).len(),
        by_castoff.pg_dump(&["-s", "-n", "castoff"]).len()
    );
    assert_eq!(by_psql.dump(), by_castoff.dump());
    assert_eq!(by_psql.data(), by_castoff.data());
}

#[test]
fn psql_makes_of_it_what_castoff_makes() {
    let (by_psql, by_castoff) = (Database::empty(), Database::empty());
    let castoff = folder(Castoff::new(&by_castoff));
    for (range, arguments) in [
        (":", &["upgrade"][..]),
        ("head:5", &["downgrade", "5"]),
        ("5:2", &["downgrade", "2"]),
        ("2:4", &["upgrade", "4"]),
        ("4:head", &["upgrade"]),
    ] {
        castoff.clone().args(arguments.iter().copied()).run().assert_code(0);
        let said = by_psql.psql(&script(&castoff, &[range]));
        assert!(said.contains("The database is at "), "{said}");
        assert_same(&by_psql, &by_castoff);
    }
    let check = Castoff::new(&by_psql).folder(castoff.own_folder().path()).args(["check"]).run();
    check.assert_code(0).assert_stdout("at head");
    assert!(by_psql.advisory_locks().is_empty());
}

#[test]
fn without_a_baseline_it_walks_the_history() {
    let (by_psql, by_castoff) = (Database::empty(), Database::empty());
    let castoff = folder(Castoff::new(&by_castoff));
    by_psql.psql(&script(&castoff, &["--no-baseline"]));
    castoff.own_folder().remove("2_b.baseline.sql");
    castoff.args(["upgrade"]).run().assert_code(0);
    assert_same(&by_psql, &by_castoff);
    assert!(by_psql.revisions().starts_with("1 upgrade,2 upgrade"));
}

#[test]
fn an_empty_ledger_is_no_obstacle() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).migrations(["a", "b: a"]);
    let up = script(&castoff, &[]);
    db.psql(&up);
    db.psql(&script(&castoff, &["head:base"]));
    assert_eq!(db.psql("SELECT count(*) FROM castoff.revision"), "0");
    assert_eq!(db.tables(), "");
    db.psql(&up);
    assert_eq!((db.heads(), db.tables()), ("b".to_owned(), "a,b".to_owned()));
}

#[test]
fn what_it_says_is_said_in_the_role_and_the_schema_that_are_set() {
    let db = Database::empty();
    let owner = db.role("owner").owner().create();
    let login = db.role("login").grant_role(&owner).create();
    let castoff = Castoff::new(&db)
        .migrations(["a", "b: a"])
        .env("CASTOFF_ROLE", owner.name())
        .env("CASTOFF_SCHEMA", "it's \"mine\"");
    login.psql(&script(&castoff, &[":a"]));
    login.psql(&script(&castoff, &["a:"]));
    assert_eq!(
        db.psql(
            "SELECT string_agg(revision || applied_by, ',' ORDER BY revision) FROM \"it's \"\"mine\"\"\".revision"
        ),
        format!("a{0},b{0}", login.name())
    );
    assert_eq!(db.psql("SELECT tableowner FROM pg_tables WHERE tablename = 'b'"), owner.name());
    castoff.args(["check"]).run().assert_code(0);
}

#[test]
fn names_of_the_user_hide_none_of_postgresqls() {
    let db = Database::empty();
    db.psql(include_str!("evil_names.sql"));
    let role = db.role("victim").option("SUPERUSER").owner().create();
    db.psql(&format!("ALTER ROLE {} SET search_path TO evil, pg_catalog, public", role.name()));
    let castoff = Castoff::new(&db).env("CASTOFF_BASELINE", "base").files([
        ("1_a.up.sql", "CREATE TABLE public.a (id int)"),
        ("2_b.up.sql", "-- Transaction: none\nCREATE INDEX CONCURRENTLY i ON public.a (id); CREATE TABLE public.b ()"),
    ]);
    castoff.clone().args(["upgrade", "1"]).run().assert_code(0);
    role.psql(&script(&castoff, &["1:"]));
    castoff.args(["check"]).run().assert_code(0);
}

#[test]
fn it_does_nothing_where_the_database_is_elsewhere() {
    let castoff = Castoff::without_database().migrations(["a", "b: a", "c: b"]);
    let from = |from: &str| script(&castoff, &[&format!("{from}:")]);
    for (before, from, complaint) in [
        ("SELECT 1", from("a"), "the database has no ledger"),
        ("CREATE TABLE x (id int)", from("base"), "there are tables, types or functions"),
        ("CREATE TABLE alembic_version ()", from("base"), "there is an alembic_version"),
        (&script(&castoff, &[":b"]), from("a"), "expected a; found b"),
        (&script(&castoff, &[":b"]), from("base"), "the database is not empty, but at a revision"),
        (&script(&castoff, &[":b"]), from("c"), "Nothing is to be done"),
        (
            &(script(&castoff, &[":b"]) + "UPDATE castoff.revision SET statements_done = 1"),
            from("b"),
            "stopped half-way",
        ),
        (
            &(script(&castoff, &[":b"]) + "UPDATE castoff.ledger SET oldest_reader = 9"),
            from("b"),
            "only a newer castoff",
        ),
    ] {
        let db = Database::empty();
        db.psql(before);
        let (dump, data) = (db.pg_dump(&["-s"]).len(), db.data());
        match db.try_psql(&from) {
            Ok(_) => assert!(from.contains(complaint), "{before}"),
            Err(error) => assert!(error.contains(complaint), "{before}: {error}"),
        }
        assert_eq!((db.pg_dump(&["-s"]).len(), db.data()), (dump, data), "{before}");
    }
}

#[test]
fn it_ends_at_once_while_somebody_else_migrates() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).migrations(["a"]);
    let _held = db.migration_lock();
    let error = db.try_psql(&script(&castoff, &[])).unwrap_err();
    assert!(error.contains("the migration lock is taken"), "{error}");
    assert!(!db.has_ledger());
}

#[test]
fn castoff_waits_while_a_script_runs() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).files([
        ("1_a.up.sql", "CREATE TABLE a (id int)"),
        ("2_b.up.sql", "INSERT INTO a VALUES (1)"),
    ]);
    db.psql(&script(&castoff, &[":1"]));
    let mut held = db.session();
    held.psql("BEGIN; LOCK TABLE a");
    let psql = std::thread::scope(|scope| {
        let psql = scope.spawn(|| db.try_psql(&script(&castoff, &["1:"])));
        eventually(SOON, || match &db.advisory_locks()[..] {
            [only] if only.granted => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let castoff = castoff.clone().args(["upgrade"]).spawn();
        castoff.wait_for_line("Another start is migrating");
        held.psql("COMMIT");
        castoff.wait(SOON).assert_code(0);
        psql.join().unwrap()
    });
    psql.unwrap();
    assert_eq!(db.psql("SELECT count(*) FROM a"), "1");
}

#[test]
fn it_stops_at_the_first_error_however_psql_was_started() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).env("CASTOFF_LOG_FORMAT", "text").files([
        ("1_a.up.sql", "CREATE TABLE a (id int)"),
        ("2_b.up.sql", "CREATE TABLE b (id int); SELECT nothing; CREATE TABLE c (id int)"),
        ("3_c.up.sql", "-- Transaction: none\nCREATE TABLE d (id int)"),
    ]);
    let script = script(&castoff, &[]);
    let error = db.try_psql(&format!("\\set ON_ERROR_STOP off\n{script}")).unwrap_err();
    assert!(error.contains("column \"nothing\" does not exist"), "{error}");
    assert_eq!((db.heads(), db.tables()), ("1".to_owned(), "a".to_owned()));
    assert!(db.advisory_locks().is_empty());
}

#[test]
fn castoff_goes_on_where_a_file_outside_a_transaction_stopped() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).env("CASTOFF_LOG_FORMAT", "text").files([
        ("1_a.up.sql", "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)"),
        (
            "2_b.up.sql",
            "-- Transaction: none\nINSERT INTO a VALUES (2);\n\
             CREATE UNIQUE INDEX CONCURRENTLY i ON a (id); INSERT INTO a VALUES (3)",
        ),
    ]);
    let error = db.try_psql(&script(&castoff, &[])).unwrap_err();
    assert!(error.contains("could not create unique index"), "{error}");
    assert!(error.contains("castoff: the server has refused a statement, see above"), "{error}");
    assert_eq!(
        db.psql("SELECT statements_done, statement_begun, head FROM castoff.revision WHERE revision = '2'"),
        "1|f|f"
    );
    db.psql("DELETE FROM a WHERE ctid = '(0,1)'");
    castoff.args(["upgrade"]).run().assert_code(0);
    assert_eq!(db.psql("SELECT string_agg(id::text, ',' ORDER BY id) FROM a"), "1,2,3");
    assert_eq!(db.psql("SELECT indisvalid FROM pg_index WHERE indrelid = 'a'::regclass"), "t");
}

#[test]
fn an_invalid_index_is_not_taken_for_a_built_one() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).env("CASTOFF_LOG_FORMAT", "text").files([
        ("1_a.up.sql", "CREATE TABLE a (id int); INSERT INTO a VALUES (1), (1)"),
        (
            "2_b.up.sql",
            "-- Transaction: none\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON a (id)",
        ),
    ]);
    castoff.clone().args(["upgrade", "1"]).run().assert_code(0);
    db.try_psql("CREATE UNIQUE INDEX CONCURRENTLY i ON a (id)").unwrap_err();
    let error = db.try_psql(&script(&castoff, &["1:"])).unwrap_err();
    assert!(error.contains("an interrupted build has left an invalid index"), "{error}");
    db.psql("DELETE FROM a");
    castoff.args(["upgrade"]).run().assert_code(0);
    assert_eq!(db.psql("SELECT indisvalid FROM pg_index WHERE indrelid = 'a'::regclass"), "t");
}

#[test]
fn it_says_first_what_it_is() {
    let castoff = folder(Castoff::without_database());
    let first = |arguments: &[&str]| script(&castoff, arguments).lines().next().unwrap().to_owned();
    let version = concat!("-- Written by castoff ", env!("CARGO_PKG_VERSION"));
    for (range, expected) in [
        (":", "what takes a database from base to 8, in 7 steps."),
        ("6:7", "what takes a database from 6 to 7, in 1 step."),
        ("5:2", "what takes a database from 5 to 2, in 3 steps."),
    ] {
        assert_eq!(first(&[range]), format!("{version}: {expected}"));
    }
    assert_eq!(first(&["7:7"]), "-- Nothing is to be done.");
}

#[test]
fn a_word_of_a_file_that_is_also_the_password_stays() {
    let db = Database::empty();
    let castoff = Castoff::new(&db)
        .env("PGPASSWORD", "users")
        .files([("1_a.up.sql", "CREATE TABLE users ()")]);
    assert!(script(&castoff, &[]).contains("CREATE TABLE users ()"));
    let json = castoff.args(["sql", "--json"]).run();
    assert!(json.assert_code(0).stdout.contains("CREATE TABLE users ()"));
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let castoff = folder(Castoff::without_database());
    for (range, code, message) in [
        ("9:", 64, "9"),
        (":9", 64, "9"),
        ("+x:", 64, "+x"),
        ("2:1", 0, "DROP VIEW b"),
        ("1:base", 65, "1 cannot be taken back"),
        ("1:2:3", 64, "2:3"),
    ] {
        let run = castoff.clone().args(["sql", range]).run();
        run.assert_code(code);
        assert!((run.stdout.clone() + &run.stderr).contains(message), "{range}: {run}");
    }
    let nothing = Castoff::without_database().embedded().args(["sql"]).run();
    assert!(nothing.code() == Some(0) || nothing.stderr.contains("no migrations"), "{nothing}");
}
