//! What the shipped files show as comments, as settings.

/// The text with its examples as settings: a comment that begins with a key, an item or a lone word, and what hangs below it.
pub fn with_examples(text: &str) -> String {
    let mut lines = Vec::new();
    let mut is_example = false;
    for line in text.lines() {
        let indent = &line[..line.len() - line.trim_start().len()];
        let comment = line.trim_start().strip_prefix("# ");
        is_example =
            comment.is_some_and(|words| begins_a_setting(words) || (is_example && words.starts_with(' ')));
        lines.push(
            comment
                .filter(|_| is_example)
                .map_or_else(|| line.to_owned(), |words| format!("{indent}{words}")),
        );
    }
    lines.join("\n") + "\n"
}

fn begins_a_setting(words: &str) -> bool {
    let first = words.split(' ').next().unwrap_or_default();
    ["-", "{"].contains(&first) || first == words || (!first.is_empty() && first.ends_with(':'))
}
