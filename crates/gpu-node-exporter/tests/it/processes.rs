//! Processes on GPUs: that they are found whatever layout the driver writes, and whose they are.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::{Child, Command};

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::{Pid, Signal, kill_process};

use crate::exporter::{Exporter, Page, Trigger, check};

/// A GPU with two processes under this driver.
fn scenario(driver: &str) -> String {
    format!(
        "description: test\ndriver: {{ {driver} }}\ngpus: [{{ model: h100-sxm }}]\n\
         processes: [{{ gpu: 0, pid: 4000001, memory_mib: 100 }}, {{ gpu: 0, pid: 4000002 }}]\n"
    )
}

#[test]
fn the_list_is_read_in_each_layout() {
    for driver in [
        r#"version: "570.86.15""#,
        // The longer layout, no third version, and the short one again.
        r#"version: "535.54.03""#,
        r#"version: "535.98""#,
        r#"version: "535.104.05""#,
        r#"version: "470.82.01""#,
        // No more than the first version.
        r#"version: "450.80.02", missing: [nvmlDeviceGetComputeRunningProcesses_v2]"#,
    ] {
        let exporter = Exporter::on_scenario(&scenario(driver), &[]);
        let page = exporter.wait_until("the GPU is read", |page| page.value("gpu_up", &[]) == Some(1.0));
        assert_eq!(page.value("gpu_processes", &[]), Some(2.0), "{driver}");
        let success = page.value("node_scrape_collector_success", &[r#"collector="gpu""#]);
        assert_eq!(success, Some(1.0), "{driver}: {}", exporter.log());
    }
}

/// A shell that becomes a process of this title, which runs until it is killed.
fn titled(title: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-c", &format!("exec -a '{title}' sleep 1000")]);
    command
}

/// A child that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that nobody waits for, and that ends with the test.
struct Orphan(Pid);

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL);
    }
}

