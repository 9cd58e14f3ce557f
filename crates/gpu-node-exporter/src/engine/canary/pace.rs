//! When a canary is sent: never to an engine that has work, or that shows by itself that it is alive.
//!
//! One at a time for all pages, since whoever asks waits for the answer; and at most one a minute of each kind to each page. Pure: the time is
//! an argument.

use std::time::{Duration, Instant};

use super::kind::Kind;
use super::record::Canaries;
use crate::engine::page::{Page, model};
use crate::engine::reading::Reading;

/// Shortest time between two of a kind to a page.
const SHORTEST: Duration = Duration::from_mins(1);

/// A canary that may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Waiting {
    /// The place of its page in the list.
    pub(in crate::engine) page: usize,
    pub(in crate::engine) kind: Kind,
    pub(in crate::engine) model: String,
}

/// The one that is sent next, which is the one whose page and kind were asked longest ago; `None` when none is due. Nothing has moved
/// on its page for `quiet`.
pub(in crate::engine) fn next<'a>(
    pages: impl IntoIterator<Item = (&'a Page, &'a Canaries)>,
    quiet: Duration,
    now: Instant,
) -> Option<Waiting> {
    let due = pages.into_iter().enumerate().filter_map(|(number, (page, canaries))| {
        let model = model(page.models.as_deref()?)?;
        let (kind, sent) = due(page, canaries, quiet, now)?;
        Some((sent, Waiting { page: number, kind, model: model.to_owned() }))
    });
    due.min_by_key(|(sent, _)| *sent).map(|(_, waiting)| waiting)
}

fn due(page: &Page, canaries: &Canaries, quiet: Duration, now: Instant) -> Option<(Kind, Option<Instant>)> {
    if page.age(now)? < quiet || page.waiting != Some(0.0) {
        return None;
    }
    let rested =
        Kind::ALL.into_iter().filter(|kind| !canaries.of(*kind).is_off(page.starts)).filter_map(|kind| {
            let sent = canaries.of(kind).sent;
            sent.is_none_or(|sent| now.saturating_duration_since(sent) >= SHORTEST).then_some((kind, sent))
        });
    rested.min_by_key(|(_, sent)| *sent)
}

