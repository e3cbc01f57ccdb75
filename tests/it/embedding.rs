//! The build: what is embedded, what is refused, and what builds anew.
//!
//! A package of the test's own has this one's build script and nothing else of it, so that cargo
//! has little to compile. Its target folder is kept between runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Folder;

const MANIFEST: &str = "[package]
name = \"embedding\"
version = \"0.0.0\"
edition = \"2024\"
[dependencies]
include_dir = \"0.7.4\"
[build-dependencies]
sha2 = { version = \"0.11.1\", default-features = false }
[workspace]
";

const MAIN: &str = r#"
static FOLDER: include_dir::Dir = include_dir::include_dir!("$OUT_DIR/migrations");
fn main() {
    let head: Option<(&str, &str)> = include!(concat!(env!("OUT_DIR"), "/head.rs"));
    let mut files: Vec<_> = FOLDER.files().map(|file| file.path().display().to_string()).collect();
    files.sort();
    println!("{} of {}", head.map_or("nothing", |(id, _)| id), files.join(" "));
}
"#;

/// The package, with a migration folder.
struct Package {
    root: PathBuf,
    migrations: Folder,
}

impl Package {
    fn new() -> Package {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedding");
        fs::create_dir_all(root.join("src")).unwrap();
        for (name, content) in [("Cargo.toml", MANIFEST), ("src/main.rs", MAIN)] {
            if fs::read_to_string(root.join(name)).ok().as_deref() != Some(content) {
                fs::write(root.join(name), content).unwrap();
            }
        }
        fs::copy(here.join("Cargo.lock"), root.join("Cargo.lock")).unwrap();
        for name in ["build.rs", "src/revision", "src/schema"] {
            drop(fs::remove_file(root.join(name)));
            symlink(here.join(name), root.join(name)).unwrap();
        }
        Package { root, migrations: Folder::new() }
    }

    /// What the program prints, or what cargo said.
    fn build(&self) -> Result<String, String> {
        let cargo = |arguments: &[&str]| {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(arguments).args(["--offline", "--color=never"]).current_dir(&self.root);
            cargo.env("CARGO_TARGET_DIR", self.root.join("target"));
            cargo.env("CASTOFF_MIGRATIONS", self.migrations.path()).output().unwrap()
        };
        let output = cargo(&["run", "--verbose"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(told);
        }
        let printed = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let fresh = if told.contains("Fresh embedding") { " (fresh)" } else { "" };
        Ok(printed + fresh)
    }
}

#[test]
fn a_broken_folder_does_not_compile_and_what_changes_is_built_anew() {
    let package = Package::new();
    let folder = &package.migrations;
    folder.revision("a");
    folder.file("b_x.up.sql", "-- second\n-- Revises: a\nCREATE TABLE b ();\nCOMMIT;\n");
    let told = package.build().unwrap_err();
    let place = format!("{}/b_x.up.sql:4:1", folder.path().display());
    assert!(told.contains(&format!("error: {place}")), "{told}");
    assert!(told.contains("COMMIT"), "{told}");

    folder.file("b_x.up.sql", "-- second\n-- Revises: a\nCREATE TABLE b ();\n");
    let two = "b of a_create_a.down.sql a_create_a.up.sql b_x.up.sql";
    assert_eq!(package.build().unwrap(), two);
    assert_eq!(package.build().unwrap(), format!("{two} (fresh)"));

    folder.revision("c: b");
    assert_eq!(
        package.build().unwrap(),
        two.replacen('b', "c", 1) + " c_create_c.down.sql c_create_c.up.sql"
    );
    folder.file("c_create_c.up.sql", "-- Revises: missing\n");
    let told = package.build().unwrap_err();
    assert!(told.contains("c_create_c.up.sql:1") && told.contains("missing"), "{told}");
    folder.remove("c_create_c.up.sql");
    folder.remove("c_create_c.down.sql");
    assert_eq!(package.build().unwrap(), two);
    // What is written of the revisions' effects is embedded; if it is broken, nothing is.
    folder.file("castoff.lock", "<<<<<<< HEAD\n");
    let told = package.build().unwrap_err();
    assert!(told.contains("castoff.lock:1: expected"), "{told}");
    folder.remove("castoff.lock");
    assert_eq!(package.build().unwrap(), two);
    // An editor's file is neither refused nor embedded.
    folder.file(".b_x.up.sql.swp", "\0");
    assert_eq!(package.build().unwrap(), two);
}
