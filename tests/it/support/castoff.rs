//! A run of castoff that reads like a sentence.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::database::Database;
use super::eventually::{SOON, eventually};
use super::folder::Folder;
use super::programs;
use super::proxy::Proxy;
use super::run::Run;
use super::running::Running;

/// How long [`Castoff::run`] may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// castoff with its environment, arguments and migration folder. It can be run many times.
///
/// Its environment holds PATH, `DATABASE_URL`, `CASTOFF_MIGRATIONS_DIR`, `CASTOFF_ENV=development`, so
/// that no command asks for more than its arguments, and what the test adds.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before run() or spawn()"]
pub(crate) struct Castoff {
    folder: Arc<Folder>,
    program: OsString,
    prefix: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, Option<OsString>)>,
    stdin: Option<Vec<u8>>,
}

impl Castoff {
    /// castoff with `DATABASE_URL` naming the database and an empty migration folder.
    pub(crate) fn new(database: &Database) -> Castoff {
        Castoff::without_database().env("DATABASE_URL", database.url())
    }

    /// castoff with no database configured.
    pub(crate) fn without_database() -> Castoff {
        let folder = Arc::new(Folder::new());
        let dir = folder.path().to_owned();
        let castoff = Castoff {
            folder,
            program: env!("CARGO_BIN_EXE_castoff").into(),
            prefix: Vec::new(),
            arguments: Vec::new(),
            environment: Vec::new(),
            stdin: None,
        };
        castoff.folder(dir).env("CASTOFF_ENV", "development")
    }

    /// Adds revisions to the folder, in the notation of [`Folder::revision`].
    pub(crate) fn migrations<'a>(self, revisions: impl IntoIterator<Item = &'a str>) -> Self {
        for revision in revisions {
            self.folder.revision(revision);
        }
        self
    }

    /// Adds revisions `0001` to `count` to the folder, as [`Folder::line`] does.
    pub(crate) fn line(self, count: usize) -> Self {
        self.folder.line(count);
        self
    }

    /// Adds files to the folder, or writes them anew.
    pub(crate) fn files<C: AsRef<[u8]>>(
        self,
        files: impl IntoIterator<Item = (&'static str, C)>,
    ) -> Self {
        for (name, content) in files {
            self.folder.file(name, content);
        }
        self
    }

    /// The folder that was made for it.
    pub(crate) fn own_folder(&self) -> &Folder {
        &self.folder
    }

    /// Uses another folder than the one made for it.
    pub(crate) fn folder(self, path: impl AsRef<Path>) -> Self {
        self.env("CASTOFF_MIGRATIONS_DIR", path.as_ref())
    }

    /// Uses the folder that the binary was built with.
    pub(crate) fn embedded(self) -> Self {
        self.env_remove("CASTOFF_MIGRATIONS_DIR")
    }

    /// Runs another program than the one that cargo built.
    pub(crate) fn program(mut self, path: impl AsRef<OsStr>) -> Self {
        path.as_ref().clone_into(&mut self.program);
        self
    }

    /// Names another database, or the same for another role.
    pub(crate) fn url(self, url: impl AsRef<OsStr>) -> Self {
        self.env("DATABASE_URL", url)
    }

    /// Connects through a proxy.
    pub(crate) fn through(self, proxy: &Proxy) -> Self {
        self.url(proxy.url())
    }

    /// The arguments, in place of those given before.
    pub(crate) fn args<A: Into<OsString>>(
        mut self,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        self.arguments = arguments.into_iter().map(Into::into).collect();
        self
    }

    /// A variable of its environment.
    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref().to_owned();
        self.environment.push((name.as_ref().to_owned(), Some(value)));
        self
    }

    /// A variable less in its environment.
    pub(crate) fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.as_ref().to_owned(), None));
        self
    }

    /// What it, or the application that it becomes, reads from standard input.
    pub(crate) fn stdin(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdin = Some(text.as_ref().to_owned());
        self
    }

    /// A program that starts it: `under(["unshare", "--pid", "--fork", "--kill-child"])`.
    pub(crate) fn under<A: Into<OsString>>(mut self, prefix: impl IntoIterator<Item = A>) -> Self {
        self.prefix = prefix.into_iter().map(Into::into).collect();
        self
    }

    /// Runs it to its end, which must come within a minute.
    #[track_caller]
    pub(crate) fn run(&self) -> Run {
        self.spawn().wait(PATIENCE)
    }

    /// Starts it.
    #[track_caller]
    pub(crate) fn spawn(&self) -> Running {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        // A program that this test has written is open for writing as long as a process that another
        // test has just forked has not executed its own.
        let spawned = eventually(SOON, || match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => None,
            other => Some(other),
        });
        let mut child = spawned.unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        if let (Some(mut pipe), Some(text)) = (child.stdin.take(), self.stdin.clone()) {
            // It may end without having read all of it.
            drop(thread::spawn(move || drop(pipe.write_all(&text))));
        }
        Running::new(child)
    }

    /// The command itself, for a test that connects its streams in its own way.
    pub(crate) fn command(&self) -> Command {
        let binary = self.program.as_os_str();
        let mut words = self.prefix.iter().map(OsString::as_os_str).chain([binary]);
        let mut command = Command::new(words.next().unwrap_or(binary));
        command.args(words).args(&self.arguments);
        command.env_clear().env("PATH", programs::path());
        for (name, value) in &self.environment {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }
}
