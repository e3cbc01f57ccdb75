//! Databases of castoff's own, to walk a history on: made beside another one and dropped again.
//!
//! # Invariants
//! Nothing is ever run on a database that was there before, but `CREATE DATABASE` and `DROP DATABASE`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::database::{Database, Need, ServerError};
use crate::database_url::DatabaseUrl;
use crate::error::Error;
use crate::migrations::Migrations;
use crate::migrator::Migrator;
use crate::plan::{Ahead, Drift};
use crate::settings::Settings;
use crate::stop::Stop;

/// How long a database may take to be dropped when castoff is to stop.
const GOODBYE: Duration = Duration::from_secs(3);

/// Where the databases are made, and which there are.
pub(crate) struct Scratch<'a> {
    migrations: &'static Migrations,
    settings: &'a Settings,
    url: &'a DatabaseUrl,
    stop: &'a Stop,
    made: Vec<String>,
}

impl<'a> Scratch<'a> {
    /// On the server of the scratch URL, else on the configured database's.
    pub(crate) fn new(
        migrations: &'static Migrations,
        settings: &'a Settings,
        stop: &'a Stop,
    ) -> Result<Self, Error> {
        let url = settings.scratch.as_ref().map_or_else(|| settings.database(), Ok)?;
        Ok(Self { migrations, settings, url, stop, made: Vec::new() })
    }

    /// Makes an empty database, and what brings it to revisions.
    pub(crate) async fn create(&mut self) -> Result<Migrator, Error> {
        let name = format!("castoff_scratch_{:016x}", RandomState::new().build_hasher().finish());
        self.made.push(name.clone());
        // template0: nothing that somebody has put into template1 is the history's work.
        self.run(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
        self.migrator(self.url.with_dbname(&name))
    }

    /// Drops every database that was made; what can't be dropped is named.
    pub(crate) async fn drop_all(&mut self) {
        for name in std::mem::take(&mut self.made) {
            // A session whose client is gone may not have noticed yet.
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            // Also, and above all, after a signal.
            let dropped = tokio::time::timeout(GOODBYE, self.run_regardless(&sql)).await;
            if !matches!(dropped, Ok(Ok(()))) {
                tracing::warn!("The database {name} is left behind; drop it");
            }
        }
    }

    async fn run(&self, sql: &str) -> Result<(), Error> {
        let beside = self.migrator(self.url.clone())?;
        let (session, _) = beside.session(Need::Writing).await?;
        let done = self.stop.unless(session.rows(sql)).await?;
        session.close().await;
        done.map(drop).map_err(Error::Scratch)
    }

    async fn run_regardless(&self, sql: &str) -> Result<(), ServerError> {
        let database = Database::new(self.url, self.settings.connect_timeout);
        let mut result = Ok(());
        for server in database.servers() {
            result = match database.connect(server).await {
                Ok(session) => session.rows(sql).await.map(drop),
                Err(error) => Err(error),
            };
            if result.is_ok() {
                break;
            }
        }
        result
    }

    /// castoff on one of the databases, untouched by what was set for the configured one.
    fn migrator(&self, database: DatabaseUrl) -> Result<Migrator, Error> {
        let settings = Settings {
            database: Some(database),
            scratch: None,
            ahead: Ahead::Refuse,
            baseline: None,
            drift: Drift::Ignore,
            ..self.settings.clone()
        };
        Ok(Migrator::new(self.migrations, settings)?.until(self.stop.clone()))
    }
}
