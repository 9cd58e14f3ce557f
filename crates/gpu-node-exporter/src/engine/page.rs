//! What is known of one page, and how it changes with each answer. Pure: the answer and the time are arguments.

use std::time::{Duration, Instant};

use super::client::Failure;
use super::progress::Progress;
use super::reading::{Counters, Reading};
use crate::gpu::Engine;
use crate::host::excerpt::excerpt;

/// One page over time.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// Whether the last answer was one; `None` before the first.
    pub(super) up: Option<bool>,
    /// The engines and models of the last answer; `None` before the first.
    pub(super) models: Option<Vec<(Engine, String)>>,
    /// `None` where the page does not answer, or has no counters of progress.
    progress: Option<Progress>,
    /// Requests that wait; `None` where the last answer did not say.
    pub(super) waiting: Option<f64>,
    /// How often it began to answer, or to name other models: the engine may have been started anew each time.
    pub(super) starts: u64,
    /// Answers that did not come since the last one that did.
    failures: u32,
    /// What was last told of it.
    told: Option<News>,
}

/// Something to log, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct News {
    pub(super) is_good: bool,
    pub(super) text: String,
}

/// The log calls a page that has not answered for fifteen seconds one that does not: an engine that is busy may let one question wait.
const TOLD_AFTER: u32 = 3;

impl Page {
    /// Takes in what came of a question, and says what is news of the page of this name.
    pub(super) fn heard(
        &mut self,
        name: &str,
        answer: Result<Reading, Failure>,
        now: Instant,
    ) -> Option<News> {
        let was_up = self.up.replace(answer.is_ok()) == Some(true);
        let news = match answer {
            Ok(reading) => {
                let news = answers(name, &reading);
                self.failures = 0;
                self.progress = Progress::after(self.progress.as_ref(), reading.counters, now);
                self.waiting = reading.waiting;
                if !was_up || self.models.as_ref() != Some(&reading.models) {
                    self.starts += 1;
                }
                self.models = Some(reading.models);
                news
            }
            Err(failure) => {
                self.failures = self.failures.saturating_add(1);
                self.waiting = None;
                if self.failures < TOLD_AFTER {
                    return None;
                }
                News { is_good: false, text: format!("engine page {name} {failure}") }
            }
        };
        (self.told.as_ref() != Some(&news)).then(|| self.told.insert(news).clone())
    }

    /// Whether these are its counters, as they were last seen.
    pub(super) fn stands_still_at(&self, counters: &Counters) -> bool {
        self.progress.as_ref().is_some_and(|progress| progress.is_at(counters))
    }

    /// How long nothing has moved; `None` where that cannot be told.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.progress.as_ref().filter(|_| self.up == Some(true)).map(|progress| progress.age(now))
    }
}

fn answers(name: &str, reading: &Reading) -> News {
    let left_out = reading.left_out;
    let left_out: Vec<_> = [
        (left_out.models > 0, "models beyond 16 or with long names"),
        (left_out.long_lines > 0, "lines longer than 32 KiB"),
        (left_out.odd_lines > 0, "lines that are no samples"),
    ]
    .into_iter()
    .filter_map(|(is_so, what)| is_so.then_some(what))
    .collect();
    let left_out =
        if left_out.is_empty() { String::new() } else { format!("; left out: {}", left_out.join(", ")) };
    News {
        is_good: left_out.is_empty() && !reading.models.is_empty(),
        text: format!("engine page {name} answers: {}{left_out}", identity(&reading.models)),
    }
}

/// The model that an engine is asked for: the first that its series name.
pub(super) fn model(models: &[(Engine, String)]) -> Option<&str> {
    models.iter().map(|(_, model)| model.as_str()).find(|model| !model.is_empty())
}

/// Engines and models for people.
pub(super) fn identity(models: &[(Engine, String)]) -> String {
    if models.is_empty() {
        return "no series of vLLM or SGLang".to_owned();
    }
    let named = models.iter().map(|(engine, model)| {
        let engine = match engine {
            Engine::Vllm => "vLLM",
            Engine::Sglang => "SGLang",
        };
        if model.is_empty() { engine.to_owned() } else { format!("{engine} with `{}`", excerpt(model)) }
    });
    named.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::reading::LeftOut;

    fn reading(model: &str, steps: f64) -> Reading {
        let mut counters = Counters::default();
        counters[0] = Some(steps);
        Reading { models: vec![(Engine::Vllm, model.to_owned())], counters, ..Reading::default() }
    }

    fn gone() -> Result<Reading, Failure> {
        Err(Failure::Unreachable("Connection refused (os error 111)".to_owned()))
    }

    #[test]
    fn each_change_is_told_once_and_a_single_silence_is_not() {
        let (mut page, start) = (Page::default(), Instant::now());
        let mut check =
            |second: u64, answer: Result<Reading, Failure>, up: bool, age: Option<u64>, told: &str| {
                let now = start + Duration::from_secs(second);
                let news = page.heard("http://a/metrics", answer, now);
                assert_eq!(news.map(|news| news.text).unwrap_or_default(), told, "at {second}");
                assert_eq!(page.up, Some(up), "at {second}");
                assert_eq!(page.age(now).map(|age| age.as_secs()), age, "at {second}");
            };
        let answers = "engine page http://a/metrics answers: vLLM with `m`";
        check(0, Ok(reading("m", 1.0)), true, Some(0), answers);
        check(5, Ok(reading("m", 1.0)), true, Some(5), "");
        check(10, gone(), false, None, "");
        check(15, Ok(reading("m", 1.0)), true, Some(15), "");
        check(20, gone(), false, None, "");
        check(25, gone(), false, None, "");
        let refused = "engine page http://a/metrics cannot be reached: Connection refused (os error 111)";
        check(30, gone(), false, None, refused);
        check(35, gone(), false, None, "");
        let late = Failure::Late(Duration::from_secs(4));
        check(40, Err(late), false, None, "engine page http://a/metrics does not answer within 4s");
        check(45, Ok(reading("m", 0.0)), true, Some(0), answers);
        let other = "engine page http://a/metrics answers: vLLM with `n`";
        check(50, Ok(reading("n", 0.0)), true, Some(5), other);
        let none = "engine page http://a/metrics answers: no series of vLLM or SGLang";
        check(55, Ok(Reading::default()), true, None, none);
    }

    #[test]
    fn a_page_that_is_gone_keeps_its_name_and_may_be_another_engine_when_it_is_back() {
        let mut page = Page::default();
        assert!(page.models.is_none());
        let mut check = |answer: Result<Reading, Failure>, model: &str, starts: u64| {
            page.heard("p", answer, Instant::now());
            assert_eq!(page.models, Some(vec![(Engine::Vllm, model.to_owned())]));
            assert_eq!(page.starts, starts);
        };
        check(Ok(reading("m", 1.0)), "m", 1);
        check(Ok(reading("m", 2.0)), "m", 1);
        check(gone(), "m", 1);
        check(Ok(reading("m", 0.0)), "m", 2);
        check(Ok(reading("n", 0.0)), "n", 3);
    }

    #[test]
    fn what_is_left_out_is_told() {
        let left_out = LeftOut { long_lines: 1, odd_lines: 2, models: 3 };
        let news = Page::default().heard("p", Ok(Reading { left_out, ..reading("m", 1.0) }), Instant::now());
        let text = "engine page p answers: vLLM with `m`; left out: models beyond 16 or with long names, \
            lines longer than 32 KiB, lines that are no samples";
        assert_eq!(news, Some(News { is_good: false, text: text.to_owned() }));
    }
}
