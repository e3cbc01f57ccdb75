//! What each command prints, as text and as JSON, and what it takes.
//!
//! ```text
//! a ── b ──┬── d
//!  └── c ──┘
//! ```

use crate::support::{Castoff, Database};

const BRANCHED: [&str; 4] = ["a", "b: a", "c: a", "d: b, c"];

fn image<'a>(db: &Database, revisions: impl IntoIterator<Item = &'a str>) -> Castoff {
    Castoff::new(db).migrations(revisions).env("CASTOFF_LOG_FORMAT", "text")
}

/// What a command prints, with exit code 0; JSON without its white space.
#[track_caller]
fn told(castoff: &Castoff, line: &str) -> String {
    exits(castoff, line, 0)
}

#[track_caller]
fn exits(castoff: &Castoff, line: &str, code: i32) -> String {
    let run = castoff.clone().args(line.split_whitespace()).run();
    let text = run.assert_code(code).stdout.clone();
    if line.contains("--json") { text.lines().map(str::trim_start).collect() } else { text }
}

#[test]
fn history_heads_and_branches_list_revisions_as_alembic_does() {
    let castoff = Castoff::without_database().migrations(BRANCHED);
    let linear = Castoff::without_database().migrations(["a", "b: a"]);
    assert_eq!(told(&linear, "history"), "a -> b (head), create b\n<base> -> a, create a\n");
    assert_eq!(told(&castoff, "heads"), "b, c -> d (head) (mergepoint), create d\n");
    assert_eq!(told(&castoff, "branches"), "<base> -> a (branchpoint), create a\n");
    let head = r#"[{"revision": "d","down_revisions": ["b","c"],"message": "create d","#.to_owned()
        + r#""head": true,"branch_point": false,"merge_point": true,"breaking": false}]"#;
    assert_eq!(told(&castoff, "heads --json"), head);
    let branch = r#"[{"revision": "a","down_revisions": [],"message": "create a","head": false,"#
        .to_owned()
        + r#""branch_point": true,"merge_point": false,"breaking": false}]"#;
    assert_eq!(told(&castoff, "branches --json"), branch);
    assert!(told(&castoff, "history --json").starts_with(&head[..head.len() - 1]));
}

#[test]
fn a_history_with_branches_is_drawn() {
    let castoff = Castoff::without_database().migrations(BRANCHED);
    assert_eq!(
        told(&castoff, "history"),
        "o    d (head) (mergepoint), create d\n\
         |\\\n\
         | o  c, create c\n\
         o |  b, create b\n\
         |/\n\
         o  a (branchpoint), create a\n"
    );
}

#[test]
fn an_empty_folder_has_no_history() {
    let castoff = Castoff::without_database();
    for line in ["history", "heads", "branches"] {
        assert_eq!(told(&castoff, line), "");
        assert_eq!(told(&castoff, &format!("{line} --json")), "[]");
    }
}

