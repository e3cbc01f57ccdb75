//! A throwaway PostgreSQL server.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use super::eventually::{SOON, eventually};
use super::port;
use super::programs::{Programs, succeed};
use super::psql::{self, Psql};
use super::watchdog::Watchdog;

/// The password of every role. It may be in no output of castoff's.
pub(crate) const SENTINEL: &str = "s3ntinel-7c1f0b";

/// What a fast server needs that nobody will miss after a crash.
const CONFIGURATION: &str = "
listen_addresses = '127.0.0.1'
max_connections = 100
fsync = off
full_page_writes = off
autovacuum = off
password_encryption = 'scram-sha-256'
lc_messages = 'C'
log_line_prefix = '%m [%p] db=%d app=%a '
log_connections = on
log_disconnections = on
log_statement = none
";

/// A server of its own folder, Unix socket and loopback port. It is stopped and its folder removed
/// when it is dropped or when the test process ends.
#[derive(Debug)]
pub(crate) struct Cluster {
    programs: Programs,
    root: PathBuf,
    port: u16,
    shared: bool,
    _watchdog: Watchdog,
}

impl Cluster {
    /// The one that the databases of this test process live in.
    pub(crate) fn shared() -> Arc<Cluster> {
        static SHARED: OnceLock<Arc<Cluster>> = OnceLock::new();
        Arc::clone(SHARED.get_or_init(|| {
            let cluster = Cluster::initialised(true);
            cluster.start();
            Arc::new(cluster)
        }))
    }

    /// One for a test that stops, restarts or reconfigures its server. It is running.
    pub(crate) fn own() -> Arc<Cluster> {
        let cluster = Cluster::stopped();
        cluster.start();
        cluster
    }

    /// One that has not been started yet.
    pub(crate) fn stopped() -> Arc<Cluster> {
        Arc::new(Cluster::initialised(false))
    }

    /// A hot standby of this server, following it.
    pub(crate) fn standby(&self) -> Arc<Cluster> {
        let standby = Cluster::in_new_folder(self.programs.clone(), false);
        let mut copy = self.programs.as_owner("pg_basebackup");
        copy.args(["--checkpoint=fast", "--no-sync", "-R", "-U", "postgres", "-h"])
            .arg(&self.root)
            .args(["-p", &self.port.to_string(), "-D"])
            .arg(standby.data());
        succeed(&mut copy, &standby.root.join("pg_basebackup.log"));
        standby.set_address();
        standby.start();
        Arc::new(standby)
    }

    /// Makes a standby the primary.
    pub(crate) fn promote(&self) {
        self.pg_ctl(&["-w", "promote"]);
    }

    /// Starts the server and waits until it answers.
    pub(crate) fn start(&self) {
        let log = self.log_path();
        self.pg_ctl(&["-w", "-t", "60", "-l", log.to_str().unwrap(), "start"]);
    }

    /// Starts the server and does not wait: it may be one that never answers.
    pub(crate) fn start_without_waiting(&self) {
        let log = self.log_path();
        self.pg_ctl(&["-W", "-l", log.to_str().unwrap(), "start"]);
    }

    /// Stops the server and waits until it is gone; its sessions end with 57P01.
    pub(crate) fn stop(&self) {
        self.pg_ctl(&["-m", "fast", "-w", "stop"]);
    }

    /// Stops the server as a crash would; it recovers when it is started again.
    pub(crate) fn crash(&self) {
        self.pg_ctl(&["-m", "immediate", "-w", "stop"]);
    }

    /// Changes a setting of the running server, to a value as SHOW prints it, and waits until new
    /// sessions have it.
    #[track_caller]
    pub(crate) fn set(&self, setting: &str, value: &str) {
        let psql = self.psql("postgres");
        psql.run(&format!(
            "SET default_transaction_read_only = off;
             ALTER SYSTEM SET {setting} = '{value}';
             SELECT pg_reload_conf();"
        ));
        eventually(SOON, || {
            let now = psql.run(&format!("SHOW {setting}"));
            if now == value { Ok(()) } else { Err(now) }
        });
    }

    /// Who may connect how (`pg_hba.conf`) over TCP; the Unix socket stays open to the superuser.
    #[track_caller]
    pub(crate) fn let_in(&self, lines: &str) {
        let path = self.data().join("pg_hba.conf");
        fs::write(path, format!("local all all trust\n{lines}\n")).unwrap();
        self.psql("postgres").run("SELECT pg_reload_conf()");
    }

