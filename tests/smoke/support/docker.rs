//! The docker command line, each call with a deadline.

use std::ffi::OsStr;
use std::fmt::Debug;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::SOON;
use super::eventually::within;

/// What every name of one run begins with, so that `scripts/smoke` finds what is left.
pub(super) fn prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        variable("CASTOFF_SMOKE").expect("these tests need images; type: scripts/smoke")
    })
}

#[expect(clippy::disallowed_methods, reason = "the tests have no settings.rs")]
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A name that nothing else has.
pub(super) fn unique(kind: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!("{}-{}-{kind}-{number}", prefix(), std::process::id())
}

/// What a program printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) status: ExitStatus,
}

/// Runs docker to its end, which must be a success; returns what it prints.
#[track_caller]
pub(super) fn docker<A: AsRef<OsStr> + Debug>(arguments: &[A]) -> String {
    try_docker(arguments).unwrap_or_else(|error| panic!("docker {arguments:?}: {error}"))
}

/// The same where a failure is an answer.
#[track_caller]
pub(super) fn try_docker<A: AsRef<OsStr> + Debug>(arguments: &[A]) -> Result<String, String> {
    let mut command = Command::new("docker");
    command.args(arguments);
    let output = run(command, SOON);
    if output.status.success() {
        Ok(output.stdout.trim_end().to_owned())
    } else {
        Err(output.stderr.trim_end().to_owned())
    }
}

/// Runs a program to its end, which must come in time.
#[track_caller]
pub(super) fn run(mut command: Command, deadline: Duration) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stdout = read(child.stdout.take().unwrap());
    let stderr = read(child.stderr.take().unwrap());
    let status = within(deadline, || child.try_wait().unwrap());
    let status = status.unwrap_or_else(|_| {
        end(&mut child);
        panic!("{command:?} had not ended after {deadline:?}")
    });
    Output { stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), status }
}

fn read(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        drop(pipe.read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// Follows a container's log, both streams of it, to the first line with a text. `Err` is all that
/// was there instead when the time was over or the container ended.
pub(super) fn follow(container: &str, text: &str, deadline: Duration) -> Result<String, String> {
    let until = Instant::now() + deadline;
    let (reader, writer) = std::io::pipe().unwrap();
    let mut command = Command::new("docker");
    command.args(["logs", "--follow", container]).stdin(Stdio::null());
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().expect("cannot start docker");
    // It holds the pipe's end for writing, too.
    drop(command);
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(reader).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    let mut seen = String::new();
    let found = loop {
        match lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(text) => break Ok(line),
            Ok(line) => seen += &(line + "\n"),
            Err(RecvTimeoutError::Timeout) => {
                break Err(format!("not within {deadline:?}:\n{seen}"));
            }
            Err(RecvTimeoutError::Disconnected) => break Err(format!("it has ended:\n{seen}")),
        }
    };
    end(&mut child);
    found
}

fn end(child: &mut Child) {
    drop(child.kill());
    drop(child.wait());
}
