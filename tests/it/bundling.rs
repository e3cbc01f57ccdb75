//! `castoff bundle` and `castoff install`: migrations in a copy of the program, without a compiler.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use castoff::{Migrations, Migrator, Settings, Target, include_dir};

use crate::support::{Castoff, Database, Folder, Run, SOON, Signal};

/// The folder that the test's own castoff is built with.
const COMPILED_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");

/// A folder for programs, which is removed with them.
struct Shelf(Folder);

impl Shelf {
    fn new() -> Shelf {
        Shelf(Folder::new())
    }

    fn place(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A castoff with this folder inside.
    fn bundled(&self, folder: impl AsRef<Path>) -> PathBuf {
        let output = self.place("castoff");
        bundle(folder, &output).assert_code(0);
        output
    }
}

/// castoff in the text format and without a folder of its own.
fn castoff() -> Castoff {
    Castoff::without_database().embedded().env("CASTOFF_LOG_FORMAT", "text")
}

fn bundle(folder: impl AsRef<Path>, output: &Path) -> Run {
    let [folder, output] = [folder.as_ref(), output].map(|path| path.to_str().unwrap().to_owned());
    castoff().args(["bundle", "--migrations", &folder, "--output", &output]).run()
}

/// castoff with a database, from a program with a bundle.
fn run_of(program: &Path, db: &Database) -> Castoff {
    castoff().program(program).url(db.url()).args(["run", "--", "echo", "the app"])
}

#[test]
fn a_bundled_folder_is_what_a_compiled_one_is() {
    let shelf = Shelf::new();
    let bundled = shelf.bundled(COMPILED_IN);
    for command in
        [["history", "--json"], ["show", "head"], ["show", "0004"], ["branches", "--json"]]
    {
        let compiled = castoff().args(command).run();
        let other = castoff().program(&bundled).args(command).run();
        assert_eq!(other.assert_code(0).stdout, compiled.assert_code(0).stdout);
    }
    let (db, by_compiled) = (Database::empty(), Database::empty());
    run_of(&bundled, &db).run().assert_code(0).assert_stdout("the app");
    castoff().url(by_compiled.url()).args(["upgrade"]).run().assert_code(0);
    let ledger = "SELECT revision, down_revisions, message, checksum, chain, head, down_sql
        FROM castoff.revision ORDER BY revision";
    assert_eq!(db.psql(ledger), by_compiled.psql(ledger));
    // Each is at the head of the other, by its chain.
    run_of(&bundled, &by_compiled).run().assert_code(0).assert_stderr("is at head 0008");
}

#[test]
fn a_bundle_goes_before_what_is_compiled_in_and_a_folder_on_a_disk_before_both() {
    let (shelf, folder, disk) = (Shelf::new(), Folder::new(), Folder::new());
    folder.line(3);
    folder.file("README.md", "not a migration");
    disk.line(1);
    let program = shelf.bundled(folder.path());
    let db = Database::empty();
    run_of(&program, &db).run().assert_code(0).assert_stdout("the app");
    assert_eq!(db.heads(), "0003");
    let heads = castoff().program(&program).args(["heads"]);
    heads.run().assert_code(0).assert_stdout("0002 -> 0003 (head)");
    heads.folder(disk.path()).run().assert_code(0).assert_stdout("<base> -> 0001 (head)");
}

#[test]
fn the_result_is_told_in_words_and_as_json() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    folder.line(3);
    let output = shelf.place("out");
    let size = || fs::metadata(&output).unwrap().len();
    let run = bundle(folder.path(), &output);
    let words =
        format!("{}: castoff with 3 revisions, head 0003, {} bytes\n", output.display(), size());
    assert_eq!(run.assert_code(0).stdout, words);
    let json = castoff().args(["bundle", "--json", "--migrations"]).run();
    json.assert_code(64).assert_stderr("--migrations has no value");
    let [folder, to] = [folder.path(), &output].map(|path| path.to_str().unwrap().to_owned());
    let json = castoff().args(["bundle", "--migrations", &folder, "--output", &to, "--json"]).run();
    let json: serde_json::Value = serde_json::from_str(&json.assert_code(0).stdout).unwrap();
    let expected = serde_json::json!({
        "output": to, "head": "0003", "revisions": 3, "bytes": size()
    });
    assert_eq!(json, expected);
}

#[test]
fn a_folder_that_would_not_compile_is_not_bundled_and_the_output_stays_as_it_was() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    let output = shelf.place("castoff");
    fs::write(&output, "what was there").unwrap();
    bundle(folder.path(), &output).assert_code(65).assert_stderr("there is no migration in");
    folder.file("1_a.up.sql", "CREATE TABLE a ();\nCOMMIT;\n");
    let place = format!("{}/1_a.up.sql:2:1", folder.path().display());
    bundle(folder.path(), &output).assert_code(65).assert_stderr(&place);
    bundle(folder.path().join("nowhere"), &output).assert_code(65).assert_stderr("nowhere");
    assert_eq!(fs::read_to_string(&output).unwrap(), "what was there");
    assert_eq!(shelf.names(), ["castoff"]);
}

