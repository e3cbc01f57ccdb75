use std::error::Error;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

use super::*;

const URL: &str = "postgresql://u:S3ntinel@h/d";

fn read(environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    read_with(environment, &[])
}

fn read_with(
    environment: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> Result<Settings, SettingsError> {
    let flags: Vec<_> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Settings::read(environment.iter().map(|(name, value)| (name.into(), value.into())), &flags)
}

/// The chain of messages, as the printer shows it.
fn message(error: &SettingsError) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn database(environment: &[(&str, &str)]) -> String {
    read(environment).unwrap().database().unwrap().to_string()
}

/// A file in the folder for temporary files, gone when it is dropped.
struct Secret(PathBuf);

impl Secret {
    fn new(name: &str, content: &[u8]) -> Self {
        let file = format!("castoff-settings-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, content).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[test]
fn without_an_environment_everything_has_its_default() {
    let settings = read(&[]).unwrap();
    assert!(settings.database.is_none());
    assert_eq!(settings.database().unwrap_err().to_string(), "no database is configured");
    assert_eq!(settings.migrations_dir, None);
    assert_eq!(settings.schema, "castoff");
    assert_eq!(settings.wait_timeout, Duration::from_mins(1));
    assert_eq!(settings.settle_timeout, Duration::from_secs(10));
    assert_eq!(settings.connect_timeout, Duration::from_secs(5));
    assert_eq!(settings.leader_timeout, Duration::from_hours(1));
    assert_eq!(settings.lock_timeout, Duration::from_secs(5));
    assert_eq!(settings.lock_deadline, Duration::from_mins(5));
    assert_eq!(settings.ahead, Ahead::Start);
    assert_eq!(settings.baseline, None);
    assert_eq!(settings.mode, Mode::Run);
    assert!(!settings.init);
    assert_eq!(settings.log_format, LogFormat::Auto);
    assert_eq!(settings.log, Level::Info);
    assert_eq!(settings.application, None);
    assert_eq!(settings.termination_log, PathBuf::from("/dev/termination-log"));
    assert!(settings.warnings.is_empty() && settings.secrets().is_empty());
}

#[test]
fn an_empty_string_is_unset() {
    let empty: Vec<(&str, &str)> = VARIABLES
        .iter()
        .map(|v| (v.name, ""))
        .chain([("DATABASE_URL", ""), ("PGUSER", "")])
        .collect();
    let settings = read(&empty).unwrap();
    assert!(settings.database.is_none() && settings.warnings.is_empty());
    assert!(settings.effective.iter().all(|setting| setting.origin == Origin::Default));
    assert_eq!(
        database(&[("DATABASE_URL", URL), ("DATABASE_URL_FILE", "")]),
        "postgresql://u:***@h:5432/d"
    );
    assert!(read(&[("CASTOFF_UNKNOWN", "")]).unwrap().warnings.is_empty());
}

#[test]
fn a_flag_goes_before_its_variable_and_the_last_flag_counts() {
    let environment = [("CASTOFF_WAIT_TIMEOUT", "1"), ("CASTOFF_SCHEMA", "s")];
    let flags = [("CASTOFF_WAIT_TIMEOUT", "2s"), ("CASTOFF_WAIT_TIMEOUT", "3m")];
    let settings = read_with(&environment, &flags).unwrap();
    assert_eq!(settings.wait_timeout, Duration::from_mins(3));
    let effective = |name| settings.effective.iter().find(|s| s.name == name).cloned().unwrap();
    assert_eq!(
        effective("CASTOFF_WAIT_TIMEOUT"),
        Setting { name: "CASTOFF_WAIT_TIMEOUT", value: "3m".into(), origin: Origin::Flag }
    );
    assert_eq!(effective("CASTOFF_SCHEMA").origin, Origin::Environment);
    assert_eq!(effective("CASTOFF_LOCK_TIMEOUT").value, "5s");
}

#[test]
fn every_setting_is_in_effect_once_and_in_the_table() {
    let settings = read(&[]).unwrap();
    let mut names: Vec<&str> = settings.effective.iter().map(|setting| setting.name).collect();
    let mut known: Vec<&str> =
        VARIABLES.iter().filter(|v| !v.is_secret()).map(|v| v.name).collect();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
    for name in Settings::secret_variables() {
        assert!(VARIABLES.iter().any(|v| v.name == *name && v.is_secret()), "{name}");
    }
}

#[test]
fn what_names_the_database_has_an_order() {
    for (environment, expected) in [
        (&[("DATABASE_URL", URL)][..], "postgresql://u:***@h:5432/d"),
        (
            &[("DATABASE_URL", URL), ("CASTOFF_DATABASE_URL", "postgresql://o@p/q")],
            "postgresql://o@p:5432/q",
        ),
        // The application's URL is nobody's business but its own.
        (
            &[("DATABASE_URL", "mysql://x"), ("CASTOFF_DATABASE_URL", "postgresql://o@p")],
            "postgresql://o@p:5432/o",
        ),
        (&[("PGHOST", "h"), ("PGUSER", "u")], "postgresql://u@h:5432/u"),
        (&[("PGHOSTADDR", "::1"), ("PGUSER", "u")], "postgresql://u@[::1]:5432/u"),
        (&[("PGUSER", "u")], "postgresql://u@%2Fvar%2Frun%2Fpostgresql:5432/u"),
        (
            &[("PGDATABASE", "d"), ("PGUSER", "u"), ("PGHOST", "h"), ("PGPORT", "1")],
            "postgresql://u@h:1/d",
        ),
        (
            &[("DATABASE_URL", "postgresql://h"), ("PGUSER", "u"), ("PGPASSWORD", "a@#:/%b")],
            "postgresql://u:***@h:5432/u",
        ),
        (
            &[("DATABASE_URL", URL), ("PGUSER", "x"), ("PGHOST", "x"), ("PGDATABASE", "x")],
            "postgresql://u:***@h:5432/d",
        ),
        // An empty value in the URL hides the variable, as in libpq.
        (
            &[("DATABASE_URL", "user=u dbname='' host=h"), ("PGDATABASE", "x")],
            "postgresql://u@h:5432/u",
        ),
    ] {
        assert_eq!(database(environment), expected, "{environment:?}");
    }
    let alone = [("PGPORT", "1"), ("PGPASSWORD", "p"), ("PGSSLMODE", "require")];
    assert!(read(&alone).unwrap().database.is_none());
}

#[test]
fn connect_timeout_is_castoffs_then_libpqs_then_five_seconds() {
    for (environment, seconds) in [
        (&[("PGUSER", "u")][..], 5),
        (&[("PGUSER", "u"), ("PGCONNECT_TIMEOUT", "7")], 7),
        (&[("PGUSER", "u"), ("PGCONNECT_TIMEOUT", "0")], 5),
        (&[("DATABASE_URL", "user=u connect_timeout=9"), ("PGCONNECT_TIMEOUT", "7")], 9),
        (&[("DATABASE_URL", "user=u connect_timeout=9"), ("CASTOFF_CONNECT_TIMEOUT", "2")], 2),
        (&[("PGCONNECT_TIMEOUT", "7")], 5),
    ] {
        let settings = read(environment).unwrap();
        assert_eq!(settings.connect_timeout, Duration::from_secs(seconds), "{environment:?}");
        let shown =
            settings.effective.iter().find(|s| s.name == "CASTOFF_CONNECT_TIMEOUT").unwrap();
        assert_eq!(shown.value.trim_end_matches('s'), seconds.to_string());
    }
}

#[test]
fn a_wrong_value_names_its_variable_or_flag() {
    for (name, value, expected) in [
        ("CASTOFF_WAIT_TIMEOUT", "soon", "CASTOFF_WAIT_TIMEOUT is \"soon\", and should be a time"),
        ("CASTOFF_CONNECT_TIMEOUT", "0", "should be a time above 0"),
        ("CASTOFF_LOCK_TIMEOUT", "0", "blocks every reader behind it"),
        ("CASTOFF_AHEAD", "Start", "should be start or refuse"),
        ("CASTOFF_INIT", "enabled", "should be 1 or 0, true or false, yes or no, on or off"),
        ("CASTOFF_MODE", "upgrad", "should be run, upgrade, check, wait or skip"),
        ("CASTOFF_LOG", "verbose", "should be error, warn, info, debug or trace"),
        ("CASTOFF_LOG_FORMAT", "xml", "should be auto, text or json"),
        ("CASTOFF_SCHEMA", "pg_castoff", "keeps pg_*"),
        ("CASTOFF_SCHEMA", "postgresql://u:p@h", "CASTOFF_SCHEMA is a URL"),
        ("PGPORT", "x", "PGPORT does not name"),
        ("PGPORT", "x", "the value of PGPORT is not a number from 1 to 65535"),
        ("PGSSLMODE", "on", "the value of PGSSLMODE is not disable"),
        ("PGCONNECT_TIMEOUT", "5s", "the value of PGCONNECT_TIMEOUT is not a whole number"),
        ("PGTARGETSESSIONATTRS", "x", "the value of PGTARGETSESSIONATTRS is not any"),
        (
            "DATABASE_URL",
            "x",
            "DATABASE_URL does not name a database that castoff can connect to: ",
        ),
        ("PGSSLMODE", "verify-ca", "sslmode=verify-ca has no root certificate"),
        ("DATABASE_URL", "sslrootcert=system sslmode=require", "too weak for sslrootcert=system"),
        ("PGSSLCERT", "/cert", "sslcert is given without the key"),
        ("PGSSLNEGOTIATION", "Direct", "sslmode=prefer is too weak for sslnegotiation=direct"),
        ("PGSSLMINPROTOCOLVERSION", "SSLv3", "PGSSLMINPROTOCOLVERSION is not TLSv1, TLSv1.1"),
        ("PGSSLMAXPROTOCOLVERSION", "TLSv1.1", "there is no version of TLS that castoff speaks"),
        ("PGCHANNELBINDING", "yes", "PGCHANNELBINDING is not disable, prefer or require"),
    ] {
        if let Ok(settings) = read(&[(name, value), ("PGUSER", "u"), ("PGHOST", "h")]) {
            panic!("{name}={value}: {settings:?}");
        }
        let error = read(&[(name, value), ("PGUSER", "u"), ("PGHOST", "h")]).unwrap_err();
        assert!(message(&error).contains(expected), "{name}={value}: {}", message(&error));
    }
    let error = read_with(&[], &[("CASTOFF_WAIT_TIMEOUT", "soon")]).unwrap_err();
    assert!(error.to_string().starts_with("--wait-timeout is \"soon\""), "{error}");
}

#[cfg(feature = "author")]
#[test]
fn the_words_that_complete_a_setting_are_all_that_it_may_be() {
    for variable in VARIABLES.iter().filter(|variable| !variable.words().is_empty()) {
        for word in variable.words() {
            assert!(read(&[(variable.name, word)]).is_ok(), "{} {word}", variable.name);
        }
        let wrong = message(&read(&[(variable.name, "S3ntinel")]).unwrap_err());
        assert!(variable.words().iter().all(|word| wrong.contains(word)), "{wrong}");
    }
}

#[test]
fn a_value_that_is_not_utf_8_is_an_error_only_where_it_is_read() {
    let bytes = || OsString::from_vec(vec![b'a', 0xff]);
    let with = |name: &str| Settings::read([(name.into(), bytes())].into_iter(), &[]);
    for name in ["DATABASE_URL", "CASTOFF_SCHEMA", "PGPASSWORD", "PGPASSWORD_FILE"] {
        let error = with(name).unwrap_err();
        assert_eq!(error.to_string(), format!("the value of {name} is not UTF-8"));
    }
    assert!(with("PATH").is_ok());
    assert_eq!(with("CASTOFF_OTHER").unwrap().warnings.len(), 1);
    let odd_name = [(bytes(), OsString::from("x"))];
    assert!(Settings::read(odd_name.into_iter(), &[]).is_ok());
}

#[test]
fn a_file_holds_a_secret_and_a_newline() {
    for (index, (content, password)) in [
        (&b"p@ss"[..], "p@ss"),
        (b"p@ss\n", "p@ss"),
        (b"p@ss\r\n", "p@ss"),
        (b"p@ss\n\n", "p@ss\n"),
        (b" p@ss ", " p@ss "),
        (b"p@ss\r", "p@ss\r"),
    ]
    .into_iter()
    .enumerate()
    {
        let file = Secret::new(&format!("password-{index}"), content);
        let settings = read(&[("PGUSER", "u"), ("PGPASSWORD_FILE", file.path())]).unwrap();
        assert_eq!(settings.database().unwrap().password().unwrap().expose(), password);
        let shown = settings.effective.iter().find(|s| s.name == "PGPASSWORD").unwrap();
        assert_eq!((shown.value.as_str(), &shown.origin), ("***", &Origin::File(file.0.clone())));
    }
    let url = Secret::new("url", b"postgresql://u:p@h/d\n");
    for name in ["DATABASE_URL_FILE", "CASTOFF_DATABASE_URL_FILE"] {
        assert_eq!(database(&[(name, url.path())]), "postgresql://u:***@h:5432/d");
    }
    let own = [("CASTOFF_DATABASE_URL_FILE", url.path()), ("DATABASE_URL", "mysql://x")];
    assert_eq!(database(&own), "postgresql://u:***@h:5432/d");
}

#[test]
fn a_file_that_holds_no_secret_is_an_error_with_its_name() {
    let empty = Secret::new("empty", b"\n");
    let nul = Secret::new("nul", b"p\0");
    let binary = Secret::new("binary", b"\xff\xfe");
    let long = Secret::new("long", &vec![b'x'; 70_000]);
    for (path, expected) in [
        ("/nowhere/secret", "PGPASSWORD_FILE names, /nowhere/secret, can't be read: "),
        ("/", "PGPASSWORD_FILE names, /, can't be read: "),
        (empty.path(), "is not a secret: it is empty"),
        (nul.path(), "it has a NUL byte"),
        (binary.path(), "is not UTF-8"),
        (long.path(), "longer than 64 KiB"),
    ] {
        let error = read(&[("PGPASSWORD_FILE", path)]).unwrap_err();
        assert!(message(&error).contains(expected), "{path}: {}", message(&error));
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_secret_and_its_file_are_not_both_set() {
    for name in ["DATABASE_URL", "CASTOFF_DATABASE_URL", "PGPASSWORD"] {
        let file = format!("{name}_FILE");
        let error = read(&[(name, URL), (&file, "/nowhere")]).unwrap_err();
        let expected = format!("{name} and {file} are both set, and one was expected");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn mistakes_in_the_environment_are_warnings() {
    let settings = read(&[
        ("CASTOFF_WAIT_TIMOUT", "5"),
        ("CASTOFF_MIGRATIONS", "migrations"),
        ("CASTOFF_PORT", "tcp://10.0.0.1:5432"),
        ("CASTOFF_SERVICE_HOST", "10.0.0.1"),
        ("PGGSSENCMODE", "disable"),
    ])
    .unwrap();
    let near =
        "CASTOFF_WAIT_TIMOUT is not a setting of castoff; did you mean CASTOFF_WAIT_TIMEOUT?";
    assert!(settings.warnings[0].starts_with("CASTOFF_MIGRATIONS is read when castoff is built"));
    assert_eq!(settings.warnings[1..], [near]);
    let settings = read(&[("PGREQUIRESSL", "0"), ("PGUSER", "u")]).unwrap();
    assert_eq!(settings.warnings.len(), 1);
    assert!(settings.warnings[0].starts_with("PGREQUIRESSL is set"));
}

#[test]
fn no_secret_is_shown() {
    let environment = [
        ("CASTOFF_DATABASE_URL", "postgresql://h/d?connect_timeout=1"),
        ("DATABASE_URL", URL),
        ("PGUSER", "u"),
        ("PGPASSWORD", "S3ntinel"),
        ("PGOPTIONS", "-c app.key=S3ntinel"),
        ("CASTOFF_UNKNOWN", "S3ntinel"),
    ];
    let settings = read(&environment).unwrap();
    assert_eq!(settings.secrets(), ["S3ntinel"]);
    let json = serde_json::to_string(&settings.effective).unwrap();
    assert!(json.contains(r#""name":"PGUSER","value":"u","origin":"environment""#), "{json}");
    assert!(!format!("{json} {settings:?} {:?}", settings.warnings).contains("S3ntinel"));
}

#[test]
fn what_libpq_was_forbidden_is_not_done_with_a_warning() {
    for (variable, value) in
        [("PGREQUIRESSL", "1"), ("PGGSSENCMODE", "require"), ("PGSSLCRL", "/revoked")]
    {
        let error = read(&[(variable, value), ("PGUSER", "u")]).unwrap_err();
        assert!(error.to_string().starts_with(variable), "{error}");
        assert!(read(&[(variable, value)]).is_ok(), "{variable} without a database");
    }
    assert!(read(&[("PGREQUIRESSL", "0"), ("PGUSER", "u")]).is_ok());
}

#[test]
fn hazards_are_refused_where_somebody_says_that_it_is_production() {
    for (environment, expected, origin) in [
        (&[][..], Hazards::Warn, Origin::Default),
        (&[("CASTOFF_ENV", "staging")], Hazards::Warn, Origin::Default),
        (&[("CASTOFF_ENV", "production")], Hazards::Refuse, Origin::Default),
        (
            &[("CASTOFF_ENV", "production"), ("CASTOFF_HAZARDS", "warn")],
            Hazards::Warn,
            Origin::Environment,
        ),
    ] {
        let settings = read(environment).unwrap();
        assert_eq!(settings.hazards, expected, "{environment:?}");
        let shown = settings.effective.iter().find(|s| s.name == "CASTOFF_HAZARDS").unwrap();
        assert_eq!((shown.value.as_str(), &shown.origin), (&*expected.to_string(), &origin));
    }
}

#[test]
fn a_backup_command_may_hold_urls_and_is_shown_without_its_arguments() {
    let line = "restic -r s3:https://k:S3ntinel@h/b backup 'a b'";
    let settings = read(&[("CASTOFF_BACKUP_COMMAND", line)]).unwrap();
    let command = settings.backup.command.as_ref().unwrap();
    assert_eq!(command.arguments, ["-r", "s3:https://k:S3ntinel@h/b", "backup", "a b"]);
    let shown = settings.effective.iter().find(|s| s.name == "CASTOFF_BACKUP_COMMAND").unwrap();
    assert_eq!(shown.value, "restic …");
    assert!(!format!("{settings:?}").contains("S3ntinel"));
    let error = read_with(&[], &[("CASTOFF_BACKUP_COMMAND", "a --key S3ntinel > b")]).unwrap_err();
    let told = "--backup-command is \"a\" …, and should be a program and its arguments, without";
    assert!(error.to_string().starts_with(told), "{error}");
    assert!(!message(&error).contains("S3ntinel"));
    let error = read(&[("CASTOFF_BACKUP_MAX_AGE", "0")]).unwrap_err();
    assert!(error.to_string().starts_with("CASTOFF_BACKUP_MAX_AGE is \"0\""), "{error}");
}
