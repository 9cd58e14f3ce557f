//! `alert-relay completion SHELL`: what a shell needs to complete this program's commands and options.

use std::io;
use std::process::ExitCode;

use anyhow::Context as _;
use clap_complete::Shell;

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
    io::Write::write_all(&mut io::stdout().lock(), &script).context("cannot write the completion")?;
    Ok(ExitCode::SUCCESS)
}
