//! The only place where everything meets.
//!
//! Owns the order of starting: the command line, the log, the lanes, the sockets, and only then the first answer; and
//! the order of stopping. Exit codes: 0 done, 1 could not run or `--check` found something missing, 2 the command line
//! is wrong.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use http_serve::{Server, ServerConfig, Stop};

use crate::args::{self, Command, Settings};
use crate::gpu::{self, Gpu};
use crate::scrape::Scraper;
use crate::service::{Service, ServiceSettings};
use crate::{host, logging};

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
    match args::parse(arguments) {
        Ok(Command::Print(text)) => print(&text, ExitCode::SUCCESS),
        Ok(Command::Check(_settings)) => ExitCode::SUCCESS,
        Ok(Command::Serve(settings)) => {
            logging::start(settings.log);
            match serve(settings) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    tracing::error!("{error:#}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(mistakes) => {
            let lines: String = mistakes.iter().map(|mistake| format!("error: {mistake}\n")).collect();
            // Nobody to tell when standard error is closed.
            let _ = std::io::stderr().write_all(lines.as_bytes());
            ExitCode::from(2)
        }
    }
}

fn print(text: &str, code: ExitCode) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => code,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve(settings: Settings) -> anyhow::Result<()> {
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let result = runtime.block_on(run(settings));
    runtime.shutdown_background();
    result
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let stop = Stop::on_signals().context("cannot listen for signals")?;
    let mut config = ServerConfig::listening_on(settings.web.listen);
    config.web_config = settings.web.config_file;
    let server = Server::bind(config).await?;

    // Kept to the end: dropping it ends the probe.
    let gpu = settings.gpu.as_ref().map(Gpu::start).transpose().context("cannot start the GPU side")?;
    let mut lanes = host::lanes(&settings.host);
    lanes.extend(gpu.as_ref().map(|gpu| ("gpu", vec![gpu.collector()])));
    let scraper = Scraper::start(lanes).context("cannot start the threads that read")?;
    let collectors = scraper.collectors().collect::<Vec<_>>().join(", ");
    let service = Arc::new(Service::new(
        ServiceSettings {
            telemetry_path: settings.web.telemetry_path,
            max_requests: settings.web.max_requests,
            exporter_metrics: settings.web.exporter_metrics,
        },
        scraper,
    ));
    for address in server.local_addresses() {
        tracing::info!(%address, "gpu-node-exporter {} listens on {address}", env!("CARGO_PKG_VERSION"));
    }
    tracing::info!(collectors, "collectors: {collectors}");
    let handler = tower::service_fn(move |request: http::Request<_>| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(&request.into_parts().0).await) }
    });
    stop.or_leave(server.serve(handler, stop.requested(), DRAIN)).await;
    Ok(())
}
