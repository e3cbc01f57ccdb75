//! `castoff lock`: what it writes, what it proves on the way, and what it leaves behind.

use std::fs;

use crate::support::{Castoff, Database, Role, SOON, Signal, eventually};

/// Somebody who writes revisions: may create databases, and nothing else that others may not.
struct Author {
    db: Database,
    role: Role,
}

impl Author {
    fn new() -> Author {
        let db = Database::empty();
        let role = db.role("author").owner().option("CREATEDB").create();
        Author { db, role }
    }

    /// castoff lock on these files.
    fn image(&self, files: &[(&'static str, &'static str)]) -> Castoff {
        let castoff = Castoff::new(&self.db).url(self.role.url()).env("CASTOFF_LOG_FORMAT", "text");
        castoff.files(files.iter().copied()).args(["lock"])
    }

    /// How many databases were made and not dropped.
    fn scratch_databases(&self) -> String {
        self.db.psql(&format!(
            "SELECT count(*) FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
             WHERE d.datname LIKE 'castoff\\_scratch\\_%' AND r.rolname = '{}'",
            self.role.name()
        ))
    }
}

/// The lock of an image's folder, with `…` for each checksum.
fn written(castoff: &Castoff) -> String {
    let text = fs::read_to_string(castoff.own_folder().path().join("castoff.lock")).unwrap();
    let mut parts = text.split("sha256:");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| format!("{text}…{}", &part[64..]))
}

const SHOP: [(&str, &str); 6] = [
    (
        "1_users.sql",
        "CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text);
         INSERT INTO users (name) VALUES ('first')",
    ),
    (
        "2_email.up.sql",
        "ALTER TABLE users ADD email varchar(255) NOT NULL DEFAULT '', ALTER name SET NOT NULL",
    ),
    ("2_email.down.sql", "ALTER TABLE users DROP email, ALTER name DROP NOT NULL"),
    ("3_data.sql", "UPDATE users SET email = name"),
    (
        "4_index.up.sql",
        "-- Transaction: none\nCREATE INDEX CONCURRENTLY users_email ON users (lower(email));\n
         CREATE VIEW addresses AS SELECT email FROM users;",
    ),
    ("4_index.down.sql", "DROP VIEW addresses; DROP INDEX users_email"),
];

#[test]
fn each_revision_has_the_lines_that_it_adds_and_removes() {
    let author = Author::new();
    author.db.psql("CREATE TABLE somebodys (id int)");
    let image = author.image(&SHOP);
    let run = image.run();
    run.assert_code(0).assert_stdout("castoff.lock has 4 revisions in 11 lines\n");
    assert_eq!(run.stderr, "");
    let major = author.db.psql("SELECT current_setting('server_version_num')::int / 10000");
    let expected = format!(
        "# castoff.lock 1: what each revision does to the schema; written by `castoff lock`

revision 1 …
+ table public.users
+ column public.users.id bigint not null generated always as identity
+ column public.users.name text
+ constraint public.users.users_pkey PRIMARY KEY (id)

revision 2 …
! adding-not-nullable-field users
! missing-breaking users
+ column public.users.email character varying(255) not null default ''::character varying
- column public.users.name text
+ column public.users.name text not null

revision 3 …
! unbatched-change users

revision 4 …
+ view public.addresses
+ column public.addresses.email character varying(255)
+ index public.users_email CREATE INDEX users_email ON public.users USING btree (lower((email)::text))
+ body@{major} public.addresses SELECT users.email FROM public.users;
"
    );
    let expected = if major.parse::<u32>().unwrap() > 15 {
        expected.replace(" SELECT users.email", " SELECT email")
    } else {
        expected
    };
    similar(&written(&image), &expected);
    // Again, and to compare: the same bytes.
    image.clone().args(["lock", "--check", "--reversible"]).run().assert_code(0);
    let first = fs::read(image.own_folder().path().join("castoff.lock")).unwrap();
    let json = image.clone().args(["lock", "--json"]).run();
    json.assert_code(0).assert_stdout("\"revisions\": 4");
    assert_eq!(fs::read(image.own_folder().path().join("castoff.lock")).unwrap(), first);
    // And nothing was done to the configured database.
    assert_eq!((author.db.tables().as_str(), author.db.has_ledger()), ("somebodys", false));
    assert_eq!(author.scratch_databases(), "0");
}

