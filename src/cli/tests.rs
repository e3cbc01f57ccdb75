use std::os::unix::ffi::OsStringExt;

use super::*;
use crate::plan::Consent;

fn parsed(line: &str) -> Result<Invocation, UsageError> {
    parse(line.split(' ').filter(|word| !word.is_empty()).map(OsString::from))
}

fn command(line: &str) -> Command {
    parsed(line).unwrap_or_else(|error| panic!("{line}: {error}")).command
}

fn app(words: &[&str]) -> Option<App> {
    let (program, arguments) = words.split_first()?;
    Some(App { program: program.into(), arguments: arguments.iter().map(Into::into).collect() })
}

fn downgrade(target: &str, yes: bool, database: Option<&str>) -> Command {
    let consent = Consent { yes, database: database.map(str::to_owned) };
    Command::Downgrade { target: target.to_owned(), consent }
}

#[test]
fn each_command_is_understood() {
    let text = |text: &str| text.to_owned();
    for (line, expected) in [
        ("run", Command::Run { app: None }),
        ("run --", Command::Run { app: None }),
        ("run -- python -m shop", Command::Run { app: app(&["python", "-m", "shop"]) }),
        ("run -- sh -- --json -1", Command::Run { app: app(&["sh", "--", "--json", "-1"]) }),
        ("run -- --help", Command::Run { app: app(&["--help"]) }),
        ("run --log debug -- app", Command::Run { app: app(&["app"]) }),
        ("--log debug run -- app", Command::Run { app: app(&["app"]) }),
        ("wait", Command::Wait { revision: None }),
        ("wait 0001", Command::Wait { revision: Some(text("0001")) }),
        ("wait --revision head", Command::Wait { revision: Some(text("head")) }),
        ("wait --revision=0001 --json", Command::Wait { revision: Some(text("0001")) }),
        ("upgrade", Command::Upgrade { target: None }),
        ("upgrade head", Command::Upgrade { target: Some(text("head")) }),
        ("upgrade +1", Command::Upgrade { target: Some(text("+1")) }),
        ("downgrade -1", downgrade("-1", false, None)),
        ("downgrade -12 --json", downgrade("-12", false, None)),
        ("downgrade -- -1", downgrade("-1", false, None)),
        ("downgrade 0002-1", downgrade("0002-1", false, None)),
        ("downgrade --yes -1 --database shop", downgrade("-1", true, Some("shop"))),
        ("downgrade base --database=-x", downgrade("base", false, Some("-x"))),
        ("stamp head", Command::Stamp { target: text("head"), consent: Consent::default() }),
        (
            "stamp --yes head",
            Command::Stamp { target: text("head"), consent: Consent { yes: true, database: None } },
        ),
        ("status --json", Command::Status),
        ("current", Command::Current),
        ("heads", Command::Heads),
        ("branches", Command::Branches),
        ("history", Command::History),
        ("show 0001", Command::Show { revision: text("0001") }),
        ("pending", Command::Pending),
        ("check", Command::Check { drift: false }),
        ("check --drift", Command::Check { drift: true }),
        ("diff", Command::Diff { other: None }),
        ("diff 0002 --json", Command::Diff { other: Some(text("0002")) }),
        ("diff postgresql://u@h/d", Command::Diff { other: Some(text("postgresql://u@h/d")) }),
        ("plan", Command::Plan { downgrade: None, stamp: None }),
        ("plan --downgrade -1", Command::Plan { downgrade: Some(text("-1")), stamp: None }),
        ("plan --stamp=head", Command::Plan { downgrade: None, stamp: Some(text("head")) }),
        (
            "bundle --migrations m --output=/castoff",
            Command::Bundle { migrations: "m".into(), output: "/castoff".into() },
        ),
        (
            "bundle --output b --json --output a --migrations -m",
            Command::Bundle { migrations: "-m".into(), output: "a".into() },
        ),
        ("install /shared", Command::Install { path: "/shared".into() }),
        ("settings", Command::Settings),
        ("version", Command::Version),
        ("--version", Command::Version),
        ("-V", Command::Version),
        ("help", Command::Help(None)),
        ("--help", Command::Help(None)),
        ("-h", Command::Help(None)),
        ("help upgrade", Command::Help(Some("upgrade"))),
        ("upgrade --help", Command::Help(Some("upgrade"))),
        ("downgrade -h", Command::Help(Some("downgrade"))),
        ("run --help -- app", Command::Help(Some("run"))),
    ] {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn every_setting_that_is_no_secret_is_a_flag_of_every_command() {
    for variable in &VARIABLES {
        for form in
            [format!("current --{}=-1", variable.flag()), format!("--{} -1 run", variable.flag())]
        {
            let invocation = parsed(&form);
            let flag = format!("--{}", variable.flag());
            if variable.is_secret() {
                let name = variable.name;
                assert_eq!(invocation, Err(UsageError::SecretFlag { flag, variable: name }));
            } else if variable.is_switch() {
                if form.contains('=') {
                    assert_eq!(invocation, Err(UsageError::UnexpectedValue { flag }));
                }
            } else {
                assert_eq!(invocation.unwrap().flags, [(variable.name, "-1".to_owned())], "{form}");
            }
        }
    }
}

#[test]
fn a_switch_is_on_without_a_value() {
    for line in ["run --init -- app", "--init run -- app", "--init --log debug run -- app"] {
        let invocation = parsed(line).unwrap();
        assert_eq!(invocation.command, Command::Run { app: app(&["app"]) }, "{line}");
        assert!(invocation.flags.contains(&("CASTOFF_INIT", "on".to_owned())), "{line}");
    }
    // Behind the dashes it is the application's.
    assert_eq!(parsed("run -- app --init").unwrap().flags, []);
}

#[test]
fn a_line_is_written_as_it_is_typed() {
    let flags = parsed("--schema it's --log debug downgrade -1").unwrap().flags;
    assert_eq!(written(&flags), r" --schema 'it'\''s' --log debug");
    assert_eq!(written(&parsed("run --init -- app").unwrap().flags), " --init");
    for (word, typed) in [("shop", "shop"), ("", "''"), ("a b", "'a b'"), ("$x", "'$x'")] {
        assert_eq!(quoted(word), typed);
    }
}

#[test]
fn an_init_without_an_application_is_refused() {
    for line in ["run --init", "run --init --", "--init upgrade", "current --init"] {
        assert_eq!(parsed(line), Err(UsageError::InitWithoutApp), "{line}");
    }
    assert_eq!(command("run --init --help"), Command::Help(Some("run")));
}

#[test]
fn flags_keep_their_order_and_json_is_one_of_them() {
    let invocation = parsed("--log warn history --json --log debug").unwrap();
    let flag = |value: &str| ("CASTOFF_LOG", value.to_owned());
    assert_eq!(invocation.flags, [flag("warn"), flag("debug")]);
    assert!(invocation.json);
}

#[test]
fn a_wrong_line_says_what_is_wrong_and_what_to_write() {
    for (line, message, hint) in [
        ("", "no command is given", ""),
        ("--log debug", "no command is given", ""),
        ("upgrad", "\"upgrad\" is not a command", "did you mean `castoff upgrade`?"),
        ("python -m shop", "\"python\" is not a command", "castoff run -- APP"),
        ("-- app", "\"app\" is not a command", "castoff run -- APP"),
        ("run app", "-- is missing", "castoff run -- APP"),
        ("run app -- x", "-- is missing", "castoff run -- APP"),
        ("run python -m shop", "-- is missing", "castoff run -- APP"),
        ("run --wait-timout 5", "\"--wait-timout\" is not a flag", "did you mean --wait-timeout?"),
        ("--jsn", "\"--jsn\" is not a flag", "did you mean --json?"),
        ("run --colour", "\"--colour\" is not a flag", "castoff help"),
        ("-x run", "\"-x\" is not a flag", "castoff help"),
        ("run --schema", "--schema has no value", ""),
        ("run --schema=", "--schema has no value", ""),
        ("run --json=yes", "--json has a value", ""),
        ("run --init=yes -- app", "--init has a value", ""),
        ("run --init app", "-- is missing", "castoff run -- APP"),
        ("run --init --", "no application to stay for", "castoff run --init -- APP"),
        ("downgrade", "`castoff downgrade` needs a TARGET", "castoff help downgrade"),
        ("show", "needs a REVISION", "castoff help show"),
        ("bundle --output x", "needs a --migrations DIR", "castoff help bundle"),
        ("bundle --migrations x", "needs a --output FILE", "castoff help bundle"),
        ("bundle --migrations x --output=", "--output has no value", ""),
        ("bundle x --migrations x --output x", "does not take \"x\" as well", "help bundle"),
        ("run --output x", "\"--output\" is not a flag", "castoff help"),
        ("run --migrations x", "\"--migrations\" is not a flag", "castoff help"),
        ("install", "needs a PATH", "castoff help install"),
        ("lock --check=yes", "--check has a value", ""),
        ("lock x", "does not take \"x\" as well", "castoff help lock"),
        ("diff postgresql://u:pw@h/d", "the URL at REV|URL has a password", "PGPASSWORD"),
        ("diff postgresql://h/d?password=pw", "has a password", "PGPASSWORD"),
        ("lock --scratch-url postgresql://u:pw@h", "the URL at --scratch-url has a", "PGPASSWORD"),
        (
            "check --scratch-url postgresql://h",
            "--scratch-url is not a flag",
            "CASTOFF_SCRATCH_URL",
        ),
        ("upgrade a b", "does not take \"b\" as well", "castoff help upgrade"),
        ("current x", "does not take \"x\" as well", "castoff help current"),
        ("help nothing", "\"nothing\" is not a command", ""),
        (
            "--database-url postgresql://h run",
            "--database-url is not a flag",
            "CASTOFF_DATABASE_URL",
        ),
        ("--password x run", "--password is not a flag", "PGPASSWORD"),
        ("upgrade postgresql://h", "a database URL is not an argument", "DATABASE_URL"),
        ("postgresql://h", "a database URL is not an argument", "DATABASE_URL"),
    ] {
        let error = parsed(line).expect_err(line);
        let hints = error.hint().unwrap_or_default();
        assert!(error.to_string().contains(message), "{line}: {error}");
        assert!(hints.contains(hint), "{line}: {hints}");
    }
}

#[test]
fn no_error_repeats_what_may_be_a_secret() {
    for line in [
        "--database-url=S3ntinel run",
        "--database-url S3ntinel run",
        "--databse-url=S3ntinel run",
        "--database-url-file=S3ntinel run",
        "--password=S3ntinel run",
        "--json=S3ntinel run",
        "upgrade postgresql://u:S3ntinel@h",
        "upgrade a postgresql://u:S3ntinel@h",
        "postgresql://u:S3ntinel@h",
        "upgrade password=S3ntinel",
        "run postgresql://u:S3ntinel@h",
        "current postgresql://u:S3ntinel@h",
        "diff u:S3ntinel@h/d",
        "diff postgresql://u:S3ntinel@h",
        "lock --scratch-url postgresql://u:S3ntinel@h",
        "lock --scratch-url password=S3ntinel",
    ] {
        let error = parsed(line).expect_err(line);
        let shown = format!("{error} {error:?} {:?}", error.hint());
        assert!(!shown.contains("S3ntinel"), "{line}: {shown}");
    }
}

#[test]
fn only_the_applications_arguments_may_be_other_than_utf_8() {
    let odd = || OsString::from_vec(vec![b'a', 0xff]);
    let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
    for line in [
        vec![odd()],
        [words(&["upgrade"]), vec![odd()]].concat(),
        [words(&["run", "--log"]), vec![odd()]].concat(),
    ] {
        assert_eq!(parse(line), Err(UsageError::NotUtf8));
    }
    let line = [words(&["run", "--", "app"]), vec![odd()]].concat();
    let expected = App { program: "app".into(), arguments: vec![odd()] };
    assert_eq!(parse(line).unwrap().command, Command::Run { app: Some(expected) });
}

#[test]
fn the_help_is_one_screen_and_names_everything() {
    let text = help(None);
    assert!(text.lines().count() <= 80, "{} lines", text.lines().count());
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for topic in command::topics() {
        assert!(text.contains(&format!("\n  {}", topic.name)), "{}", topic.name);
        let own = help(Some(topic.name));
        assert!(own.starts_with(&format!("castoff {}", topic.name)));
        assert!(own.lines().count() <= 9 && own.lines().all(|l| l.chars().count() <= 80), "{own}");
    }
    for variable in VARIABLES.iter().filter(|variable| !variable.is_secret()) {
        let flag = format!("--{} {}", variable.flag(), variable.placeholder);
        assert!(text.contains(&format!("  {} ", flag.trim_end())), "{flag}");
    }
    assert_eq!(help(Some("nothing")), text);
}
