//! Why TLS could not be had, in words that say what to do.

use std::path::PathBuf;
use std::{fmt, io};

use rustls::{AlertDescription, CertificateError};

/// Why there is no TLS connection.
#[derive(Debug)]
pub(crate) enum TlsError {
    /// The server answered that it speaks no TLS.
    NotOffered,
    /// What answered is no PostgreSQL server, or one that cannot start a session now.
    NotAnAnswer,
    /// The server did not choose PostgreSQL's protocol, which direct TLS demands.
    NotPostgres,
    /// The handshake failed.
    Handshake(io::Error),
    /// A file cannot be used.
    File {
        /// What it is for.
        purpose: &'static str,
        path: PathBuf,
        problem: String,
    },
    /// The key of the client is not that of its certificate.
    NotAPair { certificate: PathBuf, key: PathBuf },
    /// The key of the client is of no kind that castoff can sign with.
    UnusableKey { path: PathBuf, error: rustls::Error },
    /// What is asked for cannot be configured.
    Configuration(rustls::Error),
}

/// What is wrong with the server's certificate, where rustls has no word for it.
#[derive(Debug)]
pub(super) enum Untrusted {
    /// It is none that can be read.
    Unreadable,
    /// It has expired, or what it is signed by has.
    Expired,
    NotYetValid,
    /// Nobody who is trusted has signed it.
    UnknownIssuer {
        roots: String,
        is_self_signed: bool,
    },
    /// It is another server's.
    AnotherName {
        host: String,
        named: String,
    },
}

impl TlsError {
    /// What the operating system said, if the connection was cut off: the next one may not be.
    pub(crate) fn io_kind(&self) -> Option<io::ErrorKind> {
        match self {
            Self::Handshake(error) if cause(error).is_none() => Some(error.kind()),
            Self::Handshake(error) => cause(error).and_then(passing_alert),
            // A server that has no process to spare for this connection says so in another way.
            Self::NotAnAnswer => Some(io::ErrorKind::InvalidData),
            Self::NotOffered
            | Self::NotPostgres
            | Self::File { .. }
            | Self::NotAPair { .. }
            | Self::UnusableKey { .. }
            | Self::Configuration(_) => None,
        }
    }

    /// Whether it is the server, or the way to it, and not what castoff was given.
    pub(crate) fn is_about_the_server(&self) -> bool {
        match self {
            Self::NotOffered | Self::NotAnAnswer | Self::NotPostgres | Self::Handshake(_) => true,
            Self::File { .. }
            | Self::NotAPair { .. }
            | Self::UnusableKey { .. }
            | Self::Configuration(_) => false,
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotOffered => Some(
                "turn on ssl in the server's configuration; or, where the network is trusted, set \
                 sslmode=disable"
                    .to_owned(),
            ),
            Self::NotPostgres => {
                Some("direct TLS takes PostgreSQL 17; leave out sslnegotiation=direct".to_owned())
            }
            Self::Handshake(error) => cause(error).and_then(hint),
            Self::NotAnAnswer
            | Self::File { .. }
            | Self::NotAPair { .. }
            | Self::UnusableKey { .. }
            | Self::Configuration(_) => None,
        }
    }
}

