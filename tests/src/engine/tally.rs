//! What the engine has counted and measured so far, by meaning and not by any release's names.

use std::collections::BTreeMap;

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    /// Tokens of prompts, counted when they were computed or found.
    Prompt,
    /// Those that the prefix cache had.
    Cached,
    /// Those that were computed.
    Computed,
    /// Tokens made, counted as they are made.
    Generated,
    /// Tokens of prompts, counted when their requests end.
    PromptAtEnd,
    /// Cached ones among these.
    CachedAtEnd,
    /// Tokens made, counted when their requests end.
    GeneratedAtEnd,
    /// Requests that were answered to their end.
    Answered,
    /// Requests that ended with a stop token.
    Stopped,
    /// Requests that ended because they were as long as they may be.
    TooLong,
    /// Requests that broke off with an error.
    Failed,
    /// Requests whose client went away.
    Aborted,
    /// Requests that were put back to make room.
    Preempted,
    /// Tokens of prompts that have to be computed once more.
    PreemptedPrompt,
    /// Tokens made that have to be computed once more.
    PreemptedGenerated,
    /// Images looked up in the processor cache.
    Images,
    /// Those that were in it.
    KnownImages,
    /// Requests that were not let in.
    Refused,
    /// HTTP requests that came.
    HttpStarted,
    /// HTTP answers with a status of 2xx.
    Http2xx,
    /// HTTP answers with a status of 4xx.
    Http4xx,
    /// HTTP answers with a status of 5xx.
    Http5xx,
    /// Steps of the engine.
    Steps,
    /// Seconds in which it had nothing to do.
    IdleSeconds,
    /// Seconds in steps.
    BusySeconds,
}

/// Something that is measured, each time it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Seconds from the arrival to the first token, when it is made.
    FirstToken,
    /// Seconds between two tokens, at each step.
    BetweenTokens,
    /// The mean of these of a request, when it ends.
    BetweenTokensOfRequest,
    /// Seconds from the arrival to the end.
    Whole,
    /// Seconds in the queue, when the request ends.
    QueuedAtEnd,
    /// The same, when it leaves the queue for the first time.
    Queued,
    /// Seconds in the front end, when it is through.
    FrontEnd,
    /// Seconds from the first step to the first token, when the request ends.
    PrefillAtEnd,
    /// The same, at the first token.
    Prefill,
    /// Seconds from the first token to the last, when the request ends.
    Decode,
    /// Seconds from the first step to the last token, when the request ends.
    Inference,
    /// Tokens of a step.
    StepTokens,
    /// Tokens of a prompt, when the request ends.
    PromptTokens,
    /// Tokens of a prompt that were computed, when the request ends.
    ComputedTokens,
    /// Tokens of an answer, when the request ends.
    AnswerTokens,
    /// The most that a request would take, when it ends.
    LimitTokens,
    /// Answers that a request wants, which is one.
    Answers,
    /// How often a request was put back, when it ends.
    Preemptions,
    /// Seconds to an HTTP answer's end.
    Http,
}

/// Gauges, as the scheduler last set them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gauges {
    /// Requests in steps.
    pub running: f64,
    /// Requests that wait to be.
    pub waiting: f64,
    /// Tokens in the key-value cache.
    pub held: f64,
    /// Tokens that it has room for.
    pub room: f64,
    /// Tokens made a second, in the last step.
    pub throughput: f64,
    /// HTTP requests under way; not the scheduler's, so it never freezes.
    pub in_flight: f64,
    /// When this engine was started, in seconds since 1970.
    pub started: f64,
}

/// One histogram of a page: what it observes, of which requests, and its buckets.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    quantity: Quantity,
    streams: Option<bool>,
    edges: Vec<f64>,
    pub(crate) counts: Vec<f64>,
    pub(crate) sum: f64,
}

impl Histogram {
    /// `edges` ends with infinity. `streams` is which requests it takes; `None` is all.
    pub(crate) fn new(quantity: Quantity, streams: Option<bool>, edges: Vec<f64>) -> Self {
        Self { quantity, streams, counts: vec![0.0; edges.len()], edges, sum: 0.0 }
    }

    /// How many it has observed.
    pub(crate) fn count(&self) -> f64 {
        self.counts.iter().sum()
    }
}

/// Everything that is counted and measured.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// As last set.
    pub gauges: Gauges,
    counts: BTreeMap<(Count, bool), f64>,
    pub(crate) histograms: Vec<Histogram>,
}

impl Tally {
    pub(crate) fn new(histograms: Vec<Histogram>) -> Self {
        Self { histograms, ..Self::default() }
    }

    /// Counts something about a request that is streamed, or not.
    pub(crate) fn add(&mut self, count: Count, streams: bool, number: f64) {
        *self.counts.entry((count, streams)).or_default() += number;
    }

    /// How much was counted; `streams` is of which requests, `None` is all.
    pub fn count(&self, count: Count, streams: Option<bool>) -> f64 {
        let of = |streams: bool| self.counts.get(&(count, streams)).copied().unwrap_or(0.0);
        streams.map_or_else(|| of(true) + of(false), of)
    }

    /// Measures something about a request.
    pub(crate) fn observe(&mut self, quantity: Quantity, streams: bool, value: f64) {
        let takes = |histogram: &&mut Histogram| {
            histogram.quantity == quantity && histogram.streams.is_none_or(|wanted| wanted == streams)
        };
        for histogram in self.histograms.iter_mut().filter(takes) {
            let bucket = histogram.edges.partition_point(|edge| *edge < value).min(histogram.edges.len() - 1);
            histogram.counts[bucket] += 1.0;
            histogram.sum += value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_observation_lands_in_its_bucket_and_in_every_histogram_of_its_quantity() {
        let edges = vec![0.1, 1.0, f64::INFINITY];
        let one = |streams| Histogram::new(Quantity::Whole, streams, edges.clone());
        let mut tally = Tally::new(vec![
            one(None),
            one(Some(true)),
            Histogram::new(Quantity::Queued, None, edges.clone()),
        ]);
        for (streams, value) in [(true, 0.1), (false, 0.2), (true, 5.0)] {
            tally.observe(Quantity::Whole, streams, value);
        }
        let counts: Vec<Vec<f64>> =
            tally.histograms.iter().map(|histogram| histogram.counts.clone()).collect();
        assert_eq!(counts, [vec![1.0, 1.0, 1.0], vec![1.0, 0.0, 1.0], vec![0.0, 0.0, 0.0]]);
        assert!((tally.histograms[0].sum - 5.3).abs() < 1e-9);
        tally.add(Count::Stopped, true, 1.0);
        tally.add(Count::Stopped, false, 2.0);
        let of = |streams| tally.count(Count::Stopped, streams);
        assert_eq!((of(None), of(Some(true)), of(Some(false))), (3.0, 1.0, 2.0));
    }
}
