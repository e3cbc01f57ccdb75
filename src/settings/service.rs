//! libpq's service file: `[name]`, and below it a `key=value` line for each parameter.
//!
//! Follows `parseServiceInfo` and `parseServiceFile` of libpq's `fe-connect.c`.

use std::path::{Path, PathBuf};

use super::error::SettingsError;
use super::file;
use crate::database_url::{Parameter, Parameters};

/// Where Debian's libpq looks for `pg_service.conf`.
const SYSTEM_FOLDER: &str = "/etc/postgresql-common";

/// Where service files may be that nothing names.
pub(super) struct Folders {
    pub(super) home: Option<PathBuf>,
    pub(super) system: Option<PathBuf>,
}

/// Adds what the service has and the text has not.
pub(super) fn fill(parameters: &mut Parameters, folders: &Folders) -> Result<(), SettingsError> {
    let value = |parameter| parameters.value(parameter).map(str::to_owned);
    let Some(service) = value(Parameter::Service) else { return Ok(()) };
    let named = value(Parameter::Servicefile).map(PathBuf::from);
    let is_named = named.is_some();
    let own = named.or_else(|| Some(folders.home.as_ref()?.join(".pg_service.conf")));
    let system = folders.system.clone().unwrap_or_else(|| SYSTEM_FOLDER.into());
    let system = system.join("pg_service.conf");
    let own = own.filter(|path| is_named || path.exists());
    let mut searched = Vec::new();
    for path in own.into_iter().chain(Some(system).filter(|path| path.exists())) {
        let text = file::text(&path)
            .map_err(|source| SettingsError::UnreadableService { path: path.clone(), source })?;
        if fill_from(parameters, &service, &text, &path)? {
            return Ok(());
        }
        searched.push(path);
    }
    Err(SettingsError::NoService { searched })
}

/// Adds what the service has in one file; says whether it is there.
fn fill_from(
    parameters: &mut Parameters,
    service: &str,
    text: &str,
    path: &Path,
) -> Result<bool, SettingsError> {
    let lines = text.lines().map(str::trim).enumerate();
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let mut lines = lines.skip_while(|(_, line)| !is_group(line, service));
    if lines.next().is_none() {
        return Ok(false);
    }
    for (index, line) in lines.take_while(|(_, line)| !line.starts_with('[')) {
        let wrong = |problem| SettingsError::WrongService {
            path: path.to_owned(),
            line: index + 1,
            problem,
        };
        let (key, value) = line.split_once('=').ok_or_else(|| wrong("has no = behind its key"))?;
        if matches!(key, "service" | "servicefile") {
            return Err(wrong("names a service within a service"));
        }
        if line.starts_with("ldap") {
            return Err(wrong("asks an LDAP server, which castoff does not"));
        }
        if !parameters.fill_pair(key, value) {
            return Err(wrong("has a key that castoff does not know, or not with this value"));
        }
    }
    Ok(true)
}

fn is_group(line: &str, service: &str) -> bool {
    let rest = line.strip_prefix('[').and_then(|rest| rest.strip_prefix(service));
    rest.is_some_and(|rest| rest.starts_with(']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<Option<[String; 3]>, String> {
        let mut parameters = Parameters::parse("user=given").unwrap();
        let found = fill_from(&mut parameters, "s", text, Path::new("/f"));
        let value = |parameter| parameters.value(parameter).unwrap_or_default().to_owned();
        found.map_err(|error| error.to_string()).map(|found| {
            found.then(|| [Parameter::User, Parameter::Host, Parameter::Dbname].map(value))
        })
    }

    #[test]
    fn a_services_lines_go_until_the_next_service() {
        let hosts =
            |host: &str, dbname: &str| Ok(Some(["given".into(), host.into(), dbname.into()]));
        for (text, expected) in [
            ("[s]\nhost=h\ndbname=d", hosts("h", "d")),
            ("[t]\nhost=x\n[s]\nhost=h\n[u]\nhost=y\n[s]\ndbname=d", hosts("h", "")),
            ("# c\n\n  [s]  \n  # c\n  host=h  \r\nuser=other\n", hosts("h", "")),
            ("[s]\nhost=h\nhost=i", hosts("h", "")),
            ("[s] and more\nhost=h", hosts("h", "")),
            ("[s]\nhost=a=b", hosts("a=b", "")),
            ("[s]\nhost=\ndbname=d", hosts("", "d")),
            ("[s]", hosts("", "")),
            ("[ s]\nhost=h", Ok(None)),
            ("[ss]\nhost=h", Ok(None)),
            ("", Ok(None)),
            ("[t]\nnonsense", Ok(None)),
        ] {
            assert_eq!(filled(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_wrong_line_is_told_by_its_number_and_not_by_its_text() {
        for (text, told) in [
            ("[s]\nS3ntinel", "line 2 of the service file, /f, has no = behind its key"),
            ("\n[s]\nhost = S3ntinel", "line 3 of the service file, /f, has a key that castoff"),
            ("[s]\nS3ntinel=x", "has a key that castoff does not know"),
            ("[s]\nservice=S3ntinel", "names a service within a service"),
            ("[s]\nldap://h/S3ntinel?a?b=c", "asks an LDAP server"),
        ] {
            let error = filled(text).unwrap_err();
            assert!(error.contains(told) && !error.contains("S3ntinel"), "{text:?}: {error}");
        }
    }
}