#[test]
fn show_tells_all_of_a_revision() {
    let castoff = Castoff::without_database().migrations(["a"]).files([(
        "b_x.up.sql",
        "-- drop it\n-- Revises: a\n-- Create Date: 2024-05-13\n-- Breaking: yes\n\
         -- Transaction: none\nDROP TABLE a; VACUUM;",
    )]);
    let dir = castoff.own_folder().path().display().to_string();
    let shown = told(&castoff, "show b");
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(
        lines[..5],
        [
            "Revision:    b",
            "Revises:     a",
            "Message:     drop it",
            "Create Date: 2024-05-13",
            "Breaking:    yes"
        ]
    );
    assert!(lines[5].starts_with("Checksum:    sha256:"), "{shown}");
    assert!(lines[6].starts_with("Chain:       sha256:"), "{shown}");
    let file = format!("File:        {dir}/b_x.up.sql, 2 statements without a transaction");
    assert_eq!(lines[7..], [file]);
    let json = told(&castoff, "show --json b");
    let start = r#"[{"revision": "b","down_revisions": ["a"],"message": "drop it","#.to_owned()
        + r#""create_date": "2024-05-13","breaking": true,"checksum": "sha256:"#;
    assert!(json.starts_with(&start), "{json}");
    let end = r#"b_x.up.sql","transaction": false,"statements": 2}]}]"#;
    assert!(json.contains(r#""chain": "sha256:"#) && json.ends_with(end), "{json}");
    assert_eq!(told(&castoff, "show head"), shown);
    assert_eq!(told(&castoff, "show base"), "");
    assert!(told(&castoff, "show b-1").starts_with("Revision:    a\n"));
}

#[test]
fn current_shows_where_the_database_is() {
    let db = Database::empty();
    let castoff = image(&db, BRANCHED);
    assert_eq!(told(&castoff, "current"), "");
    assert_eq!(told(&castoff, "current --json"), r#"{"current": [],"interrupted": []}"#);
    told(&castoff, "upgrade c");
    assert_eq!(told(&castoff, "current"), "c, create c\n");
    told(&castoff, "upgrade");
    assert_eq!(told(&castoff, "current"), "d (head), create d\n");
    let json =
        r#"{"current": [{"revision": "d","message": "create d","head": true,"known": true}],"#
            .to_owned()
            + r#""interrupted": []}"#;
    assert_eq!(told(&castoff, "current --json"), json);
    assert_eq!(told(&image(&db, ["a"]), "current"), "d (not in this image), create d\n");
}

#[test]
fn plan_shows_what_a_start_would_do_and_does_nothing() {
    let db = Database::empty();
    let castoff = image(&db, ["a", "b: a"]);
    let text = "the database is empty\n  upgrade base -> a\n  upgrade a -> b\n";
    assert_eq!(told(&castoff, "plan"), text);
    let json = r#"{"standing": "fresh","creates_ledger": true,"steps": ["#.to_owned()
        + r#"{"action": "upgrade","revision": "a","resume": null,"#
        + r#""heads_before": [],"heads_after": ["a"]},"#
        + r#"{"action": "upgrade","revision": "b","resume": null,"#
        + r#""heads_before": ["a"],"heads_after": ["b"]}]}"#;
    assert_eq!(told(&castoff, "plan --json"), json);
    assert!(!db.has_ledger());
    told(&castoff, "upgrade");
    assert_eq!(told(&castoff, "plan"), "the database is at head\n");
    let ahead = "the database is ahead of this image, which does not contain b\n";
    assert_eq!(told(&image(&db, ["a"]), "plan"), ahead);
    let json = r#"{"standing": "ahead","later": ["b"],"creates_ledger": false,"steps": []}"#;
    assert_eq!(told(&image(&db, ["a"]), "plan --json"), json);
    exits(&image(&db, ["x"]), "plan", 76);
}

#[test]
fn plan_names_every_kind_of_step() {
    let db = Database::empty();
    db.psql("CREATE TABLE a (id int)");
    let castoff = image(&db, ["a", "b: a", "c: b"])
        .files([("b_create_b.baseline.sql", "CREATE TABLE a (id int); CREATE TABLE b (id int);")]);
    let plan = told(&castoff.clone().env("CASTOFF_BASELINE", "a"), "plan");
    let text = "CASTOFF_BASELINE says that the schema is a\n  record (stamp) a\n  upgrade a -> b\n";
    assert_eq!(plan, format!("{text}  upgrade b -> c\n"));
    db.psql("CREATE TABLE alembic_version AS SELECT 'b' AS version_num");
    let text = "Alembic's version table says b, which is taken over\n  record (adopt) a, b\n";
    assert_eq!(told(&castoff, "plan"), format!("{text}  upgrade b -> c\n"));
    db.psql("DROP TABLE alembic_version, a");
    let text = "the database is empty\n  baseline b, which stands for a too\n  upgrade b -> c\n";
    assert_eq!(told(&castoff, "plan"), text);
}

#[test]
fn pending_lists_what_a_start_would_run() {
    let db = Database::empty();
    let castoff = image(&db, ["a", "b: a"]);
    assert_eq!(told(&castoff, "pending"), "<base> -> a, create a\na -> b (head), create b\n");
    told(&castoff, "upgrade a");
    let json = r#"[{"revision": "b","down_revisions": ["a"],"message": "create b","head": true,"#
        .to_owned()
        + r#""branch_point": false,"merge_point": false,"breaking": false}]"#;
    assert_eq!(told(&castoff, "pending --json"), json);
    told(&castoff, "upgrade");
    assert_eq!(told(&castoff, "pending"), "");
    assert_eq!(told(&castoff, "pending --json"), "[]");
}

#[test]
fn check_exits_with_1_while_something_is_pending() {
    let db = Database::empty();
    let castoff = image(&db, ["a", "b: a"]);
    assert!(exits(&castoff, "check", 1).starts_with("the database is empty\n  upgrade base -> a"));
    told(&castoff, "upgrade a");
    let text = "the database is behind this image\n  upgrade a -> b\n";
    assert_eq!(exits(&castoff, "check", 1), text);
    let json = r#"{"at_head": false,"standing": "behind","creates_ledger": false,"steps": ["#
        .to_owned()
        + r#"{"action": "upgrade","revision": "b","resume": null,"#
        + r#""heads_before": ["a"],"heads_after": ["b"]}]}"#;
    assert_eq!(exits(&castoff, "check --json", 1), json);
    told(&castoff, "upgrade");
    assert_eq!(told(&castoff, "check"), "the database is at head\n");
    let json = r#"{"at_head": true,"standing": "at_head","creates_ledger": false,"steps": []}"#;
    assert_eq!(told(&castoff, "check --json"), json);
    // An older image starts on it, so it is as good as at head.
    assert!(told(&image(&db, ["a"]), "check").starts_with("the database is ahead"));
    exits(&image(&db, ["x"]), "check", 76);
}

#[test]
fn upgrade_goes_to_its_target_and_says_where_the_database_is() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).line(6);
    for (target, head) in [("+1", "0001"), ("0003", "0003"), ("+2", "0005"), ("", "0006")] {
        let told = told(&castoff, &format!("upgrade {target}"));
        assert_eq!(told, format!("the database is at {head}\n"));
        assert_eq!(db.heads(), head);
    }
    assert_eq!(told(&castoff, "upgrade"), "nothing to do: the database is at head\n");
    assert_eq!(told(&castoff, "upgrade 0003"), "nothing to do: the database has 0003\n");
    let json = r#"{"standing": "at_head","creates_ledger": false,"steps": []}"#;
    assert_eq!(told(&castoff, "upgrade --json"), json);
}

#[test]
fn downgrade_goes_to_its_target_and_says_where_the_database_is() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).line(6);
    told(&castoff, "upgrade");
    for (target, head) in [("-1", "0005"), ("0003", "0003"), ("0003-1", "0002"), ("base", "base")] {
        let told = told(&castoff, &format!("downgrade {target}"));
        assert_eq!(told, format!("the database is at {head}\n"));
    }
    assert_eq!(db.tables(), "");
    exits(&castoff, "downgrade base", 65);
    told(&castoff, "upgrade +2");
    let json = r#"{"standing": "commanded","creates_ledger": false,"steps": [{"#.to_owned()
        + r#""action": "downgrade","revision": "0002","down": "image","resume": null,"#
        + r#""heads_before": ["0002"],"heads_after": ["0001"]}]}"#;
    assert_eq!(told(&castoff, "downgrade --json -1"), json);
}

