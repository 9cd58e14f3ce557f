//! The channel section of a target: exactly one of `dingtalk:`, `wecom:`, `email:`.

use lettre::message::Mailbox;

use crate::address;
use crate::channel::ChannelSettings;
use crate::channel::dingtalk::DingTalkSettings;
use crate::channel::email::{EmailSettings, Login, MailTls, Smarthost};
use crate::channel::wecom::WecomSettings;
use settings_document::Section;

/// SMTP over TLS from the first byte (RFC 8314, section 3.3).
const SMTPS_PORT: u16 = 465;

type Read = fn(Section<'_>) -> Option<ChannelSettings>;

const CHANNELS: [(&str, Read); 3] =
    [("dingtalk", read_dingtalk), ("wecom", read_wecom), ("email", read_email)];

/// Channels that have a name in the settings and no code in this version.
const LATER: [&str; 3] = ["feishu", "webhook", "wecom_app"];

const EXPECTED: &str = "one of `dingtalk`, `wecom`, `email`";

pub(super) fn read(target: &mut Section<'_>) -> Option<ChannelSettings> {
    let mut given = Vec::new();
    for key in LATER {
        if target.has(key) {
            target.problem(key, format!("this channel is not in this version: expected {EXPECTED}"));
            given.push(key);
        }
    }
    let mut channel = None;
    for (key, read) in CHANNELS {
        if target.has(key) {
            given.push(key);
            channel = target.section(key).and_then(read);
        }
    }
    match given.as_slice() {
        [_] => channel,
        [] => {
            target.own_problem(format!("no channel: expected {EXPECTED}"));
            None
        }
        several => {
            let several = several.join("` and `");
            target.own_problem(format!(
                "expected one channel, found `{several}` (hint: make them two targets)"
            ));
            None
        }
    }
}

fn read_dingtalk(mut section: Section<'_>) -> Option<ChannelSettings> {
    let webhook_url = read_robot_url(&mut section);
    let secret = section.secret("secret", "secret_file");
    section.finish();
    Some(ChannelSettings::DingTalk(DingTalkSettings { webhook_url: webhook_url?, secret }))
}

fn read_wecom(mut section: Section<'_>) -> Option<ChannelSettings> {
    let webhook_url = read_robot_url(&mut section);
    section.finish();
    Some(ChannelSettings::Wecom(WecomSettings { webhook_url: webhook_url? }))
}

fn read_robot_url(section: &mut Section<'_>) -> Option<settings_document::Secret> {
    if !section.has("webhook_url") && !section.has("webhook_url_file") {
        section
            .missing("webhook_url", "the robot's address, here or in the file that `webhook_url_file` names");
    }
    address::secret_url(section, "webhook_url", "webhook_url_file")
}

fn read_email(mut section: Section<'_>) -> Option<ChannelSettings> {
    let expected = "the mail server's `host:port`";
    if !section.has("smarthost") {
        section.missing("smarthost", expected);
    }
    let smarthost = section.parsed("smarthost", expected, parse_smarthost);
    let hello = section.text("hello").filter(|hello| !hello.is_empty()).map(str::to_owned);

    let expected = "a mail address";
    if !section.has("from") {
        section.missing("from", expected);
    }
    let from = section.parsed("from", expected, parse_mailbox);
    if !section.has("to") {
        section.missing("to", "one mail address or a list of them");
    }
    let to: Vec<_> =
        section.texts("to").into_iter().filter_map(|item| item.parsed(expected, parse_mailbox)).collect();
    if to.is_empty() && section.has("to") {
        section.problem("to", "nobody to send to: expected one mail address or a list of them");
    }

    let login = read_login(&mut section);
    let tls = section.parsed("tls", "`implicit`, `starttls` or `none`", parse_tls);
    let ca_file = section.readable_file("ca_file");
    section.finish();

    let smarthost = smarthost?;
    let default_tls = if smarthost.port == SMTPS_PORT { MailTls::Implicit } else { MailTls::StartTls };
    Some(ChannelSettings::Email(EmailSettings {
        smarthost,
        hello,
        from: from?,
        to,
        login,
        tls: tls.unwrap_or(default_tls),
        ca_file,
    }))
}

fn read_login(section: &mut Section<'_>) -> Option<Login> {
    let username = section.text("auth_username").filter(|username| !username.is_empty());
    let password = section.secret("auth_password", "auth_password_file");
    let has_password = section.has("auth_password") || section.has("auth_password_file");
    match (username, has_password) {
        (Some(username), true) => Some(Login { username: username.to_owned(), password: password? }),
        (Some(_), false) => {
            section
                .missing("auth_password", "a password for `auth_username`, here or in `auth_password_file`");
            None
        }
        (None, true) => {
            section.missing("auth_username", "the account of `auth_password`");
            None
        }
        (None, false) => None,
    }
}

fn parse_smarthost(text: &str) -> Result<Smarthost, &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("the port is missing (hint: usually 587 or 465)")?;
    let port = port.parse().ok().filter(|port| *port > 0).ok_or("the port must be 1 to 65535")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains('/') {
        return Err("the host is missing or an address with a path");
    }
    Ok(Smarthost { host: host.to_owned(), port })
}

fn parse_mailbox(text: &str) -> Result<String, &'static str> {
    text.parse::<Mailbox>().map(|_| text.to_owned()).map_err(|_| "")
}

fn parse_tls(text: &str) -> Result<MailTls, &'static str> {
    match text {
        "implicit" => Ok(MailTls::Implicit),
        "starttls" => Ok(MailTls::StartTls),
        "none" => Ok(MailTls::None),
        _ => Err(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smarthost_is_a_host_and_a_port() {
        let host = |host: &str, port| Ok(Smarthost { host: host.to_owned(), port });
        let check = |text, expected| assert_eq!(parse_smarthost(text), expected, "{text}");
        check("smtp.example.com:587", host("smtp.example.com", 587));
        check("[::1]:25", host("::1", 25));
        check("smtp.example.com", Err("the port is missing (hint: usually 587 or 465)"));
        check("smtp.example.com:0", Err("the port must be 1 to 65535"));
        check("smtp.example.com:smtp", Err("the port must be 1 to 65535"));
        check(":25", Err("the host is missing or an address with a path"));
    }
}
