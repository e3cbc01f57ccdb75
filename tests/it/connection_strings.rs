//! Connection strings and environments, each compared with what psql does with it.
//!
//! Both are asked who and where they are, from a home directory of the row's own. A row in which the
//! two differ says what castoff does and why.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use crate::support::{Castoff, Cluster, Folder, Run, SENTINEL};

mod table;

/// What a row came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    /// User, database, address or socket, port, application name and search path.
    Connected(String),
    /// The words were not understood, or forbid what they ask for.
    Refused,
    /// Nobody answers there.
    Unreachable,
    /// The server does not let this user in, or not by an allowed way.
    Access,
    /// The database is not there.
    Database,
    /// The server is there, and can't be used as it is asked to be.
    Server,
}

/// One row: what is given to both, and what castoff does if that is not what psql does.
#[derive(Debug, Clone, Default)]
struct Row {
    text: Option<String>,
    environment: Vec<(&'static str, String)>,
    files: Vec<(&'static str, String, u32)>,
    /// The major version of psql that is the first to know what the row is about, and what it is to
    /// castoff whichever psql is there.
    since: Option<(u32, Outcome)>,
    /// What castoff does instead: its outcome, and for a connection what it differs in.
    instead: Option<Instead>,
}

#[derive(Debug, Clone)]
struct Instead {
    reason: &'static str,
    outcome: Outcome,
}

impl Row {
    fn env(mut self, name: &'static str, value: &str) -> Row {
        self.environment.push((name, value.to_owned()));
        self
    }

    /// A file in the home directory that nobody else may read.
    fn file(self, name: &'static str, content: &str) -> Row {
        self.file_with_mode(name, content, 0o600)
    }

    fn file_with_mode(mut self, name: &'static str, content: &str, mode: u32) -> Row {
        self.files.push((name, content.to_owned(), mode));
        self
    }

    fn pgpass(self, content: &str) -> Row {
        self.file(".pgpass", content)
    }

    fn with_text(self, text: &str) -> Row {
        Row { text: Some(text.to_owned()), ..self }
    }

    fn since(self, version: u32, outcome: Outcome) -> Row {
        Row { since: Some((version, outcome)), ..self }
    }

    /// castoff connects, as this: user, database, where and so on with `|`.
    fn castoff_connects(self, as_what: &str, reason: &'static str) -> Row {
        self.castoff_is(Outcome::Connected(as_what.to_owned()), reason)
    }

    fn castoff_is(self, outcome: Outcome, reason: &'static str) -> Row {
        Row { instead: Some(Instead { reason, outcome }), ..self }
    }

    /// What the row's texts say of this machine, in place of `{…}`.
    fn fill(&self, places: &BTreeMap<&str, String>, home: &str) -> Row {
        let fill = |text: &str| {
            let text = text.replace("{home}", home);
            places.iter().fold(text, |text, (name, value)| text.replace(name, value))
        };
        let mut row = self.clone();
        row.text = row.text.as_deref().map(fill);
        row.environment.iter_mut().for_each(|(_, value)| *value = fill(value));
        row.files.iter_mut().for_each(|(_, content, _)| *content = fill(content));
        let instead = row.instead.as_mut().map(|instead| &mut instead.outcome);
        let newer = row.since.as_mut().map(|(_, outcome)| outcome);
        for outcome in instead.into_iter().chain(newer) {
            if let Outcome::Connected(what) = outcome {
                *what = fill(what);
            }
        }
        row
    }
}

fn row(text: &str) -> Row {
    Row { text: Some(text.to_owned()), ..Row::default() }
}

fn environment() -> Row {
    Row::default()
}

/// What both are asked, as one text.
const WHO: &str = "'WHO ' || concat_ws('|', session_user, current_database(),
    coalesce(host(inet_server_addr()), 'socket'), current_setting('port'),
    current_setting('application_name'), current_setting('search_path'))";

/// The server of the table, and where it and others are.
struct Field {
    cluster: Arc<Cluster>,
    _standby: Arc<Cluster>,
    places: BTreeMap<&'static str, String>,
    psql: u32,
    /// Its revision fails with the answer, so that nothing is ever applied.
    asking: Castoff,
}

impl Field {
    fn new() -> Field {
        let cluster = Cluster::own();
        let run = |sql: &str| {
            let url = cluster.socket_url("postgres");
            cluster.psql_at(&url, &[], sql).unwrap_or_else(|error| panic!("{error}"))
        };
        let version = run("SHOW server_version_num");
        for role in ["alice", "bob", "carol", "dave", "root", "\"two words\""] {
            run(&format!("CREATE ROLE {role} SUPERUSER LOGIN PASSWORD '{SENTINEL}'"));
        }
        run(&format!(
            "SET password_encryption = md5; CREATE ROLE mallory SUPERUSER LOGIN PASSWORD '{SENTINEL}'"
        ));
        run("CREATE DATABASE alice");
        run("CREATE DATABASE root");
        run("CREATE DATABASE shop");
        run("CREATE DATABASE \"a b/c\"");
        cluster.let_in(
            "host all bob all trust\nhost all carol all password\nhost all mallory all md5\n\
             host all dave all reject\nlocal replication all trust\nhost all all all scram-sha-256",
        );
        let standby = cluster.standby();
        let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let socket = cluster.socket_folder().to_str().unwrap().to_owned();
        let places = BTreeMap::from([
            ("{port}", cluster.port().to_string()),
            ("{dead}", dead.to_string()),
            ("{standby}", standby.port().to_string()),
            ("{encoded-socket}", socket.replace('/', "%2F")),
            ("{socket}", socket),
            ("{pw}", SENTINEL.to_owned()),
        ]);
        let asking = Castoff::without_database()
            .files([(
                "a_ask.up.sql",
                format!("DO $$ BEGIN RAISE EXCEPTION '%', {WHO}; END $$").into_bytes(),
            )])
            .env("CASTOFF_LOG_FORMAT", "text")
            .env("CASTOFF_WAIT_TIMEOUT", "700ms")
            .env("CASTOFF_SETTLE_TIMEOUT", "1ms")
            .args(["upgrade"]);
        let psql = version.parse::<u32>().unwrap() / 10_000;
        Field { cluster, _standby: standby, places, psql, asking }
    }

