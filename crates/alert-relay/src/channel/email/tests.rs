//! Mail against servers that refuse, hang and speak the wrong TLS, and the mail itself as a parser reads it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use mail_parser::{HeaderValue, MessageParser};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::channel::Channel;
use crate::channel::email::settings::MailTls;
use crate::channel::part::Stamp;
use crate::channel::testing::{email, email_to, open, said, target};
use crate::message::{Message, Wording, sample};
use crate::outcome::{Outcome, Reason};

mod lying;
mod reach;

/// As `tls` says it.
fn key(tls: MailTls) -> &'static str {
    match tls {
        MailTls::None => "none",
        MailTls::StartTls => "starttls",
        MailTls::Implicit => "implicit",
    }
}

/// How a scripted server answers; the defaults are those of one that takes the mail.
#[derive(Clone, Copy)]
struct Script {
    tls: MailTls,
    greeting: &'static str,
    auth: &'static str,
    mail: &'static str,
    /// Empty: never answers to a recipient.
    rcpt: &'static str,
    /// The answer to `DATA`; a mail is waited for behind 354 alone.
    ready: &'static str,
    /// `None`: never answers after the data.
    data: Option<&'static str>,
    /// `None`: never says goodbye.
    quit: Option<&'static str>,
    /// What follows the answer to STARTTLS in the clear.
    injected: &'static str,
}

const TAKES: Script = Script {
    tls: MailTls::None,
    greeting: "220 mail.example",
    auth: "235 2.7.0 welcome",
    mail: "250 2.1.0 ok",
    rcpt: "250 2.1.5 ok",
    ready: "354 go ahead",
    data: Some("250 2.0.0 queued as 4XYZ"),
    quit: Some("221 bye"),
    injected: "",
};

/// A mail server on a loopback port, and the mails it took.
struct Server {
    port: u16,
    mails: Arc<Mutex<Vec<String>>>,
    ca: tempfile::NamedTempFile,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(script: Script) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&mails);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, taken) = (acceptor.clone(), Arc::clone(&taken));
                tokio::spawn(async move {
                    // A client that hangs up ends the conversation; what it means is the client's outcome.
                    let _ = serve(stream, script, acceptor, taken).await;
                });
            }
        });
        Self { port, mails, ca, task }
    }

    /// A channel to this server, which it trusts. Its time-out is long enough for a handshake on a loaded machine.
    fn channel(&self, tls: MailTls) -> Arc<dyn Channel> {
        self.channel_within(tls, "10s")
    }

    fn channel_within(&self, tls: MailTls, timeout: &str) -> Arc<dyn Channel> {
        let keys = format!(", tls: {}, ca_file: {}", key(tls), self.ca.path().display());
        open(&format!("{}, timeout: {timeout}", email(self.port, &keys)))
    }

    fn mail(&self) -> String {
        self.mails.lock().unwrap().last().expect("a mail was taken").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn serve(
    stream: tokio::net::TcpStream,
    script: Script,
    acceptor: TlsAcceptor,
    mails: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let mut stream: BufStream<Box<dyn Stream>> = BufStream::new(match script.tls {
        MailTls::Implicit => Box::new(acceptor.accept(stream).await?),
        _ => Box::new(stream),
    });
    let mut offers_starttls = script.tls == MailTls::StartTls;
    say(&mut stream, script.greeting).await?;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.split([' ', '\r']).next().unwrap_or_default().to_ascii_uppercase();
        match verb.as_str() {
            "EHLO" if offers_starttls => {
                say(&mut stream, "250-mail.example\r\n250-8BITMIME\r\n250 STARTTLS").await?;
            }
            "EHLO" => say(&mut stream, "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN").await?,
            "STARTTLS" => {
                say(&mut stream, &format!("220 go ahead{}", script.injected)).await?;
                stream = BufStream::new(Box::new(acceptor.accept(stream.into_inner()).await?));
                offers_starttls = false;
            }
            "AUTH" => say(&mut stream, script.auth).await?,
            "NOOP" => say(&mut stream, "250 ok").await?,
            "MAIL" => say(&mut stream, script.mail).await?,
            "RCPT" if script.rcpt.is_empty() => std::future::pending::<()>().await,
            "RCPT" => say(&mut stream, script.rcpt).await?,
            "DATA" => {
                say(&mut stream, script.ready).await?;
                if !script.ready.starts_with("354") {
                    continue;
                }
                let mut mail = String::new();
                while !mail.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut mail).await? == 0 {
                        return Ok(());
                    }
                }
                mails.lock().unwrap().push(mail);
                match script.data {
                    Some(reply) => say(&mut stream, reply).await?,
                    None => std::future::pending::<()>().await,
                }
            }
            "QUIT" => match script.quit {
                Some(reply) => return say(&mut stream, reply).await,
                None => std::future::pending::<()>().await,
            },
            _ => say(&mut stream, "502 what?").await?,
        }
    }
}