/// Compares by lines, for a message that can be read.
#[track_caller]
fn similar(found: &str, expected: &str) {
    let (found, expected): (Vec<_>, Vec<_>) = (found.lines().collect(), expected.lines().collect());
    assert_eq!(found, expected);
}

#[test]
fn a_lock_that_is_not_what_the_revisions_do_fails_the_check() {
    let author = Author::new();
    let image = author.image(&SHOP);
    let check = || image.clone().args(["lock", "--check"]).run();
    check().assert_code(65).assert_stderr("there is none").assert_stderr("`castoff lock`");
    image.run().assert_code(0);
    check().assert_code(0).assert_stdout("and is up to date");

    let folder = image.own_folder();
    let path = folder.path().join("castoff.lock");
    let right = fs::read_to_string(&path).unwrap();
    folder.file("castoff.lock", right.replace("name text not null", "name text"));
    check().assert_code(65).assert_stderr("2 does something else");
    folder.file("castoff.lock", right.replace("! unbatched-change users\n", ""));
    check().assert_code(65).assert_stderr("3 has other hazards");
    folder.file(
        "castoff.lock",
        right.replacen("# castoff.lock 1", "<<<<<<< HEAD\n# castoff.lock 1", 1),
    );
    check().assert_code(65).assert_stderr("castoff.lock:1: expected");
    // What is broken is written anew.
    image.run().assert_code(0);
    assert_eq!(fs::read_to_string(&path).unwrap(), right);
    let entries: Vec<_> = right.split("\n\n").collect();
    folder.file(
        "castoff.lock",
        [entries[0], entries[1], entries[3], entries[2], entries[4]].join("\n\n"),
    );
    check().assert_code(65).assert_stderr("castoff.lock has 3 before what it revises");
    folder.file("castoff.lock", format!("{right}\n{}\n", entries[2]));
    check().assert_code(65).assert_stderr("expected each revision once");
    folder.file("castoff.lock", &right);

    folder.file("3_data.sql", "UPDATE users SET email = id");
    folder.file("5_more.sql", "CREATE TABLE more ()");
    let stale = check();
    stale.assert_code(65).assert_stderr("3 has changed since castoff.lock was written");
    stale.assert_stderr("5 is not in castoff.lock");
    assert_eq!(fs::read_to_string(&path).unwrap(), right);
    // A file that says the same in other words is the same file.
    folder.remove("5_more.sql");
    folder.file("3_data.sql", "-- a comment more\nUPDATE users  SET email = name");
    check().assert_code(0);
    assert_eq!(author.scratch_databases(), "0");
}

#[test]
fn what_no_statement_tells_of_is_a_hazard_too() {
    let author = Author::new();
    let image = author.image(&[
        ("1_a.sql", "CREATE TABLE a (x int, y int, z int); CREATE TABLE \"B c\" (); CREATE TABLE d ()"),
        ("2_loop.sql", "DO $$ BEGIN EXECUTE 'DROP TABLE \"B c\"; ALTER TABLE a DROP x, DROP y'; END $$"),
        ("3_known.sql", "-- z\n-- Allow: drop-column nobody reads it\n-- Allow: missing-breaking it\nDO $$ BEGIN EXECUTE 'ALTER TABLE a DROP z'; END $$"),
        ("4_told.sql", "-- d\n-- Breaking: yes\nDROP TABLE d"),
    ]);
    image.run().assert_code(0);
    let lock = written(&image);
    assert!(
        lock.contains("revision 2 …\n! drop-table public.\"B c\"\n! drop-column public.a\n-"),
        "{lock}"
    );
    assert!(lock.contains("revision 3 …\n-"), "{lock}");
    assert!(lock.contains("revision 4 …\n! drop-table d\n-"), "{lock}");
    image.args(["lock", "--check"]).run().assert_code(0);
}

