//! Text from outside, made fit to show: readable characters, bounded length (pure).
//!
//! Leaves out markup, which is the dialect's to escape.

/// Lines of one description: a stack trace would push the next alert off the screen.
const MOST_LINES: usize = 20;

/// One line of readable characters, at most `limit` of them.
pub(crate) fn line(value: &str, limit: usize) -> String {
    let words: Vec<&str> = value.split_whitespace().collect();
    cut(words.join(" ").chars().filter(|c| is_readable(*c)), limit)
}

/// Lines of readable characters, without empty ones at the ends or twice in a row.
pub(crate) fn text(value: &str, limit: usize) -> String {
    let mut lines: Vec<&str> = value.lines().map(str::trim_end).collect();
    lines.dedup_by(|later, earlier| later.is_empty() && earlier.is_empty());
    if lines.len() > MOST_LINES {
        lines.truncate(MOST_LINES);
        lines.push("…");
    }
    let whole = lines.join("\n").replace('\t', "  ");
    cut(whole.trim().chars().filter(|c| *c == '\n' || is_readable(*c)), limit)
}

/// Neither a control character (a template's block mark is one) nor one without a width of its own that hides in a word or turns the
/// direction of the text around it (Unicode's category Cf). The joiners stay: scripts and emoji are written with them.
fn is_readable(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

fn cut(chars: impl Iterator<Item = char>, limit: usize) -> String {
    if limit == 0 {
        return String::new();
    }
    let mut out: String = String::new();
    let mut chars = chars.peekable();
    for _ in 0..limit {
        let Some(c) = chars.next() else { return out };
        out.push(c);
    }
    if chars.peek().is_some() {
        out.pop();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_cleaned_and_cut_at_characters() {
        assert_eq!(line("  a\n b\tc ", 10), "a b c");
        assert_eq!(line("显存耗尽", 3), "显存…");
        assert_eq!(line("显存耗尽", 4), "显存耗尽");
        assert_eq!(line("a\u{1e}b\u{202e}c", 10), "abc");
        assert_eq!(text("\n one  \n\n\n two\n", 40), "one\n\n two");
        assert_eq!(line("a\u{61c}b\u{ad}c\u{2060}d\u{e0041}", 10), "abcd");
        assert_eq!(text("anything", 0), "");
    }
    #[test]
    fn a_description_that_is_cut_says_so() {
        let lines = |count: usize| (1..=count).map(|n| n.to_string()).collect::<Vec<_>>().join("\n");
        assert_eq!(text(&lines(20), 2_000), lines(20));
        assert_eq!(text(&lines(30), 2_000), format!("{}\n…", lines(20)));
    }
}
