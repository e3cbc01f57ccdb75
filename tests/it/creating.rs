//! `castoff create`, `merge`, `templates` and `init`: what they write, and what they leave alone.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{Castoff, Database, Folder};

/// castoff without a database, and a folder with these revisions.
fn folder<'a>(revisions: impl IntoIterator<Item = &'a str>) -> Castoff {
    Castoff::without_database().migrations(revisions).env("CASTOFF_LOG_FORMAT", "text")
}

/// The files of a folder and what is in them.
fn files(path: &Path) -> BTreeMap<String, String> {
    let entries = fs::read_dir(path).unwrap().map(Result::unwrap);
    entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect()
}

fn names(castoff: &Castoff) -> Vec<String> {
    files(castoff.own_folder().path()).into_keys().collect()
}

#[test]
fn a_revision_is_written_after_the_head_and_applied_like_any_other() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).line(2).env("CASTOFF_LOG_FORMAT", "text");
    let path = castoff.own_folder().path().to_owned();
    let before = files(&path);
    let run = castoff.clone().args(["create", "add the customer's email"]).run();
    let up = path.join("0003_add_the_customer_s_email.up.sql");
    let down = path.join("0003_add_the_customer_s_email.down.sql");
    run.assert_code(0);
    assert_eq!(run.stdout, format!("{}\n{}\n", up.display(), down.display()));
    let text = fs::read_to_string(&up).unwrap();
    assert!(
        text.starts_with("-- add the customer's email\n--\n-- Revises: 0002\n-- Create Date: 20")
    );
    let after = files(&path);
    assert!(before.iter().all(|(name, text)| after.get(name) == Some(text)), "{after:?}");
    assert_eq!(after.len(), before.len() + 2);
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    assert_eq!(db.psql("SELECT revision FROM castoff.revision WHERE head"), "0003");
    castoff.args(["downgrade", "0002"]).run().assert_code(0);
}

#[test]
fn what_was_written_is_told_as_json() {
    let castoff = folder(["a", "b: a"]);
    let line = [
        "create",
        "x",
        "--template",
        "add-check-constraint",
        "--table",
        "t",
        "--name",
        "c",
        "--check",
        "a > 0",
        "--json",
    ];
    let run = castoff.clone().args(line).run();
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(json[0]["down_revisions"][0], "b");
    assert_eq!(json[0]["revision"].as_str().map(str::len), Some(12));
    assert_eq!(json[1]["down_revisions"][0], json[0]["revision"]);
    assert_eq!(json[1]["message"], "x (validate)");
    assert!(Path::new(json[1]["files"][1].as_str().unwrap()).is_file(), "{json}");
}

#[test]
fn the_first_revision_needs_an_empty_folder_alone() {
    let castoff = folder([]);
    castoff.clone().args(["create", "first"]).run().assert_code(0);
    castoff.clone().args(["create", "second"]).run().assert_code(0);
    let names = names(&castoff);
    assert_eq!(names[0..2], ["0001_first.down.sql", "0001_first.up.sql"]);
    assert_eq!(names[2..], ["0002_second.down.sql", "0002_second.up.sql"]);
}

#[test]
fn with_several_heads_nothing_is_created_until_they_are_merged() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).migrations(["1", "2: 1"]).env("CASTOFF_LOG_FORMAT", "text");
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    let castoff = castoff.migrations(["3: 1"]);
    let before = files(castoff.own_folder().path());
    let create = || castoff.clone().args(["create", "x"]).run();
    create().assert_code(65).assert_stderr("several heads").assert_stderr("castoff merge");
    assert_eq!(files(castoff.own_folder().path()), before);

    castoff.clone().args(["merge"]).run().assert_code(0).assert_stdout("4_merge_2_and_3.up.sql");
    let text = &files(castoff.own_folder().path())["4_merge_2_and_3.up.sql"];
    assert!(text.starts_with("-- merge 2 and 3\n--\n-- Revises: 2, 3\n-- Create Date: "), "{text}");
    create().assert_code(0).assert_stdout("5_x.up.sql");
    // A database that has applied one branch gets the other and the merge.
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    assert_eq!(
        db.psql("SELECT string_agg(revision, ' ' ORDER BY revision) FROM castoff.revision"),
        "1 2 3 4 5"
    );
    castoff.args(["downgrade", "1"]).run().assert_code(0);
}

#[test]
fn some_of_the_heads_are_merged() {
    let castoff = folder(["1", "2: 1", "3: 1", "4: 1"]);
    let merge = |line: &[&str]| castoff.clone().args([&["merge"], line].concat()).run();
    merge(&["2", "9"]).assert_code(64).assert_stderr("\"9\" is no head; the heads are: 2, 3, 4");
    merge(&["2"]).assert_code(64).assert_stderr("there are not two heads to merge");
    merge(&["4", "2", "--message", "both stocks"]).assert_code(0).assert_stdout("5_both_stocks.up");
    merge(&[]).assert_code(0).assert_stdout("6_merge_3_and_5.up.sql");
    merge(&[]).assert_code(64).assert_stderr("the heads are: 6");
    let heads = castoff.clone().args(["heads"]).run();
    heads.assert_code(0).assert_stdout("3, 5 -> 6 (head)");
}

