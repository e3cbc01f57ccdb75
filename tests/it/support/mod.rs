//! The words that the integration tests are written in.
//!
//! ```ignore
//! let db = Database::empty();
//! let run = Castoff::new(&db).migrations(["a", "b: a"]).args(["run", "--", "true"]).run();
//! run.assert_code(0);
//! assert_eq!(db.psql("SELECT count(*) FROM castoff.revision"), "2");
//! ```
//!
//! Every test process starts one throwaway cluster when the first test asks for a database, and
//! every test has a database of its own in it. A test that stops or restarts its server starts a
//! cluster of its own with [`Cluster::own`].
//!
//! # Invariants
//! - Nothing here sleeps but [`eventually`], which fails showing what it saw last.
//! - No run of castoff may print the password: each is searched for [`SENTINEL`].

mod castoff;
mod certificates;
mod cluster;
mod database;
mod eventually;
mod folder;
mod ledger;
mod node;
mod pooler;
mod port;
mod programs;
mod proxy;
mod psql;
mod role;
mod run;
mod running;
mod session;
mod traffic;
mod watchdog;

pub(crate) use castoff::Castoff;
pub(crate) use certificates::Certificates;
pub(crate) use cluster::{Cluster, SENTINEL};
pub(crate) use database::Database;
pub(crate) use eventually::{SOON, eventually};
pub(crate) use folder::Folder;
pub(crate) use node::Node;
pub(crate) use pooler::Pooler;
pub(crate) use proxy::Proxy;
pub(crate) use role::Role;
pub(crate) use run::Run;
pub(crate) use running::{Running, Signal};
pub(crate) use session::Session;
pub(crate) use traffic::{Rows, Slow, Traffic, Written, long_waits, strong_scans};
