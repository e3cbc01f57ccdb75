//! The compose files as they are shipped.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::docker::{Output, docker, run, unique, variable};
use super::eventually::eventually;

/// How long a command of compose may take, and how long its services to get well.
const PATIENCE: Duration = Duration::from_mins(3);

/// The superuser needs no password on the server's own socket.
const URL: &str = "postgresql:///shop?host=/var/run/postgresql&user=postgres";

/// A project of its own, made of compose files. It is removed with its volumes when it is dropped;
/// if the test has failed, its logs are shown.
#[derive(Debug)]
pub(crate) struct Compose {
    project: String,
    files: Vec<String>,
}

impl Compose {
    /// The files are those of the folder `docker/`.
    pub(crate) fn new(files: &[&str]) -> Compose {
        let files = files.iter().map(|file| format!("docker/{file}")).collect();
        Compose { project: unique("compose"), files }
    }

    /// `docker-compose up --detach`, which must succeed.
    #[track_caller]
    pub(crate) fn up(&self, more: &[&str]) {
        let output = self.run(&[&["up", "--detach"], more].concat());
        assert!(output.status.success(), "{output:#?}");
    }

    /// Waits until so many containers of a service are healthy, and no others are there.
    #[track_caller]
    pub(crate) fn wait_for_healthy(&self, service: &str, count: usize) {
        eventually(PATIENCE, || {
            let (all, healthy) = (self.ids(service, &[]), self.ids(service, &["health=healthy"]));
            let numbers = (all.len(), healthy.len());
            if numbers == (count, count) { Ok(()) } else { Err(numbers) }
        });
    }

    /// The exit code of a service's only container, which is waited for, and what it has printed.
    #[track_caller]
    pub(crate) fn wait(&self, service: &str) -> (i32, String) {
        let ids = self.ids(service, &[]);
        let [id] = &ids[..] else { panic!("{} containers of {service}", ids.len()) };
        let code = docker(&["wait", id]).parse().unwrap();
        let mut command = Command::new("docker");
        command.args(["logs", id]);
        let Output { stdout, stderr, .. } = run(command, PATIENCE);
        (code, stdout + &stderr)
    }

    /// What each container of a service says of itself to `docker inspect`.
    #[track_caller]
    pub(crate) fn inspect(&self, service: &str, field: &str) -> Vec<String> {
        let ids = self.ids(service, &[]);
        ids.iter().map(|id| docker(&["inspect", "--format", field, id])).collect()
    }

    /// Runs statements as the superuser and returns what they print, columns split by `|`.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.in_db(&["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, URL])
    }

    /// The schema as `pg_dump` writes it, without Alembic's table and castoff's own.
    #[track_caller]
    pub(crate) fn schema(&self) -> String {
        let without = ["--exclude-table=alembic_version", "--exclude-schema=castoff"];
        let dump = self.in_db(&[&["pg_dump", "--schema-only"][..], &without, &[URL]].concat());
        // Their words are random.
        let lines = dump.lines().filter(|line| !line.contains("restrict "));
        lines.map(|line| line.to_owned() + "\n").collect()
    }

    /// What every container of a service answers to a GET on a port that is published.
    #[track_caller]
    pub(crate) fn get(&self, service: &str, port: &str, path: &str) -> Vec<String> {
        let ids = self.ids(service, &[]);
        let answers = ids.iter().map(|id| {
            let address = docker(&["port", id, port]);
            let mut stream = TcpStream::connect(address.lines().next().unwrap()).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            write!(stream, "GET {path} HTTP/1.0\r\nHost: {service}\r\n\r\n").unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        answers.collect()
    }

    #[track_caller]
    fn in_db(&self, words: &[&str]) -> String {
        docker(&[&["exec", &self.ids("db", &[])[0]], words].concat())
    }

    fn ids(&self, service: &str, filters: &[&str]) -> Vec<String> {
        let labels = [
            format!("label=com.docker.compose.project={}", self.project),
            format!("label=com.docker.compose.service={service}"),
        ];
        let filters = labels.iter().map(String::as_str).chain(filters.iter().copied());
        let filters = filters.flat_map(|filter| ["--filter", filter]);
        let words: Vec<_> = ["ps", "--all", "--quiet"].into_iter().chain(filters).collect();
        docker(&words).lines().map(str::to_owned).collect()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        // `docker compose` or `docker-compose`, as scripts/smoke has found.
        let compose = variable("CASTOFF_SMOKE_COMPOSE").expect("type: scripts/smoke");
        let mut words = compose.split(' ');
        let mut command = Command::new(words.next().unwrap());
        command.args(words).args(["--project-name", &self.project]);
        command.args(self.files.iter().flat_map(|file| ["--file", file]));
        command.args(arguments).current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
        run(command, PATIENCE)
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        if thread::panicking() {
            for words in [&["ps"][..], &["logs", "--no-color", "--tail", "50"]] {
                let output = self.run(words);
                println!("--- {words:?}\n{}{}---", output.stdout, output.stderr);
            }
        }
        let down = self.run(&["down", "--volumes", "--timeout", "5"]);
        assert!(down.status.success() || thread::panicking(), "{down:#?}");
    }
}
