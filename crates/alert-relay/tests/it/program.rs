//! Starting `alert-relay` in a directory of its own, and hearing what it says.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use test_peers::client::get;
use test_peers::page::Page;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A settings file and the store beside it.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    /// A home with this `relay.yml` (a free port and the store are added).
    pub(crate) fn new(settings: &str) -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        home.write(settings);
        home
    }

    /// A home of one of several relays: the store is elsewhere.
    pub(crate) fn sharing(store: &str, settings: &str) -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        let text = format!(
            "server: {{ listen: '127.0.0.1:0' }}\nstore: {{ url: '{store}', directory: '.' }}\nlanguage: en\n{settings}"
        );
        std::fs::write(home.settings(), text).unwrap();
        home
    }

    /// Replaces `relay.yml`.
    pub(crate) fn write(&self, settings: &str) {
        let text = format!(
            "server: {{ listen: '127.0.0.1:0' }}\nstore: {{ url: 'sqlite://relay.db' }}\nlanguage: en\n{settings}"
        );
        std::fs::write(self.settings(), text).unwrap();
    }

    pub(crate) fn settings(&self) -> std::path::PathBuf {
        self.path().join("relay.yml")
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Runs a command that ends by itself.
    pub(crate) fn run(&self, command: &str) -> Output {
        relay().arg(command).arg("--config").arg(self.settings()).output().unwrap()
    }

    /// What `explain` says of this (of nothing: `""`), and its exit code.
    pub(crate) fn explain(&self, what: &str) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = relay()
            .arg("explain")
            .args(Some(what).filter(|what| !what.is_empty()))
            .arg("--config")
            .arg(self.settings())
            .output()
            .unwrap();
        (status.code(), String::from_utf8([stdout, stderr].concat()).unwrap())
    }

    /// Starts to serve, and returns once it listens.
    pub(crate) fn serve(&self) -> Serving {
        self.start(&mut relay(), &[])
    }

    /// The same with these options of `serve`.
    pub(crate) fn serve_as(&self, options: &[&str]) -> Serving {
        self.start(&mut relay(), options)
    }

    /// The same behind a web-config file.
    pub(crate) fn serve_behind(&self, web_config: &str) -> Serving {
        let file = self.path().join("web.yml");
        std::fs::write(&file, web_config).unwrap();
        self.start(relay().env("ALERT_RELAY__SERVER__WEB_CONFIG_FILE", file), &[])
    }

    /// The same with these settings of `server`, from the environment.
    pub(crate) fn serve_with(&self, server: &[(&str, &str)]) -> Serving {
        let variables = server.iter().map(|(key, value)| (format!("ALERT_RELAY__SERVER__{key}"), value));
        self.start(relay().envs(variables), &[])
    }

    /// The same as a user that has nothing else: where a test runs as root, whom no limit of processes holds.
    pub(crate) fn serve_unprivileged(&self) -> Serving {
        if !rustix::process::geteuid().is_root() {
            return self.serve();
        }
        // The build's own folder may be closed to others.
        let program = self.path().join("alert-relay");
        std::fs::copy(relay().get_program(), &program).unwrap();
        for path in [self.path(), &self.settings(), &program] {
            std::os::unix::fs::chown(path, Some(OTHER_USER), Some(OTHER_USER)).unwrap();
        }
        self.start(Command::new(program).uid(OTHER_USER).gid(OTHER_USER), &[])
    }

    fn start(&self, relay: &mut Command, options: &[&str]) -> Serving {
        let relay = relay.args(["serve", "--config"]).arg(self.settings()).args(options);
        let mut child = relay.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (sender, log) = channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut serving = Serving { child, log, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let line = serving.wait_for("listening on ");
        serving.address = line.split("address=").nth(1).unwrap().trim().parse().unwrap();
        serving
    }
}

/// A number that no user has.
const OTHER_USER: u32 = 64_321;

pub(crate) fn relay() -> Command {
    Command::new(env!("CARGO_BIN_EXE_alert-relay"))
}

/// A relay that serves; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    log: Receiver<String>,
    pub(crate) address: SocketAddr,
}

impl Serving {
    /// The next log line with `text` in it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if line.contains(text) => return line,
                Ok(_) => {}
                Err(error) => panic!("no log line with {text:?}: {error}"),
            }
        }
    }

    /// Sends a signal by its name, `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success(), "kill -s {name}");
    }

    /// Lets the user of [`Home::serve_unprivileged`] have this many threads; those that run go on.
    pub(crate) fn limit_threads(&self, most: &str) {
        let pid = self.child.id().to_string();
        let limit = format!("--nproc={most}:");
        let mut prlimit = Command::new("prlimit");
        // Only the same user may without further rights.
        if rustix::process::geteuid().is_root() {
            prlimit.uid(OTHER_USER).gid(OTHER_USER);
        }
        let set = prlimit.args(["--pid", &pid, &limit]).status();
        assert!(set.expect("prlimit is there (package util-linux)").success(), "prlimit {limit}");
    }

    /// Its end, by itself. The log's end is the program's.
    pub(crate) fn ended(mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while self.log.recv_timeout(deadline.saturating_duration_since(Instant::now())).is_ok() {}
        assert!(Instant::now() < deadline, "the relay does not end");
        self.child.wait().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of one series of the relay's own page, `name{label="value",…}`; those that are asked for are whole numbers.
#[track_caller]
pub(crate) fn metric(serving: &Serving, series: &str) -> i64 {
    let page = Page(get(serving.address, "/metrics").body);
    let (name, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels: Vec<&str> =
        labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()).collect();
    let value = page.value(name, &labels).unwrap_or_else(|| panic!("no {series} in\n{}", page.0));
    format!("{value}").parse().unwrap()
}

/// A webhook with one firing alert of this name.
pub(crate) fn webhook(alert: &str) -> Vec<u8> {
    format!(
        r#"{{"version":"4","receiver":"ops","status":"firing","groupKey":"{{}}:{{alertname=\"{alert}\"}}",
        "groupLabels":{{"alertname":"{alert}"}},"commonLabels":{{}},"commonAnnotations":{{}},"externalURL":"http://am:9093",
        "alerts":[{{"status":"firing","labels":{{"alertname":"{alert}","severity":"critical"}},"annotations":{{}},
        "startsAt":"2026-08-22T01:02:03.456Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prom/graph"}}]}}"#
    )
    .into_bytes()
}

/// One receiver `ops` whose every alert goes to one robot.
pub(crate) fn to_robot(url: &str) -> String {
    format!(
        "targets: {{ chat: {{ dingtalk: {{ webhook_url: '{url}' }} }} }}\n\
         receivers: {{ ops: {{ routes: [{{ targets: [chat] }}] }} }}\n"
    )
}