#[test]
fn a_folder_that_is_broken_is_not_added_to() {
    let castoff = folder(["a"]);
    castoff.own_folder().file("notes.txt", "x");
    for command in [&["create", "x"][..], &["merge"]] {
        let run = castoff.clone().args(command.iter().copied()).run();
        run.assert_code(65).assert_stderr("notes.txt: not the name of a migration");
    }
    assert_eq!(names(&castoff).len(), 3);
}

#[test]
fn of_two_files_both_are_written_or_none() {
    let castoff = folder(["1"]);
    let path = castoff.own_folder().path();
    // Where a file is to be, there is something.
    fs::create_dir(path.join("2_x.down.sql")).unwrap();
    let before = files(path);
    let run = castoff.clone().args(["create", "x"]).run();
    run.assert_code(70).assert_stderr("cannot write").assert_stderr("2_x.down.sql");
    assert_eq!(files(path), before);
}

#[test]
fn a_message_that_a_file_would_not_give_back_is_refused() {
    let castoff = folder([]);
    for (message, expected) in [
        ("Breaking: yes", "the header of a file would be read otherwise"),
        ("a\nb", "it is more than one line"),
        (" ", "it is empty"),
    ] {
        let run = castoff.clone().args(["create", message]).run();
        run.assert_code(64).assert_stderr(expected);
    }
    castoff.clone().args(["create"]).run().assert_code(64).assert_stderr("needs a MESSAGE");
    let prose = "tell nobody@example.com: the order's total";
    castoff.clone().args(["create", prose]).run().assert_code(0);
    assert_eq!(names(&castoff).len(), 2);
}

#[test]
fn without_a_folder_there_is_none_to_write_into() {
    let empty = Folder::new();
    let castoff = folder([]).embedded().under(["env", "-C", empty.path().to_str().unwrap()]);
    for command in [&["create", "x"][..], &["merge"]] {
        let run = castoff.clone().args(command.iter().copied()).run();
        run.assert_code(78).assert_stderr("no folder migrations/").assert_stderr("castoff init");
    }
    castoff.clone().args(["templates"]).run().assert_code(0).assert_stdout("add-column: ");
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn wrong_parameters_name_the_template_and_the_parameter() {
    let castoff = folder([]);
    for (line, expected) in [
        (&["--table", "t"][..], "--table is a parameter of a template, and none is named"),
        (&["--template", "add-indx"], "there is no template \"add-indx\""),
        (&["--template", "add-index", "--table", "t"], "add-index needs --column COLUMN"),
        (
            &["--template", "add-index", "--table", "t", "--column", "a", "--uniqe", "x"],
            "the template add-index has no parameter --uniqe",
        ),
        (&["--template", "add-index", "--table"], "--table has no value"),
        (
            &["--template", "add-index", "--table", "t", "--column", "a", "--where", "b -- c"],
            "--where \"b -- c\" of the template add-index: it holds a comment",
        ),
    ] {
        let run = castoff.clone().args([&["create", "x"], line].concat()).run();
        run.assert_code(64).assert_stderr(expected);
    }
    assert_eq!(names(&castoff), Vec::<String>::new());
}

#[test]
fn a_column_has_the_type_that_the_lock_says() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).env("CASTOFF_LOG_FORMAT", "text").files([(
        "1_a.up.sql",
        "CREATE TABLE a (no uuid PRIMARY KEY, x numeric(9,2) NOT NULL DEFAULT 1)",
    )]);
    let line =
        ["create", "x", "--template", "rename-column", "--table", "a", "--from", "x", "--to", "y"];
    let unknown = castoff.clone().args(line).run();
    unknown.assert_code(64).assert_stderr("castoff.lock does not say which type a.x has");
    castoff.clone().args(["lock"]).run().assert_code(0);
    castoff.clone().args(line).run().assert_code(0);
    let files = files(castoff.own_folder().path());
    assert!(files["2_x_both_names.up.sql"].contains("ADD COLUMN y numeric(9,2);"), "{files:?}");
    assert!(files["3_x_fill.up.sql"].contains("WHERE no BETWEEN"), "{files:?}");
}

#[test]
fn the_templates_are_listed_with_their_parameters() {
    let castoff = folder([]);
    castoff.own_folder().file(".templates/audit/up.sql", "-- watch a table\nSELECT {{on:table}}");
    castoff.own_folder().file(".templates/audit/down.sql", "");
    let list = castoff.clone().args(["templates"]).run();
    list.assert_code(0).assert_stdout("set-not-null: make a column NOT NULL");
    list.assert_stdout("\n    --table TABLE --column COLUMN… [--unique] [--method NAME]\n");
    list.assert_stdout("audit (this folder's): watch a table\n    --on TABLE\n");
    let json = castoff.args(["templates", "--json"]).run();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    let audit = json.as_array().unwrap().last().unwrap();
    assert_eq!((&audit["template"], &audit["own"]), (&"audit".into(), &true.into()));
    assert_eq!(audit["parameters"][0]["parameter"], "--on TABLE");
}

