//! Engines' pages as metric families. Pure: the time is an argument.

use std::time::Instant;

use super::canary::{Canaries, Kind, Outcome};
use super::page::Page;
use super::url::PageUrl;
use crate::family::{Family, Labels};

/// The families of these pages at `now`.
pub(super) fn families<'a>(
    pages: impl IntoIterator<Item = (&'a PageUrl, &'a Page)>,
    now: Instant,
) -> Vec<Family> {
    let mut info = Family::info(
        "gpu_engine_page_info",
        "An inference engine's own metrics page, with the engine and the models that its series name: those of its last answer.",
    );
    let mut up = Family::gauge(
        "gpu_engine_page_up",
        "Whether the engine's own metrics page answered when it was last asked, within four seconds.",
    );
    let mut age = Family::gauge(
        "gpu_engine_page_progress_age_seconds",
        "Time since a counter of tokens or steps last moved on the engine's page, or since the page was first read.",
    );
    for (url, page) in pages {
        let labels = Labels::new([("page", url.shown())]);
        if let Some(models) = &page.models {
            for (engine, model) in models {
                info.push(labels.and([("engine", engine.label()), ("model_name", model)]), 1_u64);
            }
            if models.is_empty() {
                info.push(labels.and([("engine", "unknown"), ("model_name", "")]), 1_u64);
            }
        }
        if let Some(is_up) = page.up {
            up.push(labels.clone(), is_up);
        }
        if let Some(passed) = page.age(now) {
            age.push(labels, passed.as_secs_f64());
        }
    }
    vec![info, up, age]
}

/// The families of the canaries of these pages.
pub(super) fn of_canaries<'a>(pages: impl IntoIterator<Item = (&'a PageUrl, &'a Canaries)>) -> Vec<Family> {
    let mut up = Family::gauge(
        "gpu_engine_canary_up",
        "Whether the last answer to a canary was right; absent before the first, and where the answer does not tell (refused, unauthorized, busy).",
    );
    let mut at = Family::gauge(
        "gpu_engine_canary_timestamp_seconds",
        "When the last canary ended, in seconds since 1970. None is sent to an engine that shows by itself that it is alive.",
    );
    let mut took = Family::gauge(
        "gpu_engine_canary_duration_seconds",
        "How long the last canary took, with or without an answer.",
    );
    let mut sent = Family::counter(
        "gpu_engine_canaries_total",
        "Canaries, each a request for one token, by what came of them.",
    );
    for (url, canaries) in pages {
        for kind in Kind::ALL {
            let labels = Labels::new([("page", url.shown()), ("kind", kind.label())]);
            let record = canaries.of(kind);
            if let Some(last) = &record.last {
                if let Some(is_alive) = last.is_alive {
                    up.push(labels.clone(), is_alive);
                }
                at.push(labels.clone(), last.at);
                took.push(labels.clone(), last.took.as_secs_f64());
            }
            for (outcome, count) in Outcome::ALL.into_iter().zip(record.counts) {
                sent.push(labels.and([("result", outcome.label())]), count);
            }
        }
    }
    vec![up, at, took, sent]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::canary::{Answer, Judgement};
    use crate::engine::client::Failure;
    use crate::engine::reading::{PageReader, Reading};

    fn read(page: &str) -> Reading {
        let mut reader = PageReader::default();
        reader.take(page.as_bytes()).unwrap();
        reader.end()
    }

    #[test]
    fn each_result_is_there_from_the_start() {
        let (url, start): (PageUrl, _) = ("http://a".parse().unwrap(), Instant::now());
        let mut canaries = Canaries::default();
        let count = |canaries: &Canaries| {
            let families = of_canaries([(&url, canaries)]);
            families.iter().map(|family| family.samples.len()).collect::<Vec<_>>()
        };
        assert_eq!(count(&canaries), [0, 0, 0, 16]);
        canaries.sent(Kind::Text, start);
        let judgement = Judgement { outcome: Outcome::Right, why: String::new() };
        let answer = Answer { judgement, took: Duration::from_millis(250), at: 1e9 };
        canaries.answered("a", Kind::Text, 1, answer);
        assert_eq!(count(&canaries), [1, 1, 1, 16]);
        let families = of_canaries([(&url, &canaries)]);
        let shown = |number: usize, sample: usize| {
            let sample = &families[number].samples[sample];
            format!("{:?} {:?}", sample.labels, sample.value)
        };
        let text = "page=\"http://a/metrics\",kind=\"text\"";
        assert_eq!(shown(0, 0), format!("{{{text}}} Whole(1)"));
        assert_eq!(shown(1, 0), format!("{{{text}}} Real(1000000000.0)"));
        assert_eq!(shown(2, 0), format!("{{{text}}} Real(0.25)"));
        assert_eq!(shown(3, 0), format!("{{{text},result=\"right\"}} Whole(1)"));
        let image = "page=\"http://a/metrics\",kind=\"image\",result=\"unreachable\"";
        assert_eq!(shown(3, 15), format!("{{{image}}} Whole(0)"));
    }

    #[test]
    fn names_and_labels() {
        let urls: Vec<PageUrl> =
            ["http://user:secret@a:8000/metrics?key=secret", "http://b", "http://c", "http://d"]
                .iter()
                .map(|text| text.parse().unwrap())
                .collect();
        let start = Instant::now();
        let mut pages = vec![Page::default(); 4];
        let page =
            "vllm:num_requests_running{model_name=\"m\"} 1\nvllm:prompt_tokens_total{model_name=\"n\"} 5\n";
        pages[0].heard("a", Ok(read(page)), start);
        pages[1].heard("b", Ok(read("other 1\n")), start);
        pages[2].heard("c", Err(Failure::TooLong("8 MiB")), start);
        let families = families(urls.iter().zip(&pages), start + Duration::from_millis(2500));
        let shown: Vec<String> = families
            .iter()
            .flat_map(|family| {
                family
                    .samples
                    .iter()
                    .map(|sample| format!("{}{:?} {:?}", family.name, sample.labels, sample.value))
            })
            .collect();
        let a = "page=\"http://a:8000/metrics\"";
        let b = "page=\"http://b/metrics\"";
        assert_eq!(
            shown,
            [
                format!("gpu_engine_page_info{{{a},engine=\"vllm\",model_name=\"m\"}} Whole(1)"),
                format!("gpu_engine_page_info{{{a},engine=\"vllm\",model_name=\"n\"}} Whole(1)"),
                format!("gpu_engine_page_info{{{b},engine=\"unknown\",model_name=\"\"}} Whole(1)"),
                format!("gpu_engine_page_up{{{a}}} Whole(1)"),
                format!("gpu_engine_page_up{{{b}}} Whole(1)"),
                "gpu_engine_page_up{page=\"http://c/metrics\"} Whole(0)".to_owned(),
                format!("gpu_engine_page_progress_age_seconds{{{a}}} Real(2.5)"),
            ]
        );
    }
}
