//! One flag: its name, what it takes, and its sentence for `--help`.

/// One flag.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Without the dashes.
    pub(crate) name: &'static str,
    /// What follows the name.
    pub(crate) takes: Takes,
    /// A sentence for `--help`. That of a switch is about the one of `--NAME` and `--no-NAME` that changes something.
    pub(crate) help: &'static str,
    /// Names the flag had in older versions of `node_exporter`; they are accepted with a warning.
    pub(crate) older: &'static [&'static str],
}

/// What follows a flag's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing; `--no-NAME` says the opposite.
    Switch {
        /// What holds when neither is written.
        on: bool,
    },
    /// One value.
    Value {
        /// How the help calls it.
        placeholder: &'static str,
        /// What holds when nothing is written; may be empty.
        default: &'static str,
    },
    /// One value, each time the flag is written.
    Values {
        /// How the help calls it.
        placeholder: &'static str,
        /// What holds when nothing is written; may be empty.
        default: &'static str,
    },
}

impl Flag {
    /// A flag without a value.
    pub(crate) const fn switch(name: &'static str, on: bool, help: &'static str) -> Self {
        Self { name, takes: Takes::Switch { on }, help, older: &[] }
    }

    /// A flag with one value.
    pub(crate) const fn value(
        name: &'static str,
        placeholder: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, takes: Takes::Value { placeholder, default }, help, older: &[] }
    }

    /// A flag with a regular expression.
    pub(crate) const fn regex(name: &'static str, default: &'static str, help: &'static str) -> Self {
        Self::value(name, "REGEX", default, help)
    }

    /// A flag that may be written several times.
    pub(crate) const fn values(
        name: &'static str,
        placeholder: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self { name, takes: Takes::Values { placeholder, default }, help, older: &[] }
    }

    /// The same flag, with the names it had before.
    pub(crate) const fn formerly(self, older: &'static [&'static str]) -> Self {
        Self { older, ..self }
    }
}

/// Leaves only the collectors that are named on the command line.
pub(crate) static DISABLE_DEFAULTS: Flag =
    Flag::switch("collector.disable-defaults", false, "Read only the collectors that are named");
