//! `castoff stamp TARGET`: the operator's word on where the database stands.

use super::{Bench, Outcome, plan};
use crate::error::Error;
use crate::revision::Target;

pub(super) async fn run(bench: &Bench<'_>, target: &str) -> Result<Outcome, Error> {
    let applied = bench.migrator.stamp(&Target::parse(target)?).await?;
    bench.print(&plan::Done(&applied))
}
