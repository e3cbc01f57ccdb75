//! What is dangerous or wrong in a folder of revisions, told before anybody runs it.
//!
//! squawk reads the SQL and knows what is dangerous in a statement; what a statement means beside the
//! rest of its file, its header and the revisions before it is judged here.
//!
//! # Invariants
//! - Reads nothing and asks no database: a folder in, findings out.
//! - What creates a table is no danger to it: hazards are about tables that were there before the file.
//! - Only up files can be dangerous: a baseline runs on an empty database, a down file when asked for.

mod default;
mod down;
mod effect;
mod examine;
mod finding;
mod history;
mod judge;
mod locks;
mod object;
mod released;
mod rule;
mod rules;
mod sheet;
mod squawk;
mod statements;
mod unseen;
mod widening;

use std::collections::{BTreeMap, BTreeSet};
use std::{panic, thread};

pub(crate) use finding::Finding;
pub(crate) use rule::{Level, Rule};
pub(crate) use rules::RULES;
pub(crate) use unseen::unseen;

use examine::{Draft, examine};
use history::History;
use object::quoted;
use sheet::{Sheet, place};
use squawk_syntax::ast::AstNode;

use crate::revision::{Allowed, FileError, Graph, Problem, Revision, RevisionId, Script, nearest};
use crate::schema::Hazard;

/// How deep SQL may nest: squawk's parser calls itself.
const STACK: usize = 256 << 20;

/// A folder that is looked at.
pub(crate) struct Subject<'a> {
    pub(crate) graph: &'a Graph,
    /// The statements that castoff would not run.
    pub(crate) refused: &'a [FileError],
    /// The folder when it was last released.
    pub(crate) released: Option<&'a Graph>,
}

/// Everything that is found, in the order of the revisions; what its author allows is marked.
///
/// Beside a release it is what is new, and what must not have been done to the release.
pub(crate) fn lint(subject: &Subject<'_>) -> Vec<Finding> {
    on_large_stack(|| {
        let order: BTreeMap<&RevisionId, usize> =
            subject.graph.revisions().iter().map(Revision::id).zip(0..).collect();
        let mut findings = of_revisions(subject.graph);
        if let Some(released) = subject.released {
            findings.retain(|finding| {
                finding.revision.as_ref().is_some_and(|id| released.get(id).is_none())
            });
            findings.extend(of_release(released, subject.graph));
        }
        findings.extend(subject.refused.iter().map(|error| of_refused(error, subject.graph)));
        findings.sort_by(|a, b| {
            let key = |it: &Finding| {
                let place = it.revision.as_ref().and_then(|id| order.get(id)).copied();
                (place.unwrap_or(usize::MAX), it.file.clone(), it.place)
            };
            key(a).cmp(&key(b))
        });
        findings
    })
}

/// The hazards of each revision that its author does not say to know of.
pub(crate) fn hazards(graph: &Graph) -> BTreeMap<RevisionId, Vec<Hazard>> {
    let mut hazards: BTreeMap<RevisionId, Vec<Hazard>> = BTreeMap::new();
    for finding in on_large_stack(|| of_revisions(graph)) {
        let Finding { rule, revision: Some(revision), tables, allowed: None, .. } = finding else {
            continue;
        };
        if rule.level == Level::Hazard {
            let known = hazards.entry(revision).or_default();
            let hazard = Hazard { name: rule.name.to_owned(), tables };
            if !known.contains(&hazard) {
                known.push(hazard);
            }
        }
    }
    hazards
}

fn of_revisions(graph: &Graph) -> Vec<Finding> {
    let mut history = History::default();
    let mut findings = Vec::new();
    let mut branches = branches(graph);
    for revision in graph.revisions() {
        let mut found = of_files(revision, &mut history);
        if let (Some(message), Some(script)) = (branches.remove(revision.id()), main(revision)) {
            found.push(Finding::of_file(rules::NON_LINEAR_HISTORY, script).saying(message));
        }
        for finding in &mut found {
            finding.revision = Some(revision.id().clone());
        }
        allow(revision, &mut found);
        findings.append(&mut found);
    }
    findings
}

/// What is found in the files of a revision.
fn of_files(revision: &Revision, history: &mut History) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(baseline) = revision.baseline() {
        let sheet = Sheet::new(baseline);
        findings.extend(unreadable(&sheet));
        if revision.up().is_none() {
            let _drafts = examine(&sheet, history);
        }
    }
    let Some(up) = revision.up() else { return findings };
    let sheet = Sheet::new(up);
    let mut drafts = examine(&sheet, history);
    if !revision.breaking() {
        drafts.extend(missing_breaking(&drafts));
    }
    findings.extend(unreadable(&sheet));
    findings.extend(drafts.into_iter().map(|draft| Finding::of_draft(draft, &sheet)));
    let Some(down) = revision.down() else {
        findings.push(Finding::of_file(rules::NO_DOWN_FILE, up));
        return findings;
    };
    let down_sheet = Sheet::new(down);
    findings.extend(unreadable(&down_sheet));
    let left = down::left_behind(&sheet, &down_sheet);
    if !left.is_empty() {
        let message = format!("{} is not taken back", left.join(", "));
        let finding = match down_sheet.statements.first() {
            Some(first) => {
                let draft =
                    Draft::new(rules::DOWN_DOES_NOT_REVERSE, place(first.syntax()), Vec::new());
                Finding::of_draft(draft, &down_sheet)
            }
            None => Finding::of_file(rules::DOWN_DOES_NOT_REVERSE, down),
        };
        findings.push(finding.saying(message));
    }
    findings
}

