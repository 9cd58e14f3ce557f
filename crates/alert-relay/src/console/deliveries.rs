//! `/deliveries`: the list, filtered.

use minijinja::context;
use minijinja::value::Value;

use crate::console::filter::{Asked, FilterForm};
use crate::console::{Page, Visit, data};
use crate::operation::deliveries::DeliveryPage;

/// The page.
#[derive(Debug)]
pub(crate) struct DeliveriesPage<'a> {
    /// What was filled in.
    pub(crate) form: &'a FilterForm,
    /// What that asks for.
    pub(crate) asked: &'a Asked,
    /// The names to choose from.
    pub(crate) targets: Vec<&'a str>,
    /// What was found.
    pub(crate) found: &'a DeliveryPage,
}

impl Page for DeliveriesPage<'_> {
    const TEMPLATE: &'static str = "deliveries.html";
    const MENU: &'static str = "/deliveries";

    fn values(&self, visit: &Visit) -> Value {
        let filter = self.form.values(Self::MENU, self.asked, self.found.next, visit.now, &visit.time_zone);
        context! {
            page => data(self.found),
            targets => data(&self.targets),
            with_state => true,
            ..filter
        }
    }
}
