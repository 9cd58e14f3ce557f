//! Builds all parts of the exporter and connects them.
//!
//! Owns the order of starting: the command line, the log, the sockets, the threads that read, and only then the first answer; and
//! the order of stopping. Exit codes: 0 done, 1 could not run or `--check` found something missing, 2 the command line
//! or what it names is wrong.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_serve::{
    BindError, Limits, ListNames, ListenAddress, Server, ServerConfig, Stop, inherited_sockets,
};

use crate::args::{self, Command, DcgmListener, Refused, Settings, WebSettings};
use crate::collector::WaitsFor;
use crate::counters_file::read_counters;
use crate::dcgm_service::{self, DcgmService};
use crate::engine::{ApiKey, EnginePages};
use crate::gpu::{self, Counters, DcgmSettings, Gpu};
use crate::scrape::Scraper;
use crate::self_metrics::ProcessCollector;
use crate::service::{Service, ServiceSettings};
use crate::{check, descriptors, heap, logging};

/// The command line, or a file or port it names, cannot be used.
const USAGE: u8 = 2;

/// How long answers under way may take once a stop was asked for.
const DRAIN: Duration = Duration::from_secs(5);

/// Runs the program with these arguments (without its name) and says how to leave.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // The probe is this program, started by itself; it stays small, so it parses no flags.
    if let [command, settings] = &arguments[..]
        && command == gpu::PROBE_COMMAND
    {
        return gpu::run_probe(&settings.to_string_lossy());
    }
    let ended = match args::parse(arguments) {
        Ok(Command::Print(text)) => print(&text).map(|()| ExitCode::SUCCESS),
        Ok(Command::Check(settings)) => on_runtime(|| print_check(settings)),
        Ok(Command::Serve(settings)) => {
            heap::keep_one_heap();
            logging::start(settings.log);
            on_runtime(|| serve(settings))
        }
        Err(refused) => on_runtime(|| print_mistakes(refused)),
    };
    ended.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error:#}");
        ExitCode::FAILURE
    })
}

/// One thread serves: answers wait for the collectors, which have threads of their own.
///
/// Not a part of its caller: the stack of `main`, which the probe has too, would have room for each `work` there is, and what the stack had once
/// stays in memory.
#[inline(never)]
fn on_runtime<F: Future<Output = anyhow::Result<ExitCode>>>(
    work: impl FnOnce() -> F,
) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let ended = runtime.block_on(work());
    // A blocked thread must not hold up the end.
    runtime.shutdown_background();
    ended
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("cannot write to standard output")
}

/// What is wrong with the flags, and with the file and the addresses that could be read from them.
async fn print_mistakes(refused: Refused) -> anyhow::Result<ExitCode> {
    let Refused { mut mistakes, web } = refused;
    if let Some(web) = &web {
        mistakes.extend(bind(web).await.err().unwrap_or_default());
    }
    for mistake in mistakes {
        // When standard error is closed, there is nowhere to write it.
        let _ = writeln!(std::io::stderr(), "error: {mistake}");
    }
    Ok(ExitCode::from(USAGE))
}

