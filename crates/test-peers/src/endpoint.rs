//! An HTTP endpoint on a free loopback port, for a program under test to call.
//!
//! It has a thread and a runtime of its own, so that it answers while a test blocks. Leaves out what is answered, which is
//! the function it is started with.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Query, Request};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;

/// Bytes of a body that are read; nothing that our services send comes near it. More is answered 413.
const MAX_BODY: usize = 1 << 20;

/// A request, as it came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it was complete.
    pub at: SystemTime,
    /// The HTTP method.
    pub method: Method,
    /// The path without the query.
    pub path: String,
    /// The decoded query.
    pub query: BTreeMap<String, String>,
    /// The headers.
    pub headers: HeaderMap,
    /// The body's bytes.
    pub body: Bytes,
}

impl Call {
    /// `Content-Type`, or the empty string.
    pub fn content_type(&self) -> &str {
        self.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("")
    }
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Reply {
    status: StatusCode,
    content_type: &'static str,
    body: String,
}

impl Reply {
    /// JSON with status 200.
    pub fn json(body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, content_type: "application/json", body: body.into() }
    }

    /// A page with any status.
    pub fn html(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, content_type: "text/html; charset=utf-8", body: body.into() }
    }
}

/// A running endpoint. It ends with this value.
#[derive(Debug)]
pub struct Endpoint {
    address: SocketAddr,
    /// Dropping it ends the thread, and every open connection.
    _running: oneshot::Sender<()>,
}

impl Endpoint {
    /// Answers every call with what `answer` says, several at once. A call whose caller hangs up is dropped.
    pub fn start<A>(answer: impl Fn(Call) -> A + Clone + Send + Sync + 'static) -> io::Result<Self>
    where
        A: Future<Output = Reply> + Send,
    {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (running, ended) = oneshot::channel::<()>();
        let router =
            Router::new().fallback(move |query: Query<BTreeMap<String, String>>, request: Request| {
                let answer = answer.clone();
                async move {
                    match read(query, request).await {
                        Some(call) => respond(answer(call).await),
                        None => respond(Reply::html(StatusCode::PAYLOAD_TOO_LARGE, "")),
                    }
                }
            });
        thread::Builder::new().name("endpoint".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).expect("the runtime takes sockets");
                tokio::select! {
                    // What goes wrong with one connection ends that connection alone.
                    _ = axum::serve(listener, router).into_future() => {}
                    _ = ended => {}
                }
            });
        })?;
        Ok(Self { address, _running: running })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn read(Query(query): Query<BTreeMap<String, String>>, request: Request) -> Option<Call> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.ok()?;
    let path = head.uri.path().to_owned();
    Some(Call { at: SystemTime::now(), method: head.method, path, query, headers: head.headers, body })
}

fn respond(Reply { status, content_type, body }: Reply) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use crate::client::request;

    use super::*;

    #[test]
    fn a_call_arrives_as_it_was_sent_and_its_answer_comes_back() {
        let endpoint = Endpoint::start(async |call: Call| {
            let said = format!(
                "{} {} {:?} {} {:?}",
                call.method,
                call.path,
                call.query,
                call.content_type(),
                call.body
            );
            Reply::html(StatusCode::ACCEPTED, said)
        })
        .expect("a free port");
        let answer = request(endpoint.address(), "PUT", "/a?b=c%3Dd", &["Content-Type: text/x"], b"body");
        assert_eq!(answer.status, 202);
        assert_eq!(answer.body, r#"PUT /a {"b": "c=d"} text/x b"body""#);
        let large = request(endpoint.address(), "POST", "/", &[], &vec![0; MAX_BODY + 1]);
        assert_eq!(large.status, 413);
    }
}
