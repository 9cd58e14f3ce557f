//! The options that choose deliveries, for the commands that list them and send them again.

use crate::operation::query::QueryError;

/// Which deliveries; all of it has to be met.
#[derive(Debug, clap::Args)]
pub(super) struct DeliveryFilterArgs {
    /// For this target
    #[arg(long)]
    target: Option<String>,

    /// Accepted since then: a span before now (`1d`) or a time (`2026-11-29T08:00:00Z`)
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,

    /// Accepted before then
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,

    /// Whose webhook has this in an alert's name, labels or annotations
    #[arg(long)]
    text: Option<String>,
}

/// What is wrong, by the names of the options.
pub(super) fn with_options(error: &QueryError) -> String {
    let keys =
        [("from", "since"), ("until", "until"), ("limit", "limit"), ("after", "after"), ("state", "state")];
    let text = error.to_string();
    let named = keys.iter().find_map(|(key, option)| Some((option, text.strip_prefix(&format!("`{key}`"))?)));
    named.map_or_else(|| text.clone(), |(option, rest)| format!("`--{option}`{rest}"))
}

impl DeliveryFilterArgs {
    /// As the API's paths take it.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let keys =
            [("target", &self.target), ("from", &self.since), ("until", &self.until), ("text", &self.text)];
        keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
    }
}
