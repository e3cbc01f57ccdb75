//! A psql that stays connected, to hold what a test wants held.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use super::psql::Psql;

const MARK: &str = "--- done ---";

/// An open session of the superuser's. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    pub(super) fn open(psql: &Psql) -> Session {
        let mut command = psql.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("cannot start psql");
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Session { child, stdin, stdout }
    }

    /// Runs statements to their end and returns what they print.
    #[track_caller]
    pub(crate) fn psql(&mut self, sql: &str) -> String {
        self.start(sql);
        self.finish()
    }

    /// Sends statements without waiting for them: one that blocks, or takes its time.
    #[track_caller]
    pub(crate) fn start(&mut self, sql: &str) {
        writeln!(self.stdin, "{sql}\n;\n\\echo {MARK}").expect("the session has ended");
        self.stdin.flush().expect("the session has ended");
    }

    /// Waits for what [`Session::start`] sent.
    #[track_caller]
    pub(crate) fn finish(&mut self) -> String {
        let mut output = String::new();
        loop {
            let mut line = String::new();
            let read = self.stdout.read_line(&mut line).expect("the session's output broke off");
            assert!(read > 0, "the session ended in a statement that failed, after: {output}");
            if line.trim_end() == MARK {
                return output.trim().to_owned();
            }
            output.push_str(&line);
        }
    }

    /// The process of its backend.
    pub(crate) fn pid(&mut self) -> String {
        self.psql("SELECT pg_backend_pid()")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
