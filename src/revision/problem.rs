//! What can be wrong with a folder, each problem with its place.

use std::error::Error;
use std::fmt;

use crate::revision::{InvalidRevisionId, Position, RevisionId};

/// One problem, in one file or (without a position) in the folder as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    pub(super) file: String,
    pub(super) position: Option<Position>,
    pub(super) problem: Problem,
}

impl FileError {
    /// The file as it is shown, or the folder.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Where in the file, if it is one place.
    pub fn position(&self) -> Option<Position> {
        self.position
    }

    /// What is wrong.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        self.problem.hint()
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "{}:{position}: {}", self.file, self.problem),
            None => write!(f, "{}: {}", self.file, self.problem),
        }
    }
}

impl Error for FileError {}

/// Every problem of a folder, ordered by file and place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderErrors {
    pub(super) errors: Vec<FileError>,
}

impl FolderErrors {
    /// The problems; never empty.
    pub fn errors(&self) -> &[FileError] {
        &self.errors
    }

    /// What to do, if one instruction serves every problem that has one.
    pub fn hint(&self) -> Option<String> {
        let mut hints: Vec<String> = self.errors.iter().filter_map(FileError::hint).collect();
        hints.dedup();
        if hints.len() == 1 { hints.pop() } else { None }
    }
}

impl fmt::Display for FolderErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.errors.iter().enumerate() {
            if at > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl Error for FolderErrors {}

/// A problem and the byte of the text at which it begins, before the file's name is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Located {
    pub(super) offset: usize,
    pub(super) problem: Problem,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A zero byte, which PostgreSQL cannot be sent.
    NulByte,
    /// A string, comment, parenthesis … that the file never ends.
    Unterminated {
        /// What begins here, for example `string`.
        what: &'static str,
    },
    /// A command of psql.
    MetaCommand {
        /// The command, for example `\i`.
        command: String,
    },
    /// `COPY … FROM stdin` whose data no line `\.` ends.
    CopyWithoutEnd,
    /// Something behind a `COPY … FROM stdin;` on its line, where psql would look for it after the data.
    TextAfterCopy,
    /// `COPY … TO stdout`: there is nobody to read it.
    CopyToStdout,

    /// A header line with a value that its key doesn't take.
    HeaderValue {
        /// The key.
        key: &'static str,
        /// The value found.
        value: String,
        /// What the key takes.
        expected: &'static str,
    },
    /// A header key for the second time.
    RepeatedKey {
        /// The key.
        key: &'static str,
    },
    /// A header key that is nearly a known one.
    MisspelledKey {
        /// The key found.
        found: String,
        /// The key it resembles.
        known: &'static str,
    },
    /// The marks of a tool that keeps both directions in one file.
    BothDirections {
        /// The mark found.
        mark: String,
    },

    /// `BEGIN`, `COMMIT` … in a file that castoff runs in one transaction.
    TransactionControl {
        /// The statement's beginning.
        statement: String,
    },
    /// A transaction in a non-transactional file that is not one `BEGIN` … `COMMIT` pair.
    UnpairedTransactionControl {
        /// The statement's beginning.
        statement: String,
    },
    /// A statement that PostgreSQL refuses in a transaction block.
    NotInTransaction {
        /// The statement's beginning.
        statement: String,
    },
    /// Such a statement between `BEGIN` and `COMMIT` of a non-transactional file.
    NotInTransactionBlock {
        /// The statement's beginning.
        statement: String,
    },
    /// `DISCARD ALL`, which would release the migration lock.
    DiscardAll,

    /// A file that is no migration.
    StrayFile,
    /// A file of a sub-directory.
    InDirectory {
        /// What it would be called in the folder itself, if it looks like a migration.
        rename: Option<String>,
    },
    /// A file name whose part before the first `_` is no id.
    FileId(InvalidRevisionId),
    /// A second file for the same id and direction.
    SecondFile {
        /// The file met first.
        first: String,
    },
    /// A revision id that another file has.
    DuplicateId {
        /// The id.
        id: RevisionId,
        /// The other file.
        other: String,
    },
    /// A down file whose revision has no up file.
    DownWithoutUp,
    /// A baseline without an up file that follows other revisions.
    BaselineNotRoot {
        /// The revisions that it follows.
        down_revisions: Vec<RevisionId>,
    },
    /// A baseline that says `Transaction: none`.
    BaselineOutsideTransaction,
    /// A header key that says something else in another file of the same revision.
    Disagreement {
        /// The key.
        key: &'static str,
        /// The other file.
        other: String,
    },
    /// `Revises:` names a revision that the folder doesn't have.
    UnknownDownRevision {
        /// The revision named.
        down_revision: RevisionId,
        /// What may have been meant.
        nearest: Vec<RevisionId>,
    },
    /// Revisions that follow each other in a circle.
    CycleDetected {
        /// The revisions, each revising the next one and the last the first.
        revisions: Vec<RevisionId>,
    },
    /// Several revisions that nothing follows.
    MultipleHeads {
        /// The heads.
        heads: Vec<RevisionId>,
    },
}

impl Problem {
    /// Whether it is one statement alone that castoff would not run, or a command of psql: what there
    /// is beside it can be read.
    pub fn is_of_a_statement(&self) -> bool {
        matches!(
            self,
            Self::MetaCommand { .. }
                | Self::CopyToStdout
                | Self::DiscardAll
                | Self::TransactionControl { .. }
                | Self::UnpairedTransactionControl { .. }
                | Self::NotInTransaction { .. }
                | Self::NotInTransactionBlock { .. }
        )
    }

