//! The page instead of one that cannot be shown.

use minijinja::context;
use minijinja::value::Value;

use crate::console::{Page, Visit};

/// Why, in one word and in a sentence.
#[derive(Debug)]
pub(crate) struct RefusalPage {
    /// A text under `refusal` in the console's texts.
    pub(crate) kind: &'static str,
    /// What the relay says.
    pub(crate) message: String,
}

impl Page for RefusalPage {
    const TEMPLATE: &'static str = "refusal.html";
    const MENU: &'static str = "";

    fn values(&self, _visit: &Visit) -> Value {
        context! { kind => self.kind, message => self.message.as_str() }
    }
}
