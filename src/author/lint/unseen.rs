//! What a revision takes away and no statement of its file tells of: SQL that is made while it runs,
//! in a `DO` or a function. Only who has run it knows.

use crate::revision::Revision;
use crate::schema::{Hazard, Kind, Line};

/// Rules that tell of a table that is gone, or not where it was.
const OF_TABLES: [&str; 5] =
    ["drop-table", "drop-schema", "drop-extension", "renaming-table", "set-schema"];

/// Rules that tell of a column that is gone.
const OF_COLUMNS: [&str; 2] = ["drop-column", "renaming-column"];

/// The hazards of what the schema has lost, unless a statement was told to do so.
pub(crate) fn unseen(
    revision: &Revision,
    told: &[Hazard],
    removes: &[Line],
    adds: &[Line],
) -> Vec<Hazard> {
    let is_told = |rules: &[&str]| {
        let is_of = |name: &str| rules.contains(&name);
        told.iter().any(|hazard| is_of(&hazard.name))
            || revision.allows().any(|allowed| is_of(&allowed.hazard))
    };
    let gone = |kind: Kind| {
        let is_gone = move |line: &&Line| {
            line.identity.kind == kind && adds.iter().all(|new| new.identity != line.identity)
        };
        removes.iter().filter(is_gone).map(|line| &line.identity)
    };
    let mut hazards = Vec::new();
    if is_told(&OF_TABLES) {
        return hazards;
    }
    let tables: Vec<&str> = gone(Kind::Table).map(|table| table.name.as_str()).collect();
    let hazard =
        |name: &str, table: &str| Hazard { name: name.to_owned(), tables: vec![table.to_owned()] };
    hazards.extend(tables.iter().map(|table| hazard("drop-table", table)));
    if !is_told(&OF_COLUMNS) {
        let mut columns: Vec<_> = gone(Kind::Column)
            .filter_map(|column| column.table())
            .filter(|table| !tables.contains(table))
            .map(|table| hazard("drop-column", table))
            .collect();
        columns.dedup();
        hazards.extend(columns);
    }
    hazards
}
