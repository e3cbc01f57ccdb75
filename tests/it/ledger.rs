//! The ledger: where it is, what is no ledger, and what an empty database may hold.

use crate::support::{Castoff, Cluster, Database};

const START: [&str; 4] = ["run", "--", "echo", "the app"];

/// A start of an image with two revisions; its log is text.
fn image(db: &Database) -> Castoff {
    Castoff::new(db).migrations(["a", "b: a"]).env("CASTOFF_LOG_FORMAT", "text").args(START)
}

#[test]
fn extensions_alone_are_still_an_empty_database() {
    let db = Database::empty();
    db.psql(
        "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hstore; CREATE EXTENSION citext",
    );
    db.psql("CREATE SCHEMA extensions; CREATE EXTENSION tablefunc SCHEMA extensions");
    image(&db).run().assert_code(0).assert_stdout("the app\n");
    assert_eq!(db.revisions(), "a upgrade,b upgrade");
}

#[test]
fn an_extensions_table_with_data_is_still_an_empty_database() {
    let db = Database::empty();
    // As PostGIS has spatial_ref_sys.
    db.psql("CREATE TABLE spatial_ref_sys (srid int); CREATE SEQUENCE srs");
    db.psql("CREATE EXTENSION hstore; ALTER EXTENSION hstore ADD TABLE spatial_ref_sys");
    image(&db).args(["plan"]).run().assert_code(76).assert_stderr("the database holds sequence");
    db.psql("ALTER EXTENSION hstore ADD SEQUENCE srs");
    image(&db).run().assert_code(0);
}

#[test]
fn a_providers_objects_alone_are_still_an_empty_database() {
    let cluster = Cluster::own();
    let db = Database::on(&cluster);
    for schema in ["google_vacuum_mgmt", "rdsadmin", "cron"] {
        db.psql(&format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.job (id int)"));
    }
    db.psql("CREATE ROLE rdsadmin; SET ROLE rdsadmin; RESET ROLE; CREATE TABLE heartbeat ()");
    db.psql("ALTER TABLE heartbeat OWNER TO rdsadmin");
    image(&db).run().assert_code(0).assert_stdout("the app\n");
    assert_eq!(db.revisions(), "a upgrade,b upgrade");
}

#[test]
fn a_ledger_that_the_role_may_not_see_is_an_error_and_not_an_empty_database() {
    let db = Database::empty();
    image(&db).run().assert_code(0);
    let role = db.role("owner").owner().create();
    let name = role.name();
    for grant in [
        "SELECT 1".to_owned(),
        format!("GRANT USAGE ON SCHEMA castoff TO {name}"),
        format!("GRANT SELECT ON castoff.revision TO {name}"),
    ] {
        db.psql(&grant);
        for command in [&START[..], &["check"], &["current"], &["plan"], &["pending"]] {
            let run = image(&db).url(role.url()).args(command.iter().copied()).run();
            run.assert_code(77).assert_stderr("the role may not read castoff.");
            run.assert_stderr("GRANT USAGE ON SCHEMA");
            assert_eq!(run.stdout, "");
        }
    }
    db.psql(&format!("GRANT SELECT ON castoff.ledger TO {name}"));
    image(&db).url(role.url()).run().assert_code(0).assert_stdout("the app\n");
}

#[test]
fn a_failed_first_run_leaves_no_ledger() {
    let db = Database::empty();
    let broken = image(&db).files([("a_create_a.up.sql", "CREATE TABLE a (id int); TABLE b")]);
    let run = broken.run();
    run.assert_code(65).assert_stderr("42P01 relation \"b\" does not exist");
    assert_eq!((run.stdout.as_str(), db.has_ledger(), db.tables().as_str()), ("", false, ""));
    // Nor has anything else stayed: the corrected image begins at the beginning.
    image(&db).run().assert_code(0);
    assert_eq!((db.revisions(), db.tables()), ("a upgrade,b upgrade".to_owned(), "a,b".to_owned()));
}

#[test]
fn a_failed_later_revision_keeps_those_before_it() {
    let db = Database::empty();
    image(&db).files([("b_create_b.up.sql", "SELECT 1/0")]).run().assert_code(65);
    assert_eq!((db.heads(), db.tables()), ("a".to_owned(), "a".to_owned()));
    image(&db).run().assert_code(0);
    assert_eq!((db.heads(), db.tables()), ("b".to_owned(), "a,b".to_owned()));
}

#[test]
fn a_ledger_that_only_a_newer_castoff_may_use_is_refused() {
    let db = Database::empty();
    image(&db).run().assert_code(0);
    db.psql("UPDATE castoff.ledger SET format = 7");
    image(&db).run().assert_code(0).assert_stdout("the app\n");
    db.psql("UPDATE castoff.ledger SET oldest_reader = 7");
    for command in [&START[..], &["check"], &["current"], &["downgrade", "base"]] {
        let run = image(&db).args(command.iter().copied()).run();
        run.assert_code(76).assert_stderr("the ledger has format 7").assert_stderr("newer castoff");
        assert_eq!(run.stdout, "");
    }
    assert_eq!(db.tables(), "a,b");
}

#[test]
fn a_row_that_makes_no_sense_is_named_and_nothing_is_done() {
    for (damage, column) in [
        ("checksum = 'up x'", "checksum"),
        ("checksum = 'sideways ' || substr(checksum, 4)", "checksum"),
        ("chain = ''", "chain"),
        ("down_revisions = '{not an id}'", "down_revisions"),
        ("statements_done = -1", "statements_done"),
        ("statements_undone = -1", "statements_undone"),
        ("revision = 'not an id'", "revision"),
    ] {
        let db = Database::empty();
        image(&db).run().assert_code(0);
        db.psql(&format!("UPDATE castoff.revision SET {damage} WHERE revision = 'a'"));
        let newer = image(&db).migrations(["c: b"]);
        let run = newer.run();
        run.assert_code(65).assert_stderr(&format!("has no valid {column}"));
        assert_eq!((run.stdout.as_str(), db.tables().as_str()), ("", "a,b"), "{damage}");
    }
}

#[test]
fn the_ledger_can_have_a_schema_of_another_name() {
    let db = Database::empty();
    let castoff = image(&db).env("CASTOFF_SCHEMA", "Ship's \"log\"");
    castoff.run().assert_code(0);
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT count(*) FROM \"Ship's \"\"log\"\"\".revision"), "2");
    assert!(!db.has_ledger());
    castoff.clone().args(["check"]).run().assert_code(0);
    castoff.clone().args(["downgrade", "base"]).run().assert_code(0);
    assert_eq!(db.tables(), "");
}

