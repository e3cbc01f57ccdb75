//! What squawk has no rule for, or none that fits.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

use super::default::rewriting;
use super::examine::{Context, Draft};
use super::locks::locks;
use super::object::{name_of, quoted, table_of};
use super::rules;
use super::sheet::place;
use crate::revision::Name;

/// Rewrites of a table, and rows that are gone.
#[expect(clippy::wildcard_enum_match_arm, reason = "most statements rewrite nothing")]
pub(super) fn check(context: &Context<'_>, statement: &ast::Stmt) -> Vec<Draft> {
    let rewrite = |tables: Vec<Name>| {
        // Without a name it is every table.
        let named = !tables.is_empty();
        let old = context.old(tables);
        let draft = Draft::new(rules::TABLE_REWRITE, place(statement.syntax()), old);
        (!named || !draft.tables.is_empty()).then_some(draft).into_iter().collect()
    };
    match statement {
        ast::Stmt::AlterTable(it) => {
            let Some(table) = table_of(it.table_relation_name()) else { return Vec::new() };
            let tables = context.old([table]);
            if tables.is_empty() {
                return Vec::new();
            }
            it.actions().flat_map(|action| rewrites(&action, &tables)).collect()
        }
        ast::Stmt::Truncate(it) => {
            let mut tables = context.with_old_rows(locks(statement, context.history));
            if tables.is_empty() {
                return Vec::new();
            }
            // It also empties what refers to them, which may hold rows where they hold none.
            if matches!(it.drop_behavior(), Some(ast::DropBehavior::Cascade(_))) {
                tables.clear();
            }
            vec![Draft::new(rules::TRUNCATE, place(statement.syntax()), tables)]
        }
        ast::Stmt::Vacuum(it) if it.is_full() => {
            let tables = it.syntax().descendants().filter_map(ast::TableNameRef::cast);
            rewrite(tables.filter_map(|it| name_of(Some(it))).collect())
        }
        ast::Stmt::Cluster(it) => {
            let legacy = it.cluster_legacy().and_then(|it| it.on_path());
            let table = name_of(it.table_name_ref()).or_else(|| name_of(legacy));
            rewrite(table.into_iter().collect())
        }
        ast::Stmt::Refresh(it) if it.concurrently_token().is_none() => {
            rewrite(name_of(it.view_ref()).into_iter().collect())
        }
        _ => Vec::new(),
    }
}

/// An action of `ALTER TABLE` that writes all of the table anew, or reads it for a new column.
fn rewrites(action: &ast::AlterTableAction, tables: &[Name]) -> Vec<Draft> {
    let draft = |rule, node: &SyntaxNode| Draft::new(rule, place(node), tables.to_vec());
    if let ast::AlterTableAction::AddColumn(column) = action {
        let written = rewriting(column);
        let written = written.map(|node| draft(rules::ADDING_FIELD_WITH_DEFAULT, &node));
        let is_check = |it: &ast::Constraint| matches!(it, ast::Constraint::CheckConstraint(_));
        let checks = column.constraints().filter(|it| is_check(it) && !it.is_not_valid());
        let checks = checks.map(|it| draft(rules::CONSTRAINT_MISSING_NOT_VALID, it.syntax()));
        return written.into_iter().chain(checks).collect();
    }
    let rewrites = matches!(
        action,
        ast::AlterTableAction::SetLogged(_)
            | ast::AlterTableAction::SetUnlogged(_)
            | ast::AlterTableAction::SetTablespace(_)
            | ast::AlterTableAction::SetAccessMethod(_)
    );
    rewrites.then(|| draft(rules::TABLE_REWRITE, action.syntax())).into_iter().collect()
}

/// A change of rows: while tables are locked, or of all rows at once.
pub(super) fn every_row(
    context: &Context<'_>,
    statement: &ast::Stmt,
    locked: &[Name],
) -> Option<Draft> {
    let change = Change::of(statement)?;
    let here = place(statement.syntax());
    if !locked.is_empty() && change.may_be_many {
        let names: Vec<String> = locked.iter().map(quoted).collect();
        let message = format!("{} stays locked until all rows are changed", names.join(", "));
        let draft = Draft::new(rules::DATA_CHANGE_UNDER_LOCK, here, locked.to_vec());
        return Some(Draft { message: Some(message), ..draft });
    }
    let tables = context.old(change.table);
    (change.is_of_all && !tables.is_empty())
        .then(|| Draft::new(rules::UNBATCHED_CHANGE, here, tables))
}

/// What a statement does to rows.
struct Change {
    /// The table whose rows are changed.
    table: Option<Name>,
    /// Whether it says of all rows that they are meant.
    is_of_all: bool,
    /// Whether they may be many: it does not name one by its id, nor lists them.
    may_be_many: bool,
}

impl Change {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others change no rows")]
    fn of(statement: &ast::Stmt) -> Option<Self> {
        match statement {
            ast::Stmt::Update(it) => Some(Self::of_update(it)),
            ast::Stmt::Delete(it) => Some(Self::of_delete(it)),
            ast::Stmt::Insert(it) => {
                let source = it.insert_source()?;
                let from =
                    source.syntax().descendants().any(|it| ast::FromClause::can_cast(it.kind()));
                Some(Self { table: None, is_of_all: false, may_be_many: from })
            }
            ast::Stmt::Merge(_) => Some(Self { table: None, is_of_all: false, may_be_many: true }),
            ast::Stmt::Select(it) => Self::of_query(it.syntax()),
            _ => None,
        }
    }

    fn of_update(it: &ast::Update) -> Self {
        let condition = it.where_clause_or_current_of().map(|it| it.syntax().to_string());
        let joined = it.from_clause().is_some();
        Self::new(name_of(it.relation_name()), condition.as_deref(), joined)
    }

    fn of_delete(it: &ast::Delete) -> Self {
        let condition = it.where_clause_or_current_of().map(|it| it.syntax().to_string());
        let joined = it.using_clause().is_some();
        Self::new(name_of(it.relation_name()), condition.as_deref(), joined)
    }

    /// The first change in the WITH of a query.
    fn of_query(query: &SyntaxNode) -> Option<Self> {
        query.descendants().find_map(|node| {
            ast::Update::cast(node.clone())
                .map(|it| Self::of_update(&it))
                .or_else(|| ast::Delete::cast(node).map(|it| Self::of_delete(&it)))
        })
    }

    fn new(table: Option<Name>, condition: Option<&str>, joined: bool) -> Self {
        let is_one = condition.is_some_and(names_one_row);
        Self { table, is_of_all: condition.is_none() && !joined, may_be_many: !is_one }
    }
}

/// Whether a condition is `WHERE id = …`, with a literal.
fn names_one_row(condition: &str) -> bool {
    let condition = condition.to_lowercase();
    let Some(condition) = condition.strip_prefix("where") else { return false };
    let Some((column, value)) = condition.split_once('=') else { return false };
    let is_literal = |c: char| c.is_ascii_digit() || c == '\'';
    let (column, value) = (column.trim().trim_matches('"'), value.trim());
    column == "id" && value.starts_with(is_literal) && !value.contains(" or ")
}
