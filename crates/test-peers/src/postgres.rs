//! A PostgreSQL server of the tests' own: Debian's programs, on a Unix socket in a directory of its own, gone with the test's process.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Settings of the server.
const OPTIONS: &str =
    "-c listen_addresses= -c max_connections=200 -c shared_buffers=32MB -c logging_collector=off";

/// What a test does not wait for is the disk.
const WITHOUT_DISK: &str = "-c fsync=off";

/// A server that runs, with one superuser, `relay`, whom nobody asks for a password.
#[derive(Debug)]
pub struct Cluster {
    directory: PathBuf,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    /// Settings beyond the usual.
    options: &'static str,
    /// Stops the server and removes its directory once its input ends, however this process does.
    watch: Child,
}

impl Cluster {
    /// The one that all tests of a binary share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// One that a test may stop and start.
    pub fn start() -> Self {
        Self::start_in(&std::env::temp_dir(), WITHOUT_DISK)
    }

    /// One that waits for its disk, as a real one does: in the directory for temporary files that are not kept in memory.
    pub fn durable() -> Self {
        Self::start_in(Path::new("/var/tmp"), "")
    }

    fn start_in(directory: &Path, options: &'static str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let directory = directory.join(format!("pg-{}-{number}", std::process::id()));
        fs::create_dir(&directory).expect("a new directory for the server");
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(&directory, Some(uid), Some(gid)).expect("the server's user gets its directory");
        }
        let programs = programs();
        let watch = format!(
            "read -r end; '{0}/pg_ctl' -D '{1}/data' -m immediate stop; rm -rf '{1}'",
            programs.display(),
            directory.display()
        );
        let mut watch_it = as_user(Path::new("/bin/sh"), &directory, user);
        // A group of its own: what interrupts the tests does not end it before it has cleaned up.
        let watch_it = watch_it.args(["-c", &watch]).process_group(0).stdin(Stdio::piped());
        let watch = watch_it.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        let cluster = Self { directory, programs, user, options, watch };
        let data = cluster.data().display().to_string();
        let how = ["-D", &data, "-U", "relay", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"];
        cluster.run("initdb", how.map(OsStr::new));
        cluster.run_server();
        cluster.sql_in("postgres", "CREATE DATABASE relay");
        cluster
    }

    /// A store that nothing is in yet: its address for `store.url`.
    pub fn new_store(&self) -> String {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let schema = format!("store_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        self.sql(&format!("CREATE SCHEMA {schema}"));
        format!("{}?options=-csearch_path%3D{schema}", self.url())
    }

    /// The database, with the schema that everybody has.
    pub fn url(&self) -> String {
        let socket = self.directory.to_str().expect("a path in UTF-8").replace('/', "%2F");
        format!("postgres://relay@{socket}/relay")
    }

    /// The socket that a proxy of a test may stand before.
    pub fn socket(&self) -> PathBuf {
        self.directory.join(".s.PGSQL.5432")
    }

    /// Runs statements as the superuser; what they answer, a line a row and `|` between columns.
    pub fn sql(&self, statements: &str) -> String {
        self.sql_in("relay", statements)
    }

    fn sql_in(&self, database: &str, statements: &str) -> String {
        let socket = self.directory.display().to_string();
        let quiet = ["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"];
        let where_to = ["-h", &socket, "-U", "relay", "-d", database, "-c", statements];
        self.run("psql", quiet.into_iter().chain(where_to).map(OsStr::new))
    }

    /// Ends the server as a crash does, and starts it again.
    pub fn crash_and_start(&self) {
        self.stop();
        self.run_server();
    }

    /// Ends the server as a crash does.
    pub fn stop(&self) {
        let data = self.data().display().to_string();
        self.run("pg_ctl", ["-D", &data, "-m", "immediate", "stop"].map(OsStr::new));
    }

    /// Starts it, and returns once it answers.
    pub fn run_server(&self) {
        let options = format!("{OPTIONS} {} -k {}", self.options, self.directory.display());
        let log = self.directory.join("log").display().to_string();
        let data = self.data().display().to_string();
        let how = ["-D", &data, "-w", "-t", "60", "-l", &log, "-o", &options, "start"];
        self.run("pg_ctl", how.map(OsStr::new));
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Runs one of PostgreSQL's programs to its end, and returns what it says.
    #[track_caller]
    fn run<'a>(&self, program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> String {
        let mut command = as_user(&self.programs.join(program), &self.directory, self.user);
        // Into a file: the server that `pg_ctl` starts would keep a pipe open.
        let said = self.directory.join("said");
        let file =
            || fs::File::options().create(true).append(true).open(&said).expect("a file in our directory");
        let is_server = program == "pg_ctl";
        let command = command.args(arguments).stdin(Stdio::null());
        let (is_done, output) = if is_server {
            let status = command.stdout(file()).stderr(file()).status();
            (status.expect("PostgreSQL's program").success(), fs::read_to_string(&said).unwrap_or_default())
        } else {
            let output = command.output().expect("PostgreSQL's program");
            let text = if output.status.success() { output.stdout } else { output.stderr };
            (output.status.success(), String::from_utf8_lossy(&text).into_owned())
        };
        assert!(is_done, "{program}: {output}");
        output
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.watch.stdin.take());
        let _cleaned = self.watch.wait();
    }
}

/// A program as the server's user.
fn as_user(program: &Path, directory: &Path, user: Option<(u32, u32)>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(directory).env_remove("PGDATA").env_remove("PGHOST").env("LC_ALL", "C.UTF-8");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// PostgreSQL refuses to run as root: whom it runs as then.
fn unprivileged() -> Option<(u32, u32)> {
    let is_root = fs::metadata("/proc/self").expect("/proc").uid() == 0;
    is_root.then(|| {
        let users = fs::read_to_string("/etc/passwd").expect("/etc/passwd");
        let numbers = |line: &str| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            let (uid, gid) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
            (name == "postgres").then_some((uid, gid))
        };
        users.lines().find_map(numbers).expect("no user `postgres` (hint: apt-get install postgresql)")
    })
}

/// Debian has a directory for each version, and only some of the programs in `PATH`.
fn programs() -> PathBuf {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let mut debian: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    debian.sort();
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let candidates: Vec<PathBuf> = debian.into_iter().rev().chain(std::env::split_paths(&in_path)).collect();
    let is_whole = |bin: &PathBuf| ["initdb", "pg_ctl", "psql"].iter().all(|name| bin.join(name).exists());
    candidates
        .into_iter()
        .find(is_whole)
        .expect("PostgreSQL's initdb, pg_ctl and psql are not there (hint: apt-get install postgresql)")
}
