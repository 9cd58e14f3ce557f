//! Names of targets, receivers and people: which can be given, and which there are for other sections to refer to.

use std::collections::BTreeSet;

/// Names that other sections refer to.
pub(super) struct Names<'a> {
    pub(super) targets: BTreeSet<&'a str>,
    pub(super) people: BTreeSet<&'a str>,
}

/// Whether `name` can name a target, a receiver or a person: it stands in addresses, labels and messages.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_has_no_space_or_slash() {
        for name in ["ops", "Ops_2.test-x", "运维"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a b", "a/b", "https://x", "a\n", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }
}
