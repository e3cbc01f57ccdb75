//! Names as SQL text, and the names that PostgreSQL would give to what a statement leaves nameless.

use crate::revision::Name;

/// How long a name is at most, in bytes.
const LENGTH: usize = 63;

/// The key words that are no names without quotes, in all versions up to 18, in order.
const RESERVED: &str = "all analyse analyze and any array as asc asymmetric authorization between \
    bigint binary bit boolean both case cast char character check coalesce collate collation column \
    concurrently constraint create cross current_catalog current_date current_role current_schema \
    current_time current_timestamp current_user dec decimal default deferrable desc distinct do else \
    end except exists extract false fetch float for foreign freeze from full grant greatest group \
    grouping having ilike in initially inner inout int integer intersect interval into is isnull join \
    json json_array json_arrayagg json_exists json_object json_objectagg json_query json_scalar \
    json_serialize json_table json_value lateral leading least left like limit localtime \
    localtimestamp merge_action national natural nchar none normalize not notnull null nullif numeric \
    offset on only or order out outer overlaps overlay placing position precision primary real \
    references returning right row select session_user setof similar smallint some substring symmetric \
    system_user table tablesample then time timestamp to trailing treat trim true union unique user \
    using values varchar variadic verbose when where window with xmlattributes xmlconcat xmlelement \
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable";

/// A name as SQL, in quotes where it needs them.
pub(super) fn quoted(name: &str) -> String {
    let is_start = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let is_plain = name.bytes().next().is_some_and(is_start)
        && name.bytes().all(|byte| is_start(byte) || byte.is_ascii_digit());
    if is_plain && !RESERVED.split(' ').any(|word| word == name) {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

/// A name with its schema, if it has one.
pub(super) fn qualified(name: &Name) -> String {
    match &name.schema {
        Some(schema) => format!("{}.{}", quoted(schema), quoted(&name.name)),
        None => quoted(&name.name),
    }
}

/// Another object in the schema of a table.
pub(super) fn beside(table: &Name, name: &str) -> String {
    qualified(&Name { schema: table.schema.clone(), name: name.to_owned() })
}

/// A text between dollar quotes that do not occur in it.
pub(super) fn dollar_quoted(text: &str) -> String {
    let mut tag = "$$".to_owned();
    while text.contains(&tag) {
        tag = format!("${}_$", tag.trim_matches('$'));
    }
    format!("{tag}\n{text}\n{tag}")
}

/// A text as a constant, whatever `standard_conforming_strings` is.
pub(super) fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if text.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// The names that columns add to an index's or a constraint's, as `ChooseIndexNameAddition` has it.
pub(super) fn addition<'a>(columns: impl IntoIterator<Item = &'a str>) -> String {
    let columns: Vec<&str> = columns.into_iter().collect();
    columns.join("_")
}

/// `first_second_label` in 63 bytes, of which the longer of the two names gives way, as
/// PostgreSQL's `makeObjectName` has it.
pub(super) fn object_name(first: &str, second: &str, label: &str) -> String {
    let separators = 1 + usize::from(!second.is_empty());
    let room = LENGTH - (label.len() + separators);
    let (mut a, mut b) = (first.len(), second.len());
    while a + b > room {
        if a > b {
            a -= 1;
        } else {
            b -= 1;
        }
    }
    let first = &first[..first.floor_char_boundary(a)];
    let second = &second[..second.floor_char_boundary(b)];
    let separator = if second.is_empty() { "" } else { "_" };
    format!("{first}{separator}{second}_{label}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_need_it() {
        for (name, expected) in [
            ("users", "users"),
            ("_a1", "_a1"),
            ("order", "\"order\""),
            ("Users", "\"Users\""),
            ("my table", "\"my table\""),
            ("1a", "\"1a\""),
            ("a\"b", "\"a\"\"b\""),
            ("straße", "\"straße\""),
            ("name", "name"),
        ] {
            assert_eq!(quoted(name), expected);
        }
        let words: Vec<&str> = RESERVED.split(' ').collect();
        assert!(words.is_sorted() && words.iter().all(|word| !word.is_empty()));
    }

    #[test]
    fn what_is_quoted_does_not_end_the_quotes() {
        assert_eq!(dollar_quoted("a"), "$$\na\n$$");
        assert_eq!(dollar_quoted("a$$b $_$"), "$__$\na$$b $_$\n$__$");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
    }

    #[test]
    fn a_name_that_is_too_long_is_cut_where_postgresql_cuts_it() {
        assert_eq!(object_name("users", "email", "idx"), "users_email_idx");
        assert_eq!(object_name("users", "", "pkey"), "users_pkey");
        let (long, longer) = ("t".repeat(40), "c".repeat(60));
        let name = object_name(&long, &longer, "fkey");
        assert_eq!(name, format!("{}_{}_fkey", "t".repeat(29), "c".repeat(28)));
        assert_eq!(name.len(), 63);
        assert!(object_name(&"é".repeat(31), &"ü".repeat(31), "idx").len() <= 63);
    }
}
