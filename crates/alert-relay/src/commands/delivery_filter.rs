//! The options that choose deliveries, for the commands that list them and send them again.

use crate::operation::query::QueryError;

/// What the API's paths call `--since`.
const SINCE: &str = "from";

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

/// What is wrong, by the name of the option.
pub(super) fn with_option(error: &QueryError) -> String {
    let QueryError::Value { key, wrong } = error else { return error.to_string() };
    let option = if *key == SINCE { "since" } else { key };
    format!("`--{option}`: {wrong}")
}

impl DeliveryFilterArgs {
    /// As the API's paths take it.
    pub(super) fn pairs(&self) -> Vec<(String, String)> {
        let keys =
            [("target", &self.target), (SINCE, &self.since), ("until", &self.until), ("text", &self.text)];
        keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value.clone()?))).collect()
    }
}
