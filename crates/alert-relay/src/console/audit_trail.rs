//! `/audit-trail`: what was changed by hand.

use minijinja::context;
use minijinja::value::Value;

use crate::console::{Page, Visit, data};
use crate::operation::audit_trail::TrailPage;

/// The page.
#[derive(Debug)]
pub(crate) struct AuditTrailPage<'a> {
    /// The lines.
    pub(crate) trail: &'a TrailPage,
    /// It is not the first page.
    pub(crate) is_later: bool,
}

impl Page for AuditTrailPage<'_> {
    const TEMPLATE: &'static str = "audit_trail.html";
    const MENU: &'static str = "/audit-trail";

    fn values(&self, _visit: &Visit) -> Value {
        context! {
            trail => data(self.trail),
            first_page => self.is_later.then_some(Self::MENU),
            next_page => self.trail.next.map(|before| format!("{}?before={before}", Self::MENU)),
        }
    }
}
