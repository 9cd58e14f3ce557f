//! Which devices, mounts or fields a collector shows: an exclude and an include expression, as in `node_exporter`.
//!
//! Owns the decision. Leaves out the flags themselves, which are the collectors'.

use regex_lite::Regex;

use crate::flags::{Flag, Flags};

/// A name passes when no exclude expression matches it and the include expression, if there is one, does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Names to leave out.
    pub(crate) exclude: Option<Regex>,
    /// The only names to show.
    pub(crate) include: Option<Regex>,
}

impl Filter {
    /// From a pair of flags of which only one may be written; an include expression replaces the default exclude one.
    pub(crate) fn new(flags: &mut Flags, exclude: &Flag, include: &Flag) -> Self {
        flags.exclude_each_other(exclude, include);
        let include = flags.regex(include);
        let exclude = if include.is_some() { None } else { flags.regex(exclude) };
        Self { exclude, include }
    }

    /// Whether the collector shows `name`.
    pub(crate) fn keeps(&self, name: &str) -> bool {
        !self.exclude.as_ref().is_some_and(|exclude| exclude.is_match(name))
            && self.include.as_ref().is_none_or(|include| include.is_match(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exclude: &str, include: &str, name: &str, kept: bool) {
        let expression = |text: &str| (!text.is_empty()).then(|| Regex::new(text).unwrap());
        let filter = Filter { exclude: expression(exclude), include: expression(include) };
        assert_eq!(filter.keeps(name), kept, "exclude `{exclude}`, include `{include}`, name `{name}`");
    }

    #[test]
    fn exclude_wins_over_include() {
        check("", "", "eth0", true);
        check("^veth", "", "veth1", false);
        check("^veth", "", "eth0", true);
        check("", "^eth", "eth0", true);
        check("", "^eth", "lo", false);
        check("0$", "^eth", "eth0", false);
    }
}
