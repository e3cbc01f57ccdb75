//! `castoff wait [--revision REV|head]`: until the database is ready, or at least at a revision.

use super::{Bench, Outcome};
use crate::error::Error;
use crate::revision::{Resolved, RevisionId, Target, TargetError};

pub(super) async fn run(bench: &Bench<'_>, revision: Option<&str>) -> Result<Outcome, Error> {
    match revision {
        None => bench.migrator.wait().await?,
        Some(revision) => for_target(bench, revision).await?,
    }
    Ok(Outcome::Exit(0))
}

/// Waits for a revision of this image, or for one that only the database will know.
pub(super) async fn for_target(bench: &Bench<'_>, text: &str) -> Result<(), Error> {
    let target = Target::parse(text)?;
    if target.is_head() {
        bench.migrator.has_migrations()?;
    }
    let graph = bench.migrator.graph()?;
    let wanted = match target.resolve(graph.lineage(), &[]) {
        Ok(Resolved::Revision(id)) => vec![id],
        Ok(Resolved::Heads) => graph.heads().into_iter().cloned().collect(),
        Ok(Resolved::Base) => Vec::new(),
        Err(error @ TargetError::Unknown { .. }) => {
            vec![RevisionId::new(text).map_err(|_| error)?]
        }
        Err(error) => return Err(error.into()),
    };
    if wanted.is_empty() {
        return bench.migrator.wait().await;
    }
    for revision in &wanted {
        bench.migrator.wait_for(revision).await?;
    }
    if target.is_head() {
        // Who waits for this image's head is about to start this image: what a start refuses, such as
        // a later revision that says `Breaking: yes`, is refused here too.
        bench.migrator.prospect().await?;
    }
    Ok(())
}
