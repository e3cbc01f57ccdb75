//! Files that say `Transaction: none`: statement by statement, and on again where they stopped.

use crate::support::{Castoff, Database, SOON, Signal, eventually};

fn one_file(db: &Database, statements: &str) -> Castoff {
    let castoff = Castoff::new(db).args(["upgrade"]).env("CASTOFF_LOG_FORMAT", "text");
    castoff.own_folder().file("1_x.up.sql", format!("-- Transaction: none\n{statements}"));
    castoff
}

fn ledger(db: &Database) -> String {
    db.psql("SELECT revision, head, coalesce(statements_done::text, 'complete') FROM castoff.revision ORDER BY 1")
}

/// Kills castoff while its session waits in the server for this.
fn kill_during(db: &Database, castoff: &Castoff, wait_event: &str) {
    let running = castoff.spawn();
    eventually(SOON, || {
        let backends = db.backends();
        let waits = backends.iter().any(|it| it.state == "active" && it.wait_event == wait_event);
        if waits { Ok(()) } else { Err((backends, running.output())) }
    });
    running.signal(Signal::Kill);
    running.wait(SOON);
    eventually(SOON, || db.backends().is_empty());
}

#[test]
fn a_failed_statement_keeps_those_before_it_and_the_next_start_goes_on_there() {
    let db = Database::empty();
    let castoff = one_file(
        &db,
        "CREATE TABLE a (n int);\nINSERT INTO a VALUES (1);\nINSERT INTO b VALUES (2);\nINSERT INTO a VALUES (3);",
    );
    castoff
        .run()
        .assert_code(65)
        .assert_stderr("1_x.up.sql:4:13")
        .assert_stderr("hint: 1 is done up to its statement 2, and recorded so");
    assert_eq!(ledger(&db), "1|f|2");
    db.psql("CREATE TABLE b (n int)");
    castoff.run().assert_code(0).assert_stderr("Going on with 1 after 2 of its statements");
    assert_eq!(db.psql("SELECT array_agg(n) FROM a"), "{1,3}");
    assert_eq!(ledger(&db), "1|t|complete");
}

#[test]
fn a_killed_start_is_resumed_at_the_statement_that_ran() {
    let db = Database::empty();
    let castoff = one_file(
        &db,
        "CREATE TABLE a (n int); INSERT INTO a VALUES (1); SELECT pg_sleep(60) FROM a WHERE NOT EXISTS (SELECT FROM gate); INSERT INTO a VALUES (2);",
    );
    db.psql("CREATE TABLE gate ()");
    db.psql("DELETE FROM gate");
    let castoff = castoff.env("CASTOFF_BASELINE", "base");
    kill_during(&db, &castoff, "PgSleep");
    assert_eq!(ledger(&db), "1|f|2");
    db.psql("INSERT INTO gate DEFAULT VALUES");
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT array_agg(n) FROM a"), "{1,2}");
}

#[test]
fn a_block_from_begin_to_commit_is_done_as_one() {
    let db = Database::empty();
    let castoff = one_file(
        &db,
        "CREATE TABLE a (n int);\nBEGIN;\nINSERT INTO a VALUES (1);\nINSERT INTO b VALUES (2);\nCOMMIT;\nVACUUM a;",
    );
    castoff.run().assert_code(65).assert_stderr("1_x.up.sql:5:13");
    assert_eq!(ledger(&db), "1|f|1");
    assert_eq!(db.psql("SELECT count(*) FROM a"), "0");
    db.psql("CREATE TABLE b (n int)");
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)"), "1|1");
    assert_eq!(ledger(&db), "1|t|complete");
}

#[test]
fn a_block_that_is_killed_is_done_again_as_a_whole() {
    let db = Database::empty();
    let castoff = one_file(
        &db,
        "CREATE TABLE a (n int); START TRANSACTION; INSERT INTO a VALUES (1);
         LOCK TABLE gate; END; INSERT INTO a VALUES (2);",
    )
    .env("CASTOFF_BASELINE", "base");
    db.psql("CREATE TABLE gate ()");
    let mut session = db.session();
    session.psql("BEGIN; LOCK TABLE gate");
    kill_during(&db, &castoff, "relation");
    assert_eq!(ledger(&db), "1|f|1");
    session.psql("COMMIT");
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT array_agg(n) FROM a"), "{1,2}");
}

#[test]
fn what_the_finished_statements_set_holds_after_a_resume() {
    let db = Database::empty();
    let role = db.role("app").create();
    let app = role.name();
    let castoff = one_file(
        &db,
        &format!(
            "CREATE SCHEMA shop AUTHORIZATION {app}; SET search_path TO shop; SET my.word = 'x';
             SET TIME ZONE 'Asia/Tokyo'; SET DateStyle = 'German'; RESET DateStyle;
             SET statement_timeout = '70s'; SET ROLE {app};
             BEGIN; SET LOCAL my.word = 'local'; COMMIT;
             INSERT INTO public.gate VALUES (1);
             CREATE TABLE a AS SELECT current_setting('my.word') || ' ' || current_setting('TimeZone')
               || ' ' || current_setting('DateStyle') || ' ' || current_setting('statement_timeout')
               || ' ' || current_setting('lock_timeout') AS it;"
        ),
    );
    castoff.run().assert_code(65).assert_stderr("relation \"public.gate\" does not exist");
    db.psql(&format!("CREATE TABLE gate (n int); GRANT ALL ON gate TO {app}"));
    castoff.run().assert_code(0);
    assert_eq!(db.psql("TABLE shop.a"), "x Asia/Tokyo ISO, MDY 70s 5s");
    let owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'a'";
    assert_eq!(db.psql(owner), app);
    assert_eq!(
        db.psql("SELECT tableowner FROM pg_tables WHERE tablename = 'revision'"),
        "postgres"
    );
}

