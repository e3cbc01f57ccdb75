//! `castoff lint`: what it answers, in which form, and with which exit code.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Castoff, Folder, Run};

const SHOP: [(&str, &str); 4] = [
    ("1_users.up.sql", "CREATE TABLE users (id bigint PRIMARY KEY, email text, phone text);\n"),
    ("1_users.down.sql", "DROP TABLE users;\n"),
    (
        "2_drop_email.up.sql",
        "-- drop email\n-- Allow: drop-column no image reads it since 1.4\n-- Breaking: yes\n\n\
         ALTER TABLE users\n  DROP email;\nCREATE INDEX ON users (phone);\n",
    ),
    ("2_drop_email.down.sql", "ALTER TABLE users ADD email text;\n"),
];

/// A run without a database, and of an image with text for its log.
fn lint(files: &[(&'static str, &'static str)], arguments: &[&str]) -> Run {
    image(files).args(["lint"].iter().chain(arguments).copied()).run()
}

fn image(files: &[(&'static str, &'static str)]) -> Castoff {
    Castoff::without_database().env("CASTOFF_LOG_FORMAT", "text").files(files.iter().copied())
}

fn json(run: &Run) -> Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}\n{run}"))
}

/// `rule revision` of each finding that is not allowed.
fn rules(run: &Run) -> Vec<String> {
    let json = json(run);
    let open = json["findings"].as_array().unwrap().iter().filter(|it| it["allowed"].is_null());
    open.map(|it| {
        format!("{} {}", it["rule"].as_str().unwrap(), it["revision"].as_str().unwrap_or("-"))
    })
    .collect()
}

#[test]
fn a_finding_is_shown_with_its_line_and_what_to_do_instead() {
    let image = image(&SHOP);
    let run = image.clone().args(["lint"]).run();
    let folder = image.own_folder().path().display();
    run.assert_code(1);
    assert_eq!(
        run.stdout,
        format!(
            "{folder}/2_drop_email.up.sql:7:1: hazard require-concurrent-index-creation
  | CREATE INDEX ON users (phone);
  nobody can write to the table while the index is built
  instead: CREATE INDEX CONCURRENTLY, in a file that begins with `-- Transaction: none`

2 revisions: 1 hazard, 1 allowed
"
        )
    );
    assert_eq!(run.stderr, "");
}

#[test]
fn a_clean_folder_and_one_that_lacks_style_alone_succeed() {
    lint(&SHOP[..2], &[]).assert_code(0).assert_stdout("1 revision: nothing found\n");
    lint(&SHOP[..1], &[]).assert_code(0).assert_stdout("1 revision: 1 of style\n");
    lint(&[], &[]).assert_code(0).assert_stdout("0 revisions: nothing found\n");
}

#[test]
fn matters_of_taste_are_told_only_to_who_asks() {
    let files = [
        ("1_a.up.sql", "CREATE TABLE a (id serial, at timestamp)"),
        ("1_a.down.sql", "DROP TABLE a"),
    ];
    lint(&files, &[]).assert_stdout("nothing found");
    let asked = lint(&files, &["--style", "--json"]);
    asked.assert_code(0);
    assert_eq!(
        rules(&asked),
        ["prefer-bigint-over-int 1", "prefer-identity 1", "prefer-timestamptz 1"]
    );
    // What is allowed is not in vain because nobody asked.
    let allowed = [
        (
            "1_a.up.sql",
            "-- Allow: prefer-timestamptz it is a wall clock\nCREATE TABLE a (at timestamp)",
        ),
        files[1],
    ];
    assert_eq!(rules(&lint(&allowed, &["--json"])), [""; 0]);
}

#[test]
fn only_the_revisions_that_are_named_are_looked_at() {
    assert_eq!(rules(&lint(&SHOP, &["1", "--json"])), [""; 0]);
    assert_eq!(
        rules(&lint(&SHOP, &["1", "head", "--json"])),
        ["require-concurrent-index-creation 2"]
    );
    lint(&SHOP, &["3"]).assert_code(64);
    lint(&SHOP, &["--format", "xml"])
        .assert_code(64)
        .assert_stderr("--format knows text, json, sarif and github, but not \"xml\"");
}

