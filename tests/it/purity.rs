//! The core is pure: it names neither the file system, the environment, the network, nor a clock.

use std::fs;
use std::path::{Path, PathBuf};

/// What the core may name: of std what has no effect, itself, and what only computes.
const STD: [&str; 14] = [
    "borrow",
    "cell",
    "cmp",
    "collections",
    "convert",
    "error",
    "fmt",
    "hash",
    "iter",
    "mem",
    "ops",
    "slice",
    "str",
    "sync",
];

#[test]
fn the_core_imports_only_the_core() {
    let mut breaches = Vec::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut read = 0;
    for path in rust_files(&source.join("revision"))
        .chain(rust_files(&source.join("plan")))
        .chain(rust_files(&source.join("schema")))
        .chain([source.join("plan.rs"), source.join("schema.rs")])
        .filter(|path| !path.ends_with("tests.rs"))
    {
        read += 1;
        let text = fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let is_plan = !path.starts_with(source.join("revision"));
        for (number, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap();
            for breach in outside(line, is_plan) {
                breaches.push(format!("{}:{}: {breach}", path.display(), number + 1));
            }
        }
    }
    assert!(read > 20, "{read} files");
    assert_eq!(breaches, Vec::<String>::new());
}

fn rust_files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
}

/// The paths in a line of code that lead out of the core.
fn outside(line: &str, is_plan: bool) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let word = |text: &str| -> String { text.chars().take_while(|c| is_word(*c)).collect() };
    let mut found = Vec::new();
    for root in ["std", "core", "crate"] {
        for (at, _) in line.match_indices(&format!("{root}::")) {
            if line[..at].ends_with(is_word) {
                continue;
            }
            let rest = &line[at + root.len() + 2..];
            let module = word(rest);
            let allowed = if root == "crate" {
                module == "revision" || is_plan && ["plan", "schema"].contains(&module.as_str())
            } else {
                STD.contains(&module.as_str()) || rest.starts_with("time::Duration")
            };
            if !allowed {
                found.push(format!("{root}::{}", word(rest)));
            }
        }
    }
    let trimmed = line.trim_start();
    let trimmed = trimmed.strip_prefix("pub ").unwrap_or(trimmed);
    if let Some(path) = trimmed.strip_prefix("use ") {
        let root = word(path);
        let own = path.as_bytes()[root.len()] == b':' || path.starts_with("::");
        let known = ["std", "core", "crate", "self", "super", "sha2"];
        let modules = root.starts_with(|c: char| c.is_lowercase());
        let is_known = known.contains(&root.as_str()) || is_plan && root == "serde";
        if own && modules && !is_known && !is_own_module(&root) {
            found.push(root);
        }
    }
    for effect in
        ["println!", "eprintln!", "print!", "panic!", "tokio", "tracing", "Instant", "SystemTime"]
    {
        if line.contains(effect) {
            found.push(effect.to_owned());
        }
    }
    found
}

/// Whether a path begins in a module of the core itself, which its siblings may re-export.
fn is_own_module(root: &str) -> bool {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    ["revision", "plan", "schema"]
        .iter()
        .any(|core| source.join(core).join(format!("{root}.rs")).exists())
}

#[test]
fn what_leads_out_of_the_core_is_seen() {
    for (line, is_plan) in [
        ("use std::fs;", true),
        ("    let now = std::time::Instant::now();", true),
        ("use std::time::{Duration, SystemTime};", true),
        ("use tokio::time;", true),
        ("use serde::Serialize;", false),
        ("use crate::plan::Plan;", false),
        ("use crate::settings::Settings;", true),
        ("use std::{env, io};", true),
        ("    tracing::info!(\"x\");", true),
        ("use rustix::fs;", true),
    ] {
        assert_ne!(outside(line, is_plan), Vec::<String>::new(), "{line}");
    }
    for line in
        ["use std::collections::BTreeSet;", "use serde::Serialize;", "use std::time::Duration;"]
    {
        assert_eq!(outside(line, true), Vec::<String>::new(), "{line}");
    }
}