async fn say(stream: &mut BufStream<Box<dyn Stream>>, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

async fn send(channel: &dyn Channel, message: &Message) -> Outcome {
    let parts = channel.render(message, Wording::Normal);
    // 2026-11-23 06:08:22 UTC
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_414_102);
    channel.send(&parts[0], &Stamp { at, delivery: "d-7" }).await
}

async fn outcome(script: Script) -> Outcome {
    let server = Server::start(script).await;
    let outcome = send(&*server.channel(script.tls), &sample::named("firing").unwrap()).await;
    assert!(!format!("{outcome:?}").contains("mail-password-1"), "{outcome:?}");
    outcome
}

fn retry(outcome: &Outcome, expected: Reason, words: &str) {
    let Outcome::Retry { reason, after: None, detail } = outcome else { panic!("{outcome:?}") };
    assert_eq!(*reason, expected, "{outcome:?}");
    assert!(detail.contains(words), "{detail}");
}

#[tokio::test]
async fn mail_is_delivered_over_every_kind_of_tls() {
    for tls in [MailTls::None, MailTls::StartTls, MailTls::Implicit] {
        let delivered = Outcome::Delivered { receipt: "250: 2.0.0 queued as 4XYZ".to_owned() };
        assert_eq!(outcome(Script { tls, ..TAKES }).await, delivered, "{tls:?}");
    }
}

#[tokio::test]
async fn only_250_proves_a_mail() {
    let data = |reply| Script { data: Some(reply), ..TAKES };
    retry(&outcome(data("251 forwarded")).await, Reason::UnprovenReply, "251");
    retry(&outcome(data("354 go ahead")).await, Reason::UnprovenReply, "354");
}

#[tokio::test]
async fn a_verdict_stands_though_the_server_never_says_goodbye() {
    let silent = |script: Script| outcome(Script { quit: None, ..script });
    let (taken, refused) =
        tokio::join!(silent(TAKES), silent(Script { data: Some("550 5.7.1 looks like spam"), ..TAKES }));
    assert!(matches!(taken, Outcome::Delivered { .. }), "{taken:?}");
    assert!(matches!(refused, Outcome::Rejected { reason: Reason::Content, .. }), "{refused:?}");
}

