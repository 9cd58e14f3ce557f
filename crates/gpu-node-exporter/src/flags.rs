//! Flags of the command line.
//!
//! `flags/flag.rs` says what one is, `flags/values.rs` gives the values that were written, `flags/grammar.rs` owns what may
//! be written at all. Knows no flag but one and no collector: whoever has flags declares each as a [`Flag`] and asks for
//! its value with it, so that its name stands in one place.

mod expression;
mod flag;
mod grammar;
mod values;

pub(crate) use flag::{DISABLE_DEFAULTS, Flag, Takes};
pub(crate) use grammar::{Asked, Grammar};
pub(crate) use values::Flags;

#[cfg(test)]
mod tests {
    use super::*;

    static FAST: Flag = Flag::switch("fast", false, "Be fast");
    static SAFE: Flag = Flag::switch("safe", true, "Be unsafe");
    static NAME: Flag = Flag::value("name", "NAME", "anna", "A name").formerly(&["nom"]);
    static PATHS: Flag = Flag::values("path", "PATH", "/", "A path");
    static PATTERN: Flag = Flag::regex("pattern", "", "A pattern");
    static WAIT: Flag = Flag::value("wait", "DURATION", "5s", "How long");

    fn read(written: &[&str]) -> Flags {
        let mut grammar = Grammar::default();
        for flag in [&DISABLE_DEFAULTS, &FAST, &SAFE, &NAME, &PATHS, &PATTERN, &WAIT] {
            grammar.flag(flag, "Flags");
        }
        grammar.collector("usual", true, "what is usual", "Flags");
        grammar.collector("rare", false, "what is rare", "Flags");
        grammar.read(written.iter().map(Into::into).collect()).expect("no help is asked for")
    }

    #[test]
    fn the_last_of_a_switch_and_its_opposite_holds() {
        let check = |written: &[&str], fast, safe| {
            let flags = read(written);
            assert_eq!((flags.is_on(&FAST), flags.is_on(&SAFE)), (fast, safe), "{written:?}");
        };
        check(&[], false, true);
        check(&["--fast", "--no-safe"], true, false);
        check(&["--fast", "--no-fast", "--no-safe", "--safe"], false, true);
    }

    #[test]
    fn a_collector_runs_by_default_or_when_it_is_named() {
        let check = |written: &[&str], usual, rare| {
            let flags = read(written);
            let runs = (flags.runs("usual", true), flags.runs("rare", false));
            assert_eq!(runs, (usual, rare), "{written:?}");
        };
        check(&[], true, false);
        check(&["--no-collector.usual", "--collector.rare"], false, true);
        check(&["--collector.disable-defaults"], false, false);
        check(&["--collector.disable-defaults", "--collector.usual", "--collector.rare"], true, true);
    }

    #[test]
    fn an_older_name_counts_with_a_warning() {
        assert_eq!(read(&[]).value(&NAME), "anna");
        let flags = read(&["--nom", "berta"]);
        assert_eq!(flags.value(&NAME), "berta");
        assert!(flags.is_written(&NAME) && !flags.is_written(&WAIT));
        assert_eq!(flags.warnings, ["--nom is called --name now"]);
    }

    #[test]
    fn values_replace_the_default() {
        assert_eq!(read(&[]).values(&PATHS), ["/"]);
        assert_eq!(read(&["--path=/a", "--path=/b"]).values(&PATHS), ["/a", "/b"]);
    }

    #[test]
    fn all_mistakes_are_collected() {
        let mut flags = read(&["--pattern=(", "--wait=5", "--name=x"]);
        assert!(flags.regex(&PATTERN).is_none());
        flags.duration(&WAIT);
        flags.choice(&NAME, &[("anna", 1), ("berta", 2)]);
        flags.exclude_each_other(&PATTERN, &WAIT);
        assert_eq!(
            flags.mistakes,
            [
                "`--pattern=(` is not a regular expression: unclosed group",
                "`--wait=5` has no unit (hint: write 5s or 5ms)",
                "`--name=x`: expected one of anna, berta",
                "`--pattern` and `--wait` exclude each other (hint: write one of them)",
            ]
        );
    }
}
