//! Engines' pages as metric families. Pure: the time is an argument.

use std::time::Instant;

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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::client::Failure;
    use crate::engine::reading::{PageReader, Reading};

    fn read(page: &str) -> Reading {
        let mut reader = PageReader::default();
        reader.take(page.as_bytes()).unwrap();
        reader.end()
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
        pages[2].heard("c", Err(Failure::TooManyBytes), start);
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
