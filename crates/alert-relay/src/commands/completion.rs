//! `alert-relay completion SHELL`: what a shell needs to complete this program's commands and options.

use std::process::ExitCode;

use clap_complete::Shell;

use crate::commands::output;

/// `completion`
#[derive(Debug, clap::Args)]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Exit code 0.
pub(crate) fn run(args: &CompletionArgs, mut grammar: clap::Command) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let name = grammar.get_name().to_owned();
    clap_complete::generate(args.shell, &mut grammar, name, &mut script);
    output::text(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
