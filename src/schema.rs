//! What a schema is, as data: one canonical line for each object or part of one.
//!
//! Two databases have the same schema when they have the same lines. A line is a text, so that people
//! can review it, `castoff.lock` can keep it, and a difference can be told line by line:
//!
//! ```text
//! column public.users.email character varying(255) not null
//! index public.users_email_idx CREATE UNIQUE INDEX users_email_idx ON public.users USING btree (email)
//! ```
//!
//! # Invariants
//! Pure, like [`crate::revision`], on which alone it builds.

mod difference;
mod hazard;
mod json;
mod kind;
mod line;
mod lock;
mod recognise;

pub use difference::Difference;
pub use hazard::Hazard;
pub use kind::Kind;
pub use line::{Identity, InvalidLine, Line, Schema};
pub use lock::{Entry, InvalidLock, Lock, Optional, Stale};
pub use recognise::{Comparison, Recognition, compare, recognise};
