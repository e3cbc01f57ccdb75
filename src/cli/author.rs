//! The commands of the one who writes revisions, and what each takes.

use crate::author::template;

use super::command::{Arguments, Command, Given, OwnFlag, Takes, Topic};

/// What castoff is asked to do in a folder of revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuthorCommand {
    /// Writes the files of a new revision, or of the revisions that a template makes.
    Create {
        /// What it does, for people.
        message: String,
        /// The template.
        template: Option<String>,
        /// What the template is given: names and values, without a value for a switch.
        parameters: Vec<(String, String)>,
    },
    /// Makes a folder, and says how the project that is here would use it.
    Init,
    /// Looks for what is dangerous or wrong in the folder.
    Lint {
        /// The revisions to look at; all if there are none.
        revisions: Vec<String>,
        /// The commit of the last release.
        since: Option<String>,
        /// How the answer is written.
        format: Option<String>,
        /// Tells of matters of taste, too.
        style: bool,
    },
    /// Lists the rules that the folder is held against.
    LintRules,
    /// Writes what each revision does to the schema.
    Lock {
        /// Compares instead of writing.
        check: bool,
        /// Takes each revision back too.
        reversible: bool,
        /// What is written besides.
        with: Option<String>,
    },
    /// Prints what completes castoff's command lines in a shell.
    Completions {
        /// `bash`, `zsh` or `fish`.
        shell: String,
    },
    /// Prints the manual page.
    Man,
    /// Writes a baseline.
    Squash {
        /// Of which revision.
        revision: String,
        /// With the rows that the history has put into tables.
        data: bool,
        /// Without them.
        no_data: bool,
        /// The program that writes what is in a database.
        pg_dump: Option<String>,
    },
    /// Tells which locks revisions take.
    Trace {
        /// Of which revision, if not of those that are pending.
        revision: Option<String>,
        /// On the database itself.
        rolled_back: bool,
    },
    /// Writes a script for psql.
    Sql {
        /// From which revision to which, as it was given.
        range: String,
        /// Walks the history even where a baseline stands for it.
        no_baseline: bool,
    },
    /// Writes a revision in which branches meet.
    Merge {
        /// The heads to merge; all of them if none is named.
        revisions: Vec<String>,
        /// What it is called, if not after the heads.
        message: Option<String>,
    },
    /// Lists the templates.
    Templates,
}

