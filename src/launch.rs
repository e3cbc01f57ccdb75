//! Becoming the application: the same process, argv, working directory and user; or staying as its
//! parent, which `init` does.
//!
//! # Invariants
//! - The app's path is found before the database is touched, so that a typo costs no migration.
//! - The app inherits the signal mask and the ignored signals castoff was started with, no open
//!   descriptor of ours, and the environment without castoff's own secrets.
//! - SIGPIPE is at its default in the app, whatever it was: Rust's runtime sets it to ignored
//!   before `main`, and the default is put back.

mod image;
mod init;
mod signals;
mod terminal;

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD};

use crate::report::Report;
use crate::stop::{Signal, Stop};
use image::Image;
pub(crate) use init::Handover;
pub(crate) use signals::{Children, block_in_helper};

/// Where glibc's `execvp` looks when `PATH` is unset; confstr(3), `_CS_PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The application's executable file, found and checked, and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct App {
    program: OsString,
    path: PathBuf,
    arguments: Vec<OsString>,
    /// A script without `#!`: POSIX has the shell run it, and only some libcs do that in exec.
    by_shell: bool,
    /// Whether castoff stays, as its parent.
    under_init: bool,
}

/// Why the application cannot be started.
#[derive(Debug)]
pub enum AppError {
    /// No such file, neither as a path nor in any folder of `PATH`.
    NotFound {
        /// The name as given.
        program: OsString,
        /// The value of `PATH` that was searched; `None` if the name has a slash.
        searched: Option<OsString>,
    },
    /// The file is there but cannot be executed.
    NotExecutable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The kernel refused to execute it.
    Exec {
        /// The file.
        path: PathBuf,
        /// The kernel's reason.
        source: io::Error,
    },
    /// castoff could not stay as its init.
    Init {
        /// The kernel's reason.
        source: io::Error,
    },
}

impl AppError {
    /// 127 if there is no such file, 126 if it cannot be executed, as in a POSIX shell; 70 if it
    /// was not tried.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::NotExecutable { .. } | Self::Exec { .. } => 126,
            Self::Init { .. } => 70,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { searched: Some(_), .. } => {
                Some("write the application's absolute path after `--`".to_owned())
            }
            Self::Exec { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(
                "the file is there, so its interpreter (the `#!` line, or the dynamic loader) is \
                 missing from this image"
                    .to_owned(),
            ),
            Self::Exec { source, .. } if source.raw_os_error() == Some(libc::ENOEXEC) => {
                Some("the file is not for this machine; look at the image's platform".to_owned())
            }
            Self::Init { source } if source.kind() == io::ErrorKind::NotFound => Some(
                "castoff starts itself anew through /proc/self/exe: mount /proc, or do without \
                 CASTOFF_INIT"
                    .to_owned(),
            ),
            Self::NotFound { .. }
            | Self::NotExecutable { .. }
            | Self::Exec { .. }
            | Self::Init { .. } => None,
        }
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { program, searched: Some(path) } => write!(
                f,
                "application {} is in no folder of PATH ({})",
                shown(program),
                path.display()
            ),
            Self::NotFound { program, searched: None } => {
                write!(f, "application {} does not exist", shown(program))
            }
            Self::NotExecutable { path, reason } => {
                write!(f, "application {} cannot be executed: {reason}", path.display())
            }
            Self::Exec { path, .. } => {
                write!(f, "application {} could not be started", path.display())
            }
            Self::Init { .. } => f.write_str("castoff could not stay as the application's init"),
        }
    }
}

/// The name, unless the URL of a database, which may have a password, was put where it belongs.
fn shown(program: &OsStr) -> Cow<'_, str> {
    let name = program.to_string_lossy();
    if name.contains("://") || name.contains("password") { "(a URL)".into() } else { name }
}

impl std::error::Error for AppError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Exec { source, .. } | Self::Init { source } => Some(source),
            Self::NotFound { .. } | Self::NotExecutable { .. } => None,
        }
    }
}

impl App {
    /// Finds `program` as a shell would: by its path if it has a slash, else in `search_path`.
    pub(crate) fn find(
        program: &OsStr,
        arguments: &[OsString],
        search_path: Option<&OsStr>,
    ) -> Result<Self, AppError> {
        let path = locate(program, search_path)?;
        let by_shell = needs_a_shell(&path);
        let (program, arguments) = (program.to_owned(), arguments.to_owned());
        Ok(Self { program, path, arguments, by_shell, under_init: false })
    }

    /// The file that will be executed.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same application, with castoff as its parent if `stay`, instead of in castoff's place.
    pub(crate) fn under_init(self, stay: bool) -> Self {
        Self { under_init: stay, ..self }
    }

