//! `--dcgm.counters-file`: reads the file that says which series the second face has.

use std::io::Read as _;
use std::path::Path;
use std::{fs, io};

use crate::gpu::{Counters, DcgmSettings, Findings};
use crate::user::user;

/// Bytes of a counters file; dcgm-exporter's own has some 10,000.
const FILE_LIMIT: u64 = 1 << 20;

/// The counters that the settings ask for, with every mistake in their file.
pub(crate) fn read_counters(settings: &DcgmSettings) -> (Counters, Findings) {
    let (counters, mut findings) = match &settings.counters_file {
        Some(path) => read(path),
        None => (Counters::default_of(settings.names), Findings::default()),
    };
    let (counters, left_out) = counters.within(settings.profile);
    if !left_out.is_empty() {
        findings.warnings.push(format!(
            "`--gpu.profile=minimal` reads no MIG instances, so that a GPU which is cut into them is shown whole, and not these fields, which have no series: {}",
            left_out.join(", ")
        ));
    }
    (counters, findings)
}

fn read(path: &Path) -> (Counters, Findings) {
    let (counters, mut findings) = match text(path) {
        Ok(text) => Counters::parse(&text),
        Err(error) => {
            let hint = match error.kind() {
                io::ErrorKind::PermissionDenied => {
                    format!(" (hint: user {} must be able to read it)", user())
                }
                _ => String::new(),
            };
            let mistake = format!("it cannot be read: {error}{hint}");
            (Counters::default(), Findings { mistakes: vec![mistake], warnings: Vec::new() })
        }
    };
    let flag = format!("--dcgm.counters-file={}", path.display());
    for text in findings.mistakes.iter_mut().chain(&mut findings.warnings) {
        *text = format!("`{flag}`: {text}");
    }
    (counters, findings)
}

fn text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    fs::File::open(path)?.take(FILE_LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(io::Error::other("it has more than 1 MiB"));
    }
    Ok(text)
}
