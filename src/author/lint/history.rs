//! What the revisions before have made of tables, as far as it tells a hazard from none.

use std::collections::{HashMap, HashSet};

use squawk_syntax::ast::{self, AstNode, NameLike};

use super::effect::Effect;
use super::object::{Kind, name_of, path_of, same, table_of};
use crate::revision::Name;

/// Tables, columns and the like as the statements so far leave them; schemas don't count.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The types of columns, as they are written.
    types: HashMap<(String, String), String>,
    /// The constraints that say of a column that it is not null, and whether they are valid.
    not_null: HashMap<(String, String), (String, bool)>,
    indexes: HashMap<String, Name>,
    partitioned: HashSet<String>,
    materialized: HashSet<String>,
    trigger_functions: HashSet<String>,
    /// What tables were called before, by what they are called.
    former: HashMap<String, Vec<Name>>,
}

impl History {
    /// The type of a column, if a statement has said it.
    pub(super) fn type_of(&self, table: &Name, column: &str) -> Option<&str> {
        self.types.get(&(table.name.clone(), column.to_owned())).map(String::as_str)
    }

    /// Whether a valid constraint says that no row has a null there.
    pub(super) fn is_never_null(&self, table: &Name, column: &str) -> bool {
        let mut constraints = self.not_null.iter();
        constraints.any(|((of, _), (on, valid))| *of == table.name && on == column && *valid)
    }

    /// The table of an index.
    pub(super) fn table_of_index(&self, index: &Name) -> Option<&Name> {
        self.indexes.get(&index.name)
    }

    /// Whether a table consists of partitions.
    pub(super) fn is_partitioned(&self, table: &Name) -> bool {
        self.partitioned.contains(&table.name)
    }

    /// Whether it is a view whose rows only `REFRESH` writes.
    pub(super) fn is_materialized(&self, view: &Name) -> bool {
        self.materialized.contains(&view.name)
    }

    /// Whether a function is one that triggers call, and nobody else.
    pub(super) fn is_of_triggers(&self, function: &Name) -> bool {
        self.trigger_functions.contains(&function.name)
    }

