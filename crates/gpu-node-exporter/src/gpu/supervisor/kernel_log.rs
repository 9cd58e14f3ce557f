//! XIDs in the kernel log: some (79, 119, 120) never come through NVML, and a hung driver reports none.
//!
//! Reads `/dev/kmsg` (kernel documentation, ABI/testing/dev-kmsg) from its end; what happened before the exporter
//! started is not counted. Without `CAP_SYSLOG`, or `kernel.dmesg_restrict=0`, the file can't be opened: XIDs then
//! come from the driver alone, and `--check` says so, with what to do about it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::thread;

use tracing::{debug, warn};

use crate::gpu::xid::{KernelRecords, Report};
use crate::user::user;

pub(in crate::gpu) const KERNEL_LOG: &str = "/dev/kmsg";

/// The kernel's longest record (`PRINTK_MESSAGE_MAX`); one read returns one record.
const RECORD: usize = 8192;

/// Small: the thread only waits and cuts text.
const STACK: usize = 64 << 10;

/// What reading the log brings.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::gpu) enum News {
    Report(Report),
    /// It can be read no more.
    Ended,
}

/// Calls `on_news` with what every record reports from now on, on a thread of its own, until it returns false or the log ends. False when the
/// log cannot be read.
pub(super) fn follow(on_news: impl Fn(News) -> bool + Send + 'static) -> bool {
    let mut log = match open(Path::new(KERNEL_LOG)) {
        Ok(log) => log,
        Err(error) => {
            debug!("XIDs are read from the driver only: {}", cannot_open(&error));
            return false;
        }
    };
    let read = move || read_records(&mut log, on_news);
    let thread = thread::Builder::new().name("kernel-log".to_owned()).stack_size(STACK).spawn(read);
    if let Err(error) = &thread {
        debug!("XIDs are read from the driver only: {error}");
    }
    thread.is_ok()
}

/// The log, positioned at its end.
pub(in crate::gpu) fn open(path: &Path) -> io::Result<File> {
    let mut log = File::open(path)?;
    log.seek(SeekFrom::End(0))?;
    Ok(log)
}

/// Why the log cannot be opened, and what to do about it.
pub(in crate::gpu) fn cannot_open(error: &io::Error) -> String {
    // A kernel without the setting restricts nobody.
    let is_restricted = std::fs::read_to_string(RESTRICTION).is_ok_and(|text| text.trim() != "0");
    explain(error, is_restricted)
}

/// The setting `kernel.dmesg_restrict`: with 1, the log is for `CAP_SYSLOG` (kernel documentation, admin-guide/sysctl/kernel).
const RESTRICTION: &str = "/proc/sys/kernel/dmesg_restrict";

fn explain(error: &io::Error, is_restricted: bool) -> String {
    let user = user();
    let hint = match error.kind() {
        io::ErrorKind::NotFound => {
            "give the container the device /dev/kmsg, as docker-compose.yml does".to_owned()
        }
        io::ErrorKind::PermissionDenied if is_restricted => format!(
            "kernel.dmesg_restrict is 1, and user {user}, as which this runs, has no CAP_SYSLOG: systemd's unit gives it; in a container, \
             whose user gets no capability, set kernel.dmesg_restrict=0 on the host; see \"XID errors\" in deploy/README.md"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "kernel.dmesg_restrict is 0, but user {user}, as which this runs, may not open the device: its mode, or the devices that the \
             container may use; see \"XID errors\" in deploy/README.md"
        ),
        _ => "see \"XID errors\" in deploy/README.md".to_owned(),
    };
    format!("{KERNEL_LOG}: {error} (hint: {hint})")
}

/// Calls `on_news` for each report until it returns false, or with the end of the log.
pub(in crate::gpu) fn read_records(log: &mut impl Read, on_news: impl Fn(News) -> bool) {
    let (mut record, mut records) = (vec![0; RECORD], KernelRecords::default());
    let ended = loop {
        match log.read(&mut record) {
            Ok(0) => break "it has no more records".to_owned(),
            Ok(length) => {
                let text = String::from_utf8_lossy(&record[..length]);
                // Continuation lines hold key=value pairs; only the first has the message.
                let record = text.lines().next().unwrap_or_default();
                if let Some(report) = records.read(record)
                    && !on_news(News::Report(report))
                {
                    return;
                }
            }
            // Records were overwritten before they were read; the next read goes on with the oldest there is.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break error.to_string(),
        }
    };
    warn!(
        "{KERNEL_LOG} can be read no more, so XIDs come from the driver only, which leaves out 79, 119 and 120: {ended} (hint: a restart tries again)"
    );
    on_news(News::Ended);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    /// One record a read, as `/dev/kmsg` does; an empty one stands for overwritten records.
    struct Records(Vec<&'static str>);

    impl Read for Records {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let record = self.0.remove(0);
            if record.is_empty() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            buffer[..record.len()].copy_from_slice(record.as_bytes());
            Ok(record.len())
        }
    }

    #[test]
    fn whoever_may_not_read_the_log_is_told_what_would_help() {
        let user = user().to_string();
        for (kind, is_restricted, words) in [
            (
                io::ErrorKind::PermissionDenied,
                true,
                vec![
                    user.as_str(),
                    "CAP_SYSLOG",
                    "systemd's unit",
                    "kernel.dmesg_restrict=0 on the host",
                    "XID errors",
                ],
            ),
            (
                io::ErrorKind::PermissionDenied,
                false,
                vec![user.as_str(), "kernel.dmesg_restrict is 0", "devices"],
            ),
            (io::ErrorKind::NotFound, true, vec!["/dev/kmsg, as docker-compose.yml does"]),
        ] {
            let told = explain(&kind.into(), is_restricted);
            for words in words {
                assert!(told.contains(words), "nothing of `{words}`: {told}");
            }
        }
        assert!(
            !explain(&io::ErrorKind::PermissionDenied.into(), false).contains("CAP_SYSLOG"),
            "it would not help"
        );
    }

    #[test]
    fn xids_are_found_among_other_records() {
        let records = vec![
            "6,1,1,-;usb 1-1: new device\n SUBSYSTEM=usb\n",
            "4,2,2,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=7, GPU has fallen off the bus.\n",
            "",
            "4,9,9,-;NVRM: Xid (PCI:0000:17:00): 48, DBE\n DEVICE=+pci:0000:17:00.0\n",
        ];
        let found = RefCell::new(Vec::new());
        read_records(&mut Records(records), |news| {
            found.borrow_mut().push(match news {
                News::Report(Report::Xid { slot, code, text, .. }) => format!("{slot} {code} {text}"),
                other => format!("{other:?}"),
            });
            true
        });
        assert_eq!(
            found.into_inner(),
            ["0000:3b:00 79 pid=7, GPU has fallen off the bus.", "0000:17:00 48 DBE", "Ended"]
        );
    }

    #[test]
    fn whoever_listens_no_more_is_not_told_of_an_end() {
        let record = "4,2,2,-;NVRM: Xid (PCI:0000:3b:00): 79, pid=7, GPU has fallen off the bus.\n";
        let heard = RefCell::new(0);
        read_records(&mut Records(vec![record, record]), |_| {
            *heard.borrow_mut() += 1;
            false
        });
        assert_eq!(heard.into_inner(), 1);
    }
}
