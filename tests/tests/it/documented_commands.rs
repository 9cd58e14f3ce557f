//! Every command of every page, in order, in a fresh copy of the checkout: it is run, or there is a reason why it cannot be here.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::process::{Launch, Process};
use e2e::programs::{self, checkout};
use e2e::vendor::dingtalk::{DingTalk, Setup};
use e2e::wait::until;
use rustix::process::Signal;

/// The pages, in the order in which somebody new reads them. A page with commands that is missing here is a failure.
const PAGES: [&str; 15] = [
    "README.md",
    "README.zh-CN.md",
    "deploy/README.md",
    "deploy/alert-relay/secrets/README.md",
    "deploy/alert-relay/README.md",
    "deploy/alertmanager/README.md",
    "deploy/prometheus/README.md",
    "deploy/grafana/README.md",
    "deploy/calendar/README.md",
    "deploy/docker/README.md",
    "deploy/systemd/README.md",
    "crates/alert-relay/README.md",
    "crates/gpu-node-exporter/README.md",
    "crates/nvml-sim/README.md",
    "CONTRIBUTING.md",
];

/// Pages whose blocks are something else.
const NOT_COMMANDS: [(&str, &str); 2] =
    [("ARCHITECTURE.md", "drawings"), ("rules/README.md", "files for the textfile collector")];

/// How a command begins that is not run here, and why.
const ELSEWHERE: [(&str, &str); 17] = [
    ("docker compose ", "needs a Docker engine: `make compose-test` runs the stack where there is one"),
    ("docker build ", "needs a Docker engine: `make compose-test` builds both images"),
    ("docker run ", "needs a Docker engine, and a volume of an older release"),
    ("sudo ", "changes the machine: users, units, firewall"),
    ("echo kernel.dmesg_restrict=0 | sudo ", "changes the machine"),
    (
        "sqlite3 relay-store/",
        "of a file that a container's volume was copied to; shipped::examples runs the query",
    ),
    ("make up", "builds for release; the same program is started here, from this build"),
    ("make demo", "builds for release; chain.rs plays the same incident through the same chain"),
    ("make test", "is what runs this test"),
    ("make gpu-check", "needs a real GPU"),
    ("cargo build --release", "builds for release what has been built for this test"),
    ("cargo build -p nvml-sim", "has been built for this test"),
    ("cargo run -p nvml-sim", "builds once more; the library is asked in its own tests"),
    ("scp ", "needs a machine with a real GPU"),
    ("ssh ", "needs a machine with a real GPU"),
    ("gpu-node-exporter --gpu.library=", "serves until it is stopped; gpu_faults.rs starts it so"),
    ("$ ", "shows a command with its answer, of a store that is not here"),
];

/// One line of a block, without what is said about it.
fn commands(block: &str) -> impl Iterator<Item = &str> {
    block
        .lines()
        .map(|line| line.split_once("   # ").map_or(line, |(command, _)| command).trim())
        .filter(|line| !line.is_empty())
}

/// The blocks of a page that name no language.
fn blocks(page: &str) -> Vec<String> {
    let text = fs::read_to_string(checkout().join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut blocks = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), open.as_mut()) {
            (Some(language), None) => open = Some((language.is_empty(), String::new())),
            (Some(_), Some(_)) => {
                blocks.extend(open.take().filter(|(plain, _)| *plain).map(|(_, text)| text));
            }
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// What git would give to somebody who clones, with what is not committed yet.
fn listed() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(checkout())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let names = String::from_utf8(output.stdout).unwrap();
    names.split_terminator('\0').map(PathBuf::from).filter(|file| checkout().join(file).is_file()).collect()
}

#[test]
fn every_page_with_commands_is_listed() {
    for file in listed().iter().filter(|file| file.extension().is_some_and(|extension| extension == "md")) {
        let page = file.to_str().unwrap();
        let is_listed = PAGES.contains(&page) || NOT_COMMANDS.iter().any(|(other, _)| *other == page);
        assert!(is_listed || blocks(page).is_empty(), "{page} has commands and is not in PAGES");
    }
}

#[test]
fn both_languages_have_the_same_commands() {
    assert_eq!(blocks("README.md"), blocks("README.zh-CN.md"));
}

#[test]
fn every_reason_is_of_a_command_that_is_there() {
    for (prefix, _) in ELSEWHERE {
        let mut all = PAGES.iter().flat_map(|page| blocks(page));
        assert!(
            all.any(|block| block.lines().any(|line| line.starts_with(prefix))),
            "no page has `{prefix}` any more"
        );
    }
}

/// The fresh copy, and what runs in it.
struct Newcomer {
    home: tempfile::TempDir,
    robot: DingTalk,
    up: Option<Process>,
}

