//! `alert-relay render`: what a target would be sent, without sending it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::channel::Part;
use crate::commands::output;
use crate::commands::settings_file::SettingsFile;
use crate::commands::target;
use crate::intake;
use crate::message::{Language, Wording, sample};
use crate::notification::Notification;
use crate::preview;

/// `render`
#[derive(Debug, clap::Args)]
pub(crate) struct RenderArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsFile,

    /// The target's name in the settings
    #[arg(long, value_name = "TARGET")]
    pub(crate) target: String,

    /// A webhook's body as Alertmanager posts it, told as if the target had heard of nothing before
    #[arg(long, value_name = "FILE", conflicts_with = "sample")]
    pub(crate) file: Option<PathBuf>,

    /// A built-in message to render instead of a file
    #[arg(long, value_name = "NAME", default_value = "mixed", value_parser = sample::NAMES)]
    pub(crate) sample: String,

    /// The language of the built-in texts, instead of the target's
    #[arg(long, value_parser = ["zh-CN", "en"])]
    pub(crate) language: Option<String>,
}

/// Exit code 0 when rendered, 1 when the file is no webhook, 2 on bad settings or an unknown target.
pub(crate) fn run(args: &RenderArgs) -> anyhow::Result<ExitCode> {
    let settings = match args.settings.load_in(language(args.language.as_deref())) {
        Ok(settings) => settings,
        Err(code) => return Ok(code),
    };
    let target = match target::open(&settings, &args.target) {
        Ok(target) => target,
        Err(code) => return Ok(code),
    };
    let message = match &args.file {
        Some(file) => preview::of_webhook(&read(file)?, &settings, target, Timestamp::now()),
        None => preview::of_sample(&args.sample, &settings, target)
            .context("a sample of this name is not known")?,
    };
    output::text(&shown(&target.channel.render(&message, Wording::Normal)))?;
    Ok(ExitCode::SUCCESS)
}

fn language(name: Option<&str>) -> Option<Language> {
    match name? {
        "en" => Some(Language::En),
        _ => Some(Language::ZhCn),
    }
}

fn read(file: &Path) -> anyhow::Result<Notification> {
    let body =
        std::fs::read(file).with_context(|| format!("cannot read the webhook `{}`", file.display()))?;
    intake::parse(&body).with_context(|| format!("`{}` is not a webhook of Alertmanager", file.display()))
}

fn shown(parts: &[Part]) -> String {
    let mut out = String::new();
    for (index, part) in parts.iter().enumerate() {
        // Writing to a String can't fail.
        let _ = writeln!(
            out,
            "===== part {} of {}, {} bytes\n{}\n",
            index + 1,
            parts.len(),
            part.bytes(),
            part.preview()
        );
    }
    out
}
