//! What a run of castoff came to.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use super::cluster::SENTINEL;

/// Output and status of a run that has ended.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// What it printed to standard output.
    pub(crate) stdout: String,
    /// What it printed to standard error.
    pub(crate) stderr: String,
    /// How it ended.
    pub(crate) status: ExitStatus,
}

impl Run {
    /// Fails if the password is in the output.
    #[track_caller]
    pub(super) fn new(stdout: String, stderr: String, status: ExitStatus) -> Run {
        assert_no_password("standard output", &stdout);
        assert_no_password("standard error", &stderr);
        Run { stdout, stderr, status }
    }

    /// The exit code, unless a signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub(crate) fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Fails, showing the output, unless it exited with this code.
    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Run {
        assert!(self.code() == Some(code), "expected exit code {code}\n{self}");
        self
    }

    /// Fails, showing the output, unless standard output has this text.
    #[track_caller]
    pub(crate) fn assert_stdout(&self, text: &str) -> &Run {
        assert!(self.stdout.contains(text), "expected {text:?} in standard output\n{self}");
        self
    }

    /// Fails, showing the output, unless standard error has this text.
    #[track_caller]
    pub(crate) fn assert_stderr(&self, text: &str) -> &Run {
        assert!(self.stderr.contains(text), "expected {text:?} in standard error\n{self}");
        self
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Run { stdout, stderr, status } = self;
        write!(f, "{status}\n--- stdout\n{stdout}--- stderr\n{stderr}---")
    }
}

#[track_caller]
pub(super) fn assert_no_password(stream: &str, text: &str) {
    assert!(!text.contains(SENTINEL), "the password is in {stream}:\n{text}");
}