/// The TLS error in an error of the connection.
pub(crate) fn cause(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// An alert that is about the moment and not about what the two sides are.
fn passing_alert(error: &rustls::Error) -> Option<io::ErrorKind> {
    use AlertDescription::{CloseNotify, InternalError, UserCanceled};
    let passes = alert(error)
        .is_some_and(|alert| matches!(alert, CloseNotify | InternalError | UserCanceled));
    passes.then_some(io::ErrorKind::ConnectionAborted)
}

/// What to do about an error of TLS, if that is known.
pub(crate) fn hint(error: &rustls::Error) -> Option<String> {
    use AlertDescription::{
        BadCertificate, CertificateExpired, CertificateRequired, HandshakeFailure, ProtocolVersion,
        UnknownCA,
    };
    if let Some(untrusted) = untrusted(error) {
        return untrusted.hint();
    }
    let alert = alert(error)?;
    if matches!(alert, CertificateRequired | BadCertificate | CertificateExpired | UnknownCA) {
        let advice = "name a client certificate that the server accepts in sslcert, and its key \
                      in sslkey";
        return Some(advice.to_owned());
    }
    if alert == HandshakeFailure {
        let advice = "castoff speaks TLS 1.3, and 1.2 with ECDHE, with servers whose key is of RSA \
                      with 2048 bits or more, P-256, P-384 or Ed25519; look at the server's key and \
                      at its ssl_ciphers";
        return Some(advice.to_owned());
    }
    let advice = "castoff speaks TLS 1.2 and 1.3; look at ssl_min_protocol_version and \
                  ssl_max_protocol_version here and on the server";
    (alert == ProtocolVersion).then(|| advice.to_owned())
}

/// An error of TLS in words; rustls' own are names of its types.
pub(crate) fn explain(error: &rustls::Error) -> String {
    if let Some(untrusted) = untrusted(error) {
        untrusted.to_string()
    } else if let Some(alert) = alert(error) {
        format!("the server ended TLS with the alert {alert:?}")
    } else if *error == rustls::Error::InvalidCertificate(CertificateError::InvalidPurpose) {
        "the server's certificate is not one for a server (extendedKeyUsage)".to_owned()
    } else if matches!(error, rustls::Error::InvalidMessage(_)) {
        "what the server sent is not TLS".to_owned()
    } else {
        error.to_string()
    }
}

fn alert(error: &rustls::Error) -> Option<AlertDescription> {
    if let rustls::Error::AlertReceived(alert) = error { Some(*alert) } else { None }
}

fn untrusted(error: &rustls::Error) -> Option<&Untrusted> {
    if let rustls::Error::InvalidCertificate(CertificateError::Other(other)) = error {
        other.0.downcast_ref()
    } else {
        None
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOffered => f.write_str("the server does not speak TLS, which sslmode demands"),
            Self::NotAnAnswer => {
                f.write_str("the server's answer to the request for TLS is neither yes nor no")
            }
            Self::NotPostgres => f.write_str(
                "the server did not choose the protocol postgresql, which direct TLS demands",
            ),
            Self::Handshake(error) => match cause(error) {
                Some(error) => f.write_str(&explain(error)),
                None => write!(f, "the TLS handshake was cut off: {error}"),
            },
            Self::File { purpose, path, problem } => {
                write!(f, "the file of {purpose}, {}, {problem}", path.display())
            }
            Self::NotAPair { certificate, key } => write!(
                f,
                "{} and {} do not make a pair: the key is not the certificate's",
                certificate.display(),
                key.display()
            ),
            Self::UnusableKey { path, error } => {
                write!(f, "the file of sslkey, {}, cannot be used: {error}", path.display())
            }
            Self::Configuration(error) => write!(f, "TLS cannot be set up: {error}"),
        }
    }
}

impl std::error::Error for TlsError {}

impl Untrusted {
    fn hint(&self) -> Option<String> {
        let advice = match self {
            Self::UnknownIssuer { is_self_signed: true, .. } => {
                "if this is the right server, name a file with this very certificate in sslrootcert"
            }
            Self::UnknownIssuer { is_self_signed: false, .. } => {
                "name the file of the root CA's certificate in sslrootcert, and let the server \
                 send the certificates between them"
            }
            Self::AnotherName { .. } => {
                "connect by a name of the certificate (host is the name and hostaddr the address); \
                 sslmode=verify-ca does not look at the name"
            }
            Self::Expired | Self::NotYetValid => {
                "renew the certificate, or correct the clock if it is wrong"
            }
            Self::Unreadable => return None,
        };
        Some(advice.to_owned())
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable => f.write_str("the server's certificate cannot be read"),
            Self::Expired => {
                f.write_str("the server's certificate, or one that it is signed by, has expired")
            }
            Self::NotYetValid => f.write_str(
                "the server's certificate, or one that it is signed by, is not valid yet",
            ),
            Self::UnknownIssuer { roots, is_self_signed: true } => {
                write!(f, "the server's certificate is self-signed and not in {roots}")
            }
            Self::UnknownIssuer { roots, is_self_signed: false } => {
                write!(f, "the server's certificate does not lead to a root certificate in {roots}")
            }
            Self::AnotherName { host, named } => {
                write!(f, "the server's certificate is for {named}, not for {host}")
            }
        }
    }
}

impl std::error::Error for Untrusted {}
