//! A relay that is killed at its I/O, again and again, while an Alertmanager posts and chats read.
//!
//! A run has a seed. Two drivers change alerts and post snapshots as Alertmanager does: the newest of a group, until it is answered 200.
//! The relay is started under `strace`, which kills it (SIGKILL) at a system call of the seed's choice, or makes calls fail, and is started
//! again. Its wall clock is set forward and back, at a start and in between. The robots behave as their vendors do, now and then badly. At the end what the chats were told is held against what was true:
//! nothing lost, nothing out of order, no budget crossed, and no more copies than crashes and lies.
//!
//! Owns the run. Leaves out what is true (`world`), what was told and how that is judged (`told`), how a relay ends (`kill`), and what time
//! it is for it (`clock`).

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::json;
use tokio::sync::watch;

use crate::chain::parts;
use crate::chaos::clock::{Jump, JumpingClock};
use crate::chaos::kill::Plan;
use crate::chaos::told::{Chat, Judgement};
use crate::chaos::world::World;
use crate::http;
use crate::ports::Port;
use crate::process::Process;
use crate::vendor::dingtalk::{self, DingTalk};
use crate::vendor::mail::{self, MailServer, Tls};
use crate::vendor::robot::{Fault, Robot};
use crate::vendor::traffic::Limit;
use crate::vendor::wecom::{self, Wecom};
use crate::wait::until;

mod clock;
mod kill;
pub mod told;
mod world;

/// The vendors' minute, played in five seconds; the relay's budget is the default, scaled alike.
const WINDOW: Duration = Duration::from_secs(5);
const BUDGET: &str = "18/5s";
const CALLS: usize = 20;

/// Who gets mails.
const MAILBOXES: [&str; 2] = ["one@example.com", "two@example.com"];

/// A relay that its plan has not ended by then is killed.
const LONGEST_LIFE: Duration = Duration::from_millis(2_500);

/// How long the rest may take once the relay is left alone: a robot that has failed is asked again after half a minute at most.
const CALM: Duration = Duration::from_mins(3);

/// What a run has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Deaths of the relay.
    pub kills: usize,
    /// Of these, at a system call under way (the others after a life that was long enough).
    pub at_calls: usize,
    /// Lives in which calls of the disk failed.
    pub faults: usize,
    /// Times the relay's clock was set.
    pub jumps: usize,
    /// Messages that a robot took and answered with an error.
    pub lies: usize,
    /// Webhooks answered 200.
    pub accepted: usize,
    /// Messages in the chats.
    pub messages: usize,
    /// Messages that told something a second time.
    pub duplicates: usize,
}

impl Tally {
    /// With another run's.
    pub fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.at_calls += other.at_calls;
        self.faults += other.faults;
        self.jumps += other.jumps;
        self.lies += other.lies;
        self.accepted += other.accepted;
        self.messages += other.messages;
        self.duplicates += other.duplicates;
    }
}

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Decides everything but the moments.
    pub seed: u64,
    /// How often the relay is started before it is left alone.
    pub lives: usize,
    /// Whether there is a mail server, a real one, with two mailboxes.
    pub with_mails: bool,
}

