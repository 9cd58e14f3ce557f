//! `alert-relay send-test TARGET`: one real message to one target, and the channel's own verdict.

use std::process::ExitCode;

use crate::args::ConfigArgs;

/// `send-test`
#[derive(Debug, clap::Args)]
pub(crate) struct SendTestArgs {
    /// The target's name in the settings
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) settings: ConfigArgs,
}

/// Exit code 0 when delivered, 1 when not, 2 on bad settings or an unknown target.
pub(crate) fn run(args: &SendTestArgs) -> anyhow::Result<ExitCode> {
    match super::load_settings(&args.settings.config) {
        Ok(_settings) => {
            anyhow::bail!("the channels have not landed yet, `{}` cannot be reached", args.target)
        }
        Err(code) => Ok(code),
    }
}
