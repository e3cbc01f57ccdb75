//! Databases that were there before castoff: Alembic's, and those that nothing is known of.

use crate::support::{Castoff, Database};

const START: [&str; 4] = ["run", "--", "echo", "the app"];

/// An image with the revisions a to d, of which `d` merges `b` and `c`.
fn image(db: &Database) -> Castoff {
    Castoff::new(db)
        .migrations(["a", "b: a", "c: a", "d: b, c"])
        .env("CASTOFF_LOG_FORMAT", "text")
        .args(START)
}

/// The table as Alembic creates it.
fn alembic(db: &Database, schema: &str, versions: &[&str]) {
    let table = format!("{schema}.alembic_version");
    db.psql(&format!(
        "CREATE SCHEMA IF NOT EXISTS {schema};
         CREATE TABLE {table} (version_num varchar(32) NOT NULL,
           CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    ));
    for version in versions {
        db.psql(&format!("INSERT INTO {table} VALUES ('{version}')"));
    }
}

/// Everything that a write to Alembic's table would change.
fn versions(db: &Database, schema: &str) -> String {
    db.psql(&format!(
        "SELECT string_agg(version_num || xmin || ctid, ',' ORDER BY version_num)
         FROM {schema}.alembic_version"
    ))
}

#[test]
fn a_known_alembic_version_is_taken_over_and_the_rest_upgraded() {
    let db = Database::empty();
    db.psql("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    alembic(&db, "public", &["b"]);
    let before = versions(&db, "public");
    image(&db).run().assert_code(0).assert_stdout("the app\n");
    assert_eq!(db.revisions(), "a adopt,b adopt,c upgrade,d upgrade");
    assert_eq!((db.heads().as_str(), db.tables().as_str()), ("d", "a,alembic_version,b,c,d"));
    assert_eq!(versions(&db, "public"), before);
}

#[test]
fn several_alembic_heads_are_taken_over_together() {
    let db = Database::empty();
    db.psql("CREATE TABLE a (id int); CREATE TABLE b (id int); CREATE TABLE c (id int)");
    alembic(&db, "public", &["b", "c"]);
    image(&db).run().assert_code(0);
    assert_eq!(db.revisions(), "a adopt,b adopt,c adopt,d upgrade");
    assert_eq!(db.heads(), "d");
}

#[test]
fn an_alembic_version_that_another_one_includes_is_no_head() {
    let db = Database::empty();
    db.psql("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    alembic(&db, "public", &["a", "b"]);
    image(&db).args(["upgrade", "b"]).run().assert_code(0);
    assert_eq!((db.heads().as_str(), db.revisions().as_str()), ("b", "a adopt,b adopt"));
}

#[test]
fn an_unknown_alembic_version_is_refused_and_named() {
    let db = Database::empty();
    alembic(&db, "public", &["b", "f00d"]);
    let before = versions(&db, "public");
    let run = image(&db).run();
    run.assert_code(76).assert_stderr("public.alembic_version holds f00d");
    run.assert_stderr("(beside b)");
    assert_eq!((run.stdout.as_str(), db.has_ledger()), ("", false));
    // The operator's word counts where the table's does not.
    db.psql("CREATE TABLE a (id int)");
    image(&db).env("CASTOFF_BASELINE", "a").run().assert_code(0);
    assert_eq!(db.revisions(), "a stamp,b upgrade,c upgrade,d upgrade");
    assert_eq!(versions(&db, "public"), before);
}

#[test]
fn an_empty_alembic_version_is_no_stamp() {
    let db = Database::empty();
    alembic(&db, "public", &[]);
    image(&db).run().assert_code(0);
    assert_eq!(db.revisions(), "a upgrade,b upgrade,c upgrade,d upgrade");

    let db = Database::empty();
    alembic(&db, "public", &[]);
    db.psql("CREATE TABLE a (id int)");
    let run = image(&db).run();
    run.assert_code(76).assert_stderr("public.alembic_version is empty, which is no version");
    run.assert_stderr("table public.a");
    assert!(!db.has_ledger());
}

#[test]
fn alembics_table_is_found_in_a_schema_outside_the_search_path() {
    let db = Database::empty();
    db.psql("CREATE TABLE a (id int)");
    alembic(&db, "\"Shop's own\"", &["a"]);
    image(&db).run().assert_code(0);
    assert_eq!(db.revisions(), "a adopt,b upgrade,c upgrade,d upgrade");
}

#[test]
fn of_two_alembic_tables_the_search_path_names_the_right_one() {
    let db = Database::empty();
    alembic(&db, "shop", &["a"]);
    alembic(&db, "stranger", &["f00d"]);
    let run = image(&db).run();
    run.assert_code(76).assert_stderr("several schemas hold an alembic_version (shop, stranger)");
    let role = db.role("owner").grant("USAGE ON SCHEMA shop, stranger").owner();
    let role = role.set("search_path", "nowhere,shop,stranger,public").create();
    // A list needs no quotes around it.
    db.psql(&format!("ALTER ROLE {} SET search_path = nowhere, shop, stranger", role.name()));
    for schema in ["shop", "stranger"] {
        db.psql(&format!("GRANT SELECT ON {schema}.alembic_version TO {}", role.name()));
    }
    let plan = image(&db).url(role.url()).args(["plan"]).run();
    plan.assert_code(0).assert_stdout("Alembic's version table says a, which is taken over");
    db.psql(&format!("ALTER ROLE {} SET search_path = stranger, shop", role.name()));
    image(&db).url(role.url()).args(["plan"]).run().assert_code(76).assert_stderr("f00d");
}

#[test]
fn an_alembic_table_that_the_role_may_not_read_is_an_error_and_not_empty() {
    let db = Database::empty();
    alembic(&db, "public", &["a"]);
    let role = db.role("owner").grant("CREATE ON SCHEMA public").create();
    db.psql(&format!("ALTER DATABASE {} OWNER TO {}", db.name(), role.name()));
    let run = image(&db).url(role.url()).run();
    run.assert_code(77).assert_stderr("the role may not read public.alembic_version");
    run.assert_stderr("GRANT SELECT ON");
    assert!(!db.has_ledger());
}

#[test]
fn another_tenants_closed_alembic_table_is_not_asked() {
    let db = Database::empty();
    alembic(&db, "tenant", &["f00d"]);
    alembic(&db, "public", &["a"]);
    db.psql("CREATE TABLE a (id int)");
    let role = db.role("owner").owner().grant("SELECT ON public.alembic_version").create();
    image(&db).url(role.url()).run().assert_code(0);
    assert_eq!(db.revisions(), "a adopt,b upgrade,c upgrade,d upgrade");
}

#[test]
fn a_database_that_was_taken_over_and_downgraded_to_base_is_not_taken_over_again() {
    let db = Database::empty();
    db.psql("CREATE TABLE a (id int); CREATE TABLE b (id int)");
    alembic(&db, "public", &["b"]);
    image(&db).run().assert_code(0);
    image(&db).args(["downgrade", "base"]).run().assert_code(0);
    assert_eq!(db.tables(), "alembic_version");
    image(&db).run().assert_code(0);
    assert_eq!(db.revisions(), "a upgrade,b upgrade,c upgrade,d upgrade");
    assert_eq!(db.tables(), "a,alembic_version,b,c,d");
}

#[test]
fn a_schema_that_nothing_is_known_of_is_refused() {
    let db = Database::empty();
    db.psql("CREATE TABLE a (id int); CREATE VIEW v AS TABLE a; CREATE TYPE mood AS ENUM ('ok')");
    db.psql("CREATE SEQUENCE s; CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    db.psql("CREATE DOMAIN natural_number AS int");
    let run = image(&db).run();
    run.assert_code(76).assert_stderr("table public.a, sequence public.s, view public.v");
    run.assert_stderr("and 1 more but nothing that says which revision it is at");
    run.assert_stderr("CASTOFF_BASELINE");
    assert_eq!((run.stdout.as_str(), db.has_ledger()), ("", false));
}

#[test]
fn a_single_object_of_any_kind_is_not_nothing() {
    for object in [
        "CREATE TABLE t ()",
        "CREATE VIEW v AS SELECT 1",
        "CREATE MATERIALIZED VIEW v AS SELECT 1",
        "CREATE SEQUENCE s",
        "CREATE TYPE e AS ENUM ()",
        "CREATE TYPE c AS (i int)",
        "CREATE DOMAIN d AS int",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE SCHEMA other; CREATE TABLE other.t ()",
        "CREATE SCHEMA castoff; CREATE TABLE castoff.t ()",
    ] {
        let db = Database::empty();
        db.psql(object);
        let run = image(&db).args(["plan"]).run();
        assert_eq!(run.code(), Some(76), "{object}\n{run}");
    }
}

#[test]
fn castoff_baseline_is_the_operators_word_on_an_unversioned_schema() {
    for (value, revisions, tables) in [
        ("a", "a stamp,b upgrade,c upgrade,d upgrade", "b,c,d,keep"),
        ("d", "a stamp,b stamp,c stamp,d stamp", "keep"),
        ("head", "a stamp,b stamp,c stamp,d stamp", "keep"),
        ("base", "a upgrade,b upgrade,c upgrade,d upgrade", "a,b,c,d,keep"),
    ] {
        let db = Database::empty();
        db.psql("CREATE TABLE keep ()");
        image(&db).env("CASTOFF_BASELINE", value).run().assert_code(0).assert_stdout("the app\n");
        assert_eq!((value, db.revisions().as_str()), (value, revisions));
        assert_eq!((value, db.tables().as_str()), (value, tables));
        // It says nothing about a database that has a version.
        image(&db).env("CASTOFF_BASELINE", "d").run().assert_code(0);
        assert_eq!((value, db.revisions().as_str()), (value, revisions));
    }
}

#[test]
fn castoff_baseline_may_be_the_beginning_of_an_id() {
    let db = Database::empty();
    db.psql("CREATE TABLE keep ()");
    let castoff = Castoff::new(&db).line(12).args(START).env("CASTOFF_LOG_FORMAT", "text");
    let run = castoff.clone().env("CASTOFF_BASELINE", "000").run();
    run.assert_code(78).assert_stderr("CASTOFF_BASELINE=000 names no revision of this image");
    castoff.clone().env("CASTOFF_BASELINE", "0012").run().assert_code(0);
    assert_eq!((db.heads().as_str(), db.tables().as_str()), ("0012", "keep"));

    let db = Database::empty();
    db.psql("CREATE TABLE keep ()");
    let castoff = castoff.url(db.url());
    castoff.env("CASTOFF_BASELINE", "0011").run().assert_code(0);
    assert_eq!(db.tables(), "keep,t0012");
}

#[test]
fn a_castoff_baseline_that_names_nothing_is_an_error_of_configuration() {
    for value in ["f00d", "a b", "+9"] {
        let db = Database::empty();
        db.psql("CREATE TABLE keep ()");
        let run = image(&db).env("CASTOFF_BASELINE", value).run();
        run.assert_code(78).assert_stderr(&format!("CASTOFF_BASELINE={value} names no revision"));
        assert_eq!((run.stdout.as_str(), db.has_ledger()), ("", false));
    }
}

#[test]
fn castoff_baseline_stamps_nothing_on_an_empty_database() {
    let db = Database::empty();
    image(&db).env("CASTOFF_BASELINE", "head").run().assert_code(0);
    assert_eq!(db.revisions(), "a upgrade,b upgrade,c upgrade,d upgrade");
    assert_eq!(db.tables(), "a,b,c,d");
}
