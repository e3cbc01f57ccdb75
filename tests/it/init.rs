//! `--init`: castoff stays as the application's parent, as tini does.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Castoff, Database, Folder, Proxy, Running, SENTINEL, SOON, eventually};

/// Where castoff is: a container's first process, and somewhere below one.
#[derive(Clone, Copy, Debug)]
enum Place {
    First,
    Below,
}

const PLACES: [Place; 2] = [Place::First, Place::Below];

impl Place {
    /// What starts castoff there; whatever is left of it ends with this program.
    fn prefix(self) -> &'static [&'static str] {
        const ALL: [&str; 9] = [
            "unshare",
            "--pid",
            "--fork",
            "--mount-proc",
            "--kill-child",
            "sh",
            "-c",
            "\"$@\"; exit $?",
            "sh",
        ];
        match self {
            Self::First => &ALL[..5],
            Self::Below => &ALL,
        }
    }

    /// castoff with an application that is started without a database.
    fn start<'a>(self, app: impl IntoIterator<Item = &'a str>) -> Castoff {
        staying(app).under(self.prefix().iter().copied())
    }

    /// The process id of the init, and that of the application, outside.
    fn pids(self, running: &Running) -> (u32, u32) {
        let mut pid = only_child(running.pid());
        if let Self::Below = self {
            pid = only_child(pid);
        }
        eventually(SOON, || {
            fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap().contains("--as-init")
        });
        (pid, only_child(pid))
    }
}

/// castoff as init of an application, without a database.
fn staying<'a>(app: impl IntoIterator<Item = &'a str>) -> Castoff {
    skipping().args(["run", "--init", "--"].into_iter().chain(app))
}

fn skipping() -> Castoff {
    Castoff::without_database().env("CASTOFF_MODE", "skip").env("CASTOFF_LOG_FORMAT", "text")
}

fn children(pid: u32) -> Vec<u32> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    children.unwrap_or_default().split_whitespace().map(|child| child.parse().unwrap()).collect()
}

fn only_child(pid: u32) -> u32 {
    eventually(SOON, || match children(pid)[..] {
        [child] => Ok(child),
        _ => Err(children(pid)),
    })
}

/// The shell's kill knows all numbers.
#[track_caller]
fn send(signal: i32, pid: u32) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {pid}")]).status();
    assert!(sent.unwrap().success(), "cannot send {signal} to {pid}");
}

/// What a process's status says under a name; proc(5).
fn status(path: &Path, name: &str) -> String {
    let status = fs::read_to_string(path.join("status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no {name} in {status}")).trim().to_owned()
}

fn process(pid: u32) -> std::path::PathBuf {
    format!("/proc/{pid}").into()
}

// Who stays, and when.

#[test]
fn castoff_is_the_applications_parent_only_when_asked() {
    let print = ["sh", "-c", "echo \"<$$ $PPID>\"; read line"];
    for (flag, value, stays) in [
        (false, None, false),
        (false, Some("off"), false),
        (true, None, true),
        (true, Some("0"), true),
        (false, Some("1"), true),
        (false, Some("yes"), true),
    ] {
        let flags: &[&str] = if flag { &["run", "--init", "--"] } else { &["run", "--"] };
        let mut castoff = skipping().args(flags.iter().chain(&print).copied()).stdin("line\n");
        if let Some(value) = value {
            castoff = castoff.env("CASTOFF_INIT", value);
        }
        let running = castoff.spawn();
        let pid = running.pid();
        let line = running.wait_for_line("<");
        let expected = if stays { format!(" {pid}>") } else { format!("<{pid} ") };
        assert!(line.contains(&expected), "{pid} {line} {flag} {value:?}");
    }
}