#[test]
fn a_baseline_must_be_what_its_history_is() {
    let author = Author::new();
    let baseline = "CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, \
                    name text, email varchar(255) NOT NULL DEFAULT '')";
    let image = author.image(&SHOP).files([("2_email.baseline.sql", baseline)]);
    let run = image.run();
    run.assert_code(65).assert_stderr(
        "the baseline of 2 makes another schema than the history up to it (- history, + baseline):
  - column public.users.name text not null
  + column public.users.name text",
    );
    assert!(!image.own_folder().path().join("castoff.lock").exists());
    let image = image
        .files([("2_email.baseline.sql", baseline.replace("name text", "name text NOT NULL"))]);
    image.run().assert_code(0);
    assert!(written(&image).contains("\nrevision 2 …\nbaseline …\n"), "{}", written(&image));
    assert_eq!(author.scratch_databases(), "0");
}

#[test]
fn a_folder_pruned_to_a_baseline_has_a_lock_too() {
    let author = Author::new();
    let image = author.image(&[("2_all.baseline.sql", "CREATE TABLE a ()"), SHOP[0]]);
    image.own_folder().remove("1_users.sql");
    image.own_folder().file("3_b.sql", "CREATE TABLE b ()");
    image.run().assert_code(0);
    assert!(
        written(&image)
            .ends_with("\nrevision 2 …\n+ table public.a\n\nrevision 3 …\n+ table public.b\n"),
        "{}",
        written(&image)
    );
}

#[test]
fn a_down_file_must_bring_the_schema_back_where_that_is_asked_for() {
    let author = Author::new();
    let image = author.image(&SHOP).files([("2_email.down.sql", "ALTER TABLE users DROP email")]);
    image.run().assert_code(0);
    let reversible = image.clone().args(["lock", "--reversible"]).run();
    reversible.assert_code(65).assert_stderr(
        "after 2 was applied and taken back the schema is another (- before, + after):
  - column public.users.name text
  + column public.users.name text not null",
    );
    let down = "ALTER TABLE users DROP email; ALTER TABLE users ALTER name DROP NOT NULL";
    image.files([("2_email.down.sql", down)]).args(["lock", "--reversible"]).run().assert_code(0);
    assert_eq!(author.scratch_databases(), "0");
}

#[test]
fn on_branches_each_revision_is_seen_upon_its_own_ancestors_alone() {
    let author = Author::new();
    let image = author.image(&[]).migrations(["a", "b: a", "c: a", "d: b, c"]);
    image.run().assert_code(0);
    let lines: String = ["a", "b", "c", "d"]
        .iter()
        .map(|t| format!("\nrevision {t} …\n+ table public.{t}\n+ column public.{t}.id integer\n"))
        .collect();
    assert!(written(&image).ends_with(&lines), "{}", written(&image));
}

#[test]
fn branches_whose_order_matters_are_refused() {
    let author = Author::new();
    let image = author.image(&[
        ("1_a.sql", "CREATE TABLE a (x int)"),
        ("2_b.sql", "-- Revises: 1\nALTER TABLE a ALTER x SET DEFAULT 2"),
        ("3_c.sql", "-- Revises: 1\nALTER TABLE a ALTER x SET DEFAULT 3"),
        ("4_d.sql", "-- Revises: 3, 2\nSELECT 1"),
    ]);
    let run = image.run();
    run.assert_code(65).assert_stderr("the schema of 4 is not what its branches make of it");
    run.assert_stderr("column public.a.x").assert_stderr("let one branch revise the other");
}

