//! `castoff squash`: the baseline that it writes, what it refuses, and what it leaves behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::{Castoff, Database, Folder, Role, SOON, Signal, eventually};

/// A history with ids in no order, a branch, and an object of most kinds.
const HISTORY: [(&str, &str); 10] = [
    (
        "z1_start.up.sql",
        "-- Revises: none\nCREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);\n\
         CREATE TABLE gone (x xml);",
    ),
    (
        "a2_email.up.sql",
        "-- add an email\n-- Revision ID: m2\n-- Revises: z1\n-- Breaking: yes\nALTER TABLE users ADD email text; DROP TABLE gone",
    ),
    ("a2_email.down.sql", "-- Revision ID: m2\nALTER TABLE users DROP email"),
    (
        "b3_view.sql",
        "-- Revises: z1\nCREATE VIEW v AS SELECT name FROM users; CREATE SEQUENCE s START 7",
    ),
    ("c4_merge.up.sql", "-- it's a merge\n-- Revises: m2, b3\n"),
    (
        "d5_all.up.sql",
        "-- Revises: c4\n-- Transaction: none\n\
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;\n\
         CREATE TRIGGER t BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION f();\n\
         CREATE INDEX CONCURRENTLY users_email ON users (lower(email));\n\
         CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS users FROM users;\n\
         CREATE MATERIALIZED VIEW of_counted AS SELECT * FROM counted;\n\
         CREATE MATERIALIZED VIEW empty AS SELECT 1 AS one WITH NO DATA;\n\
         COMMENT ON TABLE users IS 'people; all of them';\n\
         ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO public;\n\
         GRANT SELECT ON users TO public",
    ),
    ("d5_all.down.sql", "DROP MATERIALIZED VIEW counted"),
    ("e6_more.up.sql", "-- Revises: d5\nCREATE TABLE more ()"),
    ("e6_more.down.sql", "DROP TABLE more"),
    ("README.md", "nothing to read"),
];

struct Author {
    db: Database,
    role: Role,
    castoff: Castoff,
}

impl Author {
    fn new(files: &[(&'static str, &'static str)]) -> Author {
        let db = Database::empty();
        let role = db.role("author").owner().option("CREATEDB").create();
        let castoff = Castoff::new(&db).url(role.url()).env("CASTOFF_LOG_FORMAT", "text");
        let castoff = castoff.files(files.iter().copied());
        Author { db, role, castoff }
    }

    fn with(&self, arguments: &[&str]) -> Castoff {
        self.castoff.clone().args(arguments.iter().copied())
    }

