//! Names: which can be given to targets, receivers and people, and what to say of one that nobody knows.

use std::collections::BTreeSet;

/// Whether `name` can name a target, a receiver or a person: it stands in addresses, labels and messages.
pub(super) fn is_name(name: &str) -> bool {
    (1..=64).contains(&name.chars().count())
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// "there is no target `x`", with what there is. The name may be a stranger's: a line end in it begins no line of the log.
pub(crate) fn no_such(what: &str, name: &str, known: &BTreeSet<&str>) -> String {
    format!("there is no {what} `{}`{}", name.escape_debug(), did_you_mean(name, known.iter().copied()))
}

/// The nearest known name if there is a near one, else all of them.
pub(super) fn did_you_mean<'k>(written: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let nearest = known
        .clone()
        .map(|name| (strsim::damerau_levenshtein(written, name), name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4);
    if let Some((_, name)) = nearest {
        return format!(" (hint: did you mean `{name}`?)");
    }
    let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
    match known.as_slice() {
        [] => " (hint: there are none)".to_owned(),
        known => format!(" (hint: known are {})", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_offered_and_otherwise_all() {
        let check = |known: &[&str], expected: &str| {
            assert_eq!(no_such("target", "ops-mial", &known.iter().copied().collect()), expected);
        };
        check(&["ops-chat", "ops-mail"], "there is no target `ops-mial` (hint: did you mean `ops-mail`?)");
        check(&["chat", "pager"], "there is no target `ops-mial` (hint: known are `chat`, `pager`)");
        check(&[], "there is no target `ops-mial` (hint: there are none)");
    }

    #[test]
    fn a_strangers_name_stays_on_its_line() {
        let says = no_such("receiver", "运维\nERROR all is lost", &BTreeSet::new());
        assert_eq!(says, "there is no receiver `运维\\nERROR all is lost` (hint: there are none)");
    }

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
