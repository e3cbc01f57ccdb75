//! Staying, as the application's parent and a container's init: signals are passed on, orphans
//! reaped, and the application's exit code becomes castoff's. It behaves as tini does.
//!
//! The process that stays is not the one that migrated: it is executed anew, under the same
//! process id. So it has one thread, a small memory, and castoff's secrets are neither in that nor
//! in its `/proc/PID/environ`, where the application, which is the same user, could read them.
//!
//! # Invariants
//! - From before the last look at the [`Stop`] until the process ends every signal is blocked, also
//!   across exec, so that each is either seen there or passed on, and none is lost.
//! - The application begins as it does without an init, but for its parent and its process group.

use std::ffi::{OsStr, OsString};
use std::io::{self, PipeWriter, Read, Write};
use std::path::PathBuf;

use rustix::io::Errno;
use rustix::process::{
    Pid, WaitOptions, WaitStatus, chdir, getpid, set_child_subreaper, setpgid, wait, waitpid,
};

use super::image::Image;
use super::signals::{self, Mask};
use super::terminal::{self, Job};
use super::{App, AppError, LaunchFailure};
use crate::cli::UsageError;
use crate::report::Report;
use crate::stop::Stop;

/// The first argument of the process that stays; not in the help, since no user writes it.
const ENTRY: &str = "--as-init";

/// What the process that migrated leaves to the one that stays, in its command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handover {
    app: App,
    /// What was blocked when castoff was started.
    mask: Mask,
    report: Report,
}

/// Becomes the process that stays; returns only if that failed or a signal came.
///
/// No other thread may take a signal: see [`signals::block_in_helper`].
pub(super) fn stay(
    app: App,
    environment: impl IntoIterator<Item = OsString>,
    stop: &Stop,
    report: &Report,
) -> LaunchFailure {
    let failed = |source| LaunchFailure::App(AppError::Init { source });
    let mask = match Mask::EVERY.block() {
        Ok(mask) => mask,
        Err(error) => return failed(error),
    };
    let handover = Handover { app, mask, report: report.clone() };
    let argv = [OsString::from("castoff")].into_iter().chain(handover.into_words());
    let source = match Image::new("/proc/self/exe".into(), argv, environment) {
        Ok(image) => image.execute(stop),
        Err(error) => error,
    };
    // What came meanwhile is delivered here, to the handlers that are still ours.
    drop(mask.block());
    stop.signal().map_or_else(|| failed(source), LaunchFailure::Stopped)
}

impl Handover {
    fn into_words(self) -> impl Iterator<Item = OsString> {
        let Self { app: App { program, path, arguments, by_shell, .. }, mask, report } = self;
        let how = if by_shell { "shell" } else { "exec" };
        let [format, termination_log] = report.to_words();
        let words = [ENTRY.into(), mask.to_hex().into(), format, termination_log, how.into()];
        words.into_iter().chain([path.into_os_string(), program]).chain(arguments)
    }

    /// Reads the arguments, without the program's own name; `None` if they are somebody else's.
    pub(crate) fn from_words(
        mut words: impl Iterator<Item = OsString>,
    ) -> Result<Option<Self>, UsageError> {
        if words.next().is_none_or(|word| word != ENTRY) {
            return Ok(None);
        }
        let mut read = || {
            let mask = Mask::from_hex(words.next()?.to_str()?)?;
            let report = Report::from_words([words.next()?, words.next()?])?;
            let by_shell = match words.next()?.to_str()? {
                "shell" => true,
                "exec" => false,
                _ => return None,
            };
            let (path, program) = (PathBuf::from(words.next()?), words.next()?);
            let arguments = words.by_ref().collect();
            let app = App { program, path, arguments, by_shell, under_init: true };
            Some(Self { app, mask, report })
        };
        read().map(Some).ok_or(UsageError::InitByHand)
    }

    /// How this process reports.
    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    /// Starts the application and waits for its end; gives its exit code, or 128 and the number of
    /// the signal that ended it.
    pub(crate) fn run(self, environment: Vec<(OsString, OsString)>) -> Result<u8, AppError> {
        let failed = |source| AppError::Init { source };
        // For `ps` and `top`, where the link's name says nothing.
        drop(std::fs::write("/proc/self/comm", "castoff"));
        Mask::EVERY.block().map_err(failed)?;
        if !getpid().is_init() {
            set_child_subreaper(Some(getpid())).map_err(|errno| failed(errno.into()))?;
        }
        let birth = Birth {
            mask: self.mask,
            job: Job::of_this_process(),
            children_were_ignored: signals::stop_ignoring_children(),
            parent: getpid(),
        };
        let (mut failure, tell) = io::pipe().map_err(failed)?;
        let Some(app) = fork().map_err(failed)? else {
            become_app(&self.app, environment, &birth, tell)
        };
        drop(tell);
        let mut errno = [0; size_of::<i32>()];
        // Its end without a word is exec's doing, which closes the pipe.
        if failure.read_exact(&mut errno).is_ok() {
            let _ = waitpid(Some(app), WaitOptions::empty());
            let source = io::Error::from_raw_os_error(i32::from_ne_bytes(errno));
            return Err(AppError::Exec { path: self.app.path, source });
        }
        drop(failure);
        hold_little();
        let code = attend(app).map_err(failed)?;
        if let Some(job) = birth.job {
            job.take_back(app);
        }
        Ok(code)
    }
}

