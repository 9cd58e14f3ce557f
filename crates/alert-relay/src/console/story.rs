//! `/deliveries/{id}` and `/alerts/{fingerprint}`: one delivery, or one alert across groups and targets, with each attempt and what was sent.

use minijinja::context;
use minijinja::value::Value;

use crate::console::looks::shown;
use crate::console::{Page, Visit, data};
use crate::delivery::SentPart;
use crate::operation::told_story::{AlertStory, DeliveryStory, Sent};

/// The page of a delivery.
#[derive(Debug)]
pub(crate) struct StoryPage<'a>(pub(crate) &'a DeliveryStory);

impl Page for StoryPage<'_> {
    const TEMPLATE: &'static str = "story.html";
    const MENU: &'static str = "/deliveries";

    fn values(&self, _visit: &Visit) -> Value {
        context! { story => data(self.0), sent_parts => shown(parts(&self.0.sent)) }
    }
}

/// The page of an alert.
#[derive(Debug)]
pub(crate) struct AlertPage<'a>(pub(crate) &'a AlertStory);

impl Page for AlertPage<'_> {
    const TEMPLATE: &'static str = "alert.html";
    const MENU: &'static str = "/deliveries";

    fn values(&self, _visit: &Visit) -> Value {
        let deliveries = self.0.deliveries.iter().map(|delivery| {
            context! { looks => shown(parts(&delivery.sent)), ..data(delivery) }
        });
        context! { story => data(self.0), deliveries => deliveries.collect::<Vec<_>>() }
    }
}

fn parts(sent: &Sent) -> &[SentPart] {
    match sent {
        Sent::Kept { parts } | Sent::MadeAgain { parts } => parts,
        Sent::Nothing { .. } => &[],
    }
}
