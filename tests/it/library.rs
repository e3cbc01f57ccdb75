//! castoff in another program: the example, and the methods of `Migrator`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use castoff::plan::{Progress, Standing};
use castoff::revision::RevisionId;
use castoff::{Error, Migrations, Migrator, Settings, Target, include_dir};

use crate::support::{Castoff, Database};

static MIGRATIONS: Migrations =
    Migrations::new(&include_dir::include_dir!("$CARGO_MANIFEST_DIR/examples/embedded"));

fn migrator(url: &str) -> Migrator {
    let variables = [("DATABASE_URL", url), ("CASTOFF_WAIT_TIMEOUT", "200ms")];
    let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
    let settings = Settings::read(variables.into_iter(), &[]).unwrap();
    Migrator::new(&MIGRATIONS, settings).unwrap()
}

fn id(text: &str) -> RevisionId {
    RevisionId::new(text).unwrap()
}

/// The example's program, which cargo has built by now unless this test was chosen alone.
fn example() -> PathBuf {
    let castoff = Path::new(env!("CARGO_BIN_EXE_castoff"));
    let profile = castoff.parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--offline", "--example", "embedded"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    profile.join("examples/embedded")
}

#[test]
fn the_example_is_an_entrypoint_with_a_folder_of_its_own() {
    let db = Database::empty();
    let program = example();
    let words = ["sh", "-c", "shift; exec \"$0\" \"$@\"", program.to_str().unwrap()];
    let example = Castoff::new(&db).embedded().under(words);
    let ready = example.clone().args(["prepare"]).run();
    ready.assert_code(0).assert_stdout("pending: 0001 (keep notes)\n");
    ready.assert_stdout("pending: 0002 (say when a note was written)\n2 steps; at");
    assert_eq!((db.heads().as_str(), db.tables().as_str()), ("0002", "note"));
    let run = example.clone().args(["run", "--", "echo", "the app"]).run();
    run.assert_code(0).assert_stdout("the app\n");
    example.clone().args(["check"]).run().assert_code(0);
    let broken = example.url("postgresql://127.0.0.1:1/x").env("CASTOFF_WAIT_TIMEOUT", "100ms");
    broken.args(["prepare"]).run().assert_code(1).assert_stderr("was not ready within");
}

#[tokio::test]
async fn a_migrator_reads_plans_upgrades_downgrades_and_stamps() {
    let db = Database::empty();
    let migrator = migrator(&db.url());
    assert_eq!(migrator.heads().unwrap()[0].id(), &id("0002"));
    assert_eq!(migrator.history().unwrap().len(), 2);
    assert_eq!(migrator.graph().unwrap().heads(), [&id("0002")]);
    assert_eq!(migrator.settings().schema, "castoff");

    migrator.wait().await.unwrap();
    assert_eq!(migrator.current().await.unwrap(), []);
    assert_eq!(migrator.plan().await.unwrap().standing(), &Standing::Fresh);
    assert_eq!(migrator.pending().await.unwrap().len(), 2);
    assert!(!db.has_ledger());

    let plan = migrator.upgrade(&Target::parse("+1").unwrap()).await.unwrap();
    assert_eq!(plan.runs().collect::<Vec<_>>(), [&id("0001")]);
    assert_eq!(migrator.check().await.unwrap().standing(), &Standing::Behind);
    migrator.wait_for(&id("0001")).await.unwrap();
    let late = migrator.wait_for(&id("0002")).await.unwrap_err();
    assert!(matches!(late, Error::NotThere { .. }), "{late}");

    migrator.upgrade(&Target::head()).await.unwrap();
    assert_eq!(migrator.check().await.unwrap().standing(), &Standing::AtHead);
    assert!(migrator.upgrade(&Target::head()).await.unwrap().is_empty());
    let schema = migrator.schema().await.unwrap().to_string();
    assert!(schema.starts_with("table public.note\n"), "{schema}");
    let state = migrator.state().await.unwrap();
    assert!(state.ledger.unwrap().rows().all(|row| row.progress == Progress::Complete));

    migrator.downgrade(&Target::parse("base").unwrap()).await.unwrap();
    assert_eq!(db.tables(), "");
    let plan = migrator.stamp(&Target::head()).await.unwrap();
    assert!(plan.creates_ledger() && plan.steps().len() == 1, "{plan:?}");
    assert_eq!((migrator.current().await.unwrap(), db.tables()), (vec![id("0002")], String::new()));
}

#[tokio::test]
async fn a_migrators_errors_have_the_exit_code_and_the_hint_of_the_commands() {
    let db = Database::empty();
    db.psql("CREATE TABLE unknown ()");
    let refused = migrator(&db.url()).upgrade(&Target::head()).await.unwrap_err();
    assert!(matches!(refused, Error::Refused(_)) && refused.exit_code() == 76, "{refused}");
    assert!(refused.hint().unwrap().contains("CASTOFF_BASELINE"));
    let late = migrator("postgresql://127.0.0.1:1/x").check().await.unwrap_err();
    assert!(matches!(late, Error::NotReady(_)) && late.exit_code() == 69, "{late}");
    let unnamed = Settings::read(std::iter::empty(), &[]).unwrap();
    let unnamed = Migrator::new(&MIGRATIONS, unnamed).unwrap();
    assert_eq!(unnamed.current().await.unwrap_err().exit_code(), 78);
    assert_eq!(unnamed.history().unwrap().len(), 2);
}

#[tokio::test]
async fn a_migrator_leaves_no_session_open() {
    let db = Database::empty();
    let migrator = migrator(&db.url());
    migrator.check().await.unwrap();
    migrator.upgrade(&Target::head()).await.unwrap();
    migrator.check().await.unwrap();
    migrator.wait_for(&id("0001")).await.unwrap();
    assert_eq!((db.backends(), db.advisory_locks()), (Vec::new(), Vec::new()));
}