#[test]
fn it_stays_in_every_mode_that_starts_the_application() {
    let db = Database::empty();
    for mode in ["run", "wait", "skip"] {
        let castoff = Castoff::new(&db).url(db.socket_url()).migrations(["a"]);
        let castoff = castoff.env("CASTOFF_MODE", mode).env("CASTOFF_INIT", "1");
        let castoff = castoff.args(["run", "--", "sh", "-c", "echo \"<$PPID>\"; exit 3"]);
        let running = castoff.spawn();
        running.wait_for_line(&format!("<{}>", running.pid()));
        running.wait(SOON).assert_code(3);
    }
    assert_eq!(db.heads(), "a");
}

#[test]
fn it_stays_although_another_setting_is_wrong_that_skip_does_not_need() {
    for (flags, variable) in [(&["run", "--init", "--"][..], "0"), (&["run", "--"], "1")] {
        let app = ["sh", "-c", "echo \"<$PPID>\""];
        let castoff = skipping().args(flags.iter().chain(&app).copied());
        let castoff = castoff.env("CASTOFF_INIT", variable).env("CASTOFF_WAIT_TIMEOUT", "never");
        let running = castoff.spawn();
        running.wait_for_line("so it does not matter");
        running.wait_for_line(&format!("<{}>", running.pid()));
    }
}

#[test]
fn without_an_application_the_flag_is_wrong_and_the_variable_does_nothing() {
    skipping().args(["run", "--init"]).run().assert_code(64).assert_stderr("no application");
    skipping().env("CASTOFF_INIT", "1").args(["run"]).run().assert_code(0);
    skipping().env("CASTOFF_INIT", "1").args(["version"]).run().assert_code(0);
    let wrong = Castoff::without_database().env("CASTOFF_INIT", "2").args(["settings"]);
    wrong.run().assert_code(78).assert_stderr("CASTOFF_INIT").assert_stderr("1 or 0");
}

#[test]
fn what_it_starts_itself_with_is_no_flag_for_users() {
    for words in [&["--as-init"][..], &["--as-init", "run", "--", "true"]] {
        let run = skipping().args(words.iter().copied()).run();
        run.assert_code(64).assert_stderr("--as-init is not a flag").assert_stderr("run --init");
        assert_eq!(run.stdout, "");
    }
}

// Signals.

const TELL_SIGNALS: &str = "
import os, signal
name = 'app' if os.fork() else 'child'
for number in set(range(1, 65)) - {signal.SIGKILL, signal.SIGSTOP, 32, 33}:
    signal.signal(number, lambda n, _: os.write(1, f'{name} got {n}.\\n'.encode()))
os.write(1, f'{name} is ready\\n'.encode())
while True:
    signal.pause()
";

#[test]
fn every_signal_reaches_the_application_and_no_other_process() {
    for place in PLACES {
        let running = place.start(["python3", "-c", TELL_SIGNALS]).spawn();
        running.wait_for_line("app is ready");
        running.wait_for_line("child is ready");
        let (init, _) = place.pids(&running);
        let not_passed_on = [libc::SIGKILL, libc::SIGSTOP, libc::SIGCHLD, 32, 33];
        for number in (1..=64).filter(|number| !not_passed_on.contains(number)) {
            send(number, init);
            running.wait_for_line(&format!("app got {number}."));
        }
        // The death of a child is castoff's own business.
        send(libc::SIGCHLD, init);
        send(64, init);
        eventually(SOON, || running.output().matches("app got 64.").count() == 2);
        let output = running.output();
        assert!(!output.contains("child got"), "{place:?}: {output}");
        assert!(!output.contains("app got 17."), "{place:?}: {output}");
        assert_eq!(output.matches("app got").count(), 60, "{place:?}: {output}");
    }
}

/// Blocks what glibc's own functions cannot, and looks at what is pending.
const WAIT_FOR_THE_HIDDEN: &str = "
import ctypes, re, sys
both = ctypes.c_uint64(1 << 31 | 1 << 32)
ctypes.CDLL(None).syscall(int(sys.argv[1]), 0, ctypes.byref(both), None, 8)
print('ready', flush=True)
pending = 0
while pending & both.value != both.value:
    status = open('/proc/self/status').read()
    pending = int(re.search(r'ShdPnd:\\s+(\\w+)', status)[1], 16)
sys.exit(6)
";

