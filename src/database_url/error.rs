//! Why a database URL is refused.

use std::fmt;

/// Why the words that name a database were refused.
///
/// No variant can hold a value of the URL: only names that castoff itself knows, places, counts,
/// and an unknown key where it can't be a piece of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrlError {
    /// Neither a `postgresql://` URL nor a `key=value` string.
    NotAUrl,
    /// Quotes are around it, which somebody was to take away.
    Quoted,
    /// A URL of another product or dialect.
    ForeignScheme {
        /// How URLs of that kind begin.
        scheme: &'static str,
    },
    /// A URL with a scheme that nobody is known to use for a database.
    UnknownScheme,
    /// An `@` stands where none can be, most likely because the password has one.
    UnencodedPassword,
    /// A `%` that no two hexadecimal digits follow, or `%00`.
    PercentEncoding {
        /// The part of the URL it stands in.
        part: &'static str,
    },
    /// Percent-encoded bytes that are not UTF-8.
    NotUtf8 {
        /// The part of the URL they stand in.
        part: &'static str,
    },
    /// A `[` without its `]`, with nothing in between, or with something behind it.
    Bracket,
    /// A `:` between user and password that is written `%3A`.
    EncodedColon,
    /// A parameter without `=`.
    MissingEquals {
        /// Which parameter, from 1.
        nth: usize,
    },
    /// A parameter of a URL with more than one `=`.
    ExtraEquals {
        /// Which parameter, from 1.
        nth: usize,
    },
    /// A quoted value without its end.
    UnterminatedQuote,
    /// A NUL byte.
    NulByte,
    /// A key that libpq doesn't know.
    UnknownParameter {
        /// The key, unless it might be a piece of a password.
        key: Option<String>,
        /// Which parameter, from 1.
        nth: usize,
        /// The known key that was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// A key that libpq knows and castoff doesn't support.
    Unsupported {
        /// The key.
        key: &'static str,
    },
    /// A key that another client has added to the URL.
    ForeignParameter {
        /// The key.
        key: &'static str,
        /// Whose key it is.
        owner: &'static str,
        /// What says the same to castoff.
        instead: &'static str,
    },
    /// A connection string of .NET's.
    DotNet,
    /// An `sslmode` that would undo what another parameter asks for.
    WeakSslmode {
        /// The mode.
        mode: &'static str,
        /// The other parameter, with its value.
        with: &'static str,
        /// The modes that go with it.
        expected: &'static str,
    },
    /// `verify-ca` without anything to verify by.
    NoRoots,
    /// `verify-full` for a server of which only the address is known.
    NoNameToVerify,
    /// A client certificate without its key.
    NoKey,
    /// There is a list of revoked certificates where libpq looks for one.
    RevocationList,
    /// No version of TLS that castoff speaks is allowed.
    NoTlsVersion,
    /// A list of methods of which some are demanded and some are forbidden.
    MixedList {
        /// The parameter's key, or the variable that the value came from.
        name: &'static str,
    },
    /// A value that its parameter can't have.
    InvalidValue {
        /// The parameter's key, or the variable that the value came from.
        name: &'static str,
        /// What it can be.
        expected: &'static str,
    },
    /// Lists that belong together have different lengths.
    UnequalLists {
        /// The list with the wrong length.
        name: &'static str,
        /// Its length.
        found: usize,
        /// How many servers there are.
        servers: usize,
    },
    /// No user is named, and the operating system doesn't know who this process is.
    NoUser,
}

impl DatabaseUrlError {
    /// The variable that is to blame, where it isn't what names the database.
    pub(crate) fn variable(&self) -> Option<&'static str> {
        if let Self::InvalidValue { name, .. }
        | Self::UnequalLists { name, .. }
        | Self::MixedList { name } = self
        {
            return Some(*name).filter(|name| name.starts_with("PG"));
        }
        None
    }

    /// Says what to do about it, where that is known.
    pub fn hint(&self) -> Option<String> {
        const FORM: &str = "write postgresql://user:password@host:5432/database";
        const OWN_URL: &str = "give castoff a URL of its own in CASTOFF_DATABASE_URL, without it";
        match self {
            Self::NotAUrl | Self::UnknownScheme => Some(FORM.into()),
            Self::Quoted => {
                Some("leave out the quotes, which docker's --env-file takes for a part of it".into())
            }
            Self::ForeignScheme { .. } | Self::DotNet => {
                Some(format!("{FORM} into CASTOFF_DATABASE_URL, which is read before DATABASE_URL"))
            }
            Self::UnencodedPassword | Self::PercentEncoding { .. } => Some(
                "in a URL write % as %25, @ as %40, / as %2F, ? as %3F, # as %23; or leave the password out \
                 and set PGPASSWORD, where nothing needs encoding"
                    .into(),
            ),
            Self::Bracket => Some("an IPv6 address is written [2001:db8::1]:5432".into()),
            Self::EncodedColon => Some("write a plain : between user and password".into()),
            Self::MissingEquals { .. } | Self::UnterminatedQuote => Some(
                "in a key=value string quote a value with spaces: password='two words'; \\' and \
                 \\\\ stand for ' and \\"
                    .into(),
            ),
            Self::ExtraEquals { .. } => Some("in a URL write = in a value as %3D".into()),
            Self::UnknownParameter { nearest: Some(nearest), .. } => {
                Some(format!("did you mean {nearest}?"))
            }
            Self::ForeignParameter { instead, .. } => {
                Some(format!("write {instead}, or {OWN_URL}"))
            }
            Self::Unsupported { .. } => Some(OWN_URL.into()),
            Self::WeakSslmode { expected, .. } => Some(format!("set sslmode to {expected}")),
            Self::NoRoots => Some(
                "name the file of the CA's certificate in sslrootcert; a server whose certificate \
                 a public CA has signed is verified by sslmode=verify-full"
                    .into(),
            ),
            Self::NoNameToVerify => {
                Some("name the server in host beside hostaddr, as its certificate does".into())
            }
            Self::NoKey => Some("name the file of its key in sslkey".into()),
            Self::RevocationList => {
                Some("let castoff have a HOME without this file, or move it away".into())
            }
            Self::NoTlsVersion => Some("castoff speaks TLSv1.2 and TLSv1.3".into()),
            Self::MixedList { .. } => {
                Some("list either what may be, or with ! before each what may not be".into())
            }
            Self::NoUser => Some("set PGUSER, or name the user in the URL".into()),
            Self::NotUtf8 { .. }
            | Self::NulByte
            | Self::UnknownParameter { nearest: None, .. }
            | Self::InvalidValue { .. }
            | Self::UnequalLists { .. } => None,
        }
    }
}

