//! The two ways in which libpq writes down a database: a URL, and `key=value` pairs.
//!
//! Follows `conninfo_uri_parse_options` and `conninfo_parse` of libpq's `fe-connect.c`. It is
//! stricter where libpq would take a piece of a password for something else: a raw `@` behind the
//! host is refused, and no error repeats a piece of the text that may belong to a password.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Password;
use super::dialect::{Dialect, sslmode_of_ssl};
use super::error::DatabaseUrlError;
use super::parameter::{Meaning, Parameter, meaning};
use crate::revision::nearest;

/// How the URLs of other products begin; without a colon, every scheme that begins so is meant.
const FOREIGN_SCHEMES: [&str; 16] = [
    "cockroachdb://",
    "file:",
    "http://",
    "https://",
    "mariadb",
    "mongodb",
    "mssql",
    "mysql",
    "oracle",
    "prisma",
    "redis",
    "redshift",
    "socket:",
    "sqlite",
    "sqlserver",
    "timescaledb",
];

/// The names that PostgreSQL has in URLs: libpq's two, and those of Django's and PHP's worlds.
const SCHEMES: [&str; 5] = ["postgresql", "postgres", "postgis", "pgsql", "psql"];

/// Parameters as they were written, before anything looks at their values.
///
/// An empty value is a value: as in libpq it hides the environment's.
#[derive(Default)]
pub(crate) struct Parameters {
    values: BTreeMap<Parameter, Given>,
    /// The password as it stood in the text, if that differs from what it means.
    password_as_written: Option<Password>,
    /// Settings of the server that other clients have keys for.
    settings: Vec<(String, String)>,
}

struct Given {
    value: String,
    /// The environment variable that it came from.
    variable: Option<&'static str>,
}

impl Parameters {
    /// Parses a URL or a string of `key=value` pairs.
    pub(crate) fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        if text.contains('\0') {
            return Err(DatabaseUrlError::NulByte);
        }
        let text = text.trim_start();
        if text.starts_with(['"', '\'', '`']) {
            return Err(DatabaseUrlError::Quoted);
        }
        let (dialect, text) =
            match ["jdbc:", "r2dbc:"].iter().find(|start| begins_with(text, start)) {
                Some(start) => (Dialect::Jdbc, &text[start.len()..]),
                None => (Dialect::Libpq, text),
            };
        if let Some(scheme) = FOREIGN_SCHEMES.into_iter().find(|scheme| begins_with(text, scheme)) {
            return Err(DatabaseUrlError::ForeignScheme { scheme: scheme_name(scheme) });
        }
        match (dialect, text.split_once("://")) {
            (_, Some((scheme, rest))) if is_scheme(scheme) => {
                let (product, dialect) = match scheme.split_once('+') {
                    Some((product, _)) => (product, Dialect::Driver),
                    None => (scheme, dialect),
                };
                if !SCHEMES.contains(&product) {
                    return Err(DatabaseUrlError::UnknownScheme);
                }
                parse_url(rest.trim_end(), dialect)
            }
            (Dialect::Jdbc, _) => match text.strip_prefix("postgresql:") {
                Some(database) => {
                    let database = database.trim_start_matches('/').trim_end();
                    parse_url(&format!("/{database}"), dialect)
                }
                None => Err(DatabaseUrlError::ForeignScheme { scheme: "jdbc" }),
            },
            _ if text.starts_with('/') => parse_path(text.trim_end()),
            _ => parse_pairs(text),
        }
    }

    /// Adds a value that an environment variable holds, unless the text has one.
    pub(crate) fn fill(&mut self, parameter: Parameter, value: String) {
        let variable = parameter.variable();
        self.values.entry(parameter).or_insert(Given { value, variable });
    }

    /// Adds a pair of a service file, unless the text has the parameter; says whether it is one.
    pub(crate) fn fill_pair(&mut self, key: &str, value: &str) -> bool {
        match meaning(key, value, 0, false) {
            Ok(Meaning::Taken(parameter)) => {
                let given = Given { value: value.to_owned(), variable: None };
                self.values.entry(parameter).or_insert(given);
                true
            }
            Ok(Meaning::Harmless) => true,
            Ok(Meaning::Translated(..) | Meaning::Setting(..)) | Err(_) => false,
        }
    }

    /// Whether the parameter is given, if only as an empty value.
    pub(crate) fn has(&self, parameter: Parameter) -> bool {
        self.values.contains_key(&parameter)
    }

    /// The value of a parameter, unless it is empty.
    pub(crate) fn value(&self, parameter: Parameter) -> Option<&str> {
        self.values.get(&parameter).map(|given| given.value.as_str()).filter(|v| !v.is_empty())
    }

    /// What to call a parameter in a message: its variable if it came from one, else its key.
    pub(super) fn name(&self, parameter: Parameter) -> &'static str {
        self.values
            .get(&parameter)
            .and_then(|given| given.variable)
            .unwrap_or_else(|| parameter.key())
    }

    pub(super) fn password_as_written(&self) -> Option<&Password> {
        self.password_as_written.as_ref()
    }

    /// Settings of the server that are given by keys of other clients, as `options` has them.
    pub(super) fn settings(&self) -> impl Iterator<Item = String> {
        self.settings.iter().map(|(name, value)| {
            let value = value.replace('\\', "\\\\").replace(' ', "\\ ");
            format!("-c {name}={value}")
        })
    }

    fn set(&mut self, parameter: Parameter, value: Cow<'_, str>, written: &str) {
        if parameter == Parameter::Password {
            self.password_as_written = Some(Password::new(written));
        }
        self.values.insert(parameter, Given { value: value.into_owned(), variable: None });
    }
}