#[test]
fn signals_that_the_c_library_keeps_for_itself_are_passed_on_too() {
    let block = libc::SYS_rt_sigprocmask.to_string();
    let running = Place::First.start(["python3", "-c", WAIT_FOR_THE_HIDDEN, &block]).spawn();
    running.wait_for_line("ready");
    let (init, _) = Place::First.pids(&running);
    send(32, init);
    send(33, init);
    running.wait(SOON).assert_code(6);
}

#[test]
fn a_signal_that_the_application_ignores_has_no_effect() {
    let script = "trap '' TERM; trap 'echo still here; exit 4' USR1; echo ready
        while :; do sleep 0.05; done";
    for place in PLACES {
        let running = place.start(["sh", "-c", script]).spawn();
        running.wait_for_line("ready");
        let (init, _) = place.pids(&running);
        send(libc::SIGTERM, init);
        send(libc::SIGUSR1, init);
        running.wait_for_line("still here");
        running.wait(SOON).assert_code(4);
    }
}

#[test]
fn sigterm_before_the_application_is_started_ends_castoff() {
    let db = Database::empty();
    let proxy = Proxy::new(&db);
    proxy.refuse();
    let castoff = Castoff::new(&db).migrations(["a"]).through(&proxy);
    let castoff = castoff.args(["run", "--init", "--", "echo", "the app"]);
    let castoff = castoff.under(Place::First.prefix().iter().copied());
    let running = castoff.spawn();
    running.wait_for_line("Connection refused");
    send(libc::SIGTERM, only_child(running.pid()));
    let run = running.wait(SOON);
    run.assert_code(143).assert_stderr("stopped by SIGTERM");
    assert_eq!(run.stdout, "", "the app was started");
}

/// SIGTERM in each moment between the last line of the log and the application's first
/// instructions: castoff stops, or the application gets it. A first process ignores what it does
/// not handle or block, so one lost signal leaves this running.
#[test]
fn no_signal_is_lost_on_the_way_to_the_application() {
    let limit = ["timeout", "--signal=KILL", "30"];
    let castoff =
        staying(["sleep", "600"]).under(limit.iter().chain(Place::First.prefix()).copied());
    let mut ended_by = [0, 0];
    for round in 0..150 {
        let mut command = castoff.command();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        stderr.read_line(&mut said).unwrap();
        assert!(said.contains("the database is left alone"), "{said}");
        let first = only_child(only_child(child.id()));
        let init = rustix::process::Pid::from_raw(first.cast_signed()).unwrap();
        let moment = Instant::now() + Duration::from_micros(round * 40);
        while Instant::now() < moment {}
        rustix::process::kill_process(init, rustix::process::Signal::TERM).unwrap();
        let status = eventually(SOON, || child.try_wait().unwrap());
        assert_eq!(status.code(), Some(143), "round {round}: {status}");
        said.clear();
        stderr.read_line(&mut said).unwrap();
        ended_by[usize::from(said.contains("stopped by SIGTERM"))] += 1;
    }
    assert!(ended_by[0] > 0, "no signal came late enough to be the application's: {ended_by:?}");
}

#[test]
fn a_thread_that_is_stuck_in_a_name_server_takes_no_signal() {
    let silent = UdpSocket::bind("127.7.7.54:53").unwrap();
    let script = "printf 'nameserver 127.7.7.54\\noptions timeout:30 attempts:1\\n' >\"$0\"
        mount --bind \"$0\" /etc/resolv.conf; exec \"$@\"";
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("init-resolv.conf");
    let castoff = Castoff::without_database()
        .env("CASTOFF_LOG_FORMAT", "text")
        .url("postgresql://shop:x@a-host.example/shop")
        .env("CASTOFF_CONNECT_TIMEOUT", "1s")
        .under(["unshare", "-m", "sh", "-c", script, file.to_str().unwrap()])
        .args(["run", "--init", "--", "true"]);
    let running = castoff.spawn();
    running.wait_for_line("no answer within 1s");
    let tasks = fs::read_dir(process(running.pid()).join("task")).unwrap();
    let main = running.pid().to_string();
    let helpers: Vec<_> =
        tasks.map(|task| task.unwrap()).filter(|task| *task.file_name() != *main).collect();
    assert!(!helpers.is_empty());
    for helper in helpers {
        // All but SIGKILL, SIGSTOP and glibc's two.
        assert_eq!(status(&helper.path(), "SigBlk"), "fffffffe7ffbfeff");
    }
    drop(silent);
}

