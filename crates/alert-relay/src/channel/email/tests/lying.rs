//! Servers that lie, or somebody between here and them, and servers that never end.

use super::*;

/// The input of the fault: forged replies, put behind the 220 by somebody in between, were believed once TLS was there.
#[tokio::test]
async fn what_comes_in_the_clear_after_the_answer_to_starttls_is_believed_by_nobody() {
    let injected = "\r\n250-mail.example\r\n250 AUTH PLAIN\r\n235 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued as FORGED";
    let server = Server::start(Script { tls: MailTls::StartTls, injected, ..TAKES }).await;
    let outcome = send(&*server.channel(MailTls::StartTls), &sample::named("firing").unwrap()).await;
    let Outcome::Misconfigured { detail, .. } = &outcome else { panic!("{outcome:?}") };
    assert!(detail.contains("bytes came after the server's answer to STARTTLS"), "{detail}");
    assert!(server.mails.lock().unwrap().is_empty());
}

/// Says this at once, and then the same byte for ever.
async fn endless(beginning: &'static str) -> (u16, JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut said = 0;
        let piece = beginning.repeat(64 * 1024 / beginning.len());
        // Until the client has had enough.
        while stream.write_all(piece.as_bytes()).await.is_ok() {
            said += piece.len();
        }
        said
    });
    (port, task)
}

#[tokio::test]
async fn a_reply_without_an_end_is_left() {
    for (tls, said, words) in [
        ("none", "220", "a line of the server's reply has more than 4096 bytes"),
        ("starttls", "220", "a line of the server's reply has more than 4096 bytes"),
        ("none", "220-still\r\n", "more than 65536 bytes"),
        ("starttls", "220-still\r\n", "more than 65536 bytes"),
    ] {
        let (port, server) = endless(said).await;
        let channel = open(&format!("{}, timeout: 10s", email(port, &format!(", tls: {tls}"))));
        let outcome = send(&*channel, &sample::named("firing").unwrap()).await;
        retry(&outcome, Reason::BrokenReply, words);
        // What the kernel takes for a closed connection is a few megabytes at most.
        assert!(server.await.unwrap() < 64 * 1024 * 1024);
    }
}

/// Each of these would shift what the server says by so much that a refusal, or the answer to an earlier command, is read as the one to the mail.
#[tokio::test]
async fn an_answer_that_was_not_asked_for_proves_nothing() {
    let check = async |script: Script, reason: Reason, words: &str| {
        let server = Server::start(script).await;
        let outcome = send(&*server.channel(script.tls), &sample::named("firing").unwrap()).await;
        retry(&outcome, reason, words);
        assert!(server.mails.lock().unwrap().is_empty());
    };
    let unasked = "which no command has asked for";
    for tls in [MailTls::None, MailTls::StartTls, MailTls::Implicit] {
        let mail = Script { tls, mail: "250 ok\r\n250 ok\r\n250 ok", rcpt: "550 no such user", ..TAKES };
        check(mail, Reason::BrokenReply, unasked).await;
    }
    check(Script { rcpt: "250 ok\r\n250 ok", ..TAKES }, Reason::BrokenReply, unasked).await;
    check(Script { ready: "250 ok", ..TAKES }, Reason::UnprovenReply, "250: ok").await;
}

/// What comes behind the last answer changes nothing about it.
#[tokio::test]
async fn a_goodbye_behind_the_answer_does_not_undo_it() {
    let data = Some("250 2.0.0 queued\r\n421 4.7.0 too many mails of one connection");
    let outcome = outcome(Script { data, ..TAKES }).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
}