#[test]
fn a_real_process_is_named_and_its_series_end_with_it() {
    let child = Running(titled("VLLM::EngineCore").spawn().expect("bash is there"));
    let trigger = Trigger::new();
    trigger.begin();
    let scenario = format!(
        "description: test\ngpus: [{{ model: h100-sxm }}]\n\
         processes: [{{ gpu: 0, pid: {}, memory_mib: 100, utilization: {{ constant: 0.5 }}, trigger: {} }}]\n",
        child.0.id(),
        trigger.path().display()
    );
    let exporter = Exporter::on_scenario(&scenario, &["--gpu.processes"]);
    let pid = format!("pid=\"{}\"", child.0.id());
    let memory = Some(f64::from(100 << 20));
    let page = exporter.wait_until("the process has its name", |page| {
        page.value("gpu_process_memory_used_bytes", &[&pid, r#"process="VLLM::EngineCore""#]) == memory
            && page.value("gpu_container_sm_seconds_total", &[]).is_some_and(|seconds| seconds > 0.0)
            // Its parent is this test, which is no server, and takes in nobody's orphans.
            && page.value("gpu_engine_state", &[&pid, r#"state="running""#]) == Some(1.0)
    });
    assert_eq!(page.value("gpu_process_sm_utilization_ratio", &[&pid]), Some(0.5));
    assert_eq!(page.value("gpu_container_memory_used_bytes", &[]), memory);
    assert_eq!(page.value("gpu_container_memory_used_bytes", &[r#"kind="unknown""#]), None, "it is seen");

    trigger.end();
    drop(child);
    exporter.wait_until("nothing is left of it", |page| {
        page.value("gpu_processes", &[]) == Some(0.0)
            && !page.samples().any(|sample| {
                let of_those = ["gpu_process_", "gpu_container_", "gpu_engine_"];
                of_those.iter().any(|family| sample.name.starts_with(family))
            })
    });
}

#[test]
fn a_process_whose_parent_has_ended_is_an_orphan() {
    // The shell ends at once, and init (or who takes its place) takes the process in.
    let script = "bash -c \"exec -a 'VLLM::EngineCore' sleep 1000\" >/dev/null 2>&1 & echo $!";
    let shell = Command::new("bash").args(["-c", script]).output().expect("bash is there");
    let pid: i32 = String::from_utf8_lossy(&shell.stdout).trim().parse().expect("a number");
    let _orphan = Orphan(Pid::from_raw(pid).expect("a process"));
    let scenario = format!(
        "description: test\ngpus: [{{ model: h100-sxm }}]\nprocesses: [{{ gpu: 0, pid: {pid}, memory_mib: 100 }}]\n"
    );
    let exporter = Exporter::on_scenario(&scenario, &[]);
    let labels = [&*format!("pid=\"{pid}\""), r#"engine="vllm""#, r#"state="orphaned""#];
    exporter.wait_until("the orphan is seen", |page| page.value("gpu_engine_state", &labels) == Some(1.0));
}

/// A `/proc` of our own making.
struct Proc(tempfile::TempDir);

impl Proc {
    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("below the root")).expect("a folder");
        fs::write(path, text).expect("writable");
    }

    /// A process of the container, with this parent and title.
    fn process(&self, pid: u32, parent: u32, command_line: &str) {
        let stat = format!("{pid} (python3) S {parent} 7 7 0 -1 4 1 2 3 4 5 6 7 8 20 0 9 0 4711 1\n");
        self.write(&format!("{pid}/stat"), &stat);
        self.write(&format!("{pid}/cgroup"), &format!("0::/system.slice/docker-{CONTAINER}.scope\n"));
        self.write(&format!("{pid}/cmdline"), command_line);
    }

    fn end(&self, pid: u32) {
        fs::remove_dir_all(self.0.path().join(pid.to_string())).expect("it runs");
    }

    /// The sockets of a process: one, in this state.
    fn socket(&self, pid: u32, state: &str) {
        let table = format!(
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
             0: 00000000:1F40 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n"
        );
        self.write(&format!("{pid}/net/tcp"), &table);
    }
}

const CONTAINER: &str = "3f4e6a1c0d9b8e7f60514233a4b5c6d7e8f9011223344556677889900aabbcc1";

#[test]
fn the_life_of_an_engine_is_seen_from_outside() {
    let proc = Proc(tempfile::tempdir().expect("a folder"));
    proc.process(10, 1, "python3\0/usr/bin/vllm\0serve\0m\0");
    proc.process(11, 10, "VLLM::EngineCore\0");
    proc.process(12, 11, "VLLM::Worker_TP0\0");
    proc.process(13, 11, "VLLM::Worker_TP1\0");
    proc.socket(10, "07");
    fs::create_dir_all(proc.0.path().join("10/fd")).expect("a folder");
    symlink("socket:[4711]", proc.0.path().join("10/fd/3")).expect("a link");
    let scenario = "description: test\ngpus: [{ model: h100-sxm, count: 2 }]\n\
        processes: [{ gpu: 0, pid: 12, memory_mib: 100 }, { gpu: 1, pid: 13, memory_mib: 100 }]\n";
    let root = format!("--path.procfs={}", proc.0.path().display());
    let exporter = Exporter::on_scenario(scenario, &[&root]);
    let is = |page: &Page, pid: u32, state: &str| {
        let (pid, state) = (format!("pid=\"{pid}\""), format!("state=\"{state}\""));
        page.value("gpu_engine_state", &[&pid, &state]) == Some(1.0)
    };
    let holds_memory = |page: &Page, gpu: &str| {
        let labels = [gpu, r#"container="3f4e6a1c0d9b""#, r#"kind="docker""#];
        page.value("gpu_container_memory_used_bytes", &labels) == Some(f64::from(100 << 20))
    };
    let page = exporter.wait_until("it starts, and holds memory of both GPUs", |page| {
        is(page, 10, "starting") && holds_memory(page, r#"gpu="0""#) && holds_memory(page, r#"gpu="1""#)
    });
    let id = format!("id=\"{CONTAINER}\"");
    assert_eq!(page.value("gpu_container_info", &[&id]), Some(1.0));

    proc.socket(10, "0A");
    let since = |page: &Page| page.value("gpu_engine_state_since_timestamp_seconds", &[r#"pid="10""#]);
    let started = since(&page);
    let page = exporter.wait_until("it runs, with both workers", |page| {
        is(page, 10, "running") && page.value("gpu_engine_processes", &[r#"role="worker""#]) == Some(2.0)
    });
    assert!(since(&page) > started, "{started:?}");

    // The server's command line keeps its reader waiting, as that of a process that hangs in the driver does: it has not ended.
    let pipe = proc.0.path().join("pipe");
    mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).expect("a named pipe");
    fs::rename(pipe, proc.0.path().join("10/cmdline")).expect("writable");
    proc.end(13);
    let page = exporter.wait_until("a part of it is gone", |page| is(page, 10, "broken"));
    assert!(!is(&page, 11, "orphaned"), "{}", page.0);
    proc.end(10);
    proc.process(11, 1, "VLLM::EngineCore\0");
    let page = exporter.wait_until("its server is gone", |page| is(page, 11, "orphaned"));
    assert!(!page.samples().any(|sample| sample.labels.get("pid").is_some_and(|pid| pid == "10")));
}

#[test]
fn what_cannot_be_seen_is_told() {
    let scenario = scenario(r#"version: "570.86.15""#);
    let empty = tempfile::tempdir().expect("a folder");
    let root = format!("--path.procfs={}", empty.path().display());
    let exporter = Exporter::on_scenario(&scenario, &[&root]);
    exporter.wait_until("they are of an unknown owner", |page| {
        page.value("gpu_container_processes", &[r#"kind="unknown""#]) == Some(2.0)
    });
    let (_, told) = check(&scenario, &[&root]);
    assert!(told.contains("processes: 2 of 2 on GPUs are not to be seen in"), "{told}");
    assert!(told.contains("hint: CAP_SYS_PTRACE"), "{told}");
}

#[test]
fn what_the_driver_has_counted_of_a_process_is_told_where_it_counts() {
    for (driver, accounting, counted, sampled) in
        [("610.10", true, true, true), ("570.86.15", true, true, false), ("610.10", false, false, false)]
    {
        let scenario = format!(
            "description: test\ndriver: {{ version: \"{driver}\" }}\n\
             gpus: [{{ model: h100-sxm, accounting: {accounting} }}]\n\
             processes: [{{ gpu: 0, pid: 4000001, memory_mib: 100, utilization: {{ constant: 0.5 }} }}]\n"
        );
        let exporter = Exporter::on_scenario(&scenario, &["--gpu.processes"]);
        let page = exporter.wait_until("the process is there", |page| {
            page.value("gpu_process_memory_used_bytes", &[r#"pid="4000001""#]).is_some()
                && page.value("gpu_up", &[]) == Some(1.0)
        });
        let value = |name| page.value(name, &[r#"gpu="0""#]);
        let of = |name| page.value(name, &[r#"pid="4000001""#]);
        let told = |is_told: bool, value: f64| is_told.then_some(value);
        assert_eq!(value("gpu_accounting_processes"), told(counted, 1.0), "{driver}: {}", page.0);
        assert_eq!(value("gpu_accounting_max_processes"), told(counted, 4000.0), "{driver}");
        assert_eq!(of("gpu_process_memory_used_max_bytes"), told(counted, f64::from(100 << 20)), "{driver}");
        assert_eq!(of("gpu_process_lifetime_utilization_ratio").is_some(), counted, "{driver}");
        assert_eq!(of("gpu_process_start_timestamp_seconds").is_some(), counted, "{driver}");
        assert_eq!(of("gpu_process_busy_samples_total").is_some(), sampled, "{driver}: {}", page.0);
        let success = page.value("node_scrape_collector_success", &[r#"collector="gpu""#]);
        assert_eq!(success, Some(1.0), "{driver}: {}", exporter.log());
    }
}

#[test]
fn a_list_of_accounting_that_cannot_be_is_told_and_not_made_room_for() {
    let scenario = "description: test\ngpus: [{ model: h100-sxm, accounting: true }]\n\
        incidents: [{ gpu: 0, at: 0s, kind: answer, number: 18446744073709551615, call: nvmlDeviceGetAccountingPids }]\n";
    let exporter = Exporter::on_scenario(scenario, &["--gpu.processes"]);
    let page = exporter.wait_until("it is read", |page| page.value("gpu_up", &[]) == Some(1.0));
    assert_eq!(page.value("gpu_accounting_processes", &[]), None);
    assert_eq!(page.value("gpu_accounting_max_processes", &[]), Some(4000.0));
    exporter.wait_for_log("processes with accounting: returned an invalid value: `4294967295`");
}