/// What the application is to begin with, and what its init was when it began.
struct Birth {
    mask: Mask,
    job: Option<Job>,
    children_were_ignored: bool,
    parent: Pid,
}

/// The child, which ends here if it does not become the application.
fn become_app(
    app: &App,
    mut environment: Vec<(OsString, OsString)>,
    birth: &Birth,
    mut tell: PipeWriter,
) -> ! {
    let own = getpid();
    // A group of its own, so that what is sent to castoff's does not reach it twice.
    if setpgid(None, None).is_ok() && birth.job.is_some_and(Job::is_in_the_foreground) {
        terminal::give_to(own);
    }
    if birth.children_were_ignored {
        signals::ignore_children();
    }
    readdress_sockets(&mut environment, birth.parent, own);
    let entries = environment.into_iter().map(super::entry);
    let source = match app.image(entries) {
        Ok(image) => match birth.mask.block() {
            Ok(_) => image.execute(&Stop::never()),
            Err(error) => error,
        },
        Err(error) => error,
    };
    let errno = source.raw_os_error().unwrap_or(libc::EINVAL);
    drop(tell.write_all(&errno.to_ne_bytes()));
    exit_at_once()
}

/// Sockets that systemd or podman has opened are for the process that `LISTEN_PID` names.
fn readdress_sockets(environment: &mut [(OsString, OsString)], from: Pid, to: Pid) {
    let from = from.as_raw_pid().to_string();
    for (name, value) in environment {
        if name == "LISTEN_PID" && *value == *OsStr::new(&from) {
            *value = to.as_raw_pid().to_string().into();
        }
    }
}

/// Passes signals on and reaps, until the application has ended. Who is left then is the kernel's,
/// which ends them with a container's first process.
fn attend(app: Pid) -> io::Result<u8> {
    loop {
        match signals::next()? {
            libc::SIGCHLD => {
                if let Some(code) = reap(app)? {
                    return Ok(code);
                }
            }
            signal => signals::send(signal, app),
        }
    }
}

/// Takes leave of every child that has ended, since one signal may stand for several; gives the
/// application's exit code if it was one of them.
fn reap(app: Pid) -> io::Result<Option<u8>> {
    let mut code = None;
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((child, status))) if child == app => code = exit_code(status),
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) | Err(Errno::CHILD) => return Ok(code),
            Err(errno) => return Err(errno.into()),
        }
    }
}

fn exit_code(status: WaitStatus) -> Option<u8> {
    let code = status.exit_status().or_else(|| Some(128 + status.terminating_signal()?))?;
    u8::try_from(code).ok()
}

/// Lets go of what the application may want to close or unmount: all but the standard streams,
/// which others in a container find as `/proc/1/fd/1`.
#[allow(unsafe_code, reason = "no safe interface closes every descriptor")]
fn hold_little() {
    let _ = chdir("/");
    // SAFETY: nothing in this process owns a descriptor now. A kernel that is older than the call
    // leaves them open, as tini does.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}

/// The child's id; none in the child.
#[allow(unsafe_code, reason = "no safe interface forks")]
fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: this process has one thread, so that in the child no other's locks are held for ever.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Ends the child, with nothing of the parent's done a second time.
#[allow(unsafe_code, reason = "the safe exit runs what the parent has registered for its own")]
fn exit_at_once() -> ! {
    // SAFETY: _exit(2) runs no code of ours.
    unsafe { libc::_exit(127) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Result<Option<Handover>, UsageError> {
        Handover::from_words(words.iter().map(OsString::from))
    }

    #[test]
    fn a_handover_survives_a_command_line() {
        let odd = std::os::unix::ffi::OsStringExt::from_vec(vec![b'a', 0xff]);
        for by_shell in [false, true] {
            let app = App {
                program: "web".into(),
                path: "/bin/web".into(),
                arguments: vec!["".into(), "--as-init".into(), "a b".into(), OsString::clone(&odd)],
                by_shell,
                under_init: true,
            };
            let mask = Mask::from_hex("0000000000000800").unwrap();
            let report = Report::from_words(["json".into(), "/dev/null".into()]).unwrap();
            let handover = Handover { app, mask, report };
            let read = Handover::from_words(handover.clone().into_words());
            assert_eq!(read, Ok(Some(handover)));
        }
    }

    #[test]
    fn only_whole_words_are_taken_for_a_handover() {
        let whole = ["--as-init", "0", "text", "/t", "exec", "/bin/true", "true"];
        assert!(matches!(words(&whole), Ok(Some(_))));
        for length in 1..whole.len() {
            assert_eq!(words(&whole[..length]), Err(UsageError::InitByHand), "{length}");
        }
        for (at, wrong) in [(1, "x"), (2, "xml"), (4, "vm")] {
            let mut line = whole;
            line[at] = wrong;
            assert_eq!(words(&line), Err(UsageError::InitByHand), "{wrong}");
        }
        for line in [&[][..], &["run", "--as-init"], &["--as-init=0"], &["init"]] {
            assert_eq!(words(line), Ok(None), "{line:?}");
        }
    }

    #[test]
    fn the_sockets_of_castoff_are_the_applications() {
        let pid = |number| Pid::from_raw(number).unwrap();
        for (given, expected) in [("7", "8"), ("77", "77"), ("", "")] {
            let mut environment = [("LISTEN_PID".into(), given.into()), ("A".into(), "7".into())];
            readdress_sockets(&mut environment, pid(7), pid(8));
            assert_eq!(environment[0].1, expected);
            assert_eq!(environment[1].1, "7");
        }
    }
}
