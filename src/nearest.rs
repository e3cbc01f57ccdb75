//! The known word that a misspelt one most likely meant.
//!
//! Pure. Every "did you mean" of castoff comes from here: commands, flags, variables, keys of a
//! database URL, revisions.

/// Finds the known word nearest to `word`, if one is near enough to be what was meant.
///
/// Near enough is one edit for every three characters of the known word, rounded up, where an
/// edit inserts, drops or replaces a character or swaps two neighbours. Case doesn't count; among
/// equals the first known word wins.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    known
        .into_iter()
        .filter_map(|candidate| {
            let letters: Vec<char> = candidate.to_lowercase().chars().collect();
            let limit = letters.len().div_ceil(3);
            (letters.len().abs_diff(word.len()) <= limit)
                .then(|| distance(&word, &letters))
                .filter(|edits| *edits <= limit)
                .map(|edits| (edits, candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Counts the edits between two words (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut row = Vec::with_capacity(right.len() + 1);
        row.push(i + 1);
        for (j, b) in right.iter().enumerate() {
            let mut edits = (above[j] + usize::from(a != b)).min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 6] = ["upgrade", "downgrade", "current", "heads", "host", "hostaddr"];

    #[test]
    fn a_misspelt_word_finds_the_one_that_was_meant() {
        for (word, expected) in [
            ("upgrade", Some("upgrade")),
            ("upgrad", Some("upgrade")),
            ("ugprade", Some("upgrade")),
            ("UPGRADE", Some("upgrade")),
            ("downgarde", Some("downgrade")),
            ("curent", Some("current")),
            ("haeds", Some("heads")),
            ("hsot", Some("host")),
            ("hostadr", Some("hostaddr")),
            ("python", None),
            ("", None),
            ("x", None),
            ("a-very-long-word-that-is-near-to-nothing-at-all", None),
        ] {
            assert_eq!(nearest(word, WORDS), expected, "{word}");
        }
    }

    #[test]
    fn among_equally_near_words_the_first_wins() {
        assert_eq!(nearest("cat", ["bat", "hat"]), Some("bat"));
        assert_eq!(nearest("cat", ["hat", "bat"]), Some("hat"));
    }

    #[test]
    fn the_distance_counts_each_kind_of_edit_as_one() {
        for (left, right, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("abc", "abd", 1),
            ("abc", "ab", 1),
            ("abc", "abcd", 1),
            ("abc", "acb", 1),
            ("kitten", "sitting", 3),
            ("é", "e", 1),
        ] {
            let left_letters: Vec<char> = left.chars().collect();
            let right_letters: Vec<char> = right.chars().collect();
            assert_eq!(distance(&left_letters, &right_letters), expected, "{left} {right}");
        }
    }

    #[test]
    fn nothing_known_means_nothing_near() {
        assert_eq!(nearest("word", []), None);
    }
}