#[tokio::test]
async fn the_step_that_is_refused_says_what_is_wrong() {
    let check = async |script: Script, expected: &str| {
        let outcome = outcome(script).await;
        assert_eq!(said(&outcome), expected, "{outcome:?}");
    };
    let greeting = |greeting| Script { greeting, ..TAKES };
    let auth = |auth| Script { auth, ..TAKES };
    let mail = |mail| Script { mail, ..TAKES };
    let rcpt = |rcpt| Script { rcpt, ..TAKES };
    let data = |reply| Script { data: Some(reply), ..TAKES };
    // This machine, the account, the sender: no mail gets through.
    check(greeting("554 5.7.1 no service for you"), "misconfigured refused").await;
    check(greeting("421 4.3.2 shutting down"), "retry busy").await;
    check(auth("535 5.7.8 bad credentials"), "misconfigured refused").await;
    check(auth("454 4.7.0 later"), "retry busy").await;
    check(mail("550 5.7.1 not your address"), "misconfigured refused").await;
    check(mail("553 5.1.8 no such domain"), "misconfigured refused").await;
    check(mail("501 5.1.7 bad address"), "misconfigured refused").await;
    check(mail("530 5.7.0 log in first"), "misconfigured refused").await;
    check(mail("452 4.3.1 disk full"), "retry busy").await;
    // One recipient.
    check(rcpt("550 5.1.1 no such user"), "rejected mailbox").await;
    check(rcpt("554 5.7.1 relay access denied"), "rejected mailbox").await;
    check(rcpt("501 5.1.3 bad address"), "rejected mailbox").await;
    check(rcpt("530 5.7.0 log in first"), "misconfigured refused").await;
    check(rcpt("451 4.7.1 greylisted"), "retry mailbox").await;
    check(rcpt("452 4.2.2 mailbox full"), "retry mailbox").await;
    check(rcpt("421 4.3.2 shutting down"), "retry busy").await;
    check(data("552 5.2.2 mailbox full"), "rejected mailbox").await;
    check(data("451 4.7.1 greylisted"), "retry mailbox").await;
    // This mail.
    check(data("552 5.3.4 message too big"), "too large").await;
    check(data("554 5.7.1 spam"), "rejected content").await;
    check(data("550 5.7.1 spam"), "rejected content").await;
    check(data("501 5.6.0 malformed"), "rejected bad_request").await;
}

#[tokio::test]
async fn a_refusal_has_the_servers_words_and_a_hint() {
    let detail = |outcome| match outcome {
        Outcome::Misconfigured { detail, .. } | Outcome::Rejected { detail, .. } => detail,
        other => panic!("{other:?}"),
    };
    let check = async |script: Script, words: [&str; 2]| {
        let detail = detail(outcome(script).await);
        assert!(words.iter().all(|word| detail.contains(word)), "{detail}");
    };
    check(Script { auth: "535 5.7.8 bad credentials", ..TAKES }, ["535", "auth_username"]).await;
    check(Script { mail: "550 5.7.1 not your address", ..TAKES }, ["not your address", "`from`"]).await;
    check(Script { greeting: "554 blocked", ..TAKES }, ["blocked", "smarthost"]).await;
    check(Script { rcpt: "550 5.1.1 no such user", ..TAKES }, ["550", "no such user"]).await;
}

#[tokio::test]
async fn a_server_that_hangs_is_left_in_time() {
    let check = async |script: Script, reason: Reason, words: &str, mails: usize| {
        let server = Server::start(script).await;
        // Time enough on a busy machine for the steps before the one that hangs.
        let channel = server.channel_within(MailTls::None, "10s");
        retry(&send(&*channel, &sample::named("firing").unwrap()).await, reason, words);
        assert_eq!(server.mails.lock().unwrap().len(), mails);
    };
    tokio::join!(
        check(Script { data: None, ..TAKES }, Reason::Timeout, "may have been taken", 1),
        // It may wait for the recipient's own server: that is no other recipient's trouble.
        check(Script { rcpt: "", ..TAKES }, Reason::Mailbox, "RCPT TO", 0),
    );
}

#[tokio::test]
async fn a_missing_starttls_is_not_forgiven() {
    let server = Server::start(TAKES).await;
    let outcome = send(&*server.channel(MailTls::StartTls), &sample::named("firing").unwrap()).await;
    let Outcome::Misconfigured { detail, .. } = outcome else { panic!("{outcome:?}") };
    assert!(detail.contains("STARTTLS"), "{detail}");
    assert!(server.mails.lock().unwrap().is_empty(), "nothing was sent in the clear");
}

#[tokio::test]
async fn an_unknown_authority_is_refused() {
    for tls in [MailTls::StartTls, MailTls::Implicit] {
        let server = Server::start(Script { tls, ..TAKES }).await;
        let channel = open(&format!("{}, timeout: 10s", email(server.port, &format!(", tls: {}", key(tls)))));
        retry(&send(&*channel, &sample::named("firing").unwrap()).await, Reason::Connect, "certificate");
    }
}

