//! `castoff status`: where the database stands, for people, on one screen.

mod sheet;

use serde::Serialize;

use super::plan::Reason;
use super::{Bench, Outcome};
use crate::database::{Need, ReadError, Survey, survey};
use crate::error::Error;
use crate::plan::{Danger, Ledger, Plan, Standing};
use crate::revision::RevisionId;
use sheet::Sheet;

/// What is shown.
#[derive(Serialize)]
struct Status {
    #[serde(flatten)]
    survey: Survey,
    #[serde(flatten)]
    standing: Option<Standing>,
    /// Why a start would refuse the database, or why nothing can be said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    /// None if it could not be read.
    current: Option<Vec<Brief>>,
    head: Vec<Brief>,
    pending: Vec<Brief>,
}

/// A revision in a line.
#[derive(Serialize)]
struct Brief {
    revision: RevisionId,
    message: String,
    breaking: bool,
    /// What is dangerous in it, to this database as it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hazards: Vec<Danger>,
}

impl Status {
    /// Where the database stands, in words.
    fn stands(&self) -> String {
        let standing = self.standing.as_ref().map(|standing| Reason(standing).to_string());
        let refused = self.refused.as_ref().map(|refused| format!("refused: {refused}"));
        standing.into_iter().chain(refused).collect::<Vec<_>>().join("\n")
    }
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Outcome, Error> {
    let migrator = &bench.migrator;
    let (session, _) = migrator.session(Need::Reading).await?;
    let address = migrator.database()?.label(session.server());
    let looking = async {
        let read = migrator.read_for_upgrade(&session).await;
        let tables = read.as_ref().ok().map(|reading| reading.tables);
        let survey = survey(&session, address, migrator.ledger(), tables).await;
        (read, survey.map_err(ReadError::from))
    };
    let (read, survey) = migrator.stop().unless(looking).await?;
    session.close().await;
    let survey = survey?;

    // What can't be read, or is refused, is what somebody looks at this screen for.
    let state = read.map(|reading| reading.state);
    let decided = match &state {
        Ok(state) => migrator
            .has_migrations()
            .and_then(|()| migrator.prospect_of(state))
            .map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let (plan, refused) = match decided {
        Ok((plan, refusal)) => (Some(plan), refusal.map(|refusal| refusal.to_string())),
        Err(refused) => (None, Some(refused)),
    };
    let graph = migrator.graph()?;
    let brief = |id: &RevisionId| {
        let revision = graph.get(id)?;
        let hazards = plan.iter().flat_map(Plan::hazards).filter(|danger| danger.revision == *id);
        Some(Brief {
            revision: id.clone(),
            message: revision.message().to_owned(),
            breaking: revision.breaking(),
            hazards: hazards.cloned().collect(),
        })
    };
    let ledger = state.as_ref().ok().map(|state| state.ledger.as_ref());
    let status = Status {
        survey,
        standing: plan.as_ref().map(|plan| plan.standing().clone()),
        refused,
        current: ledger.map(|ledger| ledger.into_iter().flat_map(current).collect()),
        head: graph.heads().into_iter().filter_map(brief).collect(),
        pending: plan.iter().flat_map(Plan::runs).filter_map(brief).collect(),
    };
    bench.print(&Sheet { status: &status, paper: bench.paper })
}

/// The heads, as the ledger has them: this image need not contain them.
fn current(ledger: &Ledger) -> impl Iterator<Item = Brief> {
    ledger.rows().filter(|row| row.head).map(|row| Brief {
        revision: row.revision.clone(),
        message: row.message.clone(),
        breaking: row.breaking,
        hazards: Vec::new(),
    })
}
