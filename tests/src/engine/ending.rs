//! What is told of a request when it ends: vLLM tells most of its times only then.

use std::time::Duration;

use super::release::Kind;
use super::request::{Asked, Request};
use super::tally::{Count, Quantity, Tally};

/// Tells the end of a request, or that it broke off.
pub(crate) fn tell(kind: Kind, request: &Request, now: Duration, is_broken: bool, tally: &mut Tally) {
    let Asked { streams, prompt, cached, answer, limit, .. } = request.asked;
    let whole = seconds(request.arrived, now);
    // Its stream's status was sent long before: 200, also when it breaks off.
    tally.add(if is_broken && !streams { Count::Http5xx } else { Count::Http2xx }, streams, 1.0);
    tally.observe(Quantity::Http, streams, whole);
    let end = match (is_broken, answer >= limit) {
        (true, _) => Count::Failed,
        (false, true) => Count::TooLong,
        (false, false) => Count::Stopped,
    };
    tally.add(end, streams, 1.0);
    if is_broken && kind == Kind::Sglang {
        tally.add(Count::Aborted, false, 1.0);
        return;
    }
    tally.add(Count::Answered, streams, 1.0);
    tally.add(Count::PromptAtEnd, streams, count(prompt));
    tally.add(Count::CachedAtEnd, streams, count(cached));
    tally.add(Count::GeneratedAtEnd, streams, count(request.made));
    let scheduled = request.scheduled.unwrap_or(request.queued);
    let first = request.first_token.unwrap_or(scheduled);
    let decode = seconds(first, request.last_token);
    for (quantity, value) in [
        (Quantity::Whole, whole),
        (Quantity::QueuedAtEnd, seconds(request.queued, scheduled)),
        (Quantity::PrefillAtEnd, seconds(scheduled, first)),
        (Quantity::Decode, decode),
        (Quantity::Inference, seconds(scheduled, request.last_token)),
        (Quantity::BetweenTokensOfRequest, decode / count(request.made.saturating_sub(1).max(1))),
        (Quantity::PromptTokens, count(prompt)),
        (Quantity::ComputedTokens, count(prompt - cached)),
        (Quantity::AnswerTokens, count(request.made)),
        (Quantity::LimitTokens, count(limit)),
        (Quantity::Answers, 1.0),
        (Quantity::Preemptions, count(request.preemptions)),
    ] {
        tally.observe(quantity, streams, value);
    }
}

fn seconds(from: Duration, to: Duration) -> f64 {
    to.saturating_sub(from).as_secs_f64()
}

fn count(number: u64) -> f64 {
    number as f64
}