/// Whether a page that was read just now says what made a canary due: nobody waits, and nothing has moved since.
pub(in crate::engine) fn is_still_quiet(page: &Page, reading: &Reading) -> bool {
    reading.waiting == Some(0.0) && page.stands_still_at(&reading.counters)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::canary::kind::Outcome;
    use crate::engine::canary::record::Answer;
    use crate::engine::canary::verdict::Judgement;
    use crate::engine::client::Failure;
    use crate::gpu::Engine;

    const QUIET: Duration = Duration::from_mins(1);

    /// One page that is looked at every five seconds and asked whenever that is due.
    struct Run {
        start: Instant,
        second: u64,
        page: Page,
        canaries: Canaries,
        /// When which kind was asked.
        asked: Vec<(u64, Kind)>,
    }

    impl Run {
        fn new() -> Self {
            let (page, canaries) = (Page::default(), Canaries::default());
            Self { start: Instant::now(), second: 0, page, canaries, asked: Vec::new() }
        }

        /// The page says this for so many seconds; a canary gets this outcome, and moves nothing.
        fn says(&mut self, seconds: u64, steps: impl Fn(u64) -> f64, waiting: Option<f64>, outcome: Outcome) {
            let end = self.second + seconds;
            while self.second < end {
                let now = self.start + Duration::from_secs(self.second);
                let mut reading = Reading { waiting, running: Some(5.0), ..Reading::default() };
                reading.models = vec![(Engine::Vllm, "m".to_owned())];
                reading.counters[0] = Some(steps(self.second));
                self.page.heard("p", Ok(reading), now);
                if let Some(waiting) = next([(&self.page, &self.canaries)], QUIET, now) {
                    assert_eq!((waiting.page, waiting.model.as_str()), (0, "m"));
                    self.canaries.sent(waiting.kind, now);
                    let judgement = Judgement { outcome, why: String::new() };
                    let answer = Answer { judgement, took: Duration::ZERO, at: 0.0 };
                    self.canaries.answered("p", waiting.kind, self.page.starts, answer);
                    self.asked.push((self.second, waiting.kind));
                }
                self.second += 5;
            }
        }
    }

    #[test]
    fn an_engine_that_moves_or_has_a_queue_is_never_asked() {
        let mut run = Run::new();
        run.says(600, |second| second as f64, Some(0.0), Outcome::Right);
        run.says(600, |_| 600.0, Some(1.0), Outcome::Right);
        run.says(600, |_| 600.0, None, Outcome::Right);
        // It takes a step every 55 seconds.
        run.says(600, |second| (second / 55) as f64, Some(0.0), Outcome::Right);
        assert_eq!(run.asked, []);
    }

    #[test]
    fn one_that_stands_still_is_asked_for_both_kinds_at_most_once_a_minute() {
        let mut run = Run::new();
        run.says(200, |_| 1.0, Some(0.0), Outcome::Timeout);
        let (text, image) = (Kind::Text, Kind::Image);
        assert_eq!(
            run.asked,
            [(60, text), (65, image), (120, text), (125, image), (180, text), (185, image)]
        );
    }

    #[test]
    fn a_kind_that_is_refused_is_asked_once() {
        let mut run = Run::new();
        run.says(200, |_| 1.0, Some(0.0), Outcome::Refused);
        assert_eq!(run.asked, [(60, Kind::Text), (65, Kind::Image)]);
        // The page was gone, so the engine may have been started anew.
        run.page.heard("p", Err(Failure::TooLong("8 MiB")), run.start + Duration::from_secs(200));
        run.says(100, |_| 0.0, Some(0.0), Outcome::Refused);
        assert_eq!(run.asked[2..], [(260, Kind::Text), (265, Kind::Image)]);
    }

    #[test]
    fn the_page_that_was_asked_longest_ago_is_next() {
        let start = Instant::now();
        let at = |second: u64| start + Duration::from_secs(second);
        let mut pages = vec![(Page::default(), Canaries::default()); 3];
        for (number, (page, canaries)) in pages.iter_mut().enumerate() {
            let mut reading = Reading { waiting: Some(0.0), ..Reading::default() };
            reading.models = vec![(Engine::Sglang, format!("m{number}"))];
            reading.counters[3] = Some(1.0);
            page.heard("p", Ok(reading), start);
            for kind in Kind::ALL {
                canaries.sent(kind, at(10 - number as u64));
            }
        }
        let next = |second: u64, pages: &[(Page, Canaries)]| {
            next(pages.iter().map(|(page, canaries)| (page, canaries)), QUIET, at(second))
                .map(|next| next.model)
        };
        assert_eq!(next(67, &pages), None);
        assert_eq!(next(70, &pages).as_deref(), Some("m2"));
        pages[2].0.heard("p", Err(Failure::TooLong("8 MiB")), at(70));
        assert_eq!(next(70, &pages).as_deref(), Some("m1"));
    }

    #[test]
    fn what_moved_a_moment_ago_is_not_quiet() {
        let mut reading = Reading { waiting: Some(0.0), ..Reading::default() };
        reading.counters[0] = Some(1.0);
        let mut page = Page::default();
        page.heard("p", Ok(reading.clone()), Instant::now());
        assert!(is_still_quiet(&page, &reading));
        let moved = |steps: f64, waiting: f64| {
            let mut moved = Reading { waiting: Some(waiting), ..Reading::default() };
            moved.counters[0] = Some(steps);
            moved
        };
        assert!(!is_still_quiet(&page, &moved(2.0, 0.0)));
        assert!(!is_still_quiet(&page, &moved(1.0, 1.0)));
        assert!(!is_still_quiet(&page, &Reading { waiting: None, ..reading }));
    }
}
