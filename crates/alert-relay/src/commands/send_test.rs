//! `alert-relay send-test TARGET`: one real message to one target, and the channel's own verdict.

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::channel::Stamp;
use crate::commands::settings_file::SettingsFile;
use crate::commands::target;
use crate::compose::Frame;
use crate::message::Wording;
use crate::outcome::Outcome;
use crate::preview;

/// `send-test`
#[derive(Debug, clap::Args)]
pub(crate) struct SendTestArgs {
    /// The target's name in the settings
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) settings: SettingsFile,
}

/// Exit code 0 when delivered, 1 when not, 2 on bad settings or an unknown target.
#[expect(clippy::print_stdout, reason = "what the command was asked to print")]
pub(crate) fn run(args: &SendTestArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load() {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let target = match target::open(&settings, &args.target) {
        Ok(target) => target,
        Err(code) => return Ok(code),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("failed to start the runtime")?;
    let message = preview::test(&Frame::new(&settings), &target.name, target.language, Timestamp::now());
    let parts = target.channel.render(&message, Wording::Normal);
    let mut all_delivered = true;
    for (index, part) in parts.iter().enumerate() {
        let stamp = Stamp { at: SystemTime::now(), delivery: &message.delivery };
        let outcome = runtime.block_on(target.channel.send(part, &stamp));
        all_delivered &= matches!(outcome, Outcome::Delivered { .. });
        let which = if parts.len() > 1 { format!(" ({}/{})", index + 1, parts.len()) } else { String::new() };
        println!("{}{which}: {}", target.name, verdict(&outcome));
    }
    Ok(if all_delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The outcome in a line: the channel's own words, which carry a hint where we know one.
fn verdict(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Delivered { receipt } => format!("delivered ({receipt})"),
        Outcome::Retry { reason, after, detail } => {
            let after = after.map_or(String::new(), |after| {
                format!(", to be tried again after {}", humantime::format_duration(after))
            });
            format!("not delivered for now, {}{after}: {detail}", reason.as_str())
        }
        Outcome::TooLarge { detail } => format!("not delivered, too large: {detail}"),
        Outcome::Misconfigured { reason, detail } => {
            format!("not delivered, the target's settings are wrong, {}: {detail}", reason.as_str())
        }
        Outcome::Rejected { reason, detail } => {
            format!("not delivered, refused for good, {}: {detail}", reason.as_str())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::outcome::Reason;

    #[test]
    fn every_verdict_is_a_line() {
        let detail = || "errcode 1: words (hint: do it)".to_owned();
        let check = |outcome, expected: &str| assert_eq!(verdict(&outcome), expected);
        check(Outcome::Delivered { receipt: "errcode 0: ok".to_owned() }, "delivered (errcode 0: ok)");
        check(
            Outcome::Retry {
                reason: Reason::Throttled,
                after: Some(Duration::from_mins(10)),
                detail: detail(),
            },
            "not delivered for now, throttled, to be tried again after 10m: errcode 1: words (hint: do it)",
        );
        check(
            Outcome::Misconfigured { reason: Reason::UnknownRobot, detail: detail() },
            "not delivered, the target's settings are wrong, unknown_robot: errcode 1: words (hint: do it)",
        );
        check(
            Outcome::Rejected { reason: Reason::Content, detail: detail() },
            "not delivered, refused for good, content: errcode 1: words (hint: do it)",
        );
        check(
            Outcome::TooLarge { detail: detail() },
            "not delivered, too large: errcode 1: words (hint: do it)",
        );
    }
}
