//! `/dead-letters`: what nobody was told, and what can be done about it.
//!
//! Each button leads to a page that asks once more; only that page's button changes something.

use minijinja::context;
use minijinja::value::Value;
use serde::Deserialize;

use crate::console::filter::{Asked, FilterForm};
use crate::console::{Page, Visit, data};
use crate::operation::audit_trail::Action;
use crate::operation::dead_letters::{MOST_AT_A_TIME, Settled};
use crate::operation::deliveries::DeliveryPage;

/// The page's path.
const PATH: &str = "/dead-letters";

/// The list.
#[derive(Debug)]
pub(crate) struct DeadLettersPage<'a> {
    /// What was filled in.
    pub(crate) form: &'a FilterForm,
    /// What that asks for.
    pub(crate) asked: &'a Asked,
    /// The names to choose from.
    pub(crate) targets: Vec<&'a str>,
    /// What was found.
    pub(crate) found: &'a DeliveryPage,
}

impl Page for DeadLettersPage<'_> {
    const TEMPLATE: &'static str = "dead_letters.html";
    const MENU: &'static str = PATH;

    fn values(&self, visit: &Visit) -> Value {
        let filter = self.form.values(PATH, self.asked, self.found.next, visit.now, &visit.time_zone);
        context! {
            page => data(self.found),
            targets => data(&self.targets),
            with_state => false,
            hidden => data(self.form.fields()),
            ..filter
        }
    }
}

/// What a button of these pages posts.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DeadLetterForm {
    /// `retry` or `give_up`.
    action: String,
    /// One delivery; empty: all that the filter finds.
    #[serde(default)]
    pub(crate) id: String,
    /// `yes` once it was asked again.
    #[serde(default)]
    confirmed: String,
    /// Which ones, without an id.
    #[serde(flatten)]
    pub(crate) filter: FilterForm,
}

impl DeadLetterForm {
    /// What is to be done; `None`: nothing that this page offers.
    pub(crate) fn action(&self) -> Option<Action> {
        [Action::Retry, Action::GiveUp].into_iter().find(|action| action.as_str() == self.action)
    }

    /// Whether it was asked again.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmed == "yes"
    }
}

/// Asks once more.
#[derive(Debug)]
pub(crate) struct ConfirmPage<'a> {
    /// What is asked about.
    pub(crate) form: &'a DeadLetterForm,
    /// What is to be done.
    pub(crate) action: Action,
}

impl Page for ConfirmPage<'_> {
    const TEMPLATE: &'static str = "dead_letters_confirm.html";
    const MENU: &'static str = PATH;

    fn values(&self, _visit: &Visit) -> Value {
        let Self { form, action } = self;
        context! { id => form.id.as_str(), action => action.as_str(), hidden => data(form.filter.fields()), most => MOST_AT_A_TIME }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct DonePage<'a> {
    /// What was done.
    pub(crate) action: Action,
    /// To how many.
    pub(crate) settled: &'a Settled,
}

impl Page for DonePage<'_> {
    const TEMPLATE: &'static str = "dead_letters_done.html";
    const MENU: &'static str = PATH;

    fn values(&self, _visit: &Visit) -> Value {
        context! { action => self.action.as_str(), changed => data(self.settled) }
    }
}
