//! The application of the container tests: it says what it was started with, and ends on SIGTERM.
//!
//! It is one static file of the standard library alone, so that it runs in an image that has
//! nothing else.
//!
//! ```text
//! /application              says so, and serves until SIGTERM
//! /application orphans      leaves children to PID 1 first
//! /application processes    the processes of its container: PID, PPID, state and name
//! /application environ PID  the names of the variables that a process was started with
//! /application exit CODE    ends at once
//! /application abort        is ended by SIGABRT
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "castoff's rules are not its application's"
)]

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;
use std::{env, fs, io, thread};

/// What it ends with on SIGTERM: nobody else's code.
const STOPPED: i32 = 7;
const SIGTERM: i32 = 15;

fn main() -> io::Result<ExitCode> {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["processes"] => print!("{}", processes()?),
        ["environ", pid] => println!("{}", names(&fs::read(format!("/proc/{pid}/environ"))?)),
        ["exit", code] => return Ok(code.parse::<u8>().map_or(ExitCode::FAILURE, ExitCode::from)),
        ["abort"] => std::process::abort(),
        // The child of this one is an orphan as soon as it has said so.
        ["parent"] => drop(Command::new("/application").args(["exit", "0"]).spawn()?),
        ["orphans"] => {
            for _ in 0..20 {
                Command::new("/application").arg("parent").status()?;
            }
            serve()?;
        }
        _ => serve()?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve() -> io::Result<()> {
    on_sigterm_end();
    say(&format!("pid {}", std::process::id()));
    say(&format!("arguments {:?}", env::args().collect::<Vec<_>>()));
    say(&format!("descriptors {}", descriptors()?.join(" ")));
    say(&format!("environment {}", names(&fs::read("/proc/self/environ")?)));
    for line in fs::read_to_string("/proc/self/status")?.lines() {
        if ["Uid", "Gid", "SigBlk", "SigIgn", "CapEff", "NoNewPrivs"]
            .iter()
            .any(|key| line.starts_with(key))
        {
            say(&line.replace('\t', " "));
        }
    }
    say("serving");
    loop {
        thread::sleep(Duration::from_mins(1));
    }
}

/// To the stream that castoff's log went to, so that whoever reads this has read all of that.
fn say(line: &str) {
    eprintln!("application: {line}");
}

/// Those that are open although nobody is looking at them.
fn descriptors() -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir("/proc/self/fd")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| Path::new("/proc/self/fd").join(name).is_symlink());
    names.sort();
    Ok(names)
}

fn names(environ: &[u8]) -> String {
    let text = String::from_utf8_lossy(environ);
    let mut names: Vec<_> =
        text.split_terminator('\0').filter_map(|it| it.split('=').next()).collect();
    names.sort_unstable();
    names.join(" ")
}

fn processes() -> io::Result<String> {
    let mut lines = String::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let Ok(pid) = name.parse::<u32>() else { continue };
        // It may have ended in between.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        let command = name.split_once('(').map_or(name, |(_, command)| command);
        let mut rest = rest.split(' ');
        let (state, parent) = (rest.next().unwrap_or("?"), rest.next().unwrap_or("?"));
        lines += &format!("{pid} {parent} {state} {command}\n");
    }
    Ok(lines)
}

/// SIGTERM has no default action for PID 1.
#[allow(unsafe_code, reason = "the standard library handles no signals")]
fn on_sigterm_end() {
    unsafe extern "C" {
        fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
        fn write(descriptor: i32, text: *const u8, length: usize) -> isize;
        fn _exit(code: i32) -> !;
    }

    extern "C" fn end(_: i32) {
        const WORDS: &[u8] = b"application: got SIGTERM\n";
        // SAFETY: both are async-signal-safe, and the text is as long as is said.
        unsafe {
            write(2, WORDS.as_ptr(), WORDS.len());
            _exit(STOPPED)
        }
    }

    // SAFETY: the handler calls what signal-safety(7) allows, and nothing else.
    unsafe { signal(SIGTERM, end) };
}
