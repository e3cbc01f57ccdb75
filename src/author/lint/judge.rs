//! Which of squawk's findings are dangerous here, given the rest of the file and the history.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode, NameLike};

use super::default::is_serial;
use super::effect::{Effect, routines};
use super::examine::{Context, Draft};
use super::locks::referenced;
use super::object::{Kind, Object, name_of, table_of};
use super::rule::{Level, Rule};
use super::rules;
use super::squawk::{Violation, node_at};
use super::widening::is_widening;
use crate::revision::Name;

/// What remains of a violation.
pub(super) fn judge(
    context: &Context<'_>,
    statement: &ast::Stmt,
    effect: &Effect,
    violation: &Violation,
) -> Option<Draft> {
    let rule = specific(statement, violation)?;
    let tables = subjects(context, statement, effect);
    if rule.level == Level::Hazard {
        let all_fresh = tables.as_ref().is_some_and(Vec::is_empty);
        if all_fresh || is_harmless(context, statement, effect, violation, rule) {
            return None;
        }
    }
    let mut tables = tables.unwrap_or_default();
    if rule == rules::ADDING_FOREIGN_KEY_CONSTRAINT {
        let constraint = node_at::<ast::Constraint>(statement, &violation.place)?;
        tables.extend(context.old(referenced(constraint.syntax())));
        tables = context.old(tables);
    }
    let is_index = rule == rules::REQUIRE_CONCURRENT_INDEX_CREATION;
    let partitioned = is_index && tables.iter().any(|it| context.history.is_partitioned(it));
    let message = partitioned.then(|| PARTITIONED.to_owned());
    Some(Draft { message, ..Draft::new(rule, violation.place.clone(), tables) })
}

/// What there is to say of an index of a partitioned table, which can't be built CONCURRENTLY.
const PARTITIONED: &str = "nobody can write to any partition while the index is built; create it ON \
    ONLY the table, build those of the partitions CONCURRENTLY, and attach them";

/// The rule that says best what squawk has found; none where another one finds the same, or finds
/// it better.
fn specific(statement: &ast::Stmt, violation: &Violation) -> Option<&'static Rule> {
    let rule = violation.rule;
    let found_elsewhere = [
        rules::NOT_IN_TRANSACTION,
        rules::ADDING_FIELD_WITH_DEFAULT,
        rules::TABLE_REWRITE,
        rules::TRUNCATE,
    ];
    if found_elsewhere.contains(&rule) {
        return None;
    }
    if rule != rules::CONSTRAINT_MISSING_NOT_VALID {
        return Some(rule);
    }
    let Some(add) = node_at::<ast::AddConstraint>(statement, &violation.place) else {
        return Some(rule);
    };
    match add.constraint()? {
        ast::Constraint::ExcludeConstraint(_) => Some(rules::ADDING_EXCLUSION_CONSTRAINT),
        ast::Constraint::NotNullConstraint(_) => Some(rules::ADDING_NOT_NULLABLE_FIELD),
        ast::Constraint::CheckConstraint(_)
        | ast::Constraint::DefaultConstraint(_)
        | ast::Constraint::GeneratedConstraint(_)
        | ast::Constraint::NullConstraint(_) => Some(rule),
        ast::Constraint::ForeignKeyConstraint(_)
        | ast::Constraint::PrimaryKeyConstraint(_)
        | ast::Constraint::ReferencesConstraint(_)
        | ast::Constraint::UniqueConstraint(_) => None,
    }
}