async fn print_check(mut settings: Settings) -> anyhow::Result<ExitCode> {
    settings.warnings.extend(raise_limit());
    let is_complete = check::run(settings, std::io::stdout()).await.context("cannot check")?;
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Before the first file is opened. What to know when it fails; collectors then open files for each reading.
fn raise_limit() -> Option<String> {
    let error = descriptors::raise_limit().err()?;
    Some(format!("the limit of open files cannot be raised to what is allowed: {error}"))
}

async fn serve(mut settings: Settings) -> anyhow::Result<ExitCode> {
    settings.warnings.extend(raise_limit());
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let server = match bind(&settings.web).await {
        Ok(server) => server,
        Err(mistakes) => {
            for mistake in mistakes {
                tracing::error!("{mistake}");
            }
            return Ok(ExitCode::from(USAGE));
        }
    };
    let second = match second_face(&settings).await {
        Ok(second) => second,
        Err(mistakes) => {
            for mistake in mistakes {
                tracing::error!("{mistake}");
            }
            return Ok(ExitCode::from(USAGE));
        }
    };
    let api_key = match ApiKey::read(engine_key_file(&settings)) {
        Ok(api_key) => api_key,
        Err(mistake) => {
            tracing::error!("{mistake}");
            return Ok(ExitCode::from(USAGE));
        }
    };
    // The last to hold it is the service: dropping it ends the probe.
    let gpu = settings.gpu.as_ref().map(Gpu::start).transpose().context("cannot start the GPU side")?;
    let second = second.zip(gpu.as_ref()).map(|(second, gpu)| {
        let face = gpu.dcgm(&second.settings, second.counters, dcgm_service::hostname());
        (second.server, Arc::new(DcgmService::new(face)))
    });
    // The GPU's collector reads what the probe's supervisor keeps in memory.
    let mut collectors: Vec<_> = gpu.iter().map(|gpu| (WaitsFor::Nothing, gpu.collector())).collect();
    // Dropping it ends the asking.
    let engines = settings.engine.as_ref().map(|engines| EnginePages::start(engines, api_key)).transpose();
    let engines = engines.context("cannot start asking the engines' pages")?;
    collectors.extend(engines.iter().map(|engines| (WaitsFor::Nothing, engines.collector())));
    if settings.web.exporter_metrics {
        collectors.push((WaitsFor::Nothing, Box::new(ProcessCollector::default())));
    }
    collectors.extend(settings.host.collectors);
    let scraper = Scraper::start(collectors).context("cannot start the threads that read")?;
    let service = Arc::new(Service::new(
        ServiceSettings {
            telemetry_path: settings.web.telemetry_path,
            max_requests: settings.web.max_requests,
            absent: args::absent_collectors(),
            exporter_metrics: settings.web.exporter_metrics,
            lifecycle: settings.web.lifecycle,
            // `bind` leaves the server's limits as they are.
            request_timeout: Limits::default().request_timeout,
        },
        scraper,
        gpu,
    ));
    for address in server.local_addresses() {
        tracing::info!(%address, "gpu-node-exporter {} listens on {address}", env!("CARGO_PKG_VERSION"));
    }
    tracing::info!("collectors: {}", service.collectors().join(", "));

    let counting = |server: Server| {
        let service = Arc::clone(&service);
        server.counting_closings_with(move |reason| service.connection_closed(reason))
    };
    let server = counting(server);
    let second = second.map(|(server, face)| (counting(server), face));
    let handler = tower::service_fn(move |request: http::Request<_>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(&request.into_parts().0).await) }
    });
    let first = Box::pin(server.serve(handler, stop.requested(), DRAIN));
    let Some((server, service)) = second else {
        stop.or_leave(first).await;
        return Ok(ExitCode::SUCCESS);
    };
    for address in server.local_addresses() {
        tracing::info!(%address, "the GPUs are under dcgm-exporter's names at {address}");
    }
    let handler = tower::service_fn(move |request: http::Request<_>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(&request.into_parts().0)) }
    });
    let second = Box::pin(server.serve(handler, stop.requested(), DRAIN));
    stop.or_leave(async { tokio::join!(first, second) }).await;
    Ok(ExitCode::SUCCESS)
}

/// The file with the key for engines.
fn engine_key_file(settings: &Settings) -> Option<&Path> {
    settings.engine.as_ref()?.canary.as_ref()?.api_key_file.as_deref()
}

/// The second face before there are GPUs to show.
struct SecondFace {
    server: Server,
    settings: DcgmSettings,
    counters: Counters,
}

/// Reads its counters file and opens its sockets, behind the same web configuration; or says all that is wrong.
async fn second_face(settings: &Settings) -> Result<Option<SecondFace>, Vec<String>> {
    let Some(DcgmListener { listen, settings: face }) = &settings.dcgm else { return Ok(None) };
    let (counters, findings) = read_counters(face);
    for warning in &findings.warnings {
        tracing::warn!("{warning}");
    }
    let mut mistakes = findings.mistakes;
    match Server::bind(config(&settings.web, listen)).await {
        Ok(server) if mistakes.is_empty() => {
            return Ok(Some(SecondFace { server, settings: face.clone(), counters }));
        }
        Ok(_) => {}
        Err(error) => mistakes.extend(error.to_string().lines().map(str::to_owned)),
    }
    Err(mistakes)
}

/// What all listeners have in common.
fn config(web: &WebSettings, listen: &[ListenAddress]) -> ServerConfig {
    let mut config = ServerConfig::listening_on(listen.to_vec());
    config.web_config.clone_from(&web.config_file);
    config.allowed_sources.clone_from(&web.allowed_sources);
    config.allowed_hosts.clone_from(&web.allowed_hosts);
    config.list_names = ListNames { hosts: "--web.allowed-hosts", sources: "--web.allowed-sources" };
    config
}

/// Opens every socket, or says all that is wrong with the web configuration and the addresses.
async fn bind(web: &WebSettings) -> Result<Server, Vec<String>> {
    let mut mistakes = Vec::new();
    let mut config = config(web, &web.listen);
    if let Some(Err(error)) = web.config_file.as_deref().map(http_serve::validate) {
        mistakes.push(error.to_string());
        config.web_config = None;
    }
    match open(config, web.systemd_socket).await {
        Ok(server) if mistakes.is_empty() => return Ok(server),
        Ok(_) => {}
        Err(text) => mistakes.extend(text.lines().map(str::to_owned)),
    }
    Err(mistakes)
}

/// The sockets of the first face, opened or taken over from systemd; or a line for each that is wrong.
async fn open(config: ServerConfig, systemd_socket: bool) -> Result<Server, String> {
    if !systemd_socket {
        return match Server::bind(config).await {
            // Each address that was written is among the mistakes of the flags.
            Err(BindError::NoAddress) => Err(String::new()),
            other => other.map_err(|error| error.to_string()),
        };
    }
    let sockets = inherited_sockets().map_err(|error| format!("--web.systemd-socket: {error}"))?;
    Server::inherit(config, sockets).map_err(|error| error.to_string())
}