    /// Replaces this process by the application, or by its parent; returns only if that failed or
    /// a signal came.
    ///
    /// `secrets` names the variables of `environment` that the application must not see.
    pub(crate) fn launch(
        self,
        environment: &[(OsString, OsString)],
        secrets: &[&str],
        stop: &Stop,
        report: &Report,
    ) -> LaunchFailure {
        let environment = environment
            .iter()
            .filter(|(name, _)| name.to_str().is_none_or(|name| !secrets.contains(&name)))
            .cloned()
            .map(entry);
        if self.under_init {
            return init::stay(self, environment, stop, report);
        }
        let source = match self.image(environment) {
            Ok(image) => image.execute(stop),
            Err(error) => error,
        };
        match stop.signal() {
            Some(signal) => LaunchFailure::Stopped(signal),
            None => LaunchFailure::App(AppError::Exec { path: self.path, source }),
        }
    }

    fn image(&self, environment: impl IntoIterator<Item = OsString>) -> io::Result<Image> {
        let (file, first) = if self.by_shell {
            ("/bin/sh".into(), vec!["sh".into(), self.path.clone().into_os_string()])
        } else {
            (self.path.clone().into_os_string(), vec![self.program.clone()])
        };
        Image::new(file, first.into_iter().chain(self.arguments.iter().cloned()), environment)
    }
}

/// Why this process is not the application now.
#[derive(Debug)]
pub(crate) enum LaunchFailure {
    /// A signal came in the last moment; the application would never have seen it.
    Stopped(Signal),
    /// The application cannot be executed.
    App(AppError),
}

/// A variable as execve(2) has it.
fn entry((name, value): (OsString, OsString)) -> OsString {
    let mut entry = name;
    entry.push("=");
    entry.push(value);
    entry
}

fn locate(program: &OsStr, search_path: Option<&OsStr>) -> Result<PathBuf, AppError> {
    if program.as_bytes().contains(&b'/') {
        let path = PathBuf::from(program);
        return match obstacle(&path) {
            None => Ok(path),
            Some(Obstacle::Missing) => {
                Err(AppError::NotFound { program: program.to_owned(), searched: None })
            }
            Some(Obstacle::Unusable(reason)) => Err(AppError::NotExecutable { path, reason }),
        };
    }
    let search_path = search_path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut unusable = None;
    if !program.is_empty() {
        for folder in std::env::split_paths(search_path) {
            // An empty entry is the working directory; exec(3p).
            let path = if folder.as_os_str().is_empty() {
                Path::new(".").join(program)
            } else {
                folder.join(program)
            };
            match obstacle(&path) {
                None => return Ok(path),
                Some(Obstacle::Missing) => {}
                Some(Obstacle::Unusable(reason)) => {
                    unusable.get_or_insert(AppError::NotExecutable { path, reason });
                }
            }
        }
    }
    Err(unusable.unwrap_or_else(|| AppError::NotFound {
        program: program.to_owned(),
        searched: Some(search_path.to_owned()),
    }))
}

enum Obstacle {
    Missing,
    Unusable(&'static str),
}

fn obstacle(path: &Path) -> Option<Obstacle> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => Some(Obstacle::Unusable("it is a directory")),
        Ok(metadata) if !metadata.is_file() => Some(Obstacle::Unusable("it is not a regular file")),
        Ok(_) => rustix::fs::accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS)
            .err()
            .map(|_| Obstacle::Unusable("its mode does not allow this user to execute it")),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Some(Obstacle::Unusable("a folder on its path is closed to this user"))
        }
        Err(_) => Some(Obstacle::Missing),
    }
}

/// Whether the file is text without `#!`; a file that cannot be read is left to the kernel.
fn needs_a_shell(path: &Path) -> bool {
    let mut start = [0; 128];
    match File::open(path).and_then(|mut file| file.read(&mut start)) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            let start = &start[..length];
            !start.starts_with(b"#!") && !start.contains(&0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_path_and_keeps_its_name() {
        let app = App::find(OsStr::new("sh"), &[], Some(OsStr::new("/nowhere:/bin"))).unwrap();
        assert_eq!((app.path(), app.program.as_os_str()), (Path::new("/bin/sh"), OsStr::new("sh")));
        assert!(!app.by_shell);
    }

    #[test]
    fn a_missing_file_is_127_and_an_unusable_one_126() {
        for (program, code) in [
            ("no-such-program", 127),
            ("", 127),
            ("/no/such/program", 127),
            ("/etc", 126),
            ("/etc/passwd", 126),
            ("/dev/null", 126),
            ("/etc/passwd/program", 127),
        ] {
            let error = App::find(OsStr::new(program), &[], Some(OsStr::new("/bin"))).unwrap_err();
            assert_eq!(error.exit_code(), code, "{program}: {error}");
        }
    }
}