/// The tables that a statement is about and the file has not made itself; none of a statement that
/// is about no tables.
#[expect(clippy::wildcard_enum_match_arm, reason = "the others are about no table")]
fn subjects(context: &Context<'_>, statement: &ast::Stmt, effect: &Effect) -> Option<Vec<Name>> {
    let tables: Vec<Name> = match statement {
        ast::Stmt::AlterTable(it) => table_of(it.table_relation_name()).into_iter().collect(),
        ast::Stmt::AlterForeignTable(it) => name_of(it.table_relation_name()).into_iter().collect(),
        ast::Stmt::CreateIndex(it) => table_of(it.table_relation_name()).into_iter().collect(),
        ast::Stmt::AlterView(it) => name_of(it.view_ref()).into_iter().collect(),
        ast::Stmt::AlterMaterializedView(it) => name_of(it.view_ref()).into_iter().collect(),
        ast::Stmt::AlterSequence(it) => name_of(it.sequence_ref()).into_iter().collect(),
        ast::Stmt::DropTable(_) => {
            let dropped = effect.drops.iter().map(|it| it.name.clone());
            return Some(context.with_old_rows(dropped));
        }
        ast::Stmt::DropForeignTable(_)
        | ast::Stmt::DropView(_)
        | ast::Stmt::DropMaterializedView(_)
        | ast::Stmt::DropSequence(_) => effect.drops.iter().map(|it| it.name.clone()).collect(),
        ast::Stmt::DropIndex(_) => {
            let tables = effect.drops.iter().map(|it| context.history.table_of_index(&it.name));
            // Of an index that nothing is known of, neither is the table.
            tables.collect::<Option<Vec<_>>>()?.into_iter().cloned().collect()
        }
        ast::Stmt::Reindex(it) => match it.reindex_target()? {
            ast::ReindexTarget::ReindexTargetTable(it) => vec![name_of(it.table_name_ref())?],
            ast::ReindexTarget::ReindexTargetIndex(it) => {
                vec![context.history.table_of_index(&name_of(Some(it))?)?.clone()]
            }
            _ => return None,
        },
        ast::Stmt::Revoke(it) => {
            let on = it.on_privilege_objects_clause()?.privilege_objects()?;
            match on {
                ast::PrivilegeObjects::PrivilegeTable(_)
                | ast::PrivilegeObjects::PrivilegeDefault(_) => paths(on.syntax()).collect(),
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(context.old(tables))
}

/// Whether what a rule finds hurts nobody here.
fn is_harmless(
    context: &Context<'_>,
    statement: &ast::Stmt,
    effect: &Effect,
    violation: &Violation,
    rule: &'static Rule,
) -> bool {
    let at = &violation.place;
    let made_here = |object: &Object| context.is_fresh(object) || context.is_made_anew(object);
    if rule == rules::DROP_COLUMN {
        let column = node_at::<ast::DropColumn>(statement, at).and_then(|it| it.column_name_ref());
        let table = altered(statement);
        return column.zip(table).is_some_and(|(column, table)| {
            context.is_fresh(&Object::column(column.text(), &table))
        });
    }
    if [
        rules::DROP_VIEW,
        rules::DROP_TYPE,
        rules::DROP_DOMAIN,
        rules::DROP_SCHEMA,
        rules::DROP_EXTENSION,
    ]
    .contains(&rule)
    {
        return !effect.drops.is_empty() && effect.drops.iter().all(made_here);
    }
    if rule == rules::DROP_FUNCTION {
        let harmless = |it: &Object| made_here(it) || context.history.is_of_triggers(&it.name);
        return !effect.drops.is_empty() && effect.drops.iter().all(harmless);
    }
    if [rules::RENAMING_TABLE, rules::RENAMING_OBJECT].contains(&rule) {
        let [(from, _)] = &effect.renames[..] else {
            return is_renaming_what_nobody_names(statement);
        };
        return is_renaming_what_nobody_names(statement) || made_here(from);
    }
    if rule == rules::ADDING_REQUIRED_FIELD {
        let column = node_at::<ast::AddColumn>(statement, at);
        return column.and_then(|it| it.ty()).is_some_and(|ty| is_serial(&ty));
    }
    if rule == rules::ADDING_FOREIGN_KEY_CONSTRAINT {
        return is_on_empty_column(statement, at);
    }
    if rule == rules::ALTER_DOMAIN_WITH_ADD_CONSTRAINT {
        let constraint =
            node_at::<ast::AddConstraint>(statement, at).and_then(|it| it.constraint());
        return constraint.is_some_and(|it| it.is_not_valid());
    }
    if rule == rules::REQUIRE_CONCURRENT_INDEX_CREATION {
        let views = subjects(context, statement, effect).unwrap_or_default();
        return is_on_parent_alone(statement)
            || views.iter().all(|table| context.history.is_materialized(table));
    }
    if rule == rules::REVOKE {
        return is_harmless_revoke(context, statement);
    }
    if rule == rules::ALTER_ROW_LEVEL_SECURITY {
        return node_at::<ast::EnableRls>(statement, at).is_none()
            && node_at::<ast::ForceRls>(statement, at).is_none();
    }
    let (Some(table), Some(column)) =
        (altered(statement), node_at::<ast::AlterColumn>(statement, at))
    else {
        return false;
    };
    is_harmless_to_column(context, &table, &column, rule)
}

fn is_harmless_to_column(
    context: &Context<'_>,
    table: &Name,
    column: &ast::AlterColumn,
    rule: &'static Rule,
) -> bool {
    let Some(name) = column.column_name_ref().map(|it| it.text()) else { return false };
    if rule == rules::CHANGING_COLUMN_TYPE {
        let Some(ast::AlterColumnOption::SetType(to)) = column.option() else { return false };
        let from = context.history.type_of(table, &name);
        let plain = to.using_expr().is_none() && to.collate().is_none();
        return from
            .zip(to.ty())
            .is_some_and(|(from, to)| plain && is_widening(from, &to.syntax().to_string()));
    }
    if rule == rules::ADDING_NOT_NULLABLE_FIELD {
        return context.history.is_never_null(table, &name);
    }
    if rule == rules::DROP_DEFAULT {
        return sets_default(context, column, table, &name);
    }
    if rule == rules::ALTER_IDENTITY {
        return match column.option() {
            Some(ast::AlterColumnOption::AddGenerated(it)) => {
                !matches!(it.generated_when(), Some(ast::GeneratedWhen::GeneratedAlways(_)))
            }
            _ => false,
        };
    }
    false
}

/// Whether nobody can have needed what is revoked.
fn is_harmless_revoke(context: &Context<'_>, statement: &ast::Stmt) -> bool {
    let ast::Stmt::Revoke(revoke) = statement else {
        return !matches!(
            statement,
            ast::Stmt::DropRole(_) | ast::Stmt::DropUser(_) | ast::Stmt::DropOwned(_)
        );
    };
    let Some(on) = revoke.on_privilege_objects_clause() else { return false };
    let routines: Vec<Name> = routines(statement).into_iter().flatten().collect();
    let mut objects: Vec<Object> =
        routines.into_iter().map(|name| Object::new(Kind::Routine, name)).collect();
    if objects.is_empty() {
        let fresh = |name: Name| context.fresh.iter().find(|it| it.name == name).cloned();
        let named: Option<Vec<Object>> = paths(on.syntax()).map(fresh).collect();
        objects = named.unwrap_or_default();
    }
    !objects.is_empty() && objects.iter().all(|object| context.is_fresh(object))
}

/// The names in a list.
fn paths(node: &SyntaxNode) -> impl Iterator<Item = Name> + use<> {
    let paths = node.descendants().filter_map(ast::PathRef::cast);
    let is_whole = |path: &ast::PathRef| {
        let parent = path.syntax().parent();
        parent.is_none_or(|parent| !ast::PathRef::can_cast(parent.kind()))
    };
    paths.filter(is_whole).filter_map(|path| name_of(Some(path)))
}

/// Whether the file sets another default, or drops the column, behind `DROP DEFAULT`.
fn sets_default(context: &Context<'_>, drop: &ast::AlterColumn, table: &Name, name: &str) -> bool {
    let here = drop.syntax().parent().into_iter();
    let behind = context.following.iter().filter(|it| altered(it).as_ref() == Some(table));
    let actions = here.chain(behind.map(|it| it.syntax().clone()));
    let sets = actions
        .flat_map(|node| node.descendants())
        .filter_map(ast::AlterColumn::cast)
        .filter(|it| it.column_name_ref().is_some_and(|it| it.text() == name))
        .any(|it| {
            matches!(
                it.option(),
                Some(
                    ast::AlterColumnOption::SetDefault(_) | ast::AlterColumnOption::AddGenerated(_)
                )
            )
        });
    let column = Object::column(name.to_owned(), table);
    sets || context.later.iter().any(|effect| effect.drops.iter().any(|it| it.is(&column)))
}

/// The table of an `ALTER TABLE`.
fn altered(statement: &ast::Stmt) -> Option<Name> {
    if let ast::Stmt::AlterTable(it) = statement {
        table_of(it.table_relation_name())
    } else {
        None
    }
}

/// Whether what a statement renames has a name that only migrations use.
fn is_renaming_what_nobody_names(statement: &ast::Stmt) -> bool {
    let renames_constraint = |node| ast::RenameConstraint::can_cast(node);
    matches!(
        statement,
        ast::Stmt::AlterIndex(_)
            | ast::Stmt::AlterTrigger(_)
            | ast::Stmt::AlterPolicy(_)
            | ast::Stmt::AlterRule(_)
            | ast::Stmt::AlterStatistics(_)
    ) || statement.syntax().descendants().any(|node| renames_constraint(node.kind()))
}

/// Whether a foreign key is of a column that is added without a value: then there is nothing to
/// check, and PostgreSQL does not.
fn is_on_empty_column(statement: &ast::Stmt, at: &std::ops::Range<usize>) -> bool {
    let Some(column) = node_at::<ast::AddColumn>(statement, at) else { return false };
    let has_value = |constraint| {
        matches!(
            constraint,
            ast::Constraint::DefaultConstraint(_) | ast::Constraint::GeneratedConstraint(_)
        )
    };
    !column.constraints().any(has_value)
}

/// Whether an index is of a partitioned table without its partitions.
fn is_on_parent_alone(statement: &ast::Stmt) -> bool {
    let ast::Stmt::CreateIndex(index) = statement else { return false };
    let only = |word: &str| word.eq_ignore_ascii_case("only");
    index
        .table_relation_name()
        .is_some_and(|table| table.syntax().to_string().split_whitespace().next().is_some_and(only))
}