    /// Tables, and beside each the names that it had: a database that is behind may know it by one.
    pub(super) fn with_former_names(&self, tables: &[Name]) -> Vec<Name> {
        let mut names = tables.to_vec();
        let former = tables.iter().filter_map(|table| self.former.get(&table.name));
        for name in former.flatten() {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// Adds what a statement does.
    #[expect(clippy::wildcard_enum_match_arm, reason = "most statements say nothing of tables")]
    pub(super) fn apply(&mut self, statement: &ast::Stmt, effect: &Effect) {
        match statement {
            ast::Stmt::CreateTable(it) => {
                let Some(table) = name_of(it.table_name()) else { return };
                if it.partition_by().is_some() {
                    self.partitioned.insert(table.name.clone());
                }
                for arg in it.table_arg_list().into_iter().flat_map(|list| list.args()) {
                    match arg {
                        ast::TableArg::Column(column) => {
                            self.set_type(&table, column.name().map(|it| it.text()), column.ty());
                        }
                        ast::TableArg::TableConstraint(ast::TableConstraint::CheckConstraint(
                            check,
                        )) => self.add_check(&table, &check, true),
                        _ => {}
                    }
                }
            }
            ast::Stmt::AlterTable(it) => {
                let Some(table) = table_of(it.table_relation_name()) else { return };
                it.actions().for_each(|action| self.act(&table, &action));
            }
            ast::Stmt::CreateMaterializedView(it) => {
                self.materialized.extend(name_of(it.view()).map(|view| view.name));
            }
            ast::Stmt::CreateFunction(it) => {
                let returns = it.ret_type().map(|it| it.syntax().to_string().to_lowercase());
                let is_of_triggers = returns.is_some_and(|it| it.ends_with("trigger"));
                if let (true, Some(name)) = (is_of_triggers, name_of(it.name())) {
                    self.trigger_functions.insert(name.name);
                }
            }
            _ => {}
        }
        self.follow(effect);
    }

    /// Adds that a table was called otherwise.
    fn add_former(&mut self, was: &Name, is: &str) {
        let mut former = self.former.remove(&was.name).unwrap_or_default();
        if !former.contains(was) {
            former.push(was.clone());
        }
        self.former.insert(is.to_owned(), former);
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most actions say nothing of these")]
    fn act(&mut self, table: &Name, action: &ast::AlterTableAction) {
        match action {
            ast::AlterTableAction::AddColumn(it) => {
                self.set_type(table, it.column_name().map(|it| it.text()), it.ty());
            }
            ast::AlterTableAction::AlterColumn(it) => {
                if let Some(ast::AlterColumnOption::SetType(to)) = it.option() {
                    self.set_type(table, it.column_name_ref().map(|it| it.text()), to.ty());
                }
            }
            ast::AlterTableAction::AddConstraint(it) => {
                if let Some(constraint) = it.constraint() {
                    let valid = !constraint.is_not_valid();
                    if let ast::Constraint::CheckConstraint(check) = constraint {
                        self.add_check(table, &check, valid);
                    }
                }
            }
            ast::AlterTableAction::SetSchema(_) => self.add_former(table, &table.name),
            ast::AlterTableAction::ValidateConstraint(it) => {
                let name = it.constraint_name_ref().and_then(|it| path_of(&it));
                let key = name.map(|name| (table.name.clone(), name.name));
                if let Some((_, valid)) = key.and_then(|key| self.not_null.get_mut(&key)) {
                    *valid = true;
                }
            }
            _ => {}
        }
    }

    /// Renames and drops.
    fn follow(&mut self, effect: &Effect) {
        for made in effect.makes.iter().filter(|made| made.kind == Kind::Index) {
            if let Some(table) = &made.table {
                self.indexes.insert(made.name.name.clone(), table.clone());
            }
        }
        for dropped in &effect.drops {
            let name = &dropped.name.name;
            match (dropped.kind, &dropped.table) {
                (Kind::Relation, _) => {
                    self.former.remove(name);
                    self.types.retain(|(table, _), _| table != name);
                    self.not_null.retain(|(table, _), _| table != name);
                    self.indexes.retain(|_, table| !same(table, &dropped.name));
                }
                (Kind::Column, Some(table)) => {
                    self.types.remove(&(table.name.clone(), name.clone()));
                }
                (Kind::Constraint, Some(table)) => {
                    self.not_null.remove(&(table.name.clone(), name.clone()));
                }
                (Kind::Index, _) => {
                    self.indexes.remove(name);
                }
                (
                    Kind::Column
                    | Kind::Constraint
                    | Kind::Type
                    | Kind::Routine
                    | Kind::Schema
                    | Kind::Extension
                    | Kind::Trigger
                    | Kind::Policy,
                    _,
                ) => {}
            }
        }
        for (from, to) in &effect.renames {
            let (old, new) = (&from.name.name, &to.name.name);
            match (from.kind, &from.table) {
                (Kind::Relation, _) => {
                    self.add_former(&from.name, new);
                    let renamed = |table: String| if table == *old { new.clone() } else { table };
                    self.types =
                        self.types.drain().map(|((t, c), ty)| ((renamed(t), c), ty)).collect();
                    self.not_null =
                        self.not_null.drain().map(|((t, c), it)| ((renamed(t), c), it)).collect();
                    for table in self.indexes.values_mut().filter(|it| same(it, &from.name)) {
                        table.name.clone_from(new);
                    }
                }
                (Kind::Column, Some(table)) => {
                    if let Some(ty) = self.types.remove(&(table.name.clone(), old.clone())) {
                        self.types.insert((table.name.clone(), new.clone()), ty);
                    }
                }
                (Kind::Index, _) => {
                    if let Some(table) = self.indexes.remove(old) {
                        self.indexes.insert(new.clone(), table);
                    }
                }
                _ => {}
            }
        }
    }

    fn set_type(&mut self, table: &Name, column: Option<String>, ty: Option<ast::Type>) {
        if let (Some(column), Some(ty)) = (column, ty) {
            self.types.insert((table.name.clone(), column), ty.syntax().to_string());
        }
    }

    fn add_check(&mut self, table: &Name, check: &ast::CheckConstraint, valid: bool) {
        let name = check.constraint_name_clause().and_then(|it| it.constraint_name());
        if let (Some(name), Some(column)) = (name, check.expr().as_ref().and_then(never_null)) {
            self.not_null.insert((table.name.clone(), name.text()), (column, valid));
        }
    }
}

/// The column of `column IS NOT NULL`.
fn never_null(expr: &ast::Expr) -> Option<String> {
    if let ast::Expr::ParenExpr(inner) = expr {
        return inner.expr().as_ref().and_then(never_null);
    }
    let ast::Expr::BinExpr(it) = expr else { return None };
    let is_not = matches!(it.op()?, ast::BinOp::IsNot(_));
    let null = it.rhs()?.syntax().text().to_string().eq_ignore_ascii_case("null");
    let ast::Expr::NameRef(column) = it.lhs()? else { return None };
    (is_not && null).then(|| column.text())
}