fn unreadable(sheet: &Sheet<'_>) -> Vec<Finding> {
    let too_deep = sheet.too_deep.iter().map(|statement| {
        (statement.start..statement.start, "it nests too deep to be judged".to_owned())
    });
    let errors = squawk::syntax_errors(sheet).into_iter().chain(too_deep);
    let finding = |(place, message): (_, String)| {
        let draft = Draft::new(rules::SYNTAX_ERROR, place, Vec::new());
        Finding::of_draft(draft, sheet).saying(lower_first(&message))
    };
    errors.map(finding).collect()
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(char::to_lowercase).into_iter().flatten();
    first.chain(letters).collect()
}

/// The first of the statements that older images can't live with.
fn missing_breaking(drafts: &[Draft]) -> Option<Draft> {
    let contracting = || drafts.iter().filter(|draft| draft.rule.contracts);
    let first = contracting().next()?;
    let names: BTreeSet<&str> = contracting().map(|draft| draft.rule.name).collect();
    let mut tables = Vec::new();
    for table in contracting().flat_map(|draft| &draft.tables) {
        if !tables.contains(table) {
            tables.push(table.clone());
        }
    }
    // What is about no table matters whatever tables hold.
    if contracting().any(|draft| draft.tables.is_empty()) {
        tables.clear();
    }
    let names: Vec<&str> = names.into_iter().collect();
    let message = format!("an older image starts on it and fails later ({})", names.join(", "));
    let draft = Draft::new(rules::MISSING_BREAKING, first.place.clone(), tables);
    Some(Draft { message: Some(message), ..draft })
}

/// The revisions that are not the first to follow one, and what is to be said of each.
fn branches(graph: &Graph) -> BTreeMap<RevisionId, String> {
    let mut branches = BTreeMap::new();
    for point in graph.branch_points() {
        let [first, others @ ..] = graph.children(point) else { continue };
        for other in others {
            let message = format!("{other} follows {point}, as {first} does");
            branches.insert(other.clone(), message);
        }
    }
    branches
}

/// Marks what the header allows, and tells what it allows in vain.
fn allow(revision: &Revision, findings: &mut Vec<Finding>) {
    let headers = [main(revision), revision.down()].into_iter().flatten();
    let mut in_vain = Vec::new();
    for script in headers {
        for allowed in &script.header().allows {
            let Allowed { hazard, reason } = allowed;
            let Some(rule) = Rule::named(hazard).filter(|rule| rule.may_be_allowed()) else {
                in_vain.push(unknown_allow(script, hazard));
                continue;
            };
            let mut used = false;
            for finding in findings.iter_mut().filter(|it| it.rule == rule) {
                finding.allowed.get_or_insert_with(|| reason.clone());
                used = true;
            }
            if !used {
                let message = format!("nothing in the file is {hazard}");
                in_vain.push(Finding::of_file(rules::UNUSED_ALLOW, script).saying(message));
            }
        }
    }
    for finding in &mut in_vain {
        finding.revision = Some(revision.id().clone());
    }
    findings.append(&mut in_vain);
}

fn unknown_allow(script: &Script, name: &str) -> Finding {
    let known = RULES.iter().filter(|rule| rule.may_be_allowed()).map(|rule| rule.name);
    let message = match (Rule::named(name), nearest(name, known).first()) {
        (Some(_), _) => format!("{name} can't be allowed"),
        (None, Some(meant)) => format!("there is no rule {name}; did you mean {meant}?"),
        (None, None) => format!("there is no rule {name}"),
    };
    Finding::of_file(rules::UNKNOWN_ALLOW, script).saying(message)
}

fn of_release(released: &Graph, now: &Graph) -> Vec<Finding> {
    let broken = released::broken(released, now).into_iter();
    let finding = |it: released::Broken| {
        let script = now.get(&it.revision).and_then(main);
        let finding = match script {
            Some(script) => Finding::of_file(it.rule, script),
            None => Finding::of_nothing(it.rule, it.file),
        };
        Finding { revision: Some(it.revision), ..finding.saying(it.message) }
    };
    broken.map(finding).collect()
}

fn of_refused(error: &FileError, graph: &Graph) -> Finding {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others leave no graph")]
    let rule = match error.problem() {
        Problem::MetaCommand { .. } => rules::PSQL_META_COMMAND,
        Problem::TransactionControl { .. } | Problem::UnpairedTransactionControl { .. } => {
            rules::TRANSACTION_CONTROL
        }
        Problem::NotInTransaction { .. } | Problem::NotInTransactionBlock { .. } => {
            rules::NOT_IN_TRANSACTION
        }
        _ => rules::UNSUPPORTED_STATEMENT,
    };
    let scripts = graph.revisions().iter().flat_map(|revision| {
        let scripts = [revision.up(), revision.down(), revision.baseline()];
        scripts.into_iter().flatten().map(move |script| (revision, script))
    });
    let found = scripts.into_iter().find(|(_, script)| script.file() == error.file());
    let line = found.zip(error.position()).map(|((_, script), at)| script.line(at.line).trim_end());
    let finding = Finding::of_nothing(rule, error.file().to_owned());
    Finding {
        revision: found.map(|(revision, _)| revision.id().clone()),
        place: error.position().map(|position| (position, position)),
        line: line.unwrap_or_default().to_owned(),
        ..finding.saying(error.problem().to_string())
    }
}

/// The file that stands for a revision.
fn main(revision: &Revision) -> Option<&Script> {
    revision.up().or(revision.baseline())
}

/// Runs something on a stack that deeply nested SQL does not exhaust.
fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(STACK);
        match worker.spawn_scoped(scope, work) {
            Ok(worker) => worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic)),
            Err(error) => panic::resume_unwind(Box::new(error)),
        }
    })
}

#[cfg(test)]
mod tests;
