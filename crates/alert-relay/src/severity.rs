//! How bad an alert is, by its label `severity` (pure): what keeps a place in the budget for it, and its order, sign and colour.

/// From the least to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// All else.
    Other,
    /// Wants a look.
    Warning,
    /// Wakes people.
    Critical,
}

impl Severity {
    /// Of the label's value, which is free text; these are the customary words.
    pub(crate) fn of(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "critical" | "page" | "emergency" | "fatal" | "disaster" | "p0" => Self::Critical,
            "warning" | "warn" | "error" | "major" | "high" | "p1" => Self::Warning,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn customary_words_are_understood_in_any_case() {
        let check = |word, expected| assert_eq!(Severity::of(word), expected, "{word}");
        check("critical", Severity::Critical);
        check("P0", Severity::Critical);
        check("Warning", Severity::Warning);
        check("info", Severity::Other);
        check("", Severity::Other);
    }
}
