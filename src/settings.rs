//! What castoff was told to do: environment variables, files that they name, and flags.
//!
//! A flag goes before its variable, and an empty string counts as unset. Nothing here reads the
//! process's environment: `main` hands it over, as bytes that may not be UTF-8.
//!
//! # Invariants
//!
//! No secret is in an error, a warning, `effective` or the `Debug` of [`Settings`].

mod backup;
mod database;
mod error;
mod file;
mod reader;
mod service;
mod source;
#[cfg(test)]
mod tests;
mod user;
mod value;
mod variables;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::database_url::{DatabaseUrl, Parameters, Password, PasswordFile};

pub use backup::{Backup, BackupCommand};
pub use error::SettingsError;
use reader::{BackupTexts, Reader};
pub use source::Origin;
use source::Sources;
pub(crate) use user::name_of as user_name;
pub use value::{Ahead, Drift, Environment, Hazards, Level, LogFormat, Mode};
pub(crate) use variables::{INIT, VARIABLES, Variable};

/// Everything that can be set, parsed and checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The database; absent if nothing names one.
    pub database: Option<DatabaseUrl>,
    /// The server on which databases may be made to walk the history; the database's own if absent.
    pub scratch: Option<DatabaseUrl>,
    /// `PGPASSWORD`, for a database that an argument names.
    pub libpq_password: Option<Password>,
    /// libpq's password file, for the same.
    pub(crate) passwords: PasswordFile,
    /// A folder to use instead of the built-in migrations.
    pub migrations_dir: Option<PathBuf>,
    /// The role that owns the schema, if it is not the one that logs in.
    pub role: Option<String>,
    /// The schema of the ledger.
    pub schema: String,
    /// What the database is for, if somebody says so.
    pub environment: Option<Environment>,
    /// How long to wait for the database to be ready.
    pub wait_timeout: Duration,
    /// How long to wait for what looks permanent but may still be created.
    pub settle_timeout: Duration,
    /// How long one attempt to connect may take, all of it; never zero.
    pub connect_timeout: Duration,
    /// How long a start waits for another that migrates.
    pub leader_timeout: Duration,
    /// The server's `lock_timeout` for each revision; never zero.
    pub lock_timeout: Duration,
    /// How long a revision is tried again when it doesn't get its locks.
    pub lock_deadline: Duration,
    /// What happens when the database is newer than this image.
    pub ahead: Ahead,
    /// The revision to stamp an unversioned database with.
    pub baseline: Option<String>,
    /// What happens when the schema is not the one that the database's revisions make.
    pub drift: Drift,
    /// What happens when revisions that are to run have hazards that nobody has acknowledged.
    pub hazards: Hazards,
    /// What has to be open before anything is taken away.
    pub backup: Backup,
    /// How much of a start happens.
    pub mode: Mode,
    /// Whether castoff stays as the application's init.
    pub init: bool,
    /// What the log looks like.
    pub log_format: LogFormat,
    /// How much is logged.
    pub log: Level,
    /// Who migrates, for the ledger.
    pub application: Option<String>,
    /// Where the reason of a failure is written.
    pub termination_log: PathBuf,
    /// What looks like a mistake, a line each.
    pub warnings: Vec<String>,
    /// Every setting with its value and where it came from, without secrets.
    pub effective: Vec<Setting>,
}

/// One setting as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The variable's name.
    pub name: &'static str,
    /// Its value, with `***` for a secret; empty if it has none.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}

/// The variables of castoff's own as envy finds them, without the `CASTOFF_` of their names.
#[derive(Deserialize)]
struct Raw {
    migrations_dir: Option<String>,
    role: Option<String>,
    schema: Option<String>,
    env: Option<String>,
    wait_timeout: Option<String>,
    settle_timeout: Option<String>,
    connect_timeout: Option<String>,
    leader_timeout: Option<String>,
    lock_timeout: Option<String>,
    lock_deadline: Option<String>,
    ahead: Option<String>,
    baseline: Option<String>,
    drift: Option<String>,
    hazards: Option<String>,
    backup_command: Option<String>,
    backup_path: Option<String>,
    backup_archiver: Option<String>,
    backup_max_age: Option<String>,
    mode: Option<String>,
    init: Option<String>,
    log_format: Option<String>,
    log: Option<String>,
    application: Option<String>,
    termination_log: Option<String>,
}

/// This process's environment, as bytes.
pub(crate) fn environment() -> Vec<(OsString, OsString)> {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    std::env::vars_os().collect()
}

