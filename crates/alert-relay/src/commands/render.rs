//! `alert-relay render`: what a target would be sent, without sending it.

use std::process::ExitCode;

use crate::args::ConfigArgs;

/// `render`
#[derive(Debug, clap::Args)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    pub(crate) settings: ConfigArgs,
}

/// Exit code 0 when rendered, 2 on bad settings.
pub(crate) fn run(args: &RenderArgs) -> anyhow::Result<ExitCode> {
    match super::load_settings(&args.settings.config) {
        Ok(_settings) => anyhow::bail!("the renderer has not landed yet"),
        Err(code) => Ok(code),
    }
}
