//! The template language of the pages: our files, what escapes values, what a page can call.
//!
//! Every value is escaped as HTML. Nothing but [`Times::tag`](super::times::Times) and [`looks`](super::looks) makes HTML of its own, and a test holds that no template
//! says `safe`.

use std::sync::Arc;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::console::texts::Texts;
use crate::severity::Severity;

/// Every template by its name.
pub(super) const TEMPLATES: [(&str, &str); 19] = [
    ("layout.html", include_str!("layout.html")),
    ("pieces.html", include_str!("pieces.html")),
    ("filter.html", include_str!("filter.html")),
    ("pager.html", include_str!("pager.html")),
    ("overview.html", include_str!("overview.html")),
    ("unrouted.html", include_str!("unrouted.html")),
    ("deliveries.html", include_str!("deliveries.html")),
    ("story.html", include_str!("story.html")),
    ("alert.html", include_str!("alert.html")),
    ("dead_letters.html", include_str!("dead_letters.html")),
    ("dead_letters_confirm.html", include_str!("dead_letters_confirm.html")),
    ("dead_letters_done.html", include_str!("dead_letters_done.html")),
    ("preview.html", include_str!("preview.html")),
    ("send_test.html", include_str!("send_test.html")),
    ("settings.html", include_str!("settings.html")),
    ("reload.html", include_str!("reload.html")),
    ("reloaded.html", include_str!("reloaded.html")),
    ("audit_trail.html", include_str!("audit_trail.html")),
    ("refusal.html", include_str!("refusal.html")),
];

/// The pages in one language.
pub(super) fn environment(texts: Arc<Texts>) -> Environment<'static> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the default ones, which do not clash"));
    environment.set_recursion_limit(50);
    // A misspelt value is found by the tests; `{% if maybe %}` stays allowed.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_function("t", {
        let texts = Arc::clone(&texts);
        move |key: &str, values: Kwargs| say(&texts, key, &values)
    });
    // A word from the store, which another version may have written.
    environment.add_function("known", move |section: &str, word: &str| texts.known(section, word).to_owned());
    environment.add_function("tone", |word: &str| tone(word));
    environment
        .add_filter("encoded", |text: String| utf8_percent_encode(&text, NON_ALPHANUMERIC).to_string());
    environment.add_filter("web", |url: String| if is_of_the_web(&url) { url } else { String::new() });
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).expect("our own templates compile: a test renders every one");
    }
    environment
}

/// The text under a key; it is escaped like any other value.
fn say(texts: &Texts, key: &str, values: &Kwargs) -> Result<Value, Error> {
    let names: Vec<&str> = values.args().collect();
    let mut given = Vec::with_capacity(names.len());
    for name in names {
        given.push((name, values.get::<Value>(name)?.to_string()));
    }
    let said = texts.say(key, &given);
    said.map(Value::from).ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("no text `{key}`")))
}

/// The colour for a state, an outcome, a status or a severity.
fn tone(word: &str) -> &'static str {
    match word {
        "delivered" | "resolved" => "green",
        "dead" | "firing" | "misconfigured" | "rejected" => "red",
        "retry" | "too_large" | "not_sent" => "amber",
        "pending" => "blue",
        severity => match Severity::of(severity) {
            Severity::Critical => "red",
            Severity::Warning => "amber",
            Severity::Other => "",
        },
    }
}

/// Whether an address from outside may become a link: `javascript:` and the like never do.
pub(super) fn is_of_the_web(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_template_takes_escaping_off_or_runs_a_script() {
        for (name, source) in TEMPLATES {
            for banned in
                ["|safe", "| safe", "autoescape", "<script", " onclick", " style=", "javascript:", "<style"]
            {
                assert!(!source.contains(banned), "{name} has `{banned}`");
            }
        }
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        for (url, expected) in [
            ("http://am:9093", true),
            ("https://a", true),
            ("javascript:alert(1)", false),
            (" https://a", false),
            ("data:text/html,x", false),
            ("//evil.example", false),
            ("", false),
        ] {
            assert_eq!(is_of_the_web(url), expected, "{url}");
        }
    }
}