#[test]
fn downgrade_takes_back_what_this_image_does_not_contain() {
    let db = Database::empty();
    told(&image(&db, ["a", "b: a", "c: b"]), "upgrade");
    let old = image(&db, ["a"]);
    let plan = told(&old, "downgrade a");
    assert_eq!((plan.as_str(), db.tables().as_str()), ("the database is at a\n", "a"));
    told(&old, "run -- true");
}

#[test]
fn downgrade_refuses_what_nothing_can_take_back() {
    let db = Database::empty();
    let castoff = image(&db, ["a", "b: a"]);
    castoff.own_folder().remove("a_create_a.down.sql");
    told(&castoff, "upgrade");
    let run = castoff.clone().args(["downgrade", "base"]).run();
    run.assert_code(65).assert_stderr("revision a cannot be taken back");
    // Nothing was done: not even the part that can be.
    assert_eq!(db.tables(), "a,b");
}

#[test]
fn stamp_changes_the_ledger_alone() {
    let db = Database::empty();
    let castoff = image(&db, BRANCHED);
    assert_eq!(told(&castoff, "stamp b"), "the database is at b\n");
    assert_eq!((db.revisions().as_str(), db.tables().as_str()), ("a stamp,b stamp", ""));
    let json = r#"{"standing": "commanded","creates_ledger": false,"steps": [{"action": "stamp","#
        .to_owned()
        + r#""record": ["c","d"],"forget": [],"heads_before": ["b"],"heads_after": ["d"]}]}"#;
    assert_eq!(told(&castoff, "stamp --json head"), json);
    assert_eq!(told(&castoff, "stamp head"), "nothing to do: the ledger says so already\n");
    assert_eq!(told(&castoff, "stamp a"), "the database is at a\n");
    assert_eq!(told(&castoff, "stamp base"), "the database is at base\n");
    assert_eq!((db.revisions().as_str(), db.tables().as_str()), ("", ""));
}

