//! An inference engine's server as far as the exporter asks it: its metrics page and its chats.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde_json::{Value, json};
use test_peers::endpoint::{Call, Endpoint, Reply};

const CHAT: &str = "/v1/chat/completions";

/// An engine whose state a test can change.
#[derive(Clone, Default)]
pub(crate) struct StandIn(Arc<Mutex<State>>);

/// How it is.
#[derive(Default)]
pub(crate) struct State {
    /// What its counter of steps shows; each chat is one.
    pub(crate) steps: u64,
    /// Requests that it computes.
    pub(crate) running: u64,
    /// Requests in its queue.
    pub(crate) waiting: u64,
    /// Its counter has moved whenever somebody looks.
    pub(crate) is_flooded: bool,
    /// It answers 500.
    pub(crate) is_broken: bool,
    /// It answers 400 to pictures.
    pub(crate) is_blind: bool,
    /// What it was asked for on its page.
    pub(crate) pages: Vec<Call>,
    /// The chats it was asked for.
    pub(crate) chats: Vec<Call>,
}

impl StandIn {
    /// Serves it.
    pub(crate) fn start(&self) -> Endpoint {
        let stand_in = self.clone();
        Endpoint::start(move |call| {
            let answer = stand_in.with(|state| state.take(call));
            async { answer }
        })
        .expect("a free port")
    }

    /// Looks at it, or changes it.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().expect("no test has panicked"))
    }
}

impl State {
    fn take(&mut self, call: Call) -> Reply {
        let answer = self.answer(&call);
        if call.path == CHAT {
            self.chats.push(call);
        } else {
            self.pages.push(call);
        }
        answer
    }

    fn answer(&mut self, call: &Call) -> Reply {
        let is_chat = call.path == CHAT;
        if self.is_broken {
            return Reply::html(StatusCode::INTERNAL_SERVER_ERROR, "");
        }
        if is_chat || self.is_flooded {
            self.steps += 1;
        }
        if is_chat { self.chat(call) } else { self.page() }
    }

    fn page(&self) -> Reply {
        let (steps, running, waiting) = (self.steps, self.running, self.waiting);
        let page = format!(
            "vllm:num_requests_running{{engine=\"0\",model_name=\"qwen\"}} {running}.0\n\
             vllm:num_requests_waiting{{engine=\"0\",model_name=\"qwen\"}} {waiting}.0\n\
             vllm:iteration_tokens_total_count{{engine=\"0\",model_name=\"qwen\"}} {steps}.0\n"
        );
        Reply::html(StatusCode::OK, page)
    }

    fn chat(&self, call: &Call) -> Reply {
        let question: Value = serde_json::from_slice(&call.body).expect("JSON");
        if self.is_blind && question["messages"][0]["content"].is_array() {
            let error = json!({ "error": { "message": "qwen is not a multimodal model" } });
            return Reply::html(StatusCode::BAD_REQUEST, error.to_string());
        }
        let choice = json!({ "index": 0, "message": { "role": "assistant", "content": "Yes" }, "finish_reason": "length" });
        Reply::json(json!({ "model": question["model"], "choices": [choice] }).to_string())
    }
}