// The end.

#[test]
fn the_applications_end_is_castoffs() {
    for place in PLACES {
        for (script, code) in [
            ("exit 0", 0),
            ("exit 3", 3),
            ("exit 127", 127),
            ("exit 255", 255),
            ("kill -TERM $$", 143),
            ("kill -KILL $$", 137),
            ("kill -64 $$", 192),
        ] {
            place.start(["sh", "-c", script]).run().assert_code(code);
        }
    }
}

#[test]
fn orphans_are_reaped() {
    let script = "for orphan in 1 2 3 4 5; do (sleep 0.5 &); done; exec sleep 600";
    for place in PLACES {
        let running = place.start(["sh", "-c", script]).spawn();
        let mut pid = only_child(running.pid());
        if let Place::Below = place {
            pid = only_child(pid);
        }
        eventually(SOON, || (children(pid).len() == 6).then_some(()).ok_or(children(pid)));
        let app = only_child(pid);
        assert_eq!(fs::read_to_string(process(app).join("comm")).unwrap(), "sleep\n");
        send(libc::SIGTERM, pid);
        running.wait(SOON).assert_code(143);
    }
}

#[test]
fn orphans_that_live_on_do_not_hold_the_end_up() {
    let started = Instant::now();
    let script = "(sleep 600 >/dev/null 2>&1 &); exit 7";
    Place::First.start(["sh", "-c", script]).run().assert_code(7);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

/// A shell's trap does not: it keeps SIGCHLD for itself.
const IGNORE_CHILDREN: &str = "import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execvp(sys.argv[1], sys.argv[1:])";

#[test]
fn an_ignored_sigchld_hides_no_end() {
    staying(["sh", "-c", "exit 3"]).under(["python3", "-c", IGNORE_CHILDREN]).run().assert_code(3);
}

// What the application begins with.

/// What the application prints, without an init and with one.
fn both(castoff: &Castoff, app: &[&str]) -> [String; 2] {
    [&["run", "--"][..], &["run", "--init", "--"]].map(|run| {
        let run = castoff.clone().args(run.iter().chain(app).copied()).run();
        run.assert_code(0).stdout.clone()
    })
}

#[test]
fn signals_are_as_they_are_without_an_init() {
    let block = "import os, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2, 40])
os.execvp(sys.argv[1], sys.argv[1:])";
    for prefix in [
        &["env"][..],
        &["sh", "-c", "trap '' HUP USR1 TERM TTOU; exec \"$@\"", "sh"],
        &["python3", "-c", block],
        &["python3", "-c", IGNORE_CHILDREN],
    ] {
        let castoff = skipping().under(prefix.iter().copied());
        let [without, with] =
            both(&castoff, &["grep", "-E", "^(Sig(Blk|Ign|Cgt|Pnd)|ShdPnd)", "/proc/self/status"]);
        assert_eq!(with, without, "{prefix:?}");
        assert_eq!(with.lines().count(), 5);
    }
}

#[test]
fn arguments_environment_and_descriptors_are_as_they_are_without_an_init() {
    let folder = Folder::new();
    symlink("/bin/sh", folder.path().join("web")).unwrap();
    let path = format!("{}:/bin:/usr/bin", folder.path().display());
    let castoff = skipping().env("PATH", path).env("EMPTY", "").env("APP_KEY", "värde");
    let given = ["sh", "-c", "exec \"$@\" 7</etc/hostname", "sh"];
    let script = "tr '\\0' '\\n' </proc/$$/cmdline; env -0 | tr '\\0' '\\n'; ls /proc/self/fd
        pwd; id; umask; cat /proc/self/oom_score_adj; cat /proc/self/comm";
    let app = ["web", "-c", script, "a b", "", "--", "--init", "$x"];
    let [without, with] = both(&castoff.under(given), &app);
    assert_eq!(with, without);
    for line in ["web", "a b", "--init", "EMPTY=", "APP_KEY=värde", "7"] {
        assert!(with.lines().any(|it| it == line), "no {line} in {with}");
    }
}

#[test]
fn words_that_are_not_utf8_reach_the_application() {
    use std::os::unix::ffi::OsStrExt;
    let latin1 = std::ffi::OsStr::from_bytes(b"caf\xe9");
    let words = ["run", "--init", "--", "sh", "-c", "printf %s%s \"$1\" \"$CAFE\" | od -An -tx1"];
    let words = words.map(std::ffi::OsStr::new).into_iter().chain([latin1, latin1]);
    let run = skipping().env("CAFE", latin1).args(words.map(ToOwned::to_owned)).run();
    run.assert_code(0).assert_stdout("63 61 66 e9 63 61 66 e9");
}

#[test]
fn the_working_directory_is_the_applications_and_not_the_inits() {
    let folder = Folder::new();
    let mut command = staying(["sh", "-c", "pwd; readlink /proc/$PPID/cwd"]).command();
    let output = command.current_dir(folder.path()).output().unwrap();
    let cwd = folder.path().canonicalize().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), format!("{}\n/\n", cwd.display()));
}

