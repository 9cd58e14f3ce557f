//! The relay's web console: pages for an operator with a phone, made on the relay.
//!
//! Owns the pages: their templates, texts in two languages, style and icon. Pure: what a page shows comes in as values (`operation`), and HTML goes out. Leaves out the paths and
//! who may see them (`http`), and what is shown or done (`operation`). No page needs a script or anything from another host.

use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde::Serialize;

use crate::console::texts::Texts;
use crate::console::times::Times;
use crate::message::Language;

mod audit_trail;
mod dead_letters;
mod deliveries;
mod environment;
mod filter;
pub(crate) mod language;
mod looks;
mod overview;
mod preview;
mod refusal;
mod send_test;
mod settings;
mod story;
mod texts;
mod times;

pub(crate) use audit_trail::AuditTrailPage;
pub(crate) use dead_letters::{ConfirmPage, DeadLetterForm, DeadLettersPage, DonePage};
pub(crate) use deliveries::DeliveriesPage;
pub(crate) use filter::FilterForm;
pub(crate) use overview::OverviewPage;
pub(crate) use preview::{PreviewForm, PreviewPage};
pub(crate) use refusal::RefusalPage;
pub(crate) use send_test::{SendTestForm, SendTestPage};
pub(crate) use settings::{ReloadForm, ReloadPage, ReloadedPage, SettingsPage};
pub(crate) use story::{AlertPage, StoryPage};

/// The style of all pages.
pub(crate) const STYLE: &str = include_str!("console/style.css");

/// The icon of all pages.
pub(crate) const ICON: &str = include_str!("console/icon.svg");

/// The pages in the order of the menu: name and path.
const PAGES: [(&str, &str); 7] = [
    ("overview", "/"),
    ("deliveries", "/deliveries"),
    ("dead_letters", "/dead-letters"),
    ("preview", "/preview"),
    ("send_test", "/send-test"),
    ("settings", "/settings"),
    ("audit_trail", "/audit-trail"),
];

/// Everything that pages are made with; compiled once.
#[derive(Debug)]
pub(crate) struct Console {
    zh: Pages,
    en: Pages,
}

#[derive(Debug)]
struct Pages {
    texts: Arc<Texts>,
    environment: Environment<'static>,
}

/// Who looks at a page, and when.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// What they read.
    pub(crate) language: Language,
    /// Of shown times.
    pub(crate) time_zone: TimeZone,
    /// Now.
    pub(crate) now: Timestamp,
    /// The page's path and query in the other language.
    pub(crate) other_language: String,
}

/// One page: which template, and what it shows.
pub(crate) trait Page {
    /// The template.
    const TEMPLATE: &'static str;

    /// The path of its entry in the menu.
    const MENU: &'static str;

    /// What the template says.
    fn values(&self, visit: &Visit) -> Value;
}

/// What a template is given of anything that has a JSON form.
fn data<T: Serialize>(value: T) -> Value {
    Value::from(Serde(value))
}

impl Console {
    /// Compiles all pages.
    pub(crate) fn new() -> Self {
        let pages = |language| {
            let texts = Arc::new(Texts::of(language));
            Pages { environment: environment::environment(Arc::clone(&texts)), texts }
        };
        Self { zh: pages(Language::ZhCn), en: pages(Language::En) }
    }

    /// A page as HTML. An error is a fault of ours.
    pub(crate) fn html<P: Page>(&self, visit: &Visit, page: &P) -> Result<String, minijinja::Error> {
        let pages = match visit.language {
            Language::ZhCn => &self.zh,
            Language::En => &self.en,
        };
        let times = Times {
            zone: visit.time_zone.clone(),
            now: visit.now,
            language: visit.language,
            texts: Arc::clone(&pages.texts),
        };
        let menu: Vec<Value> =
            PAGES.into_iter().map(|(name, path)| minijinja::context! { name, path }).collect();
        let frame = minijinja::context! {
            lang => language::tag(visit.language),
            version => env!("CARGO_PKG_VERSION"),
            pages => menu,
            here => P::MENU,
            other_language => visit.other_language.as_str(),
            zone => visit.time_zone.iana_name().unwrap_or("UTC"),
            now => visit.now.as_millisecond(),
            times => Value::from_object(times),
            ..page.values(visit)
        };
        pages.environment.get_template(P::TEMPLATE)?.render(frame)
    }
}

#[cfg(test)]
mod tests;
