//! `GET /api/v1/recorder?gpu=&since=&until=&format=`: one GPU's recording.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap};
use http_serve::response::{text, whole};
use percent_encoding::percent_decode_str;

use crate::answer::{Answer, packed};
use crate::compressor::Compressor;
use crate::exposition::{History, OPENMETRICS};
use crate::gpu::Gpu;

/// Sweeps of one answer: ten minutes at 1 Hz twice over. Of a GPU with NVLink these are some 300,000 samples.
const MOST_SWEEPS: usize = 1_200;

/// What a request asks for.
#[derive(Debug, PartialEq)]
struct Query {
    /// Index or UUID.
    gpu: Option<String>,
    /// Seconds since 1970.
    since: f64,
    until: f64,
    format: Option<Format>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    OpenMetrics,
}

/// The recording that the query asks for. Slow: it is unpacked and written here.
pub(super) fn answer(gpus: &Gpu, query: &str, headers: &HeaderMap) -> Answer {
    let bad = |reason: String| text(StatusCode::BAD_REQUEST, reason + "\n");
    let query = match Query::parse(query, now()) {
        Ok(query) => query,
        Err(reason) => return bad(reason),
    };
    let recorded = gpus.recorded();
    let known = || {
        let names: Vec<_> = recorded.iter().map(|(index, uuid)| format!("{index} ({uuid})")).collect();
        if names.is_empty() { "none yet".to_owned() } else { names.join(", ") }
    };
    let gpu = match (&query.gpu, &recorded[..]) {
        (Some(gpu), _) => gpu,
        (None, [(_, uuid)]) => uuid,
        (None, _) => {
            return bad(format!("gpu=INDEX or gpu=UUID is missing (hint: recorded are {})", known()));
        }
    };
    let Some(recording) = gpus.recording(gpu) else {
        return text(
            StatusCode::NOT_FOUND,
            format!("no recording of GPU {gpu:?} (hint: recorded are {})\n", known()),
        );
    };
    let mut history = History::default();
    let left_out =
        recording.play(query.since, query.until, MOST_SWEEPS, |at, families| history.add(at, families));
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let by_header =
        if accept.contains("application/openmetrics-text") { Format::OpenMetrics } else { Format::Json };
    let (body, content_type) = match query.format.unwrap_or(by_header) {
        Format::OpenMetrics => (history.openmetrics(), OPENMETRICS),
        Format::Json => {
            let kept = recording.cause.as_ref().map(|cause| {
                format!(
                    "kept since {:.3} with the minutes before it: {} on {}",
                    cause.at, cause.what, recording.uuid
                )
            });
            let cut = (left_out > 0).then(|| {
                format!("the first {left_out} sweeps are left out: an answer has {MOST_SWEEPS} (hint: ask with until=)")
            });
            let warnings: Vec<_> = kept.into_iter().chain(cut).collect();
            (history.json(recording.cause.as_ref(), &warnings), "application/json")
        }
    };
    packed(whole(StatusCode::OK, content_type, Bytes::new()), body, headers, &Compressor::default())
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs_f64()).unwrap_or_default()
}

impl Query {
    /// The error is a sentence for the answer 400. `now` is seconds since 1970.
    fn parse(query: &str, now: f64) -> Result<Self, String> {
        let mut asked = Self { gpu: None, since: f64::NEG_INFINITY, until: f64::INFINITY, format: None };
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
            let value = decoded(value);
            match decoded(key).as_str() {
                "gpu" if !value.is_empty() => asked.gpu = Some(value),
                "since" if !value.is_empty() => asked.since = moment("since", &value, now)?,
                "until" if !value.is_empty() => asked.until = moment("until", &value, now)?,
                "format" => {
                    asked.format = Some(match value.as_str() {
                        "json" => Format::Json,
                        "openmetrics" => Format::OpenMetrics,
                        _ => return Err(format!("format={value:?}: expected json or openmetrics")),
                    });
                }
                _ => {}
            }
        }
        Ok(asked)
    }
}

/// `1700000000.5`, `2026-11-29T03:00:00Z`, or `5m` for five minutes ago.
fn moment(key: &str, value: &str, now: f64) -> Result<f64, String> {
    if let Ok(seconds) = value.parse::<f64>()
        && seconds.is_finite()
    {
        return Ok(seconds);
    }
    if let Ok(ago) = humantime::parse_duration(value) {
        return Ok(now - ago.as_secs_f64());
    }
    let at = humantime::parse_rfc3339(value).ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    at.map(|at| at.as_secs_f64()).ok_or_else(|| {
        format!("{key}={value:?}: expected seconds since 1970, a time like 2026-11-29T03:00:00Z, or how long ago, like 5m")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_three_forms() {
        let now = 1_000_000.0;
        for (value, expected) in [
            ("1700000000", Some(1_700_000_000.0)),
            ("1700000000.25", Some(1_700_000_000.25)),
            ("5m", Some(now - 300.0)),
            ("90s", Some(now - 90.0)),
            ("2023-11-14T22:13:20Z", Some(1_700_000_000.0)),
            ("yesterday", None),
            ("NaN", None),
            ("1e400", None),
        ] {
            assert_eq!(moment("since", value, now).ok(), expected, "{value}");
        }
    }

    #[test]
    fn what_is_asked_for_is_read() {
        let asked = |query: &str| Query::parse(query, 1_000.0);
        let all = Query { gpu: None, since: f64::NEG_INFINITY, until: f64::INFINITY, format: None };
        assert_eq!(asked(""), Ok(all));
        let some = Query {
            gpu: Some("GPU-1".to_owned()),
            since: 700.0,
            until: 900.0,
            format: Some(Format::OpenMetrics),
        };
        assert_eq!(asked("gpu=GPU%2D1&since=5m&until=100s&format=openmetrics&other=1"), Ok(some));
        for (query, reason) in [
            ("since=soon", "since=\"soon\": expected seconds"),
            ("until=x", "until=\"x\""),
            ("format=xml", "expected json or openmetrics"),
        ] {
            assert!(asked(query).is_err_and(|error| error.contains(reason)), "{query}");
        }
    }
}
