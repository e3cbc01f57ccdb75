//! `pg_dump`, PostgreSQL's own program, which knows how to write down whatever is in a database.

use std::io;
use std::process::{Child, Command, Output, Stdio};

use super::error::SquashError;
use crate::error::Error;
use crate::settings::environment;
use crate::stop::Stop;

/// The program, and which it is.
pub(crate) struct PgDump {
    program: String,
    /// Its version, such as `17.2`.
    pub(crate) version: String,
}

/// What is to be written down.
pub(crate) struct Wanted {
    pub(crate) schema: bool,
    pub(crate) data: bool,
    /// A quoted name: the schema that is left out.
    pub(crate) without: String,
}

impl PgDump {
    /// The program of this name or path; of the search path if it has no slash.
    pub(crate) fn find(program: &str) -> Result<Self, SquashError> {
        let missing = |source| SquashError::NoPgDump { program: program.to_owned(), source };
        let said = command(program).arg("--version").output().map_err(missing)?;
        let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        match version(&said) {
            Some(version) => Ok(Self { program: program.to_owned(), version: version.to_owned() }),
            None => Err(SquashError::NotPgDump { program: program.to_owned(), said }),
        }
    }

    /// Fails if a server of this major version is too new for it.
    pub(crate) fn is_new_enough(&self, server: u32) -> Result<(), SquashError> {
        let digits = self.version.split(|c: char| !c.is_ascii_digit()).next();
        if digits.and_then(|digits| digits.parse().ok()).is_some_and(|major: u32| major < server) {
            return Err(SquashError::OldPgDump { version: self.version.clone(), server });
        }
        Ok(())
    }

    /// What it writes of the database that the variables name; a signal ends it.
    pub(crate) async fn run(
        &self,
        variables: &[(&'static str, String)],
        wanted: &Wanted,
        stop: &Stop,
    ) -> Result<String, Error> {
        let mut command = command(&self.program);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command.args([
            "--no-password",
            "--encoding=UTF8",
            "--no-tablespaces",
            "--no-subscriptions",
        ]);
        command.arg(format!("--exclude-schema={}", wanted.without));
        match (wanted.schema, wanted.data) {
            (true, false) => drop(command.arg("--schema-only")),
            (false, true) => drop(command.arg("--data-only")),
            (true, true) | (false, false) => {}
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |source| SquashError::NoPgDump { program: self.program.clone(), source };
        // Here and not in a thread that reads: what blocks signals there would block them in it.
        let child = command.spawn().map_err(failed)?;
        let output = wait(child, stop).await?.map_err(failed)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(SquashError::PgDump { status: output.status, said }.into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The program, with nothing of this process's environment that tells it where to connect.
fn command(program: &str) -> Command {
    const KEPT: [&str; 4] = ["PATH", "HOME", "LD_LIBRARY_PATH", "TMPDIR"];
    let kept = environment().into_iter().filter(|(name, _)| KEPT.iter().any(|kept| name == kept));
    let mut command = Command::new(program);
    command.env_clear().envs(kept).env("LC_ALL", "C");
    command
}

async fn wait(child: Child, stop: &Stop) -> Result<io::Result<Output>, Error> {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    let mut output = tokio::task::spawn_blocking(|| child.wait_with_output());
    match stop.unless(&mut output).await {
        Ok(output) => Ok(output.unwrap_or_else(|error| Err(io::Error::other(error)))),
        Err(signal) => {
            if let Some(pid) = pid {
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).ok();
            }
            drop(output.await);
            Err(signal.into())
        }
    }
}

/// `17.2` of `pg_dump (PostgreSQL) 17.2 (Debian 17.2-1)`.
fn version(said: &str) -> Option<&str> {
    let version = said.strip_prefix("pg_dump (")?.split_once(") ")?.1;
    let version = version.split(' ').next()?;
    version.starts_with(|c: char| c.is_ascii_digit()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_what_it_says() {
        for (said, expected) in [
            ("pg_dump (PostgreSQL) 17.2 (Debian 17.2-1.pgdg120+1)", Some("17.2")),
            ("pg_dump (PostgreSQL) 18beta1", Some("18beta1")),
            ("pg_dump (EnterpriseDB) 16.4", Some("16.4")),
            ("psql (PostgreSQL) 17.2", None),
            ("pg_dump (PostgreSQL) ", None),
            ("", None),
        ] {
            assert_eq!(version(said), expected, "{said}");
        }
    }

    #[test]
    fn an_older_program_is_refused() {
        let pg_dump =
            |version: &str| PgDump { program: String::new(), version: version.to_owned() };
        assert!(pg_dump("17.2").is_new_enough(17).is_ok());
        assert!(pg_dump("18beta1").is_new_enough(17).is_ok());
        assert!(pg_dump("16.9").is_new_enough(17).is_err());
    }
}