#[test]
fn a_folder_that_castoff_would_not_run_is_judged_all_the_same() {
    let files = [
        ("1_a.up.sql", "\\set ON_ERROR_STOP on\nCREATE TABLE a (b int);\n"),
        ("1_a.down.sql", "BEGIN; DROP TABLE a; COMMIT;"),
        ("2_b.up.sql", "CREATE INDEX CONCURRENTLY i ON a (b);\nDROP TABLE a;"),
        ("2_b.down.sql", "CREATE TABLE a (b int)"),
    ];
    let run = lint(&files, &["--json"]);
    run.assert_code(1);
    assert_eq!(
        rules(&run),
        [
            "transaction-control 1",
            "transaction-control 1",
            "psql-meta-command 1",
            "not-in-transaction 2",
            "drop-table 2",
            "missing-breaking 2",
        ]
    );
    assert_eq!(json(&run)["errors"], 4);
    // Everything else refuses it.
    image(&files).args(["history"]).run().assert_code(65);
}

#[test]
fn a_folder_that_makes_no_history_is_refused() {
    lint(&[("1_a.up.sql", "SELECT 'open")], &[]).assert_code(65).assert_stderr("1_a.up.sql:1:8");
    let heads = [("1_a.sql", "-- Revises: none\n"), ("2_b.sql", "-- Revises: none\n")];
    lint(&heads, &[]).assert_code(65).assert_stderr("-- Revises: 1, 2");
    let nowhere = Castoff::without_database().folder("/nowhere").args(["lint"]).run();
    nowhere.assert_code(65).assert_stderr("cannot read the migration folder: /nowhere");
}

#[test]
fn json_has_each_finding_with_its_tables_and_why_it_is_allowed() {
    let run = lint(&SHOP, &["--json"]);
    let json = json(&run);
    assert_eq!((&json["hazards"], &json["allowed"]), (&1.into(), &1.into()));
    let [drop, index] = &json["findings"].as_array().unwrap()[..] else { panic!("{run}") };
    assert_eq!(drop["allowed"], "no image reads it since 1.4");
    assert_eq!(
        (&drop["line"], &drop["column"], &drop["end_column"]),
        (&6.into(), &3.into(), &13.into())
    );
    assert_eq!(index["tables"], serde_json::json!(["users"]));
    assert_eq!(index["level"], "hazard");
    assert_eq!(index["text"], "CREATE INDEX ON users (phone);");
}

#[test]
fn sarif_is_one_run_whose_results_name_rules_files_and_places() {
    let run = lint(&SHOP, &["--format", "sarif"]);
    run.assert_code(1);
    let log = json(&run);
    assert_eq!(log["version"], "2.1.0");
    let [only] = &log["runs"].as_array().unwrap()[..] else { panic!("{run}") };
    let driver = &only["tool"]["driver"];
    assert_eq!(driver["name"], "castoff");
    let rules = driver["rules"].as_array().unwrap();
    let ids: std::collections::BTreeSet<_> =
        rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), rules.len());
    for rule in rules {
        assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string());
        let level = rule["defaultConfiguration"]["level"].as_str().unwrap();
        assert!(["error", "warning", "note"].contains(&level), "{rule}");
    }
    let results = only["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert!(result["message"]["text"].is_string());
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("file:///") && uri.ends_with("/2_drop_email.up.sql"), "{uri}");
        let region = &place["region"];
        for key in ["startLine", "startColumn", "endLine", "endColumn"] {
            assert!(region[key].as_u64().unwrap() >= 1, "{result}");
        }
    }
    assert_eq!(
        results[0]["suppressions"],
        serde_json::json!([{ "kind": "inSource", "justification": "no image reads it since 1.4" }])
    );
    assert!(results[1]["suppressions"].is_null());
    assert_ne!(results[0]["partialFingerprints"], results[1]["partialFingerprints"]);
}

