//! `make demo`: the whole chain on loopback with simulated GPUs, an incident, and the messages it sends.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use e2e::chain::Chain;
use e2e::chain::addresses::Addresses;
use e2e::incident::{PACE, Received, Recipients, timetable};
use e2e::inference_node::{self, HANGS_AFTER, InferenceNode, RELEASE};
use e2e::stop;
use e2e::terminal::Terminal;

/// With `--once`: how long the messages may take after everything runs. Measured: 61 seconds.
const ONCE_LIMIT: Duration = Duration::from_secs(150);
/// How often new messages are looked for.
const TICK: Duration = Duration::from_millis(200);

/// The whole chain with simulated GPUs, and the messages of an incident as they arrive.
#[derive(Parser)]
struct Arguments {
    /// End with status 0 as soon as DingTalk, WeCom and mail have received that the alert fired and that it is resolved, or with 1
    /// when they were not 150 seconds after everything runs.
    #[arg(long)]
    once: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal::default();
    let data = match tempfile::Builder::new().prefix("gpu-monitoring-demo-").tempdir() {
        Ok(data) => data,
        Err(error) => {
            terminal.say(&format!("failed to make a temporary folder: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match play(&arguments, &terminal, data.path()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.say(&format!("{error:#}"));
            terminal.say(&format!("logs and settings are kept in {}", data.keep().display()));
            ExitCode::FAILURE
        }
    }
}

async fn play(arguments: &Arguments, terminal: &Terminal, data: &Path) -> Result<()> {
    terminal.say("starting the chain with SIMULATED GPUs: no reading below comes from a real card");
    let recipients = Recipients::start(data).await?;
    let addresses = Addresses::usual()?;
    let start = async {
        let node = InferenceNode::start(data).await?;
        let plan = recipients.plan_with(data, addresses, node.neighbour())?;
        anyhow::Ok((node, Chain::start(plan).await?))
    };
    let (mut node, mut chain) = tokio::select! {
        started = start => started?,
        asked = stop::asked() => return asked,
    };
    announce(terminal, &chain, &node);
    if arguments.once {
        terminal.say(&format!("this ends once all three have received both, or fails after {ONCE_LIMIT:?}"));
    }
    let outcome = watch(arguments, terminal, &recipients, &mut chain, &mut node).await;
    terminal.say("stopping");
    let stopped = chain.stop().await.and(node.stop().await);
    outcome.and(stopped)?;
    terminal.say("everything it started has stopped");
    Ok(())
}

fn announce(terminal: &Terminal, chain: &Chain, node: &InferenceNode) {
    let [begins, full, released] = timetable().map(|time| time.as_secs());
    terminal.say("everything runs; to look around:");
    terminal.show(&chain.addresses.listing());
    terminal.show(&format!("  {:<13} http://{}/metrics\n", "engine", node.engine_address()));
    terminal.show(&format!("  logs          {}\n\n", chain.data().join("logs").display()));
    terminal.say(&format!(
        "time-lapse: the shipped rules and grouping with every waiting time divided by {PACE} (5 minutes play as 5 s)"
    ));
    terminal.say(&format!(
        "the first incident: GPU 0's memory starts to fill {begins} s from now, is full at {full} s and released at {released} s"
    ));
    terminal.say(&format!(
        "the second incident, on another machine: a SIMULATED {RELEASE} hangs {} s from now. Its process is up, its page answers, requests \
         run, its GPU is at 99 %, and no token comes. {} says so when nothing has moved for two minutes, which no time-lapse shortens",
        HANGS_AFTER.as_secs(),
        inference_node::ALERT
    ));
    terminal.say("DingTalk, WeCom and the mail server are stand-ins on this machine: nothing leaves it");
}

/// Shows what arrives, until asked to stop, everything was received (`--once`), or something broke.
async fn watch(
    arguments: &Arguments,
    terminal: &Terminal,
    recipients: &Recipients,
    chain: &mut Chain,
    node: &mut InferenceNode,
) -> Result<()> {
    let limit = async {
        if arguments.once {
            tokio::time::sleep(ONCE_LIMIT).await;
        } else {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        shown = show_all(arguments, terminal, recipients) => shown,
        broken = break_engine(terminal, recipients, node) => broken,
        () = limit => bail!("after {ONCE_LIMIT:?}: {}", missing(recipients)?),
        error = chain.broken() => Err(error),
        asked = stop::asked() => asked,
    }
}

async fn show_all(arguments: &Arguments, terminal: &Terminal, recipients: &Recipients) -> Result<()> {
    let mut tick = tokio::time::interval(TICK);
    let (mut dingtalk, mut wecom, mut mails) = (0, 0, 0);
    let mut were_received = [Received::default(); 3];
    loop {
        tick.tick().await;
        for post in recipients.dingtalk.robot.posts().iter().skip(dingtalk) {
            terminal.post("DingTalk", post);
            dingtalk += 1;
        }
        for post in recipients.wecom.robot.posts().iter().skip(wecom) {
            terminal.post("WeCom", post);
            wecom += 1;
        }
        for mail in recipients.mail.mails()?.iter().skip(mails) {
            terminal.mail(mail);
            mails += 1;
        }
        let received = recipients.received()?;
        if received != were_received && received == [Received::ALL; 3] {
            terminal.say("all three have received that the alert fired and that it is resolved");
            if arguments.once {
                return Ok(());
            }
            terminal.say("the chain goes on running; Ctrl-C stops it");
        }
        were_received = received;
    }
}

/// The engine's incident: it hangs, and is restarted when everybody has been told. Goes on for ever after it, and ends with an error.
async fn break_engine(terminal: &Terminal, recipients: &Recipients, node: &mut InferenceNode) -> Result<()> {
    tokio::time::sleep(HANGS_AFTER).await;
    node.hang().await?;
    terminal.say("the engine hangs from now on; its /health still says 200");
    let mut tick = tokio::time::interval(TICK);
    let (mut is_restarted, mut is_over) = (false, false);
    loop {
        tick.tick().await;
        if let Some(obituary) = node.ended() {
            bail!(obituary);
        }
        let received = recipients.received_of(inference_node::ALERT)?;
        if !is_restarted && received.iter().all(|received| received.firing) {
            is_restarted = true;
            terminal.say(
                "all three have been told that the engine hangs; it is restarted now, as the runbook says",
            );
            node.restart().await?;
        }
        if !is_over && received == [Received::ALL; 3] {
            is_over = true;
            terminal.say("all three have been told that the engine serves again");
        }
    }
}

/// What each recipient is still missing, for the error.
fn missing(recipients: &Recipients) -> Result<String> {
    let received = recipients.received().context("failed to read what arrived")?;
    let missing: Vec<String> = ["DingTalk", "WeCom", "the mail server"]
        .iter()
        .zip(received)
        .filter_map(|(name, received)| Some(format!("{name} has not received {}", received.missing()?)))
        .collect();
    Ok(missing.join(", "))
}
