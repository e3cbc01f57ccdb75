//! A folder as it was at a commit, by the program `git`.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::{fmt, thread};

use crate::revision::folder;

/// Why the folder of another time can't be had.
#[derive(Debug)]
pub enum GitError {
    /// The program can't be run.
    Missing(io::Error),
    /// The folder is in no repository, or git does not trust it.
    NoRepository {
        /// What git says.
        said: String,
    },
    /// The repository has no commit of this name.
    UnknownReference {
        /// The name.
        reference: String,
    },
    /// git failed otherwise.
    Failed {
        /// What git says.
        said: String,
    },
}

impl GitError {
    /// The exit code, of the one list.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::UnknownReference { .. } => 64,
            Self::NoRepository { .. } => 78,
            Self::Missing(_) | Self::Failed { .. } => 70,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownReference { .. } => Some(
                "name a tag, a branch or a commit; in CI, fetch it first (a shallow clone has none)"
                    .to_owned(),
            ),
            Self::NoRepository { .. } => {
                Some("--since reads the folder of another commit: run it in a clone".to_owned())
            }
            Self::Missing(_) => Some("install git, or leave out --since".to_owned()),
            Self::Failed { .. } => None,
        }
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(_) => f.write_str("cannot run git"),
            Self::NoRepository { said } => write!(f, "the folder is in no git repository: {said}"),
            Self::UnknownReference { reference } => write!(f, "git knows no commit {reference:?}"),
            Self::Failed { said } => write!(f, "git failed: {said}"),
        }
    }
}

impl std::error::Error for GitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing(source) => Some(source),
            Self::NoRepository { .. } | Self::UnknownReference { .. } | Self::Failed { .. } => None,
        }
    }
}

/// The files of a folder at a commit, with their paths in it; none if it was not there.
pub(crate) fn files_at(folder: &Path, reference: &str) -> Result<Vec<(String, Vec<u8>)>, GitError> {
    let inside = git(folder, &["rev-parse", "--git-dir"], "")?;
    if !inside.status.success() {
        return Err(GitError::NoRepository { said: said(&inside) });
    }
    let commit = format!("{reference}^{{commit}}");
    let commit =
        git(folder, &["rev-parse", "--verify", "--quiet", "--end-of-options", &commit], "")?;
    if !commit.status.success() {
        return Err(GitError::UnknownReference { reference: reference.to_owned() });
    }
    let commit = String::from_utf8_lossy(&commit.stdout).trim().to_owned();
    let tree = succeeded(git(folder, &["ls-tree", "-r", "-z", &commit], "")?)?;
    let files: Vec<(String, String)> = tree.split(|byte| *byte == 0).filter_map(entry).collect();
    let objects: String = files.iter().map(|(object, _)| format!("{object}\n")).collect();
    let mut contents = &succeeded(git(folder, &["cat-file", "--batch"], &objects)?)?[..];
    let mut read = Vec::with_capacity(files.len());
    for (_, path) in files {
        let content = next_object(&mut contents).ok_or_else(|| GitError::Failed {
            said: format!("the content of {path} is missing"),
        })?;
        read.push((path, content.to_vec()));
    }
    Ok(read)
}

/// `100644 blob OBJECT\tPATH`, of a file that counts.
fn entry(line: &[u8]) -> Option<(String, String)> {
    let line = str::from_utf8(line).ok()?;
    let (kind, path) = line.split_once('\t')?;
    let object = kind.strip_prefix("100")?.split(' ').nth(2)?;
    (!folder::ignores(path)).then(|| (object.to_owned(), path.to_owned()))
}

/// `OBJECT blob SIZE\n`, as many bytes, and a line end.
fn next_object<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let header = str::from_utf8(&rest[..end]).ok()?;
    let size: usize = header.rsplit(' ').next()?.parse().ok()?;
    let content = rest.get(end + 1..end + 1 + size)?;
    *rest = rest.get(end + 2 + size..)?;
    Some(content)
}

fn git(folder: &Path, arguments: &[&str], input: &str) -> Result<Output, GitError> {
    let mut command = Command::new("git");
    command.current_dir(folder).args(arguments);
    // Of a hook, which says so relative to another folder.
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(GitError::Missing)?;
    let stdin = child.stdin.take();
    thread::scope(|scope| {
        // git answers while it still reads.
        scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
        child.wait_with_output()
    })
    .map_err(GitError::Missing)
}

fn succeeded(output: Output) -> Result<Vec<u8>, GitError> {
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(GitError::Failed { said: said(&output) })
    }
}

fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines().next().unwrap_or("nothing").to_owned()
}
