//! The commands, and what each takes.

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(feature = "author")]
use super::author::{AUTHOR, AuthorCommand};
use super::error::UsageError;
use crate::plan::Consent;

/// What castoff is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Waits, upgrades, and becomes the application.
    Run {
        /// The application; without one castoff ends after the upgrade.
        app: Option<App>,
    },
    /// Waits until the database is ready.
    Wait {
        /// Waits until the database is at this revision, too.
        revision: Option<String>,
    },
    /// Brings the database to a later revision.
    Upgrade {
        /// The revision; head without one.
        target: Option<String>,
    },
    /// Brings the database to an earlier revision.
    Downgrade {
        /// The revision.
        target: String,
        /// What the operator says to it.
        consent: Consent,
    },
    /// Records a revision as applied without running it.
    Stamp {
        /// The revision.
        target: String,
        /// What the operator says to it.
        consent: Consent,
    },
    /// Shows the revision that the database is at.
    Current,
    /// Shows the latest revisions.
    Heads,
    /// Shows the revisions where the history branches.
    Branches,
    /// Lists the revisions.
    History,
    /// Shows one revision.
    Show {
        /// The revision.
        revision: String,
    },
    /// Lists the revisions that the database lacks.
    Pending,
    /// Checks that the database is at head.
    Check {
        /// Checks its schema too.
        drift: bool,
    },
    /// Shows where the database stands, for people.
    Status,
    /// Shows how the schema differs from a revision's, or from another database's.
    Diff {
        /// The revision or the database; the database's own revisions without one.
        other: Option<String>,
    },
    /// Shows what a start would do, or another command.
    Plan {
        /// A downgrade to this revision.
        downgrade: Option<String>,
        /// A stamp of this revision.
        stamp: Option<String>,
    },
    /// Writes a copy of this program with a migration folder inside.
    Bundle {
        /// The folder.
        migrations: PathBuf,
        /// The file to write.
        output: PathBuf,
    },
    /// Copies this program.
    Install {
        /// The file to write, or the folder to write it into.
        path: PathBuf,
    },
    /// Shows the settings that are in effect.
    Settings,
    /// Shows help, of one command if it is named.
    Help(Option<&'static str>),
    /// Shows the version.
    Version,
    /// What the author of revisions does.
    #[cfg(feature = "author")]
    Author(AuthorCommand),
}

/// The application that castoff becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The program, as a path or a name to look up in `PATH`.
    pub program: OsString,
    /// Its arguments, without the program.
    pub arguments: Vec<OsString>,
}

/// A command for the parser and for the help.
pub(super) struct Topic {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// Half a line for the list of commands.
    pub(super) summary: &'static str,
    /// A few lines more.
    pub(super) details: &'static str,
}

