//! PgBouncer in front of a database's server.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Stdio};

use super::cluster::SENTINEL;
use super::database::Database;
use super::eventually::{SOON, eventually};
use super::folder::Folder;
use super::port;
use super::psql::Psql;
use super::role::Role;
use super::running::{Signal, send};
use super::session::Session;

/// A PgBouncer of a test's own, gone with its connections when this is dropped.
#[derive(Debug)]
pub(crate) struct Pooler {
    process: Child,
    folder: Folder,
    url: String,
    psql: Psql,
}

impl Pooler {
    /// One in a mode (`session`, `transaction` or `statement`), otherwise as it comes.
    pub(crate) fn new(database: &Database, mode: &str) -> Pooler {
        Pooler::with(database, mode, "")
    }

    /// One with more lines in its configuration.
    #[track_caller]
    pub(crate) fn with(database: &Database, mode: &str, settings: &str) -> Pooler {
        let programs = database.cluster().programs();
        let (folder, port) = (Folder::new(), port::free());
        let server = database.cluster().port();
        let users = database.roles().into_iter().chain(["postgres".to_owned()]);
        let users: String = users.map(|user| format!("\"{user}\" \"{SENTINEL}\"\n")).collect();
        folder.file("users", users);
        let path = folder.path().to_str().unwrap();
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={server}\n[pgbouncer]\npool_mode = {mode}\n\
             listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = scram-sha-256\nauth_file = {path}/users\nlogfile = {path}/log\n{settings}\n"
        );
        folder.file("ini", configuration);
        for file in ["", "users", "ini"] {
            programs.give(&folder.path().join(file));
        }
        let process = programs
            .daemon("pgbouncer")
            .arg("-q")
            .arg(folder.path().join("ini"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = database.url().replace(&format!(":{server}/"), &format!(":{port}/"));
        let psql = Psql::new(programs, url.clone()).without_options();
        let pooler = Pooler { process, folder, url, psql };
        eventually(SOON, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map(drop));
        pooler
    }

    /// Changes lines of its configuration, which it reads again.
    pub(crate) fn reload(&self, from: &str, to: &str) {
        let path = self.folder.path().join("ini");
        let configuration = fs::read_to_string(&path).unwrap();
        assert!(configuration.contains(from), "no {from:?} in {configuration}");
        fs::write(&path, configuration.replace(from, to)).unwrap();
        send(Signal::Hangup, self.process.id());
    }

    /// A session of one of its clients that stays open.
    pub(crate) fn session(&self) -> Session {
        Session::open(&self.psql)
    }

    /// The superuser's URL of the database through it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A role's URL of the database through it; the role must be there before the pooler.
    pub(crate) fn of(&self, role: &Role) -> String {
        let (address, _) = self.url.rsplit_once('/').unwrap();
        let (_, port) = address.rsplit_once(':').unwrap();
        let (start, rest) = role.url().rsplit_once(':').unwrap();
        let (_, database) = rest.split_once('/').unwrap();
        format!("{start}:{port}/{database}")
    }

    /// Runs statements as a role through it.
    pub(crate) fn psql(&self, role: &Role, sql: &str) -> String {
        self.psql.at(self.of(role)).run(sql)
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}
