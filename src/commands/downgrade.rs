//! `castoff downgrade TARGET`, also of revisions that this image does not contain.

use super::{Bench, Outcome, consent, plan};
use crate::error::Error;
use crate::plan::Consent;
use crate::revision::Target;

pub(super) async fn run(
    bench: &Bench<'_>,
    target: &str,
    consent: &Consent,
) -> Result<Outcome, Error> {
    let parsed = Target::parse(target)?;
    consent::ask(bench, "downgrade", target, consent)?;
    let applied = bench.migrator.downgrade(&parsed).await?;
    bench.print(&plan::Done { plan: &applied, target: None })
}
