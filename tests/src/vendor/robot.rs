//! What the chat vendors' endpoints share: serving calls, a record of every one, and faults on order.
//!
//! Leaves out which call is good: that is each vendor's `judge`.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::wait::until;

/// Nothing a relay may send is near this; more is cut off and answered as too large by the judge.
const READ_LIMIT: usize = 1 << 20;

/// One call, as it came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it was complete.
    pub at: SystemTime,
    /// The HTTP method.
    pub method: Method,
    /// The decoded query.
    pub query: BTreeMap<String, String>,
    /// `Content-Type`, or the empty string.
    pub content_type: String,
    /// The body's bytes, which are what the vendors count.
    pub body: Bytes,
}

/// What a vendor makes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message stands in the chat.
    Posted(Post),
    /// Nobody sees anything; the caller is told this code and text, with HTTP status 200.
    Refused(i64, String),
}

/// A message as the chat's members see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The line in the list of conversations, where the vendor has one.
    pub title: Option<String>,
    /// The text, in the vendor's markup.
    pub text: String,
    /// Whose phones ring: user ids and numbers, or `@all`.
    pub mentions: Vec<String>,
}

/// What goes wrong with a call, on order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The answer comes this late; a caller who has gone by then has posted nothing.
    Slow(Duration),
    /// A gateway's page instead of an answer, with status 200.
    Html,
    /// An answer without the code field (`DingTalk`'s gateway throttle).
    NoCode,
    /// An HTTP error.
    Status(StatusCode),
    /// This code and text.
    Code(i64, String),
}

/// One call and what became of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What was called.
    pub call: Call,
    /// When it was judged; for rates.
    pub judged: Instant,
    /// What went wrong on order; such a call reaches the judge only with [`Fault::Slow`].
    pub fault: Option<Fault>,
    /// The vendor's judgement, if it came to one.
    pub verdict: Option<Verdict>,
}

type Judge = Box<dyn Fn(&Call, Instant) -> Verdict + Send + Sync>;

/// A robot's endpoint on a loopback port. Stops with this value.
pub struct Robot {
    address: SocketAddr,
    desk: Arc<Desk>,
    server: JoinHandle<()>,
}

struct Desk {
    judge: Judge,
    attempts: Mutex<Vec<Attempt>>,
    faults: Mutex<VecDeque<Fault>>,
    /// Calls pass while this holds `true`.
    open: watch::Sender<bool>,
    /// How many calls stand before the closed gate.
    held: watch::Sender<usize>,
}

