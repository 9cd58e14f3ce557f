//! Mail over SMTP: one recipient a message, `STARTTLS` or implicit TLS, multipart text and HTML.
//!
//! One recipient a message, because one refused address would refuse the mail for all. One connection a mail, without lettre's
//! pool: a pooled connection that was given up in the middle answers the next mail with the last one's reply, and a refused
//! mail counts as sent.

use std::path::PathBuf;

use lettre::address::AddressError;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::channel::email::compose::compose;
use crate::channel::email::server::{Security, Server};
use crate::channel::{ChannelError, Part, Payload, RobotId, Stamp, digest, roots};
use crate::message::Message;
use crate::message::Wording;
use crate::outcome::{Outcome, Reason};
use crate::render::context::Detail;
use crate::render::markup::Markup;
use crate::render::{Draft, Templates, words};
use crate::settings::TargetSettings;
use settings_document::Secret;

mod compose;
mod server;
mod verdict;

/// The keys under `email:`, in Alertmanager's words where it has the same key.
#[derive(Clone, Debug)]
pub(crate) struct EmailSettings {
    /// `smarthost`: `host:port` of the mail server.
    pub(crate) smarthost: Smarthost,
    /// `hello`: the name given in EHLO; `None` is this host's.
    pub(crate) hello: Option<String>,
    /// `from`: a mailbox, with or without a display name.
    pub(crate) from: String,
    /// `to`: one mail is sent to each.
    pub(crate) to: Vec<String>,
    /// `auth_username` with its password; `None` sends without login.
    pub(crate) login: Option<Login>,
    /// `tls`: how the connection is secured.
    pub(crate) tls: MailTls,
    /// `ca_file`: a PEM file of certificate authorities trusted in addition to the public ones.
    pub(crate) ca_file: Option<PathBuf>,
}

/// A mail server's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Smarthost {
    /// Name or address; what the certificate must be for.
    pub(crate) host: String,
    /// 465, 587, 25, …
    pub(crate) port: u16,
}

/// `auth_username` and `auth_password` or `auth_password_file`.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// The account.
    pub(crate) username: String,
    /// Its password or authorisation code.
    pub(crate) password: Secret,
}

/// How a mail connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MailTls {
    /// TLS from the first byte; the default on port 465.
    Implicit,
    /// `STARTTLS`, demanded; the default on every other port.
    StartTls,
    /// Plain text; only ever by the explicit setting `tls: none`.
    None,
}

/// One mail account with its recipients.
#[derive(Debug)]
pub(crate) struct Email {
    robot: RobotId,
    from: Mailbox,
    to: Vec<Mailbox>,
    server: Server,
    text: Templates,
    html: Option<Templates>,
}

/// One mail to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    /// The recipient's mailbox.
    pub(crate) to: String,
    /// The title.
    pub(crate) subject: String,
    /// Names the thread: the same for every mail about one group.
    pub(crate) thread: String,
    /// The plain part.
    pub(crate) text: String,
    /// The HTML part; `None` sends the plain one alone.
    pub(crate) html: Option<String>,
}

impl Email {
    /// See [`Channel::new`](crate::channel::Channel::new).
    pub(crate) fn new(settings: &EmailSettings, target: &TargetSettings) -> Result<Self, ChannelError> {
        let mailbox = |key: &'static str, value: &str| {
            value.parse::<Mailbox>().map_err(|source: AddressError| ChannelError::Mailbox {
                key,
                value: value.to_owned(),
                source,
            })
        };
        let Smarthost { host, port } = &settings.smarthost;
        let account = settings.login.as_ref().map_or(settings.from.as_str(), |login| &login.username);
        let (text, html) = templates(target)?;
        Ok(Self {
            robot: RobotId::of(&["smtp", host, &port.to_string(), account]),
            from: mailbox("from", &settings.from)?,
            to: settings.to.iter().map(|to| mailbox("to", to)).collect::<Result<_, _>>()?,
            server: server(settings, target)?,
            text,
            html,
        })
    }

    /// The account at its server.
    pub(crate) fn robot(&self) -> &RobotId {
        &self.robot
    }

    /// Each gets a mail of their own.
    pub(crate) fn recipients(&self) -> Vec<String> {
        self.to.iter().map(ToString::to_string).collect()
    }

    /// One mail for each recipient, in the order of the settings.
    pub(crate) fn render(&self, message: &Message, wording: Wording) -> Vec<Part> {
        let detail = match wording {
            Wording::Normal => Detail::LEVELS[0],
            Wording::Smaller => Detail::LEVELS[1],
            Wording::Plain => Detail::LEVELS[1].without_links(),
        };
        let draft = self.text.draft(message, detail);
        let text = assemble(&draft, &self.text);
        let html = self.html.as_ref().filter(|_| wording != Wording::Plain).map(|templates| {
            let draft = templates.draft(message, detail);
            page(&draft.title, &assemble(&draft, templates))
        });
        let thread = digest(&[&message.receiver, &message.group_key.0]);
        let mail = |to: &Mailbox| Mail {
            to: to.to_string(),
            subject: draft.title.clone(),
            thread: thread.clone(),
            text: text.clone(),
            html: html.clone(),
        };
        self.to.iter().map(|to| Part { payload: Payload::Mail(mail(to)) }).collect()
    }

    /// Sends one mail over a connection of its own.
    pub(crate) async fn send(&self, part: &Part, stamp: &Stamp<'_>) -> Outcome {
        let Payload::Mail(mail) = &part.payload else { return Part::foreign() };
        let composed = match compose(&self.from, mail, stamp) {
            Ok(composed) => composed,
            Err(error) => return Outcome::Rejected { reason: Reason::BadRequest, detail: error.to_string() },
        };
        self.server.send(&composed).await
    }
}

