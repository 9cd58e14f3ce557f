//! A real mail server with TLS and a login (Python's aiosmtpd, `smtp/server.py`), and what it was given.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use mail_parser::MessageParser;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use crate::process::{Launch, Process};
use crate::programs;
use crate::wait::until;

/// The one user's name.
pub const USER: &str = "alerts";
/// The one user's password.
pub const PASSWORD: &str = "correct horse battery staple";

/// How a session becomes encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// It begins in the clear and must be upgraded before anything else (port 587 elsewhere).
    StartTls,
    /// It is encrypted from the first byte (port 465 elsewhere).
    Implicit,
}

impl Tls {
    fn name(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Implicit => "implicit",
        }
    }
}

/// A mail server that runs.
pub struct MailServer {
    process: Process,
    tls: Tls,
    port: u16,
    folder: PathBuf,
    authority: PathBuf,
}

/// One mail, as its reader sees it.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The envelope's recipients.
    pub to: String,
    /// The decoded subject.
    pub subject: String,
    /// The plain part.
    pub text: String,
    /// The HTML part; `None` when there is none.
    pub html: Option<String>,
    /// `Message-ID`.
    pub message_id: String,
}

impl MailServer {
    /// Serves on a free port; keeps its mails, certificates and log under `data`. The first `temporary_failures` mails are
    /// answered 451.
    pub async fn start(data: &Path, tls: Tls, temporary_failures: u32) -> Result<Self> {
        let python = programs::python("aiosmtpd")?;
        let folder = data.join("mails");
        std::fs::create_dir_all(&folder).with_context(|| format!("failed to make {}", folder.display()))?;
        let certificates = Certificates::write(data)?;
        let process = Launch::new("mail-server", &python)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("smtp/server.py"))
            .arg(format!("--tls={}", tls.name()))
            .arg("--certificate")
            .arg(&certificates.certificate)
            .arg("--key")
            .arg(&certificates.key)
            .arg(format!("--user={USER}"))
            .arg(format!("--password={PASSWORD}"))
            .arg(format!("--temporary-failures={temporary_failures}"))
            .arg(&folder)
            .start(&data.join("logs"))?;
        let mut server = Self { process, tls, port: 0, folder, authority: certificates.authority };
        server.port = server.announced_port().await?;
        Ok(server)
    }

    async fn announced_port(&mut self) -> Result<u16> {
        let answer = until("the mail server to say its port", Duration::from_secs(20), async || {
            if self.process.ended().is_some() {
                return Some(None);
            }
            let output = self.process.output();
            let line = output.lines().find_map(|line| line.strip_prefix("listening on "))?;
            line.parse().ok().map(Some)
        })
        .await?;
        answer.with_context(|| format!("the mail server ended:\n{}", self.process.output()))
    }

    /// Where it listens, by the name in its certificate.
    pub fn smarthost(&self) -> String {
        format!("localhost:{}", self.port)
    }

    /// How its sessions become encrypted, in the relay's words.
    pub fn tls(&self) -> &'static str {
        self.tls.name()
    }

    /// The certificate that a client must trust, as a PEM file.
    pub fn authority(&self) -> &Path {
        &self.authority
    }

    /// Every mail it has accepted, in order.
    pub fn mails(&self) -> Result<Vec<Mail>> {
        let listing = || -> std::io::Result<Vec<PathBuf>> {
            std::fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect()
        };
        let mut files = listing().with_context(|| format!("failed to list {}", self.folder.display()))?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "eml"));
        files.sort();
        files.iter().map(|file| read(file)).collect()
    }

    /// Waits for a mail whose subject or text contains all of `words`.
    pub async fn mail_with(&self, words: &[&str], limit: Duration) -> Result<Mail> {
        let matches =
            |mail: &Mail| words.iter().all(|word| mail.subject.contains(word) || mail.text.contains(word));
        let found = || self.mails().ok()?.into_iter().find(matches);
        until(&format!("a mail with {words:?}"), limit, async || found())
            .await
            .with_context(|| format!("mails so far: {:#?}", self.mails()))
    }
}

fn read(file: &Path) -> Result<Mail> {
    let bytes = std::fs::read(file).with_context(|| format!("failed to read {}", file.display()))?;
    let message = MessageParser::default().parse(&bytes).context("a mail without headers")?;
    let header = |name: &'static str| message.header_raw(name).unwrap_or_default().trim().to_owned();
    // `body_html` would turn a lone plain part into HTML, so ask how many HTML parts there really are.
    let html = (message.html_body_count() > 0
        && message.parts.iter().any(mail_parser::MessagePart::is_text_html))
    .then(|| message.body_html(0).map(Cow::into_owned))
    .flatten();
    Ok(Mail {
        to: header("X-Envelope-To"),
        subject: message.subject().unwrap_or_default().to_owned(),
        text: message.body_text(0).map(Cow::into_owned).unwrap_or_default(),
        html,
        message_id: header("Message-ID"),
    })
}

/// A throw-away authority and the server's certificate under it.
struct Certificates {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificates {
    fn write(data: &Path) -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(rcgen::DnType::CommonName, "mail server of a test");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names)?.signed_by(&key, &authority)?;
        let files = Self {
            authority: data.join("mail-authority.pem"),
            certificate: data.join("mail-certificate.pem"),
            key: data.join("mail-key.pem"),
        };
        for (file, text) in [
            (&files.authority, authority.pem()),
            (&files.certificate, certificate.pem()),
            (&files.key, key.serialize_pem()),
        ] {
            std::fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))?;
        }
        ensure!(files.key.is_file(), "the mail server's key was not written");
        Ok(files)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a client sends, line by line, is what a reader gets.
    #[test]
    fn a_mail_is_read_as_its_reader_sees_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("1.eml");
        let mail = "X-Envelope-From: a@test\r\nX-Envelope-To: b@test\r\nMessage-ID: <1@test>\r\n\
                    Subject: =?utf-8?B?5ZGK6K2m?=\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=x\r\n\r\n\
                    --x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nplain\r\n--x\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<b>html</b>\r\n--x--\r\n";
        std::fs::write(&file, mail).unwrap();
        let mail = read(&file).unwrap();
        assert_eq!(
            (mail.to.as_str(), mail.subject.as_str(), mail.message_id.as_str()),
            ("b@test", "告警", "<1@test>")
        );
        assert_eq!((mail.text.trim(), mail.html.as_deref().map(str::trim)), ("plain", Some("<b>html</b>")));
    }
}
