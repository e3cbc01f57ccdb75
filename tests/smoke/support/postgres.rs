//! A PostgreSQL in a container.

use std::sync::OnceLock;
use std::time::Duration;

use super::container::Container;
use super::docker::{docker, try_docker, unique};
use super::eventually::eventually;
use super::folder::Folder;
use super::network::Network;
use super::{APPLICATIONS_PASSWORD, OWNERS_PASSWORD, SOON};

const URL: &str = "postgresql://postgres:superuser@127.0.0.1/shop";

/// The public image with the database `shop`, its owner of the same name, and the application's
/// role `shop_app`. It is called `db` on its network.
#[derive(Debug)]
pub(crate) struct Postgres {
    container: Container,
    _roles: Option<Folder>,
}

impl Postgres {
    /// One that answers. It was initialised once for all tests, which takes a while.
    #[track_caller]
    pub(crate) fn start(network: &Network) -> Postgres {
        static INITIALISED: OnceLock<String> = OnceLock::new();
        let image = INITIALISED.get_or_init(|| {
            let name = unique("postgres");
            let network = Network::new();
            let postgres = Postgres::new_on(&network);
            postgres.wait_until_ready();
            postgres.container.command("stop");
            docker(&["commit", postgres.container.name(), &name]);
            name
        });
        let container = Container::start(unique("db"), &arguments(network, image, &[]));
        let postgres = Postgres { container, _roles: None };
        postgres.wait_until_ready();
        postgres
    }

    /// One that still has to initialise itself, which is its first start.
    #[track_caller]
    pub(crate) fn new_on(network: &Network) -> Postgres {
        let roles = Folder::new();
        roles.file(
            "roles.sql",
            format!(
                "CREATE ROLE shop LOGIN PASSWORD '{OWNERS_PASSWORD}';
                 CREATE ROLE shop_app LOGIN PASSWORD '{APPLICATIONS_PASSWORD}';
                 ALTER DATABASE shop OWNER TO shop;
                 ALTER SCHEMA public OWNER TO shop;\n"
            ),
        );
        let mount = format!("{}:/docker-entrypoint-initdb.d:ro", roles.path().display());
        let container = Container::start(
            unique("db"),
            &arguments(network, "postgres:17", &["--volume", &mount]),
        );
        Postgres { container, _roles: Some(roles) }
    }

    /// Waits until the server itself answers, not the one that runs the init scripts, which has no
    /// TCP.
    #[track_caller]
    pub(crate) fn wait_until_ready(&self) {
        eventually(SOON, || self.try_psql("SELECT 1"));
    }

    /// The container.
    pub(crate) fn container(&self) -> &Container {
        &self.container
    }

    /// Runs statements as the superuser and returns what they print, columns split by `|`.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|error| panic!("{error}\nin: {sql}"))
    }

    fn try_psql(&self, sql: &str) -> Result<String, String> {
        let name = self.container.name();
        try_docker(&["exec", name, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, URL])
    }

    /// Begins a transaction that does `sql` and stays open until the server ends, or
    /// [`Postgres::let_go`].
    #[track_caller]
    pub(crate) fn hold(&self, sql: &str) {
        let script = format!("BEGIN ISOLATION LEVEL REPEATABLE READ; {sql}; SELECT pg_sleep(600)");
        let name = self.container.name();
        docker(&["exec", "--detach", name, "psql", "-Xq", "-c", &script, URL]);
        eventually(SOON, || self.psql(&format!("SELECT count(*) FROM ({HOLDERS}) x")) == "1");
    }

    /// Ends what [`Postgres::hold`] began.
    #[track_caller]
    pub(crate) fn let_go(&self) {
        self.psql(&format!("SELECT pg_terminate_backend(pid) FROM ({HOLDERS}) x"));
    }

    /// The heads in castoff's ledger, with commas between them.
    #[track_caller]
    pub(crate) fn heads(&self) -> String {
        self.psql(
            "SELECT string_agg(revision, ',' ORDER BY revision) FROM castoff.revision WHERE head",
        )
    }

    /// Every revision in castoff's ledger with its origin: `0001 baseline,0002 upgrade`.
    #[track_caller]
    pub(crate) fn revisions(&self) -> String {
        self.psql(
            "SELECT string_agg(revision || ' ' || origin, ',' ORDER BY revision) \
             FROM castoff.revision",
        )
    }

    /// The tables of the schema `public`, with commas between them.
    #[track_caller]
    pub(crate) fn tables(&self) -> String {
        self.psql(
            "SELECT string_agg(relname, ',' ORDER BY relname) FROM pg_class \
             WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'",
        )
    }

    /// Whether anything of castoff's is there.
    #[track_caller]
    pub(crate) fn has_ledger(&self) -> bool {
        self.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'castoff'") != "0"
    }

    /// Waits until the server is at something of castoff's: `wait_for_castoff("wait_event = 'PgSleep'")`.
    #[track_caller]
    pub(crate) fn wait_for_castoff(&self, condition: &str) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'castoff' AND {condition}"
        );
        eventually(SOON, || self.psql(&sql) == "1");
    }

    /// Waits until nothing of castoff's is left in the server: no session, no statement, no lock.
    #[track_caller]
    pub(crate) fn assert_soon_rid_of_castoff(&self) {
        let sql = "SELECT pid, state, wait_event, query FROM pg_stat_activity \
                   WHERE usename = 'shop' \
                   UNION ALL \
                   SELECT pid, 'lock', locktype, NULL FROM pg_locks WHERE locktype = 'advisory'";
        eventually(Duration::from_secs(2), || {
            let left = self.psql(sql);
            if left.is_empty() { Ok(()) } else { Err(left) }
        });
    }
}

fn arguments(network: &Network, image: &str, more: &[&str]) -> Vec<String> {
    let flags = [
        ["--network", network.name()],
        ["--network-alias", "db"],
        ["--env", "POSTGRES_DB=shop"],
        ["--env", "POSTGRES_PASSWORD=superuser"],
        ["--env", "POSTGRES_INITDB_ARGS=--no-sync"],
        // Not in the image's volume, which no copy of a container has.
        ["--env", "PGDATA=/data"],
    ];
    let command = [image, "postgres", "-c", "fsync=off"];
    let words = flags.as_flattened().iter().chain(more).chain(&command);
    words.map(|&word| word.to_owned()).collect()
}

const HOLDERS: &str = "SELECT pid FROM pg_stat_activity WHERE application_name = 'psql' \
                       AND wait_event = 'PgSleep'";
