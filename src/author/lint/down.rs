//! Whether a down file takes back what its up file makes, as far as their texts tell.
//!
//! What the down file names at all counts as taken back: only `castoff lock --reversible` can know.

use super::effect::Effect;
use super::object::{Kind, Object, same};
use super::sheet::Sheet;

/// What the up file makes, drops or changes, and the down file does not even name.
pub(super) fn left_behind(up: &Sheet<'_>, down: &Sheet<'_>) -> Vec<String> {
    let back = Back::new(down);
    let mut made: Vec<(Object, String)> = Vec::new();
    let mut gone: Vec<Object> = Vec::new();
    let mut changed: Vec<Object> = Vec::new();
    for statement in &up.statements {
        let effect = Effect::of(statement);
        let text = squawk_syntax::ast::AstNode::syntax(statement).to_string().to_lowercase();
        let is_sure = |kind| {
            !matches!(kind, Kind::Extension | Kind::Schema) || !text.contains("if not exists")
        };
        for object in effect.drops {
            let before = made.len();
            made.retain(|(other, _)| !other.is(&object) && !is_part(other, &object));
            if made.len() == before && !text.contains("if exists") {
                gone.push(object);
            }
        }
        for (from, to) in effect.renames {
            match made.iter_mut().find(|(object, _)| object.is(&from)) {
                Some((object, _)) => *object = to,
                None => gone.push(from),
            }
        }
        let is_of_new = |object: &Object| made.iter().any(|(other, _)| is_part(object, other));
        changed.extend(effect.changes.into_iter().filter(|it| !is_of_new(it)));
        for object in effect.makes.into_iter().filter(|object| is_sure(object.kind)) {
            if !made.iter().any(|(other, _)| is_part(&object, other)) {
                made.push((object, text.clone()));
            }
        }
    }
    let made = made.iter().filter(|(object, text)| !back.removes(object, text));
    let made = made.map(|(object, _)| object.shown());
    let is_part_of_gone = |object: &&Object| !gone.iter().any(|it| is_part(object, it));
    let gone = gone.iter().filter(is_part_of_gone).chain(&changed);
    let mut left: Vec<String> =
        made.chain(gone.filter(|it| !back.restores(it)).map(Object::shown)).collect();
    let mut seen = std::collections::HashSet::new();
    left.retain(|shown| seen.insert(shown.clone()));
    left
}

/// Whether an object goes with another one.
fn is_part(part: &Object, whole: &Object) -> bool {
    match whole.kind {
        Kind::Relation => part.table.as_ref().is_some_and(|table| same(table, &whole.name)),
        Kind::Column => {
            part.kind == Kind::Column
                && part.name == whole.name
                && part.table.as_ref().zip(whole.table.as_ref()).is_some_and(|(a, b)| same(a, b))
        }
        Kind::Schema => part.name.schema.as_ref() == Some(&whole.name.name),
        Kind::Index
        | Kind::Type
        | Kind::Routine
        | Kind::Extension
        | Kind::Trigger
        | Kind::Policy
        | Kind::Constraint => false,
    }
}

/// What a down file does.
struct Back {
    words: std::collections::HashSet<String>,
    drops: Vec<Object>,
    cascades: bool,
}

impl Back {
    fn new(down: &Sheet<'_>) -> Self {
        let text = down.text.to_lowercase();
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let words = text.split(|c| !is_word(c)).map(str::to_owned).collect();
        let drops = down.statements.iter().flat_map(|it| Effect::of(it).drops).collect();
        Self { words, drops, cascades: text.contains("cascade") }
    }

    fn names(&self, name: &str) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let name = name.to_lowercase();
        let mut parts = name.split(|c| !is_word(c)).filter(|part| !part.is_empty());
        parts.all(|part| self.words.contains(part))
    }

    /// Whether a made object is gone after it; `text` is the statement that makes it.
    fn removes(&self, object: &Object, text: &str) -> bool {
        let goes_with = |dropped: &Object| {
            let column_of = dropped.kind == Kind::Column
                && dropped
                    .table
                    .as_ref()
                    .zip(object.table.as_ref())
                    .is_some_and(|(a, b)| same(a, b));
            is_part(object, dropped)
                || column_of && text.contains(&dropped.name.name.to_lowercase())
        };
        let is_part = object.table.is_some() && object.kind != Kind::Column;
        self.names(&object.name.name)
            || is_part && self.cascades
            || self.drops.iter().any(goes_with)
    }

    /// Whether a dropped, renamed or changed object may be what it was.
    fn restores(&self, object: &Object) -> bool {
        let is_part = object.table.is_some() && object.kind != Kind::Column;
        let table = object.table.as_ref().filter(|_| is_part || object.kind == Kind::Index);
        self.names(&object.name.name)
            || table.is_some_and(|table| self.names(&table.name))
            // An index may be made without a name.
            || object.kind == Kind::Index && self.words.contains("index")
            || self.drops.iter().any(|dropped| is_part_of(object, dropped))
    }
}

fn is_part_of(object: &Object, dropped: &Object) -> bool {
    dropped.kind == Kind::Relation && is_part(object, dropped)
}
