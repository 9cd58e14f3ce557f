//! `--check` for engines' pages: whether each answers and what it is, and with canaries what an idle engine answers to one.

use tokio::task::JoinSet;

use super::canary::{self, ApiKey, Kind, Outcome};
use super::client::Client;
use super::page::{identity, model};
use super::reading::Reading;
use super::settings::EngineSettings;
use super::url::PageUrl;
use crate::gpu::Verdict;

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) verdict: Verdict,
    pub(crate) text: String,
}

/// Asks each page once, all at the same time, then idle engines for a token, one after the other; and tells of them in their order.
pub(crate) async fn check(settings: &EngineSettings) -> Vec<Finding> {
    let client = Client::for_pages(&settings.pages);
    let mut asking = JoinSet::new();
    for (number, url) in settings.pages.iter().cloned().enumerate() {
        let client = client.clone();
        asking.spawn(async move { (number, client.page(&url).await) });
    }
    let mut answers = asking.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    let mut findings = Vec::new();
    let api_key = settings.canary.as_ref().and_then(|canary| {
        let bad = |text| findings.push(Finding { verdict: Verdict::Bad, text });
        ApiKey::read(canary.api_key_file.as_deref()).map_err(bad).ok()
    });
    for (url, (_, answer)) in settings.pages.iter().zip(answers) {
        let shown = url.shown();
        match answer {
            Ok(reading) => {
                findings.push(of_page(shown, &reading));
                if let Some(api_key) = &api_key {
                    findings.push(of_canary(&client, url, api_key, &reading).await);
                }
            }
            Err(failure) => {
                findings.push(Finding { verdict: Verdict::Bad, text: format!("{shown} {failure}") });
            }
        }
    }
    findings
}

fn of_page(shown: &str, reading: &Reading) -> Finding {
    let identity = identity(&reading.models);
    if reading.models.is_empty() {
        return Finding { verdict: Verdict::Note, text: format!("{shown} answers: {identity}") };
    }
    let count = |number: Option<f64>| number.map_or("unknown".to_owned(), |number| number.to_string());
    let (running, waiting) = (count(reading.running), count(reading.waiting));
    let text = format!("{shown} answers: {identity}; requests: {running} running, {waiting} waiting");
    Finding { verdict: Verdict::Good, text }
}

/// Only an engine that says that it is idle is asked.
async fn of_canary(client: &Client, url: &PageUrl, api_key: &ApiKey, reading: &Reading) -> Finding {
    let shown = url.shown();
    let is_idle = reading.running == Some(0.0) && reading.waiting == Some(0.0);
    let (Some(model), true) = (model(&reading.models), is_idle) else {
        let text = format!("{shown}: no canary is sent: it does not say that it is idle");
        return Finding { verdict: Verdict::Good, text };
    };
    let answer = canary::ask(client, url, api_key, Kind::Text, model).await;
    let verdict = if answer.judgement.outcome == Outcome::Right { Verdict::Good } else { Verdict::Bad };
    let (why, took) = (answer.judgement.why, answer.took.as_secs_f64());
    Finding { verdict, text: format!("{shown}: canary (text): the engine {why}, after {took:.1} s") }
}
