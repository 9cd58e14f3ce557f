//! What to say of a name that nobody knows: the nearest one that is known, else all of them.

use std::collections::BTreeSet;

/// "there is no target `x`", with what there is. The name may come from outside: a line end in it begins no line of the log.
pub fn no_such(what: &str, name: &str, known: &BTreeSet<&str>) -> String {
    format!("there is no {what} `{}`{}", name.escape_debug(), did_you_mean(name, known.iter().copied()))
}

/// The nearest known name if there is a near one, else all of them.
pub(crate) fn did_you_mean<'k>(written: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
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
}
