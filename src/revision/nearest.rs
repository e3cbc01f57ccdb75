//! What somebody may have meant by a word that isn't known.

/// Those of `known` that are few edits away from `word`, the nearest first, at most three.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let mut near: Vec<(usize, &str)> = known
        .into_iter()
        .filter(|other| other.len().abs_diff(word.len()) <= limit * 4)
        .map(|other| (edits(word, other), other))
        .filter(|(edits, _)| *edits <= limit)
        .collect();
    near.sort_by_key(|(edits, _)| *edits);
    near.truncate(3);
    near.into_iter().map(|(_, other)| other).collect()
}

/// The number of characters to insert, delete or replace (Levenshtein).
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, a) in left.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (at, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_comes_first() {
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(nearest("revise", ["revision", "revises", "x"]), ["revises"]);
        assert_eq!(nearest("0011", ["0012", "0110", "9999"]), ["0012"]);
        assert!(nearest("4f1c", ["aaaa", "4f1c2a9b7d30"]).is_empty());
    }
}
