//! `castoff status`: one screen for people, whatever can be seen of the database.

use crate::support::{Castoff, Database, Run};

const FILES: [(&str, &str); 3] = [
    ("1_shop.up.sql", "-- create the shop\nCREATE TABLE customer (id integer, email text);"),
    ("2_index.up.sql", "-- index it\nCREATE INDEX ON customer (id);"),
    (
        "3_contract.up.sql",
        "-- drop the address\n-- Breaking: yes\nALTER TABLE customer DROP email;",
    ),
];

fn image(db: &Database, files: &[(&'static str, &str)]) -> Castoff {
    Castoff::new(db).files(files.iter().copied()).env("CASTOFF_APPLICATION", "shop 1.2")
}

#[track_caller]
fn status(castoff: &Castoff) -> Run {
    let run = castoff.clone().args(["status"]).run();
    run.assert_code(0);
    run
}

/// The screen, with `…` for what is otherwise each time.
fn screen(run: &Run) -> String {
    let words = |line: &str| {
        let mut line = line.to_owned();
        for (from, to) in [(" on ", ", "), ("PostgreSQL ", ", "), ("  20", "  shop")] {
            if let Some((before, rest)) = line.split_once(from)
                && let Some(end) = rest.find(to)
            {
                line = format!("{before}{from}…{}", &rest[end..]);
            }
        }
        line + "\n"
    };
    run.stdout.lines().map(words).collect()
}

#[test]
fn an_empty_database_is_to_get_everything() {
    let db = Database::empty();
    let run = status(&image(&db, &FILES));
    let screen = screen(&run);
    assert!(screen.starts_with(&format!("Database  {} on …, ", db.name())), "{screen}");
    let (_, rest) = screen.split_once('\n').unwrap();
    assert_eq!(
        rest,
        "Server    PostgreSQL …, primary\n\
         Standing  the database is empty\n\
         Current   base\n\
         Head      3, drop the address\n\
         Lock      free\n\
         \n\
         Pending\n  \
           1  create the shop\n  \
           2  index it\n  \
           3  drop the address  breaking\n"
    );
    assert!(!db.has_ledger());
}

#[test]
fn what_was_run_and_by_whom_and_what_is_dangerous_next_is_shown() {
    let db = Database::empty();
    image(&db, &FILES[..2]).args(["upgrade"]).run().assert_code(0);
    db.psql("INSERT INTO customer VALUES (1, 'x')");
    let later = image(&db, &FILES);
    let lock = |note: &str| {
        let show = later.clone().args(["show", "3", "--json"]).run();
        let (_, checksum) = show.stdout.split_once("\"checksum\": \"").unwrap();
        let (checksum, _) = checksum.split_once('"').unwrap();
        format!(
            "# castoff.lock 1: what each revision does to the schema; written by `castoff lock`\n\
             \nrevision 3 {checksum}\n{note}"
        )
    };
    let lock = lock("! drop-column customer\n- column public.customer.email text\n");
    let later = later.files([("castoff.lock", &lock)]);
    let run = status(&later);
    run.assert_stdout("Standing  the database is behind this image\nCurrent   2, index it\n")
        .assert_stdout(
            "Pending\n  3  drop the address  breaking, drop-column (customer holds rows)\n",
        )
        .assert_stdout("\nLast runs\n  2  upgrade  20")
        .assert_stdout(" (shop 1.2)\n  1  upgrade  20");
    let json = later.clone().args(["status", "--json"]).run();
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["standing"], "behind");
    assert_eq!(json["pending"][0]["hazards"][0]["hazard"], "drop-column");
    assert_eq!(json["last_runs"][1]["revision"], "1");
    assert!(json["last_runs"][0]["duration_ms"].is_u64());
    assert_eq!(json["lock_holder"], serde_json::Value::Null);
    // Who knows of it is not told again.
    let known = FILES[2].1.replace("-- Breaking", "-- Allow: drop-column it is empty\n-- Breaking");
    let known = later.files([("3_contract.up.sql", &known)]);
    status(&known).assert_stdout("  3  drop the address  breaking\n\nLast runs");
}

#[test]
fn the_holder_of_the_lock_is_named() {
    let db = Database::empty();
    let mut holder = db.migration_lock();
    let pid = holder.pid();
    status(&image(&db, &FILES)).assert_stdout(&format!("Lock      pid {pid}, "));
}

#[test]
fn what_a_role_may_not_see_is_said_and_the_rest_is_shown() {
    let db = Database::empty();
    image(&db, &FILES).args(["upgrade"]).run().assert_code(0);
    let stranger = db.role("stranger").create();
    let blind = image(&db, &FILES).url(stranger.url());
    status(&blind)
        .assert_stdout("Standing  refused: the role may not read castoff.")
        .assert_stdout("Current   not known\n")
        .assert_stdout("Head      3, drop the address\nLock      free\n");
}

#[test]
fn a_refusal_is_what_the_screen_says() {
    let db = Database::empty();
    db.psql("CREATE TABLE somebodys (x integer)");
    status(&image(&db, &FILES))
        .assert_stdout("Standing  refused: ")
        .assert_stdout("table public.somebodys");
}

/// A terminal of 72 columns.
const TERMINAL: &str = "
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 72, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
while True:
    try:
        os.write(1, os.read(terminal, 4096))
    except OSError:
        break
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

#[test]
fn on_a_terminal_no_line_is_longer_than_it() {
    let db = Database::empty();
    let long = format!("-- {}\nCREATE TABLE a ()", "x".repeat(200));
    let castoff = image(&db, &[("1_a.sql", &long)]);
    assert!(status(&castoff).stdout.contains(&"x".repeat(200)));
    let terminal =
        castoff.under(["python3", "-c", TERMINAL]).env("TERM", "xterm").env("LANG", "C.UTF-8");
    let run = status(&terminal);
    run.assert_stdout("\u{1b}[1mServer\u{1b}[0m    PostgreSQL");
    let shown = run.stdout.replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
    let cut: Vec<_> = shown.lines().map(str::trim_end).filter(|l| l.contains("xxx")).collect();
    assert!(cut.len() == 2 && cut.iter().all(|line| line.ends_with("x…")), "{cut:?}");
    assert!(shown.lines().all(|line| line.trim_end().chars().count() <= 72), "{shown}");
    let plain = status(&terminal.env("NO_COLOR", "1"));
    assert!(!plain.stdout.contains('\u{1b}'), "{plain:?}");
}
