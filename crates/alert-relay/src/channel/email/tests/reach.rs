//! Whether a mail server can be reached, without a mail.

use super::*;

async fn reach(script: Script) -> Result<String, String> {
    let server = Server::start(script).await;
    let reached = server.channel(script.tls).reach().await;
    assert!(server.mails.lock().unwrap().is_empty(), "a mail was sent");
    assert!(!format!("{reached:?}").contains("mail-password-1"), "{reached:?}");
    reached.map(|reached| reached.answer)
}

#[tokio::test]
async fn a_server_is_greeted_logged_in_to_and_left() {
    for (tls, said) in
        [(MailTls::None, "in the clear"), (MailTls::StartTls, "STARTTLS"), (MailTls::Implicit, "TLS")]
    {
        let expected = format!("{said}, login taken, NOOP answered 250");
        assert_eq!(reach(Script { tls, ..TAKES }).await, Ok(expected), "{tls:?}");
    }
    // One that never says goodbye has been reached.
    assert!(reach(Script { quit: None, ..TAKES }).await.is_ok());
}

#[tokio::test]
async fn what_would_stop_a_mail_is_found_without_one() {
    let refused = reach(Script { auth: "535 5.7.8 no mail-password-1", ..TAKES }).await;
    assert!(refused.as_ref().is_err_and(|why| why.contains("535")), "{refused:?}");
    let busy = reach(Script { greeting: "421 too busy", ..TAKES }).await;
    assert!(busy.as_ref().is_err_and(|why| why.contains("421")), "{busy:?}");

    let server = Server::start(TAKES).await;
    let reached = server.channel(MailTls::StartTls).reach().await.map(|reached| reached.answer);
    assert!(reached.as_ref().is_err_and(|why| why.contains("STARTTLS is not supported")), "{reached:?}");

    let silent = Server::start(Script { greeting: "220-", ..TAKES }).await;
    let reached = silent.channel_within(MailTls::None, "300ms").reach().await.map(|reached| reached.answer);
    assert!(reached.as_ref().is_err_and(|why| why.contains("300ms")), "{reached:?}");
}