    /// What to do about it, where that is more than the message says.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TransactionControl { .. } => Some(
                "remove it, or begin the file with `-- Transaction: none` to run it statement by statement"
                    .to_owned(),
            ),
            Self::NotInTransaction { .. } => Some(
                "begin the file with `-- Transaction: none`, and keep other statements out of it"
                    .to_owned(),
            ),
            Self::MetaCommand { .. } => {
                Some("castoff sends SQL alone; write the command's effect as SQL".to_owned())
            }
            Self::BothDirections { .. } => {
                Some("split the file into `<id>_<name>.up.sql` and `<id>_<name>.down.sql`".to_owned())
            }
            Self::StrayFile => {
                Some("name it `<id>_<name>.up.sql`, or move it out of the folder".to_owned())
            }
            Self::InDirectory { rename: Some(rename) } => Some(format!("rename it to `{rename}`")),
            Self::BaselineOutsideTransaction => Some(
                "leave the key out, and CONCURRENTLY with it: nobody reads an empty database"
                    .to_owned(),
            ),
            Self::BaselineNotRoot { .. } => Some(
                "add its up file, or `-- Revises: none` if nothing comes before it".to_owned(),
            ),
            Self::MultipleHeads { heads } => Some(format!(
                "add a merge revision with `castoff merge`: a file that says `-- Revises: {}`, and \
                 may hold nothing else",
                list(heads)
            )),
            Self::NotUtf8
            | Self::NulByte
            | Self::Unterminated { .. }
            | Self::CopyWithoutEnd
            | Self::TextAfterCopy
            | Self::CopyToStdout
            | Self::HeaderValue { .. }
            | Self::RepeatedKey { .. }
            | Self::MisspelledKey { .. }
            | Self::UnpairedTransactionControl { .. }
            | Self::NotInTransactionBlock { .. }
            | Self::DiscardAll
            | Self::InDirectory { rename: None }
            | Self::FileId(_)
            | Self::SecondFile { .. }
            | Self::DuplicateId { .. }
            | Self::DownWithoutUp
            | Self::Disagreement { .. }
            | Self::UnknownDownRevision { .. }
            | Self::CycleDetected { .. } => None,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 => write!(f, "not UTF-8; save the file as UTF-8"),
            Self::NulByte => write!(f, "a zero byte, which PostgreSQL doesn't take"),
            Self::Unterminated { what } => write!(f, "this {what} is never ended"),
            Self::MetaCommand { command } => {
                write!(f, "`{command}` is a command of psql, not SQL")
            }
            Self::CopyWithoutEnd => {
                write!(f, "the data of this COPY is never ended; expected a line `\\.`")
            }
            Self::TextAfterCopy => {
                write!(f, "text behind `COPY … FROM stdin;`; its data begin on the next line")
            }
            Self::CopyToStdout => write!(f, "COPY … TO stdout has no reader in a migration"),
            Self::HeaderValue { key, value, expected } => {
                write!(f, "`{key}: {value}` is not understood; expected {expected}")
            }
            Self::RepeatedKey { key } => write!(f, "`{key}:` is given twice"),
            Self::MisspelledKey { found, known } => {
                write!(f, "`{found}:` is not a known key; did you mean `{known}:`?")
            }
            Self::BothDirections { mark } => write!(
                f,
                "`{mark}` marks a file that holds both directions; castoff would run all of it"
            ),
            Self::TransactionControl { statement } => write!(
                f,
                "`{statement}` controls the transaction, but castoff runs this file in one of its own"
            ),
            Self::UnpairedTransactionControl { statement } => write!(
                f,
                "`{statement}` is not half of a pair; only BEGIN … COMMIT pairs are allowed here"
            ),
            Self::NotInTransaction { statement } => write!(
                f,
                "`{statement}` cannot run in a transaction, and castoff runs this file in one"
            ),
            Self::NotInTransactionBlock { statement } => {
                write!(f, "`{statement}` cannot run between BEGIN and COMMIT")
            }
            Self::DiscardAll => write!(f, "DISCARD ALL would release castoff's lock"),
            Self::StrayFile => write!(f, "not the name of a migration"),
            Self::InDirectory { .. } => {
                write!(f, "in a sub-directory; migrations are files of the folder itself")
            }
            Self::FileId(error) => write!(f, "{error}"),
            Self::SecondFile { first } => write!(f, "a second file of its revision beside {first}"),
            Self::DuplicateId { id, other } => {
                write!(f, "the revision id {id} is already that of {other}")
            }
            Self::DownWithoutUp => write!(f, "a down file without its up file"),
            Self::BaselineOutsideTransaction => f.write_str(
                "a baseline runs in one transaction, and this one says `Transaction: none`",
            ),
            Self::BaselineNotRoot { down_revisions } => write!(
                f,
                "a baseline that follows {} needs an up file, for databases that are already there",
                list(down_revisions)
            ),
            Self::Disagreement { key, other } => {
                write!(f, "`{key}:` says something else in {other}")
            }
            Self::UnknownDownRevision { down_revision, nearest } => {
                write!(f, "revises {down_revision}, which is not in the folder")?;
                if nearest.is_empty() {
                    return Ok(());
                }
                write!(f, "; did you mean {}?", list(nearest))
            }
            Self::CycleDetected { revisions } => {
                write!(f, "the revisions {} revise each other in a circle", list(revisions))
            }
            Self::MultipleHeads { heads } => {
                write!(f, "several heads, where one is expected: {}", list(heads))
            }
        }
    }
}

fn list(ids: &[RevisionId]) -> String {
    ids.iter().map(RevisionId::as_str).collect::<Vec<_>>().join(", ")
}
