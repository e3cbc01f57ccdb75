//! The kinds of lines.

use std::fmt;
use std::str::FromStr;

/// What a line describes, in the order in which a schema lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A schema other than `public`.
    Schema,
    /// An extension, by its name and schema: which version there is, is the server's.
    Extension,
    /// An object of a kind that has no lines of its own, such as an operator.
    Object,
    /// An enum, range, composite or base type.
    Type,
    /// An attribute of a composite type, with its position.
    Attribute,
    /// A domain.
    Domain,
    /// A sequence, unless it is an identity column's.
    Sequence,
    /// An ordinary, partitioned or foreign table.
    Table,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A column of a table, view or materialised view.
    Column,
    /// A constraint of a table or a domain, with the index that it stands on.
    Constraint,
    /// An index that belongs to no constraint.
    Index,
    /// A statistics object.
    Statistics,
    /// A function or window function.
    Function,
    /// A procedure.
    Procedure,
    /// An aggregate.
    Aggregate,
    /// A trigger.
    Trigger,
    /// A rule, except the one that makes a view.
    Rule,
    /// A row-level security policy.
    Policy,
    /// The text that PostgreSQL makes anew of a parsed query, and that every major makes a little
    /// differently: of a view, a rule, an SQL-standard function.
    Body,
    /// An event trigger.
    EventTrigger,
    /// A publication.
    Publication,
    /// A comment on an object or a part of one.
    Comment,
    /// The owner of an object.
    Owner,
    /// The privileges on an object.
    Grant,
    /// The privileges that what a role creates has from the beginning.
    DefaultGrant,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 27] = [
        Self::Schema,
        Self::Extension,
        Self::Object,
        Self::Type,
        Self::Attribute,
        Self::Domain,
        Self::Sequence,
        Self::Table,
        Self::View,
        Self::MaterializedView,
        Self::Column,
        Self::Constraint,
        Self::Index,
        Self::Statistics,
        Self::Function,
        Self::Procedure,
        Self::Aggregate,
        Self::Trigger,
        Self::Rule,
        Self::Policy,
        Self::Body,
        Self::EventTrigger,
        Self::Publication,
        Self::Comment,
        Self::Owner,
        Self::Grant,
        Self::DefaultGrant,
    ];

    /// Its word at the beginning of a line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Extension => "extension",
            Self::Object => "object",
            Self::Type => "type",
            Self::Attribute => "attribute",
            Self::Domain => "domain",
            Self::Sequence => "sequence",
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized_view",
            Self::Column => "column",
            Self::Constraint => "constraint",
            Self::Index => "index",
            Self::Statistics => "statistics",
            Self::Function => "function",
            Self::Procedure => "procedure",
            Self::Aggregate => "aggregate",
            Self::Trigger => "trigger",
            Self::Rule => "rule",
            Self::Policy => "policy",
            Self::Body => "body",
            Self::EventTrigger => "event_trigger",
            Self::Publication => "publication",
            Self::Comment => "comment",
            Self::Owner => "owner",
            Self::Grant => "grant",
            Self::DefaultGrant => "default_grant",
        }
    }

    /// How many names an identity has: a comment has its object's kind as well, a privilege also a
    /// role.
    pub(super) fn names(self) -> usize {
        match self {
            Self::Comment | Self::Owner => 2,
            Self::Grant => 3,
            Self::Schema
            | Self::Extension
            | Self::Object
            | Self::Type
            | Self::Attribute
            | Self::Domain
            | Self::Sequence
            | Self::Table
            | Self::View
            | Self::MaterializedView
            | Self::Column
            | Self::Constraint
            | Self::Index
            | Self::Statistics
            | Self::Function
            | Self::Procedure
            | Self::Aggregate
            | Self::Trigger
            | Self::Rule
            | Self::Policy
            | Self::Body
            | Self::EventTrigger
            | Self::Publication
            | Self::DefaultGrant => 1,
        }
    }

    /// Whether the identity is that of a table and the name of a part of it.
    pub(super) fn is_part(self) -> bool {
        match self {
            Self::Attribute
            | Self::Column
            | Self::Constraint
            | Self::Trigger
            | Self::Rule
            | Self::Policy => true,
            Self::Schema
            | Self::Extension
            | Self::Object
            | Self::Type
            | Self::Domain
            | Self::Sequence
            | Self::Table
            | Self::View
            | Self::MaterializedView
            | Self::Index
            | Self::Statistics
            | Self::Function
            | Self::Procedure
            | Self::Aggregate
            | Self::Body
            | Self::EventTrigger
            | Self::Publication
            | Self::Comment
            | Self::Owner
            | Self::Grant
            | Self::DefaultGrant => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(())
    }
}
