//! The keys under `email:`, in Alertmanager's words where it has the same key.

use std::path::Path;
use std::sync::Arc;

use lettre::message::Mailbox;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use settings_document::{Section, reader_hint};

use crate::channel::email::server::{Login, Security, Smarthost};
use crate::channel::kind::Setup;
use crate::channel::roots::Roots;

/// SMTP over TLS from the first byte (RFC 8314, section 3.3).
const SMTPS_PORT: u16 = 465;

/// What the section says.
#[derive(Debug)]
pub(super) struct Settings {
    /// `smarthost`: `host:port` of the mail server.
    pub(super) smarthost: Smarthost,
    /// `hello`: the name given in EHLO; `None` is this host's.
    pub(super) hello: Option<String>,
    /// `from`: a mailbox, with or without a display name.
    pub(super) from: Mailbox,
    /// `to`: one mail is sent to each.
    pub(super) to: Vec<Mailbox>,
    /// `auth_username` with its password; `None` sends without login.
    pub(super) login: Option<Login>,
    /// Whose limit at the server counts: the account that logs in, else the sender.
    pub(super) account: String,
    /// `tls` and `ca_file`: how the connection is secured.
    pub(super) security: Security,
}

/// What `tls` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MailTls {
    /// TLS from the first byte; the default on port 465.
    Implicit,
    /// `STARTTLS`, demanded; the default on every other port.
    StartTls,
    /// Plain text; only ever by the explicit setting `tls: none`.
    None,
}

pub(super) fn read(mut section: Section<'_>, setup: &Setup<'_>) -> Option<Settings> {
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
    let from =
        section.parsed("from", expected, |text| parse_mailbox(text).map(|from| (text.to_owned(), from)));
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
    let security = smarthost.as_ref().and_then(|Smarthost { port, .. }| {
        let config = || {
            client_config(ca_file.as_deref(), setup.roots)
                .map_err(|wrong| section.problem("ca_file", wrong))
                .ok()
        };
        Some(match tls.unwrap_or_else(|| default_tls(*port)) {
            MailTls::None => Security::None,
            MailTls::StartTls => Security::StartTls(config()?),
            MailTls::Implicit => Security::Implicit(config()?),
        })
    });
    section.finish();
    let (sender, from) = from?;
    let account = login.as_ref().map_or(sender, |login| login.username.clone());
    Some(Settings { smarthost: smarthost?, hello, from, to, login, account, security: security? })
}

fn default_tls(port: u16) -> MailTls {
    if port == SMTPS_PORT { MailTls::Implicit } else { MailTls::StartTls }
}

/// Whom to trust: the public authorities and those of `ca_file`.
fn client_config(ca_file: Option<&Path>, roots: &Roots) -> Result<Arc<ClientConfig>, String> {
    let cannot = |error: String| format!("can't set up TLS: {error}");
    let Some(path) = ca_file else { return roots.https().map(Arc::new).map_err(cannot) };
    let wrong = |wrong: String| format!("`{}`: {wrong}", path.display());
    let mut store = roots.store();
    for authority in read_authorities(path).map_err(wrong)? {
        store.add(authority).map_err(|error| wrong(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| cannot(error.to_string()))?;
    Ok(Arc::new(builder.with_root_certificates(store).with_no_client_auth()))
}

fn read_authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = std::fs::read(path).map_err(|error| format!("{error}{}", reader_hint(&error)))?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    if certificates.is_empty() {
        return Err("holds no certificate (hint: a PEM file with BEGIN CERTIFICATE is expected)".to_owned());
    }
    Ok(certificates)
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

fn parse_mailbox(text: &str) -> Result<Mailbox, &'static str> {
    text.parse().map_err(|_| "")
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

    #[test]
    fn mail_is_secured_by_its_port_unless_said() {
        assert_eq!(default_tls(465), MailTls::Implicit);
        assert_eq!(default_tls(587), MailTls::StartTls);
        assert_eq!(default_tls(25), MailTls::StartTls);
        for (text, expected) in
            [("implicit", MailTls::Implicit), ("starttls", MailTls::StartTls), ("none", MailTls::None)]
        {
            assert_eq!(parse_tls(text), Ok(expected));
        }
        assert!(parse_tls("ssl").is_err());
    }
}
