//! `engine-sim` as a program: what it answers, how it fails, and what its processes are called.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use e2e::http;
use e2e::process::{Launch, Process};
use e2e::wait::until;
use serde_json::{Value, json};
use test_peers::client::{Answer, request};
use test_peers::page::Page;

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_mins(1);
/// As cargo has built it for this test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_engine-sim");
const CHAT: &str = "/v1/chat/completions";

/// A simulated engine that runs.
struct Engine {
    process: Process,
    address: SocketAddr,
    _data: tempfile::TempDir,
}

impl Engine {
    async fn start(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().unwrap();
        let launch = Launch::new("engine-sim", Path::new(PROGRAM)).arg("--listen=127.0.0.1:0");
        let process = flags.iter().fold(launch, Launch::arg).start(data.path()).unwrap();
        let address = until("its address", LIMIT, async || {
            let output = process.output();
            let (_, rest) = output.split_once("at http://")?;
            rest.split(": ").next()?.parse().ok()
        });
        let address = address.await.unwrap();
        Self { process, address, _data: data }
    }

    async fn up(flags: &[&str]) -> Self {
        let mut engine = Self::start(flags).await;
        let url = format!("http://{}/health", engine.address);
        engine.process.ready(&http::client().unwrap(), &url, LIMIT).await.unwrap();
        engine
    }

    fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, &[], b"")
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        request(self.address, "POST", path, &["Content-Type: application/json"], body.to_string().as_bytes())
    }

    fn page(&self) -> Page {
        Page(self.get("/metrics").body)
    }

    fn state(&self) -> Value {
        serde_json::from_str(&self.get("/sim").body).unwrap()
    }

    fn listens(&self) -> bool {
        TcpStream::connect(self.address).is_ok()
    }

    /// How often it has said this.
    fn said(&self, words: &str) -> usize {
        self.process.output().matches(words).count()
    }

    /// The title of each process, by the kernel.
    fn titles(&self) -> Vec<String> {
        let state = self.state();
        let children =
            state["processes"].as_array().unwrap().iter().map(|child| child["pid"].as_u64().unwrap());
        let pids = std::iter::once(u64::from(self.process.pid())).chain(children);
        pids.map(|pid| {
            let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap();
            String::from_utf8_lossy(line.split(|byte| *byte == 0).next().unwrap()).into_owned()
        })
        .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_answers_as_an_engine_does() {
    let engine = Engine::up(&["--release=vllm-0.33.0", "--rate=0", "--model=a-model"]).await;
    assert!(engine.get("/v1/models").body.contains("\"a-model\""));
    let question = json!({ "role": "user", "content": "what is this?" });
    let body = json!({ "model": "a-model", "messages": [question], "max_tokens": 3 });
    let answer = engine.post(CHAT, &body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["choices"][0]["message"]["content"], "This answer is ");
    assert_eq!(
        (&answer["choices"][0]["finish_reason"], &answer["usage"]["completion_tokens"]),
        (&json!("length"), &json!(3))
    );

    let body = json!({ "model": "a-model", "messages": [question], "stream": true, "max_tokens": 2 });
    let stream = engine.post(CHAT, &body);
    assert_eq!(stream.status, 200);
    let events: Vec<&str> = stream.body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!((events.len(), events.last()), (4, Some(&"[DONE]")), "{}", stream.body);
    assert_eq!(engine.post(CHAT, &json!({ "prompt": "no chat" })).status, 400);
    let large = request(engine.address, "POST", CHAT, &[], &vec![b' '; (16 << 20) + 1]);
    assert_eq!(large.status, 413);

    let page = engine.page();
    let of = |name: &str, labels: &[&str]| page.value(name, labels);
    assert_eq!(
        of("vllm:request_success_total", &["finished_reason=\"length\"", "model_name=\"a-model\""]),
        Some(2.0)
    );
    assert_eq!(of("vllm:generation_tokens_total", &[]), Some(5.0));
    assert_eq!(of("http_requests_total", &["status=\"2xx\""]), Some(2.0));
    assert_eq!(of("vllm:num_requests_running", &[]), Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_begins_and_ends_by_a_call() {
    let engine = Engine::up(&["--rate=0"]).await;
    let question = json!({ "messages": [{ "role": "user", "content": "" }] });
    let bad = engine.post("/sim/fault", &json!({ "kind": "hung" }));
    assert!(bad.status == 400 && bad.body.contains("`hung` is no kind of fault"), "{}", bad.body);

    assert_eq!(engine.post("/sim/fault", &json!({ "kind": "http-error", "strength": 1 })).status, 200);
    assert_eq!(engine.post(CHAT, &question).status, 500);
    assert!(engine.page().says("engine_sim_info", &["faults=\"http-error\""], 1.0));
    engine.post("/sim/fault", &json!({ "kind": "none" }));
    assert_eq!(engine.post(CHAT, &question).status, 200);

    engine.post("/sim/fault", &json!({ "kind": "stream-error", "strength": 1 }));
    let mut streamed = question.clone();
    streamed["stream"] = json!(true);
    let broken = engine.post(CHAT, &streamed);
    assert_eq!(broken.status, 200);
    assert!(broken.body.contains("\"error\"") && broken.body.contains("data: [DONE]"), "{}", broken.body);
    assert_eq!(engine.post(CHAT, &question).status, 500);
}

/// A client that goes away takes its request along.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_aborts_its_request() {
    let engine = Engine::up(&["--release=sglang-0.5.23", "--rate=0"]).await;
    engine.post("/sim/fault", &json!({ "kind": "hang" }));
    let client = http::client().unwrap();
    let url = format!("http://{}{CHAT}", engine.address);
    let body = json!({ "messages": [{ "role": "user", "content": "" }] }).to_string();
    let asking = tokio::spawn(client.post(url).body(body).send());
    let active = async |number: f64| {
        let seen = until("the number of requests", LIMIT, async || {
            let found =
                engine.page().value("sglang:http_requests_active", &[&format!("endpoint=\"{CHAT}\"")]);
            (found == Some(number)).then_some(())
        });
        seen.await.unwrap();
    };
    active(1.0).await;
    asking.abort();
    active(0.0).await;
    assert_eq!(engine.page().value("sglang:num_aborted_requests_total", &[]), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_loads_nobody_listens_and_after_it_died_it_is_another() {
    let engine = Engine::start(&["--rate=0", "--fault=loading@0s-2s"]).await;
    until("it to have loaded", LIMIT, async || {
        // It says so before it listens.
        let listens = engine.listens();
        let has_loaded = engine.said("the engine serves") > 0;
        assert!(has_loaded || !listens, "it must not listen yet");
        has_loaded.then_some(())
    })
    .await
    .unwrap();
    // Waits for another life of it. Whether nobody was seen to listen before.
    let comes_to_life = async |life: usize| {
        let mut has_nobody_listened = false;
        until("another life", LIMIT, async || {
            has_nobody_listened |= !engine.listens();
            (engine.said("listening on http://") >= life).then_some(())
        })
        .await
        .unwrap();
        has_nobody_listened
    };
    comes_to_life(1).await;
    assert_eq!(engine.titles(), ["VLLM::APIServer", "VLLM::EngineCore_0"]);
    // A machine that is too busy to look while it is dead gets another try.
    for life in 2..7 {
        let before = engine.state();
        engine.post("/sim/fault", &json!({ "kind": "oom", "for": "2s" }));
        let has_nobody_listened = comes_to_life(life).await;
        let after = engine.state();
        assert_ne!(before["processes"], after["processes"]);
        assert_eq!((&after["lives"], &after["faults"]), (&json!(life), &json!([])));
        assert_eq!(engine.said("CUDA out of memory"), life - 1);
        if has_nobody_listened {
            return;
        }
    }
    panic!("somebody always listens: {}", engine.process.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn its_processes_have_the_titles_of_real_ones_and_end_with_it() {
    let engine = Engine::up(&["--release=sglang-0.5.23", "--rate=0"]).await;
    assert_eq!(
        engine.titles(),
        ["sglang::tokenizer_worker:0", "sglang::scheduler_TP0", "sglang::detokenizer"]
    );
    let child = engine.state()["processes"][0]["pid"].as_u64().unwrap();
    // As `kill -9` would: it has no time to end its children.
    drop(engine);
    let gone = async || (!Path::new(&format!("/proc/{child}")).exists()).then_some(());
    until("its child to end", LIMIT, gone).await.unwrap();
}

#[test]
fn a_mistake_in_the_flags_is_said() {
    let run = |flags: &[&str]| {
        let output = std::process::Command::new(PROGRAM).args(flags).output().unwrap();
        assert!(!output.status.success(), "{flags:?}");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    for (flag, said) in [
        ("--fault=hung", "`hung` is no kind of fault"),
        ("--images=2", "--images is a share from 0 to 1, not 2"),
        ("--kv-tokens=0", "--kv-tokens is 1 to 2^40 tokens, not 0"),
        ("--release=vllm-1.0", "vllm-0.33.0"),
        ("--timetable=not-there.yml", "failed to read not-there.yml"),
    ] {
        let output = run(&[flag]);
        assert!(output.contains(said), "{flag}: {output}");
    }
}
