//! What an engine's metrics page says, found by the names of its series.
//!
//! The names are those of vLLM 0.6 to 0.33 (`vllm/v1/metrics/loggers.py`, before it `vllm/engine/metrics.py`; its Rust front end has the same)
//! and of `SGLang` 0.4.6 to 0.5.23 (`sglang/srt/observability/metrics_collector.py`, before it `sglang/srt/metrics/collector.py`), as of
//! 2026-11-28. Ray Serve puts `ray_` before them. The page comes in pieces of any bytes; what is kept is bounded, and a line is looked
//! at once. Pure.

use std::mem;

use super::sample::Sample;
use crate::gpu::Engine;

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Reading {
    /// Each engine with each model that its series name, in the order of the page. One without a model has an empty name.
    pub(super) models: Vec<(Engine, String)>,
    /// What moves while an engine works; sums over its ranks and models.
    pub(super) counters: Counters,
    /// Requests that it computes; `None` where the page does not say.
    pub(super) running: Option<f64>,
    /// Requests that wait for it.
    pub(super) waiting: Option<f64>,
    pub(super) left_out: LeftOut,
}

/// What of a page was not taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// Lines longer than [`LONGEST_LINE`].
    pub(super) long_lines: u64,
    /// Lines of known series that are no samples.
    pub(super) odd_lines: u64,
    /// Model names beyond [`MOST_MODELS`], or longer than [`LONGEST_MODEL`].
    pub(super) models: u64,
}

/// Why a page was not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMuch {
    Bytes,
    Lines,
}

/// More bytes than a page of sixteen ranks has.
pub(super) const MOST_BYTES: u64 = 8 << 20;
/// More lines than that.
pub(super) const MOST_LINES: u64 = 100_000;
/// Bytes of a line. The longest that engines write has their whole configuration as labels.
pub(super) const LONGEST_LINE: usize = 32 << 10;
/// Models of a page.
pub(super) const MOST_MODELS: usize = 16;
/// Bytes of a model's name: the longest that a path has on Linux.
pub(super) const LONGEST_MODEL: usize = 4096;

/// What a series says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    Running,
    Waiting,
    /// The counter of this number.
    Progress(usize),
}

/// Sums of the counters in [`SERIES`]; `None` for one that the page does not have.
pub(super) type Counters = [Option<f64>; 7];

/// The series that are read. Those of vLLM move in each step of the engine. `SGLang`'s `realtime_tokens_total` (since 0.5.8) does as well, its
/// latency between tokens while it writes an answer, and its other counters when a request ends.
const SERIES: [(Engine, &str, Says); 11] = [
    (Engine::Vllm, "num_requests_running", Says::Running),
    (Engine::Vllm, "num_requests_waiting", Says::Waiting),
    (Engine::Vllm, "iteration_tokens_total_count", Says::Progress(0)),
    (Engine::Vllm, "generation_tokens_total", Says::Progress(1)),
    (Engine::Vllm, "prompt_tokens_total", Says::Progress(2)),
    (Engine::Sglang, "num_running_reqs", Says::Running),
    (Engine::Sglang, "num_queue_reqs", Says::Waiting),
    (Engine::Sglang, "realtime_tokens_total", Says::Progress(3)),
    (Engine::Sglang, "inter_token_latency_seconds_count", Says::Progress(4)),
    (Engine::Sglang, "generation_tokens_total", Says::Progress(5)),
    (Engine::Sglang, "prompt_tokens_total", Says::Progress(6)),
];

/// The engine and what stands behind its prefix.
fn prefixed(line: &[u8]) -> Option<(Engine, &[u8])> {
    let line = line.strip_prefix(b"ray_").unwrap_or(line);
    let vllm = line.strip_prefix(b"vllm:").map(|rest| (Engine::Vllm, rest));
    vllm.or_else(|| line.strip_prefix(b"sglang:").map(|rest| (Engine::Sglang, rest)))
}

/// Reads a page that comes in pieces.
#[derive(Debug, Default)]
pub(super) struct PageReader {
    reading: Reading,
    /// The line whose end has not come.
    line: Vec<u8>,
    /// The line is too long; what comes of it is passed over.
    is_long: bool,
    bytes: u64,
    lines: u64,
}

impl PageReader {
    /// Takes the next piece. After an error the page says nothing.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), TooMuch> {
        self.bytes += piece.len() as u64;
        if self.bytes > MOST_BYTES {
            return Err(TooMuch::Bytes);
        }
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.lines += 1;
            if self.lines > MOST_LINES {
                return Err(TooMuch::Lines);
            }
            let (last, next) = (&rest[..end], &rest[end + 1..]);
            self.end_line(last);
            rest = next;
        }
        self.keep(rest);
        Ok(())
    }

    /// What the page said.
    pub(super) fn end(mut self) -> Reading {
        self.end_line(b"");
        self.reading
    }

    fn end_line(&mut self, last: &[u8]) {
        if self.line.is_empty() && !self.is_long && last.len() <= LONGEST_LINE {
            self.reading.line(last);
            return;
        }
        self.keep(last);
        let line = mem::take(&mut self.line);
        if mem::take(&mut self.is_long) {
            self.reading.left_out.long_lines += 1;
        } else {
            self.reading.line(&line);
        }
        // Its memory serves the next.
        self.line = line;
        self.line.clear();
    }

    fn keep(&mut self, part: &[u8]) {
        if self.is_long || self.line.len() + part.len() > LONGEST_LINE {
            self.is_long = true;
            self.line.clear();
        } else {
            self.line.extend_from_slice(part);
        }
    }
}

impl Reading {
    fn line(&mut self, line: &[u8]) {
        let Some((engine, named)) = prefixed(line) else { return };
        let ends = |behind: &[u8]| matches!(behind.first(), None | Some(b'{' | b' ' | b'\t'));
        let is_named = |name: &str| named.strip_prefix(name.as_bytes()).is_some_and(ends);
        let Some((.., says)) = SERIES.iter().find(|(of, name, _)| *of == engine && is_named(name)) else {
            return;
        };
        match str::from_utf8(named).ok().and_then(Sample::read) {
            Some(sample) => self.sample(engine, *says, &sample),
            None => self.left_out.odd_lines += 1,
        }
    }

    fn sample(&mut self, engine: Engine, says: Says, sample: &Sample<'_>) {
        self.model(engine, &sample.label("model_name").unwrap_or_default());
        // With priorities SGLang's queues have a series for each, beside their sum; its counters have no sum.
        let is_part = sample.label("priority").is_some_and(|priority| !priority.is_empty());
        if is_part && !matches!(says, Says::Progress(_)) {
            return;
        }
        if !sample.value.is_finite() || sample.value < 0.0 {
            self.left_out.odd_lines += 1;
            return;
        }
        let sum = match says {
            Says::Running => &mut self.running,
            Says::Waiting => &mut self.waiting,
            Says::Progress(number) => &mut self.counters[number],
        };
        *sum.get_or_insert(0.0) += sample.value;
    }

    fn model(&mut self, engine: Engine, name: &str) {
        if self.models.iter().any(|(of, known)| *of == engine && known == name) {
            return;
        }
        if name.len() > LONGEST_MODEL || self.models.len() == MOST_MODELS {
            self.left_out.models += 1;
        } else {
            self.models.push((engine, name.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests;
