//! What a file may look like: every text that psql runs, castoff runs with the same effect.

use std::fmt::Write;

use crate::support::{Castoff, Database};

/// castoff with one revision that holds this.
fn one_file(db: &Database, content: impl AsRef<[u8]>) -> Castoff {
    Castoff::new(db)
        .files([("1_x.up.sql", content)])
        .args(["upgrade"])
        .env("CASTOFF_LOG_FORMAT", "text")
}

/// Runs the text by castoff in one database and by psql in another, and compares the schemas and
/// what the query gives in both.
#[track_caller]
fn same_as_psql(text: &str, query: &str, expected: &str) {
    let (by_castoff, by_psql) = (Database::empty(), Database::empty());
    one_file(&by_castoff, text).run().assert_code(0);
    by_psql.psql(text);
    assert_eq!(by_castoff.dump(), by_psql.dump());
    assert_eq!(by_psql.psql(query), expected);
    assert_eq!(by_castoff.psql(query), expected);
}

#[test]
fn semicolons_in_every_form_of_quoting_end_no_statement() {
    same_as_psql(
        r#"CREATE TABLE "quo;ted" (a text, "b "";"" c" text DEFAULT ';');
           INSERT INTO "quo;ted" VALUES ($$;$$, $tag$;$$;$tag$), (E'\';', U&'\003B;'),
             (U&'!003B' UESCAPE '!', 'a''b;'), ('one;'
             'two', /* ; /* nested ; */ ; */ '--;') -- ;
           ;"#,
        r#"SELECT string_agg(a || ' ' || "b "";"" c", ' | ') FROM "quo;ted""#,
        "; ;$$; | '; ;; | ; a'b; | one;two --;",
    );
}

#[test]
fn an_identifier_in_unicode_escapes_is_one() {
    same_as_psql(
        r#"CREATE TABLE U&"d\0061t\+000061;" (U&"d!0061" UESCAPE '!' int);"#,
        r#"SELECT count(da) FROM "data;""#,
        "0",
    );
}

#[test]
fn a_function_with_begin_atomic_and_case_is_one_statement() {
    same_as_psql(
        "CREATE TABLE log (a int);
         CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql BEGIN ATOMIC
           INSERT INTO log VALUES (CASE x WHEN 1 THEN 10 ELSE CASE WHEN true THEN 20 END END);
           SELECT CASE WHEN x = 1 THEN 100 ELSE 200 END AS e;
         END;
         CREATE OR REPLACE PROCEDURE p() BEGIN ATOMIC; INSERT INTO log VALUES (3); END;
         SELECT f(1); SELECT f(2); CALL p()",
        "SELECT array_agg(a) FROM log",
        "{10,20,3}",
    );
}

#[test]
fn a_rule_with_two_statements_in_parentheses_is_one_statement() {
    same_as_psql(
        "CREATE TABLE a (n int); CREATE TABLE b (n int); CREATE TABLE c (n int);
         CREATE RULE r AS ON INSERT TO a DO ALSO (INSERT INTO b VALUES (new.n); DELETE FROM c;);
         CREATE RULE s AS ON DELETE TO a DO INSTEAD NOTHING;
         INSERT INTO c VALUES (1); INSERT INTO a VALUES (7); DELETE FROM a",
        "SELECT (SELECT n FROM a), (SELECT n FROM b), (SELECT count(*) FROM c)",
        "7|7|0",
    );
}

#[test]
fn a_function_body_in_a_string_is_one_statement() {
    same_as_psql(
        "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN ''a;b''; END;';
         CREATE FUNCTION g() RETURNS text LANGUAGE plpgsql AS $f$ BEGIN
           EXECUTE $$ SELECT 1; $$; RETURN 'c'; END; $f$;
         DO $do$ BEGIN PERFORM f(); END $do$;",
        "SELECT f() || g()",
        "a;bc",
    );
}

#[test]
fn a_file_without_statements_is_applied() {
    for content in ["", "\n\n", "-- nothing yet", "-- a\n/* b; */\n", ";;\n;", "\u{feff}"] {
        let db = Database::empty();
        one_file(&db, content).run().assert_code(0);
        assert_eq!(db.psql("SELECT revision, head FROM castoff.revision"), "1|t", "{content:?}");
    }
}

