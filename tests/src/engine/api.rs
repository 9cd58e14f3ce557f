//! The engine's HTTP: chat completions as `OpenAI`'s clients ask for them, `/metrics`, and `/sim` to break it.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http_body::Frame;
use serde_json::{Value, json};

use super::machine::Event;
use super::play::{Play, Waiting};
use super::request::{Asked, IMAGE_TOKENS};

/// Bytes of a request that are read; an image in it is a few megabytes. More is answered 413.
const MOST_BODY: usize = 16 << 20;
/// Tokens of an answer, when the request does not say how many it would take.
const USUAL_ANSWER: u64 = 64;
/// Tokens that an answer may have, whatever is asked.
const MOST_ANSWER: u64 = 4096;
/// Bytes of a text that make about one token.
const BYTES_OF_TOKEN: usize = 4;

type Engine = State<Arc<Play>>;

/// Everything that is answered.
pub fn router(play: Arc<Play>) -> Router {
    Router::new()
        .route("/health", get(async || StatusCode::OK))
        .route("/metrics", get(metrics))
        .route("/v1/models", get(models))
        .route("/v1/chat/completions", post(chat))
        .route("/sim", get(async |State(play): Engine| json(&play.state())))
        .route("/sim/fault", post(fail))
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .with_state(play)
}

async fn metrics(State(play): Engine) -> Response {
    let Some(page) = play.page() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
}

async fn models(State(play): Engine) -> Response {
    json(
        &json!({ "object": "list", "data": [{ "id": play.model(), "object": "model", "owned_by": "engine-sim (simulated)" }] }),
    )
}

async fn fail(State(play): Engine, body: Bytes) -> Response {
    match play.fail(&body) {
        Ok(()) => json(&play.state()),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}\n")).into_response(),
    }
}

async fn chat(State(play): Engine, body: Bytes) -> Response {
    let Some(asked) = serde_json::from_slice(&body).ok().as_ref().and_then(asked) else {
        return failure(StatusCode::BAD_REQUEST, "the body is no chat completion with `messages`");
    };
    let model = play.model();
    let Some(mut waiting) = play.ask(asked) else {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "the engine does not run");
    };
    if !asked.streams {
        return whole(&model, asked, waiting).await;
    }
    // A stream's status goes out before its first token; what is refused is known by now.
    if let Some(Event::Refused(status)) = waiting.ready() {
        return refused(status);
    }
    let stream = Stream { model, waiting, next: 0, is_over: false };
    ([(header::CONTENT_TYPE, "text/event-stream; charset=utf-8")], Body::new(stream)).into_response()
}

async fn whole(model: &str, asked: Asked, mut waiting: Waiting) -> Response {
    let mut words = String::new();
    let mut made = 0;
    loop {
        let reason = match waiting.next().await {
            Some(Event::Token) => {
                words.push_str(word(made));
                made += 1;
                continue;
            }
            Some(Event::Ended(true)) => "length",
            Some(Event::Ended(false)) => "stop",
            Some(Event::Refused(status)) => return refused(status),
            Some(Event::Broken) | None => {
                return failure(StatusCode::INTERNAL_SERVER_ERROR, "the request broke off");
            }
        };
        return json(&json!({
            "id": "chatcmpl-simulated",
            "object": "chat.completion",
            "model": model,
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": words }, "finish_reason": reason }],
            "usage": { "prompt_tokens": asked.prompt, "completion_tokens": made, "total_tokens": asked.prompt + made },
        }));
    }
}

fn json(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}

/// The words of every answer, over and over.
fn word(number: u64) -> &'static str {
    const WORDS: [&str; 4] = ["This ", "answer ", "is ", "simulated. "];
    WORDS[usize::try_from(number % 4).unwrap_or_default()]
}

fn refused(status: u16) -> Response {
    failure(
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        "the request is refused (simulated)",
    )
}

fn failure(status: StatusCode, message: &str) -> Response {
    (status, json(&error(status, message))).into_response()
}

fn error(status: StatusCode, message: &str) -> Value {
    json!({ "error": { "message": message, "type": "simulated", "code": status.as_u16() } })
}

/// What a chat completion asks; `None` when it is none.
fn asked(body: &Value) -> Option<Asked> {
    let (mut text, mut images) = (0, 0);
    for message in body["messages"].as_array()? {
        match &message["content"] {
            Value::String(content) => text += content.len(),
            Value::Array(parts) => {
                for part in parts {
                    text += part["text"].as_str().map_or(0, str::len);
                    images += u64::from(part["type"] == "image_url");
                }
            }
            _ => {}
        }
    }
    let limit = ["max_completion_tokens", "max_tokens"].iter().find_map(|name| body[*name].as_u64());
    let answer = limit.unwrap_or(USUAL_ANSWER).clamp(1, MOST_ANSWER);
    Some(Asked {
        prompt: (text / BYTES_OF_TOKEN) as u64 + 1 + images * IMAGE_TOKENS,
        cached: 0,
        answer,
        limit: limit.unwrap_or(MOST_ANSWER + 1),
        images,
        known_images: 0,
        streams: body["stream"] == true,
    })
}

/// A streamed answer, as events that a server sends.
#[derive(Debug)]
struct Stream {
    model: String,
    waiting: Waiting,
    next: u64,
    is_over: bool,
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let stream = self.get_mut();
        if stream.is_over {
            return Poll::Ready(None);
        }
        stream.waiting.poll(context).map(|event| {
            let (value, reason) = match event? {
                Event::Token => {
                    stream.next += 1;
                    (stream.chunk(&json!({ "content": word(stream.next - 1) }), &Value::Null), None)
                }
                Event::Ended(is_long) => {
                    (stream.chunk(&json!({}), &json!(if is_long { "length" } else { "stop" })), Some(()))
                }
                Event::Broken | Event::Refused(_) => {
                    (error(StatusCode::INTERNAL_SERVER_ERROR, "the request broke off"), Some(()))
                }
            };
            stream.is_over = reason.is_some();
            let end = if stream.is_over { "data: [DONE]\n\n" } else { "" };
            Some(Ok(Frame::data(Bytes::from(format!("data: {value}\n\n{end}")))))
        })
    }
}

impl Stream {
    fn chunk(&self, delta: &Value, reason: &Value) -> Value {
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": reason });
        json!({ "id": "chatcmpl-simulated", "object": "chat.completion.chunk", "model": self.model, "choices": [choice] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_as_long_as_its_text_and_images() {
        let check = |body: Value, expected: Option<(u64, u64, u64, bool)>| {
            let found = asked(&body).map(|asked| (asked.prompt, asked.images, asked.answer, asked.streams));
            assert_eq!(found, expected, "{body}");
        };
        let image = json!({ "type": "image_url", "image_url": { "url": "data:," } });
        let text = json!({ "type": "text", "text": "12345678" });
        check(json!({ "messages": [{ "content": "12345678" }] }), Some((3, 0, 64, false)));
        check(
            json!({ "messages": [{ "content": [text, image] }], "max_tokens": 1, "stream": true }),
            Some((1103, 1, 1, true)),
        );
        check(json!({ "messages": [], "max_completion_tokens": 1_000_000 }), Some((1, 0, 4096, false)));
        check(json!({ "messages": [], "max_tokens": 0 }), Some((1, 0, 1, false)));
        check(json!({ "prompt": "no chat" }), None);
        check(json!([]), None);
    }
}
