//! One request, and the stream of them that a load makes.

use std::time::Duration;

use fastrand::Rng;

/// How many requests come, and what they ask.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests a second, on average; 0 is none but those of clients.
    pub rate: f64,
    /// The share of requests that have images, from 0 to 1.
    pub images: f64,
    /// Tokens of an answer, on average.
    pub answer: u64,
    /// What chance begins with: the same seed plays the same.
    pub seed: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self { rate: 2.0, images: 0.4, answer: 90, seed: 1 }
    }
}

/// What a request asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Tokens of its prompt, those of images included.
    pub prompt: u64,
    /// Those of them that the prefix cache has.
    pub cached: u64,
    /// Tokens that it will be answered with.
    pub answer: u64,
    /// The most it would take.
    pub limit: u64,
    /// Images in it.
    pub images: u64,
    /// Those that the processor cache has.
    pub known_images: u64,
    /// Whether the answer is streamed.
    pub streams: bool,
}

/// Tokens of the prompt that one image makes, about what a megapixel does with Qwen3-VL.
pub(crate) const IMAGE_TOKENS: u64 = 1100;

/// A request under way; times count from the start of the engine.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The client's number for it; `None` is one of the load.
    pub(crate) client: Option<u64>,
    pub(crate) asked: Asked,
    pub(crate) arrived: Duration,
    /// When it came out of the front end.
    pub(crate) queued: Duration,
    /// When it first was in a step.
    pub(crate) scheduled: Option<Duration>,
    pub(crate) first_token: Option<Duration>,
    pub(crate) last_token: Duration,
    pub(crate) made: u64,
    pub(crate) preemptions: u64,
}

impl Request {
    pub(crate) fn new(client: Option<u64>, asked: Asked, arrived: Duration) -> Self {
        Self {
            client,
            asked,
            arrived,
            queued: arrived,
            scheduled: None,
            first_token: None,
            last_token: arrived,
            made: 0,
            preemptions: 0,
        }
    }

    /// Tokens that it holds in the key-value cache.
    pub(crate) fn held(&self) -> u64 {
        self.asked.prompt + self.made
    }
}

/// Requests as chance has them.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    load: Load,
    chance: Rng,
}

impl Arrivals {
    pub(crate) fn new(load: Load) -> Self {
        Self { load, chance: Rng::with_seed(load.seed) }
    }

    /// How long until the next one comes, when `factor` times as many come as usual; `None` when none does.
    pub(crate) fn pause(&mut self, factor: f64) -> Option<Duration> {
        let rate = self.load.rate * factor;
        // The shortest pause keeps a rate that nobody could serve from standing time still.
        (rate > 0.0)
            .then(|| Duration::from_secs_f64((-(1.0 - self.chance.f64()).ln() / rate).clamp(1e-4, 3600.0)))
    }

    /// What the next one asks.
    pub(crate) fn next(&mut self) -> Asked {
        let images = if self.chance.f64() < self.load.images { self.chance.u64(1..=3) } else { 0 };
        let prompt = self.chance.u64(80..=900) + images * IMAGE_TOKENS;
        let is_known = self.chance.f64() < 0.25;
        let answer = self.chance.u64(self.load.answer / 4..=self.load.answer * 7 / 4).max(2);
        Asked {
            prompt,
            cached: if is_known { prompt / 2 / 16 * 16 } else { 0 },
            answer,
            // One in eight ends because it may not be longer.
            limit: if self.chance.u64(0..8) == 0 { answer } else { 1024.max(answer + 1) },
            images,
            known_images: if is_known { images } else { 0 },
            streams: self.chance.bool(),
        }
    }

    /// Whether something that happens to this share happens now.
    pub(crate) fn happens(&mut self, share: f64) -> bool {
        self.chance.f64() < share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_asks_the_same() {
        let load = Load::default();
        let (mut one, mut two) = (Arrivals::new(load), Arrivals::new(load));
        let mut other = Arrivals::new(Load { seed: 2, ..load });
        let asked: Vec<(Asked, Option<Duration>)> = (0..50).map(|_| (one.next(), one.pause(1.0))).collect();
        assert!(asked.iter().all(|first| *first == (two.next(), two.pause(1.0))));
        assert!(asked.iter().any(|first| *first != (other.next(), other.pause(1.0))));
        assert!(asked.iter().all(|(asked, _)| asked.cached <= asked.prompt && asked.answer <= asked.limit));
    }

    #[test]
    fn requests_come_at_their_rate_and_not_at_all_at_zero() {
        let mut arrivals = Arrivals::new(Load { rate: 4.0, ..Load::default() });
        let sum: Duration = (0..4000).filter_map(|_| arrivals.pause(2.5)).sum();
        let rate = 4000.0 / sum.as_secs_f64();
        assert!((9.5..10.5).contains(&rate), "{rate}");
        assert_eq!(arrivals.pause(0.0), None);
    }
}