#[test]
fn what_is_asked_for_besides_is_written_and_asked_for_again() {
    let author = Author::new();
    let files = [(
        "1_a.sql",
        "CREATE TABLE a (x int); COMMENT ON COLUMN a.x IS 'how many';
                   GRANT SELECT ON a TO PUBLIC",
    )];
    let image = author.image(&files);
    image.clone().args(["lock", "--with", "comments,owners"]).run().assert_code(0);
    let text = written(&image);
    assert!(text.contains("\nwith comments, owners\n"), "{text}");
    assert!(text.contains("\n+ comment column public.a.x how many\n"), "{text}");
    assert!(text.contains(&format!("\n+ owner table public.a {}\n", author.role.name())), "{text}");
    assert!(!text.contains("grant"), "{text}");
    // Without a word it stays as it is.
    image.run().assert_code(0);
    assert_eq!(written(&image), text);
    image.clone().args(["lock", "--check"]).run().assert_code(0);
    image.clone().args(["lock", "--with", "grants"]).run().assert_code(0);
    assert!(written(&image).contains("\n+ grant table public.a public select\n"));
    // Nor if two branches conflict in it.
    let folder = image.own_folder();
    folder.file("castoff.lock", written(&image).replace("revision 1", "<<<<<<< HEAD\nrevision 1"));
    image.run().assert_code(0);
    assert!(written(&image).contains("\nwith grants\n"), "{}", written(&image));
    let other = image.clone().args(["lock", "--check", "--with", "comments"]).run();
    other.assert_code(65).assert_stderr("it is written with \"grants\", not \"comments\"");
    image.clone().args(["lock", "--with", "tables"]).run().assert_code(64).assert_stderr("tables");
}

#[test]
fn a_revision_that_fails_is_told_as_in_a_start() {
    let author = Author::new();
    let image = author.image(&[SHOP[0], ("2_b.sql", "CREATE TABLE b ();\nCREATE TABEL c ()")]);
    let run = image.run();
    run.assert_code(65).assert_stderr("2_b.sql:2:8").assert_stderr("42601");
    assert_eq!((author.db.tables().as_str(), author.scratch_databases().as_str()), ("", "0"));
}

#[test]
fn a_signal_leaves_no_database_behind() {
    let author = Author::new();
    let image = author.image(&[SHOP[0], ("2_slow.sql", "SELECT pg_sleep(600)")]);
    let walking = image.spawn();
    eventually(SOON, || {
        let sleeping = author.db.psql(&format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE usename = '{}' AND wait_event = 'PgSleep'",
            author.role.name()
        ));
        (sleeping == "1").then_some(())
    });
    assert_eq!(author.scratch_databases(), "1");
    walking.signal(Signal::Term);
    walking.wait(SOON).assert_code(143);
    assert_eq!(author.scratch_databases(), "0");
}

#[test]
fn a_function_has_the_same_lines_whatever_ends_the_lines_of_its_file() {
    let author = Author::new();
    let function = "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$\nSELECT 1\n$$";
    let image = author.image(&[]).files([("1_f.sql", function.to_owned())]);
    image.run().assert_code(0);
    let crlf = image.files([("1_f.sql", function.replace('\n', "\r\n"))]);
    crlf.args(["lock", "--check"]).run().assert_code(0);
}

#[test]
fn names_mean_what_they_mean_in_the_database_beside() {
    let author = Author::new();
    author.db.psql(&format!(
        "ALTER DATABASE {} SET search_path = \"My shop\", public",
        author.db.name()
    ));
    let files = [("1_a.sql", "CREATE SCHEMA \"My shop\"; CREATE TABLE a ()")];
    let image = author.image(&files);
    image.run().assert_code(0);
    assert!(written(&image).contains("\n+ table \"My shop\".a\n"), "{}", written(&image));
    author.role.psql(files[0].1);
    image.args(["upgrade"]).run().assert_code(0).assert_stderr("The schema is that of 1");
}

#[test]
fn a_lock_that_is_a_link_stays_one() {
    let author = Author::new();
    let image = author.image(&SHOP);
    let folder = image.own_folder();
    let link = folder.path().join("castoff.lock");
    let target = folder.path().join("README.lock");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    // One that leads nowhere is noticed before the walk.
    image.run().assert_code(65).assert_stderr("castoff.lock");
    fs::write(&target, "").unwrap();
    image.run().assert_code(0);
    assert_eq!(fs::read_link(&link).unwrap(), target);
    assert!(written(&image).contains("revision 4"), "{}", written(&image));
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left.len(), SHOP.len() + 2, "{left:?}");
}

