//! Whether a new column has a value that PostgreSQL must write into each row there is.

use squawk_syntax::SyntaxNode;
use squawk_syntax::ast::{self, AstNode};

/// Functions that give every row the same value, so that the catalogue can hold it.
const SAME_FOR_ALL: [&str; 35] = [
    "abs",
    "array_fill",
    "coalesce",
    "concat",
    "current_date",
    "current_role",
    "current_schema",
    "current_setting",
    "current_time",
    "current_timestamp",
    "current_user",
    "date_part",
    "date_trunc",
    "decode",
    "encode",
    "format",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "localtime",
    "localtimestamp",
    "lower",
    "make_date",
    "make_interval",
    "make_timestamp",
    "make_timestamptz",
    "now",
    "session_user",
    "statement_timestamp",
    "timezone",
    "to_jsonb",
    "to_timestamp",
    "transaction_timestamp",
    "upper",
];

/// The part of a new column's definition that makes PostgreSQL rewrite the table, if there is one.
pub(super) fn rewriting(column: &ast::AddColumn) -> Option<SyntaxNode> {
    if let Some(ty) = column.ty().filter(is_serial) {
        return Some(ty.syntax().clone());
    }
    column.constraints().find_map(|constraint| match constraint {
        ast::Constraint::DefaultConstraint(default) => {
            let expr = default.expr()?.syntax().clone();
            is_volatile(&expr).then_some(expr)
        }
        ast::Constraint::GeneratedConstraint(generated) => {
            let words = generated.syntax().to_string().to_lowercase();
            let is = |word| words.split_whitespace().any(|it| it.starts_with(word));
            // From PostgreSQL 18 on what is not stored is computed when it is read.
            (is("identity") || words.ends_with("stored")).then(|| generated.syntax().clone())
        }
        ast::Constraint::CheckConstraint(_)
        | ast::Constraint::ExcludeConstraint(_)
        | ast::Constraint::ForeignKeyConstraint(_)
        | ast::Constraint::NotNullConstraint(_)
        | ast::Constraint::NullConstraint(_)
        | ast::Constraint::PrimaryKeyConstraint(_)
        | ast::Constraint::ReferencesConstraint(_)
        | ast::Constraint::UniqueConstraint(_) => None,
    })
}

/// Whether a type is one of the `serial` ones, which bring a default of their own.
pub(super) fn is_serial(ty: &ast::Type) -> bool {
    let name = ty.syntax().to_string().to_ascii_lowercase();
    ["serial", "bigserial", "smallserial", "serial2", "serial4", "serial8"].contains(&name.as_str())
}

/// Whether an expression may be another value for each row.
fn is_volatile(expr: &SyntaxNode) -> bool {
    expr.descendants().filter_map(ast::CallExpr::cast).any(|call| {
        let Some(function) = call.expr() else { return false };
        let name = function.syntax().to_string().to_ascii_lowercase();
        let name = name.strip_prefix("pg_catalog.").unwrap_or(&name);
        !SAME_FOR_ALL.contains(&name)
    })
}