#[test]
fn an_output_that_cannot_be_written_is_named_and_nothing_is_left_behind() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    folder.line(1);
    let folder = folder.path();
    bundle(folder, shelf.0.path()).assert_code(64).assert_stderr("is a folder");
    let missing = shelf.place("missing/castoff");
    let run = bundle(folder, &missing);
    run.assert_code(70).assert_stderr(&format!("cannot write {}", missing.display()));
    run.assert_stderr("No such file or directory");
    assert!(shelf.names().is_empty());
}

#[test]
fn a_device_a_pipe_and_a_migration_are_not_replaced_and_a_link_stays_one() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    folder.line(1);
    let pipe = shelf.place("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // A link to a device: were it replaced, it would be the link, and not the machine's own.
    let null = shelf.place("null");
    std::os::unix::fs::symlink("/dev/fd/0", &null).unwrap();
    for place in [&pipe, &null] {
        bundle(folder.path(), place).assert_code(64).assert_stderr("is no regular file");
        let install = castoff().args(["install", place.to_str().unwrap()]).run();
        install.assert_code(64).assert_stderr("is no regular file");
    }
    let migration = folder.path().join("0001_create.up.sql");
    let before = fs::read(&migration).unwrap();
    bundle(folder.path(), &migration)
        .assert_code(64)
        .assert_stderr("in the folder of the migrations");
    assert_eq!(fs::read(&migration).unwrap(), before);

    let (link, target) = (shelf.place("link"), shelf.place("target"));
    fs::write(&target, "what was there").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    bundle(folder.path(), &link).assert_code(0);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    castoff().program(&target).args(["heads"]).run().assert_code(0).assert_stdout("0001 (head)");
}

#[test]
fn a_pipe_in_a_folder_is_an_error_and_not_waited_for() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    let made = std::process::Command::new("mkfifo").arg(folder.path().join("1_a.sql")).status();
    assert!(made.unwrap().success());
    let run = bundle(folder.path(), &shelf.place("castoff"));
    run.assert_code(65).assert_stderr("1_a.sql").assert_stderr("not a regular file");
}

#[test]
fn a_second_bundle_is_refused() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    folder.line(2);
    let program = shelf.bundled(folder.path());
    let output = shelf.place("second").to_str().unwrap().to_owned();
    let folder = folder.path().to_str().unwrap();
    let again = castoff().program(&program);
    let run = again.args(["bundle", "--migrations", folder, "--output", &output]).run();
    run.assert_code(64).assert_stderr("has migrations in it already, up to 0002");
    assert_eq!(shelf.names(), ["castoff"]);
}

#[test]
fn a_program_bundles_over_itself_while_it_runs() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    folder.line(1);
    let own = shelf.place("castoff").to_str().unwrap().to_owned();
    castoff().args(["install", &own]).run().assert_code(0);
    let itself = castoff().program(&own);
    // Nothing that is set matters to the build of an image.
    let itself = itself.env("CASTOFF_WAIT_TIMEOUT", "soon").env("DATABASE_URL", "nonsense");
    let folder = folder.path().to_str().unwrap();
    itself.args(["bundle", "--migrations", folder, "--output", &own]).run().assert_code(0);
    castoff().program(&own).args(["heads"]).run().assert_code(0).assert_stdout("0001 (head)");
    assert_eq!(shelf.names(), ["castoff"]);
}

/// The start and the length of a bundle, by what the compiler made of the plain program.
fn plain_length() -> u64 {
    fs::metadata(env!("CARGO_BIN_EXE_castoff")).unwrap().len()
}

fn flip(program: &Path, at: u64) {
    let mut file = fs::File::options().read(true).write(true).open(program).unwrap();
    let mut byte = [0];
    file.seek(SeekFrom::Start(at)).unwrap();
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(at)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
}

#[test]
fn a_damaged_bundle_changes_no_database_and_is_never_taken_for_none() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    folder.line(2);
    let whole = shelf.bundled(folder.path());
    let db = Database::empty();
    let (start, end) = (plain_length(), fs::metadata(&whole).unwrap().len());
    let damaged = shelf.place("damaged");
    let cut = |length: u64| {
        fs::copy(&whole, &damaged).unwrap();
        fs::File::options().write(true).open(&damaged).unwrap().set_len(length).unwrap();
    };
    let assert_damaged = |what: &str| {
        let run = run_of(&damaged, &db).run();
        assert!(run.code() == Some(65), "{what}\n{run}");
        run.assert_stderr("the migrations in this castoff are damaged");
        assert_eq!(db.psql("SELECT to_regclass('castoff.revision') IS NULL"), "t", "{what}");
    };
    for (what, at) in [("contents", start), ("index", end - 1)] {
        fs::copy(&whole, &damaged).unwrap();
        flip(&damaged, at);
        assert_damaged(what);
    }
    for (what, length) in [("cut off whole", start), ("cut off", end - 1)] {
        cut(length);
        assert_damaged(what);
    }
    // What does not need the bundle works.
    castoff().program(&damaged).args(["version"]).run().assert_code(0);
}

