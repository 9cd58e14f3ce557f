//! A running exporter: started on a free port, asked over HTTP, ended with the test.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};
use test_peers::client;

/// Longest wait for anything a test expects; far above what any step takes on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a scraper waits that leaves no collector out for a machine that is busy, in seconds.
const PATIENT: &str = "60";

/// How often a test looks whether what it waits for has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);

const PROGRAM: &str = env!("CARGO_BIN_EXE_gpu-node-exporter");

/// A running program under test.
pub(crate) struct Exporter {
    child: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    scenario: Option<tempfile::NamedTempFile>,
}

/// A library that the loader finds first and cannot load, as on a machine without a driver.
pub(crate) fn no_driver() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("libnvidia-ml.so.1"), "no library").expect("writable");
    folder
}

/// A `/sys` whose PCI bus has NVIDIA GPUs at these addresses, all of them the NVIDIA driver's.
pub(crate) fn sysfs(addresses: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("a folder");
    for address in addresses {
        let device = root.path().join("bus/pci/devices").join(address);
        fs::create_dir_all(&device).expect("a folder");
        fs::write(device.join("vendor"), "0x10de\n").expect("writable");
        fs::write(device.join("class"), "0x030200\n").expect("writable");
        std::os::unix::fs::symlink("../../../bus/pci/drivers/nvidia", device.join("driver")).expect("a link");
    }
    root
}

/// A file that begins an incident of a scenario when it is written, and ends it when it is removed.
pub(crate) struct Trigger {
    folder: tempfile::TempDir,
}

impl Trigger {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// As the scenario names it.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("trigger")
    }

    /// Begins the incident, or begins it anew.
    pub(crate) fn begin(&self) {
        fs::write(self.path(), "").expect("writable");
    }

    /// How long ago it was begun last.
    pub(crate) fn age(&self) -> Option<Duration> {
        fs::metadata(self.path()).ok()?.modified().expect("files have times").elapsed().ok()
    }

    pub(crate) fn end(&self) {
        fs::remove_file(self.path()).expect("it was begun");
    }
}

/// One metrics page, and how long it took from the request to the last byte.
#[derive(Debug)]
pub(crate) struct Page {
    page: test_peers::page::Page,
    pub(crate) took: Duration,
}

impl Deref for Page {
    type Target = test_peers::page::Page;

    fn deref(&self) -> &Self::Target {
        &self.page
    }
}

/// The simulated driver library that cargo built beside this test.
pub(crate) fn simulator() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let library = test.with_file_name("libnvml_sim.so");
    assert!(library.exists(), "{} is missing (hint: cargo build -p nvml-sim)", library.display());
    library
}

impl Exporter {
    /// Starts with a scenario that begins now, swept ten times a second, as often as the flags allow. A probe that a busy machine
    /// does not run for a while is not given up: a test of what is given up says after what time.
    pub(crate) fn on_scenario(yaml: &str, flags: &[&str]) -> Self {
        let library = format!("--gpu.library={}", simulator().display());
        let mut arguments = vec![library.as_str(), "--gpu.sample-interval=100ms", "--gpu.probe-timeout=1m"];
        arguments.extend(flags);
        Self::start(Command::new(PROGRAM), &arguments, Some(scenario(yaml)))
    }

    /// From now on another scenario is played to probes that start; those that run keep theirs.
    pub(crate) fn play_to_new_probes(&self, yaml: &str) {
        let file = self.scenario.as_ref().expect("it was started on one");
        // At once: a probe may be reading it.
        fs::rename(scenario(yaml).into_temp_path().keep().expect("a file"), file.path()).expect("writable");
    }

    /// Starts with these flags and no more than a free port.
    pub(crate) fn with_flags(flags: &[&str]) -> Self {
        Self::start(Command::new(PROGRAM), flags, None)
    }

    /// Starts where the loader looks for libraries here first.
    pub(crate) fn with_libraries(folder: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.env("LD_LIBRARY_PATH", folder);
        Self::start(command, flags, None)
    }

    /// Starts with this environment variable.
    pub(crate) fn with_variable(name: &str, value: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(PROGRAM);
        command.env(name, value);
        Self::start(command, flags, None)
    }

    /// Starts where `/etc` holds nothing but what this folder holds.
    pub(crate) fn with_etc(folder: &Path, flags: &[&str]) -> Self {
        let mut shell = Command::new("unshare");
        shell.args(["--user", "--map-root-user", "--mount", "sh", "-c"]);
        shell
            .args(["mount --bind \"$0\" /etc && exec \"$@\"".as_ref(), folder.as_os_str()])
            .arg(PROGRAM)
            .env_remove("TZ");
        Self::start(shell, flags, None)
    }