impl fmt::Display for DatabaseUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl => {
                f.write_str("this is neither a postgresql:// URL nor a string of key=value pairs")
            }
            Self::Quoted => f.write_str("it begins with a quote"),
            Self::ForeignScheme { scheme } => {
                write!(f, "this is a {scheme} URL, and castoff reads postgresql:// URLs")
            }
            Self::UnknownScheme => f.write_str("this URL does not begin with postgresql://"),
            Self::UnencodedPassword => f.write_str(
                "there is an @ behind the host, so where the password ends is not clear: a @, / or \
                 ? in it has to be percent-encoded",
            ),
            Self::PercentEncoding { part } => {
                write!(f, "the {part} has a % that does not begin a percent-encoded character")
            }
            Self::NotUtf8 { part } => write!(f, "the {part} is not UTF-8 when decoded"),
            Self::Bracket => {
                f.write_str("there is a [ that does not begin an IPv6 address with its closing ]")
            }
            Self::EncodedColon => f.write_str(
                "the user has an encoded : (%3A), so user and password are not told apart",
            ),
            Self::MissingEquals { nth } => write!(f, "parameter {nth} has no = behind its key"),
            Self::ExtraEquals { nth } => write!(f, "parameter {nth} has more than one ="),
            Self::UnterminatedQuote => f.write_str("a quoted value has no closing quote"),
            Self::NulByte => f.write_str("there is a NUL byte, which PostgreSQL can't be sent"),
            Self::UnknownParameter { key: Some(key), .. } => {
                write!(f, "PostgreSQL knows no connection parameter {key}")
            }
            Self::UnknownParameter { key: None, nth, .. } => {
                write!(f, "the key of parameter {nth} is none that PostgreSQL knows")
            }
            Self::Unsupported { key } => {
                write!(f, "this version of castoff does not support the parameter {key} as given")
            }
            Self::DotNet => f.write_str(
                "this is a connection string of .NET's, and castoff reads postgresql:// URLs",
            ),
            Self::ForeignParameter { key, owner, .. } => {
                write!(f, "the parameter {key} is one of {owner}, not of PostgreSQL")
            }
            Self::WeakSslmode { mode, with, .. } => {
                write!(f, "sslmode={mode} is too weak for {with}")
            }
            Self::NoRoots => f.write_str(
                "sslmode=verify-ca has no root certificate to verify the server's by: neither \
                 sslrootcert nor ~/.postgresql/root.crt",
            ),
            Self::NoNameToVerify => f.write_str(
                "sslmode=verify-full has no name to look for in the server's certificate: hostaddr \
                 is given without host",
            ),
            Self::NoKey => f.write_str("sslcert is given without the key of the certificate"),
            Self::RevocationList => f.write_str(
                "there is a ~/.postgresql/root.crl, and this version of castoff does not look \
                 certificates up in lists of revoked ones",
            ),
            Self::NoTlsVersion => f.write_str(
                "between ssl_min_protocol_version and ssl_max_protocol_version there is no version \
                 of TLS that castoff speaks",
            ),
            Self::MixedList { name } => {
                write!(f, "{name} has both methods with a ! and methods without one")
            }
            Self::InvalidValue { name, expected } => {
                write!(f, "the value of {name} is not {expected}")
            }
            Self::UnequalLists { name, found, servers } => write!(
                f,
                "{name} lists {found}, and there are {servers} servers: one for all or one for \
                 each was expected"
            ),
            Self::NoUser => f.write_str(
                "no user is named, and this process's user id has no entry in /etc/passwd",
            ),
        }
    }
}

impl std::error::Error for DatabaseUrlError {}
