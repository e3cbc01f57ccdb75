//! What is dangerous in a revision where an application is at work.

use std::fmt;
use std::str::FromStr;

/// Something in a revision that may hurt a running application, and that its author has not said to
/// know of.
///
/// As text it is a line of `castoff.lock`: the name, then the tables that it is about, which have to
/// exist and to hold rows for it to matter. Without a table it always matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hazard {
    /// The name that `castoff lint` has for it, such as `drop-column`.
    pub name: String,
    /// The tables, as the revision writes them, quoted where PostgreSQL would: with a schema or
    /// without one.
    pub tables: Vec<String>,
}

impl fmt::Display for Hazard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.tables.iter().try_for_each(|table| write!(f, " {table}"))
    }
}

impl FromStr for Hazard {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut words = words(text);
        let name = words.next().ok_or(())?.to_owned();
        let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.chars().all(is_name) {
            return Err(());
        }
        Ok(Self { name, tables: words.map(str::to_owned).collect() })
    }
}

/// Words between spaces; what is in double quotes is in one word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    })
    .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hazard_is_read_as_it_was_written() {
        for (text, tables) in [
            ("drop-type", &[][..]),
            ("drop-column public.users", &["public.users"]),
            (r#"rename-table "a b"."c ""d" e"#, &[r#""a b"."c ""d""#, "e"]),
        ] {
            let hazard: Hazard = text.parse().unwrap();
            assert_eq!(hazard.tables, tables);
            assert_eq!(hazard.to_string(), text);
        }
        for text in ["", "Drop x", "drop_column x"] {
            assert_eq!(text.parse::<Hazard>(), Err(()), "{text}");
        }
    }
}