    /// Runs statements by any URL, in an environment of its own.
    pub(crate) fn psql_at(
        &self,
        url: &str,
        environment: &[(&str, &str)],
        sql: &str,
    ) -> Result<String, String> {
        let psql = Psql::new(&self.programs, url);
        psql.with(environment).try_run(sql)
    }

    /// Where one of PostgreSQL's programs is.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.path(name)
    }

    /// Its loopback port, also while it is stopped.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The folder of its Unix socket.
    pub(crate) fn socket_folder(&self) -> &Path {
        &self.root
    }

    /// The URL of a database for a role, over TCP and with the password.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        format!("postgresql://{role}:{SENTINEL}@127.0.0.1:{}/{database}", self.port)
    }

    /// The URL of a database for the superuser over the Unix socket, which asks for no password.
    pub(crate) fn socket_url(&self, database: &str) -> String {
        let folder = self.root.to_str().unwrap().replace('/', "%2F");
        format!("postgresql://postgres@{folder}:{}/{database}", self.port)
    }

    /// Everything that the server has logged, sessions' lines beginning `… [pid] db=… app=… `.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.log_path()).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    /// The same by this text, or by the environment alone, and with nothing of this test's own.
    pub(crate) fn plain_psql(
        &self,
        text: Option<&str>,
        environment: &[(&str, &str)],
        sql: &str,
    ) -> Result<String, String> {
        psql::plain(&self.programs, text, environment, sql)
    }

    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    pub(super) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// psql as the superuser over the Unix socket.
    pub(super) fn psql(&self, database: &str) -> Psql {
        Psql::new(&self.programs, self.socket_url(database))
    }

    fn initialised(shared: bool) -> Cluster {
        let cluster = Cluster::in_new_folder(Programs::find(), shared);
        let password = cluster.root.join("password");
        fs::write(&password, SENTINEL).unwrap();
        let mut initdb = cluster.programs.as_owner("initdb");
        initdb
            .args(["--no-sync", "--username=postgres", "--encoding=UTF8", "--locale=C"])
            .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile"])
            .arg(&password)
            .arg("-D")
            .arg(cluster.data());
        succeed(&mut initdb, &cluster.root.join("initdb.log"));
        cluster.configure(CONFIGURATION);
        cluster.set_address();
        cluster
    }

    fn in_new_folder(programs: Programs, shared: bool) -> Cluster {
        static NUMBER: AtomicU32 = AtomicU32::new(1);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let root = base().join(format!("castoff-{}-{number}", std::process::id()));
        fs::create_dir(&root).unwrap();
        programs.give(&root);
        let watchdog = Watchdog::over(&root, &programs);
        Cluster { root, port: port::free(), shared, _watchdog: watchdog, programs }
    }

    fn set_address(&self) {
        let folder = self.root.display();
        self.configure(&format!("port = {}\nunix_socket_directories = '{folder}'\n", self.port));
    }

    /// Adds lines to the configuration of a server that is not running.
    pub(crate) fn configure(&self, lines: &str) {
        let path = self.data().join("postgresql.conf");
        let mut configuration = fs::read_to_string(&path).unwrap();
        write!(configuration, "{lines}").unwrap();
        fs::write(&path, configuration).unwrap();
    }

    /// Lets every role in from a network, with its password; the server is not running.
    pub(crate) fn admit(&self, network: &str) {
        let path = self.data().join("pg_hba.conf");
        let mut rules = fs::read_to_string(&path).unwrap();
        writeln!(rules, "host all all {network} scram-sha-256").unwrap();
        fs::write(&path, rules).unwrap();
    }

    #[track_caller]
    fn pg_ctl(&self, arguments: &[&str]) {
        let mut command = self.programs.as_owner("pg_ctl");
        command.arg("-D").arg(self.data()).args(arguments);
        succeed(&mut command, &self.root.join("pg_ctl.log"));
    }

    fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.root.join("log")
    }
}

/// Memory if there is enough of it: a container's /dev/shm may be as small as 64 MB.
fn base() -> PathBuf {
    const ENOUGH: u64 = 1 << 30;
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |about| about.f_bavail * about.f_frsize);
    let writable = rustix::fs::access(memory, rustix::fs::Access::WRITE_OK).is_ok();
    if writable && free >= ENOUGH { memory.into() } else { std::env::temp_dir() }
}
