//! The author's side: what is done to a folder of revisions before an image is built of it.
//!
//! It is no part of the container image, which needs none of it: the cargo feature `author`.
//!
//! # Invariants
//! - A file of a revision is written once, whole, and never over another one.
//! - What has to be tried is tried on databases of castoff's own ([`scratch`]).

pub(crate) mod create;
mod error;
pub(crate) mod git;
pub(crate) mod init;
pub(crate) mod lint;
mod merge;
pub(crate) mod scratch;
pub(crate) mod squash;
pub(crate) mod template;
pub(crate) mod trace;
pub(crate) mod walk;

pub use create::CreateError;
pub use error::AuthorError;
pub use git::GitError;
pub use squash::SquashError;
pub use template::TemplateError;
pub use trace::TraceError;
pub use walk::WalkError;
