//! Canaries: that an engine which shows no sign of life is asked for one, and one that has work never.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};
use test_peers::endpoint::Endpoint;

use crate::engine_stand_in::StandIn;
use crate::exporter::{Exporter, Page};

/// An engine with its label.
struct Engine {
    stand_in: StandIn,
    server: Endpoint,
}

impl Engine {
    fn new(set: impl FnOnce(&mut crate::engine_stand_in::State)) -> Self {
        let stand_in = StandIn::default();
        stand_in.with(set);
        let server = stand_in.start();
        Self { stand_in, server }
    }

    fn flag(&self) -> String {
        format!("--engine.page=http://{}", self.server.address())
    }

    fn counted(&self, page: &Page, kind: &str, result: &str) -> Option<f64> {
        let of = format!("page=\"http://{}", self.server.address());
        let labels = [of, format!("kind=\"{kind}\""), format!("result=\"{result}\"")];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        page.value("gpu_engine_canaries_total", &labels)
    }
}

#[test]
fn only_an_engine_without_a_sign_of_life_is_asked_and_a_flooded_one_never() {
    let idle = Engine::new(|_| {});
    let blind = Engine::new(|state| (state.is_blind, state.running) = (true, 1));
    let flooded = Engine::new(|state| (state.is_flooded, state.running) = (true, 5));
    let queued = Engine::new(|state| state.waiting = 1);
    let key = tempfile::NamedTempFile::new().expect("a file");
    fs::write(key.path(), "sk-hidden\n").expect("writable");
    let key = format!("--engine.canary.api-key-file={}", key.path().display());
    let pages = [&idle, &blind, &flooded, &queued].map(Engine::flag);
    let mut flags = vec!["--no-collector.gpu", "--engine.canary", "--engine.canary.quiet=5s", &key];
    flags.extend(pages.iter().map(String::as_str));
    let exporter = Exporter::with_flags(&flags);

    // They are there from the start.
    let page = exporter.scrape();
    for engine in [&idle, &flooded] {
        assert_eq!(engine.counted(&page, "image", "unreachable"), Some(0.0));
    }
    // One is sent each five seconds.
    let page =
        exporter.wait_for(Duration::from_mins(2), "both kinds were sent to the two that are quiet", |page| {
            idle.counted(page, "text", "right") >= Some(1.0)
                && idle.counted(page, "image", "right") >= Some(1.0)
                && blind.counted(page, "text", "right") >= Some(1.0)
                && blind.counted(page, "image", "refused") >= Some(1.0)
        });
    for engine in [&flooded, &queued] {
        assert_eq!(engine.stand_in.with(|state| state.chats.len()), 0, "{}", exporter.log());
        // It was looked at as long as the others.
        assert!(engine.stand_in.with(|state| state.pages.len()) >= 3);
    }
    let of = |engine: &Engine| format!("page=\"http://{}", engine.server.address());
    let up = |engine: &Engine, kind| page.value("gpu_engine_canary_up", &[&of(engine), kind]);
    assert_eq!(up(&idle, r#"kind="text""#), Some(1.0));
    assert_eq!(up(&idle, r#"kind="image""#), Some(1.0));
    assert_eq!(up(&blind, r#"kind="image""#), None);
    let took = page.value("gpu_engine_canary_duration_seconds", &[&of(&idle), r#"kind="text""#]);
    assert!(took > Some(0.0), "{took:?}");
    assert!(page.value("gpu_engine_canary_timestamp_seconds", &[&of(&idle), r#"kind="text""#]) > Some(1.7e9));
    exporter
        .wait_for_log("canary (image): the engine answers with status 400: `qwen is not a multimodal model`");

    let chat = idle.stand_in.with(|state| state.chats[0].clone());
    assert_eq!(chat.headers["authorization"], "Bearer sk-hidden");
    let question: Value = serde_json::from_slice(&chat.body).expect("JSON");
    assert_eq!((&question["model"], &question["max_tokens"]), (&json!("qwen"), &json!(1)));
    assert!(!exporter.log().contains("sk-hidden"));
}

#[test]
fn a_key_that_cannot_be_read_ends_the_start() {
    let flags = ["--no-collector.gpu", "--engine.page=http://127.0.0.1:1", "--engine.canary"];
    let key = "--engine.canary.api-key-file=/nonexistent/key";
    let (code, told) = crate::exporter::refused(&[&flags[..], &[key]].concat());
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("--engine.canary.api-key-file: /nonexistent/key: No such file"), "{told}");
    let (code, told) = crate::exporter::check_flags(&[&flags[..], &[key]].concat());
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("missing  engine       --engine.canary.api-key-file: /nonexistent/key"), "{told}");
}

#[test]
fn the_check_asks_an_idle_engine_alone() {
    let busy = Engine::new(|state| state.running = 1);
    let (_, told) = crate::exporter::check_flags(&["--no-collector.gpu", "--engine.canary", &busy.flag()]);
    assert!(told.contains("no canary is sent: it does not say that it is idle"), "{told}");
    assert_eq!(busy.stand_in.with(|state| state.chats.len()), 0);
    let idle = Engine::new(|_| {});
    let (code, told) = crate::exporter::check_flags(&["--no-collector.gpu", "--engine.canary", &idle.flag()]);
    assert!(told.contains("canary (text): the engine answers, after "), "{told}");
    assert_eq!(code, Some(0));
}
