//! What tells two schemas apart.

use std::fmt;

use super::line::patch;
use super::{Kind, Line, Schema};

/// What a schema has otherwise than it should; empty if it is as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Expected and not there.
    pub missing: Vec<Line>,
    /// There, but other than expected: the expected line and the one found.
    pub different: Vec<(Line, Line)>,
    /// There and not expected.
    pub extra: Vec<Line>,
}

impl Difference {
    /// What `found` has otherwise than `expected`.
    ///
    /// Whether a body is there at all is told by the line of its object.
    pub fn between(expected: &Schema, found: &Schema) -> Self {
        let mut difference = Self::default();
        for line in expected.lines() {
            match found.get(&line.identity) {
                Some(other) if line.agrees(other) => {}
                Some(other) => difference.different.push((line.clone(), other.clone())),
                None if line.identity.kind == Kind::Body => {}
                None => difference.missing.push(line.clone()),
            }
        }
        difference.extra = found
            .lines()
            .filter(|line| line.identity.kind != Kind::Body)
            .filter(|line| expected.get(&line.identity).is_none())
            .cloned()
            .collect();
        difference
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many objects or parts differ.
    pub fn len(&self) -> usize {
        self.missing.len() + self.different.len() + self.extra.len()
    }

    /// The lines, each with `-` before what is expected and `+` before what is found, as a patch
    /// from one to the other has them.
    pub fn lines(&self) -> Vec<(char, &Line)> {
        let expected = self.missing.iter().chain(self.different.iter().map(|(line, _)| line));
        let found = self.extra.iter().chain(self.different.iter().map(|(_, line)| line));
        patch(expected, found)
    }

    /// The lines as a message has them: with two spaces before each, and at most a hundred.
    pub fn excerpt(&self) -> String {
        const SHOWN: usize = 100;
        let lines = self.lines();
        let mut shown: Vec<_> =
            lines.iter().take(SHOWN).map(|(sign, line)| format!("  {sign} {line}")).collect();
        if lines.len() > SHOWN {
            shown.push(format!("  and {} more", lines.len() - SHOWN));
        }
        shown.join("\n")
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines().iter().try_for_each(|(sign, line)| writeln!(f, "{sign} {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(lines: &[&str]) -> Schema {
        lines.iter().map(|line| line.parse::<Line>().unwrap()).collect()
    }

    #[test]
    fn a_difference_is_told_in_the_order_of_the_objects() {
        let expected = schema(&["table public.a", "column public.a.x integer", "index public.i d"]);
        let found = schema(&["table public.a", "column public.a.x text", "table public.b"]);
        let difference = Difference::between(&expected, &found);
        assert_eq!(difference.len(), 3);
        assert_eq!(
            difference.to_string(),
            "+ table public.b\n- column public.a.x integer\n+ column public.a.x text\n- index public.i d\n"
        );
        assert!(Difference::between(&found, &found).is_empty());
    }

    #[test]
    fn a_message_has_at_most_a_hundred_lines() {
        let found =
            (0..130).map(|n| Line::new(Kind::Table, format!("public.t{n:03}"), "")).collect();
        let excerpt = Difference::between(&Schema::default(), &found).excerpt();
        assert_eq!(excerpt.lines().count(), 101);
        assert!(excerpt.ends_with("\n  + table public.t099\n  and 30 more"), "{excerpt}");
    }

    #[test]
    fn a_body_differs_only_on_the_same_major() {
        let on_15 = schema(&["view public.v", "body@15 public.v SELECT t.a"]);
        let other = schema(&["view public.v", "body@15 public.v SELECT t.b"]);
        let on_17 = schema(&["view public.v", "body@17 public.v SELECT a"]);
        assert_eq!(Difference::between(&on_15, &other).different.len(), 1);
        assert!(Difference::between(&on_15, &on_17).is_empty());
        assert!(Difference::between(&on_15, &schema(&["view public.v"])).is_empty());
    }
}
