//! The migration folder as a value: SQL files, revisions and the graph that they form.
//!
//! # Invariants
//! Pure: bytes in, values or located problems out. No file system, clock, environment or network, and
//! no dependency but `sha2`, so that `build.rs` includes this very module to check the folder.
//! A [`Graph`] exists only if its revisions are unique, complete and acyclic and have one head.
//!
//! The words are Alembic's: revision, head, base, branch point, merge point, down revision.

mod id;
pub use id::{InvalidRevisionId, RevisionId};
mod digest;
pub use digest::{Chain, Checksum, InvalidDigest};
mod position;
pub use position::Position;
mod problem;
pub use problem::{FileError, FolderErrors, Problem};

mod lexer;
mod name;
pub use name::Name;
mod classify;
mod statement;
mod words;
pub use statement::{Alone, Control, Statement, StatementKind};
mod fragment;
pub use fragment::{Fragment, InvalidFragment, TokenKind, name as parse_name};
mod split;

pub mod duration;
mod header;
pub use header::{Allowed, Header};
mod script;
pub use script::Script;
mod removal;
pub use removal::{Removal, removals};
mod rules;

mod file_name;
pub use file_name::{FileKind, FileName};
#[expect(clippy::module_inception, reason = "`revision::Revision` is the field's word")]
mod revision;
pub use revision::{Revision, Source};
mod lineage;
pub use lineage::Lineage;
mod graph;
pub use graph::Graph;
pub mod folder;
mod nearest;
pub use nearest::nearest;
mod target;
pub use target::{Resolved, Target};
mod target_error;
pub use target_error::{InvalidTarget, TargetError};