#[test]
fn a_teams_own_template_makes_revisions_and_disturbs_no_reader() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).env("CASTOFF_LOG_FORMAT", "text").line(1);
    let folder = castoff.own_folder();
    folder.file(
        ".templates/audit/1_table.up.sql",
        "-- keep what was in a table\n-- Lock-Timeout: 1s\n\n\
         CREATE TABLE {{log:table}} (LIKE {{table:table}}, why text DEFAULT {{why:literal}});\n",
    );
    folder.file(".templates/audit/1_table.down.sql", "DROP TABLE {{log:table}};\n");
    folder.file(
        ".templates/audit/2_index.up.sql",
        "-- Transaction: none\nCREATE INDEX CONCURRENTLY ON {{log:table}} ({{key:identifier}});\n",
    );
    folder.file(".templates/audit/2_index.down.sql", "DROP INDEX {{log:table}}_id_idx;\n");
    let line = ["create", "audit t", "--template", "audit", "--table", "t0001"];
    let run = castoff.clone().args(line).run();
    run.assert_code(65).assert_stderr("1_table.down.sql:1: --log is a flag of castoff's");
    for name in ["1_table.up.sql", "1_table.down.sql", "2_index.up.sql", "2_index.down.sql"] {
        let path = folder.path().join(".templates/audit").join(name);
        let text = fs::read_to_string(&path).unwrap().replace("{{log:", "{{copy:");
        fs::write(path, text).unwrap();
    }
    let line = ["create", "audit t", "--template", "audit", "--table", "t0001", "--copy", "t_log"];
    let missing = castoff.clone().args([&line[..], &["--key", "id"]].concat()).run();
    missing.assert_code(64).assert_stderr("the template audit needs --why LITERAL");
    let line = [&line[..], &["--key", "ID", "--why", "it's asked for"]].concat();
    castoff.clone().args(line).run().assert_code(0);
    let text = &files(folder.path())["0002_audit_t_table.up.sql"];
    assert!(text.contains("-- keep what was in a table\n-- Lock-Timeout: 1s\n\nCREATE"), "{text}");
    castoff.clone().args(["lock", "--reversible"]).run().assert_code(0);
    castoff.clone().args(["upgrade"]).run().assert_code(0);
    assert_eq!(db.psql("INSERT INTO t_log VALUES (1) RETURNING why"), "it's asked for");

    let other = Folder::new();
    let (from, to) = (folder.path().to_str().unwrap(), other.path().join("castoff"));
    let bundle = ["bundle", "--migrations", from, "--output", to.to_str().unwrap()];
    castoff.clone().args(bundle).run().assert_code(0);
}

#[test]
fn a_project_is_told_what_it_needs_and_nothing_of_it_is_touched() {
    for (project, expected) in [
        (&[][..], &["migrations is made", "COPY migrations /migrations"][..]),
        (&[("alembic.ini", "")], &["scripts/import-alembic --url"]),
        (&[("manage.py", "")], &["Django's migrations are Python", "pg_dump --no-owner"]),
        (&[("package.json", "{\"dependencies\": {\"knex\": \"3\"}}")], &["Knex's migrations"]),
        (&[("prisma/schema.prisma", "")], &["cp \"$migration/migration.sql\""]),
        (
            &[("migrations/0001_a.up.sql", "SELECT 1"), ("migrations/README.md", "")],
            &["migrations is there, with 1 revision\n"],
        ),
        (
            &[("diesel.toml", ""), ("migrations/2024_a/up.sql", "SELECT 1")],
            &[
                "migrations is there, and is no folder of castoff's",
                "castoff init --migrations-dir sql",
                "scripts/rename-diesel migrations sql",
            ],
        ),
    ] {
        let place = Folder::new();
        for (name, text) in project {
            place.file(name, text);
        }
        let castoff = folder([]).embedded().under(["env", "-C", place.path().to_str().unwrap()]);
        let before = tree(place.path());
        let run = castoff.clone().args(["init"]).run();
        run.assert_code(0);
        for text in expected {
            run.assert_stdout(text);
        }
        let mut after = tree(place.path());
        assert!(place.path().join("migrations").is_dir());
        after.retain(|path, _| before.contains_key(path));
        assert_eq!(after, before);
        let again = castoff.clone().args(["init", "--json"]).run();
        let json: serde_json::Value = serde_json::from_str(&again.stdout).unwrap();
        assert_ne!(json["folder"], "made", "{json}");
        assert!(json["dockerfile"].as_str().unwrap().contains("COPY migrations"), "{json}");
        let elsewhere = castoff.args(["init", "--migrations-dir", "db/sql"]).run();
        elsewhere
            .assert_code(0)
            .assert_stdout("db/sql is made")
            .assert_stdout("COPY db/sql /migrations");
        assert!(place.path().join("db/sql").is_dir());
    }
}

/// Every file below a folder, and what is in it.
fn tree(path: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            found.extend(tree(&path));
        } else {
            found.insert(path.display().to_string(), fs::read_to_string(&path).unwrap());
        }
    }
    found
}
