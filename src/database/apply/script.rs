//! A plan as a script for psql, for where no tool may connect: what applying it would send.
//!
//! # Invariants
//! - Each step says what [`super::job`] and [`super::alone`] send, of the same [`Wording`]. It fails
//!   unless this session holds the migration lock and the heads are the expected ones.
//! - psql stops at the first error, whatever it was started with; then the ledger says what is done.
//! - What depends on the server is asked by the script: whether there are a ledger, its schema and
//!   the schema `public`, and which parameters it knows.

use super::alone::is_concurrent;
use super::failure::ApplyError;
use super::job::Job;
use super::repair::index_query;
use super::session::{HEADS_MOVED, LOCK_GONE, LOCK_TAKEN, NOT_PRIMARY};
use super::stepwise::{Course, Limited, Unit, units};
use super::wording::{Carrier, Condition, Wording};
use super::work::Work;
use crate::database::ledger::LedgerName;
use crate::database::lock::LockKey;
use crate::database::quote::literal;
use crate::database::read::user_objects_query as user_objects;
use crate::plan::{Action, Plan, Step};
use crate::revision::{Alone, Graph, Revision, RevisionId, Script, Statement};
use crate::settings::Settings;

const NO_LEDGER: &str =
    "castoff: the database has no ledger, so it is not at the revision expected";
const NEWER_LEDGER: &str = "castoff: only a newer castoff may write this ledger";
const VERSIONED: &str = "castoff: the database is not empty, but at a revision";
const HALF_WAY: &str =
    "castoff: a revision stopped half-way; castoff goes on with it, a script does not";
const NOT_EMPTY: &str = "castoff: there are tables, types or functions in the database";
const ALEMBIC_VERSIONED: &str =
    "castoff: there is an alembic_version; castoff itself would adopt it";
const INVALID_INDEX: &str =
    "castoff: an interrupted build has left an invalid index: drop it, or let castoff go on";
const REFUSED: &str = "castoff: the server has refused a statement, see above";

const ALEMBIC: &str = "SELECT FROM pg_class c WHERE c.relname = 'alembic_version' \
     AND c.relkind IN ('r', 'p', 'v')";

/// What takes a database that stands where the plan begins to where it ends.
pub(crate) fn script(
    graph: &Graph,
    ledger: &LedgerName,
    settings: &Settings,
    plan: &Plan,
) -> Result<String, ApplyError> {
    let wording = Wording {
        graph,
        ledger,
        key: LockKey::of(ledger),
        role: settings.role.as_deref(),
        carrier: Carrier::Script,
        lock_timeout: settings.lock_timeout,
        application: settings.application.as_deref(),
    };
    let mut writer = Writer { wording, text: String::new(), has_ledger: true };
    let (Some(first), Some(last)) = (plan.steps().first(), plan.steps().last()) else {
        writer.comment("Nothing is to be done.");
        return Ok(writer.text);
    };
    writer.header(&format!(
        "what takes a database from {} to {}, in {} step{}",
        ids(first.heads_before()),
        ids(last.heads_after()),
        plan.steps().len(),
        if plan.steps().len() == 1 { "" } else { "s" }
    ));
    writer.has_ledger = !plan.creates_ledger();
    writer.start(first.heads_before());
    for step in plan.steps() {
        writer.step(step)?;
    }
    writer.end(last.heads_after());
    Ok(writer.text)
}

struct Writer<'a> {
    wording: Wording<'a>,
    text: String,
    /// Whether there surely is one by now.
    has_ledger: bool,
}

