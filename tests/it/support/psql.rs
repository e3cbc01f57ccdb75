//! One run of psql: how tests look at a database without the code under test.

use std::io::Write;
use std::process::{Command, Stdio};

use super::programs::Programs;

/// Between the columns and between the rows of what psql prints for [`Psql::rows`].
const COLUMN: char = '\x1f';
const ROW: char = '\x1e';

/// Whom psql connects as, and to what.
#[derive(Clone, Debug)]
pub(super) struct Psql {
    programs: Programs,
    url: String,
    options: &'static str,
    environment: Vec<(String, String)>,
}

impl Psql {
    /// A psql that connects to `url`.
    pub(super) fn new(programs: &Programs, url: impl Into<String>) -> Psql {
        let options = "-c client_min_messages=warning";
        let environment = Vec::new();
        Psql { programs: programs.clone(), url: url.into(), options, environment }
    }

    /// The same at another URL.
    pub(super) fn at(&self, url: String) -> Psql {
        Psql { url, ..self.clone() }
    }

    /// The same without options for the server, which a pooler would refuse.
    pub(super) fn without_options(self) -> Psql {
        Psql { options: "", ..self }
    }

    /// The same with these variables.
    pub(super) fn with(mut self, environment: &[(&str, &str)]) -> Psql {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.environment.extend(environment.iter().map(owned));
        self
    }

    /// The command without any SQL yet.
    pub(super) fn command(&self) -> Command {
        let mut command = self.programs.command("psql");
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"]).arg(&self.url);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("PGAPPNAME", "test").env("PGOPTIONS", self.options);
        command
    }

    /// Runs statements one by one, as a file; what they print or the error that they end with.
    pub(super) fn try_run(&self, sql: &str) -> Result<String, String> {
        feed(self.command(), sql).map(|output| output.trim().to_owned())
    }

    /// Runs statements that must succeed.
    #[track_caller]
    pub(super) fn run(&self, sql: &str) -> String {
        self.try_run(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    /// The rows of one query, column by column; null is empty.
    #[track_caller]
    pub(super) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        let mut command = self.command();
        command.args(["-F", &COLUMN.to_string(), "-R", &ROW.to_string()]);
        let output = feed(command, sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"));
        let output = output.strip_suffix('\n').unwrap_or(&output);
        output
            .split(ROW)
            .filter(|row| !row.is_empty())
            .map(|row| row.split(COLUMN).map(str::to_owned).collect())
            .collect()
    }
}

/// What a psql says that is told nothing but this, however it then connects.
pub(super) fn plain(
    programs: &Programs,
    text: Option<&str>,
    environment: &[(&str, &str)],
    sql: &str,
) -> Result<String, String> {
    let mut command = programs.command("psql");
    command.args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1"]);
    if let Some(text) = text {
        command.arg("-d").arg(text);
    }
    command.envs(environment.iter().copied());
    feed(command, sql)
}

fn feed(mut command: Command, sql: &str) -> Result<String, String> {
    let mut child = command
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cannot start psql");
    let mut stdin = child.stdin.take().unwrap();
    let sql = sql.to_owned();
    // An early end of psql closes the pipe: its error message says more than ours would.
    let writer = std::thread::spawn(move || stdin.write_all(sql.as_bytes()));
    let output = child.wait_with_output().unwrap();
    drop(writer.join());
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}
