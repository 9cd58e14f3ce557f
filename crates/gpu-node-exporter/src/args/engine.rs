//! Engines' own metrics pages: `--engine.*`.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::engine::{CanarySettings, EngineSettings, PageUrl};
use crate::flags::{Flag, Flags};

static PAGE: Flag = Flag::values(
    "engine.page",
    "URL",
    "",
    "The metrics page of an inference engine (vLLM, SGLang), to tell whether it answers and moves on; may be given several times",
);

static CANARY: Flag = Flag::switch(
    "engine.canary",
    false,
    "Ask an engine for one token, of a text and of a tiny picture, when its page shows no sign of life",
);
static QUIET: Flag = Flag::value(
    "engine.canary.quiet",
    "DURATION",
    "1m",
    "How long nothing must have moved on an engine's page before it is asked for a token",
);
static API_KEY_FILE: Flag = Flag::value(
    "engine.canary.api-key-file",
    "FILE",
    "",
    "A file with the API key that engines want, if they want one",
);

pub(super) static FLAGS: [&Flag; 4] = [&PAGE, &CANARY, &QUIET, &API_KEY_FILE];

/// Pages are read every five seconds, so that nothing can be said to have stood still for less.
const SHORTEST_QUIET: Duration = Duration::from_secs(5);
const LONGEST_QUIET: Duration = Duration::from_hours(1);

/// More pages than one machine's engines have.
const MOST_PAGES: usize = 32;

/// As the flags say, `None` without pages; mistakes and warnings are added to `flags`.
pub(super) fn settings(flags: &mut Flags) -> Option<EngineSettings> {
    let (mut pages, mut shown) = (Vec::<PageUrl>::new(), BTreeSet::new());
    let written: Vec<_> = flags.values(&PAGE).into_iter().filter(|text| !text.is_empty()).collect();
    for (index, text) in written.iter().enumerate() {
        match text.parse::<PageUrl>() {
            Ok(page) if shown.insert(page.shown().to_owned()) => pages.push(page),
            Ok(page) => flags
                .mistakes
                .push(format!("`--engine.page={}` is there twice (hint: write it once)", page.shown())),
            Err(error) => flags.mistakes.push(match PageUrl::repeatable(text) {
                Some(text) => format!("`--engine.page={text}`: {error}"),
                // A user, a password or a query is not repeated.
                None => format!("`--engine.page`, number {}: {error}", index + 1),
            }),
        }
    }
    if pages.len() > MOST_PAGES {
        let count = pages.len();
        flags.mistakes.push(format!("`--engine.page` is there {count} times, expected at most {MOST_PAGES}"));
    }
    let canary = canary(flags);
    if canary.is_some() && written.is_empty() {
        flags
            .mistakes
            .push("`--engine.canary` has no page to look at (hint: add --engine.page=URL)".to_owned());
    }
    (!pages.is_empty()).then_some(EngineSettings { pages, canary })
}

fn canary(flags: &mut Flags) -> Option<CanarySettings> {
    let mistakes = flags.mistakes.len();
    let quiet = flags.duration(&QUIET);
    // What is no duration was named already.
    if !(SHORTEST_QUIET..=LONGEST_QUIET).contains(&quiet) && flags.mistakes.len() == mistakes {
        let shown = humantime::format_duration(quiet);
        flags.mistakes.push(format!("`--engine.canary.quiet={shown}`: expected between 5s and 1h"));
    }
    if !flags.is_on(&CANARY) {
        for flag in [&QUIET, &API_KEY_FILE] {
            if flags.is_written(flag) {
                flags.warnings.push(format!("--{} has no effect without --engine.canary", flag.name));
            }
        }
        return None;
    }
    Some(CanarySettings { quiet, api_key_file: flags.path_if_any(&API_KEY_FILE) })
}

#[cfg(test)]
mod tests {
    use crate::args::{Command, parse};

    fn settings(pages: &[&str]) -> Result<Vec<String>, Vec<String>> {
        let arguments = pages.iter().map(|page| format!("--engine.page={page}").into());
        match parse(arguments) {
            Ok(Command::Serve(settings)) => Ok(settings
                .engine
                .map(|engine| engine.pages.iter().map(|page| page.shown().to_owned()).collect())
                .unwrap_or_default()),
            Ok(other) => panic!("{other:?}"),
            Err(refused) => Err(refused.mistakes),
        }
    }

    #[test]
    fn pages_are_named_and_secrets_are_not() {
        assert_eq!(settings(&[]), Ok(vec![]));
        assert_eq!(settings(&[""]), Ok(vec![]));
        let both = ["http://a:8000/metrics".to_owned(), "https://b/metrics".to_owned()];
        assert_eq!(settings(&["http://a:8000", "https://me:secret@b/metrics?k=secret"]), Ok(both.to_vec()));
        let said = settings(&["ftp://a", "http://a", "http://x:secret@a", "ftp://x:secret@a"]).unwrap_err();
        assert!(
            said[0].starts_with("`--engine.page=ftp://a`: neither http nor https, expected http://HOST"),
            "{said:?}"
        );
        assert_eq!(said[1], "`--engine.page=http://a/metrics` is there twice (hint: write it once)");
        assert!(said[2].starts_with("`--engine.page`, number 4: neither http nor https"), "{said:?}");
        assert!(!said.join("").contains("secret"), "{said:?}");
    }

    #[test]
    fn canaries_are_sent_only_where_asked_for() {
        let parse = |written: &[&str]| {
            let page = ["--engine.page=http://a"];
            parse(page.iter().chain(written).map(Into::into))
        };
        let canary = |written: &[&str]| match parse(written) {
            Ok(Command::Serve(settings)) => (settings.engine.unwrap().canary, settings.warnings),
            other => panic!("{other:?}"),
        };
        assert!(canary(&[]).0.is_none());
        assert_eq!(canary(&["--engine.canary"]).0.unwrap().quiet.as_secs(), 60);
        let (none, warnings) = canary(&["--engine.canary.quiet=5m", "--engine.canary.api-key-file=k"]);
        assert!(none.is_none());
        assert_eq!(warnings[1], "--engine.canary.api-key-file has no effect without --engine.canary");
        let said = |written: &[&str]| parse(written).unwrap_err().mistakes;
        let bounds = "`--engine.canary.quiet=1s`: expected between 5s and 1h";
        assert_eq!(said(&["--engine.canary", "--engine.canary.quiet=1s"]), [bounds]);
        assert_eq!(said(&["--engine.canary", "--engine.canary.quiet=abc"]).len(), 1);
        let none = crate::args::parse(["--engine.canary".into()]).unwrap_err().mistakes;
        assert_eq!(none, ["`--engine.canary` has no page to look at (hint: add --engine.page=URL)"]);
    }

    #[test]
    fn more_pages_than_a_machine_has_are_refused() {
        let pages: Vec<String> = (0..33).map(|number| format!("http://a/{number}")).collect();
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        assert_eq!(settings(&pages[..32]).unwrap().len(), 32);
        let said = settings(&pages).unwrap_err();
        assert_eq!(said, ["`--engine.page` is there 33 times, expected at most 32"]);
    }
}
