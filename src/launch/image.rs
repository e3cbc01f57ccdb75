//! What the kernel is handed to execute.

use std::ffi::{CString, NulError, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;

use crate::stop::Stop;

/// A file, its arguments with its own name as the first, and its environment.
pub(super) struct Image {
    file: CString,
    argv: Vec<CString>,
    environment: Vec<CString>,
}

impl Image {
    /// None of what came by a command line or an environment has a NUL inside.
    pub(super) fn new(
        file: OsString,
        argv: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = OsString>,
    ) -> io::Result<Self> {
        Ok(Self {
            file: CString::new(file.into_vec())?,
            argv: c_strings(argv)?,
            environment: c_strings(environment)?,
        })
    }

    /// Returns only if the kernel refuses, or if a signal has come, since exec drops the handlers.
    ///
    /// [`std::process::Command`] would call `execvp`, and glibc's gives a file that the kernel does
    /// not know to the shell: an image for another machine would fail with a syntax error.
    #[allow(unsafe_code, reason = "no safe interface executes a file and nothing else")]
    pub(super) fn execute(&self, stop: &Stop) -> io::Error {
        let pointers = |words: &[CString]| -> Vec<*const libc::c_char> {
            words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect()
        };
        let (argv, environment) = (pointers(&self.argv), pointers(&self.environment));
        // SAFETY: SIG_DFL runs no code of ours.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
        if stop.signal().is_some() {
            return io::ErrorKind::Interrupted.into();
        }
        // SAFETY: both arrays end with a null pointer, and what they point to outlives the call.
        unsafe { libc::execve(self.file.as_ptr(), argv.as_ptr(), environment.as_ptr()) };
        io::Error::last_os_error()
    }
}

fn c_strings(words: impl IntoIterator<Item = OsString>) -> Result<Vec<CString>, NulError> {
    words.into_iter().map(|word| CString::new(word.into_vec())).collect()
}