#[test]
fn github_gets_a_line_for_each_finding() {
    let image = image(&SHOP).args(["lint", "--format", "github"]);
    let run = image.run();
    run.assert_code(1);
    let folder = image.own_folder().path().display();
    assert_eq!(
        run.stdout,
        format!(
            "::warning file={folder}/2_drop_email.up.sql,line=7,endLine=7,col=1,endColumn=31,\
             title=require-concurrent-index-creation::nobody can write to the table while the index \
             is built; instead: CREATE INDEX CONCURRENTLY, in a file that begins with \
             `-- Transaction: none`\n"
        )
    );
}

#[test]
fn the_rules_are_listed_with_a_line_each() {
    let run = lint(&[], &["--rules"]);
    run.assert_code(0);
    assert!(run.stdout.lines().any(|line| line.starts_with("hazard drop-column ")), "{run}");
    let json = json(&lint(&[], &["--rules", "--json"]));
    let rules = json.as_array().unwrap();
    assert_eq!(rules.len(), run.stdout.lines().count());
    assert!(
        rules.iter().any(|rule| rule["name"] == "drop-view" && rule["squawk"] == "ban-drop-view")
    );
}

#[test]
fn what_pg_dump_and_people_with_odd_tastes_write_is_read() {
    let files = [
        ("1_every.baseline.sql", include_str!("every_kind.sql")),
        ("2_every.up.sql", include_str!("every_kind.sql")),
        ("3_evil.up.sql", include_str!("evil_names.sql")),
        ("4_library.up.sql", include_str!("pg_dump/library.sql")),
        ("5_thirteen.up.sql", include_str!("pg_dump/thirteen.sql")),
    ];
    let run = lint(&files, &["--json", "--style"]);
    let errors: Vec<_> = rules(&run).into_iter().filter(|it| it.starts_with("syntax")).collect();
    assert_eq!(errors, [""; 0]);
}

/// A clone with a release that has the folder, which then goes on.
struct Clone(Castoff);

impl Clone {
    fn released(files: &[(&'static str, &'static str)]) -> Self {
        let clone = Self(image(files).env("GIT_CEILING_DIRECTORIES", env!("CARGO_TARGET_TMPDIR")));
        clone.git(&["init", "--quiet"]);
        clone.git(&["add", "."]);
        clone.git(&["commit", "--quiet", "--allow-empty", "--message", "release"]);
        clone.git(&["tag", "v1"]);
        clone
    }

    fn folder(&self) -> &Folder {
        self.0.own_folder()
    }

