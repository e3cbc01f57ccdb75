//! Which tables a statement locks so that others have to wait.

use squawk_syntax::ast::{self, AstNode};

use super::history::History;
use super::object::{name_of, path_of, table_of};
use crate::revision::Name;

/// The tables that nobody can write to, or even read, from a statement on until the end of its
/// transaction, as far as its text and the history tell.
#[expect(clippy::wildcard_enum_match_arm, reason = "most statements lock no table like that")]
pub(super) fn locks(statement: &ast::Stmt, history: &History) -> Vec<Name> {
    match statement {
        ast::Stmt::AlterTable(it) => {
            let table = table_of(it.table_relation_name());
            let mut tables = Vec::new();
            for action in it.actions() {
                if is_exclusive(&action) {
                    tables.extend(table.clone());
                }
                tables.extend(referenced(action.syntax()));
            }
            tables
        }
        ast::Stmt::CreateTable(it) => {
            let parent = it.partition_of().and_then(|it| name_of(it.table_name_ref()));
            referenced(it.syntax()).chain(parent).collect()
        }
        ast::Stmt::CreateIndex(it) if it.concurrently_token().is_none() => {
            let table = table_of(it.table_relation_name());
            table.into_iter().filter(|table| !history.is_materialized(table)).collect()
        }
        ast::Stmt::DropIndex(it) if it.concurrently_token().is_none() => {
            let indexes = it.index_refs().filter_map(|index| path_of(&index));
            indexes.filter_map(|index| history.table_of_index(&index).cloned()).collect()
        }
        ast::Stmt::CreateTrigger(it) => name_of(it.on_relation()).into_iter().collect(),
        ast::Stmt::DropTrigger(it) => name_of(it.on_relation()).into_iter().collect(),
        ast::Stmt::CreatePolicy(it) => name_of(it.on_table()).into_iter().collect(),
        ast::Stmt::DropPolicy(it) => name_of(it.on_table()).into_iter().collect(),
        ast::Stmt::Truncate(it) => {
            let tables = it.table_list().into_iter().flat_map(|it| it.table_relation_names());
            tables.filter_map(|it| table_of(Some(it))).collect()
        }
        ast::Stmt::Lock(it) => {
            let mode = it.lock_mode_clause().and_then(|it| it.lock_mode());
            let is_weak = matches!(
                mode,
                Some(
                    ast::LockMode::AccessShare(_)
                        | ast::LockMode::RowShare(_)
                        | ast::LockMode::RowExclusive(_)
                        | ast::LockMode::ShareUpdateExclusive(_)
                )
            );
            let tables = it.relation_list().into_iter().flat_map(|it| it.relation_names());
            tables.filter(|_| !is_weak).filter_map(|it| name_of(Some(it))).collect()
        }
        ast::Stmt::Cluster(it) => name_of(it.table_name_ref()).into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Whether an action takes more than `SHARE UPDATE EXCLUSIVE`.
fn is_exclusive(action: &ast::AlterTableAction) -> bool {
    if let ast::AlterTableAction::AlterColumn(it) = action {
        return !matches!(
            it.option(),
            Some(ast::AlterColumnOption::SetStatistics(_) | ast::AlterColumnOption::SetOptions(_))
        );
    }
    !matches!(
        action,
        ast::AlterTableAction::ValidateConstraint(_)
            | ast::AlterTableAction::AttachPartition(_)
            | ast::AlterTableAction::ClusterOn(_)
            | ast::AlterTableAction::SetWithoutCluster(_)
            | ast::AlterTableAction::SetOptions(_)
            | ast::AlterTableAction::ResetOptions(_)
            | ast::AlterTableAction::OptionItemList(_)
    )
}

/// The tables that foreign keys lead to.
pub(super) fn referenced(node: &squawk_syntax::SyntaxNode) -> impl Iterator<Item = Name> + use<> {
    node.descendants().filter_map(|node| {
        let table = ast::ForeignKeyConstraint::cast(node.clone())
            .and_then(|it| it.table_name_ref())
            .or_else(|| ast::ReferencesConstraint::cast(node).and_then(|it| it.table()));
        name_of(table)
    })
}
