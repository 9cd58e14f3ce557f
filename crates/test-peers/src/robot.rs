//! A chat's robot that answers when the test says so.

use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::endpoint::{Call, Endpoint, Reply};

/// How long a message may take to come; far above what any takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Listens on a free port for as long as it lives.
#[derive(Debug)]
pub struct Robot {
    endpoint: Endpoint,
    messages: Receiver<Message>,
}

/// A message that waits for the robot's answer. Dropped without one, it is never answered.
#[derive(Debug)]
pub struct Message {
    /// The body, as text.
    pub body: String,
    /// The whole request.
    pub call: Call,
    reply: oneshot::Sender<Reply>,
}

impl Robot {
    /// Starts to listen.
    pub fn start() -> Self {
        let (sender, messages) = channel();
        let endpoint = Endpoint::start(move |call: Call| {
            let (reply, replied) = oneshot::channel();
            let body = String::from_utf8_lossy(&call.body).into_owned();
            // Without a receiver the test is over.
            let _ = sender.send(Message { body, call, reply });
            async move {
                match replied.await {
                    Ok(reply) => reply,
                    Err(_dropped) => std::future::pending().await,
                }
            }
        });
        Self { endpoint: endpoint.expect("a free port of loopback"), messages }
    }

    /// The robot's address, as it goes into the settings.
    pub fn url(&self) -> String {
        format!("http://{}/robot/send?access_token=t0ken", self.endpoint.address())
    }

    /// The next message.
    #[track_caller]
    pub fn next(&self) -> Message {
        self.messages.recv_timeout(TIMEOUT).expect("the relay sends a message")
    }

    /// Whether no message waits.
    pub fn is_idle(&self) -> bool {
        self.messages.try_recv().is_err()
    }
}

impl Message {
    /// Says that the message has arrived.
    pub fn accept(self) {
        self.answer(r#"{"errcode":0,"errmsg":"ok"}"#);
    }

    /// Says this with status 200, as the vendors do whatever they have to say.
    pub fn answer(self, body: &str) {
        self.reply(Reply::json(body));
    }

    /// Says anything.
    pub fn reply(self, reply: Reply) {
        // A relay that was killed meanwhile does not receive it.
        let _ = self.reply.send(reply);
    }
}