impl Robot {
    /// Serves `path` on a free port; any other is 404 and reaches nobody.
    pub(crate) async fn start(
        path: &str,
        judge: impl Fn(&Call, Instant) -> Verdict + Send + Sync + 'static,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("failed to listen on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let desk = Arc::new(Desk {
            judge: Box::new(judge),
            attempts: Mutex::default(),
            faults: Mutex::default(),
            open: watch::Sender::new(true),
            held: watch::Sender::new(0),
        });
        let router = Router::new().route(path, any(answer)).with_state(Arc::clone(&desk));
        let server = tokio::spawn(async move {
            // Runs until it is aborted; what goes wrong with one connection ends that connection.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { address, desk, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Orders a fault for the next call that has none yet.
    pub fn order(&self, fault: Fault) {
        lock(&self.desk.faults).push_back(fault);
    }

    /// From now on calls are held unanswered.
    pub fn close_gate(&self) {
        self.desk.open.send_replace(false);
    }

    /// Lets the held calls pass, and all later ones.
    pub fn open_gate(&self) {
        self.desk.open.send_replace(true);
    }

    /// Waits until a call is being held.
    pub async fn holds_a_call(&self, limit: Duration) -> Result<()> {
        let mut held = self.desk.held.subscribe();
        let waiting = held.wait_for(|count| *count > 0);
        tokio::time::timeout(limit, waiting)
            .await
            .with_context(|| format!("no call came within {limit:?}"))??;
        Ok(())
    }

    /// Waits until no call is being held: those whose callers were killed are gone too.
    pub async fn holds_no_call(&self, limit: Duration) -> Result<()> {
        let mut held = self.desk.held.subscribe();
        let leaving = held.wait_for(|count| *count == 0);
        tokio::time::timeout(limit, leaving)
            .await
            .with_context(|| format!("a call was held for {limit:?}"))??;
        Ok(())
    }

    /// Every call so far, in the order of judgement.
    pub fn attempts(&self) -> Vec<Attempt> {
        lock(&self.desk.attempts).clone()
    }

    /// The chat as its members see it.
    pub fn posts(&self) -> Vec<Post> {
        let posted = |attempt: &Attempt| match &attempt.verdict {
            Some(Verdict::Posted(post)) => Some(post.clone()),
            _ => None,
        };
        lock(&self.desk.attempts).iter().filter_map(posted).collect()
    }

    /// The codes and texts of every refusal the vendor itself decided on, faults on order aside.
    pub fn refusals(&self) -> Vec<(i64, String)> {
        let refused = |attempt: &Attempt| match &attempt.verdict {
            Some(Verdict::Refused(code, text)) => Some((*code, text.clone())),
            _ => None,
        };
        lock(&self.desk.attempts).iter().filter_map(refused).collect()
    }

    /// Waits for a post whose text contains all of `words`.
    pub async fn post_with(&self, words: &[&str], limit: Duration) -> Result<Post> {
        let found =
            || self.posts().into_iter().find(|post| words.iter().all(|word| post.text.contains(word)));
        until(&format!("a message with {words:?}"), limit, async || found())
            .await
            .with_context(|| format!("calls so far: {:#?}", self.attempts()))
    }
}

impl Drop for Robot {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(desk): State<Arc<Desk>>,
    Query(query): Query<BTreeMap<String, String>>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, READ_LIMIT).await else { return plain(StatusCode::PAYLOAD_TOO_LARGE, "") };
    let content_type =
        head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let call = Call {
        at: SystemTime::now(),
        method: head.method,
        query,
        content_type: content_type.to_owned(),
        body,
    };
    desk.pass_gate().await;
    let fault = lock(&desk.faults).pop_front();
    if let Some(Fault::Slow(delay)) = fault {
        tokio::time::sleep(delay).await;
    }
    let judged = Instant::now();
    let reaches_the_judge = matches!(fault, None | Some(Fault::Slow(_)));
    let verdict = reaches_the_judge.then(|| (desk.judge)(&call, judged));
    let reply = match (&fault, &verdict) {
        (Some(Fault::Html), _) => {
            plain(StatusCode::OK, "<html><body><h1>Too many requests</h1></body></html>")
        }
        (Some(Fault::NoCode), _) => json_reply(
            &json!({"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "0b51c5f5"}),
        ),
        (Some(Fault::Status(status)), _) => plain(*status, ""),
        (Some(Fault::Code(code, text)), _) | (_, Some(Verdict::Refused(code, text))) => {
            json_reply(&json!({"errcode": code, "errmsg": text}))
        }
        (_, _) => json_reply(&json!({"errcode": 0, "errmsg": "ok"})),
    };
    lock(&desk.attempts).push(Attempt { call, judged, fault, verdict });
    reply
}

impl Desk {
    async fn pass_gate(&self) {
        let mut open = self.open.subscribe();
        if *open.borrow() {
            return;
        }
        let _standing = Standing::before(&self.held);
        // The sender lives in the desk, which lives as long as this call: the gate cannot vanish.
        let _ = open.wait_for(|open| *open).await;
    }
}

/// Counts one held call as long as it stands there, its caller's hanging up included.
struct Standing<'gate>(&'gate watch::Sender<usize>);

impl<'gate> Standing<'gate> {
    fn before(held: &'gate watch::Sender<usize>) -> Self {
        held.send_modify(|count| *count += 1);
        Self(held)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

fn json_reply(body: &Value) -> Response {
    reply(StatusCode::OK, "application/json", body.to_string())
}

fn plain(status: StatusCode, body: &str) -> Response {
    reply(status, "text/html; charset=utf-8", body.to_owned())
}

fn reply(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let mut reply = Response::new(Body::from(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    reply
}

/// A record that a panicking test left behind is still a record.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_vendors_own_path_reaches_the_robot() {
        let post = Post { title: None, text: "x".to_owned(), mentions: Vec::new() };
        let robot = Robot::start("/robot/send", move |_, _| Verdict::Posted(post.clone())).await.unwrap();
        let client = crate::http::client().unwrap();
        for (path, status) in [("/robot/send?a=b", StatusCode::OK), ("/robot/sent", StatusCode::NOT_FOUND)] {
            let reply = client.post(format!("http://{}{path}", robot.address())).send().await.unwrap();
            assert_eq!(reply.status(), status, "{path}");
        }
        assert_eq!(robot.posts().len(), 1);
    }
}
