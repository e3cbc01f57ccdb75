//! `castoff status`: where the database stands, for people, on one screen.

mod sheet;

use serde::Serialize;

use super::plan::Reason;
use super::{Bench, Outcome};
use crate::database::{Need, ReadError, Survey, survey};
use crate::error::Error;
use crate::plan::{Ledger, Plan, Standing};
use crate::revision::RevisionId;
use crate::schema::Hazard;
use sheet::Sheet;

/// What is shown.
#[derive(Serialize)]
struct Status<'a> {
    #[serde(flatten)]
    survey: Survey,
    #[serde(flatten)]
    standing: Option<Standing>,
    /// Why a start would refuse the database, or why nothing can be said of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    current: Vec<Brief<'a>>,
    head: Vec<Brief<'a>>,
    pending: Vec<Brief<'a>>,
}

/// A revision in a line.
#[derive(Serialize)]
struct Brief<'a> {
    revision: RevisionId,
    message: String,
    breaking: bool,
    /// What is dangerous in it and not acknowledged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hazards: Vec<&'a Hazard>,
}

impl Status<'_> {
    /// Where the database stands, in words.
    fn stands(&self) -> String {
        let standing = self.standing.as_ref().map(|standing| Reason(standing).to_string());
        match (standing, &self.refused) {
            (Some(standing), _) => standing,
            (None, Some(refused)) => format!("refused: {refused}"),
            (None, None) => String::new(),
        }
    }
}

pub(super) async fn run(bench: &Bench<'_>) -> Result<Outcome, Error> {
    let migrator = &bench.migrator;
    let (session, _) = migrator.session(Need::Reading).await?;
    let address = migrator.database()?.label(session.server());
    let looking = async {
        let read = migrator.read(&session).await;
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
        Ok(state) => migrator.decide(state).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let graph = migrator.graph()?;
    let lock = migrator.lock().ok().flatten();
    let brief = |id: &RevisionId| {
        let revision = graph.get(id)?;
        Some(Brief {
            revision: id.clone(),
            message: revision.message().to_owned(),
            breaking: revision.breaking(),
            hazards: lock.map(|lock| lock.hazards(revision).collect()).unwrap_or_default(),
        })
    };
    let ledger = state.as_ref().ok().and_then(|state| state.ledger.as_ref());
    let pending = decided.iter().flat_map(Plan::runs).filter_map(brief).collect();
    let status = Status {
        survey,
        standing: decided.as_ref().ok().map(|plan| plan.standing().clone()),
        refused: decided.err(),
        current: ledger.iter().flat_map(|ledger| current(ledger)).collect(),
        head: graph.heads().into_iter().filter_map(brief).collect(),
        pending,
    };
    bench.print(&Sheet { status: &status, paper: bench.paper })
}

/// The heads, as the ledger has them: this image need not contain them.
fn current(ledger: &Ledger) -> impl Iterator<Item = Brief<'static>> {
    ledger.rows().filter(|row| row.head).map(|row| Brief {
        revision: row.revision.clone(),
        message: row.message.clone(),
        breaking: row.breaking,
        hazards: Vec::new(),
    })
}