impl Writer<'_> {
    fn header(&mut self, about: &str) {
        self.comment(&format!("Written by castoff {}: {about}.", env!("CARGO_PKG_VERSION")));
        self.comment("Run it with psql, as the role that castoff would log in as:");
        self.comment("");
        self.comment("    psql -X -v ON_ERROR_STOP=1 -f THIS_FILE DATABASE");
        self.comment("");
        self.comment(
            "It takes castoff's lock, and does nothing if somebody has it or the database is",
        );
        self.comment(
            "elsewhere. It stops at the first error; the revisions before it are then applied",
        );
        self.comment(
            "and recorded, and so are the finished statements of one outside a transaction.",
        );
    }

    /// The lock, and whether the database is where it is taken to be.
    fn start(&mut self, heads: &[RevisionId]) {
        let ledger = self.wording.ledger;
        self.line("\n\\set ON_ERROR_STOP on\n\\set AUTOCOMMIT on\n");
        self.own(["BEGIN".to_owned()]);
        self.own(self.wording.clean_session());
        self.own(self.wording.as_ourselves());
        self.own(["SET LOCAL search_path TO pg_catalog, pg_temp".to_owned()]);
        self.guard(&[(self.wording.key.try_in_session(), LOCK_TAKEN)]);
        let primary =
            "NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";
        self.guard(&[(primary.to_owned(), NOT_PRIMARY)]);
        if self.has_ledger {
            let found = format!("array_to_string({}, ', ')", ledger.heads());
            let detail = format!("'expected {}; found ' || {found}", ids(heads));
            self.fail_unless(&[
                unless(&format!("NOT {}", ledger.is_absent()), NO_LEDGER),
                unless(&ledger.is_readable(), NEWER_LEDGER),
                unless_with(&self.wording.heads_are(heads), HEADS_MOVED, &detail),
                unless(&ledger.is_at_rest(), HALF_WAY),
            ]);
        } else {
            let detail = format!("array_to_string({}, ', ')", ledger.heads());
            let empty = unless_with(&ledger.is_empty(), VERSIONED, &detail);
            let readable = unless(&ledger.is_readable(), NEWER_LEDGER);
            self.fail_unless(&[
                format!(
                    "IF {} THEN {}ELSE {readable}{empty}END IF;\n",
                    ledger.is_absent(),
                    unless(&format!("NOT EXISTS ({ALEMBIC})"), ALEMBIC_VERSIONED)
                ),
                unless(&format!("NOT EXISTS ({})", user_objects(ledger)), NOT_EMPTY),
            ]);
        }
        self.line(&format!(
            "SELECT current_setting('server_version_num')::int >= 170000 AS has_transaction_timeout,\n  \
             NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'public') AS lacks_public,\n  \
             NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = {}) AS lacks_schema,\n  \
             {} AS lacks_ledger \\gset castoff_",
            literal(ledger.schema()),
            ledger.is_absent()
        ));
        self.own(["COMMIT".to_owned()]);
    }

    fn step(&mut self, step: &Step) -> Result<(), ApplyError> {
        let graph = self.wording.graph;
        let (before, after) = (ids(step.heads_before()), ids(step.heads_after()));
        match step.action() {
            Action::Baseline { revision, ancestors } => {
                let revision = self.wording.known(revision)?;
                let about = format!("{} by its baseline", revision.id());
                self.title("upgrade", &before, &about, revision.message());
                self.whole(&self.wording.baseline(step, revision, ancestors)?);
            }
            Action::Upgrade { revision, resume } => {
                let revision = self.wording.known(revision)?;
                self.title("upgrade", &before, revision.id().as_str(), revision.message());
                let work = self.wording.upgrade(step, revision, *resume)?;
                self.work(&work);
            }
            Action::Downgrade { revision, resume, .. } => {
                let here = graph.get(revision);
                let message = here.map_or("", Revision::message);
                self.title("downgrade", revision.as_str(), &after, message);
                let down = here.and_then(Revision::down);
                let work = self.wording.downgrade(step, (revision, message), down, *resume);
                self.work(&work);
            }
            Action::Record { revisions, origin } => {
                self.whole(&self.wording.record(step, revisions, *origin)?);
            }
            Action::Stamp { record, forget } => {
                self.whole(&self.wording.stamp(step, record, forget)?);
            }
            Action::Rechain { revision } => self.whole(&self.wording.rechain(step, revision)?),
        }
        Ok(())
    }

    fn work(&mut self, work: &Work<'_>) {
        match work {
            Work::Whole(job) => self.whole(job),
            Work::Stepwise { begin, course } => {
                if let Some(begin) = begin {
                    self.whole(begin);
                }
                let units = units(course.script, 0);
                for (n, unit) in units.iter().enumerate() {
                    if let Unit::Alone(index) = unit {
                        self.alone(course, *index);
                    }
                    self.whole(&self.wording.together(course, unit, n + 1 == units.len()));
                }
            }
        }
    }

    /// One transaction.
    fn whole(&mut self, job: &Job<'_>) {
        self.own(self.wording.opening(job));
        self.guards(&job.heads_before);
        self.own(Wording::before_the_file(job));
        if let Some(script) = job.script {
            for (_, statement) in job.to_run() {
                self.statement(script, statement, job.baseline);
            }
        }
        self.own(self.wording.behind_the_file());
        if !self.has_ledger {
            self.ledger();
        }
        self.own(self.wording.recording(job));
    }

    /// A statement outside a transaction, with the note that it was begun.
    fn alone(&mut self, course: &Course<'_>, index: usize) {
        let statement = &course.script.statements()[index];
        let concurrent = is_concurrent(statement.alone());
        let limited = if concurrent { Limited::ByTheFile } else { Limited::Always };
        self.own(self.wording.as_ourselves());
        self.guards(&course.heads_during);
        if let Some(Alone::CreateIndexConcurrently { index: Some(index), table, .. }) =
            statement.alone()
        {
            // One that a build has left behind satisfies IF NOT EXISTS.
            let none = format!("NOT EXISTS ({} AND NOT i.indisvalid)", index_query(index, table));
            self.guard(&[(none, INVALID_INDEX)]);
        }
        let begun = |begun| self.wording.ledger.set_begun(course.revision, begun);
        let (asked, refused) = (begun(true), begun(false));
        self.own([asked]);
        self.own(self.wording.restored(course, index, limited));
        // What the server refuses was not begun.
        self.line("\\set ON_ERROR_STOP off");
        self.statement(course.script, statement, false);
        self.line("\\set castoff_failed :ERROR\n\\set ON_ERROR_STOP on\n\\if :castoff_failed");
        self.own(self.wording.as_ourselves());
        self.own([refused]);
        self.guard(&[("false".to_owned(), REFUSED)]);
        self.line("\\endif");
    }

    fn statement(&mut self, script: &Script, statement: &Statement, baseline: bool) {
        let condition = match statement.sets_parameter() {
            Some("transaction_timeout") if baseline => Some("has_transaction_timeout"),
            _ if baseline && statement.creates_schema() == Some("public") => Some("lacks_public"),
            _ => None,
        };
        if let Some(condition) = condition {
            self.line(&format!("\\if :castoff_{condition}"));
        }
        self.line(&format!("{};", script.for_psql(statement)));
        if let Some(data) = statement.copy_data() {
            let data = &script.text()[data];
            self.text.push_str(data);
            if !data.is_empty() && !data.ends_with('\n') {
                self.text.push('\n');
            }
            self.line("\\.");
        }
        if condition.is_some() {
            self.line("\\endif");
        }
    }

    /// Creates what of the ledger is not there.
    fn ledger(&mut self) {
        let with_schema = self.wording.ledger.create(false);
        let tables = self.wording.ledger.create(true);
        let schema = with_schema.len() - tables.len();
        self.line("\\if :castoff_lacks_schema");
        self.own(with_schema.into_iter().take(schema));
        self.line("\\endif\n\\if :castoff_lacks_ledger");
        self.own(tables);
        self.line("\\endif");
        self.has_ledger = true;
    }

    fn guards(&mut self, heads: &[RevisionId]) {
        let [lock, rest] = self.wording.guards(self.wording.heads_are(heads));
        self.guard(&lock);
        if self.has_ledger {
            self.guard(&rest);
            return;
        }
        // A table that is not there must not be asked.
        let ledger = self.wording.ledger;
        let checks = rest.iter().map(|(condition, complaint)| {
            let check = unless(condition, complaint);
            if *complaint == HEADS_MOVED {
                format!("IF NOT ({}) THEN {check}END IF;\n", ledger.is_absent())
            } else {
                check
            }
        });
        let checks: Vec<_> = checks.collect();
        self.fail_unless(&checks);
    }

    fn end(&mut self, heads: &[RevisionId]) {
        self.line("");
        self.own(self.wording.as_ourselves());
        self.guard(&[(self.wording.heads_are(heads), HEADS_MOVED)]);
        let unlocked = (self.wording.key.unlock(), LOCK_GONE);
        self.guard(&[unlocked]);
        self.line(&format!("\\echo {}", word(&format!("The database is at {}", ids(heads)))));
    }

    /// Fails with the complaint of the first condition that does not hold.
    fn guard(&mut self, conditions: &[Condition]) {
        let checks: Vec<_> =
            conditions.iter().map(|(condition, complaint)| unless(condition, complaint)).collect();
        self.fail_unless(&checks);
    }

    /// What the server does not come to is not looked up: a table in it may be missing.
    fn fail_unless(&mut self, checks: &[String]) {
        self.own([format!("DO {}", literal(&format!("BEGIN\n{}END", checks.concat())))]);
    }

    /// Alembic's words, before the statements and when they are run.
    fn title(&mut self, verb: &str, from: &str, to: &str, message: &str) {
        let message = if message.is_empty() { String::new() } else { format!(", {message}") };
        let title = format!("Running {verb} {from} -> {to}{message}");
        self.line(&format!("\n\\echo {}\n", word(&title)));
    }

    fn own(&mut self, statements: impl IntoIterator<Item = String>) {
        for statement in statements {
            self.line(&format!("{statement};"));
        }
    }

    fn comment(&mut self, text: &str) {
        self.line(format!("-- {text}").trim_end());
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}

/// A statement of PL/pgSQL that fails where a condition does not hold.
fn unless(condition: &str, complaint: &str) -> String {
    let complaint = literal(complaint);
    format!("IF NOT ({condition}) THEN RAISE EXCEPTION USING MESSAGE = {complaint}; END IF;\n")
}

/// The same, with an expression that says more.
fn unless_with(condition: &str, complaint: &str, detail: &str) -> String {
    let complaint = literal(complaint);
    format!(
        "IF NOT ({condition}) THEN \
         RAISE EXCEPTION USING MESSAGE = {complaint}, DETAIL = {detail}; END IF;\n"
    )
}

/// An argument of a command of psql's.
fn word(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

fn ids(ids: &[RevisionId]) -> String {
    if ids.is_empty() {
        return "base".to_owned();
    }
    ids.iter().map(RevisionId::as_str).collect::<Vec<_>>().join(", ")
}