#[test]
fn the_last_statement_needs_no_semicolon_nor_line_end() {
    for content in [
        "CREATE TABLE a (); INSERT INTO a DEFAULT VALUES",
        "CREATE TABLE a (); INSERT INTO a DEFAULT VALUES -- done",
        "CREATE TABLE a (); INSERT INTO a DEFAULT VALUES /* done; */",
    ] {
        let db = Database::empty();
        one_file(&db, content).run().assert_code(0);
        assert_eq!(db.psql("SELECT count(*) FROM a"), "1", "{content}");
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_no_sql() {
    let db = Database::empty();
    let content = "\u{feff}-- add notes\r\n\r\nCREATE TABLE notes (\r\n  id int -- key\r\n);\r\n\
                   COPY notes FROM stdin;\r\n1\r\n2\r\n\\.\r\nSELECT 1;\r\n";
    one_file(&db, content).run().assert_code(0).assert_stderr("Running upgrade  -> 1, add notes");
    assert_eq!(db.psql("SELECT sum(id) FROM notes"), "3");
}

#[test]
fn a_file_that_is_not_utf8_is_refused_before_anything_runs() {
    let db = Database::empty();
    let run = one_file(&db, b"CREATE TABLE a ();\nSELECT 'caf\xe9'").run();
    run.assert_code(65).assert_stderr("1_x.up.sql:2:12: not UTF-8");
    assert_eq!(db.psql("SELECT to_regclass('a'), to_regnamespace('castoff')"), "|");
}

#[test]
fn a_file_of_ten_megabytes_is_applied() {
    let db = Database::empty();
    let word = "é".repeat(512);
    let mut sql = String::from("CREATE TABLE words (id int, word text);\n");
    for id in 0..5_000 {
        writeln!(sql, "INSERT INTO words VALUES ({id}, '{word}');").unwrap();
    }
    sql.push_str("COPY words FROM stdin;\n");
    for id in 0..5_000 {
        writeln!(sql, "{id}\t{word}").unwrap();
    }
    sql.push_str("\\.\nSELECT 1 / (count(*) / 10000) FROM words;");
    assert!(sql.len() > 10_000_000);
    one_file(&db, sql).run().assert_code(0);
    assert_eq!(db.psql("SELECT count(*), min(length(word)) FROM words"), "10000|512");
}

#[test]
fn an_enum_value_is_added_and_used_by_the_next_revision() {
    let db = Database::empty();
    Castoff::new(&db)
        .files([
            ("1_a.up.sql", "CREATE TYPE mood AS ENUM ('sad'); CREATE TABLE a (m mood);"),
            ("2_b.up.sql", "ALTER TYPE mood ADD VALUE 'ok';"),
            ("3_c.up.sql", "INSERT INTO a VALUES ('ok');"),
        ])
        .args(["upgrade"])
        .run()
        .assert_code(0);
    assert_eq!(db.psql("TABLE a"), "ok");
}

#[test]
fn an_enum_value_used_in_its_own_transaction_fails_with_the_servers_advice() {
    let db = Database::empty();
    db.psql("CREATE TYPE mood AS ENUM ('sad')");
    let run = one_file(&db, "ALTER TYPE mood ADD VALUE 'ok';\nSELECT 'ok'::mood;")
        .env("CASTOFF_BASELINE", "base")
        .run();
    run.assert_code(65)
        .assert_stderr("1_x.up.sql:2:8")
        .assert_stderr("55P04")
        .assert_stderr("New enum values must be committed before they can be used.");
}

#[test]
fn an_enum_value_is_added_and_used_in_one_file_outside_a_transaction() {
    let db = Database::empty();
    let sql = "-- Transaction: none\nCREATE TYPE mood AS ENUM ('sad');
               ALTER TYPE mood ADD VALUE 'ok'; CREATE TABLE a AS SELECT 'ok'::mood;";
    one_file(&db, sql).run().assert_code(0);
    assert_eq!(db.psql("TABLE a"), "ok");
}

#[test]
fn a_files_own_commit_is_refused_before_anything_runs() {
    for control in ["COMMIT", "BEGIN", "ROLLBACK", "end", "START TRANSACTION", "ABORT"] {
        let db = Database::empty();
        let run =
            one_file(&db, format!("CREATE TABLE a ();\n{control};\nCREATE TABLE b ();")).run();
        run.assert_code(65)
            .assert_stderr(&format!("1_x.up.sql:2:1: `{control}` controls the transaction"))
            .assert_stderr("hint: remove it, or begin the file with `-- Transaction: none`");
        assert_eq!(db.psql("SELECT to_regclass('a'), to_regnamespace('castoff')"), "|");
    }
}

#[test]
fn a_commit_inside_a_procedure_of_a_transactional_file_keeps_nothing() {
    let db = Database::empty();
    let sql = "CREATE TABLE a ();\nDO $$ BEGIN CREATE TABLE b (); COMMIT; END $$;";
    one_file(&db, sql).run().assert_code(65).assert_stderr("2D000").assert_stderr("sql:2:1");
    assert_eq!(db.psql("SELECT to_regclass('a'), to_regclass('b')"), "|");
}

#[test]
fn a_deferred_constraint_fails_at_commit_and_nothing_is_kept() {
    let db = Database::empty();
    let sql = "CREATE TABLE parent (id int PRIMARY KEY);
               CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
               INSERT INTO child VALUES (7); CREATE TABLE later ();";
    let run = one_file(&db, sql).run();
    run.assert_code(65)
        .assert_stderr("23503")
        .assert_stderr("Key (id)=(7) is not present in table \"parent\".")
        .assert_stderr("hint: nothing of 1 was kept");
    assert!(!run.stderr.contains("WARNING"), "{run}");
    assert_eq!(db.psql("SELECT to_regclass('parent'), to_regclass('later')"), "|");
    assert_eq!(db.psql("SELECT to_regnamespace('castoff')"), "");
}

#[test]
fn a_deferred_trigger_sees_the_search_path_and_the_role_of_its_file() {
    let db = Database::empty();
    let role = db.role("writer").create();
    let role = role.name();
    db.psql(&format!("GRANT CREATE ON DATABASE {} TO {role}", db.name()));
    let sql = format!(
        "SET ROLE {role}; CREATE SCHEMA shop; SET search_path TO shop;
         CREATE TABLE a (n int); CREATE TABLE log (n int, who text);
         CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
           'BEGIN INSERT INTO log VALUES (new.n, current_user); RETURN NULL; END';
         CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a DEFERRABLE INITIALLY DEFERRED
           FOR EACH ROW EXECUTE FUNCTION note();
         INSERT INTO a VALUES (3);"
    );
    one_file(&db, sql).run().assert_code(0);
    assert_eq!(db.psql("TABLE shop.log"), format!("3|{role}"));
}

#[test]
fn copy_data_may_hold_anything_that_looks_like_sql() {
    same_as_psql(
        "CREATE TABLE a (id int, t text);
COPY a (id, t) FROM stdin;
1\t'; $$ -- /* \"
2\t\\\\. COMMIT;
3\t\\N
\\.
CREATE TABLE b (t text); COPY b FROM STDIN WITH (FORMAT csv, HEADER);
t
\"two
lines; and a quote \"\"\"
\\.
",
        "SELECT (SELECT string_agg(coalesce(t, 'null'), ',') FROM a), (SELECT t FROM b)",
        "'; $$ -- /* \",\\. COMMIT;,null|two\nlines; and a quote \"",
    );
}

#[test]
fn a_copy_of_no_rows_is_applied() {
    same_as_psql(
        "CREATE TABLE a (id int);\nCOPY a FROM stdin;\n\\.\nINSERT INTO a VALUES (1)",
        "TABLE a",
        "1",
    );
}

#[test]
fn a_meta_command_of_psql_is_refused_with_its_place() {
    let db = Database::empty();
    let run = one_file(&db, "SELECT 1;\n  \\i other.sql\n").run();
    run.assert_code(65).assert_stderr("1_x.up.sql:2:3: `\\i` is a command of psql, not SQL");
}

#[test]
fn concurrently_in_a_transactional_file_is_refused_before_anything_runs() {
    let db = Database::empty();
    let run = one_file(&db, "CREATE TABLE a (n int);\nCREATE INDEX CONCURRENTLY ON a (n);").run();
    run.assert_code(65).assert_stderr("1_x.up.sql:2:1").assert_stderr("-- Transaction: none");
    assert_eq!(db.psql("SELECT to_regclass('a')"), "");
}
