//! How the pages are served: `--web.*`.

use std::path::PathBuf;
use std::str::FromStr;

use http_serve::{AllowedHosts, AllowedSources, ListenAddress};

use crate::flags::{Flag, Flags};

static LISTEN_ADDRESS: Flag =
    Flag::values("web.listen-address", "ADDRESS", ":9100", "Where to listen; may be given several times");
static SYSTEMD_SOCKET: Flag = Flag::switch(
    "web.systemd-socket",
    false,
    "Serve on the sockets that systemd passes instead of --web.listen-address",
);
static TELEMETRY_PATH: Flag =
    Flag::value("web.telemetry-path", "PATH", "/metrics", "The path of the metrics page");
static CONFIG_FILE: Flag = Flag::value(
    "web.config.file",
    "FILE",
    "",
    "TLS and basic auth, in the format of Prometheus' web configuration",
);
static ALLOWED_SOURCES: Flag = Flag::value(
    "web.allowed-sources",
    "CIDR,...",
    "",
    "Answer only peers of these networks and this machine's own. Empty is everyone",
);
static ALLOWED_HOSTS: Flag = Flag::value(
    "web.allowed-hosts",
    "NAME,...",
    "",
    "Answer only requests for these names (without port), `localhost` and IP addresses. Empty is any",
);
static ENABLE_LIFECYCLE: Flag =
    Flag::switch("web.enable-lifecycle", false, "Allow POST /-/gpu/release and /-/gpu/acquire");
static MAX_REQUESTS: Flag = Flag::value(
    "web.max-requests",
    "NUMBER",
    "40",
    "Most scrapes at the same time; more are answered 503. 0 is no limit",
);
static DISABLE_EXPORTER_METRICS: Flag =
    Flag::switch("web.disable-exporter-metrics", false, "Leave out the series about this process itself");

pub(super) static FLAGS: [&Flag; 9] = [
    &LISTEN_ADDRESS,
    &SYSTEMD_SOCKET,
    &TELEMETRY_PATH,
    &CONFIG_FILE,
    &ALLOWED_SOURCES,
    &ALLOWED_HOSTS,
    &ENABLE_LIFECYCLE,
    &MAX_REQUESTS,
    &DISABLE_EXPORTER_METRICS,
];

/// `--web.*`
#[derive(Debug)]
pub(crate) struct WebSettings {
    /// At least one address.
    pub(crate) listen: Vec<ListenAddress>,
    /// Serve on systemd's sockets instead.
    pub(crate) systemd_socket: bool,
    /// Begins with `/`.
    pub(crate) telemetry_path: String,
    /// Prometheus' web configuration.
    pub(crate) config_file: Option<PathBuf>,
    /// Whose connections are answered.
    pub(crate) allowed_sources: AllowedSources,
    /// The names requests may be for.
    pub(crate) allowed_hosts: AllowedHosts,
    /// Whether the GPUs may be released and acquired over HTTP.
    pub(crate) lifecycle: bool,
    /// Most scrapes at the same time; `None` is no limit.
    pub(crate) max_requests: Option<usize>,
    /// Whether the page shows the series about this process itself.
    pub(crate) exporter_metrics: bool,
}

impl WebSettings {
    /// As the flags say; mistakes are added to `flags`.
    pub(super) fn new(flags: &mut Flags) -> Self {
        let mut listen = Vec::new();
        for text in flags.values(&LISTEN_ADDRESS) {
            match text.parse() {
                Ok(address) => listen.push(address),
                Err(error) => flags.mistakes.push(format!("--web.listen-address: {error}")),
            }
        }
        let systemd_socket = flags.is_on(&SYSTEMD_SOCKET);
        if systemd_socket && flags.is_written(&LISTEN_ADDRESS) {
            flags.warnings.push("--web.listen-address has no effect with --web.systemd-socket".to_owned());
        }
        let telemetry_path = flags.value(&TELEMETRY_PATH);
        if !telemetry_path.starts_with('/') {
            let hint = format!("(hint: write /{telemetry_path})");
            flags
                .mistakes
                .push(format!("`--web.telemetry-path={telemetry_path}` must begin with a slash {hint}"));
        }
        let allowed_sources = listed(flags, &ALLOWED_SOURCES);
        let allowed_hosts = listed(flags, &ALLOWED_HOSTS);
        let max_requests = flags.value(&MAX_REQUESTS);
        let max_requests = max_requests.parse::<usize>().unwrap_or_else(|_| {
            flags.mistakes.push(format!(
                "`--web.max-requests={max_requests}`: expected a whole number, 0 for no limit"
            ));
            0
        });
        Self {
            listen,
            systemd_socket,
            telemetry_path,
            config_file: flags.path_if_any(&CONFIG_FILE),
            allowed_sources,
            allowed_hosts,
            lifecycle: flags.is_on(&ENABLE_LIFECYCLE),
            max_requests: (max_requests > 0).then_some(max_requests),
            exporter_metrics: !flags.is_on(&DISABLE_EXPORTER_METRICS),
        }
    }
}

/// A flag's list; a mistake in it is added to `flags`.
fn listed<T: FromStr<Err: std::fmt::Display> + Default>(flags: &mut Flags, flag: &'static Flag) -> T {
    flags.value(flag).parse().unwrap_or_else(|error| {
        flags.mistakes.push(format!("--{}: {error}", flag.name));
        T::default()
    })
}
