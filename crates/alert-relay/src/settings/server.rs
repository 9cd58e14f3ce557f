//! `server:`, where the relay listens and how much it takes.

use std::path::PathBuf;
use std::time::Duration;

use http_serve::{AllowedHosts, AllowedSources, ListenAddress};
use settings_document::Section;

use crate::address;

/// No webhook needs more: a group of 10,000 alerts is about 7 MB.
const MOST_BODY_BYTES: u64 = 1 << 30;

/// `server:`
#[derive(Clone, Debug)]
pub(crate) struct ServerSettings {
    /// `listen`
    pub(crate) listen: Vec<ListenAddress>,
    /// `external_url`: how people reach this relay, without a trailing slash; for links. Empty when unset.
    pub(crate) external_url: String,
    /// `web_config_file`: Prometheus' web-config for TLS and basic auth.
    pub(crate) web_config_file: Option<PathBuf>,
    /// `allowed_sources`: whose connections are answered.
    pub(crate) allowed_sources: AllowedSources,
    /// `allowed_hosts`: the names that requests may be for.
    pub(crate) allowed_hosts: AllowedHosts,
    /// `max_body_bytes`: larger webhooks are refused with 413.
    pub(crate) max_body_bytes: usize,
    /// `drain_timeout`: how long a stop waits for requests and sends under way.
    pub(crate) drain_timeout: Duration,
}

pub(super) fn read(mut section: Section<'_>) -> ServerSettings {
    if !section.has("listen") {
        section.missing("listen", "an address such as `:8060`");
    }
    let listen: Vec<_> = section
        .texts("listen")
        .into_iter()
        .filter_map(|item| item.said(str::parse::<ListenAddress>))
        .collect();
    let external_url = address::base_url(&mut section, "external_url");
    let web_config_file = section.readable_file("web_config_file");
    if let Some(Err(error)) = web_config_file.as_deref().map(http_serve::validate) {
        section.problem("web_config_file", error.to_string());
    }
    let allowed_sources =
        section.texts("allowed_sources").into_iter().filter_map(|item| item.said(str::parse)).collect();
    let allowed_hosts =
        section.texts("allowed_hosts").into_iter().filter_map(|item| item.said(str::parse)).collect();
    let max_body_bytes = section.count("max_body_bytes", MOST_BODY_BYTES);
    let drain_timeout = section.duration("drain_timeout");
    section.finish();
    // What is wrong has been noted, and still lets the addresses be tried.
    ServerSettings {
        listen,
        external_url: external_url.unwrap_or_default(),
        web_config_file,
        allowed_sources,
        allowed_hosts,
        max_body_bytes: max_body_bytes.and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default(),
        drain_timeout: drain_timeout.unwrap_or_default(),
    }
}
