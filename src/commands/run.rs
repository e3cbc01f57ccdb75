//! `castoff run [-- APP ARGS…]`: the story of one start.

use super::{Bench, Outcome, wait};
use crate::error::Error;
use crate::launch::App;
use crate::plan::{Plan, Standing};
use crate::revision::Target;
use crate::settings::Mode;

/// What a start does, by its mode; for images that cannot change their command.
pub(super) async fn run(bench: &Bench<'_>, app: Option<App>) -> Result<Outcome, Error> {
    match bench.migrator.settings().mode {
        Mode::Run => {
            let plan = bench.migrator.upgrade(&Target::head()).await?;
            tell(bench, &plan)?;
            Ok(launch(app))
        }
        Mode::Upgrade => {
            let plan = bench.migrator.upgrade(&Target::head()).await?;
            tell(bench, &plan)?;
            Ok(Outcome::Exit(0))
        }
        Mode::Wait => {
            wait::for_target(bench, "head").await?;
            Ok(launch(app))
        }
        Mode::Check => super::plan::check(bench, false).await,
        Mode::Skip => Ok(skip(app)),
    }
}

/// Straight to the application: the database is not asked for anything.
pub(super) fn skip(app: Option<App>) -> Outcome {
    tracing::info!("CASTOFF_MODE=skip: the database is left alone");
    launch(app)
}

fn launch(app: Option<App>) -> Outcome {
    match app {
        Some(app) => {
            tracing::debug!("becoming {}", app.path().display());
            Outcome::Launch(app)
        }
        None => Outcome::Exit(0),
    }
}

fn tell(bench: &Bench<'_>, plan: &Plan) -> Result<(), Error> {
    let head = || -> Result<String, Error> {
        let head = bench.migrator.head()?;
        Ok(head.map_or_else(|| "base".to_owned(), |(head, _)| head.to_string()))
    };
    if let Standing::Ahead { later } = plan.standing() {
        let later: Vec<_> = later.iter().map(ToString::to_string).collect();
        tracing::warn!(
            "The database is ahead of this image, which knows revisions up to {}: it has {} too; \
             starting all the same",
            head()?,
            later.join(", ")
        );
    } else {
        tracing::info!("The database is at head {}", head()?);
    }
    Ok(())
}
