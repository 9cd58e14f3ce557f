//! `/send-test`: a test message to one target, and what came of it.

use minijinja::context;
use minijinja::value::Value;
use serde::Deserialize;

use crate::console::{Page, Visit, data};
use crate::outcome::Reason;
use crate::test_report::{TestReport, TestedPart};

/// What was chosen.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct SendTestForm {
    /// The target's name.
    pub(crate) target: String,
}

/// The page.
#[derive(Debug)]
pub(crate) struct SendTestPage<'a> {
    /// What was chosen.
    pub(crate) form: &'a SendTestForm,
    /// The names to choose from.
    pub(crate) targets: Vec<&'a str>,
    /// What came of it, or why nothing was sent; `None`: nothing was asked for.
    pub(crate) report: Option<Result<&'a TestReport, String>>,
}

impl Page for SendTestPage<'_> {
    const TEMPLATE: &'static str = "send_test.html";
    const MENU: &'static str = "/send-test";

    fn values(&self, _visit: &Visit) -> Value {
        let (report, error) = match &self.report {
            Some(Ok(report)) => (Some(reported(report)), None),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        context! { targets => data(&self.targets), chosen => self.form.target.as_str(), report, error }
    }
}

fn reported(report: &TestReport) -> Value {
    let part = |part: &TestedPart| match part {
        TestedPart::Sent(outcome) => context! {
            outcome => outcome.as_str(), reason => outcome.reason().map(Reason::as_str), words => outcome.detail(),
        },
        // Rounded up, so that it is right to come back then.
        TestedPart::NotBefore(wait) => {
            context! { outcome => "not_sent", wait_seconds => wait.as_secs().saturating_add(1) }
        }
    };
    let parts: Vec<Value> = report.parts.iter().map(part).collect();
    context! { target => report.target.as_str(), is_delivered => report.is_delivered(), parts }
}
