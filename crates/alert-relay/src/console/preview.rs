//! `/preview`: what a target would be sent.

use minijinja::context;
use minijinja::value::Value;
use serde::Deserialize;

use crate::console::looks::shown;
use crate::console::{Page, Visit, data};
use crate::message::{Wording, sample};
use crate::operation::previews::{MessagePreview, PreviewOf, RecentWebhook};

/// What was chosen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PreviewForm {
    /// The target's name.
    pub(crate) target: String,
    /// The number of a webhook, or the name of a sample.
    of: String,
    /// The same number, in links.
    notification: String,
    wording: String,
    /// A webhook's body.
    body: String,
}

impl PreviewForm {
    /// What is to be shown; `None`: nothing was chosen yet.
    pub(crate) fn chosen(&self) -> Option<PreviewOf> {
        if !self.body.is_empty() {
            return Some(PreviewOf::Pasted(self.body.clone().into()));
        }
        match self.of().parse() {
            Ok(number) => Some(PreviewOf::Stored(number)),
            Err(_) => {
                Some(self.of()).filter(|name| !name.is_empty()).map(|name| PreviewOf::Sample(name.to_owned()))
            }
        }
    }

    fn of(&self) -> &str {
        if self.of.is_empty() { &self.notification } else { &self.of }
    }

    /// How it is to be put; anything else is as usual.
    pub(crate) fn wording(&self) -> Wording {
        self.wording.parse().unwrap_or_default()
    }
}

/// The page.
#[derive(Debug)]
pub(crate) struct PreviewPage<'a> {
    /// What was chosen.
    pub(crate) form: &'a PreviewForm,
    /// The names to choose from.
    pub(crate) targets: Vec<&'a str>,
    /// Webhooks to choose from.
    pub(crate) recent: &'a [RecentWebhook],
    /// What is shown, or why nothing is; `None`: nothing was chosen.
    pub(crate) preview: Option<Result<&'a MessagePreview, String>>,
}

impl Page for PreviewPage<'_> {
    const TEMPLATE: &'static str = "preview.html";
    const MENU: &'static str = "/preview";

    fn values(&self, _visit: &Visit) -> Value {
        let Self { form, targets, recent, preview } = self;
        let (preview, error) = match preview {
            Some(Ok(preview)) => (Some(*preview), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        context! {
            targets => data(targets),
            recent => data(recent),
            samples => data(sample::NAMES),
            wordings => data(Wording::ALL.map(Wording::as_str)),
            chosen => context! { target => form.target.as_str(), of => form.of(), wording => form.wording.as_str(), pasted => form.body.as_str() },
            preview => data(preview),
            error,
            sent_parts => shown(preview.map_or(&[], |preview| &preview.parts)),
        }
    }
}
