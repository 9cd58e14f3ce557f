use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn read(page: &str) -> Reading {
    let mut reader = PageReader::default();
    reader.take(page.as_bytes()).unwrap();
    reader.end()
}

/// As vLLM 0.33 writes it, with two ranks; most of what is on such a page is left out.
const VLLM: &str = r#"# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="Qwen/Qwen3-VL-8B-Instruct"} 3.0
vllm:num_requests_running{engine="1",model_name="Qwen/Qwen3-VL-8B-Instruct"} 2.0
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{engine="0",model_name="Qwen/Qwen3-VL-8B-Instruct"} 0.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="Qwen/Qwen3-VL-8B-Instruct",reason="capacity"} 7.0
# TYPE vllm:prompt_tokens counter
vllm:prompt_tokens_total{engine="0",model_name="Qwen/Qwen3-VL-8B-Instruct"} 120.0
vllm:prompt_tokens_created{engine="0",model_name="Qwen/Qwen3-VL-8B-Instruct"} 1.7e+09
vllm:generation_tokens_total{engine="0",model_name="Qwen/Qwen3-VL-8B-Instruct"} 12.0
vllm:iteration_tokens_total_bucket{engine="0",le="1.0",model_name="Qwen/Qwen3-VL-8B-Instruct"} 40.0
vllm:iteration_tokens_total_count{engine="0",model_name="Qwen/Qwen3-VL-8B-Instruct"} 41.0
vllm:iteration_tokens_total_count{engine="1",model_name="Qwen/Qwen3-VL-8B-Instruct"} 1.0
"#;

/// As `SGLang` 0.5.16 writes it with priorities.
const SGLANG: &str = r#"# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{engine_type="unified",model_name="qwen",moe_ep_rank="0",pp_rank="0",priority="",tp_rank="0"} 4.0
sglang:num_running_reqs{engine_type="unified",model_name="qwen",moe_ep_rank="0",pp_rank="0",priority="5",tp_rank="0"} 4.0
sglang:num_queue_reqs{engine_type="unified",model_name="qwen",moe_ep_rank="0",pp_rank="0",priority="",tp_rank="0"} 1.0
sglang:realtime_tokens_total{mode="prefill_compute",model_name="qwen"} 100.0
sglang:realtime_tokens_total{mode="decode",model_name="qwen"} 10.0
sglang:inter_token_latency_seconds_count{model_name="qwen"} 9.0
sglang:generation_tokens_total{model_name="qwen"} 8.0
sglang:prompt_tokens_total{model_name="qwen"} 90.0
"#;

#[test]
fn both_engines_are_known_by_their_series() {
    let models = vec![(Engine::Vllm, "Qwen/Qwen3-VL-8B-Instruct".to_owned())];
    let vllm = Reading {
        models,
        counters: [Some(42.0), Some(12.0), Some(120.0), None, None, None, None],
        running: Some(5.0),
        waiting: Some(0.0),
        left_out: LeftOut::default(),
    };
    assert_eq!(read(VLLM), vllm);
    // Behind Ray Serve.
    assert_eq!(read(&VLLM.replace("vllm:", "ray_vllm:")), vllm);
    let sglang = Reading {
        models: vec![(Engine::Sglang, "qwen".to_owned())],
        counters: [None, None, None, Some(110.0), Some(9.0), Some(8.0), Some(90.0)],
        running: Some(4.0),
        waiting: Some(1.0),
        left_out: LeftOut::default(),
    };
    assert_eq!(read(SGLANG), sglang);
}

/// `tests/engines/README.md` says how these pages were made: by the code of each release.
#[test]
fn the_page_of_each_release_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/engines");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let pages: Vec<_> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "prom")).collect();
    assert!(pages.len() >= 16, "{pages:?}");
    for path in pages {
        let (name, page) =
            (path.file_name().unwrap().to_str().unwrap(), std::fs::read_to_string(&path).unwrap());
        let reading = read(&page);
        let (engine, counters) = match name.split_once('-').unwrap().0 {
            "vllm" => (Engine::Vllm, 0..3),
            _ => (Engine::Sglang, 3..7),
        };
        assert_eq!(reading.models, [(engine, "Qwen/Qwen3-VL-8B-Instruct".to_owned())], "{name}");
        assert!(reading.running >= Some(2.0) && reading.waiting >= Some(1.0), "{name}: {reading:?}");
        // The first of SGLang's came with 0.5.8.
        let is_older = ["0.4.", "0.5.2.", "0.5.6."].iter().any(|version| name.contains(version));
        for number in counters {
            let is_there = reading.counters[number].is_some_and(|counter| counter > 0.0);
            assert_eq!(is_there, !(number == 3 && is_older), "{name}: counter {number}");
        }
        assert_eq!(reading.left_out, LeftOut::default(), "{name}");
    }
}