#[test]
fn the_init_holds_no_descriptor_but_the_standard_streams() {
    let given = ["sh", "-c", "exec \"$@\" 7</etc/hostname", "sh"];
    // Not before the application runs, but soon after.
    let script = "until [ \"$(ls /proc/$PPID/fd | tr '\\n' ' ')\" = '0 1 2 ' ]; do :; done
        [ -e /proc/$$/fd/7 ] && echo the application has it";
    staying(["sh", "-c", script]).under(given).run().assert_stdout("the application has it");
}

#[test]
fn a_script_without_an_interpreter_line_is_run_by_the_shell() {
    let folder = Folder::new();
    let path = executable(&folder, "start", b"echo \"started with $# words: $1\"\n");
    let run = staying([path.as_str(), "a b", "c"]).run();
    run.assert_code(0).assert_stdout("started with 2 words: a b");
}

#[test]
fn the_sockets_of_the_service_manager_are_the_applications() {
    let manager = ["sh", "-c", "export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"", "sh"];
    let app = ["sh", "-c", "[ $LISTEN_PID = $$ ] && echo mine"];
    staying(app).under(manager).run().assert_code(0).assert_stdout("mine");
}

#[test]
fn castoffs_own_secrets_are_neither_in_the_application_nor_in_the_init() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).url(db.socket_url()).migrations(["a"]);
    let castoff = castoff.env("CASTOFF_DATABASE_URL", db.url());
    let castoff = castoff.args(["run", "--init", "--", "sh", "-c", "echo ready; exec sleep 600"]);
    let running = castoff.spawn();
    running.wait_for_line("ready");
    assert!(db.url().contains(SENTINEL));
    for pid in [running.pid(), only_child(running.pid())] {
        let memory = memory(&process(pid));
        let has = |text: &str| memory.windows(text.len()).any(|window| window == text.as_bytes());
        // Not being searched for in vain: the application's own URL is there.
        assert!(has(&db.socket_url()));
        assert!(!has(SENTINEL) && !has("CASTOFF_DATABASE_URL="), "{pid}");
        let environ = fs::read(process(pid).join("environ")).unwrap();
        assert!(!String::from_utf8(environ).unwrap().contains("CASTOFF_DATABASE_URL="));
    }
    send(libc::SIGKILL, only_child(running.pid()));
    running.wait(SOON).assert_code(137);
}