#[tokio::test]
async fn a_closed_port_is_no_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    retry(
        &send(&*open(&email(port, ", tls: none")), &sample::named("firing").unwrap()).await,
        Reason::Connect,
        "",
    );
}

#[tokio::test]
async fn the_mail_is_what_a_mail_program_expects() {
    let server = Server::start(TAKES).await;
    let channel = server.channel(MailTls::None);
    let message = sample::named("firing").unwrap();
    send(&*channel, &message).await;
    let first = server.mail();
    let mail = MessageParser::default().parse(first.as_bytes()).unwrap();
    assert_eq!(mail.subject(), Some("🔴【告警 1】GpuMemoryHigh @ node-1"));
    assert_eq!(mail.from().unwrap().first().unwrap().name(), Some("告警"));
    assert_eq!(mail.to().unwrap().first().unwrap().address(), Some("ops@example.com"));
    assert_eq!(mail.date().unwrap().to_rfc3339(), "2026-11-23T06:08:22Z");
    assert_eq!(mail.header("Auto-Submitted").and_then(HeaderValue::as_text), Some("auto-generated"));
    let thread = mail.in_reply_to().as_text().unwrap().to_owned();
    assert_eq!(mail.references().as_text(), Some(thread.as_str()));
    assert!(thread.ends_with("@example.com"));
    assert!(mail.body_text(0).unwrap().contains("GPU 3 memory 97% used"));
    assert!(mail.body_html(0).unwrap().contains("<b>GPU 3 memory 97% used</b>"));
    assert!(first.lines().all(|line| line.len() <= 998), "RFC 5322's longest line");

    // A retry has the same Message-ID; another mail of the group has another one in the same thread.
    let id = mail.message_id().unwrap().to_owned();
    send(&*channel, &message).await;
    let again = server.mail();
    assert_eq!(MessageParser::default().parse(again.as_bytes()).unwrap().message_id(), Some(id.as_str()));
    let parts = channel.render(&sample::named("resolved").unwrap(), Wording::Normal);
    channel.send(&parts[0], &Stamp { at: SystemTime::UNIX_EPOCH, delivery: "d-8" }).await;
    let later = server.mail();
    let later = MessageParser::default().parse(later.as_bytes()).unwrap();
    assert_ne!(later.message_id(), Some(id.as_str()));
    assert_eq!(later.in_reply_to().as_text(), Some(thread.as_str()));
}

#[tokio::test]
async fn labels_cannot_add_headers() {
    let server = Server::start(TAKES).await;
    let mut message = sample::named("firing").unwrap();
    message.changes.new[0]
        .labels
        .insert("alertname".to_owned(), "x\r\nBcc: victim@example.com\r\n\r\nbody".to_owned());
    send(&*server.channel(MailTls::None), &message).await;
    let mail = server.mail();
    let (headers, _) = mail.split_once("\r\n\r\n").unwrap();
    assert!(!headers.lines().any(|line| line.starts_with("Bcc")), "{headers}");
}

#[test]
fn every_recipient_has_a_mail_of_its_own() {
    let channel = open(&email_to(587, "[a@example.com, 'B <b@example.com>']", ""));
    let parts = channel.render(&sample::named("firing").unwrap(), Wording::Normal);
    let to: Vec<String> =
        parts.iter().map(|part| part.preview().lines().next().unwrap().to_owned()).collect();
    assert_eq!(to, ["To: a@example.com", "To: B <b@example.com>"]);
}

#[test]
fn a_ca_file_without_a_certificate_is_an_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "no certificate here").unwrap();
    let error = target(&email(587, &format!(", ca_file: {}", file.path().display())))
        .expect_err("an empty file is no authority");
    assert!(
        error.contains("targets.ops.email.ca_file: ") && error.contains("holds no certificate"),
        "{error}"
    );
}
