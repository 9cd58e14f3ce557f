//! The `--web.config.file`, in the format Prometheus' exporter-toolkit gave it.
//!
//! Owns which sections there are and what they become: everything a connection or a request needs, ready to use.
//! Leaves out the keys inside a section, which are read where they are used (`tls`, `auth`, `headers`, `rate_limit`),
//! and how YAML is read (`section`).
//!
//! `web_config::live` reads the file again when it changes.

mod live;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

pub(crate) use self::live::Live;
use crate::{
    auth::Users,
    files::{Files, Seen},
    headers::ExtraHeaders,
    rate_limit::RateLimit,
    section::Section,
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
    problems: Vec<String>,
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

/// A file that was read: what it says, and which files said it.
struct Reading {
    config: Result<WebConfig, WebConfigError>,
    /// The file itself and every file it names, readable or not.
    seen: Vec<Seen>,
}

fn read(path: &Path) -> Reading {
    let (mut files, text) = Files::beside(path);
    let mut problems = Vec::new();
    let config = text
        .map_err(|wrong| problems.push(wrong))
        .map(|text| parse(&text, &mut files, &mut problems))
        .unwrap_or_default();
    let config = if problems.is_empty() {
        Ok(config)
    } else {
        Err(WebConfigError { path: path.to_owned(), problems })
    };
    Reading { config, seen: files.seen() }
}

fn parse(text: &str, files: &mut Files, problems: &mut Vec<String>) -> WebConfig {
    let mut config = WebConfig::default();
    let Some(mut top) = Section::open(text, problems) else { return config };
    let mut http2 = true;
    if let Some(mut http) = top.section("http_server_config") {
        http2 = http.flag("http2").unwrap_or(true);
        if let Some(headers) = http.section("headers") {
            config.headers = ExtraHeaders::read(headers);
        }
        http.end();
    }
    if let Some(section) = top.section("tls_server_config") {
        config.tls = tls::read(section, files, http2);
    }
    if let Some(section) = top.section("basic_auth_users") {
        config.users = Users::read(section);
    }
    if let Some(section) = top.section("rate_limit") {
        config.rate_limit = RateLimit::read(section);
    }
    top.end();
    config
}