    /// What psql makes of a row.
    fn psql(&self, row: &Row, home: &str) -> (Outcome, String) {
        let environment: Vec<(&str, &str)> = row
            .environment
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .chain([("HOME", home)])
            .collect();
        let sql = format!("SELECT {WHO}");
        match self.cluster.plain_psql(row.text.as_deref(), &environment, &sql) {
            Ok(answer) => (Outcome::Connected(who(&answer)), answer),
            Err(error) => (class_of_psql(&error), error),
        }
    }

    /// What castoff makes of it.
    fn castoff(&self, row: &Row, home: &str) -> (Outcome, Run) {
        let mut castoff = self.asking.clone().env("HOME", home);
        if let Some(text) = &row.text {
            castoff = castoff.url(text);
        }
        for (name, value) in &row.environment {
            castoff = castoff.env(name, value);
        }
        let run = castoff.run();
        (class_of_castoff(&run), run)
    }

    /// Tells what is wrong about a row, if something is.
    fn check(&self, row: &Row) -> Result<(), String> {
        let home = Folder::new();
        let home_path = home.path().to_str().unwrap();
        let row = row.fill(&self.places, home_path);
        for (name, content, mode) in &row.files {
            home.file(name, content);
            let path: PathBuf = home.path().join(name);
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let (castoff, run) = self.castoff(&row, home_path);
        let (psql, said) = self.psql(&row, home_path);
        let text = row.text.as_deref().unwrap_or("(no text)").replace(SENTINEL, "{pw}");
        let tell = |why: &str| {
            Err(format!(
                "{text} {:?}: {why}\npsql: {psql:?} {said}\ncastoff: {castoff:?}\n{run}",
                row.environment
            ))
        };
        match (&row.instead, &row.since) {
            (Some(Instead { outcome, .. }), _) | (None, Some((_, outcome)))
                if *outcome != castoff =>
            {
                tell(&format!("not {outcome:?}"))
            }
            (Some(_), _) if psql == castoff => tell("there is no difference any more"),
            (Some(_), _) => Ok(()),
            (None, Some((version, _))) if self.psql < *version => match psql {
                Outcome::Refused => Ok(()),
                Outcome::Connected(_)
                | Outcome::Unreachable
                | Outcome::Access
                | Outcome::Database
                | Outcome::Server => tell("this psql already knows it"),
            },
            (None, _) if psql == castoff => Ok(()),
            (None, _) => tell("they differ"),
        }
    }
}

/// The answer to [`WHO`] in what was printed, with castoff's own name for psql's.
fn who(printed: &str) -> String {
    let answer = printed.rsplit("WHO ").next().unwrap_or_default();
    let answer = answer.lines().next().unwrap_or_default().trim();
    answer.replace("|castoff|", "|psql|")
}

fn class_of_castoff(run: &Run) -> Outcome {
    let says = |text: &str| run.stderr.contains(text);
    match run.code() {
        Some(65) if says("P0001 WHO") => Outcome::Connected(who(&run.stderr)),
        Some(69) => Outcome::Unreachable,
        Some(77) => Outcome::Access,
        Some(78) if says("3D000") => Outcome::Database,
        Some(78) if says("cannot be used") => Outcome::Server,
        Some(78) => Outcome::Refused,
        _ => panic!("{run}"),
    }
}

fn class_of_psql(error: &str) -> Outcome {
    let says = |texts: &[&str]| texts.iter().any(|text| error.contains(text));
    // A multi-host string ends with its last server's error.
    if says(&[
        "password authentication failed",
        "no password supplied",
        "pg_hba.conf rejects",
        "authentication method requirement",
        "no PostgreSQL user name specified",
        "requirepeer",
        "role \"",
    ]) {
        Outcome::Access
    } else if says(&["FATAL:  database \""]) {
        Outcome::Database
    } else if says(&["FATAL:"]) {
        Outcome::Server
    } else if says(&[
        "Connection refused",
        "No such file or directory",
        "could not translate host",
        "timeout expired",
        "session is ",
        "server is in hot standby",
        "server is not in hot standby",
        "session is not read-only",
    ]) {
        Outcome::Unreachable
    } else {
        Outcome::Refused
    }
}

#[test]
fn each_connection_string_does_what_it_does_with_psql() {
    let field = Field::new();
    let table = table::rows();
    assert!(table.len() >= 80, "{}", table.len());
    let half = table.len().div_ceil(2);
    let wrong: Vec<String> = thread::scope(|scope| {
        let halves: Vec<_> = table
            .chunks(half)
            .map(|rows| {
                let field = &field;
                scope.spawn(move || {
                    rows.iter().filter_map(|row| field.check(row).err()).collect::<Vec<_>>()
                })
            })
            .collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {} rows\n{}", wrong.len(), table.len(), wrong.join("\n\n"));
    assert!(table.iter().filter_map(|row| row.instead.as_ref()).all(|i| !i.reason.is_empty()));
}
