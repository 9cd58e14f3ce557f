//! The `--web.config.file`, in the format Prometheus' exporter-toolkit gave it.
//!
//! Owns which sections there are and what they become: everything a connection or a request needs, ready to use.
//! Leaves out the keys inside a section, which are read where they are used (`tls`, `auth`, `headers`, `rate_limit`),
//! and how YAML is read (`settings_document`).
//!
//! `web_config::live` reads the file again when it changes.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod live;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use settings_document::{Document, Problem, Reading, Section};

pub(crate) use self::live::Live;
use crate::{
    auth::Users,
    files::{Files, Seen},
    headers::ExtraHeaders,
    rate_limit::RateLimit,
    tls,
};

/// What a web-config file asks for. The default is what an empty file means: plain HTTP for everyone.
#[derive(Default)]
pub(crate) struct WebConfig {
    pub(crate) tls: Option<Arc<rustls::ServerConfig>>,
    pub(crate) headers: ExtraHeaders,
    pub(crate) users: Option<Users>,
    pub(crate) rate_limit: Option<RateLimit>,
}

/// A web-config file that can't be used, with everything that is wrong with it.
#[derive(Debug)]
pub struct WebConfigError {
    path: PathBuf,
    problems: Vec<Problem>,
}

impl fmt::Display for WebConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the web configuration `{}` cannot be used:", self.path.display())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for WebConfigError {}

/// Checks a web-config file, the certificates it names included, without serving anything.
///
/// # Errors
/// Everything that is wrong with it, each with its line and key.
pub fn validate(path: &Path) -> Result<(), WebConfigError> {
    read(path).config.map(drop)
}

/// A file that was read: what it asks for, and which files said it.
struct ReadFile {
    config: Result<WebConfig, WebConfigError>,
    /// The file itself and every file it names, readable or not.
    seen: Vec<Seen>,
}

fn read(path: &Path) -> ReadFile {
    let (mut files, text) = Files::beside(path);
    let (config, problems) = match text {
        Ok(text) => parse(path, &text, &mut files),
        Err(wrong) => (WebConfig::default(), vec![Problem::of_file(path, None, wrong)]),
    };
    let config = if problems.is_empty() {
        Ok(config)
    } else {
        Err(WebConfigError { path: path.to_owned(), problems })
    };
    ReadFile { config, seen: files.seen() }
}

fn parse(path: &Path, text: &str, files: &mut Files) -> (WebConfig, Vec<Problem>) {
    let document = Document::parse(text, is_key);
    let reading = Reading::new(path, document.lines, document.mistakes, BTreeMap::new());
    let mut file = Section::root(&reading, &document.values);
    let mut config = WebConfig::default();
    let mut http2 = true;
    if let Some(mut http) = file.section("http_server_config") {
        http2 = http.flag("http2").unwrap_or(true);
        config.headers = ExtraHeaders::read(&mut http);
        http.finish();
    }
    if let Some(section) = file.section("tls_server_config") {
        config.tls = tls::read(section, files, http2);
    }
    config.users = Users::read(&mut file);
    if let Some(section) = file.section("rate_limit") {
        config.rate_limit = RateLimit::read(section);
    }
    file.finish();
    (config, reading.into_problems())
}

/// Whether a text can be a key, the name of a user included. A control character is in no user's name (RFC 7617, section 2), and a
/// mistake that quotes it would not stay on its line of the log.
fn is_key(text: &str) -> bool {
    !text.contains(char::is_control)
}