/// What the log looks like and where the reason of a failure goes, as far as it can be told before
/// the settings are read, since they may be what is wrong.
pub(crate) fn for_first_report(environment: &[(OsString, OsString)]) -> (LogFormat, PathBuf) {
    let value = |name| {
        let given = environment.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        given.filter(|value| !value.is_empty())
    };
    let format = value("CASTOFF_LOG_FORMAT")
        .and_then(|text| value::log_format(text.to_str()?).ok())
        .unwrap_or(LogFormat::Auto);
    let termination_log = "CASTOFF_TERMINATION_LOG";
    let default = VARIABLES.iter().find(|v| v.name == termination_log).and_then(|v| v.default);
    let path =
        value(termination_log).map_or_else(|| default.unwrap_or_default().into(), PathBuf::from);
    (format, path)
}

/// Whether the mode is to leave the database alone, whatever else is set.
pub(crate) fn skips(
    environment: &[(OsString, OsString)],
    flags: &[(&'static str, String)],
) -> bool {
    given("CASTOFF_MODE", environment, flags).is_some_and(|mode| mode == "skip")
}

/// Whether castoff is to stay as the application's init, whatever else is set.
pub(crate) fn stays(
    environment: &[(OsString, OsString)],
    flags: &[(&'static str, String)],
) -> bool {
    let init = given(INIT, environment, flags).and_then(OsStr::to_str);
    init.is_some_and(|init| value::switch(init) == Ok(true))
}

/// What a variable was given, without a look at the others.
fn given<'a>(
    variable: &str,
    environment: &'a [(OsString, OsString)],
    flags: &'a [(&'static str, String)],
) -> Option<&'a OsStr> {
    let flag =
        flags.iter().rfind(|(name, _)| *name == variable).map(|(_, value)| OsStr::new(value));
    flag.or_else(|| {
        environment.iter().find(|(name, _)| name == variable).map(|(_, value)| value.as_os_str())
    })
}