#[test]
fn a_page_of_something_else_says_nothing() {
    for page in ["", "node_load1 1\n", "<html></html>", "vllm:\n", "vllm:num_requests_runningx 1\n"] {
        assert_eq!(read(page), Reading::default(), "{page}");
    }
}

#[test]
fn what_is_no_sample_is_counted() {
    let page = "vllm:num_requests_running\nvllm:num_requests_running{a=} 1\nvllm:num_requests_waiting NaN\n\
        vllm:num_requests_waiting -1\nvllm:num_requests_waiting 2\n";
    let reading = read(page);
    assert_eq!((reading.left_out.odd_lines, reading.running, reading.waiting), (4, None, Some(2.0)));
}

#[test]
fn what_is_kept_is_bounded() {
    let mut page = String::new();
    for number in 0..20 {
        writeln!(page, "vllm:num_requests_running{{model_name=\"m{number}\"}} 1").unwrap();
    }
    writeln!(page, "vllm:num_requests_running{{model_name=\"{}\"}} 1", "n".repeat(5000)).unwrap();
    writeln!(page, "vllm:num_requests_waiting{{x=\"{}\"}} 1", "n".repeat(LONGEST_LINE)).unwrap();
    // The last line has no end.
    page.push_str("vllm:num_requests_waiting 1");
    let reading = read(&page);
    assert_eq!(reading.models.len(), MOST_MODELS);
    assert_eq!(reading.left_out, LeftOut { long_lines: 1, odd_lines: 0, models: 6 });
    // Their numbers count all the same.
    assert_eq!((reading.running, reading.waiting), (Some(21.0), Some(1.0)));
}

#[test]
fn a_page_without_an_end_is_not_read_to_it() {
    let take = |piece: &[u8], times: u64| {
        let mut reader = PageReader::default();
        (0..times).try_for_each(|_| reader.take(piece)).map(|()| reader.line.capacity())
    };
    assert_eq!(take(&vec![b'x'; 1 << 16], 129), Err(TooMuch::Bytes));
    assert_eq!(take(b"\n\n\n\n\n\n\n\n\n\n", 10_001), Err(TooMuch::Lines));
    assert!(take(&[b'x'; 1 << 10], 8_000).unwrap() <= 2 * LONGEST_LINE);
}

proptest! {
    #[test]
    fn any_pieces_of_a_page_say_the_same(cuts in prop::collection::vec(1_usize..200, 0..20)) {
        let page = [VLLM, SGLANG].concat();
        let (mut reader, mut rest) = (PageReader::default(), page.as_bytes());
        for cut in cuts {
            let (piece, behind) = rest.split_at(cut.min(rest.len()));
            reader.take(piece).unwrap();
            rest = behind;
        }
        reader.take(rest).unwrap();
        prop_assert_eq!(reader.end(), read(&page));
    }

    #[test]
    fn no_bytes_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..10)) {
        let mut reader = PageReader::default();
        for piece in pieces {
            reader.take(&piece).unwrap();
        }
        prop_assert!(reader.end().models.len() <= MOST_MODELS);
    }

    #[test]
    fn a_damaged_page_does_not_panic(at in 0_usize..1500, bytes in prop::collection::vec(any::<u8>(), 1..9)) {
        let mut page = [VLLM, SGLANG].concat().into_bytes();
        let at = at.min(page.len());
        page.splice(at..(at + bytes.len()).min(page.len()), bytes);
        let mut reader = PageReader::default();
        reader.take(&page).unwrap();
        let reading = reader.end();
        prop_assert!(reading.running.is_none_or(|running| running >= 0.0));
    }
}
