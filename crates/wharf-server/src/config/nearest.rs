//! Which known word somebody meant.

/// The candidate fewest edits away, unless even that one is too far to be a slip of the hand.
pub(super) fn nearest<'known>(
    word: &str,
    candidates: impl IntoIterator<Item = &'known str>,
) -> Option<&'known str> {
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(edits, _)| *edits <= allowed)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, where an edit adds, drops or changes a letter or swaps two neighbours; case is no edit.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let changed = last[j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut edits = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                edits = edits.min(before_last[j - 2] + 1);
            }
            row.push(edits);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = ["http", "storage", "health", "log", "redis"];

    #[track_caller]
    fn check(word: &str, expected: Option<&str>) {
        assert_eq!(nearest(word, KNOWN), expected, "{word}");
    }

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        check("htpp", Some("http"));
        check("HTTP", Some("http"));
        check("storge", Some("storage"));
        check("storaeg", Some("storage"));
        check("logs", Some("log"));
        check("notifications", None);
        check("x", None);
        check("", None);
    }
}