/// What a command takes besides flags.
pub(super) enum Takes {
    /// Nothing.
    Nothing(Command),
    /// An argument that may be left out, by its name in the help.
    Optional(&'static str, fn(Option<String>) -> Command),
    /// An argument, by its name in the help.
    Required(&'static str, fn(String) -> Command),
    /// Flags of its own, with arguments or without.
    Flags(Arguments, &'static [OwnFlag], fn(&Given) -> Command),
    /// The same, and flags beside those of castoff's, in which `is_switch` knows those without a value.
    #[allow(dead_code, reason = "of authors' commands only")]
    Open {
        argument: &'static str,
        flags: &'static [OwnFlag],
        is_switch: fn(&str) -> bool,
        command: fn(&Given) -> Command,
    },
    /// The name of a command.
    Topic,
    /// An application behind `--`.
    App,
}

/// The arguments beside flags of a command's own, by their name in the help.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "some are of authors' commands only")]
pub(super) enum Arguments {
    None,
    Optional(&'static str),
    Required(&'static str),
    Several(&'static str),
}

/// A flag that one command has.
pub(super) struct OwnFlag {
    pub(super) name: &'static str,
    /// What its value is, for the help; without one it is a switch.
    pub(super) value: Option<&'static str>,
    /// Whether the command is nothing without it.
    is_required: bool,
    /// The variable of a URL that it sets, if that holds no secret.
    pub(super) variable: Option<&'static str>,
}

impl OwnFlag {
    pub(super) const fn required(name: &'static str, value: &'static str) -> Self {
        Self { name, value: Some(value), is_required: true, variable: None }
    }

    pub(super) const fn optional(name: &'static str, value: &'static str) -> Self {
        Self { name, value: Some(value), is_required: false, variable: None }
    }

    #[cfg(feature = "author")]
    pub(super) const fn url(name: &'static str, variable: &'static str) -> Self {
        Self { variable: Some(variable), ..Self::optional(name, "URL") }
    }

    pub(super) const fn switch(name: &'static str) -> Self {
        Self { name, value: None, is_required: false, variable: None }
    }

    /// As the help has it.
    fn usage(&self) -> String {
        let value = self.value.map(|value| format!(" {value}")).unwrap_or_default();
        format!("--{}{value}", self.name)
    }
}

/// What a command was given: arguments, and flags of its own, of which the last of a name counts.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) arguments: Vec<String>,
    pub(super) flags: Vec<(&'static str, String)>,
    /// Flags that are not castoff's, each as often as it was given.
    pub(super) others: Vec<(String, String)>,
}

impl Given {
    /// The argument that is there, since it is required; else the empty one.
    pub(super) fn argument(&self) -> String {
        self.arguments.first().cloned().unwrap_or_default()
    }

    pub(super) fn value(&self, flag: &str) -> Option<&str> {
        self.flags.iter().rfind(|(name, _)| *name == flag).map(|(_, value)| value.as_str())
    }

    /// The value of a flag that is there, since it is required.
    pub(super) fn required(&self, flag: &str) -> PathBuf {
        self.value(flag).unwrap_or_default().into()
    }

    pub(super) fn consent(&self) -> Consent {
        Consent { yes: self.has("yes"), database: self.value("database").map(str::to_owned) }
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.value(flag).is_some()
    }
}

const TARGET: &str = "A target is head, base, a revision or the beginning of its id, +N or -N.";
/// What an operator says to a command that can lose something.
const CONSENT: [OwnFlag; 2] = [OwnFlag::switch("yes"), OwnFlag::optional("database", "NAME")];

const READS_ONLY: &str = "Changes nothing.";
const NO_DATABASE: &str = "Needs no database.";

/// The commands of a start and of who watches over it, in the order in which the help shows them.
static COMMANDS: [Topic; 20] = [
    Topic {
        name: "run",
        takes: Takes::App,
        summary: "wait, upgrade, then become APP",
        details: "Waits for the database, upgrades it to head and becomes APP, under the same\n\
                  process id. Without APP it ends after the upgrade: a Job or an init container.\n\
                  With --init it stays as APP's parent, passes signals on and reaps orphans.",
    },
    Topic {
        name: "wait",
        takes: Takes::Optional("REVISION", |revision| Command::Wait { revision }),
        summary: "wait until the database is ready",
        details: "Waits until a query answers, be it on a standby; with REVISION, which may also\n\
                  be given as --revision, until the database is at that revision or a later\n\
                  one. Changes nothing.",
    },
    Topic {
        name: "upgrade",
        takes: Takes::Optional("TARGET", |target| Command::Upgrade { target }),
        summary: "upgrade the database, to head without TARGET",
        details: TARGET,
    },
    Topic {
        name: "downgrade",
        takes: Takes::Flags(Arguments::Required("TARGET"), &CONSENT, |given| Command::Downgrade {
            target: given.argument(),
            consent: given.consent(),
        }),
        summary: "downgrade the database",
        details: "Runs the down files of the revisions after TARGET; what they drop is lost.\n\
                  A target is base, a revision or the beginning of its id, or -N. Where\n\
                  CASTOFF_ENV is staging it asks for --yes; in production, or if nobody says\n\
                  what it is, for the name of the database too.",
    },
    Topic {
        name: "stamp",
        takes: Takes::Flags(Arguments::Required("TARGET"), &CONSENT, |given| Command::Stamp {
            target: given.argument(),
            consent: given.consent(),
        }),
        summary: "record TARGET as applied without running it",
        details: "Records TARGET and what it builds on, and believes you that the schema is so.\n\
                  It asks for what `castoff downgrade` asks for.",
    },
    Topic {
        name: "status",
        takes: Takes::Nothing(Command::Status),
        summary: "show where the database stands, on one screen",
        details: "Shows the server, what is pending and dangerous in it, what was run last and who\n\
                  migrates. What the role may not see is left out. Changes nothing.",
    },
    Topic {
        name: "current",
        takes: Takes::Nothing(Command::Current),
        summary: "show the revision that the database is at",
        details: READS_ONLY,
    },
    Topic {
        name: "pending",
        takes: Takes::Nothing(Command::Pending),
        summary: "list the revisions that the database lacks",
        details: READS_ONLY,
    },
    Topic {
        name: "check",
        takes: Takes::Flags(Arguments::None, &[OwnFlag::switch("drift")], |given| Command::Check {
            drift: given.has("drift"),
        }),
        summary: "fail unless the database is at head",
        details: "Changes nothing; the exit code is the answer. With --drift the schema must be\n\
                  the one that castoff.lock says, too.",
    },
    Topic {
        name: "diff",
        takes: Takes::Optional("REV|URL", |other| Command::Diff { other }),
        summary: "show what the schema has otherwise",
        details: "Compares the database's schema with the one that castoff.lock says of REV, or of\n\
                  its own revisions, or with another database's. Changes nothing; the exit code\n\
                  is 1 if there is a difference.",
    },
    Topic {
        name: "plan",
        takes: Takes::Flags(
            Arguments::None,
            &[OwnFlag::optional("downgrade", "TARGET"), OwnFlag::optional("stamp", "TARGET")],
            |given| Command::Plan {
                downgrade: given.value("downgrade").map(str::to_owned),
                stamp: given.value("stamp").map(str::to_owned),
            },
        ),
        summary: "show what a start would do",
        details: "Or a downgrade or a stamp: each step, its hazards, what it removes for good, and\n\
                  what would be asked before, with backup gates as they are now. Fails with 76 if\n\
                  it would be refused. Changes nothing and runs no backup command.",
    },
    Topic {
        name: "heads",
        takes: Takes::Nothing(Command::Heads),
        summary: "show the latest revisions",
        details: NO_DATABASE,
    },
    Topic {
        name: "branches",
        takes: Takes::Nothing(Command::Branches),
        summary: "show where the history branches",
        details: NO_DATABASE,
    },
    Topic {
        name: "history",
        takes: Takes::Nothing(Command::History),
        summary: "list the revisions",
        details: NO_DATABASE,
    },
    Topic {
        name: "show",
        takes: Takes::Required("REVISION", |revision| Command::Show { revision }),
        summary: "show one revision",
        details: NO_DATABASE,
    },
    Topic {
        name: "bundle",
        takes: Takes::Flags(
            Arguments::None,
            &[OwnFlag::required("migrations", "DIR"), OwnFlag::required("output", "FILE")],
            |given| Command::Bundle {
                migrations: given.required("migrations"),
                output: given.required("output"),
            },
        ),
        summary: "put migrations into a copy of castoff",
        details: "Writes FILE: this program with the migrations of DIR inside, checked as they\n\
                  would be if they were compiled in. FILE may be the running castoff itself.\n\
                  Needs no database.",
    },
    Topic {
        name: "install",
        takes: Takes::Required("PATH", |path| Command::Install { path: path.into() }),
        summary: "copy castoff to PATH",
        details: "Copies this program, with its migrations, to the file PATH or into the folder\n\
                  PATH: a volume that it shares with an image that can't be changed.",
    },
    Topic {
        name: "settings",
        takes: Takes::Nothing(Command::Settings),
        summary: "show the settings and where they come from",
        details: "Shows *** instead of a secret. Needs no database.",
    },
    Topic {
        name: "help",
        takes: Takes::Topic,
        summary: "show this, or the help of a command",
        details: "",
    },
    Topic {
        name: "version",
        takes: Takes::Nothing(Command::Version),
        summary: "show the version",
        details: "",
    },
];

/// Every command of this program, in groups, each with what stands above it in the help.
pub(super) fn groups() -> impl Iterator<Item = (&'static str, &'static [Topic])> {
    let author: &[Topic] = {
        #[cfg(feature = "author")]
        {
            AUTHOR
        }
        #[cfg(not(feature = "author"))]
        {
            &[]
        }
    };
    let groups = [("Commands:", &COMMANDS[..]), ("For who writes revisions:", author)];
    groups.into_iter().filter(|(_, topics)| !topics.is_empty())
}

/// Every command of this program.
pub(super) fn topics() -> impl Iterator<Item = &'static Topic> {
    groups().flat_map(|(_, topics)| topics)
}

/// Finds the command that a word names.
pub(super) fn topic(name: &str) -> Result<&'static Topic, UsageError> {
    topics().find(|topic| topic.name == name).ok_or_else(|| UsageError::unknown_command(name))
}

impl Topic {
    /// The flag of its own that has this name.
    pub(super) fn own_flag(&self, name: &str) -> Option<&'static OwnFlag> {
        match self.takes {
            Takes::Flags(_, flags, _) => flags.iter().find(|flag| flag.name == name),
            Takes::Open { flags, .. } => flags.iter().find(|flag| flag.name == name),
            Takes::Nothing(_)
            | Takes::Optional(..)
            | Takes::Required(..)
            | Takes::Topic
            | Takes::App => None,
        }
    }

    /// The flags of its own.
    #[cfg(feature = "author")]
    pub(super) fn own_flags(&self) -> &'static [OwnFlag] {
        match self.takes {
            Takes::Flags(_, flags, _) | Takes::Open { flags, .. } => flags,
            Takes::Nothing(_)
            | Takes::Optional(..)
            | Takes::Required(..)
            | Takes::Topic
            | Takes::App => &[],
        }
    }

    /// What its argument is called in the help, if it takes one.
    #[cfg(feature = "author")]
    pub(super) fn argument(&self) -> Option<&'static str> {
        match self.takes {
            Takes::Flags(
                Arguments::Optional(name) | Arguments::Required(name) | Arguments::Several(name),
                ..,
            )
            | Takes::Open { argument: name, .. }
            | Takes::Optional(name, _)
            | Takes::Required(name, _) => Some(name),
            Takes::Topic => Some("COMMAND"),
            Takes::Nothing(_) | Takes::App | Takes::Flags(Arguments::None, ..) => None,
        }
    }

    /// Whether a flag that is not castoff's has a value; none if the command takes no such flags.
    pub(super) fn other_flag_has_value(&self, name: &str) -> Option<bool> {
        if let Takes::Open { is_switch, .. } = self.takes { Some(!is_switch(name)) } else { None }
    }

    /// How it is written in its help, with a space before each word.
    pub(super) fn usage(&self) -> String {
        self.usage_with(|_| true)
    }

    /// The same without the flags that can be left out.
    pub(super) fn brief_usage(&self) -> String {
        self.usage_with(|flag| flag.is_required)
    }

    fn usage_with(&self, is_shown: fn(&OwnFlag) -> bool) -> String {
        let with_flags = |arguments: String, flags: &[OwnFlag]| {
            let flags = flags.iter().filter(|flag| is_shown(flag)).map(|flag| {
                let (open, close) = if flag.is_required { ("", "") } else { ("[", "]") };
                format!(" {open}{}{close}", flag.usage())
            });
            arguments + &flags.collect::<String>()
        };
        match self.takes {
            Takes::Nothing(_) => String::new(),
            Takes::Optional(argument, _) => format!(" [{argument}]"),
            Takes::Required(argument, _) => format!(" {argument}"),
            Takes::Flags(arguments, flags, _) => with_flags(
                match arguments {
                    Arguments::None => String::new(),
                    Arguments::Optional(name) => format!(" [{name}]"),
                    Arguments::Required(name) => format!(" {name}"),
                    Arguments::Several(name) => format!(" [{name}…]"),
                },
                flags,
            ),
            Takes::Open { argument, flags, .. } => {
                with_flags(format!(" {argument}"), flags).replace(']', " [--PARAMETER VALUE…]]")
            }
            Takes::Topic => " [COMMAND]".to_owned(),
            Takes::App => " [-- APP ARGS…]".to_owned(),
        }
    }

    /// The command, with what was given to it.
    pub(super) fn command(&self, given: &Given, app: Option<App>) -> Result<Command, UsageError> {
        let missing = |argument: std::borrow::Cow<'static, str>| {
            Err(UsageError::MissingArgument { command: self.name, argument })
        };
        let most = match self.takes {
            Takes::Nothing(_) | Takes::App | Takes::Flags(Arguments::None, ..) => 0,
            Takes::Flags(Arguments::Several(_), ..) => usize::MAX,
            Takes::Optional(..)
            | Takes::Required(..)
            | Takes::Topic
            | Takes::Flags(..)
            | Takes::Open { .. } => 1,
        };
        if let Some(argument) = given.arguments.get(most) {
            return Err(UsageError::unexpected_argument(self.name, argument.clone()));
        }
        let argument = given.arguments.first();
        match &self.takes {
            Takes::Nothing(command) => Ok(command.clone()),
            Takes::Optional(_, command) => Ok(command(argument.cloned())),
            Takes::Required(name, command) => match argument {
                Some(argument) => Ok(command(argument.clone())),
                None => missing((*name).into()),
            },
            Takes::Flags(arguments, flags, command) => {
                let lacks = flags.iter().find(|flag| flag.is_required && !given.has(flag.name));
                match (arguments, argument, lacks) {
                    (Arguments::Required(name), None, _) => missing((*name).into()),
                    (_, _, Some(flag)) => missing(flag.usage().into()),
                    (_, _, None) => Ok(command(given)),
                }
            }
            Takes::Open { argument: name, command, .. } => match argument {
                Some(_) => Ok(command(given)),
                None => missing((*name).into()),
            },
            Takes::Topic => {
                let topic = argument.map(|name| topic(name)).transpose()?;
                Ok(Command::Help(topic.map(|topic| topic.name)))
            }
            Takes::App => Ok(Command::Run { app }),
        }
    }
}
