//! How much of a text from outside the log repeats.

/// So many characters.
const LONGEST: usize = 60;

/// The beginning of a text, on one line.
pub(crate) fn excerpt(text: &str) -> String {
    let printed = |character: char| if character.is_control() { '\u{fffd}' } else { character };
    let mut excerpt: String = text.chars().take(LONGEST).map(printed).collect();
    if text.chars().nth(LONGEST).is_some() {
        excerpt.push('…');
    }
    excerpt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_short_and_on_one_line() {
        assert_eq!(excerpt("a b"), "a b");
        assert_eq!(excerpt("a\n\0\u{1b}[2Jb"), "a\u{fffd}\u{fffd}\u{fffd}[2Jb");
        assert_eq!(excerpt(&"é".repeat(60)), "é".repeat(60));
        assert_eq!(excerpt(&"é".repeat(1_000_000)), "é".repeat(60) + "…");
    }
}
