//! What the program can be told to do: one file a command, with its arguments.
//!
//! Each returns the exit code it documents, or an error for what it could not foresee.

use std::process::ExitCode;

use clap::Subcommand;

mod backup;
mod check;
mod completion;
mod delivery_filter;
mod doctor;
mod explain;
mod list;
mod output;
mod preflight;
mod reachability;
mod reload;
mod render;
mod replay;
mod resend;
mod running_relay;
mod runtime;
mod send_test;
mod serve;
mod settings_file;
mod store;
mod target;

/// One file under `commands/` each.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Accept webhooks and deliver them, until SIGTERM or Ctrl-C
    Serve(serve::ServeArgs),
    /// Find what is wrong with the settings, all at once; exit code 2 if anything is
    Check(check::CheckArgs),
    /// Have the running relay read its settings again; exit code 2 if they have mistakes, and the old ones stay
    Reload(reload::ReloadArgs),
    /// Show what a target would be sent
    Render(render::RenderArgs),
    /// Send a test message to a target, and say what its channel answered
    SendTest(send_test::SendTestArgs),
    /// Say what became of a delivery or of an alert; exit code 1 if there is none
    Explain(explain::ExplainArgs),
    /// List deliveries by time, target, state and text
    List(list::ListArgs),
    /// Send dead letters again, or give them up; exit code 1 if one is left
    Resend(resend::ResendArgs),
    /// Say what other settings would have done with the webhooks of late; exit code 3 if anything would be different
    Replay(replay::ReplayArgs),
    /// Find what is wrong around this relay (clock, names, disk, store, targets, Alertmanager), and say what to do
    Doctor(doctor::DoctorArgs),
    /// Copy the store to a file, also beside a running relay
    Backup(backup::BackupArgs),
    /// Print what a shell needs to complete commands and options
    Completion(completion::CompletionArgs),
    /// Move the store to another database
    Store(store::StoreArgs),
}

impl Command {
    /// Does what it says; `grammar` is the whole command line's.
    pub(crate) fn run(self, grammar: fn() -> clap::Command) -> anyhow::Result<ExitCode> {
        match self {
            Self::Serve(args) => serve::run(&args),
            Self::Check(args) => check::run(&args),
            Self::Reload(args) => reload::run(&args),
            Self::Render(args) => render::run(&args),
            Self::SendTest(args) => send_test::run(&args),
            Self::Explain(args) => explain::run(&args),
            Self::List(args) => list::run(&args),
            Self::Resend(args) => resend::run(&args),
            Self::Replay(args) => replay::run(&args),
            Self::Doctor(args) => doctor::run(&args),
            Self::Backup(args) => backup::run(&args),
            Self::Completion(args) => completion::run(&args, grammar()),
            Self::Store(args) => store::run(&args),
        }
    }
}
