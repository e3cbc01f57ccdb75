//! Migrations in a copy of castoff, made where nothing else is: `bundle` and `install`.

use std::time::Duration;

use crate::support::{Castoff, Folder, Image, Network, Postgres, Volume};

#[test]
fn a_bundled_image_needs_nothing_else_and_has_a_folders_digests() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.line(3);
    folder.file("0004_base.up.sql", "CREATE TABLE squashed (); DROP TABLE t0002, t0003");
    folder.file("0004_base.baseline.sql", "CREATE TABLE t0001 (id int); CREATE TABLE squashed ();");
    let image = Image::bundling(&folder);
    let bundled = Castoff::new(&network).image(&image);
    let start = bundled.start();
    let log = start.wait_for_application();
    assert_eq!(log.troubles(), [""; 0]);
    log.assert_message("The database is at head 0004");
    assert_eq!(db.tables(), "squashed,t0001");
    // The same folder from outside: the chain digests are equal, or this would be no fast start.
    let mounted = Castoff::new(&network).migrations(&folder).start();
    assert_eq!(mounted.wait_for_application().messages(), ["The database is at head 0004"]);
    let again = bundled.start();
    assert_eq!(again.wait_for_application().messages(), ["The database is at head 0004"]);
}

#[test]
fn a_changed_migration_is_bundled_in_less_than_a_second() {
    let (network, folder) = (Network::new(), Folder::new());
    folder.line(200);
    let (castoff, volume) = (Image::castoff(), Volume::new());
    // A new volume is root's.
    let bundle = Castoff::new(&network)
        .image(&castoff)
        .volume(&volume, "/out")
        .mount(folder.path(), "/migrations")
        .flag("--user", "0:0")
        .program("/castoff", &["bundle", "--migrations", "/migrations", "--output", "/out/castoff"])
        .start();
    let ended = bundle.wait();
    assert!(ended.assert_code(0).stdout.contains("200 revisions, head 0200"), "{ended:#?}");
    assert!(bundle.lived() < Duration::from_secs(1), "{:?}", bundle.lived());
    let heads = Castoff::new(&network).volume(&volume, "/out").program("/out/castoff", &["heads"]);
    assert!(heads.run().assert_code(0).stdout.contains("0200"));
}

#[test]
fn a_broken_folder_fails_the_build_with_its_file_and_line() {
    let folder = Folder::new();
    folder.revision("a");
    folder.file("b.up.sql", "-- Revises: a\n\nCREATE TABLE b ();\nCOMMIT;\n");
    let build = Image::try_bundling(&folder);
    assert!(!build.status.success());
    let said = build.stdout + &build.stderr;
    assert!(said.contains("/migrations/b.up.sql:4:1"), "{said}");
}

#[test]
fn castoff_is_bundled_once() {
    let (network, folder) = (Network::new(), Folder::new());
    folder.revision("a");
    let image = Image::bundling(&folder);
    let again = Castoff::new(&network)
        .image(&image)
        .mount(folder.path(), "/other")
        .program("/castoff", &["bundle", "--migrations", "/other", "--output", "/castoff"]);
    again.run().assert_error(64, "migrations in it already, up to a");
}

#[test]
fn a_damaged_bundle_is_refused_before_the_application_starts() {
    let (network, folder) = (Network::new(), Folder::new());
    let db = Postgres::start(&network);
    folder.revision("a");
    let image = Image::bundling(&folder);
    // Of a copy that lacks its last byte.
    let copy = Folder::new();
    image.copy_out("/castoff", &copy.path().join("castoff"));
    let bytes = std::fs::read(copy.path().join("castoff")).unwrap();
    copy.file("castoff", &bytes[..bytes.len() - 1]);
    let damaged = Castoff::new(&network).mount(copy.path(), "/copy");
    let ended = damaged.program("/copy/castoff", &["run", "--", "/application"]).run();
    ended.assert_error(65, "damaged").assert_no_application();
    assert!(!db.has_ledger());
}

#[test]
fn without_migrations_the_application_is_not_started() {
    let network = Network::new();
    let db = Postgres::start(&network);
    let ended = Castoff::new(&network).run();
    let log = ended.assert_error(78, "this castoff has no migrations in it");
    log.assert_no_application();
    assert!(!db.has_ledger());
    let ended = Castoff::new(&network).program("/castoff", &["status"]).run();
    let screen = &ended.assert_code(0).stdout;
    assert!(screen.contains("refused: this castoff has no migrations in it"), "{screen}");
    for command in [&["heads"][..], &["history"], &["branches"], &["show", "head"]] {
        let ended = Castoff::new(&network).program("/castoff", command).run();
        ended.assert_error(78, "this castoff has no migrations in it");
    }
}

#[test]
fn castoff_is_installed_into_a_volume_for_an_image_that_has_none() {
    let (network, folder, volume) = (Network::new(), Folder::new(), Volume::new());
    let db = Postgres::start(&network);
    folder.line(2);
    let image = Image::bundling(&folder);
    let install = Castoff::new(&network).image(&image).volume(&volume, "/shared");
    // A new volume is root's; Kubernetes would give an emptyDir to any user.
    install.flag("--user", "0:0").program("/castoff", &["install", "/shared"]).run().assert_code(0);
    let start = Castoff::new(&network)
        .image(&Image::postgres())
        .volume(&volume, "/shared:ro")
        .program("/shared/castoff", &["run", "--", "sh", "-c", "ls /; echo the application serves"])
        .run();
    let log = start.assert_code(0).assert_message("The database is at head 0002");
    assert!(!log.stdout.lines().any(|line| line == "castoff"), "{log:#?}");
    assert!(log.stdout.ends_with("the application serves\n"), "{log:#?}");
    assert_eq!(db.revisions(), "0001 upgrade,0002 upgrade");
}
