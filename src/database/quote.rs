//! Names and values as SQL text.

/// `name` as a quoted identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `value` as a string constant that means the same whatever `standard_conforming_strings` is.
pub(crate) fn literal(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if value.contains('\\') {
        format!("E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// `value` as a constant, or `NULL`.
pub(super) fn literal_or_null(value: Option<&str>) -> String {
    value.map_or_else(|| "NULL".to_owned(), literal)
}

/// `values` as a constant of type `text[]`.
pub(super) fn text_array<T: AsRef<str>>(values: impl IntoIterator<Item = T>) -> String {
    let values: Vec<_> = values.into_iter().map(|value| literal(value.as_ref())).collect();
    format!("ARRAY[{}]::pg_catalog.text[]", values.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes_are_doubled() {
        assert_eq!(identifier(r#"a"b"#), r#""a""b""#);
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal(r"a\'b"), r"E'a\\''b'");
        assert_eq!(text_array(["a", "b'"]), "ARRAY['a','b''']::pg_catalog.text[]");
        assert_eq!(text_array(Vec::<&str>::new()), "ARRAY[]::pg_catalog.text[]");
    }
}
