//! A disk that is really full: what is stored is delivered, while it stays full and after a crash.

use std::fs::File;
use std::io::Write as _;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use e2e::http;
use e2e::process::{Launch, Process};
use e2e::programs;
use e2e::vendor::traffic::Limit;
use e2e::vendor::wecom::{self, Wecom};
use e2e::wait::until;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::relay_fixture::{RelayFixture, TIMEOUT, firing, summary};

/// A file system in memory, which only programs started on it see. No privileges are needed (`unshare` and `nsenter` of the package
/// util-linux); it goes with the program that keeps it.
struct SmallDisk {
    keeper: Process,
    folder: PathBuf,
}

impl SmallDisk {
    async fn mount(folder: PathBuf, mebibytes: u32, logs: &Path) -> Result<Self> {
        std::fs::create_dir_all(&folder)?;
        let mount = format!(
            "mount -t tmpfs -o size={mebibytes}m none '{}' && echo mounted && exec sleep infinity",
            folder.display()
        );
        let keeper = Launch::new("small-disk", Path::new("unshare"))
            .arg("--map-root-user")
            .arg("--mount")
            .arg("sh")
            .arg("-c")
            .arg(mount)
            .start(logs)?;
        until("the small disk", TIMEOUT, async || keeper.output().contains("mounted").then_some(())).await?;
        Ok(Self { keeper, folder })
    }

    /// A relay whose store is on this disk.
    async fn start(&self, fixture: &RelayFixture) -> Result<Process> {
        let mut relay = Launch::new("alert-relay", Path::new("nsenter"))
            .arg(format!("--target={}", self.keeper.pid()))
            .arg("--user")
            .arg("--preserve-credentials")
            .arg("--mount")
            .arg("--")
            .arg(programs::ours("alert-relay")?)
            .arg("serve")
            .arg("--config")
            .arg(fixture.settings())
            .start(fixture.folder())?;
        // It takes nothing, perhaps, so it is not ready. But it runs.
        relay.ready(&http::client()?, &fixture.url("/-/healthy"), TIMEOUT).await?;
        Ok(relay)
    }

    /// What another program leaves on it, as seen from outside.
    fn other_file(&self) -> PathBuf {
        let seen = format!("/proc/{}/root{}/other", self.keeper.pid(), self.folder.display());
        PathBuf::from(seen)
    }

    /// Another program takes this many bytes, or all that are left.
    fn occupy(&self, bytes: usize) {
        let mut file = File::options().create(true).append(true).open(self.other_file()).unwrap();
        for _ in 0..bytes / 4096 {
            if file.write_all(&[1; 4096]).is_err() {
                return;
            }
        }
    }
}

/// A webhook of half a megabyte whose message is short.
fn bulky(group: &str) -> Value {
    let mut webhook = firing(group, 1);
    webhook["alerts"][0]["annotations"]["padding"] = json!("x".repeat(500_000));
    webhook
}

/// More bulky ones than a disk of 64 MiB could hold.
const WEBHOOKS_OF_A_DISK: usize = 130;

/// A disk on which nothing is left, and a relay there that has not told anybody yet.
struct FullDisk {
    wecom: Wecom,
    fixture: RelayFixture,
    disk: SmallDisk,
    relay: Process,
    /// The groups that were answered 200.
    taken: Vec<String>,
}