/// Runs a relay through its lives, and judges.
///
/// Errors when something was lost, out of order, over budget, or told too often, and when the run itself fails; the store and the logs
/// are then in the folder, which the caller keeps.
pub async fn run(scenario: Scenario, folder: &Path) -> Result<Tally> {
    let mut rng = fastrand::Rng::with_seed(scenario.seed);
    let limit = Limit { calls: CALLS, window: WINDOW, mute: Duration::from_mins(10) };
    let dingtalk = DingTalk::start(dingtalk::Setup { limit, ..dingtalk::Setup::signed() })?;
    let wecom = Wecom::start(wecom::Setup { limit, ..wecom::Setup::default() })?;
    let robots = [&dingtalk.robot, &wecom.robot];
    let address = Port::free()?;
    let settings = folder.join("relay.yml");
    let mails = if scenario.with_mails {
        Some(MailServer::start(&folder.join("mail"), Tls::Implicit, 0).await?)
    } else {
        None
    };
    let mut text = json!({
        "server": { "listen": address.address().to_string() },
        "store": { "url": format!("sqlite://{}/relay.db", folder.display()) },
        "language": "en",
        "targets": {
            "dingtalk": {
                "dingtalk": { "webhook_url": dingtalk.webhook_url(), "secret": dingtalk.secret() },
                "budget": BUDGET,
            },
            "wecom": { "wecom": { "webhook_url": wecom.webhook_url() }, "budget": BUDGET },
        },
        "receivers": { "ops": { "routes": [{ "targets": ["dingtalk", "wecom"] }] } },
    });
    if let Some(server) = &mails {
        text["targets"]["mail"] = json!({ "budget": "60/5s", "email": {
            "smarthost": server.smarthost(),
            "tls": server.tls(),
            "ca_file": server.authority(),
            "from": "alerts@example.com",
            "to": MAILBOXES,
            "auth_username": mail::USER,
            "auth_password": mail::PASSWORD,
        } });
        text["receivers"]["ops"]["routes"][0]["targets"] = json!(["dingtalk", "wecom", "mail"]);
    }
    // JSON is YAML.
    std::fs::write(&settings, text.to_string())?;
    let clock = JumpingClock::new(folder)?;
    let url = |path: &str| format!("http://{}{path}", address.address());
    let client = http::client()?;

    let (calm, is_calm) = watch::channel(false);
    let webhooks = url("/api/v1/alerts/ops");
    let mut worlds = [World::new(0, rng.u64(..)), World::new(1, rng.u64(..))];
    let [first, second] = &mut worlds;
    let lives = async {
        let tally = live(&mut rng, scenario.lives, &settings, folder, &robots, &clock).await?;
        // A robot that wants signatures takes none of a clock that is off by an hour.
        clock.set(Jump::TO_THE_RIGHT_TIME)?;
        let mut process = clock.on(parts::relay(&settings)?).start(folder)?;
        process.ready(&client, &url("/-/ready"), Duration::from_mins(1)).await?;
        // From now on nothing more happens, and what has happened is posted.
        calm.send_replace(true);
        Ok::<(Tally, Process), anyhow::Error>((tally, process))
    };
    let (end, first_posted, second_posted) = tokio::join!(
        lives,
        drive(first, &client, &webhooks, is_calm.clone()),
        drive(second, &client, &webhooks, is_calm),
    );
    let (mut tally, process) = end?;
    tally.accepted = first_posted + second_posted;
    nothing_pending(&client, &url("/metrics")).await?;
    let log = process.log().to_owned();
    drop(process);

    let mut read: Vec<(&str, Vec<String>)> = Vec::new();
    for (name, robot) in [("dingtalk", robots[0]), ("wecom", robots[1])] {
        let refusals: Vec<_> =
            robot.refusals().into_iter().filter(|(_, words)| words != dingtalk::WRONG_TIME).collect();
        ensure!(refusals.is_empty(), "{name}: over budget: {refusals:?}");
        read.push((name, robot.posts().into_iter().map(|post| post.text).collect()));
    }
    if let Some(server) = &mails {
        let all = server.mails()?;
        for mailbox in MAILBOXES {
            let own = all.iter().filter(|mail| mail.to == mailbox);
            read.push((mailbox, own.map(|mail| mail.text.clone()).collect()));
        }
    }
    for (name, texts) in read {
        let chat = Chat::read(texts.iter().map(String::as_str));
        let truth = worlds.iter().flat_map(World::truth);
        let Judgement { faults, duplicates } = chat.judge(truth);
        tally.messages += texts.len();
        tally.duplicates += duplicates;
        ensure!(faults.is_empty(), "{name}: {}\n(log: {})", faults.join("\n"), log.display());
        ensure!(
            duplicates <= tally.kills + tally.lies,
            "{name}: {duplicates} messages told something again after {} crashes and {} lies",
            tally.kills,
            tally.lies
        );
    }
    Ok(tally)
}

