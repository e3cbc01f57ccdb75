//! What somebody may have meant by a word that isn't known.

/// Those of `known` that are few edits away from `word`, the nearest first, at most three.
///
/// One edit for every three characters, and at least one, where an edit inserts, drops or replaces
/// a character or swaps two neighbours. Case doesn't count; among equals the first known wins.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().collect();
    let limit = (word.len() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter_map(|other| {
            let letters: Vec<char> = other.to_lowercase().chars().collect();
            let comparable = letters.len().abs_diff(word.len()) <= limit;
            comparable.then(|| (edits(&word, &letters), other))
        })
        .filter(|(edits, _)| *edits <= limit)
        .collect();
    near.sort_by_key(|(edits, _)| *edits);
    near.truncate(3);
    near.into_iter().map(|(_, other)| other).collect()
}

/// The edits between two words (optimal string alignment).
fn edits(left: &[char], right: &[char]) -> usize {
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

    #[test]
    fn the_nearest_word_comes_first() {
        assert_eq!(nearest("revise", ["revision", "revises", "x"]), ["revises"]);
        assert_eq!(nearest("0011", ["0012", "0110", "9999"]), ["0012"]);
        assert_eq!(nearest("cat", ["hat", "bat"]), ["hat", "bat"]);
        assert!(nearest("4f1c", ["aaaa", "4f1c2a9b7d30"]).is_empty());
        assert!(nearest("word", []).is_empty());
    }

    #[test]
    fn a_misspelt_word_finds_the_one_that_was_meant() {
        let known = ["upgrade", "downgrade", "current", "heads", "host", "hostaddr"];
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
            assert_eq!(nearest(word, known).first().copied(), expected, "{word}");
        }
    }

    #[test]
    fn each_kind_of_edit_counts_as_one() {
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
            let letters = |word: &str| word.chars().collect::<Vec<_>>();
            assert_eq!(edits(&letters(left), &letters(right)), expected, "{left} {right}");
        }
    }
}
