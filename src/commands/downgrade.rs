//! `castoff downgrade TARGET`, also of revisions that this image does not contain.

use super::{Bench, Outcome, plan};
use crate::error::Error;
use crate::revision::Target;

pub(super) async fn run(bench: &Bench<'_>, target: &str) -> Result<Outcome, Error> {
    let applied = bench.migrator.downgrade(&Target::parse(target)?).await?;
    bench.print(&plan::Done(&applied))
}
