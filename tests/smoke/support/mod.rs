//! The words that the container tests are written in.
//!
//! ```ignore
//! let network = Network::new();
//! let db = Postgres::start(&network);
//! let start = Castoff::new(&network).image(&image).start();
//! start.wait_for_application();
//! start.stop().in_time().assert_code(APPLICATIONS_CODE);
//! assert_eq!(db.heads(), "0008");
//! ```
//!
//! # Invariants
//! - Only docker is run, and every run of it has a deadline.
//! - What a test makes is gone when it ends, and named so that `scripts/smoke` finds it if the test is killed.
//! - castoff runs without any privilege, and no log of it may have a password in it.

use std::time::Duration;

mod castoff;
mod compose;
mod container;
mod docker;
#[path = "../../it/support/eventually.rs"]
#[allow(dead_code, reason = "the integration tests' deadline is shorter")]
mod eventually;
#[path = "../../it/support/folder.rs"]
#[allow(dead_code, reason = "the integration tests need more of it")]
mod folder;
mod image;
mod network;
mod postgres;
mod volume;

pub(crate) use castoff::Castoff;
pub(crate) use compose::Compose;
pub(crate) use container::Container;
pub(crate) use eventually::eventually;
pub(crate) use folder::Folder;
pub(crate) use image::Image;
pub(crate) use network::Network;
pub(crate) use postgres::Postgres;
pub(crate) use volume::Volume;

/// Long enough for anything that needs no other event, a server's first start too, where several
/// tests and whatever else is on the machine take turns.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// The password of the role `shop`, which is castoff's.
pub(crate) const OWNERS_PASSWORD: &str = "0wners-s3cret";

/// The password of the role `shop_app`, which is the application's.
pub(crate) const APPLICATIONS_PASSWORD: &str = "applic4tions-s3cret";

/// What no log may show.
const PASSWORDS: [&str; 3] = [OWNERS_PASSWORD, APPLICATIONS_PASSWORD, "wr0ng-s3cret"];

/// What the application of these tests ends with on SIGTERM.
pub(crate) const APPLICATIONS_CODE: i32 = 7;
