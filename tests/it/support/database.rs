//! A database of a test's own.

use std::fmt::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::cluster::Cluster;
use super::programs::output;
use super::psql::Psql;
use super::role::RoleBuilder;
use super::session::Session;

/// The key of the lock that a migration into the schema `castoff` is made under.
const MIGRATION_LOCK: &str = "-4318582747113608335";

/// A database, dropped with its sessions when this is dropped.
#[derive(Debug)]
pub(crate) struct Database {
    cluster: Arc<Cluster>,
    name: String,
    roles: Mutex<Vec<String>>,
    mine: bool,
}

/// One of castoff's sessions, as `pg_stat_activity` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    /// The process of the session.
    pub(crate) pid: String,
    /// `active`, `idle`, `idle in transaction`…
    pub(crate) state: String,
    /// What it waits for, or nothing.
    pub(crate) wait_event: String,
    /// What it runs or ran last.
    pub(crate) query: String,
}

/// An advisory lock of the database, as `pg_locks` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AdvisoryLock {
    /// The process of the session that holds it or waits for it.
    pub(crate) pid: String,
    /// Held, not waited for.
    pub(crate) granted: bool,
    /// `ExclusiveLock` or `ShareLock`.
    pub(crate) mode: String,
    /// The key: `classid`, `objid` and `objsubid`.
    pub(crate) key: [String; 3],
}

impl Database {
    /// An empty one in the cluster that all tests share.
    pub(crate) fn empty() -> Database {
        Database::on(&Cluster::shared())
    }

    /// An empty one in a cluster of the test's own.
    pub(crate) fn on(cluster: &Arc<Cluster>) -> Database {
        let name = unique_name();
        cluster.psql("postgres").run(&format!("CREATE DATABASE {name}"));
        Database { cluster: Arc::clone(cluster), name, roles: Mutex::default(), mine: true }
    }

    /// The database of the same name in another cluster: a standby's.
    pub(crate) fn at(&self, cluster: &Arc<Cluster>) -> Database {
        let name = self.name.clone();
        Database { cluster: Arc::clone(cluster), name, roles: Mutex::default(), mine: false }
    }

    /// The server that it lives in.
    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The superuser's URL over TCP, with the password.
    pub(crate) fn url(&self) -> String {
        self.cluster.url("postgres", &self.name)
    }

    /// The superuser's URL over the Unix socket, without a password.
    pub(crate) fn socket_url(&self) -> String {
        self.cluster.socket_url(&self.name)
    }

