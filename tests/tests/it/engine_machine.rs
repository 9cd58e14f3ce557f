//! The simulated engine's core, at a clock of the test's own: what moves when, healthy and under each fault.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use e2e::engine::captured;
use e2e::engine::fault::Fault;
use e2e::engine::machine::{Capacity, Machine, Settings};
use e2e::engine::release::{Kind, Release};
use e2e::engine::request::Load;
use e2e::engine::tally::Count;
use e2e::programs::checkout;
use test_peers::page::{Page, Sample};

const VLLM: &str = "vllm-0.33.0";
const SGLANG: &str = "sglang-0.5.23";
const API: &str = "/v1/chat/completions";

fn machine(release: &str, faults: &[&str]) -> Machine {
    let settings = Settings {
        release: Release::named(release).unwrap(),
        model: "Qwen/Qwen3-VL-8B-Instruct".to_owned(),
        load: Load::default(),
        capacity: Capacity::default(),
        epoch: 1_800_000_000.0,
    };
    Machine::new(settings, faults.iter().map(|fault| Fault::of_flag(fault).unwrap()).collect())
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// The page at a second.
fn at(machine: &mut Machine, second: u64) -> Page {
    machine.advance(seconds(second));
    Page(machine.page().unwrap())
}

/// The sum over all series of a name; 0 when there is none.
fn sum(page: &Page, name: &str) -> f64 {
    page.samples().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
}

/// Asserts that two counts are one.
#[track_caller]
fn same(found: f64, expected: f64, what: &str) {
    assert!((found - expected).abs() < 1e-6, "{what}: {found} is not {expected}");
}

/// The mean of what a histogram observed between two pages.
fn mean(before: &Page, after: &Page, histogram: &str) -> f64 {
    let rise =
        |part: &str| sum(after, &format!("{histogram}_{part}")) - sum(before, &format!("{histogram}_{part}"));
    rise("sum") / rise("count")
}

fn running(kind: Kind) -> (&'static str, &'static str, &'static str, &'static str) {
    match kind {
        Kind::Vllm => (
            "vllm:num_requests_running",
            "vllm:num_requests_waiting",
            "vllm:time_to_first_token_seconds",
            "vllm:generation_tokens_total",
        ),
        Kind::Sglang => (
            "sglang:num_running_reqs",
            "sglang:num_queue_reqs",
            "sglang:time_to_first_token_seconds",
            "sglang:inter_token_latency_seconds_count",
        ),
    }
}

/// A series: its name, labels and bucket.
fn text(sample: &Sample) -> String {
    format!("{} {:?}", sample.name, sample.labels)
}

/// What a page has of them.
fn series(page: &Page) -> BTreeSet<String> {
    page.samples().map(|sample| text(&sample)).collect()
}

#[test]
fn every_release_plays_its_own_page_and_no_other_series() {
    for name in captured::names() {
        let mut machine = machine(name, &[]);
        let page = at(&mut machine, 60);
        let captured = checkout().join(format!("tests/engines/{name}.prom"));
        let captured = series(&Page(std::fs::read_to_string(captured).unwrap()));
        let played = series(&page);
        let strange: Vec<&String> =
            played.difference(&captured).filter(|series| !series.starts_with("engine_sim_info")).collect();
        assert!(strange.is_empty(), "{name}: {strange:?}");
        assert!(played.len() * 3 > captured.len() * 2, "{name}: {} of {}", played.len(), captured.len());

        let kind = machine.settings().release.kind;
        let (running, waiting, first, tokens) = running(kind);
        for moving in [running, tokens, &format!("{first}_count")] {
            assert!(sum(&page, moving) > 0.0, "{name}: {moving}");
        }
        assert!(sum(&page, waiting) < 5.0, "{name}: a load this light needs no queue");
        assert!(page.says("engine_sim_info", &["faults=\"\""], 1.0), "{name}");
        assert!(page.0.contains("This engine is simulated"), "{name}");
    }
}

/// No number that tells progress or load moves; the page is there.
#[test]
fn a_hang_freezes_every_number_while_clients_wait() {
    for name in captured::names() {
        let mut machine = machine(name, &["hang@20s-60s"]);
        let (before, after) = (at(&mut machine, 25), at(&mut machine, 55));
        let (running, _, _, tokens) = running(machine.settings().release.kind);
        assert!(sum(&before, running) > 0.0, "{name}");
        let now: BTreeMap<String, f64> =
            after.samples().map(|sample| (text(&sample), sample.value)).collect();
        for sample in before.samples() {
            let may_move = ["http_requests_active", "http_requests_total", "request_process", "mm_cache"];
            let series = text(&sample);
            if !may_move.iter().any(|part| series.contains(part)) {
                // A number that is none is one too.
                assert_eq!(now[&series].to_bits(), sample.value.to_bits(), "{name}: {series}");
            }
        }
        let tally = machine.tally().unwrap();
        assert!(tally.gauges.in_flight > 40.0, "{name}: {}", tally.gauges.in_flight);
        // It goes on where it stood.
        let (over, later) = (at(&mut machine, 61), at(&mut machine, 65));
        assert!(sum(&later, tokens) > sum(&over, tokens), "{name}");
    }
}

#[test]
fn hung_while_idle_shows_nothing_running_and_nothing_moving() {
    for name in [VLLM, SGLANG] {
        let mut machine = machine(name, &["hang-idle@60s"]);
        let (before, after) = (at(&mut machine, 150), at(&mut machine, 270));
        let (running, waiting, _, tokens) = running(machine.settings().release.kind);
        assert_eq!((sum(&before, running), sum(&before, waiting)), (0.0, 0.0), "{name}");
        same(sum(&before, tokens), sum(&after, tokens), name);
        assert!(machine.tally().unwrap().gauges.in_flight > 100.0, "{name}: clients come and wait");
    }
}

#[test]
fn a_slow_decode_is_slow_and_alive() {
    let mut machine = machine(VLLM, &["slow-decode=8@2m"]);
    let pages = [60, 120, 150, 270].map(|second| at(&mut machine, second));
    let histogram = "vllm:inter_token_latency_seconds";
    let (usual, slow) = (mean(&pages[0], &pages[1], histogram), mean(&pages[2], &pages[3], histogram));
    assert!(slow > 5.0 * usual && slow < 1.0, "{usual} then {slow}");
    assert!(sum(&pages[3], "vllm:num_requests_running") > 0.0);
}

#[test]
fn an_error_inside_a_stream_has_status_200() {
    let mut machine = machine(VLLM, &["stream-error=0.5@0s"]);
    let page = at(&mut machine, 120);
    let failed = page.value("vllm:request_success_total", &["finished_reason=\"error\""]).unwrap();
    let tally = machine.tally().unwrap();
    let streamed = tally.count(Count::Failed, Some(true));
    assert!(streamed > 10.0 && failed > streamed, "{streamed} of {failed}");
    let answered =
        |class| page.value("http_requests_total", &[&format!("handler=\"{API}\""), class]).unwrap_or(0.0);
    same(answered("status=\"5xx\""), failed - streamed, "what is not streamed can say so");
    let streams = tally.count(Count::Http2xx, Some(true)) + tally.count(Count::Http2xx, Some(false));
    same(answered("status=\"2xx\""), streams, "answers with a status of 2xx");
    same(tally.count(Count::Http5xx, Some(true)), 0.0, "streams with a status of 5xx");
}

#[test]
fn refused_requests_are_counted_by_their_status() {
    let mut vllm = machine(VLLM, &["http-error=0.25@0s"]);
    let page = at(&mut vllm, 600);
    let of =
        |class: &str| page.value("http_requests_total", &[&format!("handler=\"{API}\""), class]).unwrap();
    let share = of("status=\"5xx\"") / (of("status=\"5xx\"") + of("status=\"2xx\""));
    assert!((0.2..0.3).contains(&share), "{share}");
    let mut sglang = machine(SGLANG, &["http-error=0.25@0s"]);
    let page = at(&mut sglang, 60);
    assert!(page.value("sglang:http_responses_total", &["status_code=\"500\""]).unwrap() > 5.0);
}

/// Out of memory, a restart and a load look alike from outside: no page, then one that has begun anew.
#[test]
fn what_is_down_has_no_page_and_begins_anew() {
    for (fault, said) in [
        ("oom@60s-90s", "CUDA out of memory"),
        ("restart@60s-90s", "it is stopped"),
        ("loading@60s-90s", "it is stopped"),
    ] {
        let mut machine = machine(VLLM, &[fault]);
        let before = at(&mut machine, 59);
        machine.advance(seconds(60));
        assert!(machine.page().is_none() && !machine.is_up(), "{fault}");
        assert!(machine.said().join("\n").contains(said), "{fault}");
        machine.advance(seconds(89));
        assert!(machine.page().is_none(), "{fault}");
        let after = at(&mut machine, 100);
        let started = "process_start_time_seconds";
        same(sum(&after, started) - sum(&before, started), 90.0, fault);
        assert!(
            sum(&after, "vllm:generation_tokens_total") < sum(&before, "vllm:generation_tokens_total"),
            "{fault}"
        );
        assert_eq!(machine.lives(), 2, "{fault}");
    }
    let mut machine = machine(VLLM, &["loading@0s-20s"]);
    machine.advance(seconds(19));
    assert!(machine.page().is_none());
    machine.advance(seconds(21));
    assert!(machine.page().is_some());
}

/// The queue that no gauge shows: first tokens take long, and nothing waits.
#[test]
fn a_slow_front_end_hides_its_queue() {
    let mut machine = machine(VLLM, &["slow-front-end@60s"]);
    let pages = [10, 59, 120, 300].map(|second| at(&mut machine, second));
    let mean = |from: usize, histogram: &str| mean(&pages[from], &pages[from + 1], histogram);
    let (first, queue) = ("vllm:time_to_first_token_seconds", "vllm:request_queue_time_seconds");
    assert!(mean(0, first) < 1.0 && mean(2, first) > 10.0, "{} then {}", mean(0, first), mean(2, first));
    assert!(mean(2, queue) < 0.5, "{}", mean(2, queue));
    assert!(sum(&pages[3], "vllm:num_requests_waiting") < 2.0);
    assert!(machine.tally().unwrap().gauges.in_flight > 50.0);
}

/// vLLM sets its gauges in a step only; `SGLang` sets them once more when it has been idle for a while.
#[test]
fn after_aborts_gauges_are_stale_where_they_are_in_real_engines() {
    let mut vllm = machine(VLLM, &["aborts@60s-10m"]);
    let (before, after) = (at(&mut vllm, 61), at(&mut vllm, 500));
    let name = "vllm:num_requests_running";
    assert!(sum(&before, name) > 0.0, "chance has it that something runs then");
    same(sum(&before, name), sum(&after, name), name);
    same(vllm.tally().unwrap().gauges.in_flight, 0.0, "requests in flight");
    let mut sglang = machine(SGLANG, &["aborts@60s-10m"]);
    let (before, after) = (at(&mut sglang, 61), at(&mut sglang, 100));
    let name = "sglang:num_running_reqs";
    assert!(sum(&before, name) > 0.0 && sum(&after, name) == 0.0);
    assert!(sum(&after, "sglang:num_aborted_requests_total") > 0.0);
}

#[test]
fn a_flood_fills_the_queue_and_never_stands_still() {
    let mut machine = machine(VLLM, &["flood=30@60s"]);
    let mut before = at(&mut machine, 90);
    for second in (120..=300).step_by(30) {
        let page = at(&mut machine, second);
        let steps = "vllm:iteration_tokens_total_count";
        assert!(sum(&page, steps) > sum(&before, steps), "{second}");
        before = page;
    }
    assert!(sum(&before, "vllm:num_requests_waiting") > 100.0);
    assert!(sum(&before, "vllm:num_requests_running") > 55.0, "as many as fit, less those that just ended");
}

#[test]
fn more_requests_than_are_let_in_are_refused_and_counted() {
    let mut machine = machine(VLLM, &["flood=1000@0s", "hang@0s"]);
    let page = at(&mut machine, 10);
    let tally = machine.tally().unwrap();
    same(tally.gauges.in_flight, 5000.0, "requests that are let in");
    let refused = tally.count(Count::Refused, None);
    assert!(refused > 5000.0, "{refused}");
    assert_eq!(
        page.value("vllm:admission_rejections_total", &["reason=\"max_num_queued_reqs\""]),
        Some(refused)
    );
    assert_eq!(page.value("http_requests_total", &["status=\"5xx\""]), Some(refused));
}

/// What vLLM tells when a request ends, `SGLang` tells when it leaves the queue.
#[test]
fn queue_times_move_when_the_real_ones_do() {
    let rises = |release: &str, names: [&str; 2]| {
        let mut machine = machine(release, &["slow-decode=200@60s"]);
        let (before, after) = (at(&mut machine, 70), at(&mut machine, 100));
        names.map(|name| sum(&after, name) - sum(&before, name))
    };
    let vllm = ["vllm:time_to_first_token_seconds_count", "vllm:request_queue_time_seconds_count"];
    let [begun, told] = rises(VLLM, vllm);
    assert!(begun > 20.0 && told < begun / 4.0, "{told} told of {begun}");
    let [told, ended] = rises(SGLANG, ["sglang:queue_time_seconds_count", "sglang:num_requests_total"]);
    assert!(told > 20.0 && ended < told / 4.0, "{told} told, {ended} ended");
}

/// A small cache puts requests back, and never holds more than it has room for.
#[test]
fn a_full_cache_preempts() {
    let mut settings = machine(VLLM, &["flood@0s"]).settings().clone();
    settings.capacity.room = 20_000;
    let mut machine = Machine::new(settings, vec![Fault::of_flag("flood@0s").unwrap()]);
    for second in 1..120 {
        let page = at(&mut machine, second);
        assert!(sum(&page, "vllm:kv_cache_usage_perc") <= 1.0, "{second}");
    }
    assert!(machine.tally().unwrap().count(Count::Preempted, None) > 10.0);
}

/// How often somebody looks changes nothing, and a seed plays the same again.
#[test]
fn the_same_seed_plays_the_same() {
    let page = |steps: u64| {
        let mut machine = machine(VLLM, &["flood@30s-60s", "hang@70s-80s"]);
        for step in 1..=steps {
            machine.advance(seconds(100) * u32::try_from(step).unwrap() / u32::try_from(steps).unwrap());
        }
        machine.page().unwrap()
    };
    assert_eq!(page(1), page(1));
    assert_eq!(page(1), page(997));
}