/// Whether the text is a URL that begins so, in any case.
fn begins_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
        && (start.ends_with(':') || text.contains("://"))
        && text.find(':').is_some_and(|colon| is_scheme(&text[..colon]))
}

fn scheme_name(start: &'static str) -> &'static str {
    start.trim_end_matches("://").trim_end_matches(':')
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_'))
}

/// Parses what follows `postgresql://`.
fn parse_url(rest: &str, dialect: Dialect) -> Result<Parameters, DatabaseUrlError> {
    let mut parameters = Parameters::default();
    let rest = match rest.find(['@', '/']) {
        Some(at) if rest[at..].starts_with('@') => {
            set_credentials(&mut parameters, &rest[..at])?;
            &rest[at + 1..]
        }
        _ => rest,
    };
    let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(authority_end);
    let (path, query) = match rest.split_once('?') {
        Some((path, query)) => (path, query),
        None => (rest, ""),
    };
    if authority.contains('@') || path.contains('@') {
        return Err(DatabaseUrlError::UnencodedPassword);
    }
    set_servers(&mut parameters, authority, !query.contains('@'))?;
    if let Some(dbname) = path.strip_prefix('/').filter(|dbname| !dbname.is_empty()) {
        parameters.set(Parameter::Dbname, decode(dbname, "database name")?, dbname);
    }
    set_query(&mut parameters, query, dialect)?;
    let addressed = [Parameter::Host, Parameter::Hostaddr, Parameter::Service];
    if dialect == Dialect::Jdbc && !addressed.iter().any(|parameter| parameters.has(*parameter)) {
        parameters.set(Parameter::Host, "localhost".into(), "localhost");
    }
    Ok(parameters)
}

/// Parses `/directory/of/a/socket`, and the database behind a space as node-postgres writes it.
fn parse_path(text: &str) -> Result<Parameters, DatabaseUrlError> {
    let (path, dbname) = text.split_once(' ').unwrap_or((text, ""));
    if path.starts_with("//") || path.contains(['@', '?']) || dbname.contains([' ', '=']) {
        return Err(DatabaseUrlError::NotAUrl);
    }
    let mut parameters = Parameters::default();
    let (directory, port) = path.rsplit_once("/.s.PGSQL.").unwrap_or((path, ""));
    parameters.set(Parameter::Host, directory.into(), directory);
    for (parameter, value) in [(Parameter::Port, port), (Parameter::Dbname, dbname)] {
        if !value.is_empty() {
            parameters.set(parameter, value.into(), value);
        }
    }
    Ok(parameters)
}

fn set_credentials(parameters: &mut Parameters, text: &str) -> Result<(), DatabaseUrlError> {
    let (user, password) = match text.split_once(':') {
        Some((user, password)) => (user, password),
        None => (text, ""),
    };
    if !user.is_empty() {
        let decoded = decode(user, "user")?;
        if password.is_empty() && decoded.contains(':') {
            return Err(DatabaseUrlError::EncodedColon);
        }
        parameters.set(Parameter::User, decoded, user);
    }
    if !password.is_empty() {
        parameters.set(Parameter::Password, decode(password, "password")?, password);
    }
    Ok(())
}

/// Sets host and port from `host:port,host:port`.
///
/// `trusted` says that what looks like a port can't be a piece of a password.
fn set_servers(
    parameters: &mut Parameters,
    authority: &str,
    trusted: bool,
) -> Result<(), DatabaseUrlError> {
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    let mut rest = authority;
    loop {
        let host = if let Some(inside) = rest.strip_prefix('[') {
            let end = inside.find(']').filter(|end| *end > 0).ok_or(DatabaseUrlError::Bracket)?;
            rest = &inside[end + 1..];
            if !rest.is_empty() && !rest.starts_with([':', ',']) {
                return Err(DatabaseUrlError::Bracket);
            }
            &inside[..end]
        } else {
            let end = rest.find([':', ',']).unwrap_or(rest.len());
            let host = &rest[..end];
            rest = &rest[end..];
            host
        };
        let end = rest.find(',').unwrap_or(rest.len());
        let port = rest[..end].strip_prefix(':').unwrap_or_default();
        if !trusted && !port.bytes().all(|b| b.is_ascii_digit()) {
            return Err(DatabaseUrlError::UnencodedPassword);
        }
        hosts.push(host);
        ports.push(port);
        match rest[end..].strip_prefix(',') {
            Some(next) => rest = next,
            None => break,
        }
    }
    let (hosts, ports) = (hosts.join(","), ports.join(","));
    if !hosts.is_empty() {
        parameters.set(Parameter::Host, decode(&hosts, "host")?, &hosts);
    }
    if !ports.is_empty() {
        parameters.set(Parameter::Port, decode(&ports, "port")?, &ports);
    }
    Ok(())
}

fn set_query(
    parameters: &mut Parameters,
    query: &str,
    dialect: Dialect,
) -> Result<(), DatabaseUrlError> {
    // A raw @ this late may end a password that had a raw @ and a ? in it.
    let doubtful = query.contains('@');
    let doubt = |error| if doubtful { DatabaseUrlError::UnencodedPassword } else { error };
    let mut password_seen = false;
    let mut servers = Vec::new();
    let mut translated = Vec::new();
    for (index, pair) in query.strip_suffix('&').unwrap_or(query).split('&').enumerate() {
        let nth = index + 1;
        if query.is_empty() {
            break;
        }
        let Some((key, written)) = pair.split_once('=') else {
            return Err(doubt(DatabaseUrlError::MissingEquals { nth }));
        };
        if written.contains('=') {
            return Err(doubt(DatabaseUrlError::ExtraEquals { nth }));
        }
        let key = decode(key, "key of a parameter")?;
        let spaced = match dialect {
            Dialect::Jdbc => Cow::Owned(written.replace('+', "%20")),
            Dialect::Libpq | Dialect::Driver => Cow::Borrowed(written),
        };
        let value = decode(&spaced, "value of a parameter")?;
        if key == "ssl" {
            let mode = sslmode_of_ssl(&value, dialect).ok_or(DatabaseUrlError::InvalidValue {
                name: "ssl",
                expected: "true or an sslmode",
            })?;
            parameters.set(Parameter::Sslmode, mode.into(), mode);
            continue;
        }
        if dialect == Dialect::Driver && key == "host" && value.contains(':') {
            servers.push(value.into_owned());
            continue;
        }
        match meaning(&key, &value, nth, !password_seen) {
            Ok(Meaning::Taken(parameter)) => {
                password_seen |= parameter == Parameter::Password;
                parameters.set(parameter, value, written);
            }
            Ok(Meaning::Translated(parameter, value)) => translated.push((parameter, value)),
            Ok(Meaning::Setting(name, value)) => parameters.settings.push((name, value)),
            Ok(Meaning::Harmless) => {}
            Err(error @ DatabaseUrlError::UnknownParameter { .. }) => return Err(doubt(error)),
            Err(error) => return Err(error),
        }
    }
    // Prisma's sslaccept says more of the same than its sslmode, wherever that stands.
    for (parameter, value) in translated {
        parameters.set(parameter, value, "");
    }
    if servers.is_empty() { Ok(()) } else { set_servers(parameters, &servers.join(","), true) }
}

/// Parses `key=value` pairs; the last of several values of one key counts.
fn parse_pairs(text: &str) -> Result<Parameters, DatabaseUrlError> {
    let mut parameters = Parameters::default();
    // Until a key has been recognised, the whole text may be a password that is in the wrong place.
    let mut nameable = looks_like_pairs(text);
    if !nameable && !text.contains('=') {
        return Err(DatabaseUrlError::NotAUrl);
    }
    if is_dot_net(text) {
        return Err(DatabaseUrlError::DotNet);
    }
    let mut rest = text.trim_start_matches(is_space);
    let mut nth = 0;
    while !rest.is_empty() {
        nth += 1;
        let end = rest.find(|c| c == '=' || is_space(c)).unwrap_or(rest.len());
        let key = &rest[..end];
        let Some(after) = rest[end..].trim_start_matches(is_space).strip_prefix('=') else {
            return Err(DatabaseUrlError::MissingEquals { nth });
        };
        let start = after.trim_start_matches(is_space);
        let (value, length) = match start.strip_prefix('\'') {
            Some(inside) => {
                let (value, length) = unescape(inside, |c| c == '\'');
                if length == inside.len() {
                    return Err(DatabaseUrlError::UnterminatedQuote);
                }
                (value, length + 2)
            }
            None => unescape(start, is_space),
        };
        match meaning(key, &value, nth, nameable)? {
            Meaning::Taken(parameter) => {
                if parameter == Parameter::Password {
                    nameable = false;
                }
                parameters.set(parameter, value.into(), start[..length].trim_matches('\''));
            }
            Meaning::Translated(parameter, value) => parameters.set(parameter, value, ""),
            Meaning::Setting(name, value) => parameters.settings.push((name, value)),
            Meaning::Harmless => {}
        }
        rest = start[length..].trim_start_matches(is_space);
    }
    Ok(parameters)
}

/// Whether the text begins with a key that castoff takes, or one that is misspelt.
fn looks_like_pairs(text: &str) -> bool {
    let key = text.split(|c| c == '=' || is_space(c)).next().unwrap_or_default();
    text.contains('=') && !nearest(key, Parameter::all().map(Parameter::key)).is_empty()
}

/// Whether the text is `Host=…;Username=…`, as Npgsql reads it.
fn is_dot_net(text: &str) -> bool {
    let keys = ["host", "server", "username", "user id", "database", "port", "data source"];
    let key = text.split('=').next().unwrap_or_default().trim();
    text.contains(';') && keys.iter().any(|known| known.eq_ignore_ascii_case(key))
}

/// Reads a value up to the first unescaped character that ends it; says how long it was.
fn unescape(text: &str, ends: impl Fn(char) -> bool) -> (String, usize) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        if ends(c) {
            return (value, at);
        }
        if c == '\\' {
            value.extend(characters.next().map(|(_, escaped)| escaped));
        } else {
            value.push(c);
        }
    }
    (value, text.len())
}

/// C's `isspace` in the C locale.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}

/// Replaces percent-encoded characters; `part` names the text in errors.
fn decode<'a>(text: &'a str, part: &'static str) -> Result<Cow<'a, str>, DatabaseUrlError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
        match (digit(bytes.next()), digit(bytes.next())) {
            (Some(high), Some(low)) if high + low > 0 => {
                decoded.extend(u8::try_from(high * 16 + low));
            }
            _ => return Err(DatabaseUrlError::PercentEncoding { part }),
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| DatabaseUrlError::NotUtf8 { part })
}
