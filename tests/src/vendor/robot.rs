//! What the chat vendors' endpoints share: serving calls, a record of every one, and faults on order.
//!
//! Leaves out which call is good: that is each vendor's `judge`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use http::StatusCode;
use serde_json::json;
use test_peers::endpoint::{Call, Endpoint, Reply};
use tokio::sync::watch;

use crate::wait::until;

/// What a vendor makes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The message stands in the chat.
    Posted(Post),
    /// Nothing is posted; the caller is answered this code and text, with HTTP status 200.
    Refused(i64, String),
}

/// A message as the chat's members see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// The line in the list of conversations, where the vendor has one.
    pub title: Option<String>,
    /// The text, in the vendor's markup.
    pub text: String,
    /// Who is notified: user ids and numbers, or `@all`.
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
    /// The message is posted, and the answer is an HTTP error.
    PostedBut(StatusCode),
}

/// One call and what became of it.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What was called.
    pub call: Call,
    /// When it was judged; for rates.
    pub judged: Instant,
    /// What went wrong on order; such a call reaches the judge only with [`Fault::Slow`] and [`Fault::PostedBut`].
    pub fault: Option<Fault>,
    /// The vendor's judgement, if it came to one.
    pub verdict: Option<Verdict>,
}

type Judge = Box<dyn Fn(&Call, Instant) -> Verdict + Send + Sync>;

/// A robot's endpoint on a loopback port. Stops with this value.
pub struct Robot {
    endpoint: Endpoint,
    state: Arc<State>,
}

struct State {
    path: String,
    judge: Judge,
    attempts: Mutex<Vec<Attempt>>,
    faults: Mutex<VecDeque<Fault>>,
    /// Calls are answered while this is `true`.
    open: watch::Sender<bool>,
    /// How many calls are held.
    held: watch::Sender<usize>,
}

impl Robot {
    /// Serves `path` on a free port; any other is 404 and reaches nobody.
    pub(crate) fn start(
        path: &str,
        judge: impl Fn(&Call, Instant) -> Verdict + Send + Sync + 'static,
    ) -> Result<Self> {
        let state = Arc::new(State {
            path: path.to_owned(),
            judge: Box::new(judge),
            attempts: Mutex::default(),
            faults: Mutex::default(),
            open: watch::Sender::new(true),
            held: watch::Sender::new(0),
        });
        let endpoint = Endpoint::start({
            let state = Arc::clone(&state);
            move |call| {
                let state = Arc::clone(&state);
                async move { state.answer(call).await }
            }
        })
        .context("failed to listen on 127.0.0.1")?;
        Ok(Self { endpoint, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }

    /// Orders a fault for the next call that has none yet.
    pub fn order(&self, fault: Fault) {
        lock(&self.state.faults).push_back(fault);
    }

    /// From now on calls are held: they are not answered.
    pub fn hold_calls(&self) {
        self.state.open.send_replace(false);
    }

    /// Answers the held calls, and all later ones at once.
    pub fn release_calls(&self) {
        self.state.open.send_replace(true);
    }

    /// Waits until a call is being held.
    pub async fn holds_a_call(&self, limit: Duration) -> Result<()> {
        let mut held = self.state.held.subscribe();
        let waiting = held.wait_for(|count| *count > 0);
        tokio::time::timeout(limit, waiting)
            .await
            .with_context(|| format!("no call came within {limit:?}"))??;
        Ok(())
    }

    /// Waits until no call is being held: those whose callers were killed are gone too.
    pub async fn holds_no_call(&self, limit: Duration) -> Result<()> {
        let mut held = self.state.held.subscribe();
        let leaving = held.wait_for(|count| *count == 0);
        tokio::time::timeout(limit, leaving)
            .await
            .with_context(|| format!("a call was held for {limit:?}"))??;
        Ok(())
    }

    /// Every call so far, in the order of judgement.
    pub fn attempts(&self) -> Vec<Attempt> {
        lock(&self.state.attempts).clone()
    }

    /// The chat as its members see it.
    pub fn posts(&self) -> Vec<Post> {
        let posted = |attempt: &Attempt| match &attempt.verdict {
            Some(Verdict::Posted(post)) => Some(post.clone()),
            _ => None,
        };
        lock(&self.state.attempts).iter().filter_map(posted).collect()
    }

    /// The codes and texts of every refusal the vendor itself decided on, faults on order aside.
    pub fn refusals(&self) -> Vec<(i64, String)> {
        let refused = |attempt: &Attempt| match &attempt.verdict {
            Some(Verdict::Refused(code, text)) => Some((*code, text.clone())),
            _ => None,
        };
        lock(&self.state.attempts).iter().filter_map(refused).collect()
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

impl State {
    async fn answer(&self, call: Call) -> Reply {
        if call.path != self.path {
            return Reply::html(StatusCode::NOT_FOUND, "");
        }
        self.wait_for_release().await;
        let fault = lock(&self.faults).pop_front();
        if let Some(Fault::Slow(delay)) = fault {
            tokio::time::sleep(delay).await;
        }
        let judged = Instant::now();
        let reaches_the_judge = matches!(fault, None | Some(Fault::Slow(_) | Fault::PostedBut(_)));
        let verdict = reaches_the_judge.then(|| (self.judge)(&call, judged));
        let reply = match (&fault, &verdict) {
            (Some(Fault::Html), _) => {
                Reply::html(StatusCode::OK, "<html><body><h1>Too many requests</h1></body></html>")
            }
            (Some(Fault::NoCode), _) => Reply::json(
                r#"{"status": 1111, "wait": 5, "source": "x5", "punish": "deny", "uuid": "0b51c5f5"}"#,
            ),
            (Some(Fault::Status(status) | Fault::PostedBut(status)), _) => Reply::html(*status, ""),
            (Some(Fault::Code(code, text)), _) | (_, Some(Verdict::Refused(code, text))) => {
                Reply::json(json!({"errcode": code, "errmsg": text}).to_string())
            }
            (_, _) => Reply::json(json!({"errcode": 0, "errmsg": "ok"}).to_string()),
        };
        lock(&self.attempts).push(Attempt { call, judged, fault, verdict });
        reply
    }

    async fn wait_for_release(&self) {
        let mut open = self.open.subscribe();
        if *open.borrow() {
            return;
        }
        let _held = Held::before(&self.held);
        // The sender is in the state, which lives as long as this call: waiting cannot fail.
        let _ = open.wait_for(|open| *open).await;
    }
}

/// Counts one call while it is held. It ends as well when the caller hangs up.
struct Held<'gate>(&'gate watch::Sender<usize>);

impl<'gate> Held<'gate> {
    fn before(held: &'gate watch::Sender<usize>) -> Self {
        held.send_modify(|count| *count += 1);
        Self(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// A record that a panicking test left behind is still a record.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use test_peers::client::post_json;

    use super::*;

    #[test]
    fn only_the_vendors_own_path_reaches_the_robot() {
        let post = Post { title: None, text: "x".to_owned(), mentions: Vec::new() };
        let robot = Robot::start("/robot/send", move |_, _| Verdict::Posted(post.clone())).unwrap();
        for (path, status) in [("/robot/send?a=b", 200), ("/robot/sent", 404)] {
            assert_eq!(post_json(robot.address(), path, b"{}").status, status, "{path}");
        }
        assert_eq!(robot.posts().len(), 1);
    }
}