#[test]
fn who_may_not_create_databases_names_a_server_for_it() {
    let db = Database::empty();
    let role = db.role("owner").owner().create();
    let image = Castoff::new(&db).files(SHOP).url(role.url()).args(["lock"]);
    let run = image.run();
    run.assert_code(77).assert_stderr("permission denied to create database");
    run.assert_stderr("CASTOFF_SCRATCH_URL");
    image.clone().env("CASTOFF_SCRATCH_URL", db.url()).run().assert_code(0);
    image.clone().args(["lock", "--scratch-url", &db.socket_url()]).run().assert_code(0);
    let settings = image.env("CASTOFF_SCRATCH_URL", db.url()).args(["settings"]).run();
    settings.assert_code(0).assert_stdout("CASTOFF_SCRATCH_URL");
}

#[test]
fn who_waits_for_the_server_is_told() {
    let castoff = Castoff::without_database().files(SHOP).args(["lock"]);
    let nowhere = castoff.env("DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing");
    let run = nowhere.env("CASTOFF_WAIT_TIMEOUT", "1s").env("CASTOFF_LOG_FORMAT", "text").run();
    run.assert_code(69).assert_stderr("Waiting for the database");
}

#[test]
fn without_a_folder_there_is_nowhere_to_write() {
    let db = Database::empty();
    let run = Castoff::new(&db).embedded().under(["env", "-C", "/"]).args(["lock"]).run();
    run.assert_code(78).assert_stderr("CASTOFF_MIGRATIONS_DIR");
}

#[test]
fn show_and_plan_say_what_a_revision_does_to_the_schema() {
    let author = Author::new();
    let image = author.image(&SHOP);
    let show = |revision: &str| image.clone().args(["show", revision]).run();
    assert!(!show("2").stdout.contains("Schema:"), "{}", show("2"));
    image.run().assert_code(0);
    let effect = "- column public.users.name text\n  + column public.users.name text not null\n";
    show("2").assert_code(0).assert_stdout("Schema:\n  + column public.users.email");
    show("2").assert_stdout(effect);
    show("3").assert_stdout("Schema:      stays as it is\n");
    // Without a database.
    let offline = image.clone().env_remove("DATABASE_URL").args(["show", "2", "--json"]).run();
    let json: serde_json::Value = serde_json::from_str(&offline.stdout).unwrap();
    assert_eq!(json[0]["schema"][1], "- column public.users.name text");

    let plan = image.clone().args(["plan"]).run();
    plan.assert_code(0).assert_stdout("  upgrade base -> 1\n    + table public.users\n");
    plan.assert_stdout(&format!("    {}", effect.replace("\n  ", "\n    ")));
    let json = image.clone().args(["plan", "--json"]).run();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["schema"]["1"][0], "+ table public.users");
    assert_eq!(json["schema"]["3"].as_array().map(Vec::len), Some(0));

    // Of a file that has changed since, nothing is known.
    image.own_folder().file("2_email.up.sql", "ALTER TABLE users ADD email text");
    assert!(!show("2").stdout.contains("Schema:"), "{}", show("2"));
    show("1").assert_stdout("Schema:\n");
}

#[test]
fn the_examples_lock_is_what_its_revisions_do() {
    let author = Author::new();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let check = author.image(&[]).folder(folder).args(["lock", "--check", "--reversible"]);
    check.run().assert_code(0);
}

#[test]
fn on_a_terminal_a_bar_shows_how_far_it_is() {
    let author = Author::new();
    let image = author.image(&SHOP);
    let terminal = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)";
    let run = image.clone().under(["python3", "-c", terminal]).run();
    run.assert_code(0);
    for bar in ["[                              ] 0/4 1", "[######################        ] 3/4 4"]
    {
        run.assert_stdout(&format!("\r\x1b[K{bar}"));
    }
    // It is gone when the answer comes.
    let folder = image.own_folder().path().display();
    run.assert_stdout(&format!("\r\x1b[K{folder}/castoff.lock has 4 revisions"));
    // Nobody looks at it elsewhere.
    assert_eq!(image.run().stderr, "");
}
