//! One up file, statement by statement, beside what the revisions before it have made.

use std::ops::Range;

use squawk_syntax::ast::{self, AstNode};

use super::effect::Effect;
use super::history::History;
use super::locks::locks;
use super::object::{Kind, Object, same};
use super::rule::Rule;
use super::rules;
use super::sheet::{Sheet, place};
use super::squawk::violations;
use super::{judge, statements};
use crate::revision::Name;

/// Something found in a file.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) rule: &'static Rule,
    pub(super) place: Range<usize>,
    /// The tables that it is about, those that were there before the file, by each name that they had.
    pub(super) tables: Vec<Name>,
    /// What there is to say of it besides what is said of the rule.
    pub(super) message: Option<String>,
}

impl Draft {
    pub(super) fn new(rule: &'static Rule, place: Range<usize>, tables: Vec<Name>) -> Self {
        Self { rule, place, tables, message: None }
    }
}

/// What is known of a file at one of its statements.
pub(super) struct Context<'a> {
    pub(super) history: &'a History,
    /// What the statements before have made.
    pub(super) fresh: &'a [Object],
    /// The names that the statements before have given to tables that were there before the file.
    pub(super) renamed: &'a [Name],
    /// What the statements after do.
    pub(super) later: &'a [Effect],
    /// The statements after.
    pub(super) following: &'a [ast::Stmt],
}

impl Context<'_> {
    /// Whether the file has made an object itself.
    pub(super) fn is_fresh(&self, object: &Object) -> bool {
        self.fresh.iter().any(|fresh| fresh.is(object))
    }

    pub(super) fn is_fresh_table(&self, table: &Name) -> bool {
        self.is_fresh(&Object::new(Kind::Relation, table.clone()))
    }

    /// The tables that were there before the file.
    pub(super) fn old(&self, tables: impl IntoIterator<Item = Name>) -> Vec<Name> {
        let mut old: Vec<Name> = Vec::new();
        for table in tables {
            if !self.is_fresh_table(&table) && !old.iter().any(|it| same(it, &table)) {
                old.push(table);
            }
        }
        old
    }

    /// The tables whose rows were there before the file, whatever it has called them since.
    pub(super) fn with_old_rows(&self, tables: impl IntoIterator<Item = Name>) -> Vec<Name> {
        let is_renamed = |table: &Name| self.renamed.iter().any(|it| same(it, table));
        let (mut renamed, others): (Vec<_>, Vec<_>) = tables.into_iter().partition(is_renamed);
        renamed.extend(self.old(others));
        renamed
    }

    /// Whether a later statement makes an object of this name.
    pub(super) fn is_made_anew(&self, object: &Object) -> bool {
        let made = |effect: &Effect| {
            effect
                .makes
                .iter()
                .chain(effect.renames.iter().map(|(_, to)| to))
                .any(|it| it.is(object))
        };
        self.later.iter().any(made)
    }
}

/// What is dangerous or wrong in a file's statements; the history then holds what they do.
pub(super) fn examine(sheet: &Sheet<'_>, history: &mut History) -> Vec<Draft> {
    let effects: Vec<Effect> = sheet.statements.iter().map(Effect::of).collect();
    let mut violations = violations(sheet).into_iter().peekable();
    let mut transaction = Transaction::default();
    let mut fresh: Vec<Object> = Vec::new();
    let mut renamed: Vec<Name> = Vec::new();
    let mut found: Vec<Draft> = Vec::new();
    for (at, statement) in sheet.statements.iter().enumerate() {
        let context = Context {
            history,
            fresh: &fresh,
            renamed: &renamed,
            later: &effects[at + 1..],
            following: &sheet.statements[at + 1..],
        };
        let before = found.len();
        while let Some(violation) = violations.next_if(|it| it.statement <= at) {
            found.extend(judge::judge(&context, statement, &effects[at], &violation));
        }
        found.extend(statements::check(&context, statement));
        if sheet.script.header().transaction {
            found.extend(transaction.next(&context, statement));
        }
        found.extend(statements::every_row(&context, statement, &transaction.locked));
        for draft in &mut found[before..] {
            draft.tables = history.with_former_names(&draft.tables);
        }
        renamed.extend(renamed_tables(&context, statement, &effects[at]));
        history.apply(statement, &effects[at]);
        let made = effects[at].makes.iter();
        fresh.extend(made.chain(effects[at].renames.iter().map(|(_, to)| to)).cloned());
    }
    found.sort_by_key(|draft| draft.place.start);
    found.dedup_by(|a, b| a.rule == b.rule && a.place == b.place);
    found
}

/// The names that a statement gives to tables that were there before the file.
fn renamed_tables(context: &Context<'_>, statement: &ast::Stmt, effect: &Effect) -> Vec<Name> {
    if !matches!(statement, ast::Stmt::AlterTable(_)) {
        return Vec::new();
    }
    let of_tables = effect.renames.iter().filter(|(from, _)| from.kind == Kind::Relation);
    of_tables
        .filter(|(from, _)| !context.with_old_rows([from.name.clone()]).is_empty())
        .map(|(_, to)| to.name.clone())
        .collect()
}

/// What the one transaction of a file holds at a statement.
#[derive(Default)]
struct Transaction {
    locked: Vec<Name>,
    /// What the statements before have locked, each set of tables once.
    before: Vec<Vec<Name>>,
    told: bool,
}

fn holds(tables: &[Name], table: &Name) -> bool {
    tables.iter().any(|it| same(it, table))
}

impl Transaction {
    /// Takes the locks of a statement; tells of the first one beside another.
    fn next(&mut self, context: &Context<'_>, statement: &ast::Stmt) -> Option<Draft> {
        let dropped = |table: &Name| {
            let table = Object::new(Kind::Relation, table.clone());
            context.later.iter().any(|effect| effect.drops.iter().any(|it| it.is(&table)))
        };
        let locks = context.old(locks(statement, context.history));
        let locks: Vec<Name> = locks.into_iter().filter(|table| !dropped(table)).collect();
        if locks.is_empty() {
            return None;
        }
        let new: Vec<Name> = locks.iter().filter(|it| !holds(&self.locked, it)).cloned().collect();
        self.locked.extend(new);
        // A foreign key locks two tables however it is written.
        let within = |these: &[Name], those: &[Name]| these.iter().all(|it| holds(those, it));
        let beside = self.before.iter().any(|it| !within(it, &locks) && !within(&locks, it));
        if !self.before.contains(&locks) {
            self.before.push(locks);
        }
        if !beside || std::mem::replace(&mut self.told, true) {
            return None;
        }
        let tables = self.locked.clone();
        Some(Draft::new(rules::SEVERAL_LOCKS, place(statement.syntax()), tables))
    }
}