/// One life after the other.
async fn live(
    rng: &mut fastrand::Rng,
    lives: usize,
    settings: &Path,
    folder: &Path,
    robots: &[&Robot],
    clock: &JumpingClock,
) -> Result<Tally> {
    let mut tally = Tally::default();
    for _ in 0..lives {
        let plan = Plan::draw(rng);
        if rng.u8(..) < 24 {
            let fault = fault(rng);
            tally.lies += usize::from(matches!(fault, Fault::PostedBut(_)));
            robots[rng.usize(..robots.len())].order(fault);
        }
        let mut jump = Jump::draw(rng);
        let started = Instant::now();
        // Before the start, or while it lives.
        let mut set_clock = || -> Result<()> {
            if let Some(due) = jump.take_if(|jump| jump.after <= started.elapsed()) {
                clock.set(due)?;
                tally.jumps += 1;
            }
            Ok(())
        };
        set_clock()?;
        let mut process = clock.on(parts::relay(settings)?).under(plan.tracer()).start(folder)?;
        let ended = until("the relay's end", LONGEST_LIFE, async || {
            if let Err(error) = set_clock() {
                return Some(Err(error));
            }
            process.ended().map(Ok)
        })
        .await;
        tally.kills += 1;
        tally.faults += usize::from(plan.fails_calls());
        match ended {
            Ok(status) => {
                use std::os::unix::process::ExitStatusExt as _;
                let status = status?;
                let is_killed = status.signal() == Some(9);
                // A relay may refuse to start on a disk that fails.
                ensure!(
                    is_killed || plan.fails_calls(),
                    "the relay ended by itself ({status}) under {plan:?}\n{}",
                    process.output()
                );
                tally.at_calls += usize::from(is_killed);
            }
            Err(_lives) => process.kill(),
        }
    }
    Ok(tally)
}

/// How a vendor behaves badly once. None of these makes the relay wait for minutes.
fn fault(rng: &mut fastrand::Rng) -> Fault {
    match rng.u8(..5) {
        0 => Fault::Html,
        1 => Fault::Code(-1, "system busy".to_owned()),
        2 => Fault::Status(StatusCode::BAD_GATEWAY),
        3 => Fault::PostedBut(StatusCode::BAD_GATEWAY),
        _ => Fault::Slow(Duration::from_millis(rng.u64(50..800))),
    }
}

/// Changes alerts and posts them, as Alertmanager does, until it is calm and everything is posted. Returns how many webhooks were answered
/// 200.
async fn drive(world: &mut World, client: &reqwest::Client, url: &str, calm: watch::Receiver<bool>) -> usize {
    let mut accepted = 0;
    loop {
        let is_calm = *calm.borrow();
        if !is_calm {
            world.change();
        }
        let Some((group, webhook)) = world.next_webhook() else {
            if is_calm {
                return accepted;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let reply = client
            .post(url)
            .header("Content-Type", "application/json")
            .body(webhook.to_string())
            .send()
            .await;
        if reply.is_ok_and(|reply| reply.status() == StatusCode::OK) {
            accepted += 1;
            world.accepted(group);
            tokio::time::sleep(Duration::from_millis(20)).await;
        } else {
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }
}

async fn nothing_pending(client: &reqwest::Client, url: &str) -> Result<()> {
    until("nothing to wait in the store", CALM, async || {
        let reply = client.get(url).header("Accept", "text/plain;version=0.0.4").send().await.ok()?;
        let page = test_peers::page::Page(reply.text().await.ok()?);
        let pending: f64 = page
            .samples()
            .filter(|sample| sample.name == "alert_relay_deliveries_pending")
            .map(|sample| sample.value)
            .sum();
        (pending == 0.0).then_some(())
    })
    .await
    .context("the relay was left alone, and has not told everything")
}