/// Every command of an author's, in the order in which the help shows them.
pub(super) static AUTHOR: &[Topic] = &[
    Topic {
        name: "init",
        takes: Takes::Nothing(Command::Author(AuthorCommand::Init)),
        summary: "make a migration folder",
        details: "Makes the folder migrations/, or the one of --migrations-dir, if there is none,\n\
                  and prints what the Dockerfile and the compose file of the project that is here\n\
                  need, or how its revisions are taken over. Writes nothing else.",
    },
    Topic {
        name: "create",
        takes: Takes::Open {
            argument: "MESSAGE",
            flags: &[OwnFlag::optional("template", "NAME")],
            is_switch: template::is_switch,
            command: |given| {
                author(AuthorCommand::Create {
                    message: given.argument(),
                    template: text(given, "template"),
                    parameters: given.others.clone(),
                })
            },
        },
        summary: "write a new revision",
        details: "Writes the up and the down file of a revision after the head, named as the\n\
                  others are; with a template, the revisions that do its work beside a running\n\
                  application. `castoff templates` lists templates and their parameters.\n\
                  Needs no database.",
    },
    Topic {
        name: "templates",
        takes: Takes::Nothing(Command::Author(AuthorCommand::Templates)),
        summary: "list the templates of create",
        details: "Lists castoff's own and those in .templates/ of the migration folder: a folder\n\
                  each, with up.sql and down.sql, or 1_NAME.up.sql, 1_NAME.down.sql, 2_… for\n\
                  several revisions. {{name:KIND}} in them is a parameter; KIND is expression\n\
                  (if it is left out), identifier, table, type, literal or number.",
    },
    Topic {
        name: "merge",
        takes: Takes::Flags(
            Arguments::Several("REV"),
            &[OwnFlag::optional("message", "TEXT")],
            |given| {
                author(AuthorCommand::Merge {
                    revisions: given.arguments.clone(),
                    message: text(given, "message"),
                })
            },
        ),
        summary: "write a revision that merges heads",
        details: "Writes a revision after the heads REV, or after all heads. Needs no database.",
    },
    Topic {
        name: "lint",
        takes: Takes::Flags(
            Arguments::Several("REV"),
            &[
                OwnFlag::optional("since", "GITREF"),
                OwnFlag::optional("format", "FORMAT"),
                OwnFlag::switch("style"),
                OwnFlag::switch("rules"),
            ],
            |given| {
                if given.has("rules") {
                    return author(AuthorCommand::LintRules);
                }
                author(AuthorCommand::Lint {
                    revisions: given.arguments.clone(),
                    since: text(given, "since"),
                    format: text(given, "format"),
                    style: given.has("style"),
                })
            },
        ),
        summary: "find what is dangerous or wrong",
        details: "The exit code is 1 if there is an error, or a hazard that no line\n\
                  `-- Allow: RULE REASON` in its file's header allows. --since tells of what is\n\
                  new since a release, and what became of it; --style of matters of taste, too;\n\
                  --rules lists the rules. FORMAT is text, json, sarif or github.",
    },
    Topic {
        name: "lock",
        takes: Takes::Flags(
            Arguments::None,
            &[
                OwnFlag::switch("check"),
                OwnFlag::switch("reversible"),
                OwnFlag::optional("with", "WHAT"),
                OwnFlag::url("scratch-url", "CASTOFF_SCRATCH_URL"),
            ],
            |given| {
                author(AuthorCommand::Lock {
                    check: given.has("check"),
                    reversible: given.has("reversible"),
                    with: text(given, "with"),
                })
            },
        ),
        summary: "write what each revision does to the schema",
        details: "Runs the history on databases of its own, which it makes beside URL (with a\n\
              password: CASTOFF_SCRATCH_URL) or the configured one and drops again, and\n\
              writes castoff.lock; --check compares instead, --reversible runs the down\n\
              files too. WHAT is comments, owners, grants or several with commas.",
    },
    Topic {
        name: "trace",
        takes: Takes::Flags(
            Arguments::Optional("REV"),
            &[OwnFlag::switch("rolled-back")],
            |given| {
                author(AuthorCommand::Trace {
                    revision: given.arguments.first().cloned(),
                    rolled_back: given.has("rolled-back"),
                })
            },
        ),
        summary: "tell which locks the pending revisions take, or REV",
        details: "Runs them on a copy of its own (see lock) without rows but their own, and tells\n\
                  each statement's locks, rewrites, rows and time. With --rolled-back it runs the\n\
                  next one on the database itself, whose tables stay locked until that is rolled\n\
                  back; sequences keep what they gave or were set to.",
    },
    Topic {
        name: "squash",
        takes: Takes::Flags(
            Arguments::Required("REV"),
            &[
                OwnFlag::switch("data"),
                OwnFlag::switch("no-data"),
                OwnFlag::optional("pg-dump", "PROGRAM"),
            ],
            |given| {
                author(AuthorCommand::Squash {
                    revision: given.argument(),
                    data: given.has("data"),
                    no_data: given.has("no-data"),
                    pg_dump: text(given, "pg-dump"),
                })
            },
        ),
        summary: "write a baseline of the history up to REV",
        details: "Runs the history up to REV on a database of its own (see lock), and writes what\n\
                  pg_dump says of it as REV's baseline, if a database made from it is the same.\n\
                  Where the history has filled tables: --data with their rows, --no-data without.\n\
                  No other file is changed but castoff.lock.",
    },
    Topic {
        name: "sql",
        takes: Takes::Flags(
            Arguments::Optional("FROM:TO"),
            &[OwnFlag::switch("no-baseline")],
            |given| {
                author(AuthorCommand::Sql {
                    range: given.argument(),
                    no_baseline: given.has("no-baseline"),
                })
            },
        ),
        summary: "write an upgrade or downgrade as a script for psql",
        details: "Prints what castoff would run, with its lock and its ledger, for a database that\n\
                  is at FROM (base, so an empty one) to TO (head); TO may be before FROM. An empty\n\
                  one starts from the newest baseline, unless --no-baseline says otherwise.\n\
                  Needs no database.",
    },
    Topic {
        name: "completions",
        takes: Takes::Required("SHELL", |shell| author(AuthorCommand::Completions { shell })),
        summary: "print completions for bash, zsh or fish",
        details: "bash reads them from ~/.local/share/bash-completion/completions/castoff,\n\
                  zsh from _castoff in a folder of its fpath, fish from\n\
                  ~/.config/fish/completions/castoff.fish.",
    },
    Topic {
        name: "man",
        takes: Takes::Nothing(Command::Author(AuthorCommand::Man)),
        summary: "print the manual page",
        details: "It is read from castoff.1 in a folder such as /usr/local/share/man/man1.",
    },
];