#[test]
fn strip_is_found_out() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    folder.line(1);
    let program = shelf.bundled(folder.path());
    let stripped = std::process::Command::new("strip").arg(&program).status();
    assert!(stripped.expect("binutils has come with the C linker").success());
    let run = castoff().program(&program).args(["heads"]).run();
    run.assert_code(65).assert_stderr("are damaged").assert_stderr("stripped");
}

#[test]
fn a_large_folder_is_bundled_whole() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    let values = format!("INSERT INTO t VALUES ('{}');\n", "x".repeat(1000)).repeat(5000);
    folder.file("1_t.up.sql", format!("CREATE TABLE t (a text);\n{values}"));
    folder.file("2_empty.up.sql", "");
    folder.file("3_u.up.sql", "CREATE TABLE u ();");
    let program = shelf.bundled(folder.path());
    let db = Database::empty();
    run_of(&program, &db).run().assert_code(0);
    assert_eq!(db.psql("SELECT count(*), sum(length(a)) FROM t"), "5000|5000000");
    assert_eq!(db.heads(), "3");
}

#[test]
fn an_installed_castoff_is_the_same_with_its_bundle_and_may_be_executed_by_everybody() {
    let (shelf, folder) = (Shelf::new(), Folder::new());
    folder.line(2);
    let program = shelf.bundled(folder.path());
    let shared = shelf.place("shared");
    fs::create_dir(&shared).unwrap();
    let install = castoff().program(&program).under(["sh", "-c", "umask 077; exec \"$@\"", "sh"]);
    let run = install.clone().args(["install", shared.to_str().unwrap()]).run();
    let installed = shared.join("castoff");
    let size = fs::metadata(&installed).unwrap().len();
    let words = format!("{}: castoff, {size} bytes\n", installed.display());
    assert_eq!(run.assert_code(0).stdout, words);
    assert_eq!(fs::metadata(&installed).unwrap().permissions().mode() & 0o7777, 0o755);
    assert!(fs::read(&installed).unwrap() == fs::read(&program).unwrap());
    let heads = castoff().program(&installed).args(["heads"]).run();
    heads.assert_code(0).assert_stdout("0002 (head)");

    // A file that is there is replaced, even while it runs.
    let waiting = castoff()
        .program(&installed)
        .url("postgresql://shop:x@127.0.0.1:1/shop")
        .args(["run", "--", "true"])
        .spawn();
    waiting.wait_for_line("refused");
    let again = castoff().args(["install", installed.to_str().unwrap(), "--json"]).run();
    let told: serde_json::Value = serde_json::from_str(&again.assert_code(0).stdout).unwrap();
    assert_eq!(told["path"], installed.to_str().unwrap());
    waiting.signal(Signal::Term);
    waiting.wait(SOON).assert_code(143);
    let heads = castoff().program(&installed).args(["heads"]).run();
    heads.assert_code(0).assert_stdout("0008 (head)");

    let nowhere = castoff().args(["install", "/nowhere/castoff"]).run();
    nowhere.assert_code(70).assert_stderr("cannot write /nowhere/castoff");
    let full = castoff().args(["install", "/proc/castoff"]).run();
    full.assert_code(70).assert_stderr("cannot write /proc/castoff");
}

#[tokio::test]
async fn a_castoff_without_any_migrations_says_so_before_it_asks_the_database() {
    static NONE: Migrations = Migrations::new(&include_dir::Dir::new("", &[]));
    // Nothing answers there: who asked would wait.
    let url = ("DATABASE_URL".into(), "postgresql://shop:x@127.0.0.1:1/shop".into());
    let settings = Settings::read([url].into_iter(), &[]).unwrap();
    let migrator = Migrator::new(&NONE, settings).unwrap();
    let errors = [
        migrator.upgrade(&Target::head()).await.unwrap_err(),
        migrator.plan().await.unwrap_err(),
        migrator.check().await.unwrap_err(),
        migrator.pending().await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.to_string(), "this castoff has no migrations in it");
        assert_eq!(error.exit_code(), 78);
        assert!(error.hint().unwrap().contains("castoff bundle"));
    }
    assert!(migrator.history().unwrap().is_empty());
}
