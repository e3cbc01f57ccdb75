//! The database, from its URL and from everything beside it that libpq reads.
//!
//! In libpq's order: the text, the service that it or `PGSERVICE` names, the `PG*` variables, files in
//! the home directory; and the password file where nothing of these has a password.

use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::source::Sources;
use super::{Setting, file, service, user};
use crate::database_url::{DatabaseUrl, DatabaseUrlError, Parameter, Parameters, PasswordFile};

/// Any of these is enough to name a database.
const NAMING: [&str; 5] = ["PGHOST", "PGHOSTADDR", "PGSERVICE", "PGDATABASE", "PGUSER"];

/// Reads what names the database, and the variable that does.
pub(super) fn database(
    sources: &mut Sources,
    effective: &mut Vec<Setting>,
) -> Result<(Option<DatabaseUrl>, &'static str), SettingsError> {
    let mut url_variable = "CASTOFF_DATABASE_URL";
    let mut url = sources.secret(url_variable, "CASTOFF_DATABASE_URL_FILE")?.map(str::to_owned);
    if url.is_none() {
        url_variable = "DATABASE_URL";
        url = sources.secret(url_variable, "DATABASE_URL_FILE")?.map(str::to_owned);
    }
    sources.secret("PGPASSWORD", "PGPASSWORD_FILE")?;

    let named = NAMING.into_iter().find(|variable| sources.value(variable).is_some());
    let variable = match (&url, named) {
        (Some(_), _) => url_variable,
        (None, Some(variable)) => variable,
        (None, None) => return Ok((None, url_variable)),
    };
    let mut taken = Vec::new();
    let database = complete(url.as_deref().unwrap_or_default(), variable, sources, &mut taken)?;
    if url.is_some() {
        let origin = sources.origin(variable);
        effective.push(Setting { name: variable, value: database.to_string(), origin });
    }
    effective.extend(taken);
    Ok((Some(database), variable))
}

/// Reads where `castoff lock` may make its databases; libpq's variables fill what the URL leaves open.
pub(super) fn scratch(
    sources: &mut Sources,
    effective: &mut Vec<Setting>,
) -> Result<Option<DatabaseUrl>, SettingsError> {
    const URL: &str = "CASTOFF_SCRATCH_URL";
    let Some(url) = sources.secret(URL, "CASTOFF_SCRATCH_URL_FILE")?.map(str::to_owned) else {
        return Ok(None);
    };
    let database = complete(&url, URL, sources, &mut Vec::new())?;
    effective.push(Setting { name: URL, value: database.to_string(), origin: sources.origin(URL) });
    Ok(Some(database))
}

/// The password file that libpq would read, and where it is.
pub(super) fn password_file(named: Option<&str>, sources: &mut Sources) -> PasswordFile {
    let named = named.or(sources.value("PGPASSFILE")).map(PathBuf::from);
    let path = named.or_else(|| Some(home(sources)?.join(".pgpass")));
    match path.as_deref().map(file::password_file) {
        Some(Ok(found)) => found,
        Some(Err(warning)) => {
            if !sources.warnings.contains(&warning) {
                sources.warnings.push(warning);
            }
            PasswordFile::default()
        }
        None => PasswordFile::default(),
    }
}

/// Makes sense of a text, with everything that libpq would look for beside it.
fn complete(
    text: &str,
    variable: &'static str,
    sources: &mut Sources,
    taken: &mut Vec<Setting>,
) -> Result<DatabaseUrl, SettingsError> {
    let refused = |source: DatabaseUrlError| {
        // What is wrong may be in a variable beside the URL: then that is the one to name.
        SettingsError::Database { variable: source.variable().unwrap_or(variable), source }
    };
    let mut parameters = match text {
        "" => Parameters::default(),
        text => Parameters::parse(text).map_err(refused)?,
    };
    take([Parameter::Service, Parameter::Servicefile].into_iter(), &mut parameters, sources, taken);
    let folders = service::Folders {
        home: home(sources),
        system: sources.value("PGSYSCONFDIR").map(PathBuf::from),
    };
    service::fill(&mut parameters, &folders)?;
    take(Parameter::all(), &mut parameters, sources, taken);
    fill_from_home(&mut parameters, folders.home.as_deref()).map_err(refused)?;
    let database = DatabaseUrl::new(&parameters, user::name).map_err(refused)?;
    if database.password().is_some() {
        return Ok(database);
    }
    Ok(database.or_passwords(&password_file(parameters.value(Parameter::Passfile), sources)))
}

/// Takes from the environment what is not given yet.
fn take(
    wanted: impl Iterator<Item = Parameter>,
    parameters: &mut Parameters,
    sources: &Sources,
    taken: &mut Vec<Setting>,
) {
    for parameter in wanted.filter(|parameter| !parameters.has(*parameter)).collect::<Vec<_>>() {
        let Some(name) = parameter.variable() else { continue };
        let Some(value) = sources.value(name) else { continue };
        let hidden = parameter.is_secret() || value.contains("://");
        let shown = if hidden { "***" } else { value };
        taken.push(Setting { name, value: shown.to_owned(), origin: sources.origin(name) });
        parameters.fill(parameter, value.to_owned());
    }
}

fn home(sources: &Sources) -> Option<PathBuf> {
    sources.home.clone().or_else(user::home)
}

/// Names the files that libpq would look for in `~/.postgresql`, where they exist.
fn fill_from_home(
    parameters: &mut Parameters,
    home: Option<&Path>,
) -> Result<(), DatabaseUrlError> {
    let Some(home) = home else { return Ok(()) };
    let folder = home.join(".postgresql");
    for (parameter, name) in [
        (Parameter::Sslrootcert, "root.crt"),
        (Parameter::Sslcert, "postgresql.crt"),
        (Parameter::Sslkey, "postgresql.key"),
    ] {
        let path = folder.join(name);
        if let Some(path) = path.to_str().filter(|_| !parameters.has(parameter) && path.exists()) {
            parameters.fill(parameter, path.to_owned());
        }
    }
    // libpq reads it when it verifies.
    let verifies = parameters.value(Parameter::Sslrootcert).is_some()
        && parameters.value(Parameter::Sslmode) != Some("disable");
    if verifies && folder.join("root.crl").exists() {
        return Err(DatabaseUrlError::RevocationList);
    }
    Ok(())
}