#[test]
fn the_ledger_can_be_in_public_and_is_no_users_object() {
    let db = Database::empty();
    let castoff = image(&db).env("CASTOFF_SCHEMA", "public");
    castoff.run().assert_code(0);
    castoff.run().assert_code(0);
    assert_eq!((db.tables().as_str(), db.has_ledger()), ("a,b,ledger,revision", false));
    castoff.clone().args(["downgrade", "base"]).run().assert_code(0);
    castoff.run().assert_code(0);
    assert_eq!(db.tables(), "a,b,ledger,revision");
}

#[test]
fn the_schema_may_be_there_before_the_ledger() {
    let db = Database::empty();
    let role = db.role("migrator").create();
    db.psql(&format!(
        "CREATE SCHEMA castoff AUTHORIZATION {0}; GRANT CREATE ON SCHEMA public TO {0}",
        role.name()
    ));
    image(&db).url(role.url()).run().assert_code(0);
    assert_eq!(db.revisions(), "a upgrade,b upgrade");
}

#[test]
fn a_strangers_table_called_revision_is_not_taken_for_the_ledger() {
    for strangers in ["revision (id int, text text)", "ledger (id int)"] {
        let db = Database::empty();
        db.psql(&format!("CREATE TABLE {strangers}"));
        let run = image(&db).env("CASTOFF_SCHEMA", "public").run();
        run.assert_code(76).assert_stderr("has the name of the ledger's but is not castoff's");
        run.assert_stderr("a schema of its own with CASTOFF_SCHEMA");
        // In another schema it is a user's table like any other.
        image(&db).run().assert_code(76).assert_stderr("the database holds table public.");
    }
}

#[test]
fn two_products_share_a_database_with_a_ledger_each() {
    let db = Database::empty();
    image(&db).run().assert_code(0);
    let other = Castoff::new(&db).line(2).args(START).env("CASTOFF_SCHEMA", "other");
    // The first one's tables are there, so only its operator can say that nothing has run.
    other.run().assert_code(76);
    other.clone().env("CASTOFF_BASELINE", "base").run().assert_code(0);
    other.run().assert_code(0);
    image(&db).run().assert_code(0);
    assert_eq!(db.tables(), "a,b,t0001,t0002");
    assert_eq!(db.psql("SELECT count(*) FROM other.revision"), "2");
}