#[test]
fn a_target_that_names_nothing_is_a_usage_error() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).line(12).env("CASTOFF_LOG_FORMAT", "text");
    told(&castoff, "upgrade 0010");
    for (line, why) in [
        ("upgrade 0099", "0099"),
        ("upgrade 00", "00"),
        ("upgrade +9", "+9"),
        ("upgrade -0", "a number from 1"),
        ("upgrade a/b", "a revision id has letters"),
        ("downgrade -99", "-99"),
        ("stamp nowhere", "nowhere"),
        ("show 001", "001"),
        ("wait 00", "00"),
    ] {
        let run = castoff.clone().args(line.split(' ')).run();
        run.assert_code(64).assert_stderr(why);
    }
    let run = castoff.clone().args(["downgrade", "0012"]).run();
    run.assert_code(65).assert_stderr("0012 is not applied (the database is at 0010)");
    assert_eq!(db.heads(), "0010");
}

#[test]
fn a_relative_target_at_a_branch_point_is_ambiguous() {
    let db = Database::empty();
    let castoff = image(&db, BRANCHED);
    told(&castoff, "upgrade +1");
    for line in ["upgrade +1", "show d-1"] {
        let run = castoff.clone().args(line.split(' ')).run();
        run.assert_code(64);
        assert!(run.stderr.contains('b') && run.stderr.contains('c'), "{run}");
    }
}

#[test]
fn settings_shows_values_and_origins_and_no_secret() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).env("CASTOFF_AHEAD", "refuse");
    let text = told(&castoff, "settings --wait-timeout 5m");
    let database = format!("postgresql://postgres:***@127.0.0.1:{}/", db.cluster().port());
    assert!(text.starts_with("database ") && text.contains(&database), "{text}");
    for (name, value) in [
        ("CASTOFF_AHEAD", "refuse  (environment)"),
        ("CASTOFF_WAIT_TIMEOUT", "5m  (flag)"),
        ("CASTOFF_SCHEMA", "castoff  (default)"),
    ] {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        assert!(line.ends_with(value), "{line}");
    }
    let json = told(&castoff, "settings --json");
    assert!(json.starts_with(&format!(r#"{{"database": "{database}"#)), "{json}");
    let ahead = r#"{"name": "CASTOFF_AHEAD","value": "refuse","origin": "environment"}"#;
    assert!(json.contains(ahead), "{json}");
}

#[test]
fn help_lists_every_command_and_knows_each() {
    let castoff = Castoff::without_database();
    let help = told(&castoff, "--help");
    assert_eq!(told(&castoff, "help"), help);
    for command in [
        "run",
        "wait",
        "upgrade",
        "downgrade",
        "stamp",
        "current",
        "pending",
        "check",
        "plan",
        "heads",
        "branches",
        "history",
        "show",
        "settings",
        "help",
        "version",
    ] {
        assert!(help.lines().any(|line| line.starts_with(&format!("  {command}"))), "{command}");
        let own = told(&castoff, &format!("{command} --help"));
        assert!(own.starts_with(&format!("castoff {command}")), "{own}");
    }
    assert!(told(&castoff, "--version").starts_with("castoff 0."));
}

#[test]
fn what_castoff_does_not_understand_is_a_usage_error() {
    for (line, why) in [
        ("", "command"),
        ("upgrad", "did you mean `castoff upgrade`?"),
        ("run --wait-timout 5", "did you mean --wait-timeout?"),
        ("run true", "castoff run -- APP"),
        ("downgrade", "TARGET"),
        ("current now", "now"),
        ("upgrade --revision head", "--revision"),
        ("history --json=yes", "--json"),
    ] {
        let castoff = Castoff::without_database().env("CASTOFF_LOG_FORMAT", "text");
        let run = castoff.args(line.split_whitespace()).run();
        run.assert_code(64).assert_stderr(why);
    }
}
