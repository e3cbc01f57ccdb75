//! libpq's connection parameters: what castoff takes, what it refuses, and whose the others are.

use std::borrow::Cow;

use super::dialect::foreign;
use super::error::DatabaseUrlError;
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
    LoadBalanceHosts,
    RequireAuth,
    Requirepeer,
    Passfile,
    Service,
    Servicefile,
}

/// Each parameter with libpq's key and, where libpq has one, its environment variable.
const PARAMETERS: [(Parameter, &str, Option<&str>); 33] = [
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
    (Parameter::LoadBalanceHosts, "load_balance_hosts", Some("PGLOADBALANCEHOSTS")),
    (Parameter::RequireAuth, "require_auth", Some("PGREQUIREAUTH")),
    (Parameter::Requirepeer, "requirepeer", Some("PGREQUIREPEER")),
    (Parameter::Passfile, "passfile", Some("PGPASSFILE")),
    (Parameter::Service, "service", Some("PGSERVICE")),
    (Parameter::Servicefile, "servicefile", Some("PGSERVICEFILE")),
];

/// libpq's keys that mean nothing to castoff, whatever their value: it speaks UTF-8 with every server,
/// and no GSSAPI.
const MEANINGLESS: [&str; 5] =
    ["client_encoding", "gssdelegation", "gsslib", "krbsrvname", "sslcompression"];

/// libpq's other keys, with the values under which leaving them out changes nothing.
const UNSUPPORTED: &[(&str, &[&str])] = &[
    ("gssencmode", &["disable", "prefer"]),
    ("max_protocol_version", &["3.0", "3.2", "latest"]),
    ("min_protocol_version", &["3.0"]),
    ("oauth_client_id", &[]),
    ("oauth_client_secret", &[]),
    ("oauth_issuer", &[]),
    ("oauth_scope", &[]),
    ("replication", &["0", "false", "off", "no"]),
    ("requiressl", &["0"]),
    ("scram_client_key", &[]),
    ("scram_server_key", &[]),
    ("sslcrl", &[]),
    ("sslcrldir", &[]),
    ("sslkeylogfile", &[]),
];

/// What a key means to castoff.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A parameter that castoff takes.
    Taken(Parameter),
    /// The same, by another client's name or with another client's value.
    Translated(Parameter, Cow<'static, str>),
    /// A setting of the server for the session, and its value.
    Setting(String, String),
    /// A parameter that has, with this value, no effect.
    Harmless,
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
    if (key, value) == ("sslmode", "no-verify") {
        // node-postgres' word for it.
        return Ok(Meaning::Translated(Parameter::Sslmode, "require".into()));
    }
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
    if MEANINGLESS.contains(&key) {
        return Ok(Meaning::Harmless);
    }
    if let Some(meaning) = foreign(key, value)? {
        return Ok(meaning);
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
        keys.extend(MEANINGLESS);
        keys.extend(super::super::dialect::keys());
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
