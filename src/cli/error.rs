//! Why a command line is refused.

use std::borrow::Cow;
use std::fmt;

use super::command::topics;
use crate::revision::nearest;
use crate::settings::{VARIABLES, Variable, shown};

/// Why a command line is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageError {
    /// There is no command; the help says which there are.
    NoCommand,
    /// A command that doesn't exist.
    UnknownCommand {
        /// The word.
        command: String,
        /// The command that was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// A flag that doesn't exist.
    UnknownFlag {
        /// The flag with its dashes.
        flag: String,
        /// The flag that was perhaps meant, with its dashes.
        nearest: Option<String>,
    },
    /// A flag for what must not stand in a command line.
    SecretFlag {
        /// The flag with its dashes.
        flag: String,
        /// The variable to set instead.
        variable: &'static str,
    },
    /// A URL with a password where only one without may stand.
    SecretUrl {
        /// Where it stands, as the help has it.
        place: &'static str,
        /// The variable to set instead.
        variable: &'static str,
    },
    /// A flag without a value, or with an empty one.
    MissingValue {
        /// The flag with its dashes.
        flag: String,
    },
    /// A flag with a value that takes none.
    UnexpectedValue {
        /// The flag with its dashes.
        flag: String,
    },
    /// A command without its argument.
    MissingArgument {
        /// The command.
        command: &'static str,
        /// The argument as the help has it.
        argument: Cow<'static, str>,
    },
    /// One argument more than the command takes.
    UnexpectedArgument {
        /// The command.
        command: &'static str,
        /// The argument.
        argument: String,
    },
    /// A flag that takes some words and got another.
    UnknownWord {
        /// The flag with its dashes.
        flag: &'static str,
        /// The word.
        word: String,
        /// The words.
        expected: &'static str,
    },
    /// Two flags that mean different things.
    NotTogether {
        /// One, with its dashes.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// An application without `--` before it.
    AppWithoutDashes,
    /// `--init` without an application to stay for.
    InitWithoutApp,
    /// The argument that castoff starts itself with to stay as an init, written by somebody.
    InitByHand,
    /// The URL of a database; it may have a password, so it isn't repeated.
    UrlArgument,
    /// An argument that is not UTF-8, and no argument of the application.
    NotUtf8,
}

impl UsageError {
    /// Says what to write instead, where that is known.
    pub fn hint(&self) -> Option<String> {
        const APP: &str = "write `castoff run -- APP ARGS…`";
        const HELP: &str = "`castoff help` lists commands and flags";
        match self {
            Self::UnknownCommand { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `castoff {nearest}`?"))
            }
            Self::UnknownCommand { nearest: None, .. } => {
                Some(format!("{HELP}; to start an application, {APP}"))
            }
            Self::UnknownFlag { nearest: Some(nearest), .. } => {
                Some(format!("did you mean {nearest}?"))
            }
            Self::NoCommand | Self::UnknownFlag { nearest: None, .. } => Some(HELP.into()),
            Self::SecretFlag { variable, .. } => Some(format!("set {variable} instead")),
            Self::SecretUrl { variable, .. } => {
                Some(format!("leave the password out and set {variable}"))
            }
            Self::MissingArgument { command, .. } | Self::UnexpectedArgument { command, .. } => {
                Some(format!("`castoff help {command}` says what it takes"))
            }
            Self::AppWithoutDashes => Some(APP.into()),
            Self::InitWithoutApp | Self::InitByHand => {
                Some("write `castoff run --init -- APP ARGS…`".into())
            }
            Self::UrlArgument => Some("set CASTOFF_DATABASE_URL or DATABASE_URL instead".into()),
            Self::MissingValue { .. }
            | Self::UnexpectedValue { .. }
            | Self::UnknownWord { .. }
            | Self::NotTogether { .. }
            | Self::NotUtf8 => None,
        }
    }

    pub(super) fn unknown_command(name: &str) -> Self {
        let nearest = nearest(name, topics().map(|topic| topic.name)).first().copied();
        Self::UnknownCommand { command: name.to_owned(), nearest }
    }

    pub(super) fn unknown_flag(name: &str) -> Self {
        let mut known: Vec<String> = vec!["help".into(), "version".into(), "json".into()];
        known.extend(VARIABLES.iter().filter(|v| !v.is_secret()).map(Variable::flag));
        let nearest =
            nearest(name, known.iter().map(String::as_str)).first().map(|n| format!("--{n}"));
        Self::UnknownFlag { flag: format!("--{name}"), nearest }
    }

    pub(super) fn unexpected_argument(command: &'static str, argument: String) -> Self {
        Self::UnexpectedArgument { command, argument }
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => f.write_str("no command is given"),
            Self::UnknownCommand { command, .. } => {
                write!(f, "{} is not a command of castoff", shown(command))
            }
            Self::UnknownFlag { flag, .. } => write!(f, "{} is not a flag of castoff", shown(flag)),
            Self::SecretFlag { flag, .. } => write!(
                f,
                "{flag} is not a flag, because every process of a machine can read the command \
                 lines of the others"
            ),
            Self::SecretUrl { place, .. } => write!(
                f,
                "the URL at {place} has a password, and every process of a machine can read the \
                 command lines of the others"
            ),
            Self::MissingValue { flag } => write!(f, "{flag} has no value"),
            Self::UnexpectedValue { flag } => write!(f, "{flag} has a value, and takes none"),
            Self::UnknownWord { flag, word, expected } => {
                write!(f, "{flag} knows {expected}, but not {}", shown(word))
            }
            Self::MissingArgument { command, argument } => {
                write!(f, "`castoff {command}` needs a {argument}")
            }
            Self::UnexpectedArgument { command, argument } => {
                write!(f, "`castoff {command}` does not take {} as well", shown(argument))
            }
            Self::NotTogether { first, second } => {
                write!(f, "{first} and {second} are both given, and one was expected")
            }
            Self::AppWithoutDashes => {
                f.write_str("`castoff run` takes the application behind --, and -- is missing")
            }
            Self::InitWithoutApp => {
                f.write_str("--init has no application to stay for: it goes with `castoff run`")
            }
            Self::InitByHand => f.write_str(
                "--as-init is not a flag: with it castoff starts itself, to stay as an init",
            ),
            Self::UrlArgument => f.write_str(
                "a database URL is not an argument, because every process of a machine can read \
                 the command lines of the others",
            ),
            Self::NotUtf8 => f.write_str("an argument of castoff is not UTF-8"),
        }
    }
}

impl std::error::Error for UsageError {}

impl From<lexopt::Error> for UsageError {
    /// Drops every value that lexopt would show.
    fn from(error: lexopt::Error) -> Self {
        match error {
            lexopt::Error::MissingValue { option } => {
                Self::MissingValue { flag: option.unwrap_or_else(|| "a flag".into()) }
            }
            lexopt::Error::UnexpectedValue { option, .. } => Self::UnexpectedValue { flag: option },
            lexopt::Error::UnexpectedOption(flag) => Self::UnknownFlag { flag, nearest: None },
            lexopt::Error::NonUnicodeValue(_)
            | lexopt::Error::UnexpectedArgument(_)
            | lexopt::Error::ParsingFailed { .. }
            | lexopt::Error::Custom(_) => Self::NotUtf8,
        }
    }
}