/// A template named `*.html` or `*.html.j2` replaces the HTML part. Any other replaces the plain part and drops the HTML one,
/// so that everybody reads what its author wrote.
fn templates(target: &TargetSettings) -> Result<(Templates, Option<Templates>), ChannelError> {
    let language = target.language;
    let built_in = |markup| Templates::built_in(markup, language);
    let Some(path) = &target.template else {
        return Ok((built_in(Markup::Plain), Some(built_in(Markup::Html))));
    };
    let name = path.to_string_lossy().to_lowercase();
    let is_html = [".html", ".html.j2"].iter().any(|ending| name.ends_with(ending));
    let own = |markup| Templates::with_file(markup, language, path);
    if is_html {
        Ok((built_in(Markup::Plain), Some(own(Markup::Html)?)))
    } else {
        Ok((own(Markup::Plain)?, None))
    }
}

fn server(settings: &EmailSettings, target: &TargetSettings) -> Result<Server, ChannelError> {
    let Smarthost { host, port } = &settings.smarthost;
    let credentials = |Login { username, password }: &Login| {
        Credentials::new(username.clone(), password.reveal().to_owned())
    };
    Ok(Server {
        host: host.clone(),
        port: *port,
        hello: settings.hello.clone().map_or_else(ClientId::default, ClientId::Domain),
        security: match settings.tls {
            MailTls::None => Security::None,
            MailTls::StartTls => Security::StartTls(tls_parameters(host, settings)?),
            MailTls::Implicit => Security::Implicit(tls_parameters(host, settings)?),
        },
        credentials: settings.login.as_ref().map(credentials),
        timeout: target.timeout,
    })
}

fn tls_parameters(host: &str, settings: &EmailSettings) -> Result<TlsParameters, ChannelError> {
    let system = roots::system();
    let mut builder = TlsParameters::builder(host.to_owned());
    builder = builder.certificate_store(if system.is_empty() {
        CertificateStore::WebpkiRoots
    } else {
        CertificateStore::None
    });
    for certificate in system {
        // A system's bundle may hold certificates rustls can't parse; the others count.
        if let Ok(certificate) = Certificate::from_der(certificate.to_vec()) {
            builder = builder.add_root_certificate(certificate);
        }
    }
    if let Some(path) = &settings.ca_file {
        let refused = |what: String| ChannelError::CaFile { path: path.clone(), what };
        let pem = std::fs::read(path).map_err(|error| refused(error.to_string()))?;
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|error| refused(error.to_string()))?;
            let certificate =
                Certificate::from_der(certificate.to_vec()).map_err(|error| refused(error.to_string()))?;
            builder = builder.add_root_certificate(certificate);
            count += 1;
        }
        if count == 0 {
            return Err(refused(
                "holds no certificate (hint: a PEM file with BEGIN CERTIFICATE is expected)".to_owned(),
            ));
        }
    }
    builder.build().map_err(|error| ChannelError::Client(error.to_string()))
}

/// The draft in one piece: mails are not split.
fn assemble(draft: &Draft, templates: &Templates) -> String {
    let (markup, language) = (templates.markup(), templates.language());
    let mut texts = vec![markup.heading(&draft.title, "")];
    texts.extend(draft.banner.as_ref().map(|text| markup.banner(text)));
    texts.push(draft.header.clone());
    texts.extend(draft.blocks.iter().cloned());
    if draft.left_out > 0 {
        texts.push(markup.remark(&markup.escape(&words::left_out(draft.left_out, language))));
        texts.push(markup.link(words::see_all(language), &draft.see_all));
    }
    texts.push(draft.footer.clone());
    texts.retain(|text| !text.is_empty());
    texts.join("\n\n")
}

/// The frame of the HTML part, narrow enough for a phone.
fn page(title: &str, content: &str) -> String {
    let title = Markup::Html.escape(title);
    format!(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n</head>\n\
         <body style=\"margin:0;padding:16px;font:15px/1.5 -apple-system,'Segoe UI','PingFang SC','Microsoft YaHei',sans-serif;\
         color:#202124;word-break:break-word\">\n<div style=\"max-width:640px\">\n{content}\n</div>\n</body>\n</html>\n"
    )
}

#[cfg(test)]
mod tests;