/// All that a process can write to: its data, heap, stack and environment.
fn memory(process: &Path) -> Vec<u8> {
    let memory = File::open(process.join("mem")).unwrap();
    let maps = fs::read_to_string(process.join("maps")).unwrap();
    let mut all = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw-p ")) {
        let (from, rest) = line.split_once('-').unwrap();
        let to = rest.split_once(' ').unwrap().0;
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let mut region = vec![0; usize::try_from(to - from).unwrap()];
        memory.read_exact_at(&mut region, from).unwrap();
        all.extend(region);
    }
    all
}

#[test]
fn the_init_has_one_thread_and_little_memory() {
    let db = Database::empty();
    let castoff = Castoff::new(&db).migrations(["a"]).args(["run", "--init", "--", "sleep", "600"]);
    let castoff = castoff.under(Place::First.prefix().iter().copied());
    let running = castoff.spawn();
    let (init, _) = Place::First.pids(&running);
    let status = |name| status(&process(init), name);
    assert_eq!((status("Threads").as_str(), status("Name").as_str()), ("1", "castoff"));
    let anonymous: u32 = status("RssAnon").trim_end_matches(" kB").parse().unwrap();
    assert!(anonymous < 1024, "{anonymous} kB");
}

// What can go wrong.

fn executable(folder: &Folder, name: &str, content: &[u8]) -> String {
    folder.file(name, content);
    let path = folder.path().join(name);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_application_that_cannot_be_executed_is_told_as_without_an_init() {
    let folder = Folder::new();
    let no_interpreter = executable(&folder, "start", b"#!/no/such/interpreter\n");
    let no_program = executable(&folder, "other", b"\x7fELF\0 but not for long\0\0\0");
    for (path, code) in [(&no_interpreter, 127), (&no_program, 126)] {
        let [without, with] = [&["run", "--"][..], &["run", "--init", "--"]].map(|run| {
            let run = skipping().args(run.iter().copied().chain([path.as_str()])).run();
            run.assert_code(code).assert_stderr("could not be started").stderr.clone()
        });
        assert_eq!(with, without);
    }
    staying(["no-such-app"]).run().assert_code(127).assert_stderr("in no folder of PATH");
}

#[test]
fn how_castoff_reports_is_also_how_the_init_does() {
    let folder = Folder::new();
    let path = executable(&folder, "start", b"#!/no/such/interpreter\n");
    let log = folder.path().join("termination-log");
    fs::write(&log, "").unwrap();
    let words = ["run", "--init", "--log-format", "json", "--termination-log"];
    let words = words.into_iter().chain([log.to_str().unwrap(), "--", &path]);
    let run = skipping().args(words).run();
    run.assert_code(127).assert_stderr("\"exit_code\":127");
    let left = fs::read_to_string(&log).unwrap();
    assert!(left.contains("could not be started"), "{left}");
}

#[test]
fn without_proc_castoff_cannot_stay() {
    let script = "umount -l /proc && exec \"$@\"";
    let run = staying(["echo", "the app"]).under(["unshare", "-m", "sh", "-c", script, "sh"]).run();
    run.assert_code(70).assert_stderr("could not stay").assert_stderr("mount /proc");
    assert_eq!(run.stdout, "");
}

#[test]
fn an_init_that_may_not_fork_says_so() {
    let limit = ["setpriv", "--reuid", "12347", "--regid", "12347", "--clear-groups"];
    let limit = limit.into_iter().chain(["sh", "-c", "ulimit -p 1; exec \"$@\"", "sh"]);
    let open = std::env::temp_dir().join(format!("castoff-fork-{}", std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_castoff"), &open).unwrap();
    let script = format!("shift; exec {} \"$@\"", open.display());
    let limit = limit.chain(["sh", "-c", &script, "sh"]);
    let run = staying(["echo", "the app"]).under(limit).run();
    fs::remove_file(&open).unwrap();
    run.assert_code(70).assert_stderr("could not stay").assert_stderr("temporarily unavailable");
    assert_eq!(run.stdout, "");
}

// The terminal.

/// Runs its arguments behind `--` as the first of a session with a terminal, as `docker run -t`
/// does. The ones before are steps: a text to wait for, `=>` and what is typed then.
const TERMINAL: &str = "
import os, pty, sys
end = sys.argv.index('--')
steps = [step.split('=>') for step in sys.argv[1:end]]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[end + 1], sys.argv[end + 1:])
seen = b''
while True:
    try:
        read = os.read(terminal, 4096)
    except OSError:
        break
    seen += read
    if steps and steps[0][0].encode() in seen:
        os.write(terminal, steps.pop(0)[1].encode())
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";

fn on_a_terminal(castoff: &Castoff, steps: &[&str], prefix: &[&str]) -> Castoff {
    let terminal = ["timeout", "30", "python3", "-c", TERMINAL];
    let words = terminal.iter().chain(steps).chain(&["--"]).chain(prefix);
    castoff.clone().under(words.copied())
}

const INTERACTIVE: &str = "
import os, signal, sys, time
got = []
signal.signal(signal.SIGINT, lambda *_: (got.append('INT'), os.write(1, b'interrupted\\n')))
terminal = os.open('/dev/tty', os.O_RDWR)
own = os.tcgetpgrp(terminal) == os.getpgrp() == os.getpid()
print('ready', 'in the foreground' if own else 'in the background', flush=True)
line = os.read(terminal, 100).decode().strip()
time.sleep(0.3)
print('read', line, 'after', got, flush=True)
sys.exit(5)
";

#[test]
fn the_terminal_is_the_applications_and_ctrl_c_reaches_it_once() {
    let app = staying(["python3", "-c", INTERACTIVE]);
    let steps = ["ready=>\x03", "interrupted=>bye\n"];
    for prefix in [
        &[][..],
        // Not the leader of its session, and with another standard input.
        &["sh", "-c", "\"$@\" </dev/null; exit $?", "sh"],
        // In a namespace that the groups of the terminal are not in.
        &["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"],
    ] {
        let run = on_a_terminal(&app, &steps, prefix).run();
        run.assert_code(5).assert_stdout("ready in the foreground");
        run.assert_stdout("read bye after ['INT']");
    }
}

#[test]
fn a_job_in_the_background_does_not_take_the_terminal() {
    let app = staying([
        "python3",
        "-c",
        "
import os
terminal = os.open('/dev/tty', os.O_RDWR)
print('foreground' if os.tcgetpgrp(terminal) == os.getpgrp() else 'background', flush=True)",
    ]);
    let script = "set -m; \"$@\" & wait $!; echo \"code $?\"; read line; echo \"shell read $line\"";
    let run = on_a_terminal(&app, &["code 0=>a line\n"], &["sh", "-c", script, "sh"]).run();
    run.assert_code(0).assert_stdout("background").assert_stdout("shell read a line");
}

#[test]
fn after_the_application_the_terminal_is_its_former_groups_again() {
    let app = staying(["true"]);
    let script = "\"$@\"; echo \"code $?\"; read line; echo \"shell read $line\"";
    let run = on_a_terminal(&app, &["code 0=>a line\n"], &["sh", "-c", script, "sh"]).run();
    run.assert_code(0).assert_stdout("shell read a line");
}

#[test]
fn a_terminal_that_goes_away_ends_the_application() {
    // The hang-up of a session is its first process's and the foreground's.
    let app = staying(["sh", "-c", "echo ready; exec sleep 600"]);
    let hang_up = TERMINAL.replace("os.write(terminal, steps.pop(0)[1].encode())", "break");
    let hang_up = hang_up.replace("sys.stdout", "os.close(terminal); sys.stdout");
    let words = ["timeout", "30", "python3", "-c", &hang_up, "ready=>", "--"];
    app.under(words).run().assert_code(129);
}

#[test]
fn one_init_may_stand_behind_another() {
    let castoff = env!("CARGO_BIN_EXE_castoff");
    let app = ["run", "--init", "--", "sh", "-c", "kill -TERM $PPID; sleep 600"];
    let run = Place::First.start([castoff].into_iter().chain(app)).run();
    run.assert_code(143);
}