impl FullDisk {
    async fn new() -> Self {
        let limit = Limit { calls: 1_000_000, window: Duration::from_mins(1), mute: Duration::ZERO };
        let wecom = Wecom::start(wecom::Setup { limit, ..wecom::Setup::default() }).unwrap();
        let fixture = RelayFixture::new(&json!({
            "chat": { "wecom": { "webhook_url": wecom.webhook_url() }, "budget": "1000000/1m" }
        }))
        .unwrap();
        let folder = fixture.folder().join("disk");
        change_settings(
            &fixture,
            "store",
            json!({ "url": format!("sqlite://{}/relay.db", folder.display()) }),
        );
        let disk = SmallDisk::mount(folder, 64, fixture.folder()).await.unwrap();
        disk.occupy(20 << 20);
        let relay = disk.start(&fixture).await.unwrap();
        wecom.robot.hold_calls();
        let mut taken = Vec::new();
        loop {
            let group = format!("bulky{}", taken.len());
            let (status, reason) = fixture.post(&bulky(&group)).await.unwrap();
            if status != StatusCode::OK {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reason}");
                assert!(reason.contains("disk of the store is full"), "{reason}");
                break;
            }
            taken.push(group);
        }
        assert!(taken.len() > 4, "only {} were taken", taken.len());
        disk.occupy(64 << 20);
        wecom.robot.holds_a_call(TIMEOUT).await.unwrap();
        Self { wecom, fixture, disk, relay, taken }
    }

    /// Everything was told, this often.
    async fn told(&self, times: RangeInclusive<usize>) {
        self.fixture.nothing_pending().await.unwrap();
        let posts = self.wecom.robot.posts();
        for group in &self.taken {
            let summary = summary(group, 0);
            let copies = posts.iter().filter(|post| post.text.contains(&summary)).count();
            assert!(times.contains(&copies), "{group} was told {copies} times");
        }
    }

    /// What is left is for delivering: nothing is taken, small as it may be, and it is said.
    async fn takes_nothing(&self) {
        let (status, reason) = self.fixture.post(&firing("small", 1)).await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reason}");
        let ready = self.fixture.client.get(self.fixture.url("/-/ready")).send().await.unwrap();
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(ready.text().await.unwrap().contains("kept for delivering what is stored"));
        assert!(self.relay.output().contains("relay.db.reserve gives up"), "{}", self.relay.output());
    }

    /// What fits into the store's log as large as it is, after a webhook that did not, is taken and told; more is refused by name.
    async fn takes_no_more_than_it_tells(&mut self) {
        for number in 0..WEBHOOKS_OF_A_DISK {
            let group = format!("later{number}");
            let (status, reason) = self.fixture.post(&bulky(&group)).await.unwrap();
            if status != StatusCode::OK {
                assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{reason}");
                assert!(reason.contains("disk of the store is full"), "{reason}");
                return self.told(1..=2).await;
            }
            self.taken.push(group);
        }
        panic!("a full disk has taken {WEBHOOKS_OF_A_DISK} webhooks of half a megabyte");
    }

    async fn goes_on_with_space(&self) {
        std::fs::remove_file(self.disk.other_file()).unwrap();
        let (status, reason) = self.fixture.post(&firing("small", 1)).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{reason}");
    }
}

/// Of a relay that is started after it.
fn change_settings(fixture: &RelayFixture, section: &str, to: Value) {
    let text = std::fs::read_to_string(fixture.settings()).unwrap();
    let mut settings: Value = serde_json::from_str(&text).unwrap();
    settings[section] = to;
    std::fs::write(fixture.settings(), settings.to_string()).unwrap();
}

#[tokio::test]
async fn what_is_stored_is_delivered_once_from_a_full_disk() {
    let full = FullDisk::new().await;
    full.wecom.robot.release_calls();
    full.told(1..=1).await;
    full.takes_nothing().await;
    full.goes_on_with_space().await;
}

#[tokio::test]
async fn a_relay_that_was_killed_starts_on_a_full_disk_and_delivers() {
    let mut full = FullDisk::new().await;
    full.relay.kill();
    full.wecom.robot.release_calls();
    // An alarm of its own, which nobody else has, is not turned away like a webhook.
    let heartbeats = json!({ "watchdog": { "expect_every": "1s", "targets": ["chat"] } });
    change_settings(&full.fixture, "heartbeats", heartbeats);
    full.relay = full.disk.start(&full.fixture).await.unwrap();
    until("the alarm of the heartbeat", TIMEOUT, async || {
        full.wecom.robot.posts().iter().any(|post| post.text.contains("watchdog")).then_some(())
    })
    .await
    .unwrap();
    // The one under way when it was killed may have arrived.
    full.told(1..=2).await;
    full.takes_no_more_than_it_tells().await;
    full.goes_on_with_space().await;
}
