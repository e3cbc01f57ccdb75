//! What a step of a plan comes to: one transaction, or a file statement by statement.

use super::failure::ApplyError;
use super::job::{AtStart, Job};
use super::stepwise::{self, Course};
use super::unknown;
use super::wording::Wording;
use crate::database::ledger::{Entry, ProgressColumn};
use crate::plan::{Origin, Recorded, Step};
use crate::revision::{Revision, RevisionId, Script};

/// What runs a revision's file.
pub(super) enum Work<'s> {
    /// All of it in one transaction.
    Whole(Job<'s>),
    /// Each statement with its record, after this first record unless it was made already.
    Stepwise { begin: Option<Job<'s>>, course: Course<'s> },
}

impl<'a> Wording<'a> {
    pub(super) fn record(
        &self,
        step: &Step,
        revisions: &[RevisionId],
        origin: Origin,
    ) -> Result<Job<'a>, ApplyError> {
        let rows = self.entries(revisions, origin, step.heads_after())?;
        Ok(bookkeeping(step, "stamp", self.ledger.insert(rows).into_iter().collect()))
    }

    pub(super) fn stamp(
        &self,
        step: &Step,
        record: &[RevisionId],
        forget: &[RevisionId],
    ) -> Result<Job<'a>, ApplyError> {
        let rows = self.entries(record, Origin::Stamp, step.heads_after())?;
        let mut sql = vec![self.ledger.delete(record.iter().chain(forget))];
        sql.extend(self.ledger.insert(rows));
        Ok(bookkeeping(step, "stamp", sql))
    }

    pub(super) fn rechain(
        &self,
        step: &Step,
        revision: &RevisionId,
    ) -> Result<Job<'a>, ApplyError> {
        let chain = self.graph.chain(revision).ok_or_else(|| unknown(revision))?;
        Ok(bookkeeping(step, "record the chain", vec![self.ledger.set_chain(revision, chain)]))
    }

    pub(super) fn baseline(
        &self,
        step: &Step,
        revision: &'a Revision,
        ancestors: &[RevisionId],
    ) -> Result<Job<'a>, ApplyError> {
        let mut rows = self.entries(ancestors, Origin::Baseline, &[])?;
        rows.push(self.entry(revision, Origin::Baseline, true, true)?);
        let record = self.ledger.insert(rows).into_iter().collect();
        let what = format!("apply the baseline {}", revision.id());
        Ok(Job { baseline: true, ..whole(step, what, revision.baseline(), record) })
    }

    pub(super) fn upgrade(
        &self,
        step: &Step,
        revision: &'a Revision,
        resume: Option<usize>,
    ) -> Result<Work<'a>, ApplyError> {
        let script = revision.up();
        if let Some(script) = script.filter(|script| stepwise::is_needed(script, resume)) {
            let course = Course {
                revision: revision.id(),
                message: revision.message(),
                script,
                column: ProgressColumn::Up,
                heads_during: step.heads_before().to_vec(),
                finish: vec![self.ledger.complete(revision.id(), Recorded::of(revision))],
                heads_after: step.heads_after().to_vec(),
            };
            let entry = Entry {
                recorded: stepwise::prefix(script, 0),
                statements_done: Some(0),
                ..self.entry(revision, Origin::Upgrade, false, false)?
            };
            let record = self.ledger.insert([entry]).into_iter().collect();
            let begin = resume.is_none().then(|| course.begin(step.heads_before(), record));
            return Ok(Work::Stepwise { begin, course });
        }
        let mut record: Vec<_> =
            resume.map(|_| self.ledger.delete([revision.id()])).into_iter().collect();
        record.extend(self.ledger.insert([self.entry(revision, Origin::Upgrade, true, true)?]));
        Ok(Work::Whole(whole(step, format!("upgrade to {}", revision.id()), script, record)))
    }

    pub(super) fn downgrade<'s>(
        &self,
        step: &Step,
        (revision, message): (&'s RevisionId, &'s str),
        script: Option<&'s Script>,
        resume: Option<usize>,
    ) -> Work<'s> {
        let record = vec![self.ledger.delete([revision])];
        if let Some(script) = script.filter(|script| stepwise::is_needed(script, resume)) {
            let heads_during =
                step.heads_before().iter().filter(|head| *head != revision).cloned().collect();
            let course = Course {
                revision,
                message,
                script,
                column: ProgressColumn::Down,
                heads_during,
                finish: record,
                heads_after: step.heads_after().to_vec(),
            };
            let record = vec![self.ledger.set_progress(revision, ProgressColumn::Down, 0, None)];
            let begin = resume.is_none().then(|| course.begin(step.heads_before(), record));
            return Work::Stepwise { begin, course };
        }
        Work::Whole(whole(step, format!("downgrade {revision}"), script, record))
    }
}

/// A step that runs no SQL of the user's.
fn bookkeeping<'s>(step: &Step, what: &str, record: Vec<String>) -> Job<'s> {
    whole(step, what.to_owned(), None, record)
}

fn whole<'s>(
    step: &Step,
    what: String,
    script: Option<&'s Script>,
    record: Vec<String>,
) -> Job<'s> {
    Job {
        what,
        script,
        statements: 0..script.map_or(0, |script| script.statements().len()),
        session: AtStart::Clean,
        baseline: false,
        proof: None,
        heads_before: step.heads_before().to_vec(),
        record,
        heads_after: step.heads_after().to_vec(),
    }
}
