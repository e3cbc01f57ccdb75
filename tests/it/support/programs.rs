//! The PostgreSQL programs of this machine, and whom they run as.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const MISSING: &str =
    "no PostgreSQL server was found by PG_BIN, pg_config, /usr/lib/postgresql/*/bin or PATH
type: scripts/postgres-server
  or: apt-get install postgresql";

/// Where initdb, postgres, psql and the others are.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    folder: PathBuf,
    /// The user and its id to run the server as, since it refuses to run as root.
    owner: Option<(&'static str, u32)>,
}

impl Programs {
    /// Finds them, or fails with the command to type.
    pub(super) fn find() -> Programs {
        let folder = candidates().into_iter().find(|folder| is_server(folder)).expect(MISSING);
        let owner = rustix::process::geteuid().is_root().then(unprivileged_user);
        Programs { folder, owner }
    }

    /// Where a program is.
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }

    /// A program with nothing of this process' environment but PATH.
    pub(super) fn command(&self, program: &str) -> Command {
        hermetic(Command::new(self.folder.join(program)))
    }

    /// A program run as the owner of the cluster's files.
    pub(super) fn as_owner(&self, program: &str) -> Command {
        let Some((user, _)) = self.owner else { return self.command(program) };
        let mut command = Command::new("setpriv");
        command.args(["--reuid", user, "--regid", user, "--clear-groups", "--"]);
        command.arg(self.folder.join(program));
        hermetic(command)
    }

    /// A server of another package that ends with the thread that starts it, run as the owner of the
    /// cluster's files; fails with the command to type if it is not installed.
    pub(super) fn daemon(&self, program: &str) -> Command {
        let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
        let path = env::split_paths(&path())
            .chain(system)
            .map(|folder| folder.join(program))
            .find(|path| path.is_file())
            .unwrap_or_else(|| panic!("{program} was not found\ntype: scripts/test-programs"));
        let mut command = Command::new("setpriv");
        if let Some((user, _)) = self.owner {
            command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
        }
        command.args(["--pdeathsig", "KILL", "--"]).arg(path);
        hermetic(command)
    }

    /// Gives a path to the owner of the cluster's files.
    pub(super) fn give(&self, path: &Path) {
        if let Some((_, uid)) = self.owner {
            chown(path, Some(uid), None).unwrap();
        }
    }
}

fn hermetic(mut command: Command) -> Command {
    command.env_clear().env("PATH", path()).env("LC_ALL", "C").current_dir("/");
    command
}

/// Runs a command to its end and fails with its output if that isn't a success.
///
/// Its output isn't read through a pipe: a server started by `pg_ctl` would keep that open.
#[track_caller]
pub(super) fn succeed(command: &mut Command, log: &Path) {
    let file = fs::File::options().create(true).append(true).open(log).unwrap();
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone().unwrap())
        .stderr(file)
        .status()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    assert!(
        status.success(),
        "{command:?} failed ({status}):\n{}",
        fs::read_to_string(log).unwrap_or_default()
    );
}

/// Runs a command to its end and returns what it printed.
pub(super) fn output(command: &mut Command) -> Output {
    command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"))
}

/// The PATH of this process, which every child keeps.
#[expect(clippy::disallowed_methods, reason = "the tests have no settings.rs")]
pub(super) fn path() -> OsString {
    env::var_os("PATH").unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the tests have no settings.rs")]
fn candidates() -> Vec<PathBuf> {
    if let Some(folder) = env::var_os("PG_BIN").filter(|folder| !folder.is_empty()) {
        return vec![folder.into()];
    }
    let by_pg_config = Command::new("pg_config").arg("--bindir").output().ok();
    let mut installed: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .collect();
    installed.sort();
    by_pg_config
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().into())
        .into_iter()
        .chain(installed.into_iter().rev().map(|(_, folder)| folder))
        .chain(env::split_paths(&path()))
        .collect()
}

fn is_server(folder: &Path) -> bool {
    ["initdb", "postgres", "pg_ctl", "psql"].iter().all(|program| folder.join(program).is_file())
}

/// Debian's package makes the user `postgres`; every system has `nobody`.
fn unprivileged_user() -> (&'static str, u32) {
    ["postgres", "nobody"]
        .into_iter()
        .find_map(|user| {
            let id = output(Command::new("id").args(["-u", user])).stdout;
            Some((user, String::from_utf8(id).ok()?.trim().parse().ok()?))
        })
        .expect("there is neither a user postgres nor nobody to run the server as")
}
