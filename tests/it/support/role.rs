//! Roles with fewer rights than the superuser.

use super::database::Database;
use super::psql::Psql;

/// What a role shall be able to do, before it is created.
#[derive(Debug)]
#[must_use = "a role exists only after create()"]
pub(crate) struct RoleBuilder<'db> {
    database: &'db Database,
    name: String,
    options: Vec<String>,
    statements: Vec<String>,
}

/// A role that may log in with the password of all roles.
#[derive(Debug)]
pub(crate) struct Role {
    name: String,
    url: String,
    psql: Psql,
}

impl<'db> RoleBuilder<'db> {
    pub(super) fn new(database: &'db Database, name: &str) -> RoleBuilder<'db> {
        // Roles belong to the whole cluster: the database's name keeps tests apart.
        let mut name = format!("{name}_{}", database.name());
        name.truncate(63);
        RoleBuilder { database, name, options: Vec::new(), statements: Vec::new() }
    }

    /// An option of CREATE ROLE: `NOLOGIN`, `CONNECTION LIMIT 0`.
    pub(crate) fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// A right in the database: `grant("SELECT ON ALL TABLES IN SCHEMA castoff")`.
    pub(crate) fn grant(mut self, right: &str) -> Self {
        self.statements.push(format!("GRANT {right} TO {}", self.name));
        self
    }

    /// Makes it a member of another role.
    pub(crate) fn grant_role(mut self, role: &Role) -> Self {
        self.statements.push(format!("GRANT {} TO {}", role.name, self.name));
        self
    }

    /// A default of its sessions: `set("default_transaction_isolation", "serializable")`.
    pub(crate) fn set(mut self, setting: &str, value: &str) -> Self {
        self.statements.push(format!("ALTER ROLE {} SET {setting} = '{value}'", self.name));
        self
    }

    /// Makes it the owner of the database and of its public schema.
    pub(crate) fn owner(mut self) -> Self {
        let (role, database) = (&self.name, self.database.name());
        self.statements.push(format!("ALTER DATABASE {database} OWNER TO {role}"));
        self.statements.push(format!("ALTER SCHEMA public OWNER TO {role}"));
        self
    }

    /// Creates it.
    #[track_caller]
    pub(crate) fn create(self) -> Role {
        let RoleBuilder { database, name, options, statements } = self;
        let password = super::SENTINEL;
        let options = options.join(" ");
        database.psql(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}' {options}"));
        database.add_role(name.clone());
        for statement in statements {
            database.psql(&statement);
        }
        let url = database.cluster().url(&name, database.name());
        let psql = Psql::new(database.cluster().programs(), url.clone());
        Role { name, url, psql }
    }
}

impl Role {
    /// Its name in the cluster, which is not only the one asked for.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The URL of the database for this role, over TCP and with the password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Runs statements as this role.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) -> String {
        self.psql.run(sql)
    }

    /// The same for statements that may fail.
    pub(crate) fn try_psql(&self, sql: &str) -> Result<String, String> {
        self.psql.try_run(sql)
    }
}
