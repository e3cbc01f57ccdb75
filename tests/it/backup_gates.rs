//! The backup gates: what opens each, what they stand before, and how the command is run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::support::{
    Castoff, Cluster, Database, Folder, Pooler, SENTINEL, SOON, Signal, eventually,
};

const FILES: [(&str, &str); 4] = [
    ("1_users.up.sql", "CREATE TABLE users (id int PRIMARY KEY, fax text)"),
    ("2_email.up.sql", "ALTER TABLE users ADD email text"),
    ("3_contract.up.sql", "ALTER TABLE users DROP fax"),
    ("3_contract.down.sql", "ALTER TABLE users ADD fax text"),
];

const HELD: Duration = Duration::from_secs(30);

/// A database at 1, whose upgrade takes a column away in its second step.
fn at_1(db: &Database) -> Castoff {
    let castoff = Castoff::new(db).files(FILES).env("CASTOFF_LOG_FORMAT", "text");
    castoff.clone().args(["upgrade", "1"]).run().assert_code(0);
    castoff.args(["upgrade"])
}

/// A folder of backups, and what the commands of a test leave behind.
struct Backups(Folder);

impl Backups {
    fn new() -> Backups {
        Backups(Folder::new())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// A backup that was written so long ago.
    fn written(&self, name: &str, ago: Duration) {
        self.0.file(name, "a dump");
        self.date(name, now() - ago);
    }

    fn date(&self, name: &str, time: SystemTime) {
        File::options().write(true).open(self.file(name)).unwrap().set_modified(time).unwrap();
    }

    /// A command that runs a script here.
    fn script(&self, name: &str, text: &str) -> String {
        let here = self.path().display();
        self.0.file(name, format!("cd '{here}' || exit 99\n{text}\n"));
        format!("sh '{here}/{name}'")
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }
}

/// The time that files are dated by.
#[expect(clippy::disallowed_methods, reason = "files are dated by this clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

const fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

#[test]
fn a_file_opens_the_gate_if_it_is_young_enough() {
    for (name, ago, max_age, is_open, told) in [
        ("a.dump", hours(1), "", true, "The backup gate is open: the newest file of "),
        ("a.dump", hours(23), "", true, "a.dump, is 23 h old"),
        ("2026/11/a.dump", hours(3), "4h", true, "2026/11/a.dump, is 3 h old"),
        ("a.dump", hours(25), "", false, "is 25 h old, and CASTOFF_BACKUP_MAX_AGE is 24 h"),
        ("a.dump", hours(3), "2h", false, "is 3 h old, and CASTOFF_BACKUP_MAX_AGE is 2 h"),
        ("a.dump", hours(72), "", false, "a.dump, is 3 days old"),
    ] {
        let db = Database::empty();
        let backups = Backups::new();
        backups.written("older/b.dump", hours(24 * 30));
        backups.written(name, ago);
        // What a dump leaves behind that failed.
        backups.0.file("failed.dump", "");
        let castoff = at_1(&db).env("CASTOFF_BACKUP_PATH", backups.path());
        let run = castoff.env("CASTOFF_BACKUP_MAX_AGE", max_age).run();
        run.assert_code(if is_open { 0 } else { 76 }).assert_stderr(told);
        assert_eq!(db.heads(), if is_open { "3" } else { "1" }, "{run}");
    }
}

#[test]
fn a_path_without_a_backup_closes_the_gate_and_says_why() {
    let db = Database::empty();
    let backups = Backups::new();
    let castoff = at_1(&db);
    let at = |path: &Path| castoff.clone().env("CASTOFF_BACKUP_PATH", path).run();
    let run = at(backups.path());
    run.assert_code(76).assert_stderr(
        "error: no backup gate is open, and 3 removes objects (DROP COLUMN)\n  \
         CASTOFF_BACKUP_PATH: there is no file in ",
    );
    run.assert_stderr("hint: make a backup, and give the same command again");
    at(&backups.file("nowhere")).assert_code(76).assert_stderr("/nowhere does not exist");
    backups.0.file("a.dump", "");
    at(&backups.file("a.dump")).assert_code(76).assert_stderr("there is no file in ");
    backups.0.file("a.dump", "a dump");
    backups.date("a.dump", now() + hours(3));
    at(backups.path()).assert_code(76).assert_stderr("a.dump, is dated 2 h in the future");
    assert_eq!(db.heads(), "1");
    // The file itself, dated by a clock that goes a little before ours.
    backups.date("a.dump", now() + Duration::from_mins(1));
    at(&backups.file("a.dump")).assert_code(0).assert_stderr("a.dump is 0 s old");
    assert_eq!(db.heads(), "3");
}

#[test]
fn an_archiver_opens_the_gate_if_it_has_archived_lately_and_not_failed_since() {
    let cluster = Cluster::stopped();
    cluster.configure("archive_mode = on\narchive_command = 'false'\nwal_level = replica\n");
    cluster.start();
    let db = Database::on(&cluster);
    let castoff = at_1(&db).env("CASTOFF_BACKUP_ARCHIVER", "on");
    let switch = |what: &str| {
        let then = db.psql(&format!("SELECT {what} FROM pg_stat_archiver"));
        db.psql("SELECT pg_logical_emit_message(false, '', 'x'); SELECT pg_switch_wal()");
        eventually(HELD, || {
            let now = db.psql(&format!("SELECT {what} FROM pg_stat_archiver"));
            if now == then { Err(now) } else { Ok(()) }
        });
    };
    castoff
        .run()
        .assert_code(76)
        .assert_stderr("CASTOFF_BACKUP_ARCHIVER: the server's archiver has");
    switch("failed_count");
    castoff.run().assert_code(76).assert_stderr("the server's archiver has only failed");
    cluster.set("archive_command", "true");
    switch("archived_count");
    let old = castoff.clone().env("CASTOFF_BACKUP_MAX_AGE", "1ms");
    old.run().assert_code(76).assert_stderr("the server's archiver last archived ");
    cluster.set("archive_command", "false");
    switch("failed_count");
    castoff.run().assert_code(76).assert_stderr("has failed since it last archived");
    cluster.set("archive_command", "true");
    switch("archived_count");
    assert_eq!(db.heads(), "1");
    let run = castoff.run();
    run.assert_code(0)
        .assert_stderr("The backup gate is open: the server's archiver last archived");
    assert_eq!(db.heads(), "3");
}

#[test]
fn a_server_that_archives_nothing_closes_the_gate() {
    let db = Database::empty();
    let castoff = at_1(&db).args(["upgrade", "--backup-archiver"]);
    castoff.run().assert_code(76).assert_stderr("archives nothing: archive_mode is off");
    assert_eq!(db.heads(), "1");
}

#[test]
fn a_command_that_makes_a_backup_opens_the_gate() {
    let db = Database::empty();
    let backups = Backups::new();
    let pg_dump = db.cluster().program("pg_dump");
    let command = format!("{} -Fp -f '{}'", pg_dump.display(), backups.file("a.sql").display());
    let run = at_1(&db).env("CASTOFF_BACKUP_COMMAND", command).run();
    run.assert_code(0).assert_stderr("Running the backup command `");
    run.assert_stderr("pg_dump …` succeeded in ");
    assert_eq!(db.heads(), "3");
    // It was made before anything was done, over TCP and with the password.
    let dump = backups.text("a.sql");
    assert!(dump.contains("fax text") && !dump.contains("email"), "{dump}");
}

#[test]
fn a_command_that_fails_closes_the_gate_and_says_how() {
    let db = Database::empty();
    let backups = Backups::new();
    let castoff = at_1(&db);
    for (script, told) in [
        ("exit 3", "`sh …` ended with exit code 3\n"),
        ("echo first; echo 'no space left' >&2; exit 1", "exit code 1 after saying: no space left"),
        ("kill -KILL $$", "`sh …` ended with signal 9"),
    ] {
        let command = backups.script("fails", script);
        let run = castoff.clone().env("CASTOFF_BACKUP_COMMAND", command).run();
        run.assert_code(76).assert_stderr("CASTOFF_BACKUP_COMMAND: ").assert_stderr(told);
    }
    let missing = castoff.clone().env("CASTOFF_BACKUP_COMMAND", "no-such-program --all").run();
    missing.assert_code(76).assert_stderr("`no-such-program …` cannot be started: No such file");
    let shell = castoff.env("CASTOFF_BACKUP_COMMAND", "pg_dump > x").run();
    shell.assert_code(78).assert_stderr("write sh -c '…'");
    assert_eq!(db.heads(), "1");
}

#[test]
fn one_open_gate_is_enough_and_the_command_runs_where_no_other_is() {
    for (ago, script, code, ran) in [
        (hours(1), "touch ran", 0, false),
        (hours(30), "touch ran", 0, true),
        (hours(30), "touch ran; exit 1", 76, true),
    ] {
        let db = Database::empty();
        let (backups, scripts) = (Backups::new(), Backups::new());
        backups.written("a.dump", ago);
        let run = at_1(&db)
            .env("CASTOFF_BACKUP_PATH", backups.path())
            .env("CASTOFF_BACKUP_ARCHIVER", "on")
            .env("CASTOFF_BACKUP_COMMAND", scripts.script("backup", script))
            .run();
        run.assert_code(code);
        assert_eq!(scripts.file("ran").exists(), ran, "{run}");
        if code == 76 {
            for gate in ["PATH: the newest", "ARCHIVER: the server", "COMMAND: `sh …` ended"] {
                run.assert_stderr(&format!("\n  CASTOFF_BACKUP_{gate}"));
            }
        }
    }
}

#[test]
fn only_what_takes_something_away_is_asked_for_a_backup() {
    let backups = Backups::new();
    let command = backups.script("backup", "echo ran >> ran; exit 1");
    let db = Database::empty();
    let image = Castoff::new(&db).files(FILES).env("CASTOFF_BACKUP_COMMAND", &command);
    // Where nothing is, nothing is lost.
    image.clone().args(["upgrade"]).run().assert_code(0);
    image.clone().args(["upgrade"]).run().assert_code(0);
    image.clone().args(["stamp", "1"]).run().assert_code(0);
    image.clone().args(["stamp", "3"]).run().assert_code(0);
    assert_eq!(backups.text("ran"), "");
    // What was taken back is lost.
    let run = image.clone().args(["downgrade", "2"]).run();
    run.assert_code(76).assert_stderr("no backup gate is open, and 3 is taken back");
    assert_eq!((backups.text("ran").as_str(), db.heads().as_str()), ("ran\n", "3"));

    let db = Database::empty();
    let image = at_1(&db).env("CASTOFF_BACKUP_COMMAND", &command);
    image.clone().args(["upgrade", "2"]).run().assert_code(0);
    assert_eq!(backups.text("ran"), "ran\n");
    for (statement, is_lost) in [
        ("CREATE TABLE more ()", false),
        ("UPDATE users SET email = 'x'", false),
        ("DROP TABLE more", true),
        ("DELETE FROM users", true),
        ("TRUNCATE users", true),
        ("ALTER TABLE users ALTER email TYPE varchar(9)", true),
        ("DROP INDEX IF EXISTS none", false),
    ] {
        let image = image.clone().files([("3_contract.up.sql", statement)]);
        let plan = image.clone().args(["plan"]).run();
        plan.assert_code(0);
        assert_eq!(plan.stdout.contains("only a backup brings back"), is_lost, "{plan}");
    }
}

#[test]
fn by_a_lock_it_is_the_effect_that_counts() {
    let backups = Backups::new();
    let db = Database::empty();
    let image = at_1(&db).files([(
        "3_contract.up.sql",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE users DROP ' || 'fax'; END $$; DROP TABLE IF EXISTS none",
    )]);
    image.clone().args(["lock"]).run().assert_code(0);
    let image = image.env("CASTOFF_BACKUP_PATH", backups.path());
    let run = image.run();
    run.assert_code(76).assert_stderr("and 3 removes column public.users.fax\n");
    // A refusal is a refusal of it all.
    assert_eq!(db.heads(), "1");
}

#[test]
fn the_command_runs_once_and_under_the_lock() {
    let db = Database::empty();
    let backups = Backups::new();
    let script = "echo ran >> ran; until [ -e go ]; do sleep 0.05; done";
    let image = at_1(&db)
        .files([("4_more.up.sql", "TRUNCATE users"), ("5_more.up.sql", "DROP TABLE users")])
        .env("CASTOFF_BACKUP_COMMAND", backups.script("backup", script));
    let running = image.spawn();
    eventually(SOON, || if backups.file("ran").exists() { Ok(()) } else { Err("has not run") });
    let locks = db.advisory_locks();
    assert!(locks.len() == 1 && locks[0].granted, "{locks:?}");
    assert_eq!(db.heads(), "1");
    let other = image.spawn();
    other.wait_for_line("Another start is migrating");
    backups.0.file("go", "");
    running.wait(HELD).assert_code(0);
    other.wait(HELD).assert_code(0);
    assert_eq!((backups.text("ran").as_str(), db.heads().as_str()), ("ran\n", "5"));
}

#[test]
fn a_session_that_is_lost_meanwhile_does_not_ask_again() {
    let db = Database::empty();
    let backups = Backups::new();
    let script = "echo ran >> ran; until [ -e go ]; do sleep 0.05; done";
    let image = at_1(&db).env("CASTOFF_BACKUP_COMMAND", backups.script("backup", script));
    let running = image.spawn();
    eventually(SOON, || if backups.file("ran").exists() { Ok(()) } else { Err("has not run") });
    let leader = db.advisory_locks().remove(0).pid;
    db.psql(&format!("SELECT pg_terminate_backend({leader}, 5000)"));
    backups.0.file("go", "");
    running.wait(HELD).assert_code(0).assert_stderr("waiting for the database again");
    assert_eq!((backups.text("ran").as_str(), db.heads().as_str()), ("ran\n", "3"));
}

#[test]
fn a_pooler_that_deals_out_transactions_is_no_obstacle() {
    let db = Database::empty();
    let backups = Backups::new();
    let castoff = at_1(&db).env("CASTOFF_BACKUP_PATH", backups.path());
    let castoff = castoff.env("CASTOFF_BACKUP_ARCHIVER", "on");
    let pooler = Pooler::new(&db, "transaction");
    let castoff = castoff.url(pooler.url());
    castoff.run().assert_code(76).assert_stderr("archives nothing: archive_mode is off");
    assert_eq!(db.heads(), "1");
    backups.written("a.dump", hours(1));
    castoff.run().assert_code(0);
    assert_eq!(db.heads(), "3");
}

#[test]
fn the_command_gets_the_database_by_variables_and_no_secret_of_castoffs() {
    let db = Database::empty();
    let backups = Backups::new();
    let script = "env > env; tr '\\0' ' ' < /proc/$$/cmdline > words; ls -l /proc/$$/fd > fds";
    let url = format!("{}?sslmode=disable&application_name=shop", db.url());
    at_1(&db)
        .env("CASTOFF_BACKUP_COMMAND", backups.script("backup", script))
        .env("CASTOFF_DATABASE_URL", url)
        .env("DATABASE_URL", "postgresql://app@elsewhere/app")
        .env("PGSSLMODE", "verify-full")
        .env("PGHOST", "elsewhere")
        .run()
        .assert_code(0);
    let environment = backups.text("env");
    let port = format!("PGPORT={}", db.cluster().port());
    let database = format!("PGDATABASE={}", db.name());
    let password = format!("PGPASSWORD={SENTINEL}");
    for line in [
        "PGHOST=127.0.0.1",
        &port,
        "PGUSER=postgres",
        &database,
        &password,
        "PGSSLMODE=disable",
        "PGAPPNAME=shop",
    ] {
        assert!(environment.lines().any(|it| it == line), "{line}: {environment}");
    }
    assert!(!environment.contains("CASTOFF_DATABASE_URL"), "{environment}");
    assert!(!backups.text("words").contains(SENTINEL));
    // Its own three and the script; no connection of castoff's.
    assert!(!backups.text("fds").contains("socket:"), "{}", backups.text("fds"));
}

#[test]
fn a_password_that_the_command_prints_leaves_as_stars() {
    let db = Database::empty();
    let backups = Backups::new();
    let script = "echo \"it is $PGPASSWORD\"; echo \"really $PGPASSWORD\" >&2; exit 1";
    let command = backups.script("backup", script);
    let castoff = at_1(&db).env("CASTOFF_BACKUP_COMMAND", command).env("CASTOFF_LOG", "trace");
    let run = castoff.run();
    run.assert_code(76).assert_stderr("backup: it is ***").assert_stderr("backup: really ***");
    run.assert_stderr("after saying: ");
    castoff.env("CASTOFF_LOG_FORMAT", "json").run().assert_code(76);
    let other = Database::empty();
    let secret = format!("pg_dump {}", other.url());
    let castoff = at_1(&other).env("CASTOFF_BACKUP_COMMAND", secret);
    castoff.clone().args(["settings"]).run().assert_code(0).assert_stdout("pg_dump …");
    castoff.clone().args(["settings", "--json"]).run().assert_code(0).assert_stdout("pg_dump …");
    castoff.args(["plan"]).run().assert_code(0).assert_stdout("`pg_dump …` has to succeed");
}

#[test]
fn a_dump_into_the_log_is_cut_short() {
    let db = Database::empty();
    let backups = Backups::new();
    let script = "seq 1 5000; head -c 100000 /dev/zero | tr '\\0' x; echo";
    let run = at_1(&db).env("CASTOFF_BACKUP_COMMAND", backups.script("backup", script)).run();
    run.assert_code(0).assert_stderr("backup: 500\n").assert_stderr("says more than 500 lines");
    assert!(!run.stderr.contains("backup: 501\n") && run.stderr.len() < 20_000);
}

#[test]
fn sigterm_is_passed_on_to_the_command_and_all_that_it_started() {
    let db = Database::empty();
    let backups = Backups::new();
    let script = "trap 'echo term >> told; exit 1' TERM
        (trap 'echo child >> told; exit 1' TERM; touch child; while :; do sleep 0.05; done) &
        touch begun; while :; do sleep 0.05; done";
    let image = at_1(&db).env("CASTOFF_BACKUP_COMMAND", backups.script("backup", script));
    let running = image.spawn();
    eventually(SOON, || {
        let begun = backups.file("begun").exists() && backups.file("child").exists();
        if begun { Ok(()) } else { Err("has not begun") }
    });
    running.signal(Signal::Term);
    let run = running.wait(HELD);
    run.assert_code(143).assert_stderr("Passing SIGTERM on to the backup command");
    let told = eventually(SOON, || {
        let mut told: Vec<_> = backups.text("told").lines().map(str::to_owned).collect();
        told.sort();
        if told.len() == 2 { Ok(told) } else { Err(told) }
    });
    assert_eq!(told, ["child", "term"]);
    assert_eq!((db.heads().as_str(), db.advisory_locks()), ("1", Vec::new()));
}

#[test]
fn a_command_that_does_not_end_on_sigterm_is_killed() {
    let db = Database::empty();
    let backups = Backups::new();
    let script = "trap '' TERM; echo $$ > pid; touch begun; while :; do sleep 0.05; done";
    let image = at_1(&db).env("CASTOFF_BACKUP_COMMAND", backups.script("backup", script));
    let running = image.spawn();
    eventually(SOON, || if backups.file("begun").exists() { Ok(()) } else { Err("not begun") });
    running.signal(Signal::Term);
    running.wait(HELD).assert_code(143).assert_stderr("does not end, and is killed");
    let pid = backups.text("pid");
    assert!(!Path::new("/proc").join(pid.trim()).exists());
}

#[test]
fn where_children_are_ignored_the_commands_end_is_known_and_the_application_ignores_them_too() {
    let db = Database::empty();
    let backups = Backups::new();
    // A shell's trap does not ignore it.
    let ignored = "import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])";
    let castoff = at_1(&db).under(["python3", "-c", ignored]);
    let fails = castoff.clone().env("CASTOFF_BACKUP_COMMAND", backups.script("fails", "exit 7"));
    fails.run().assert_code(76).assert_stderr("exit code 7");
    let start = castoff
        .env("CASTOFF_BACKUP_COMMAND", backups.script("backup", "exit 0"))
        .args(["run", "--", "grep", "SigIgn", "/proc/self/status"])
        .run();
    start.assert_code(0);
    let mask = start.stdout.split_whitespace().last().unwrap();
    let chld = 1_u64 << (libc::SIGCHLD - 1);
    assert_eq!(u64::from_str_radix(mask, 16).unwrap() & chld, chld, "{start}");
}

#[test]
fn plan_shows_each_gate_and_what_would_be_refused_and_runs_nothing() {
    let db = Database::empty();
    let backups = Backups::new();
    let castoff = at_1(&db).env("CASTOFF_BACKUP_PATH", backups.path()).args(["plan"]);
    let closed = castoff.run();
    closed.assert_code(76).assert_stdout("  upgrade 2 -> 3\n");
    closed.assert_stdout("only a backup brings back: 3 removes objects (DROP COLUMN)\n");
    closed.assert_stdout("backup gate (closed): there is no file in ");
    closed.assert_stdout("refused: no backup gate is open, and 3 removes objects (DROP COLUMN)\n");
    let scripts = Backups::new();
    let command = scripts.script("backup", "touch ran");
    let castoff = castoff.env("CASTOFF_BACKUP_COMMAND", command);
    let unknown = castoff.run();
    unknown.assert_code(0).assert_stdout("backup gate (not known): `sh …` has to succeed\n");
    assert!(!unknown.stdout.contains("refused") && !scripts.file("ran").exists(), "{unknown}");
    backups.written("a.dump", hours(5));
    let json = castoff.clone().args(["plan", "--json"]).run();
    let json: Value = serde_json::from_str(&json.assert_code(0).stdout).unwrap();
    assert_eq!(json["losses"][0]["revision"], "3");
    assert_eq!(json["losses"][0]["removes"][0], "objects (DROP COLUMN)");
    assert_eq!(json["gates"][0]["setting"], "CASTOFF_BACKUP_PATH");
    assert_eq!(json["gates"][0]["open"], true);
    assert_eq!(json["gates"][1]["open"], Value::Null);
    assert_eq!(json["refused"], Value::Null);
    // Where nothing is taken away no gate is asked.
    let harmless = castoff.files([("3_contract.up.sql", "SELECT 1")]).run();
    harmless.assert_code(0);
    assert!(!harmless.stdout.contains("gate"), "{harmless}");
}

#[test]
fn plan_looks_ahead_to_a_downgrade_and_a_stamp() {
    let db = Database::empty();
    let backups = Backups::new();
    let image = at_1(&db);
    image.run().assert_code(0);
    let image = image.env("CASTOFF_BACKUP_PATH", backups.path());
    let plan = |environment: &str, words: &[&str]| {
        let words = [&["plan"], words].concat();
        image.clone().env("CASTOFF_ENV", environment).args(words).run()
    };
    let back = plan("production", &["--downgrade", "-1"]);
    back.assert_code(76);
    assert!(
        back.stdout.starts_with(
            "  downgrade 3 (this image's down file)\n\
             only a backup brings back: 3 is taken back\n\
             backup gate (closed): there is no file in "
        ),
        "{back}"
    );
    back.assert_stdout("\nasks for --yes and the name of the database\nrefused: no backup gate");
    backups.written("a.dump", hours(1));
    plan("staging", &["--downgrade", "2"]).assert_code(0).assert_stdout("asks for --yes\n");
    let stamp = plan("development", &["--stamp", "1"]);
    stamp.assert_code(0);
    assert_eq!(stamp.stdout, "  record base, forget 2, 3\n");
    let json = plan("", &["--stamp", "1", "--json"]);
    let json: Value = serde_json::from_str(&json.assert_code(0).stdout).unwrap();
    assert_eq!(json["asks"], "yes_and_name");
    let both = plan("", &["--stamp", "1", "--downgrade", "1"]);
    both.assert_code(64).assert_stderr("--downgrade and --stamp are both given");
    plan("", &["--downgrade", "nothing"]).assert_code(64);
    plan("", &["--downgrade", "1"])
        .assert_code(65)
        .assert_stderr("revision 2 cannot be taken back");
    assert_eq!(db.heads(), "3");
}
