//! libpq's connection parameters: what castoff takes, what it refuses, and whose the others are.

use super::error::DatabaseUrlError;
use super::tls::SslMode;
use crate::revision::nearest;

/// A connection parameter that castoff understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Parameter {
    Host,
    Hostaddr,
    Port,
    User,
    Password,
    Dbname,
    ConnectTimeout,
    ApplicationName,
    FallbackApplicationName,
    Options,
    Sslmode,
    Sslnegotiation,
    Sslrootcert,
    Sslcert,
    Sslkey,
    Sslpassword,
    Sslcertmode,
    Sslsni,
    SslMinProtocolVersion,
    SslMaxProtocolVersion,
    ChannelBinding,
    TargetSessionAttrs,
    Keepalives,
    KeepalivesIdle,
    KeepalivesInterval,
    KeepalivesCount,
    TcpUserTimeout,
}

/// Each parameter with libpq's key and, where libpq has one, its environment variable.
const PARAMETERS: [(Parameter, &str, Option<&str>); 27] = [
    (Parameter::Host, "host", Some("PGHOST")),
    (Parameter::Hostaddr, "hostaddr", Some("PGHOSTADDR")),
    (Parameter::Port, "port", Some("PGPORT")),
    (Parameter::User, "user", Some("PGUSER")),
    (Parameter::Password, "password", Some("PGPASSWORD")),
    (Parameter::Dbname, "dbname", Some("PGDATABASE")),
    (Parameter::ConnectTimeout, "connect_timeout", Some("PGCONNECT_TIMEOUT")),
    (Parameter::ApplicationName, "application_name", Some("PGAPPNAME")),
    (Parameter::FallbackApplicationName, "fallback_application_name", None),
    (Parameter::Options, "options", Some("PGOPTIONS")),
    (Parameter::Sslmode, "sslmode", Some("PGSSLMODE")),
    (Parameter::Sslnegotiation, "sslnegotiation", Some("PGSSLNEGOTIATION")),
    (Parameter::Sslrootcert, "sslrootcert", Some("PGSSLROOTCERT")),
    (Parameter::Sslcert, "sslcert", Some("PGSSLCERT")),
    (Parameter::Sslkey, "sslkey", Some("PGSSLKEY")),
    (Parameter::Sslpassword, "sslpassword", None),
    (Parameter::Sslcertmode, "sslcertmode", Some("PGSSLCERTMODE")),
    (Parameter::Sslsni, "sslsni", Some("PGSSLSNI")),
    (Parameter::SslMinProtocolVersion, "ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION")),
    (Parameter::SslMaxProtocolVersion, "ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION")),
    (Parameter::ChannelBinding, "channel_binding", Some("PGCHANNELBINDING")),
    (Parameter::TargetSessionAttrs, "target_session_attrs", Some("PGTARGETSESSIONATTRS")),
    (Parameter::Keepalives, "keepalives", None),
    (Parameter::KeepalivesIdle, "keepalives_idle", None),
    (Parameter::KeepalivesInterval, "keepalives_interval", None),
    (Parameter::KeepalivesCount, "keepalives_count", None),
    (Parameter::TcpUserTimeout, "tcp_user_timeout", None),
];

/// libpq's other keys, with the values under which leaving them out changes nothing.
const UNSUPPORTED: &[(&str, &[&str])] = &[
    ("client_encoding", &["utf8", "UTF8", "utf-8", "UTF-8", "auto"]),
    ("gssdelegation", &["0"]),
    ("gssencmode", &["disable", "prefer"]),
    ("gsslib", &[]),
    ("krbsrvname", &[]),
    ("load_balance_hosts", &["disable"]),
    ("max_protocol_version", &[]),
    ("min_protocol_version", &[]),
    ("passfile", &[]),
    ("replication", &["0", "false", "off", "no"]),
    ("require_auth", &[]),
    ("requirepeer", &[]),
    ("requiressl", &["0"]),
    ("service", &[]),
    ("sslcompression", &["0"]),
    ("sslcrl", &[]),
    ("sslcrldir", &[]),
    ("oauth_client_id", &[]),
    ("oauth_client_secret", &[]),
    ("oauth_issuer", &[]),
    ("scram_client_key", &[]),
    ("servicefile", &[]),
];

