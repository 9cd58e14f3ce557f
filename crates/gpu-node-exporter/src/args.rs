//! The command line: what it means.
//!
//! Owns resolving the flags into [`Settings`], with every mistake reported at once. Resolving reads no file and opens no port,
//! so that a command line can be judged anywhere. What a flag is, and what was written, is `flags.rs`'s; the flags of a
//! host collector are its own. Leaves out acting on any of it.

use std::ffi::OsString;

use crate::engine::EngineSettings;
use crate::flags::{Asked, DISABLE_DEFAULTS, Flag, Flags, Grammar};
use crate::gpu::GpuSettings;
use crate::host::{self, Host};
use crate::logging::{self, LogSettings};

mod dcgm;
mod engine;
mod gpu;
mod node_exporter;
mod web;

pub(crate) use dcgm::DcgmListener;
pub(crate) use node_exporter::absent_collectors;
pub(crate) use web::WebSettings;

/// What the program is asked to do.
#[derive(Debug)]
pub(crate) enum Command {
    /// Serve metrics until asked to stop.
    Serve(Settings),
    /// Print what can be read, and leave.
    Check(Settings),
    /// Print this text, and leave.
    Print(String),
}

/// A command line that cannot be used.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Every mistake, one text each.
    pub(crate) mistakes: Vec<String>,
    /// What was to be served, as far as it could be read, so that its file and ports can be checked too and a second
    /// start finds no further mistake. The list of addresses may be empty.
    pub(crate) web: Option<Box<WebSettings>>,
}

/// The resolved command line: past this point no value can be wrong.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Addresses, paths and limits of the server.
    pub(crate) web: WebSettings,
    /// The host collectors that run, made as their flags say.
    pub(crate) host: Host,
    /// `None` with `--no-collector.gpu`.
    pub(crate) gpu: Option<GpuSettings>,
    /// `None` without `--dcgm.listen-address`.
    pub(crate) dcgm: Option<DcgmListener>,
    /// `None` without `--engine.page`.
    pub(crate) engine: Option<EngineSettings>,
    /// How to log.
    pub(crate) log: LogSettings,
    /// What is accepted but should be known, one sentence each.
    pub(crate) warnings: Vec<String>,
}

/// Reads the arguments, without the program's own name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Refused> {
    let mut flags = match grammar().read(arguments.into_iter().collect()) {
        Ok(flags) => flags,
        Err(Asked(text)) => return Ok(Command::Print(text)),
    };
    let settings = settings(&mut flags);
    let checks = flags.is_on(&CHECK);
    match (flags.mistakes.is_empty(), checks) {
        // A check opens no ports; the exporter that runs here has them.
        (false, _) => {
            Err(Refused { mistakes: flags.mistakes, web: (!checks).then(|| Box::new(settings.web)) })
        }
        (true, true) => Ok(Command::Check(settings)),
        (true, false) => Ok(Command::Serve(settings)),
    }
}

static CHECK: Flag =
    Flag::switch("check", false, "Print what can be read and what is missing, and leave with 0 or 1");

/// Everything that may be written, in the order of the help.
fn grammar() -> Grammar {
    const COLLECTORS: &str = "Collectors (node_exporter's flags)";
    const GPU: &str = "GPU";
    const PROGRAM: &str = "Program";
    let mut grammar = Grammar::default();
    let mut add = |flags: &[&'static Flag], heading| {
        for flag in flags {
            grammar.flag(flag, heading);
        }
    };
    add(&web::FLAGS, "Web");
    add(&host::root::FLAGS, "Where to read");
    add(&[&DISABLE_DEFAULTS], COLLECTORS);
    add(&gpu::FLAGS, GPU);
    add(&dcgm::FLAGS, "GPU, under dcgm-exporter's names");
    add(&engine::FLAGS, "Inference engines");
    add(&logging::FLAGS, PROGRAM);
    add(&[&CHECK], PROGRAM);
    Host::add_flags(&mut grammar, COLLECTORS);
    grammar.collector(gpu::COLLECTOR, true, "NVIDIA GPUs", GPU);
    node_exporter::add_flags(&mut grammar);
    grammar
}

fn settings(flags: &mut Flags) -> Settings {
    let web = WebSettings::new(flags);
    let host = Host::new(flags);
    let gpu = gpu::settings(flags, &host.root.proc, &host.root.sys);
    let dcgm = dcgm::listener(flags, gpu.as_ref());
    let engine = engine::settings(flags);
    let log = LogSettings::new(flags);
    let mut warnings = std::mem::take(&mut flags.warnings);
    warnings.extend(node_exporter::warnings(flags));
    Settings { web, host, gpu, dcgm, engine, log, warnings }
}

#[cfg(test)]
mod tests;
