//! One running child: its own process group, its output in a file, gone when its owner is.
//!
//! Three things end it: [`Process::stop`] (SIGTERM first), dropping it, and, should this program be killed itself,
//! the kernel (`setpriv --pdeathsig`).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::http;
use crate::wait::until;

/// How many lines of a child's output an error shows.
const TAIL: usize = 25;

/// What to start.
#[derive(Debug)]
pub struct Launch {
    name: String,
    /// A command in front that becomes the program; mostly empty.
    starter: Vec<OsString>,
    /// The program and its arguments.
    line: Vec<OsString>,
    variables: Vec<(String, OsString)>,
}

impl Launch {
    /// `name` is for people and names the log file; `program` is what runs.
    pub fn new(name: impl Into<String>, program: &Path) -> Self {
        Self { name: name.into(), starter: Vec::new(), line: vec![program.into()], variables: Vec::new() }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.line.push(argument.as_ref().to_owned());
        self
    }

    /// Sets one variable of the child's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Behind a command that becomes the program.
    #[must_use]
    pub fn under(mut self, starter: Vec<OsString>) -> Self {
        self.starter = starter;
        self
    }

    /// With a file system of its own on `folder`, in memory and this large (`4m`), which ends with the program. Others find it under
    /// `/proc/PID/root`.
    #[must_use]
    pub fn with_small_disk(mut self, folder: &Path, size: &str) -> Self {
        let mount = format!("mount -t tmpfs -o size={size} tmpfs \"$0\" && exec \"$@\"");
        let unshare = ["unshare", "--map-root-user", "--mount", "--", "sh", "-c", &mount];
        self.starter = unshare.into_iter().map(OsString::from).chain([folder.into()]).collect();
        self
    }

    /// Starts it, its output appended to `<name>.log` in the folder `logs`.
    pub fn start(self, logs: &Path) -> Result<Process> {
        std::fs::create_dir_all(logs)
            .with_context(|| format!("failed to make the folder {}", logs.display()))?;
        let log = logs.join(format!("{}.log", self.name));
        let output = || -> std::io::Result<File> { File::options().create(true).append(true).open(&log) };
        let (stdout, stderr) = (output(), output());
        let log_failed = || format!("failed to open {}", log.display());
        // env, setpriv and what may stand between change themselves and become the program, so the pid stays the program's. A signal
        // that is ignored stays so: writing past a file-size limit, by which a test plays a full disk, then fails as on one.
        let mut command = Command::new("env");
        command
            .arg("--ignore-signal=XFSZ")
            .args(self.starter)
            .args(["setpriv", "--pdeathsig", "KILL", "--"])
            .args(self.line)
            .envs(self.variables)
            .stdin(Stdio::null())
            .stdout(stdout.with_context(log_failed)?)
            .stderr(stderr.with_context(log_failed)?)
            .process_group(0);
        let child = command.spawn().with_context(|| {
            format!(
                "failed to start {}\n(hint: it is started through setpriv, of the package util-linux)",
                self.name
            )
        })?;
        Ok(Process { name: self.name, child, log })
    }
}

/// A child that runs, or has ended.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// The process number, the program's own.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// All it has printed so far.
    pub fn output(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits until `url` answers 2xx.
    ///
    /// Errors, with the end of its output, when it ends before that or `limit` has passed.
    pub async fn ready(&mut self, client: &reqwest::Client, url: &str, limit: Duration) -> Result<()> {
        let started = Instant::now();
        let answered = until(&format!("{} to answer at {url}", self.name), limit, async || {
            if let Some(status) = self.ended() {
                return Some(Err(status));
            }
            http::is_up(client, url).await.then_some(Ok(()))
        })
        .await;
        match answered {
            Ok(Ok(())) => Ok(()),
            Ok(Err(status)) => {
                bail!("{} ended ({status}) after {:.1?}\n{}", self.name, started.elapsed(), self.tail())
            }
            Err(late) => Err(late.context(self.tail())),
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// How it ended, if it has, in words, with the end of its output.
    pub(crate) fn obituary(&mut self) -> Option<String> {
        self.ended().map(|status| format!("{} ended by itself ({status})\n{}", self.name, self.tail()))
    }

    /// Waits for its end.
    pub async fn exit(&mut self, limit: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        until(&what, limit, async || self.ended()).await.with_context(|| self.tail())
    }

    /// Sends one signal to the program, not to its children.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.leader()?, signal).with_context(|| format!("failed to signal {}", self.name))
    }

    /// Asks it to stop, and ends it the hard way after `grace`.
    pub async fn stop(mut self, grace: Duration) -> Result<ExitStatus> {
        if let Some(status) = self.ended() {
            return Ok(status);
        }
        self.signal(Signal::TERM)?;
        self.exit(grace).await
    }

    /// `kill -9` for it and all its children, and waits until it is gone.
    pub fn kill(&mut self) {
        if let Ok(leader) = self.leader() {
            // Fails when the whole group has ended, which is what is wanted.
            let _ = kill_process_group(leader, Signal::KILL);
        }
        let _ = self.child.wait();
    }

    fn leader(&self) -> Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a child has a process number")
    }

    /// The end of its output, for an error.
    fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let shown = &lines[lines.len().saturating_sub(TAIL)..];
        format!("the end of {}:\n  {}", self.log.display(), shown.join("\n  "))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_that_ends_early_is_reported_with_its_output() {
        let logs = tempfile::tempdir().unwrap();
        let mut child = Launch::new("early", Path::new("/bin/sh"))
            .arg("-c")
            .arg("echo no such key; exit 3")
            .start(logs.path())
            .unwrap();
        let client = http::client().unwrap();
        let error = child.ready(&client, "http://127.0.0.1:9/", Duration::from_mins(1)).await.unwrap_err();
        let said = format!("{error:#}");
        assert!(said.contains("early ended (exit status: 3)") && said.contains("no such key"), "{said}");
    }

    #[tokio::test]
    async fn dropping_a_child_ends_its_children_too() {
        let logs = tempfile::tempdir().unwrap();
        let child = Launch::new("family", Path::new("/bin/sh"))
            .arg("-c")
            .arg("sleep 1000 & echo $!; wait")
            .start(logs.path())
            .unwrap();
        let grandchild = until("the grandchild", Duration::from_mins(1), async || {
            child.output().trim().parse::<u32>().ok()
        })
        .await
        .unwrap();
        drop(child);
        until("the grandchild's end", Duration::from_mins(1), async || {
            // A killed process stays listed until its new parent has collected it.
            let state = std::fs::read_to_string(format!("/proc/{grandchild}/stat"));
            state.map_or(true, |stat| stat.contains(") Z ")).then_some(())
        })
        .await
        .unwrap();
    }
}