fn author(command: AuthorCommand) -> Command {
    Command::Author(command)
}

fn text(given: &Given, flag: &str) -> Option<String> {
    given.value(flag).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::{Invocation, UsageError, parse};

    fn parsed(line: &str) -> Result<Invocation, UsageError> {
        parse(line.split(' ').map(OsString::from))
    }

    #[test]
    fn each_command_is_understood() {
        let text = |text: &str| Some(text.to_owned());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        for (line, expected) in [
            ("init", AuthorCommand::Init),
            ("templates --json", AuthorCommand::Templates),
            (
                "create add --log debug",
                AuthorCommand::Create {
                    message: "add".to_owned(),
                    template: None,
                    parameters: vec![],
                },
            ),
            (
                "create add --template add-index --column a --unique --column=b --migrations-dir m",
                AuthorCommand::Create {
                    message: "add".to_owned(),
                    template: text("add-index"),
                    parameters: vec![pair("column", "a"), pair("unique", ""), pair("column", "b")],
                },
            ),
            (
                "create add --template add-column --default -1",
                AuthorCommand::Create {
                    message: "add".to_owned(),
                    template: text("add-column"),
                    parameters: vec![pair("default", "-1")],
                },
            ),
            ("merge", AuthorCommand::Merge { revisions: vec![], message: None }),
            (
                "merge a b --message c",
                AuthorCommand::Merge {
                    revisions: vec!["a".to_owned(), "b".to_owned()],
                    message: text("c"),
                },
            ),
            (
                "lint",
                AuthorCommand::Lint {
                    revisions: Vec::new(),
                    since: None,
                    format: None,
                    style: false,
                },
            ),
            (
                "lint 0003 head --since v1 --style --format sarif",
                AuthorCommand::Lint {
                    revisions: vec!["0003".into(), "head".into()],
                    since: text("v1"),
                    format: text("sarif"),
                    style: true,
                },
            ),
            ("lint --rules", AuthorCommand::LintRules),
            ("lock", AuthorCommand::Lock { check: false, reversible: false, with: None }),
            (
                "squash head --data --pg-dump /x/pg_dump",
                AuthorCommand::Squash {
                    revision: "head".to_owned(),
                    data: true,
                    no_data: false,
                    pg_dump: text("/x/pg_dump"),
                },
            ),
            ("trace", AuthorCommand::Trace { revision: None, rolled_back: false }),
            (
                "trace 0005 --rolled-back",
                AuthorCommand::Trace { revision: text("0005"), rolled_back: true },
            ),
            ("sql", AuthorCommand::Sql { range: String::new(), no_baseline: false }),
            (
                "sql 0005:0002 --no-baseline",
                AuthorCommand::Sql { range: "0005:0002".to_owned(), no_baseline: true },
            ),
            (
                "lock --reversible --with comments --check",
                AuthorCommand::Lock { check: true, reversible: true, with: text("comments") },
            ),
            ("completions fish", AuthorCommand::Completions { shell: "fish".to_owned() }),
            ("man", AuthorCommand::Man),
        ] {
            let parsed = parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            assert_eq!(parsed.command, Command::Author(expected), "{line}");
        }
    }

    #[test]
    fn what_is_said_to_people_is_no_login() {
        let parsed = |message: &str| parse(["create", message].map(OsString::from));
        for message in ["tell a@b.c: it is done", "see https://example.com/1", "at 10:00 @ home"] {
            assert!(parsed(message).is_ok(), "{message}");
        }
        for message in ["u:S3ntinel@h/d", "see postgresql://u:S3ntinel@h", "password=S3ntinel"] {
            let error = parsed(message).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("S3ntinel"), "{message}: {error}");
        }
    }

    #[test]
    fn an_open_url_may_be_a_flag_of_lock() {
        let invocation = parsed("lock --check --scratch-url postgresql://u@h/d").unwrap();
        assert_eq!(invocation.flags, [("CASTOFF_SCRATCH_URL", "postgresql://u@h/d".to_owned())]);
    }
}