impl Newcomer {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for file in listed() {
            let to = home.path().join(&file);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(checkout().join(&file), to).unwrap();
        }
        Self { home, robot: DingTalk::start(Setup::signed()).unwrap(), up: None }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }

    /// Stands for `make up`; then, as the page says, a robot's address and secret, and the comment off its lines.
    async fn up(&mut self) {
        let launch = Launch::new("up", &programs::ours("up").unwrap());
        let launch = launch.arg("--data").arg(self.path().join("data")).arg("--files").arg(self.path());
        let up = launch.start(&self.path().join("said")).unwrap();
        let limit = Duration::from_mins(2);
        until("the first scrape", limit, async || {
            up.output().contains("Prometheus has scraped this machine").then_some(())
        })
        .await
        .unwrap_or_else(|error| panic!("{error:#}:\n{}", up.output()));
        self.up = Some(up);
        let secrets = self.path().join("deploy/alert-relay/secrets");
        fs::write(secrets.join("dingtalk_url"), self.robot.webhook_url()).unwrap();
        fs::write(secrets.join("dingtalk_secret"), self.robot.secret()).unwrap();
        let relay = self.path().join("deploy/alert-relay/relay.yml");
        let text = fs::read_to_string(&relay).unwrap();
        let mut is_his = false;
        let edited: Vec<String> = text
            .lines()
            .map(|line| {
                let words = line.trim_start();
                is_his = words.contains("ops-dingtalk") && line.starts_with(' ')
                    || is_his && words.starts_with("#   ");
                if is_his { line.replacen("# ", "", 1) } else { line.to_owned() }
            })
            .collect();
        fs::write(&relay, edited.join("\n") + "\n").unwrap();
    }

    /// Stands for what the calendar's page asks for each December: years that the table may not have yet, here without their days.
    fn renew_calendar(&self) {
        let china = |when: &str| {
            let date = Command::new("date").env("TZ", "Asia/Shanghai").args(["-d", when, "+%Y"]).output();
            String::from_utf8(date.unwrap().stdout).unwrap().trim().to_owned()
        };
        let table = self.path().join("deploy/calendar/china.csv");
        let text = fs::read_to_string(&table).unwrap();
        let years = text.lines().find(|line| line.starts_with("# years: ")).unwrap();
        // Tomorrow's, too: it may be the last minute of a year.
        let renewed = format!("{years} {} {}", china("now"), china("tomorrow"));
        fs::write(&table, text.replace(years, &renewed)).unwrap();
    }

    /// Runs one command as it stands, but for the port that `up` may have had to move, and in a year that the calendar has.
    fn run(&self, page: &str, command: &str) {
        let mut line = command.to_owned();
        if command.contains("write-calendar.sh") {
            self.renew_calendar();
        }
        if let Some(up) = &self.up {
            let output = up.output();
            let alertmanager =
                output.lines().find(|line| line.trim_start().starts_with("Alertmanager ")).unwrap();
            let url = alertmanager.split_whitespace().find(|word| word.starts_with("http://")).unwrap();
            line = line.replace("http://localhost:9093", url.trim_end_matches('/'));
        }
        let programs = programs::ours("gpu-node-exporter").unwrap();
        let path = format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut child = Command::new("bash")
            .args(["-c", &line])
            .current_dir(self.path())
            .env("PATH", path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // What the page has people paste; a command that does not read it ends before it is written.
        let _ = child.stdin.take().unwrap().write_all(self.robot.webhook_url().as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        // `--check` leaves with 1 where something is missing, as a GPU is here.
        let is_good = output.status.success() || line.ends_with("--check") && output.status.code() == Some(1);
        assert!(is_good, "{page}: `{line}`: {}:\n{said}", output.status);
    }
}

#[tokio::test]
async fn every_command_works_as_it_stands() {
    let mut newcomer = Newcomer::new();
    let mut run = 0;
    // The other language has the same commands, which a test above holds.
    for page in PAGES.into_iter().filter(|page| *page != "README.zh-CN.md") {
        for block in blocks(page) {
            if block.starts_with("$ ") {
                continue;
            }
            for command in commands(&block) {
                if command == "make up" && newcomer.up.is_none() {
                    newcomer.up().await;
                } else if command == "gpu-node-exporter" {
                    // Serves on every address until it is stopped; the exporter's fixture starts it on loopback.
                } else if !ELSEWHERE.iter().any(|(prefix, _)| command.starts_with(prefix)) {
                    newcomer.run(page, command);
                    run += 1;
                }
            }
        }
    }
    assert!(run > 15, "only {run} commands were run");
    let up = newcomer.up.take().unwrap();
    up.signal(Signal::TERM).unwrap();
    until("its end", Duration::from_mins(1), async || {
        up.output().contains("everything it started has stopped").then_some(())
    })
    .await
    .unwrap();
}