#[test]
fn a_role_set_in_the_file_holds_for_its_later_statements() {
    let db = Database::empty();
    let role = db.role("app").create();
    let app = role.name();
    let castoff = one_file(
        &db,
        &format!(
            "GRANT CREATE ON SCHEMA public TO {app}; SET ROLE {app}; CREATE TABLE a (n int);
             CREATE INDEX CONCURRENTLY i ON a (n); RESET ROLE; CREATE TABLE b ();
             SET SESSION AUTHORIZATION {app}; CREATE TABLE c ();"
        ),
    );
    castoff.run().assert_code(0);
    let owners = "SELECT string_agg(relname || ':' || (relowner::regrole = '{app}'::regrole), ' ' ORDER BY relname)
                  FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(db.psql(&owners.replace("{app}", app)), "a:true b:false c:true i:true");
}

#[test]
fn the_done_part_of_a_file_may_not_change_and_the_rest_may() {
    let db = Database::empty();
    let castoff = one_file(&db, "CREATE TABLE a (n int); INSERT INTO a VALUES (1); SELECT 1 / 0;");
    castoff.run().assert_code(65);
    let folder = castoff.own_folder();

    let edited =
        "-- Transaction: none\nCREATE TABLE a (n int); INSERT INTO a VALUES (2); SELECT 1;";
    folder.file("1_x.up.sql", edited);
    castoff.run().assert_code(65).assert_stderr("1");
    assert_eq!(ledger(&db), "1|f|2");
    let shorter = "-- Transaction: none\nCREATE TABLE a (n int);";
    folder.file("1_x.up.sql", shorter);
    castoff.run().assert_code(65);
    assert_eq!(ledger(&db), "1|f|2");

    let later = "-- Transaction: none\n-- why\nCREATE TABLE a (n int);\n\nINSERT INTO a VALUES (1);
                 INSERT INTO a VALUES (5); /* and */ INSERT INTO a VALUES (6)";
    folder.file("1_x.up.sql", later);
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT array_agg(n) FROM a"), "{1,5,6}");
    castoff.run().assert_code(0);
}

#[test]
fn a_file_whose_rest_was_removed_is_complete() {
    let db = Database::empty();
    let castoff = one_file(&db, "CREATE TABLE a (n int); INSERT INTO a VALUES (1); SELECT 1 / 0;");
    castoff.run().assert_code(65);
    let done = "-- Transaction: none\nCREATE TABLE a (n int); INSERT INTO a VALUES (1);";
    castoff.own_folder().file("1_x.up.sql", done);
    castoff.run().assert_code(0);
    assert_eq!(ledger(&db), "1|t|complete");
    assert_eq!(db.psql("SELECT count(*) FROM a"), "1");
}

#[test]
fn later_revisions_wait_for_one_that_stopped_half_way() {
    let db = Database::empty();
    let castoff = one_file(&db, "CREATE TABLE a (n int); SELECT 1 / (SELECT count(*) FROM gate);")
        .files([("2_y.up.sql", "CREATE TABLE later ();")])
        .env("CASTOFF_BASELINE", "base");
    db.psql("CREATE TABLE gate ()");
    castoff.run().assert_code(65);
    assert_eq!(db.psql("SELECT to_regclass('later')"), "");
    db.psql("INSERT INTO gate DEFAULT VALUES");
    castoff.run().assert_code(0);
    assert_eq!(ledger(&db), "1|f|complete\n2|t|complete");
}

#[test]
fn what_postgresql_refuses_in_a_transaction_runs_outside_of_one() {
    let db = Database::empty();
    let castoff = one_file(
        &db,
        "CREATE TABLE a (n int PRIMARY KEY) PARTITION BY RANGE (n);
         CREATE TABLE a1 PARTITION OF a FOR VALUES FROM (0) TO (9);
         INSERT INTO a VALUES (1);
         VACUUM ANALYZE a;
         REINDEX TABLE a;
         REINDEX INDEX CONCURRENTLY a1_pkey;
         CREATE PROCEDURE p() LANGUAGE plpgsql AS $$ BEGIN
           INSERT INTO a VALUES (2); COMMIT; INSERT INTO a VALUES (3); END $$;
         CALL p();
         DO $$ BEGIN INSERT INTO a VALUES (4); COMMIT; END $$;
         DROP INDEX CONCURRENTLY IF EXISTS nothing;
         ALTER TABLE a DETACH PARTITION a1 CONCURRENTLY;
         CREATE INDEX CONCURRENTLY ON a1 (n DESC);",
    );
    castoff.run().assert_code(0);
    assert_eq!(db.psql("SELECT array_agg(n) FROM a1"), "{1,2,3,4}");
    assert_eq!(
        db.psql("SELECT count(*) FROM pg_index WHERE indrelid = 'a1'::regclass AND indisvalid"),
        "2"
    );
    assert_eq!(ledger(&db), "1|t|complete");
}

#[test]
fn copy_data_outside_a_transaction_are_loaded_once() {
    let db = Database::empty();
    let castoff = one_file(
        &db,
        "CREATE TABLE a (n int);\nCOPY a FROM stdin;\n1\n2\n\\.\nBEGIN;\nCOPY a FROM stdin;\n3\n\\.\nCOMMIT;\nSELECT 1 / 0;",
    );
    castoff.run().assert_code(65);
    castoff.run().assert_code(65);
    assert_eq!(db.psql("SELECT array_agg(n) FROM a"), "{1,2,3}");
}