    /// Another role, to be created with the rights that the builder is given.
    pub(crate) fn role(&self, name: &str) -> RoleBuilder<'_> {
        RoleBuilder::new(self, name)
    }

    /// Runs statements as the superuser; returns what they print, columns apart by `|`.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.superuser().run(sql)
    }

    /// The same for statements that may fail: `Err` is the server's message.
    pub(crate) fn try_psql(&self, sql: &str) -> Result<String, String> {
        self.superuser().try_run(sql)
    }

    /// The same by another URL, such as a proxy's.
    pub(crate) fn try_psql_at(&self, url: &str, sql: &str) -> Result<String, String> {
        Psql::new(self.cluster.programs(), url).try_run(sql)
    }

    /// A session of the superuser's that stays open: a lock held, a transaction left idle.
    pub(crate) fn session(&self) -> Session {
        Session::open(&self.superuser())
    }

    /// A session that holds the migration lock, as another start that migrates would.
    #[track_caller]
    pub(crate) fn migration_lock(&self) -> Session {
        let mut session = self.session();
        let held = session.psql(&format!("SELECT pg_try_advisory_lock({MIGRATION_LOCK})"));
        assert_eq!(held, "t", "somebody else holds the migration lock");
        session
    }

    /// What the server logged in this database's sessions, a message with its continuation lines
    /// being one element.
    pub(crate) fn server_log(&self) -> Vec<String> {
        let mark = format!(" db={} ", self.name);
        let mut messages: Vec<String> = Vec::new();
        let mut ours = false;
        for line in self.cluster.log().lines() {
            if !line.starts_with('\t') {
                ours = line.contains(&mark);
                if ours {
                    messages.push(line.to_owned());
                }
            } else if ours && let Some(message) = messages.last_mut() {
                message.push('\n');
                message.push_str(line);
            }
        }
        messages
    }

    /// Its schema as `pg_dump` writes it, without castoff's own and without what differs every time.
    pub(crate) fn dump(&self) -> String {
        self.comparable_dump(&["--schema-only"])
    }

    /// Its rows as `pg_dump` writes them, without castoff's own and without what differs every time.
    pub(crate) fn data(&self) -> String {
        self.comparable_dump(&["--data-only", "--inserts"])
    }

    /// What `pg_dump` writes, to the byte.
    #[track_caller]
    pub(crate) fn pg_dump(&self, arguments: &[&str]) -> String {
        let mut pg_dump = self.cluster.programs().command("pg_dump");
        pg_dump.args(arguments).args(["-d", &self.socket_url()]);
        let output = output(&mut pg_dump);
        assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn comparable_dump(&self, arguments: &[&str]) -> String {
        let mut dump = String::new();
        for line in self.pg_dump(&[arguments, &["--exclude-schema=castoff"]].concat()).lines() {
            if !line.starts_with("\\restrict ") && !line.starts_with("\\unrestrict ") {
                dump.push_str(line);
                dump.push('\n');
            }
        }
        dump
    }

    /// castoff's sessions in this database.
    pub(crate) fn backends(&self) -> Vec<Backend> {
        let rows = self.superuser().rows(&format!(
            "SELECT pid, state, wait_event, query FROM pg_stat_activity \
             WHERE datname = '{}' AND application_name = 'castoff' ORDER BY backend_start",
            self.name
        ));
        rows.into_iter()
            .map(|row| {
                let [pid, state, wait_event, query] = columns(row);
                Backend { pid, state, wait_event, query }
            })
            .collect()
    }

    /// The advisory locks that sessions of this database hold or wait for.
    pub(crate) fn advisory_locks(&self) -> Vec<AdvisoryLock> {
        let rows = self.superuser().rows(&format!(
            "SELECT l.pid, l.granted, l.mode, l.classid, l.objid, l.objsubid \
             FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
             WHERE l.locktype = 'advisory' AND d.datname = '{}' ORDER BY 1, 4, 5",
            self.name
        ));
        rows.into_iter()
            .map(|row| {
                let [pid, granted, mode, class, object, kind] = columns(row);
                let key = [class, object, kind];
                AdvisoryLock { pid, granted: granted == "t", mode, key }
            })
            .collect()
    }

    /// The roles that were made for it.
    pub(super) fn roles(&self) -> Vec<String> {
        self.roles.lock().unwrap().clone()
    }

    pub(super) fn add_role(&self, name: String) {
        self.roles.lock().unwrap().push(name);
    }

    fn superuser(&self) -> Psql {
        self.cluster.psql(&self.name)
    }
}

impl Drop for Database {
    /// A cluster of the test's own goes as a whole, and may be stopped by now.
    fn drop(&mut self) {
        if !self.mine || !self.cluster.is_shared() {
            return;
        }
        let mut sql = format!("DROP DATABASE {} WITH (FORCE);", self.name);
        for role in self.roles.get_mut().map(std::mem::take).unwrap_or_default() {
            write!(sql, "DROP ROLE {role};").unwrap();
        }
        let dropped = self.cluster.psql("postgres").try_run(&sql);
        assert!(dropped.is_ok() || thread::panicking(), "{dropped:?}");
    }
}

/// Says in the server's log and process list which test it belongs to.
fn unique_name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let test = thread::current().name().unwrap_or_default().to_lowercase();
    let fact: String = test
        .rsplit("::")
        .next()
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '_')
        .take(40)
        .collect();
    format!("t{number}_{fact}")
}

fn columns<const N: usize>(row: Vec<String>) -> [String; N] {
    row.try_into().unwrap_or_else(|row| panic!("expected {N} columns: {row:?}"))
}