    /// castoff squash with the server's own `pg_dump`.
    fn squash(&self, arguments: &[&str]) -> Castoff {
        let pg_dump = self.db.cluster().program("pg_dump");
        self.with(&[&["squash", "--pg-dump", pg_dump.to_str().unwrap()], arguments].concat())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.castoff.own_folder().path().join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// The names of all files, hidden ones too.
    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.castoff.own_folder().path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn assert_no_database_is_left(&self) {
        let left = self.db.psql(&format!(
            "SELECT count(*) FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
             WHERE d.datname LIKE 'castoff\\_scratch\\_%' AND r.rolname = '{}'",
            self.role.name()
        ));
        assert_eq!(left, "0");
    }
}

/// A program in a folder of its own that is called `pg_dump`.
fn program(text: &str) -> (Folder, String) {
    let folder = Folder::new();
    folder.file("pg_dump", format!("#!/bin/sh\n{text}\n"));
    let path = folder.path().join("pg_dump");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

#[test]
fn the_baseline_makes_what_the_history_makes() {
    let author = Author::new(&HISTORY);
    author.with(&["lock", "--with", "comments,grants"]).run().assert_code(0);
    let before = author.files();
    let run = author.squash(&["d5"]).run();
    run.assert_code(0).assert_stdout("castoff.lock says so\n");
    run.assert_stdout("d5_all.baseline.sql makes what the history up to d5 makes\n");
    assert_eq!(run.stderr, "");
    author.assert_no_database_is_left();
    let mut after = author.files();
    after.retain(|name| name != "d5_all.baseline.sql");
    assert_eq!(after, before);

    let text = author.text("d5_all.baseline.sql");
    assert!(text.starts_with("-- all\n-- Revises: none\n-- The whole schema as of"), "{text}");
    for noise in [
        "OWNER",
        "statement_timeout",
        "restrict",
        "castoff.revision",
        "setval",
        "COPY",
        "xmloption",
        author.role.name(),
    ] {
        assert!(!text.contains(noise), "{noise} in {text}");
    }
    author.with(&["lock", "--check"]).run().assert_code(0);

    let (by_baseline, by_history) = (Database::empty(), Database::empty());
    author.castoff.clone().url(by_baseline.url()).args(["upgrade"]).run().assert_code(0);
    assert!(by_baseline.revisions().contains("d5 baseline,e6 upgrade"));
    author.castoff.own_folder().remove("d5_all.baseline.sql");
    author.castoff.clone().url(by_history.url()).args(["upgrade"]).run().assert_code(0);
    assert!(by_history.revisions().contains("d5 upgrade,e6 upgrade"));
    for db in [&by_baseline, &by_history] {
        assert_eq!(db.psql("SELECT users FROM counted, of_counted AS o (n)"), "0");
        assert_eq!(db.psql("SELECT relispopulated FROM pg_class WHERE relname = 'empty'"), "f");
        assert_eq!(db.psql("SELECT nextval('s')"), "7");
    }
    assert_eq!(by_baseline.dump(), by_history.dump());
}

#[test]
fn what_it_says_can_go_can_go() {
    let author = Author::new(&HISTORY);
    let old = Database::empty();
    author.castoff.clone().url(old.url()).args(["upgrade"]).run().assert_code(0);
    let run = author.squash(&["d5", "--json"]).run();
    let said: serde_json::Value = serde_json::from_str(&run.assert_code(0).stdout).unwrap();
    assert_eq!(said["lock"], "absent");
    let files: Vec<_> =
        said["removable"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    assert_eq!(files.len(), 7, "{files:?}");
    for file in files {
        fs::remove_file(file).unwrap();
    }
    assert_eq!(
        author.files(),
        ["README.md", "d5_all.baseline.sql", "e6_more.down.sql", "e6_more.up.sql"]
    );
    author.castoff.clone().url(old.url()).args(["check"]).run().assert_code(0);
    let new = Database::empty();
    author.castoff.clone().url(new.url()).args(["upgrade"]).run().assert_code(0);
    assert_eq!(new.revisions(), "d5 baseline,e6 upgrade");
    assert_eq!(new.dump(), old.dump());
}

#[test]
fn nothing_can_go_while_a_branch_begins_before_it() {
    let author = Author::new(&HISTORY);
    let run = author.squash(&["m2"]).run();
    run.assert_code(0).assert_stdout("every other file is still needed: branches begin before m2");
    assert!(
        author.text("a2_email.baseline.sql").contains("-- Revision ID: m2\n-- Breaking: yes\n")
    );
    author.castoff.clone().url(Database::empty().url()).args(["upgrade"]).run().assert_code(0);
}

const SEEDS: [(&str, &str); 3] = [
    (
        "1_a.up.sql",
        "CREATE TABLE kinds (id serial PRIMARY KEY, name text); CREATE TABLE empty (id int);\n\
         INSERT INTO kinds (name) VALUES ('one'), (E'tab\\there'), (NULL);\n\
         CREATE SEQUENCE alone; SELECT nextval('alone');\n\
         CREATE MATERIALIZED VIEW m AS SELECT count(*) FROM kinds",
    ),
    ("2_b.up.sql", "UPDATE kinds SET name = 'first' WHERE id = 1"),
    ("3_c.up.sql", "CREATE TABLE c ()"),
];

#[test]
fn rows_are_left_out_only_on_somebodys_word() {
    let author = Author::new(&SEEDS);
    let before = author.files();
    let run = author.squash(&["2"]).run();
    run.assert_code(76)
        .assert_stderr("the history has filled table public.kinds, sequence public.alone");
    run.assert_stderr(
        "hint: --data writes their rows into the baseline, --no-data leaves them out",
    );
    assert_eq!(author.files(), before);
    author.squash(&["2", "--data", "--no-data"]).run().assert_code(64);
    author.squash(&["2", "--no-data"]).run().assert_code(0);
    let db = Database::empty();
    author.castoff.clone().url(db.url()).args(["upgrade"]).run().assert_code(0);
    assert_eq!(db.psql("SELECT count(*) FROM kinds; SELECT count FROM m"), "0\n0");
}

#[test]
fn rows_are_in_it_if_somebody_wants_them() {
    let author = Author::new(&SEEDS);
    author.squash(&["2", "--data"]).run().assert_code(0);
    let text = author.text("2_b.baseline.sql");
    assert!(text.contains("COPY public.kinds (id, name) FROM stdin;\n"), "{text}");
    assert!(!text.contains("COPY public.empty"), "{text}");
    let (by_baseline, by_history) = (Database::empty(), Database::empty());
    author.castoff.clone().url(by_baseline.url()).args(["upgrade"]).run().assert_code(0);
    by_history.psql(&SEEDS.map(|(_, sql)| sql).join(";"));
    assert!(by_baseline.revisions().starts_with("1 baseline,2 baseline"));
    assert_eq!(by_baseline.data(), by_history.data());
    assert_eq!(by_baseline.psql("SELECT count FROM m"), "3");
}

#[test]
fn owners_that_the_history_has_set_are_in_it() {
    let mut author = Author::new(&[]);
    author.castoff = author.castoff.clone().url(author.db.url());
    let owner = author.role.name();
    let make = format!("CREATE TABLE a (); CREATE TABLE b (); ALTER TABLE a OWNER TO {owner}");
    author.castoff.own_folder().file("1_a.up.sql", make);
    for lock in [&["lock"][..], &["lock", "--with", "owners"]] {
        author.with(lock).run().assert_code(0);
        author.squash(&["1"]).run().assert_code(0);
        let text = author.text("1_a.baseline.sql");
        assert_eq!(text.matches("OWNER TO").count(), 1, "{text}");
        assert!(text.contains(&format!("ALTER TABLE public.a OWNER TO {owner};")), "{text}");
        fs::remove_file(author.castoff.own_folder().path().join("1_a.baseline.sql")).unwrap();
    }
}

#[test]
fn a_history_without_tables_is_one_too() {
    let author =
        Author::new(&[("1_a.sql", "CREATE TYPE mood AS ENUM ('good')"), ("2_b.sql", "SELECT 1")]);
    author.squash(&["head"]).run().assert_code(0);
    let text = author.text("2_b.baseline.sql");
    assert!(text.ends_with("CREATE TYPE public.mood AS ENUM (\n    'good'\n);\n"), "{text}");
    let author = Author::new(&[("1_a.sql", "-- nothing\n")]);
    author.squash(&["1"]).run().assert_code(0);
}

#[test]
fn a_baseline_that_is_there_stays() {
    let author = Author::new(&[
        ("1_a.up.sql", "CREATE TABLE a ()"),
        ("1_a.baseline.sql", "CREATE TABLE a ();"),
    ]);
    let run = author.squash(&["head"]).run();
    run.assert_code(65).assert_stderr("revision 1 has a baseline already: ");
    assert_eq!(author.text("1_a.baseline.sql"), "CREATE TABLE a ();");
    author.squash(&["base"]).run().assert_code(64);
    author.squash(&["7"]).run().assert_code(64);
}

#[test]
fn a_stale_lock_is_told() {
    let author = Author::new(&HISTORY);
    author.with(&["lock"]).run().assert_code(0);
    author.castoff.own_folder().file("f7_x.up.sql", "-- Revises: e6\nSELECT 1");
    let lock = author.text("castoff.lock");
    author.squash(&["d5"]).run().assert_code(0).assert_stdout("run `castoff lock`");
    assert_eq!(author.text("castoff.lock"), lock);
}

#[test]
fn a_pg_dump_that_is_no_use_is_told() {
    let author = Author::new(&[("1_a.up.sql", "CREATE TABLE a (id int)")]);
    let before = author.files();
    for (script, code, message) in [
        (
            "echo 'pg_dump (PostgreSQL) 9.6.24'",
            78,
            "pg_dump is of version 9.6.24, and the server of version",
        ),
        ("echo 'pg_restore (PostgreSQL) 17.1'", 78, "is no pg_dump"),
        (
            "[ $1 != --version ] && echo no luck >&2 && exit 3; echo 'pg_dump (PostgreSQL) 99'",
            70,
            "exit status: 3: no luck",
        ),
        (
            "[ $1 != --version ] && echo 'CREATE TABLE public.b (id int);' && exit; echo 'pg_dump (PostgreSQL) 99'",
            65,
            "+ table public.b",
        ),
        (
            "[ $1 != --version ] && echo \"SELECT '\" && exit; echo 'pg_dump (PostgreSQL) 99'",
            70,
            "what pg_dump wrote cannot be read",
        ),
    ] {
        let (_folder, path) = program(script);
        let run = author.with(&["squash", "1", "--pg-dump", &path]).run();
        run.assert_code(code).assert_stderr(message);
        assert_eq!(author.files(), before, "{script}");
    }
    let run = author.with(&["squash", "1", "--pg-dump", "/no/such/pg_dump"]).run();
    run.assert_code(78).assert_stderr("/no/such/pg_dump cannot be run").assert_stderr("--pg-dump");
    author.assert_no_database_is_left();
}

#[test]
fn pg_dump_is_told_the_password_by_no_argument_and_no_secret_of_castoffs() {
    let author = Author::new(&[("1_a.up.sql", "CREATE TABLE a (id int)")]);
    let told = Folder::new();
    let (_folder, path) = program(&format!(
        "{{ echo \"$@\"; env; }} >>{}/told; echo 'pg_dump (PostgreSQL) 99'",
        told.path().display()
    ));
    let castoff = author.with(&["squash", "1", "--pg-dump", &path]).env("PGDATESTYLE", "German");
    castoff.run().assert_code(65);
    let told = fs::read_to_string(told.path().join("told")).unwrap();
    let secret = author.role.url().split([':', '@']).nth(2).unwrap();
    let lines: Vec<_> = told.lines().filter(|line| line.contains(secret)).collect();
    assert_eq!(lines, [format!("PGPASSWORD={secret}")]);
    assert!(!told.contains("DATABASE_URL") && !told.contains("German"), "{told}");
    assert!(told.contains("--exclude-schema=\"castoff\""), "{told}");
}

#[test]
fn a_signal_ends_it_and_pg_dump() {
    let author = Author::new(&[("1_a.up.sql", "CREATE TABLE a (id int)")]);
    let before = author.files();
    let pids = Folder::new();
    let (_folder, path) = program(&format!(
        "[ $1 = --version ] && echo 'pg_dump (PostgreSQL) 99' && exit; echo $$ >{}/pid; exec sleep 1000",
        pids.path().display()
    ));
    let castoff = author.with(&["squash", "1", "--pg-dump", &path]).spawn();
    let pid = eventually(SOON, || {
        let text = fs::read_to_string(pids.path().join("pid")).unwrap_or_default();
        text.trim().parse::<u32>().map_err(|_| text)
    });
    castoff.signal(Signal::Term);
    castoff.wait(SOON).assert_code(143);
    assert!(!PathBuf::from(format!("/proc/{pid}")).exists());
    assert_eq!(author.files(), before);
    author.assert_no_database_is_left();
}
