//! `castoff upgrade [TARGET]`.

use super::{Bench, Outcome, plan};
use crate::error::Error;
use crate::revision::Target;

pub(super) async fn run(bench: &Bench<'_>, target: Option<&str>) -> Result<Outcome, Error> {
    let target = target.map_or_else(|| Ok(Target::head()), Target::parse)?;
    let applied = bench.migrator.upgrade(&target).await?;
    bench.print(&plan::Done(&applied))
}
