//! A place in a file, as an editor counts.

use std::fmt;

/// A line and a column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

impl Position {
    /// The position of a byte of `text`; an offset behind the end means the end.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let before = &text[..char_boundary(text, offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        Self { line, column: before[line_start..].chars().count() + 1 }
    }
}

/// The last boundary between two characters that is not behind `offset`.
pub(super) fn char_boundary(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_counts_characters() {
        let text = "é1\r\nñandú x\n";
        assert_eq!(Position::of(text, 0).to_string(), "1:1");
        assert_eq!(Position::of(text, 2).to_string(), "1:2");
        assert_eq!(Position::of(text, text.find('x').unwrap()).to_string(), "2:7");
        assert_eq!(Position::of(text, 1).to_string(), "1:1");
        assert_eq!(Position::of(text, 1000).to_string(), "3:1");
    }
}
