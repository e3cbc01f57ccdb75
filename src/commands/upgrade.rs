//! `castoff upgrade [TARGET]`.

use super::{Bench, Outcome, plan};
use crate::error::Error;
use crate::revision::Target;

pub(super) async fn run(bench: &Bench<'_>, target: Option<&str>) -> Result<Outcome, Error> {
    let wanted = target.map_or_else(|| Ok(Target::head()), Target::parse)?;
    let applied = bench.migrator.upgrade(&wanted).await?;
    let target = target.filter(|_| wanted != Target::head());
    bench.print(&plan::Done { plan: &applied, target })
}
