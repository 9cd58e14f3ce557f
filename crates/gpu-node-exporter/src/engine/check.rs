//! `--check` for engines' pages: whether each answers, and what it is.

use tokio::task::JoinSet;

use super::client::Client;
use super::page::identity;
use super::settings::EngineSettings;
use crate::gpu::Verdict;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
}

/// Asks each page once, all at the same time, and tells of them in their order.
pub(crate) async fn check(settings: &EngineSettings) -> Vec<Finding> {
    let client = Client::for_pages(&settings.pages);
    let mut asking = JoinSet::new();
    for (number, url) in settings.pages.iter().cloned().enumerate() {
        let client = client.clone();
        asking.spawn(async move {
            let (verdict, text) = match client.page(&url).await {
                Ok(reading) if reading.models.is_empty() => (Verdict::Lost, identity(&reading.models)),
                Ok(reading) => {
                    let count = |number: Option<f64>| {
                        number.map_or("unknown".to_owned(), |number| number.to_string())
                    };
                    let (running, waiting) = (count(reading.running), count(reading.waiting));
                    let identity = identity(&reading.models);
                    (Verdict::Good, format!("{identity}; requests: {running} running, {waiting} waiting"))
                }
                Err(failure) => (Verdict::Bad, failure.to_string()),
            };
            let text =
                format!("{} {}{text}", url.shown(), if verdict == Verdict::Bad { "" } else { "answers: " });
            (number, Finding { verdict, text })
        });
    }
    let mut findings = asking.join_all().await;
    findings.sort_by_key(|(number, _)| *number);
    findings.into_iter().map(|(_, finding)| finding).collect()
}
