//! The incident of `make demo` and of the chain's test: a simulated GPU's memory runs full, and is released.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::chain::addresses::Addresses;
use crate::chain::channels::Channels;
use crate::chain::parts::Gpus;
use crate::chain::{Neighbour, Plan};
use crate::programs;
use crate::time_lapse;
use crate::vendor::dingtalk::{self, DingTalk};
use crate::vendor::mail::{Mail, MailServer, Tls};
use crate::vendor::robot::Post;
use crate::vendor::wecom::{self, Wecom};

/// The waiting times of rules and grouping are divided by this: a minute plays as a second.
pub const PACE: u32 = 60;
/// The memory leak is divided by this: full after 23 seconds instead of 90, released after 53.
pub const SCENARIO_PACE: u32 = 4;
/// The `node` label in every message.
pub const NODE: &str = "simulated-node";
/// The alert that this incident is about.
pub const ALERT: &str = "GpuMemoryHigh";
/// How the shipped Chinese text begins an alert that newly fires.
const FIRING: &str = "新告警";
/// How it begins one that is over.
const RESOLVED: &str = "已恢复";

/// The three stand-ins that receive the messages.
pub struct Recipients {
    /// A signed robot with the vendor's own limits.
    pub dingtalk: DingTalk,
    /// A robot with the vendor's own limits.
    pub wecom: Wecom,
    /// A mail server that demands STARTTLS and a login.
    pub mail: MailServer,
}

impl Recipients {
    /// Starts all three; files go under `data`.
    pub async fn start(data: &Path) -> Result<Self> {
        Ok(Self {
            dingtalk: DingTalk::start(dingtalk::Setup::signed())?,
            wecom: Wecom::start(wecom::Setup::default())?,
            mail: MailServer::start(data, Tls::StartTls, 0).await?,
        })
    }

    /// The chain that sends them the messages of this incident, which begins when the chain is complete.
    pub fn plan(&self, data: &Path, addresses: Addresses) -> Result<Plan> {
        Ok(Plan {
            data: data.to_path_buf(),
            files: programs::checkout().to_path_buf(),
            addresses,
            gpus: Gpus::Simulated { scenario: scenario(data)?, age: Duration::ZERO },
            pace: PACE,
            node: Some(NODE.to_owned()),
            neighbour: None,
            channels: Some(Channels::to_all(&self.dingtalk, &self.wecom, &self.mail, data)?),
        })
    }

    /// The same beside another machine, whose engine's alerts are sent too.
    pub fn plan_with(&self, data: &Path, addresses: Addresses, neighbour: Neighbour) -> Result<Plan> {
        let plan = self.plan(data, addresses)?;
        let channels = plan.channels.map(|channels| channels.with_matchers(&["scope=~\"gpu|inference\""]));
        Ok(Plan { neighbour: Some(neighbour), channels, ..plan })
    }

    /// What each of the three has received of the incident, in the order above.
    pub fn received(&self) -> Result<[Received; 3]> {
        self.received_of(ALERT)
    }

    /// What each of the three has received of this alert.
    pub fn received_of(&self, alert: &str) -> Result<[Received; 3]> {
        let posts = |posts: Vec<Post>| Received::by(alert, posts.iter().map(|post| post.text.as_str()));
        let mails: Vec<Mail> = self.mail.mails()?;
        Ok([
            posts(self.dingtalk.robot.posts()),
            posts(self.wecom.robot.posts()),
            Received::by(alert, mails.iter().map(|mail| mail.text.as_str())),
        ])
    }
}

/// What one recipient has received of the incident.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// That it began.
    pub firing: bool,
    /// That it is over.
    pub resolved: bool,
}

impl Received {
    /// Everything.
    pub const ALL: Self = Self { firing: true, resolved: true };

    fn by<'text>(alert: &str, texts: impl Iterator<Item = &'text str>) -> Self {
        texts.filter(|text| text.contains(alert)).fold(Self::default(), |received, text| Self {
            firing: received.firing || text.contains(FIRING),
            resolved: received.resolved || text.contains(RESOLVED),
        })
    }

    /// What is missing, in words; `None` when nothing is.
    pub fn missing(self) -> Option<&'static str> {
        match (self.firing, self.resolved) {
            (true, true) => None,
            (true, false) => Some("that it is resolved"),
            (false, true) => Some("that it fired"),
            (false, false) => Some("anything"),
        }
    }
}

/// How long after the chain is complete the leak begins, is complete, and is released, for announcing it.
pub fn timetable() -> [Duration; 3] {
    // The numbers of memory-leak.yaml, which says them in its comment too.
    [30, 90, 210].map(|second| Duration::from_secs(second) / SCENARIO_PACE)
}

fn scenario(data: &Path) -> Result<PathBuf> {
    let shipped = programs::checkout().join("crates/nvml-sim/scenarios/memory-leak.yaml");
    let text =
        std::fs::read_to_string(&shipped).with_context(|| format!("failed to read {}", shipped.display()))?;
    let file = data.join("memory-leak.yaml");
    std::fs::write(&file, time_lapse::faster(&text, SCENARIO_PACE)?)
        .with_context(|| format!("failed to write {}", file.display()))?;
    Ok(file)
}
