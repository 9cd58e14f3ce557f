//! What is replayed: a GPU's memory, a file system, a machine's memory; and what the exporter would show of each shape.

use time_to_full::{Counted, Level, Loading, Process, Standing, TimeToFull};

use super::corpus;
use super::readings::{Reading, Seen, readings};
use super::shape::Shape;

/// What is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A GPU's memory, read every second.
    GpuMemory,
    /// A file system, read by each scrape.
    FileSystem,
    /// A machine's memory, read by each scrape.
    HostMemory,
}

/// Seconds from one scrape to the next.
pub const SCRAPE: f64 = 15.0;

/// Seconds from one list of processes to the next.
const LISTED: f64 = 5.0;

impl Subject {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::GpuMemory, Self::FileSystem, Self::HostMemory];

    /// The alerts that are about it, as a regular expression.
    pub fn alerts(self) -> &'static str {
        match self {
            Self::GpuMemory => "GpuMemoryForecast",
            Self::FileSystem => "HostDiskFilling.*",
            Self::HostMemory => "HostMemoryForecast",
        }
    }

    /// The series that the exporter shows of a node's.
    pub fn series(self, node: &str) -> String {
        match self {
            Self::GpuMemory => {
                format!(r#"gpu_memory_time_to_full_seconds{{node="{node}",gpu="0",uuid="GPU-0"}}"#)
            }
            Self::FileSystem => format!("node_filesystem_time_to_full_seconds{}", Self::mount(node)),
            Self::HostMemory => format!(r#"node_memory_time_to_full_seconds{{job="node",node="{node}"}}"#),
        }
    }

    /// The labels of a node's file system.
    pub fn mount(node: &str) -> String {
        format!(r#"{{job="node",node="{node}",device="/dev/sda1",mountpoint="/",fstype="ext4"}}"#)
    }

    /// All of its shapes.
    pub fn shapes(self, seed: u64) -> Vec<Shape> {
        match self {
            Self::GpuMemory => corpus::gpu(seed),
            Self::FileSystem => corpus::disk(seed),
            Self::HostMemory => corpus::memory(seed),
        }
    }

    /// What the exporter shows of a shape at each scrape: seconds until full.
    pub fn shown(self, shape: &Shape, seed: u64) -> Vec<Option<f64>> {
        let (mut series, mut loading, mut listed) =
            (TimeToFull::default(), Loading::default(), Listed::default());
        let (every, jitter) = if self == Self::GpuMemory { (1.0, 0.1) } else { (SCRAPE, 1.0) };
        let mut shown = Vec::new();
        for reading in readings(shape, every, jitter, seed) {
            let room = 1.0 - reading.used;
            let level = match self {
                Self::GpuMemory => {
                    let counted = Counted { used: reading.used, free: room, total: 1.0 };
                    loading.level(reading.at, counted, listed.at(&reading))
                }
                Self::FileSystem | Self::HostMemory => Some(Level { used: reading.used, room }),
            };
            if let Some(level) = level {
                series.add(reading.at, level);
            }
            // Scrapes go on while nobody reads.
            while reading.at >= shown.len() as f64 * SCRAPE {
                shown.push(series.seconds(reading.at));
            }
        }
        shown
    }
}

/// The processes as they were last listed.
#[derive(Debug, Default)]
struct Listed {
    at: Option<f64>,
    processes: Option<Vec<Process>>,
}

impl Listed {
    fn at(&mut self, reading: &Reading) -> Option<&[Process]> {
        if self.at.is_none_or(|at| reading.at - at >= LISTED) {
            self.at = Some(reading.at);
            self.processes =
                reading.processes.as_ref().map(|processes| processes.iter().map(process).collect());
        }
        self.processes.as_deref()
    }
}

fn process(seen: &Seen) -> Process {
    let standing = match seen.serves {
        Some(true) => Standing::Serving,
        Some(false) => Standing::Starting,
        None => Standing::Unknown,
    };
    Process { pid: seen.pid, memory: Some(seen.memory), standing }
}