impl Settings {
    /// Reads the settings from an environment, such as [`std::env::vars_os`], and flags.
    ///
    /// A flag is the name of its variable with a value, as [`crate::cli::parse`] returns them. Reads
    /// the files that `_FILE` variables name, and `/etc/passwd` if no user is named.
    pub fn read(
        environment: impl Iterator<Item = (OsString, OsString)>,
        flags: &[(&'static str, String)],
    ) -> Result<Self, SettingsError> {
        let mut sources = Sources::collect(environment, flags)?;
        let raw: Raw = envy::prefixed("CASTOFF_")
            .from_iter(sources.pairs())
            .map_err(|_| SettingsError::Environment)?;
        let mut effective = Vec::new();
        let (database, url_variable) = database::database(&mut sources, &mut effective)?;
        let scratch = database::scratch(&mut sources, &mut effective)?;
        let passwords = database::password_file(None, &mut sources);
        let mut warnings = std::mem::take(&mut sources.warnings);
        if let (Some(_), Some(variable)) = (&database, sources.binding) {
            return Err(SettingsError::Unsupported { variable });
        }
        if database.is_some() {
            warnings.extend(sources.unread.iter().map(|name| {
                format!("{name} is set, which libpq reads and this version of castoff does not")
            }));
        }

        let hazards = raw.hazards.or_else(|| {
            // Whoever says that it is production wants to be asked.
            (raw.env.as_deref() == Some("production")).then(|| Hazards::Refuse.to_string())
        });
        let mut reader = Reader::new(&sources, effective);
        let read = &mut reader;
        let mut settings = Self {
            database,
            scratch,
            libpq_password: sources.value("PGPASSWORD").map(Password::new),
            passwords,
            migrations_dir: read.optional(
                "CASTOFF_MIGRATIONS_DIR",
                raw.migrations_dir,
                |path| Ok(path.into()),
            )?,
            role: read.optional("CASTOFF_ROLE", raw.role, value::role)?,
            schema: read.required("CASTOFF_SCHEMA", raw.schema, value::schema)?,
            environment: read.optional("CASTOFF_ENV", raw.env, value::environment)?,
            mode: read.required("CASTOFF_MODE", raw.mode, value::mode)?,
            init: read.required(INIT, raw.init, value::switch)?,
            ahead: read.required("CASTOFF_AHEAD", raw.ahead, value::ahead)?,
            baseline: read.optional("CASTOFF_BASELINE", raw.baseline, |text| Ok(text.into()))?,
            drift: read.required("CASTOFF_DRIFT", raw.drift, value::drift)?,
            hazards: read.required("CASTOFF_HAZARDS", hazards, value::hazards)?,
            backup: read.backup(BackupTexts {
                command: raw.backup_command,
                path: raw.backup_path,
                archiver: raw.backup_archiver,
                max_age: raw.backup_max_age,
            })?,
            wait_timeout: read.required(
                "CASTOFF_WAIT_TIMEOUT",
                raw.wait_timeout,
                value::duration,
            )?,
            settle_timeout: read.required(
                "CASTOFF_SETTLE_TIMEOUT",
                raw.settle_timeout,
                value::duration,
            )?,
            connect_timeout: read.required(
                "CASTOFF_CONNECT_TIMEOUT",
                raw.connect_timeout,
                value::positive_duration,
            )?,
            leader_timeout: read.required(
                "CASTOFF_LEADER_TIMEOUT",
                raw.leader_timeout,
                value::duration,
            )?,
            lock_timeout: read.required(
                "CASTOFF_LOCK_TIMEOUT",
                raw.lock_timeout,
                value::lock_timeout,
            )?,
            lock_deadline: read.required(
                "CASTOFF_LOCK_DEADLINE",
                raw.lock_deadline,
                value::duration,
            )?,
            log: read.required("CASTOFF_LOG", raw.log, value::level)?,
            log_format: read.required("CASTOFF_LOG_FORMAT", raw.log_format, value::log_format)?,
            application: read
                .optional("CASTOFF_APPLICATION", raw.application, |text| Ok(text.into()))?,
            termination_log: read.required(
                "CASTOFF_TERMINATION_LOG",
                raw.termination_log,
                |path| Ok(path.into()),
            )?,
            warnings,
            effective: Vec::new(),
        };
        settings.effective = reader.effective;
        settings.take_connect_timeout(sources.origin(url_variable));
        Ok(settings)
    }

    /// The database, or the error that none is configured.
    pub fn database(&self) -> Result<&DatabaseUrl, SettingsError> {
        self.database.as_ref().ok_or(SettingsError::NoDatabase)
    }

    /// A database that an argument names: with the configured one's password if it is the same
    /// role's on the same servers, else with libpq's.
    pub(crate) fn another(&self, url: &str) -> Result<DatabaseUrl, SettingsError> {
        let refused = |source| SettingsError::Database { variable: "the argument", source };
        let other = DatabaseUrl::new(&Parameters::parse(url).map_err(refused)?, user::name)
            .map_err(refused)?;
        let ours = self.database.as_ref().filter(|database| database.has_role_of(&other));
        let password = ours.and_then(DatabaseUrl::password).or(self.libpq_password.as_ref());
        Ok(other.or_password(password).or_passwords(&self.passwords))
    }

    /// Every form in which the database's password was seen, for the scrubber of the log.
    pub fn secrets(&self) -> Vec<String> {
        let urls = self.database.iter().chain(&self.scratch);
        let libpq = self.libpq_password.iter().map(Password::expose);
        let mut secrets: Vec<String> =
            urls.flat_map(DatabaseUrl::secrets).chain(libpq).map(str::to_owned).collect();
        secrets.sort();
        secrets.dedup();
        secrets
    }

    /// The variables that are castoff's alone and that the application must not inherit.
    pub fn secret_variables() -> &'static [&'static str] {
        &variables::SECRET_VARIABLES
    }

    /// Takes libpq's `connect_timeout` where castoff's own is not set.
    fn take_connect_timeout(&mut self, origin: Origin) {
        let given = self.database.as_ref().and_then(DatabaseUrl::connect_timeout);
        let setting = self
            .effective
            .iter_mut()
            .find(|s| s.name == "CASTOFF_CONNECT_TIMEOUT" && s.origin == Origin::Default);
        if let (Some(timeout), Some(setting)) = (given, setting) {
            self.connect_timeout = timeout;
            setting.value = format!("{}s", timeout.as_secs());
            setting.origin = origin;
        }
    }
}

/// A value in quotes, shortened; and not at all if a URL landed in the wrong place.
pub(crate) fn shown(value: &str) -> String {
    const LONGEST: usize = 40;
    if value.contains("://") || value.contains("password") {
        "a URL".to_owned()
    } else if value.chars().count() > LONGEST {
        format!("{:?}…", value.chars().take(LONGEST).collect::<String>())
    } else {
        format!("{value:?}")
    }
}
