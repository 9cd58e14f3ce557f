//! The wall clock of a relay that is set forward and back while it runs.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::process::Launch;
use crate::programs;

/// How far it is set, either way: what a clock is off by after a while, after a battery, and by a wrong time zone or date. Seconds.
const STEPS: [i64; 6] = [1, 5, 90, 600, 3 * 3_600, 2 * 86_400];

/// A wall clock, as far as the programs go that are started with it.
#[derive(Debug)]
pub(super) struct JumpingClock {
    library: PathBuf,
    path: PathBuf,
    file: File,
}

/// The clock is set once in a relay's life: so long after its start, to so many milliseconds after the machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Jump {
    pub(super) after: Duration,
    to: i64,
}

impl Jump {
    /// To the machine's own time, at once.
    pub(super) const TO_THE_RIGHT_TIME: Self = Self { after: Duration::ZERO, to: 0 };

    /// By chance: one in three is before the start, one in three somewhen.
    pub(super) fn draw(rng: &mut fastrand::Rng) -> Option<Self> {
        let after = match rng.u8(..3) {
            0 => Duration::ZERO,
            1 => Duration::from_millis(rng.u64(1..2_000)),
            _ => return None,
        };
        let to = STEPS[rng.usize(..STEPS.len())] * 1_000;
        Some(Self { after, to: if rng.bool() { to } else { -to } })
    }
}

impl JumpingClock {
    /// One that shows the machine's time; what it needs is made in `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        let library = folder.join("jumping_clock.so");
        let made = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o"])
            .arg(&library)
            .arg(programs::checkout().join("tests/clock/jumping_clock.c"))
            .output()
            .context("failed to start cc (hint: it is in Debian's package gcc)")?;
        ensure!(made.status.success(), "cc: {}", String::from_utf8_lossy(&made.stderr));
        let path = folder.join("clock");
        std::fs::write(&path, 0_i64.to_ne_bytes())?;
        let file = File::options().write(true).open(&path)?;
        Ok(Self { library, path, file })
    }

    /// With this clock.
    pub(super) fn on(&self, launch: Launch) -> Launch {
        launch.env("LD_PRELOAD", &self.library).env("JUMPING_CLOCK", &self.path)
    }

    /// Sets it.
    pub(super) fn set(&self, jump: Jump) -> Result<()> {
        self.file.write_all_at(&jump.to.to_ne_bytes(), 0).context("failed to set the clock")
    }
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[tokio::test]
    async fn a_program_sees_the_time_that_is_set() {
        let folder = tempfile::tempdir().unwrap();
        let clock = JumpingClock::new(folder.path()).unwrap();
        for (number, to) in [0, 1_500, -90_000, 2 * 86_400_000].into_iter().enumerate() {
            clock.set(Jump { after: Duration::ZERO, to }).unwrap();
            let launch = Launch::new(format!("date-{number}"), Path::new("/bin/date")).arg("+%s%3N");
            let mut date = clock.on(launch).start(folder.path()).unwrap();
            assert!(date.exit(Duration::from_mins(1)).await.unwrap().success());
            let shown: i64 = date.output().trim().parse().unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let off = shown - i64::try_from(now).unwrap();
            assert!((to - 10_000..=to).contains(&off), "set to {to}, off by {off}");
        }
    }

    #[test]
    fn it_is_set_either_way_at_a_start_later_and_not_at_all() {
        let mut rng = fastrand::Rng::with_seed(1);
        let jumps: Vec<Option<Jump>> = (0..100).map(|_| Jump::draw(&mut rng)).collect();
        let some = |is: fn(&Jump) -> bool| jumps.iter().flatten().any(is);
        assert!(jumps.contains(&None));
        assert!(some(|jump| jump.after.is_zero()) && some(|jump| !jump.after.is_zero()));
        assert!(some(|jump| jump.to < 0) && some(|jump| jump.to > 0));
    }
}