/// Keys that other clients put into a URL.
const FOREIGN: &[(&str, &str)] = &[
    ("schema", "Prisma"),
    ("pgbouncer", "Prisma"),
    ("connection_limit", "Prisma"),
    ("pool_timeout", "Prisma"),
    ("socket_timeout", "Prisma"),
    ("statement_cache_size", "Prisma"),
    ("sslidentity", "Prisma"),
    ("sslaccept", "Prisma"),
    ("currentSchema", "JDBC"),
    ("ApplicationName", "JDBC"),
    ("loginTimeout", "JDBC"),
    ("connectTimeout", "JDBC"),
    ("socketTimeout", "JDBC"),
    ("tcpKeepAlive", "JDBC"),
    ("targetServerType", "JDBC"),
    ("prepareThreshold", "JDBC"),
    ("reWriteBatchedInserts", "JDBC"),
    ("stringtype", "JDBC"),
    ("charset", "SQLAlchemy's drivers"),
    ("async_fallback", "SQLAlchemy's drivers"),
    ("command_timeout", "asyncpg"),
    ("prepared_statement_cache_size", "asyncpg"),
    ("prepared_statement_name_func", "asyncpg"),
    ("server_settings", "asyncpg"),
    ("timeout", "asyncpg"),
    ("pool", "Rails"),
    ("encoding", "Rails"),
    ("search_path", "pgx and lib/pq"),
    ("pool_max_conns", "pgx"),
    ("default_query_exec_mode", "pgx"),
    ("statement-cache-capacity", "sqlx"),
    ("x-migrations-table", "golang-migrate"),
];

/// What a key means to castoff.
pub(super) enum Meaning {
    /// A parameter that castoff takes.
    Taken(Parameter),
    /// A parameter of libpq that has, with this value, no effect.
    Harmless,
}

/// The `sslmode` that a URL's `ssl=…` stands for: `true` as in JDBC, which libpq reads too, or the
/// mode itself as in asyncpg.
pub(super) fn sslmode_of_ssl(value: &str) -> Option<&'static str> {
    let value = if value == "true" { "require" } else { value };
    SslMode::named(value)
}

/// Finds out what `key` with `value` means.
///
/// `nth` counts the parameters from 1. Only if `nameable` may an error repeat an unknown key: it
/// may be a piece of a password.
pub(super) fn meaning(
    key: &str,
    value: &str,
    nth: usize,
    nameable: bool,
) -> Result<Meaning, DatabaseUrlError> {
    if let Some((parameter, ..)) = PARAMETERS.iter().find(|(_, name, _)| *name == key) {
        return Ok(Meaning::Taken(*parameter));
    }
    if let Some((key, harmless)) = UNSUPPORTED.iter().find(|(name, _)| *name == key) {
        return if value.is_empty() || harmless.contains(&value) {
            Ok(Meaning::Harmless)
        } else {
            Err(DatabaseUrlError::Unsupported { key })
        };
    }
    if let Some((key, owner)) = FOREIGN.iter().find(|(name, _)| *name == key) {
        return Err(DatabaseUrlError::ForeignParameter { key, owner });
    }
    let shown = nameable && looks_like_a_key(key);
    let names = PARAMETERS.map(|(_, name, _)| name);
    Err(DatabaseUrlError::UnknownParameter {
        key: shown.then(|| key.to_owned()),
        nth,
        nearest: shown.then(|| nearest(key, names).first().copied()).flatten(),
    })
}

fn looks_like_a_key(key: &str) -> bool {
    key.len() <= 40
        && key.starts_with(|first: char| first.is_ascii_alphabetic())
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

impl Parameter {
    /// Every parameter.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        PARAMETERS.iter().map(|(parameter, ..)| *parameter)
    }

    /// libpq's key.
    pub(crate) fn key(self) -> &'static str {
        PARAMETERS[self as usize].1
    }

    /// The environment variable that libpq reads where the URL says nothing.
    pub(crate) fn variable(self) -> Option<&'static str> {
        PARAMETERS[self as usize].2
    }

    /// Whether its value may be shown to nobody.
    ///
    /// `options` can set any parameter of the server, and some applications keep keys there.
    pub(crate) fn is_secret(self) -> bool {
        matches!(self, Self::Password | Self::Options | Self::Sslpassword)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (index, (parameter, key, _)) in PARAMETERS.iter().enumerate() {
            assert_eq!(*parameter as usize, index, "{key}");
            assert_eq!(parameter.key(), *key);
        }
    }

    #[test]
    fn no_key_has_two_meanings() {
        let mut keys: Vec<&str> = PARAMETERS.iter().map(|(_, key, _)| *key).collect();
        keys.extend(UNSUPPORTED.iter().map(|(key, _)| *key));
        keys.extend(FOREIGN.iter().map(|(key, _)| *key));
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
