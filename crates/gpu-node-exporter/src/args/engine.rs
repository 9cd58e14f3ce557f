//! Engines' own metrics pages: `--engine.*`.

use std::collections::BTreeSet;

use crate::engine::{EngineSettings, PageUrl};
use crate::flags::{Flag, Flags};

static PAGE: Flag = Flag::values(
    "engine.page",
    "URL",
    "",
    "The metrics page of an inference engine (vLLM, SGLang), to tell whether it answers and moves on; may be given several times",
);

pub(super) static FLAGS: [&Flag; 1] = [&PAGE];

/// More pages than one machine's engines have.
const MOST_PAGES: usize = 32;

/// As the flags say, `None` without pages; mistakes are added to `flags`.
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
    (!pages.is_empty()).then_some(EngineSettings { pages })
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
    fn more_pages_than_a_machine_has_are_refused() {
        let pages: Vec<String> = (0..33).map(|number| format!("http://a/{number}")).collect();
        let pages: Vec<&str> = pages.iter().map(String::as_str).collect();
        assert_eq!(settings(&pages[..32]).unwrap().len(), 32);
        let said = settings(&pages).unwrap_err();
        assert_eq!(said, ["`--engine.page` is there 33 times, expected at most 32"]);
    }
}
