//! What the `ssl…` parameters ask for, as libpq means them.

use std::path::PathBuf;

use super::Password;
use super::error::DatabaseUrlError;
use super::grammar::Parameters;
use super::parameter::Parameter;

/// libpq's `sslmode`, from the weakest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SslMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// How TLS begins: libpq's `sslnegotiation`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Negotiation {
    /// The server is asked whether it speaks TLS.
    Asked,
    /// The handshake is the first thing that is sent, which PostgreSQL 17 understands.
    Direct,
}

/// Who may have signed the server's certificate: libpq's `sslrootcert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Roots {
    /// Nothing was said.
    Unset,
    /// Those whom the system trusts.
    System,
    /// The certificates of a file.
    File(PathBuf),
}

/// Whether the password exchange must be bound to the TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// The files of a client certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// libpq's `sslpassword`, for a key that is encrypted.
    pub(crate) key_password: Option<Password>,
}

/// Everything about TLS that can be said of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsParameters {
    pub(crate) mode: SslMode,
    pub(crate) negotiation: Negotiation,
    pub(crate) roots: Roots,
    pub(crate) client: Option<ClientFiles>,
    /// Whether TLS 1.2 and TLS 1.3 may be spoken.
    pub(crate) versions: [bool; 2],
    /// Whether the server is told by which name it is called.
    pub(crate) names_server: bool,
    pub(crate) channel_binding: ChannelBinding,
}

/// Values by which a parameter is written, and what they mean.
type Choices<T> = [(&'static str, T)];

const MODES: [(&str, SslMode); 6] = [
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];

/// TLS versions by libpq's names, in order; castoff speaks the last two.
const VERSIONS: [(&str, u8); 4] = [("TLSv1", 0), ("TLSv1.1", 1), ("TLSv1.2", 2), ("TLSv1.3", 3)];

impl TlsParameters {
    pub(super) fn new(parameters: &Parameters) -> Result<Self, DatabaseUrlError> {
        let path = |parameter| parameters.value(parameter).map(PathBuf::from);
        let roots = match parameters.value(Parameter::Sslrootcert) {
            None => Roots::Unset,
            Some("system") => Roots::System,
            Some(file) => Roots::File(file.into()),
        };
        let weakest = if roots == Roots::System { SslMode::VerifyFull } else { SslMode::Prefer };
        let mode = choice(
            parameters,
            Parameter::Sslmode,
            &MODES,
            "disable, allow, prefer, require, verify-ca or verify-full",
        )?
        .unwrap_or(weakest);
        if roots == Roots::System && mode != SslMode::VerifyFull {
            return Err(weak(mode, "sslrootcert=system", "verify-full"));
        }
        let negotiation = choice(
            parameters,
            Parameter::Sslnegotiation,
            &[("postgres", Negotiation::Asked), ("direct", Negotiation::Direct)],
            "postgres or direct",
        )?
        .unwrap_or(Negotiation::Asked);
        if negotiation == Negotiation::Direct && mode < SslMode::Require {
            return Err(weak(mode, "sslnegotiation=direct", "require, verify-ca or verify-full"));
        }
        let sends = choice(
            parameters,
            Parameter::Sslcertmode,
            &[("disable", false), ("allow", true)],
            "disable or allow",
        )?;
        let client = match (path(Parameter::Sslcert), path(Parameter::Sslkey)) {
            (Some(_), None) if sends != Some(false) && mode != SslMode::Disable => {
                return Err(DatabaseUrlError::NoKey);
            }
            (Some(certificate), Some(key)) if sends != Some(false) => {
                let key_password = parameters.value(Parameter::Sslpassword).map(Password::new);
                Some(ClientFiles { certificate, key, key_password })
            }
            (Some(_) | None, Some(_) | None) => None,
        };
        Ok(Self {
            mode,
            negotiation,
            roots,
            client,
            versions: versions(parameters)?,
            names_server: parameters.value(Parameter::Sslsni) != Some("0"),
            channel_binding: choice(
                parameters,
                Parameter::ChannelBinding,
                &[
                    ("disable", ChannelBinding::Disable),
                    ("prefer", ChannelBinding::Prefer),
                    ("require", ChannelBinding::Require),
                ],
                "disable, prefer or require",
            )?
            .unwrap_or(ChannelBinding::Prefer),
        })
    }

    /// Checks what matters only for a server that is reached over TCP, by this name if it has one.
    pub(super) fn check(&self, host: Option<&str>) -> Result<(), DatabaseUrlError> {
        match (self.mode, &self.roots) {
            (SslMode::VerifyCa, Roots::Unset) => Err(DatabaseUrlError::NoRoots),
            (SslMode::VerifyFull, _) if host.is_none() => Err(DatabaseUrlError::NoNameToVerify),
            _ => Ok(()),
        }
    }
}

impl SslMode {
    pub(crate) fn name(self) -> &'static str {
        MODES[self as usize].0
    }

    pub(super) fn named(text: &str) -> Option<&'static str> {
        MODES.into_iter().map(|(name, _)| name).find(|name| *name == text)
    }
}

fn weak(mode: SslMode, with: &'static str, expected: &'static str) -> DatabaseUrlError {
    DatabaseUrlError::WeakSslmode { mode: mode.name(), with, expected }
}

fn choice<T: Copy>(
    parameters: &Parameters,
    parameter: Parameter,
    choices: &Choices<T>,
    expected: &'static str,
) -> Result<Option<T>, DatabaseUrlError> {
    let Some(value) = parameters.value(parameter) else { return Ok(None) };
    let chosen = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(value));
    let name = parameters.name(parameter);
    chosen.map(|(_, choice)| Some(*choice)).ok_or(DatabaseUrlError::InvalidValue { name, expected })
}

/// Which of TLS 1.2 and 1.3 lie between the two versions that may be given.
fn versions(parameters: &Parameters) -> Result<[bool; 2], DatabaseUrlError> {
    let version =
        |parameter| choice(parameters, parameter, &VERSIONS, "TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3");
    let oldest = version(Parameter::SslMinProtocolVersion)?.unwrap_or(2);
    let newest = version(Parameter::SslMaxProtocolVersion)?.unwrap_or(3);
    let versions = [2, 3].map(|version| (oldest..=newest).contains(&version));
    if versions.contains(&true) { Ok(versions) } else { Err(DatabaseUrlError::NoTlsVersion) }
}
