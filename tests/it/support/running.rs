//! A run of castoff that has not ended yet.

use std::fs;
use std::io::Read;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::eventually::{SOON, eventually, within};
use super::run::{Run, assert_no_password};

/// The signals that the tests send.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Signal {
    /// What `docker stop` sends.
    Term,
    /// What Ctrl-C sends.
    Int,
    /// What cannot be handled.
    Kill,
    /// A pause…
    Stop,
    /// … and its end.
    Cont,
    /// What tells a daemon to read its configuration again.
    Hangup,
}

/// A child process whose output is being read. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

#[derive(Debug)]
struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Running {
    pub(super) fn new(mut child: Child) -> Running {
        let stdout = Stream::read(child.stdout.take().unwrap());
        let stderr = Stream::read(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Its process id, which is also the application's after exec.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process id of its only child: castoff's, when another program started it.
    pub(crate) fn child_pid(&self) -> u32 {
        let pid = self.pid();
        eventually(SOON, || {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
                .map_err(|error| error.to_string())?;
            children.trim().parse().map_err(|_| format!("children of {pid}: {children:?}"))
        })
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(signal, self.pid());
    }

    /// Sends its only child a signal.
    pub(crate) fn signal_child(&self, signal: Signal) {
        send(signal, self.child_pid());
    }

    /// Whether it has not ended yet.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has printed so far, standard output first.
    pub(crate) fn output(&self) -> String {
        self.stdout.text() + &self.stderr.text()
    }

    /// Waits for a line with this text, on either stream, and returns the line.
    #[track_caller]
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        let line = within(SOON, || {
            let output = self.output();
            let line = output.lines().find(|line| line.contains(text)).map(str::to_owned);
            line.ok_or(())
        });
        line.unwrap_or_else(|_| panic!("no line with {text:?} in:\n{}", self.output()))
    }

    /// Waits for its end; kills it and fails, showing its output, when that doesn't come in time.
    #[track_caller]
    pub(crate) fn wait(mut self, timeout: Duration) -> Run {
        let Ok(status) = within(timeout, || self.child.try_wait().unwrap()) else {
            drop(self.child.kill());
            panic!("it had not ended after {timeout:?}:\n{}", self.output());
        };
        // A grandchild may keep the streams open for longer than castoff lived.
        drop(within(Duration::from_secs(2), || {
            self.stdout.reader.is_finished() && self.stderr.reader.is_finished()
        }));
        Run::new(self.stdout.text(), self.stderr.text(), status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
        if !thread::panicking() {
            assert_no_password("the output", &self.output());
        }
    }
}

impl Stream {
    fn read(mut pipe: impl Read + Send + 'static) -> Stream {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let filled = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut chunk = [0; 8192];
            while let Ok(read @ 1..) = pipe.read(&mut chunk) {
                filled.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        Stream { bytes, reader }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }
}

pub(super) fn send(signal: Signal, pid: u32) {
    let name = match signal {
        Signal::Term => "TERM",
        Signal::Int => "INT",
        Signal::Kill => "KILL",
        Signal::Stop => "STOP",
        Signal::Cont => "CONT",
        Signal::Hangup => "HUP",
    };
    // The shell's own kill: a small image has no other.
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "cannot send SIG{name} to {pid}");
}
