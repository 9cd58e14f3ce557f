//! How a relay's life ends, or is made hard: at which system call `strace` does what (pure).

use std::ffi::OsString;

/// What is done to one life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// SIGKILL as this call begins, the n-th of a thread.
    Kill { call: &'static str, number: u32 },
    /// These calls of a thread fail with this error, `count` of them from the n-th on.
    Fail { call: &'static str, error: &'static str, number: u32, count: u32 },
}

/// Calls of the relay by which something leaves or reaches it. The store's file is written with `pwrite64` and synced with `fdatasync`;
/// `sendto` and `writev` send requests and answers, `recvfrom` reads replies, webhooks and acknowledgements of them.
const CALLS: [(&str, u32); 7] = [
    ("pwrite64", 40),
    ("fdatasync", 14),
    ("sendto", 6),
    ("writev", 3),
    ("recvfrom", 14),
    ("connect", 3),
    ("accept4", 6),
];

/// What a full disk, one that became read-only, and one that fails say.
const ERRORS: [(&str, &str); 4] =
    [("fdatasync", "EIO"), ("pwrite64", "ENOSPC"), ("pwrite64", "EROFS"), ("pwrite64", "EIO")];

impl Plan {
    /// A plan by chance: one in eight is a disk that fails.
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Self {
        if rng.u8(..8) == 0 {
            let (call, error) = ERRORS[rng.usize(..ERRORS.len())];
            return Self::Fail { call, error, number: rng.u32(8..80), count: rng.u32(1..30) };
        }
        let (call, most) = CALLS[rng.usize(..CALLS.len())];
        Self::Kill { call, number: rng.u32(1..=most) }
    }

    /// Whether calls fail.
    pub(super) fn fails_calls(self) -> bool {
        matches!(self, Self::Fail { .. })
    }

    /// The command that becomes the program and has it traced.
    pub(super) fn tracer(self) -> Vec<OsString> {
        let (call, inject) = match self {
            Self::Kill { call, number } => (call, format!("inject={call}:signal=KILL:when={number}")),
            Self::Fail { call, error, number, count } => {
                (call, format!("inject={call}:error={error}:when={number}..{}", number + count - 1))
            }
        };
        let trace = format!("trace={call}");
        // The tracer is a grandchild, so that the program has the process number. (With `--seccomp-bpf`, which would be faster, strace 6.1
        // injects nothing.)
        let line = ["strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        line.into_iter().map(OsString::from).collect()
    }
}
