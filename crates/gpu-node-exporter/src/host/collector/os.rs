//! The distribution, from `os-release` (see `os-release(5)`).
//!
//! Owns its series and the file's syntax. Leaves out the kernel, which is `uname`'s.

use std::path::PathBuf;

use jiff::civil::Date;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels};
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::kept_file::{ReadError, read_whole};
use crate::host::lines::{Lines, numbered_lines};
use crate::host::utf8::escaped;

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "os",
    help: "name and version of the distribution",
    reads: "etc/os-release or usr/lib/os-release under --path.rootfs",
    is_default: true,
    waits_for: WaitsFor::FileSystems,
    flags: &[],
    new: |_, root| {
        let files = ["etc/os-release", "usr/lib/os-release"].map(|file| root.rootfs.join(file));
        Box::new(OsCollector { files })
    },
};

struct OsCollector {
    /// The first that is there counts. An upgrade puts a new file in its place, so none is kept open.
    files: [PathBuf; 2],
}

impl OsCollector {
    fn read(&self) -> Result<Vec<u8>, ReadError> {
        match read_whole(&self.files[0]) {
            Err(error) if error.is_absent() => read_whole(&self.files[1]),
            read => read,
        }
    }
}

impl Collector for OsCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        match self.read() {
            Ok(bytes) => families(parse(&escaped(&bytes))),
            Err(error) => Collected::failed(error.no_data_if_absent(ENTRY.name)),
        }
    }
}

/// The keys that are labels of the info series, with their labels.
const LABELS: [(&str, &str); 12] = [
    ("BUILD_ID", "build_id"),
    ("ID", "id"),
    ("ID_LIKE", "id_like"),
    ("IMAGE_ID", "image_id"),
    ("IMAGE_VERSION", "image_version"),
    ("NAME", "name"),
    ("PRETTY_NAME", "pretty_name"),
    ("VARIANT", "variant"),
    ("VARIANT_ID", "variant_id"),
    ("VERSION", "version"),
    ("VERSION_CODENAME", "version_codename"),
    ("VERSION_ID", "version_id"),
];

const INFO_HELP: &str = "A metric with a constant '1' value labeled by build_id, id, id_like, image_id, image_version, \
    name, pretty_name, variant, variant_id, version, version_codename, version_id.";

fn families(Lines { read, mut faults }: Lines<(&str, String)>) -> Collected {
    // Of a key that is there twice, the last counts, as in a shell.
    let value = |key: &str| read.iter().rev().find(|(name, _)| *name == key).map_or("", |(_, value)| value);
    let label = |(key, label): (&'static str, &'static str)| (label, value(key));
    let mut info = Family::info("node_os_info", INFO_HELP);
    info.push(Labels::new(LABELS.map(label)), 1_u64);

    let mut version =
        Family::gauge("node_os_version", "Metric containing the major.minor part of the OS version.");
    let number = major_minor(value("VERSION_ID"));
    if number > 0.0 {
        let labels = [("id", value("ID")), ("id_like", value("ID_LIKE")), ("name", value("NAME"))];
        version.push(Labels::new(labels), number);
    }

    let mut end = Family::gauge(
        "node_os_support_end_timestamp_seconds",
        "Metric containing the end-of-life date timestamp of the OS.",
    );
    match value("SUPPORT_END") {
        "" => {}
        date => match midnight(date) {
            Some(seconds) => end.push(Labels::NONE, seconds as f64),
            None => faults.push(Fault::with_excerpt("os-release: SUPPORT_END is no date", excerpt(date))),
        },
    }
    Collected::new(vec![info, version, end], faults)
}

/// `20.04` of `20.04.2`; 0 for a version that does not begin with a number.
fn major_minor(version: &str) -> f64 {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let major = digits(version);
    let end = match version[major..].strip_prefix('.') {
        Some(rest) => major + 1 + digits(rest),
        None => major,
    };
    version[..end].parse().unwrap_or(0.0)
}

/// Seconds since 1970 at which the day begins in UTC.
fn midnight(date: &str) -> Option<i64> {
    let date: Date = date.parse().ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// The assignments of the file.
fn parse(text: &str) -> Lines<(&str, String)> {
    let is_assignment = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    let assignments = text.lines().enumerate().filter(|(_, line)| is_assignment(line));
    numbered_lines("os-release", assignments, parse_line)
}

/// `NAME="Debian GNU/Linux"`: a shell's assignment of one word.
fn parse_line(line: &str) -> Option<(&str, String)> {
    let (key, value) = line.trim().split_once('=')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (!key.is_empty() && key.bytes().all(is_name)).then_some(())?;
    Some((key, unquoted(value)?))
}

/// `None` for a quote that is open at the end, and for a second word.
fn unquoted(text: &str) -> Option<String> {
    let mut value = String::with_capacity(text.len());
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '"' | '\'') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (Some('\''), _) => value.push(character),
            (Some(_), '\\') => match characters.next()? {
                escaped @ ('"' | '$' | '`' | '\\') => value.push(escaped),
                plain => value.extend(['\\', plain]),
            },
            (None, '\\') => value.push(characters.next()?),
            (None, ' ' | '\t') => {
                let rest = characters.as_str().trim_start();
                return (rest.is_empty() || rest.starts_with('#')).then_some(value);
            }
            _ => value.push(character),
        }
    }
    quote.is_none().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::{check_garbage, values};

    #[test]
    fn values_are_words_of_a_shell() {
        let check = |text: &str, value: Option<&str>| {
            assert_eq!(unquoted(text).as_deref(), value, "{text}");
        };
        check("debian", Some("debian"));
        check(r#""Debian GNU/Linux""#, Some("Debian GNU/Linux"));
        check("'a $b'", Some("a $b"));
        check(r#""a \"b\" \$c \n""#, Some(r#"a "b" $c \n"#));
        check("a # and why", Some("a"));
        check("", Some(""));
        check("a b", None);
        check(r#""open"#, None);
    }

    #[test]
    fn the_version_is_its_first_two_numbers() {
        let check = |text: &str, number: f64| assert!((major_minor(text) - number).abs() < 1e-9, "{text}");
        check("12", 12.0);
        check("20.04.2", 20.04);
        check("9.", 9.0);
        check("sid", 0.0);
        check("", 0.0);
    }

    #[test]
    fn what_the_distribution_does_not_say_is_absent() {
        let Collected { families, faults, .. } =
            families(parse("ID=arch\nNAME=Arch\n\n# no version\nSUPPORT_END=2029-05-31\n"));
        let lines = values(&families);
        assert_eq!(faults, []);
        assert!(lines[0].contains(r#"{build_id="",id="arch","#), "{lines:?}");
        assert_eq!(lines[1..], ["node_os_support_end_timestamp_seconds 1874880000"]);
    }

    #[test]
    fn an_odd_line_costs_itself() {
        let Collected { families, faults, .. } =
            families(parse("VERSION_ID=9.4\nNAME=\"open\nSUPPORT_END=soon\n"));
        assert_eq!(values(&families)[1], r#"node_os_version{id="",id_like="",name=""} 9.4"#);
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            ["os-release: cannot read line 2: `NAME=\"open`", "os-release: SUPPORT_END is no date: `soon`"]
        );
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| parse(text).faults,
            &["", "# nothing\n", "name\n", "=x\n", "A B=c\n", "A=b c\n"],
        );
    }
}
