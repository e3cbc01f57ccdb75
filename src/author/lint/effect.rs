//! What a statement makes, drops, renames and changes.

use squawk_syntax::ast::{self, AstNode, NameLike};

use super::object::{Kind, Object, name_of, path_of, plain, table_of};
use crate::revision::Name;

/// What a statement does to objects.
#[derive(Debug, Default)]
pub(super) struct Effect {
    pub(super) makes: Vec<Object>,
    pub(super) drops: Vec<Object>,
    /// What it was called, and what it is called.
    pub(super) renames: Vec<(Object, Object)>,
    /// Columns that are otherwise.
    pub(super) changes: Vec<Object>,
}

impl Effect {
    pub(super) fn of(statement: &ast::Stmt) -> Self {
        let mut effect = Self::default();
        effect.add_made(statement);
        effect.add_dropped(statement);
        effect.add_altered(statement);
        effect
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others make nothing")]
    fn add_made(&mut self, statement: &ast::Stmt) {
        match statement {
            ast::Stmt::CreateTable(it) => self.make(Kind::Relation, it.table_name()),
            ast::Stmt::CreateTableAs(it) => self.make(Kind::Relation, it.table_name()),
            ast::Stmt::SelectInto(it) => {
                self.make(Kind::Relation, it.into_clause().and_then(|it| it.table_name()));
            }
            ast::Stmt::CreateForeignTable(it) => self.make(Kind::Relation, it.table_name()),
            ast::Stmt::CreateView(it) => self.make(Kind::Relation, it.view()),
            ast::Stmt::CreateMaterializedView(it) => self.make(Kind::Relation, it.view()),
            ast::Stmt::CreateSequence(it) => self.make(Kind::Relation, it.sequence()),
            ast::Stmt::CreateType(it) => self.make(Kind::Type, it.type_name()),
            ast::Stmt::CreateDomain(it) => self.make(Kind::Type, it.domain()),
            ast::Stmt::CreateFunction(it) => self.make(Kind::Routine, it.name()),
            ast::Stmt::CreateProcedure(it) => self.make(Kind::Routine, it.name()),
            ast::Stmt::CreateAggregate(it) => self.make(Kind::Routine, it.aggregate_name()),
            ast::Stmt::CreateExtension(it) => self.make(Kind::Extension, it.extension()),
            ast::Stmt::CreateSchema(it) => {
                if let Some(ast::CreateSchemaTarget::NamedSchema(it)) = it.create_schema_target() {
                    self.make(Kind::Schema, it.schema());
                }
            }
            ast::Stmt::CreateIndex(it) => {
                let table = table_of(it.table_relation_name());
                self.make_part(Kind::Index, it.index(), table.as_ref());
            }
            ast::Stmt::CreateTrigger(it) => {
                let table = name_of(it.on_relation());
                self.make_part(Kind::Trigger, it.trigger(), table.as_ref());
            }
            ast::Stmt::CreatePolicy(it) => {
                let table = name_of(it.on_table());
                self.make_part(Kind::Policy, it.policy(), table.as_ref());
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others drop nothing")]
    fn add_dropped(&mut self, statement: &ast::Stmt) {
        match statement {
            ast::Stmt::DropTable(it) => {
                self.drop_all(Kind::Relation, it.table_name_refs().map(|it| path_of(&it)));
            }
            ast::Stmt::DropForeignTable(it) => {
                self.drop_all(Kind::Relation, it.table_name_refs().map(|it| path_of(&it)));
            }
            ast::Stmt::DropView(it) => {
                self.drop_all(Kind::Relation, it.view_refs().map(|it| name_of(Some(it))));
            }
            ast::Stmt::DropMaterializedView(it) => {
                self.drop_all(Kind::Relation, it.view_refs().map(|it| name_of(Some(it))));
            }
            ast::Stmt::DropSequence(it) => {
                self.drop_all(Kind::Relation, it.sequence_refs().map(|it| path_of(&it)));
            }
            ast::Stmt::DropIndex(it) => {
                self.drop_all(Kind::Index, it.index_refs().map(|it| path_of(&it)));
            }
            ast::Stmt::DropType(it) => {
                self.drop_all(Kind::Type, it.type_name_refs().map(|it| name_of(Some(it))));
            }
            ast::Stmt::DropDomain(it) => {
                self.drop_all(Kind::Type, it.domain_refs().map(|it| path_of(&it)));
            }
            ast::Stmt::DropSchema(it) => {
                self.drop_all(Kind::Schema, it.schema_refs().map(|it| name_of(Some(it))));
            }
            ast::Stmt::DropExtension(it) => {
                self.drop_all(Kind::Extension, it.extension_refs().map(|it| name_of(Some(it))));
            }
            ast::Stmt::DropFunction(_)
            | ast::Stmt::DropProcedure(_)
            | ast::Stmt::DropRoutine(_)
            | ast::Stmt::DropAggregate(_) => self.drop_all(Kind::Routine, routines(statement)),
            ast::Stmt::DropTrigger(it) => {
                let table = name_of(it.on_relation());
                let trigger = it.trigger_ref().and_then(|it| text_of(&it));
                self.drop_part(Kind::Trigger, trigger, table.as_ref());
            }
            ast::Stmt::DropPolicy(it) => {
                let table = name_of(it.on_table());
                let policy = it.policy_ref().and_then(|it| text_of(&it));
                self.drop_part(Kind::Policy, policy, table.as_ref());
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the others alter nothing")]
    fn add_altered(&mut self, statement: &ast::Stmt) {
        match statement {
            ast::Stmt::AlterTable(it) => {
                if let Some(table) = table_of(it.table_relation_name()) {
                    it.actions().for_each(|action| self.act(&table, &action));
                }
            }
            ast::Stmt::AlterView(it) => {
                if let (Some(view), Some(ast::AlterViewAction::ViewRenameTo(to))) =
                    (name_of(it.view_ref()), it.action())
                {
                    self.rename(Kind::Relation, view, name_of(to.view()));
                }
            }
            ast::Stmt::AlterIndex(it) => {
                if let (Some(index), Some(ast::AlterIndexAction::IndexRenameTo(to))) =
                    (name_of(it.index_ref()), it.action())
                {
                    self.rename(Kind::Index, index, last_name(&to));
                }
            }
            ast::Stmt::AlterType(it) => {
                if let (Some(name), Some(ast::AlterTypeAction::TypeRenameTo(to))) =
                    (name_of(it.type_name_ref()), it.action())
                {
                    self.rename(Kind::Type, name, name_of(to.type_name()));
                }
            }
            ast::Stmt::AlterSequence(it) => {
                for action in it.actions() {
                    if let (Some(name), ast::AlterSequenceAction::SequenceRenameTo(to)) =
                        (name_of(it.sequence_ref()), action)
                    {
                        self.rename(Kind::Relation, name, last_name(&to));
                    }
                }
            }
            _ => {}
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "most actions do nothing to objects")]
    fn act(&mut self, table: &Name, action: &ast::AlterTableAction) {
        match action {
            ast::AlterTableAction::AddColumn(it) => {
                if let Some(column) = it.column_name() {
                    self.makes.push(Object::column(column.text(), table));
                }
            }
            ast::AlterTableAction::DropColumn(it) => {
                if let Some(column) = it.column_name_ref() {
                    self.drops.push(Object::column(column.text(), table));
                }
            }
            ast::AlterTableAction::AlterColumn(it) => {
                if let Some(column) = it.column_name_ref() {
                    self.changes.push(Object::column(column.text(), table));
                }
            }
            ast::AlterTableAction::RenameColumn(it) => {
                if let (Some(from), Some(to)) = (it.column_name_ref(), it.column_name()) {
                    let pair = [from.text(), to.text()].map(|name| Object::column(name, table));
                    self.renames.push(pair.into());
                }
            }
            ast::AlterTableAction::AddConstraint(it) => {
                let name = it.constraint().and_then(|it| it.constraint_name());
                if let Some(name) = name {
                    let name = plain(name.text());
                    self.makes.push(Object::of(Kind::Constraint, name, table));
                }
            }
            ast::AlterTableAction::DropConstraint(it) => {
                let name = it.constraint_name_ref().and_then(|it| path_of(&it));
                self.drop_part(Kind::Constraint, name, Some(table));
            }
            ast::AlterTableAction::TableRenameTo(it) => {
                self.rename(Kind::Relation, table.clone(), name_of(it.table_name()));
            }
            _ => {}
        }
    }

    fn make<N: AstNode>(&mut self, kind: Kind, node: Option<N>) {
        self.makes.extend(name_of(node).map(|name| Object::new(kind, name)));
    }

    fn make_part<N: AstNode>(&mut self, kind: Kind, node: Option<N>, table: Option<&Name>) {
        if let (Some(name), Some(table)) = (name_of(node), table) {
            self.makes.push(Object::of(kind, name, table));
        }
    }

    fn drop_all(&mut self, kind: Kind, names: impl IntoIterator<Item = Option<Name>>) {
        self.drops.extend(names.into_iter().flatten().map(|name| Object::new(kind, name)));
    }

    fn drop_part(&mut self, kind: Kind, name: Option<Name>, table: Option<&Name>) {
        if let (Some(name), Some(table)) = (name, table) {
            self.drops.push(Object::of(kind, name, table));
        }
    }

    fn rename(&mut self, kind: Kind, from: Name, to: Option<Name>) {
        if let Some(to) = to {
            let to = Name { schema: from.schema.clone(), ..to };
            self.renames.push((Object::new(kind, from), Object::new(kind, to)));
        }
    }
}

/// The routines that a statement names by their signatures.
pub(super) fn routines(statement: &ast::Stmt) -> Vec<Option<Name>> {
    let signature = |node: &squawk_syntax::SyntaxNode| {
        ast::FunctionSig::can_cast(node.kind())
            || ast::ProcedureSig::can_cast(node.kind())
            || ast::RoutineSig::can_cast(node.kind())
            || ast::Aggregate::can_cast(node.kind())
    };
    let signatures = statement.syntax().descendants().filter(signature);
    signatures.map(|node| name_of(node.descendants().find_map(ast::PathRef::cast))).collect()
}

/// What a reference without a schema says.
fn text_of<N: AstNode>(node: &N) -> Option<Name> {
    Some(plain(ast::AnyNameRef::cast(node.syntax().clone())?.syntax().text().to_string()))
        .map(|name| plain(unquoted(&name.name)))
}

/// The name at the end of `RENAME TO`.
fn last_name<N: AstNode>(node: &N) -> Option<Name> {
    let names = node.syntax().descendants().filter_map(ast::AnyName::cast);
    names.last().map(|name| plain(name.text()))
}

fn unquoted(text: &str) -> String {
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => text.to_ascii_lowercase(),
    }
}
