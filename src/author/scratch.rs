//! Databases of castoff's own, to walk a history on: made beside another one and dropped again.
//!
//! # Invariants
//! Nothing is ever run on a database that was there before, but `CREATE DATABASE` and `DROP DATABASE`.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use super::error::AuthorError;
use crate::database::{Database, Need, ServerError, Session};
use crate::database_url::DatabaseUrl;
use crate::error::Error;
use crate::migrations::Migrations;
use crate::migrator::Migrator;
use crate::plan::{Ahead, Drift, Hazards};
use crate::settings::{Backup, Settings};
use crate::stop::Stop;

/// How long a database may take to be dropped when castoff is to stop.
const GOODBYE: Duration = Duration::from_secs(3);

/// And otherwise: it writes a checkpoint.
const PATIENCE: Duration = Duration::from_mins(1);

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
        let beside = self.migrator(self.url.clone())?;
        let (session, _) = beside.session(Need::Writing).await?;
        // Before it is made: whoever is stopped meanwhile drops it too.
        self.made.push(name.clone());
        let made = self.stop.unless(make(&session, &name)).await?;
        session.close().await;
        made.map_err(AuthorError::Scratch)?;
        self.migrator(self.url.with_dbname(&name))
    }

    /// Drops every database that was made; what can't be dropped is named.
    pub(crate) async fn drop_all(&mut self) {
        for name in std::mem::take(&mut self.made) {
            // A session whose client is gone may not have noticed yet.
            let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
            // Also, and above all, after a signal.
            let patience = if self.stop.signal().is_some() { GOODBYE } else { PATIENCE };
            let dropped = tokio::time::timeout(patience, self.run_regardless(&sql)).await;
            if !matches!(dropped, Ok(Ok(()))) {
                tracing::warn!("The database {name} is left behind; drop it");
            }
        }
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
            role: None,
            ahead: Ahead::Refuse,
            baseline: None,
            drift: Drift::Ignore,
            hazards: Hazards::Ignore,
            backup: Backup::none(),
            ..self.settings.clone()
        };
        Ok(Migrator::new(self.migrations, settings)?.without_lock().until(self.stop.clone()))
    }
}

/// Makes the database, in which names mean what they mean in the one beside it.
async fn make(session: &Session, name: &str) -> Result<(), ServerError> {
    const SEARCH_PATH: &str = "SELECT substr(setting, length('search_path=') + 1) \
         FROM pg_catalog.pg_db_role_setting s \
         JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase \
         JOIN pg_catalog.pg_roles r ON s.setrole IN (0, r.oid) \
         CROSS JOIN unnest(s.setconfig) AS setting \
         WHERE d.datname = current_database() AND r.rolname = session_user \
           AND starts_with(setting, 'search_path=') ORDER BY s.setrole DESC LIMIT 1";
    let search_path = session.rows(SEARCH_PATH).await?;
    // template0: nothing that somebody has put into template1 is the history's work.
    session.rows(&format!("CREATE DATABASE {name} TEMPLATE template0")).await?;
    if let Some(search_path) = search_path.first().and_then(|row| row.get(0)) {
        session.rows(&format!("ALTER DATABASE {name} SET search_path TO {search_path}")).await?;
    }
    Ok(())
}