    fn git(&self, arguments: &[&str]) {
        let mut git = Command::new("git");
        git.current_dir(self.folder().path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
        let done = git.args(arguments).output().unwrap();
        assert!(
            done.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    fn since(&self, reference: &str) -> Run {
        self.0.clone().args(["lint", "--json", "--since", reference]).run()
    }
}

#[test]
fn since_a_release_its_hazards_are_past_and_new_ones_count() {
    let clone = Clone::released(&SHOP);
    assert_eq!(rules(&clone.since("v1")), [""; 0]);
    clone.folder().file("3_more.up.sql", "DROP TABLE users");
    clone.folder().file("3_more.down.sql", "CREATE TABLE users ()");
    let run = clone.since("v1");
    run.assert_code(1);
    assert_eq!(rules(&run), ["drop-table 3", "missing-breaking 3"]);
    // A comment more is no change, nor is a down file.
    clone.folder().file("1_users.up.sql", format!("-- users\n{}", SHOP[0].1));
    clone.folder().file("1_users.down.sql", "DROP TABLE IF EXISTS users");
    assert_eq!(rules(&clone.since("v1")).len(), 2);
}

#[test]
fn what_was_released_stays_as_it_was_and_where_it_was() {
    let clone = Clone::released(&SHOP);
    let folder = clone.folder();
    folder.file("1_users.up.sql", "CREATE TABLE users (id int)");
    folder.file("15_between.up.sql", "-- Revises: 1\nSELECT 1");
    folder.file("15_between.down.sql", "");
    folder.file(SHOP[2].0, format!("-- Revises: 15\n{}", SHOP[2].1));
    let run = clone.since("HEAD");
    run.assert_code(1);
    assert_eq!(rules(&run), ["edited-after-release 1", "inserted-before-release 15"]);
    assert!(json(&run)["findings"][1]["message"].as_str().unwrap().contains("before 2"));
    // The old file is right as well.
    let old = json(&run)["findings"][0]["message"].as_str().unwrap().to_owned();
    let (_, checksum) = old.split_once("sha256:").unwrap();
    folder.file("1_users.up.sql", format!("-- Accepts: {checksum}\nCREATE TABLE users (id int)"));
    assert_eq!(rules(&clone.since("v1")), ["inserted-before-release 15"]);
}

#[test]
fn what_was_released_goes_only_where_a_baseline_has_it() {
    let clone = Clone::released(&SHOP);
    let folder = clone.folder();
    for (name, _) in SHOP {
        folder.remove(name);
    }
    folder.file("3_new.up.sql", "-- Revises: none\nSELECT 1");
    folder.file("3_new.down.sql", "");
    let run = clone.since("v1");
    run.assert_code(1);
    assert_eq!(rules(&run), ["removed-after-release 1", "removed-after-release 2"]);
    let gone = folder.path().join("1_users.up.sql");
    assert_eq!(json(&run)["findings"][0]["file"], gone.to_str().unwrap());
    folder.file("2_all.baseline.sql", "CREATE TABLE users (id bigint PRIMARY KEY, phone text)");
    folder.file("3_new.up.sql", "SELECT 1");
    assert_eq!(rules(&clone.since("v1")), [""; 0]);
}

#[test]
fn a_folder_that_was_not_there_is_all_new() {
    let clone = Clone::released(&[]);
    fs::create_dir(clone.folder().path().join("m")).unwrap();
    clone.folder().file("m/1_a.up.sql", "DROP TABLE a");
    let run = clone.0.clone().folder(clone.folder().path().join("m"));
    let run = run.args(["lint", "--json", "--since", "v1"]).run();
    assert_eq!(rules(&run), ["no-down-file 1", "drop-table 1", "missing-breaking 1"]);
    run.assert_stderr("v1 has nothing in ").assert_stderr("all of it counts as new");
}

#[test]
fn a_hook_of_git_may_ask() {
    let clone = Clone::released(&SHOP);
    let hook = clone.0.clone().env("GIT_DIR", ".git").env("GIT_WORK_TREE", "..");
    hook.args(["lint", "--since", "v1"]).run().assert_code(0).assert_stdout("nothing found");
}

#[test]
fn a_release_that_was_broken_is_told() {
    let clone = Clone::released(&[("1_a.up.sql", "SELECT 'open")]);
    clone.folder().file("1_a.up.sql", "SELECT 1");
    let run = clone.since("v1");
    run.assert_code(65).assert_stderr("v1:").assert_stderr("1_a.up.sql:1:8");
}

#[test]
fn a_release_that_git_does_not_know_is_told() {
    let clone = Clone::released(&SHOP);
    for reference in ["v2", "--upload-pack=x", "v1:./"] {
        let unknown = clone.since(reference);
        unknown.assert_code(64).assert_stderr(&format!("git knows no commit {reference:?}"));
    }
    let outside = image(&SHOP).env("GIT_CEILING_DIRECTORIES", env!("CARGO_TARGET_TMPDIR"));
    let outside = outside.args(["lint", "--since", "v1"]).run();
    outside.assert_code(78).assert_stderr("the folder is in no git repository");
    let without =
        image(&SHOP).env("PATH", Path::new("/nowhere")).args(["lint", "--since", "v1"]).run();
    without.assert_code(70).assert_stderr("cannot run git");
}
