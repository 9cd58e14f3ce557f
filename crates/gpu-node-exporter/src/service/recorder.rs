//! `GET /api/v1/recorder?gpu=&since=&until=&format=`: one GPU's recording.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http_serve::response::{text, whole};
use percent_encoding::percent_decode_str;

use crate::answer::{Answer, packed};
use crate::compressor::Compressor;
use crate::exposition::{History, OPENMETRICS};
use crate::gpu::{Asked, Gpu, Played, RECORDER_ROOM, Recording};

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
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let by_header =
        if accept.contains("application/openmetrics-text") { Format::OpenMetrics } else { Format::Json };
    let format = query.format.unwrap_or(by_header);
    let asked = Asked {
        since: query.since,
        until: query.until,
        most: MOST_SWEEPS,
        only_newest_run: format == Format::OpenMetrics,
        longest_gap: gpus.longest_gap(),
    };
    let mut history = History::default();
    let played = recording.play(asked, |at, families| history.add(at, families));
    let warnings = warnings(&recording, asked, played, format);
    let (body, content_type) = match format {
        Format::OpenMetrics => (history.openmetrics(), OPENMETRICS),
        Format::Json => (history.json(recording.cause.as_ref(), &warnings), "application/json"),
    };
    let mut answer = whole(StatusCode::OK, content_type, Bytes::new());
    if format == Format::OpenMetrics {
        for warning in warnings.iter().filter_map(|warning| warning_header(warning)) {
            answer.headers_mut().append(header::WARNING, warning);
        }
    }
    packed(answer, vec![body.into()], headers, &Compressor::default())
}

/// What who reads the answer should know, in sentences.
fn warnings(recording: &Recording, asked: Asked, played: Played, format: Format) -> Vec<String> {
    let Recording { uuid, index, others, cause, begins, .. } = recording;
    let kept = cause.as_ref().map(|cause| {
        format!("kept since {:.3} with the minutes before it: {} on {uuid}", cause.at, cause.what)
    });
    let others = others.iter().map(|other| {
        format!("this is {uuid}, which had index {index} last; {other} had it before (hint: gpu={other})")
    });
    let short = begins.filter(|begins| asked.since < *begins).map(|begins| {
        let room = RECORDER_ROOM >> 10;
        format!(
            "the last minutes begin at {begins:.3}: there is room for {room} KiB (hint: a longer --gpu.sample-interval)"
        )
    });
    let left_out = played.left_out;
    let cut = (left_out > 0).then(|| {
        format!(
            "the first {left_out} sweeps are left out: an answer has {MOST_SWEEPS} (hint: ask with until=)"
        )
    });
    let set_back = played.was_set_back.then(|| {
        match format {
            Format::Json => "the clock was set back: times do not rise there",
            Format::OpenMetrics => {
                "the clock was set back: what came before is left out (hint: format=json has all of it)"
            }
        }
        .to_owned()
    });
    kept.into_iter().chain(others).chain(short).chain(cut).chain(set_back).collect()
}

/// The text of `OpenMetrics` has no place for a warning; the header has (RFC 7234, 5.5, code 299).
fn warning_header(warning: &str) -> Option<HeaderValue> {
    let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
    HeaderValue::from_str(&format!("299 gpu-node-exporter \"{quoted}\"")).ok()
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
                // Left empty: all of them.
                "gpu" | "since" | "until" => {}
                unknown => {
                    return Err(format!(
                        "{unknown:?} is unknown (hint: there are gpu, since, until and format)"
                    ));
                }
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
    use std::time::Duration;

    use super::*;

    const ALL: Asked = Asked {
        since: f64::NEG_INFINITY,
        until: f64::INFINITY,
        most: MOST_SWEEPS,
        only_newest_run: false,
        longest_gap: Duration::from_mins(1),
    };

    #[test]
    fn a_recording_that_is_shorter_than_ten_minutes_for_want_of_room_says_when_it_begins() {
        let mut recording = Recording::default();
        recording.begins = Some(1_700_000_000.5);
        let played = Played { left_out: 0, was_set_back: false };
        let told = |asked| warnings(&recording, asked, played, Format::Json);
        let words = "the last minutes begin at 1700000000.500: there is room for 512 KiB (hint: a longer --gpu.sample-interval)";
        assert_eq!(told(ALL), [words]);
        assert_eq!(told(Asked { since: 1_700_000_001.0, ..ALL }), [""; 0], "it has all that was asked for");
    }

    #[test]
    fn what_is_not_as_it_may_look_is_told() {
        let mut recording = Recording::default();
        recording.uuid = "GPU-new".to_owned();
        let played = Played { left_out: 0, was_set_back: false };
        assert_eq!(warnings(&recording, ALL, played, Format::Json), Vec::<String>::new());
        recording.others.push("GPU-old".to_owned());
        let played = Played { left_out: 0, was_set_back: true };
        let other = "this is GPU-new, which had index 0 last; GPU-old had it before (hint: gpu=GPU-old)";
        let told = warnings(&recording, ALL, played, Format::OpenMetrics);
        assert_eq!(
            told,
            [other, "the clock was set back: what came before is left out (hint: format=json has all of it)"]
        );
        assert_eq!(
            warnings(&recording, ALL, played, Format::Json)[1],
            "the clock was set back: times do not rise there"
        );
        let header = warning_header(r#"a "b" \ c"#).expect("a header");
        assert_eq!(header, r#"299 gpu-node-exporter "a \"b\" \\ c""#);
        assert_eq!(warning_header("a\nb"), None);
    }

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
        assert_eq!(asked("").as_ref(), Ok(&all));
        assert_eq!(asked("gpu=&since=&until"), Ok(all), "left empty");
        let some = Query {
            gpu: Some("GPU-1".to_owned()),
            since: 700.0,
            until: 900.0,
            format: Some(Format::OpenMetrics),
        };
        assert_eq!(asked("gpu=GPU%2D1&since=5m&until=100s&format=openmetrics"), Ok(some));
        for (query, reason) in [
            ("since=soon", "since=\"soon\": expected seconds"),
            ("until=x", "until=\"x\""),
            ("format=xml", "expected json or openmetrics"),
            ("gpu=0&sinc=5m", "\"sinc\" is unknown (hint: there are gpu, since, until and format)"),
        ] {
            assert!(asked(query).is_err_and(|error| error.contains(reason)), "{query}");
        }
    }
}
