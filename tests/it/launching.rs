//! Becoming the application: the same process, and nothing of ours in it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::support::{Castoff, Database, Folder, SENTINEL, SOON, Signal};

/// castoff on a database without a password, since what the application prints is searched for it.
fn castoff(db: &Database) -> Castoff {
    Castoff::new(db).url(db.socket_url()).migrations(["a"]).env("CASTOFF_LOG_FORMAT", "text")
}

/// An application that prints what `script` does.
fn app(db: &Database, script: &str) -> Castoff {
    castoff(db).args(["run", "--", "sh", "-c", script])
}

fn executable(folder: &Folder, name: &str, content: &[u8]) -> String {
    folder.file(name, content);
    let path = folder.path().join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A mask of signals, by its name in proc(5), of a process that castoff had no part in, and of the
/// application; without what the C library keeps for itself.
fn masks(db: &Database, prefix: &[&str], name: &str) -> [u64; 2] {
    const STANDARD: u64 = 0x7fff_ffff;
    let words = ["grep", name, "/proc/self/status"];
    let with = castoff(db).under(prefix.iter().copied());
    let with = with.args(["run", "--"].iter().chain(&words).copied()).run().stdout;
    let mut command = prefix.iter().chain(&words);
    let mut without = Command::new(command.next().unwrap());
    let without = String::from_utf8(without.args(command).output().unwrap().stdout).unwrap();
    [without, with].map(|line| {
        let mask = line.split_whitespace().nth(1).unwrap();
        u64::from_str_radix(mask, 16).unwrap() & STANDARD
    })
}

#[test]
fn the_application_is_the_same_process() {
    let db = Database::empty();
    let castoff = app(&db, "echo \"pid $$\"; read line").stdin("line\n");
    let running = castoff.spawn();
    let pid = running.pid();
    running.wait_for_line(&format!("pid {pid}"));
}

#[test]
fn the_application_gets_its_arguments_as_they_are() {
    let db = Database::empty();
    let print = "for word; do printf '<%s>' \"$word\"; done";
    let words = ["run", "--", "sh", "-c", print, "sh", "a b", "", "--", "--json", "$x", "*"];
    castoff(&db).args(words).run().assert_code(0).assert_stdout("<a b><><--><--json><$x><*>");
}

#[test]
fn the_application_is_called_by_the_name_that_was_given() {
    let db = Database::empty();
    let folder = Folder::new();
    symlink("/bin/sh", folder.path().join("web")).unwrap();
    let path = format!("{}:/bin:/usr/bin", folder.path().display());
    let script = "tr '\\0' ' ' </proc/$$/cmdline";
    let castoff = castoff(&db).env("PATH", path);
    let run = castoff.args(["run", "--", "web", "-c", script]).run();
    run.assert_code(0).assert_stdout("web -c tr");
}

#[test]
fn the_application_keeps_the_working_directory_and_the_user() {
    let db = Database::empty();
    let folder = Folder::new();
    let castoff = app(&db, "pwd; id -u; id -g");
    let output = castoff.command().current_dir(folder.path()).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let cwd = folder.path().canonicalize().unwrap();
    assert!(told.starts_with(&format!("{}\n{uid}\n{gid}\n", cwd.display())), "{told}");
}

#[test]
fn no_descriptor_of_ours_is_open_in_the_application() {
    let db = Database::empty();
    let words = ["ls", "/proc/self/fd"];
    let without = Command::new(words[0]).arg(words[1]).output().unwrap();
    let without = String::from_utf8(without.stdout).unwrap();
    for at_head in [false, true] {
        let run = castoff(&db).args(["run", "--"].iter().chain(&words).copied()).run();
        assert_eq!(run.assert_code(0).stdout, without, "at head: {at_head}");
    }
}

#[test]
fn a_descriptor_that_castoff_was_given_is_passed_on() {
    let db = Database::empty();
    let words = ["sh", "-c", "exec \"$@\" 7</etc/hostname", "sh"];
    let run = castoff(&db).under(words).args(["run", "--", "ls", "/proc/self/fd"]).run();
    assert!(run.stdout.lines().any(|line| line == "7"), "{run}");
}

#[test]
fn signals_are_as_they_were_before_castoff() {
    let db = Database::empty();
    for name in ["SigBlk", "SigIgn", "SigCgt"] {
        let [without, with] = masks(&db, &[], name);
        assert_eq!((name, with), (name, without));
    }
}

#[test]
fn ignored_signals_stay_ignored() {
    const HUP_USR1_TERM: u64 = 1 << 0 | 1 << 9 | 1 << 14;
    let db = Database::empty();
    let nohup = ["sh", "-c", "trap '' HUP USR1 TERM; exec \"$@\"", "sh"];
    let [without, with] = masks(&db, &nohup, "SigIgn");
    assert_eq!((with, with & HUP_USR1_TERM), (without, HUP_USR1_TERM));
}

#[test]
fn an_ignored_signal_does_not_end_castoff_either() {
    let db = Database::empty();
    let nohup = ["sh", "-c", "trap '' TERM; exec \"$@\"", "sh"];
    let castoff = castoff(&db).under(nohup).args(["wait", "a", "--wait-timeout", "2s"]);
    let waiting = castoff.spawn();
    waiting.wait_for_line("Waiting for a");
    waiting.signal(Signal::Term);
    waiting.wait(SOON).assert_code(69);
}

#[test]
fn blocked_signals_stay_blocked() {
    const USR2: u64 = 1 << 11;
    let db = Database::empty();
    let block = "import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.execvp(sys.argv[1], sys.argv[1:])";
    let [without, with] = masks(&db, &["python3", "-c", block], "SigBlk");
    assert_eq!((with, with & USR2), (without, USR2));
}

#[test]
fn a_broken_pipe_ends_the_application_as_ever() {
    let db = Database::empty();
    let castoff = app(&db, "yes; echo \"yes: $?\" >&2");
    let mut command = castoff.command();
    let (ours, theirs) = UnixStream::pair().unwrap();
    drop(ours);
    command.stdout(Stdio::from(std::os::fd::OwnedFd::from(theirs)));
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    // 128 and SIGPIPE's 13: yes was killed and did not complain of an error.
    assert!(told.contains("yes: 141"), "{told}");
}

#[test]
fn castoffs_own_secrets_are_not_in_the_applications_environment() {
    let db = Database::empty();
    let folder = Folder::new();
    folder.file("url", db.url());
    let show = app(&db, "env | grep -c -E '^CASTOFF_DATABASE_URL' ; env");
    let by_value = show.clone().env("CASTOFF_DATABASE_URL", db.url()).run();
    by_value.assert_code(0).assert_stdout("0\n");
    let by_file = show.clone().env("CASTOFF_DATABASE_URL_FILE", folder.path().join("url")).run();
    by_file.assert_code(0).assert_stdout("0\n");
    by_file.assert_stdout("DATABASE_URL=postgresql://postgres@");
    // Not being searched for by chance: it would have been seen.
    assert!(db.url().contains(SENTINEL));
}

#[test]
fn the_rest_of_the_environment_reaches_the_application() {
    let db = Database::empty();
    let run = app(&db, "env; printf '<%s>' \"$EMPTY\"")
        .env("APP_KEY", "värde")
        .env("EMPTY", "")
        .env("PGAPPNAME", "shop")
        .env("CASTOFF_LOG", "info")
        .env("DATABASE_URL_FILE", "")
        .run();
    run.assert_code(0).assert_stdout("APP_KEY=värde\n").assert_stdout("PGAPPNAME=shop\n");
    run.assert_stdout("CASTOFF_LOG=info\n").assert_stdout(&db.socket_url());
}

#[test]
fn a_variable_that_is_not_utf8_reaches_the_application() {
    use std::os::unix::ffi::OsStrExt;
    let db = Database::empty();
    let latin1 = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let run = app(&db, "printf %s \"$CAFE\" | od -An -tx1").env("CAFE", latin1).run();
    run.assert_code(0).assert_stdout("63 61 66 e9");
}

#[test]
fn an_application_that_is_not_there_is_127_before_the_database_is_touched() {
    let db = Database::empty();
    for program in ["no-such-app", "/no/such/app", "./no-such-app"] {
        let run = castoff(&db).args(["run", "--", program]).run();
        run.assert_code(127).assert_stderr(&format!("application {program} "));
    }
    assert_eq!(untouched(&db), Vec::<String>::new());
}

#[test]
fn an_application_that_cannot_be_executed_is_126_before_the_database_is_touched() {
    let db = Database::empty();
    for program in ["/etc", "/etc/passwd", "/dev/null"] {
        let run = castoff(&db).args(["run", "--", program]).run();
        run.assert_code(126).assert_stderr(&format!("application {program} cannot be executed"));
    }
    assert_eq!(untouched(&db), Vec::<String>::new());
}

/// What the server has heard of castoff.
fn untouched(db: &Database) -> Vec<String> {
    db.server_log().into_iter().filter(|line| !line.contains("app=test")).collect()
}

#[test]
fn an_application_in_no_folder_of_path_is_named_with_the_path() {
    let db = Database::empty();
    let castoff = castoff(&db).args(["run", "--", "true"]);
    for (path, told) in [("/nowhere:/sbin/nothing", "(/nowhere:/sbin/nothing)"), ("", "()")] {
        let run = castoff.clone().env("PATH", path).run();
        run.assert_code(127).assert_stderr("application true is in no folder of PATH");
        run.assert_stderr(told).assert_stderr("absolute path");
    }
    // Without PATH the system's own folders are searched, as execvp does.
    castoff.env_remove("PATH").run().assert_code(0);
}

#[test]
fn a_script_without_an_interpreter_line_is_run_by_the_shell() {
    let db = Database::empty();
    let folder = Folder::new();
    let path = executable(&folder, "start", b"echo \"started with $# words: $1\"\n");
    let run = castoff(&db).args(["run", "--", &path, "a b", "c"]).run();
    run.assert_code(0).assert_stdout("started with 2 words: a b");
}

#[test]
fn a_missing_interpreter_is_127_and_told_from_a_missing_file() {
    let db = Database::empty();
    let folder = Folder::new();
    let path = executable(&folder, "start", b"#!/no/such/interpreter\n");
    let run = castoff(&db).args(["run", "--", &path]).run();
    run.assert_code(127).assert_stderr("could not be started").assert_stderr("its interpreter");
    // The database was brought to head before; a start with the right image goes on from there.
    assert_eq!(db.heads(), "a");
}

#[test]
fn a_file_that_the_kernel_does_not_execute_is_126() {
    let db = Database::empty();
    let folder = Folder::new();
    let path = executable(&folder, "start", b"\x7fELF\0 but not for long\0\0\0");
    let run = castoff(&db).args(["run", "--", &path]).run();
    run.assert_code(126).assert_stderr("could not be started").assert_stderr("Exec format error");
}

#[test]
fn the_exit_code_of_the_application_is_the_containers() {
    let db = Database::empty();
    app(&db, "exit 42").run().assert_code(42);
    assert_eq!(app(&db, "kill -KILL $$").run().signal(), Some(9));
}

#[test]
fn without_an_application_the_start_ends_after_the_upgrade() {
    let db = Database::empty();
    for arguments in [&["run"][..], &["run", "--"]] {
        let run = castoff(&db).args(arguments.iter().copied()).run();
        run.assert_code(0);
        assert_eq!((run.stdout.as_str(), db.heads().as_str()), ("", "a"));
    }
}

#[test]
fn standard_input_is_the_applications() {
    let db = Database::empty();
    castoff(&db).args(["run", "--", "cat"]).stdin("all of it").run().assert_stdout("all of it");
}
