//! What statements are about: names, and the objects that have them.

use squawk_syntax::ast::{self, AstNode, HasPathRef, NameLike};
use squawk_syntax::quote::quote_quoted_ident;

use crate::revision::Name;

/// The kinds of objects that are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A table, view or sequence: they share their names.
    Relation,
    Index,
    /// A type or a domain.
    Type,
    Routine,
    Schema,
    Extension,
    Trigger,
    Policy,
    Constraint,
    Column,
}

/// An object, by the name that a statement has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) kind: Kind,
    pub(super) name: Name,
    /// The table that it is a part of.
    pub(super) table: Option<Name>,
}

impl Object {
    pub(super) fn new(kind: Kind, name: Name) -> Self {
        Self { kind, name, table: None }
    }

    pub(super) fn of(kind: Kind, name: Name, table: &Name) -> Self {
        Self { kind, name, table: Some(table.clone()) }
    }

    pub(super) fn column(name: String, table: &Name) -> Self {
        Self::of(Kind::Column, Name { schema: None, name }, table)
    }

    /// Whether both may be the same object.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same_table = match (&self.table, &other.table) {
            (Some(table), Some(other)) => same(table, other),
            (Some(_) | None, None) | (None, Some(_)) => true,
        };
        self.kind == other.kind && same(&self.name, &other.name) && same_table
    }

    /// Its kind and name, for people.
    pub(super) fn shown(&self) -> String {
        let kind = match self.kind {
            Kind::Relation => "",
            Kind::Index => "index ",
            Kind::Type => "type ",
            Kind::Routine => "function ",
            Kind::Schema => "schema ",
            Kind::Extension => "extension ",
            Kind::Trigger => "trigger ",
            Kind::Policy => "policy ",
            Kind::Constraint => "constraint ",
            Kind::Column => "column ",
        };
        let table = self.table.as_ref().map(|table| quoted(table) + ".").unwrap_or_default();
        format!("{kind}{table}{}", quoted(&self.name))
    }
}

/// Whether two names may mean the same: one without a schema is in any.
pub(super) fn same(name: &Name, other: &Name) -> bool {
    name.name == other.name
        && (name.schema.is_none() || other.schema.is_none() || name.schema == other.schema)
}

/// A name as PostgreSQL would write it.
pub(super) fn quoted(name: &Name) -> String {
    let quoted = quote_quoted_ident(&name.name);
    match &name.schema {
        Some(schema) => format!("{}.{quoted}", quote_quoted_ident(schema)),
        None => quoted,
    }
}

/// The name that a node is or begins with.
pub(super) fn name_of<N: AstNode>(node: Option<N>) -> Option<Name> {
    let node = node?;
    let path = |node| {
        let reference = ast::PathRef::cast(node);
        reference.as_ref().and_then(referred)
    };
    let mut nodes = node.syntax().descendants();
    nodes
        .find_map(|node| {
            path(node.clone()).or_else(|| ast::Path::cast(node).as_ref().and_then(defined))
        })
        .or_else(|| Some(plain(ast::AnyName::cast(node.syntax().clone())?.text())))
}

/// A name without a schema.
pub(super) fn plain(name: String) -> Name {
    Name { schema: None, name }
}

fn referred(path: &ast::PathRef) -> Option<Name> {
    let name = path.segment()?.text();
    let schema = path.qualifier().and_then(|it| it.segment()).map(|it| it.text());
    Some(Name { schema, name })
}

fn defined(path: &ast::Path) -> Option<Name> {
    let name = path.segment()?.text();
    let schema = path.qualifier().and_then(|it| it.segment()).map(|it| it.text());
    Some(Name { schema, name })
}

/// The name at the end of something that has a path.
pub(super) fn path_of<N: HasPathRef>(node: &N) -> Option<Name> {
    node.path_ref().as_ref().and_then(referred)
}

/// The table of an `ALTER TABLE` and of what else names one like it.
pub(super) fn table_of(relation: Option<ast::TableRelationName>) -> Option<Name> {
    name_of(relation)
}
