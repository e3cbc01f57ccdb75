//! Checks the migration folder with the library's own reader, and hands it over for embedding.
//!
//! `CASTOFF_MIGRATIONS` names the folder, `migrations` by default, relative to the manifest. A broken
//! folder does not compile: every problem is printed with its file and line.
//!
//! The output directory receives `migrations/`, with the files that count and no others (an editor's
//! swap file must not be embedded), and `head.rs`, an expression of type `Option<(&str, &str)>`: the
//! head's id and its chain in hexadecimal digits, so that a start at head parses no file.
#![allow(clippy::print_stdout, reason = "cargo reads a build script's directives from its output")]
#![allow(clippy::print_stderr, reason = "cargo shows it when the build fails")]
#![allow(clippy::disallowed_methods, reason = "a build script is told everything by variables")]

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

#[path = "src/revision/mod.rs"]
#[allow(dead_code, unused_imports, unreachable_pub, reason = "the build needs the reader alone")]
mod revision;

/// Of the schemas only what a lock needs.
#[allow(dead_code, unused_imports, unreachable_pub, reason = "the build needs the reader alone")]
#[path = "src/schema"]
mod schema {
    mod hazard;
    mod kind;
    mod line;
    mod lock;

    pub use hazard::Hazard;
    pub use kind::Kind;
    pub use line::{Identity, Line, Schema};
    pub use lock::Lock;
}

use revision::{Graph, folder};
use schema::Lock;

/// The paths of a folder's files, relative and with `/`, and their bytes.
type Files = Vec<(String, Vec<u8>)>;

fn main() -> ExitCode {
    match embed() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn embed() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=CASTOFF_MIGRATIONS");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=src/revision");
    println!("cargo::rerun-if-changed=src/schema");
    let named = env::var_os("CASTOFF_MIGRATIONS").filter(|name| !name.is_empty());
    let folder = PathBuf::from(named.unwrap_or_else(|| OsString::from("migrations")));
    println!("cargo::rerun-if-changed={}", folder.display());

    let mut files = Files::new();
    gather(&folder, "", &mut files)
        .map_err(|error| format!("cannot read the migration folder {error}"))?;
    let graph = check(&files, &folder)?;
    check_lock(&files, &graph)?;

    let out = PathBuf::from(env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    copy(&files, &out.join("migrations"))?;
    fs::write(out.join("head.rs"), head(&graph))?;
    Ok(())
}

fn gather(folder: &Path, prefix: &str, files: &mut Files) -> Result<(), String> {
    let describe = |error: io::Error| format!("{}: {error}", folder.display());
    for entry in fs::read_dir(folder).map_err(describe)? {
        let entry = entry.map_err(describe)?;
        let path = entry.path();
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if folder::ignores(&name) {
            continue;
        }
        if path.is_dir() {
            gather(&path, &format!("{name}/"), files)?;
        } else if !path.is_file() {
            // Opening a pipe would wait for somebody to write into it.
            return Err(format!("{}: not a regular file", path.display()));
        } else {
            let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            files.push((name, bytes));
        }
    }
    Ok(())
}

fn check(files: &Files, folder: &Path) -> Result<Graph, String> {
    let files = files.iter().map(|(name, bytes)| (name.clone(), bytes));
    folder::read(files, &folder.display().to_string()).map_err(|problems| {
        for problem in problems.errors() {
            eprintln!("error: {problem}");
            if let Some(hint) = problem.hint() {
                eprintln!("  hint: {hint}");
            }
        }
        format!("the migration folder {} has problems", folder.display())
    })
}

/// A broken lock is an error like any other. One that was not written anew yet is told: it proves
/// nothing, but who is at work on a revision wants to build.
fn check_lock(files: &Files, graph: &Graph) -> Result<(), Box<dyn Error>> {
    let Some(lock) = Lock::among(files)? else { return Ok(()) };
    for stale in lock.stale(graph) {
        println!("cargo::warning={stale}; run `castoff lock`");
    }
    Ok(())
}

/// Fills a clean folder, so that a file removed from the source does not stay embedded.
fn copy(files: &Files, to: &Path) -> io::Result<()> {
    match fs::remove_dir_all(to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::create_dir_all(to)?;
    files.iter().try_for_each(|(name, bytes)| fs::write(to.join(name), bytes))
}

fn head(graph: &Graph) -> String {
    let head = graph.head().and_then(|id| Some((id, graph.chain(id)?)));
    match head {
        Some((id, chain)) => format!("Some((\"{id}\", \"{}\"))\n", chain.to_hex()),
        None => "None\n".to_owned(),
    }
}