    /// Starts under a limit, which is written as the arguments of `ulimit`.
    pub(crate) fn under_limit(limit: &str, flags: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("ulimit {limit} && exec \"$0\" \"$@\""), PROGRAM]);
        Self::start(shell, flags, None)
    }

    /// Starts as systemd starts a service whose socket it has opened already: with the socket as its file 3.
    pub(crate) fn with_socket(socket: std::net::TcpListener, flags: &[&str]) -> Self {
        let mut shell = Command::new("sh");
        let pass = "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\" 3<&0 </dev/null";
        shell.args(["-c", pass, PROGRAM]).stdin(Stdio::from(std::os::fd::OwnedFd::from(socket)));
        Self::start(shell, flags, None)
    }

    fn start(mut command: Command, flags: &[&str], scenario: Option<tempfile::NamedTempFile>) -> Self {
        command.arg("--web.listen-address=127.0.0.1:0").args(flags).stderr(Stdio::piped());
        if let Some(file) = &scenario {
            let start = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            command
                .env("NVML_SIM_SCENARIO", file.path())
                .env("NVML_SIM_START", start.as_millis().to_string());
        }
        let mut child = command.spawn().expect("the program under test starts");
        let stderr = child.stderr.take().expect("it is piped");
        let log = Arc::new(Mutex::new(String::new()));
        let (sender, found) = mpsc::channel();
        let copy = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("address=") {
                    // Only the test's end makes nobody listen.
                    let _ = sender.send(address.trim().parse());
                }
                let mut log = copy.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let address = found.recv_timeout(PATIENCE).expect("it says where it listens").expect("an address");
        Self { child, address, log, scenario }
    }

    /// Fetches the metrics page, however long that takes.
    pub(crate) fn scrape(&self) -> Page {
        self.scrape_within(PATIENT)
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Fetches the metrics page as a scraper does that waits so many seconds.
    fn scrape_within(&self, seconds: &str) -> Page {
        let asked = Instant::now();
        let header = format!("X-Prometheus-Scrape-Timeout-Seconds: {seconds}");
        let answer = client::request(self.address, "GET", "/metrics", &[&header], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        Page { page: test_peers::page::Page(answer.body), took: asked.elapsed() }
    }

    /// The body of the answer to a request, which must be a 200.
    pub(crate) fn request(&self, method: &str, path: &str) -> String {
        let answer = client::request(self.address, method, path, &[], b"");
        assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
        answer.body
    }

    /// Scrapes until the page is as expected; fails with the last page and the log after [`PATIENCE`].
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is_so: impl Fn(&Page) -> bool) -> Page {
        self.wait_for(PATIENCE, what, is_so)
    }

    /// The same for what takes a known time that is longer.
    #[track_caller]
    pub(crate) fn wait_for(&self, limit: Duration, what: &str, is_so: impl Fn(&Page) -> bool) -> Page {
        self.wait(limit, PATIENT, what, is_so)
    }

    /// The same by a scraper that waits so many seconds for each page.
    #[track_caller]
    pub(crate) fn wait_within(&self, seconds: &str, what: &str, is_so: impl Fn(&Page) -> bool) -> Page {
        self.wait(PATIENCE, seconds, what, is_so)
    }

    #[track_caller]
    fn wait(&self, limit: Duration, seconds: &str, what: &str, is_so: impl Fn(&Page) -> bool) -> Page {
        let deadline = Instant::now() + limit;
        loop {
            let page = self.scrape_within(seconds);
            if is_so(&page) {
                return page;
            }
            assert!(Instant::now() < deadline, "not so: {what}\n{}\n{}", gpu_lines(&page), self.log());
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Waits until this is logged, without a scrape.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, words: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !self.log().contains(words) {
            assert!(Instant::now() < deadline, "`{words}` is not in the log:\n{}", self.log());
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// Everything logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The process ids of its children: the probes.
    pub(crate) fn probes(&self) -> Vec<Pid> {
        let pid = self.child.id();
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
        let children = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("children")).ok());
        let ids: Vec<String> = children.map(|text| text.trim().to_owned()).collect();
        ids.iter()
            .flat_map(|text| text.split_whitespace())
            .filter_map(|id| Pid::from_raw(id.parse().ok()?))
            .collect()
    }

    /// Sends a signal to the exporter itself and tells how it ended.
    pub(crate) fn end_with(&mut self, signal: Signal) -> ExitStatus {
        let pid = Pid::from_raw(self.child.id().cast_signed()).expect("a process has an id");
        kill_process(pid, signal).expect("it runs");
        self.child.wait().expect("it was started here")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // It may have been ended by the test.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A file with this scenario.
fn scenario(yaml: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(yaml.as_bytes()).expect("writable");
    file
}

/// Runs `--check` on a scenario with these flags; returns the exit code and what was printed.
pub(crate) fn check(yaml: &str, flags: &[&str]) -> (Option<i32>, String) {
    let file = scenario(yaml);
    let mut command = Command::new(PROGRAM);
    command
        .args(["--check", "--web.listen-address=127.0.0.1:0"])
        .args(flags)
        .arg(format!("--gpu.library={}", simulator().display()))
        .env("NVML_SIM_SCENARIO", file.path());
    told(&mut command)
}

/// Runs `--check` with these flags; returns the exit code and what was printed.
pub(crate) fn check_flags(flags: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(PROGRAM);
    command.args(["--check", "--web.listen-address=127.0.0.1:0"]).args(flags);
    told(&mut command)
}

/// Starts with flags that end the start; returns the exit code and what was printed.
pub(crate) fn refused(flags: &[&str]) -> (Option<i32>, String) {
    told(Command::new(PROGRAM).arg("--web.listen-address=127.0.0.1:0").args(flags))
}

fn told(command: &mut Command) -> (Option<i32>, String) {
    let output = command.output().expect("the program under test starts");
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).expect("UTF-8"))
}

/// Waits until a process is gone.
#[track_caller]
pub(crate) fn wait_until_gone(pid: Pid) {
    let deadline = Instant::now() + PATIENCE;
    let is_gone = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        // A zombie has given everything back but its number.
        stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
    };
    while !is_gone() {
        assert!(Instant::now() < deadline, "process {} is still there", pid.as_raw_nonzero());
        thread::park_timeout(LOOK_EVERY);
    }
}

/// The part of a page that GPU tests want to see when they fail.
fn gpu_lines(page: &Page) -> String {
    let wanted = ["gpu_up", "gpu_probe", "gpu_driver", "gpu_snapshot", "node_scrape_collector_success"];
    let lines = page.0.lines().filter(|line| wanted.iter().any(|start| line.starts_with(start)));
    lines.collect::<Vec<_>>().join("\n")
}
