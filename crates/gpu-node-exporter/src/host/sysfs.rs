//! Devices as sysfs describes them (see the kernel's `filesystems/sysfs.rst`): a directory for each device of a class,
//! and in it a file for each attribute.
//!
//! Owns finding the devices, keeping their files, and the difference between an attribute that has no answer and one
//! that could not be read. A collector adds a table: which file becomes which family. Leaves out what the attributes
//! mean.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::directory::each_device;
use super::kept_file::{Buffer, KeptFile, ReadError, read_whole};
use super::meaning::{Meaning, Scale};
use super::utf8::escaped;
use crate::collector::Fault;
use crate::family::{Family, Kind, Labels, Number, Text};

/// The devices of one directory, such as `/sys/class/net`, as a collector keeps them from one reading to the next.
pub(crate) struct Devices<D> {
    directory: PathBuf,
    /// `None` for a device that is not shown.
    known: BTreeMap<OsString, Option<D>>,
}

impl<D> Devices<D> {
    /// Nothing is read before the first [`Devices::find`].
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, known: BTreeMap::new() }
    }

    /// The devices that are there now, by name. `open` is asked once for each new device, with its directory and its
    /// name as a label shows it; `None` leaves it out until it is gone. The error says whether the directory is absent,
    /// which is how the kernel says that a machine has no such device.
    pub(crate) fn find(
        &mut self,
        open: impl Fn(&Path, &str) -> Option<D>,
    ) -> Result<impl Iterator<Item = &mut D>, ReadError> {
        let unreadable = |error| ReadError::new(&self.directory, error);
        let mut names = BTreeSet::new();
        each_device(&self.directory, |name| {
            names.insert(name.to_owned());
        })
        .map_err(unreadable)?;
        self.known.retain(|name, _| names.contains(name));
        for name in names {
            let directory = &self.directory;
            self.known
                .entry(name)
                .or_insert_with_key(|name| open(&directory.join(name), &escaped(name.as_encoded_bytes())));
        }
        Ok(self.known.values_mut().flatten())
    }
}

/// The numbers N of the entries PREFIX`N` of a directory, in order; none when it is not there.
pub(crate) fn numbered(directory: &Path, prefix: &str) -> Result<Vec<u32>, Fault> {
    let unreadable = |error| ReadError::new(directory, error);
    let entries = match std::fs::read_dir(directory).map_err(unreadable) {
        Ok(entries) => entries,
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut numbers = Vec::new();
    for entry in entries {
        let name = entry.map_err(unreadable)?.file_name();
        numbers.extend(name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse::<u32>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// A row of a collector's table: an attribute that is one number, and the family it becomes.
pub(crate) struct Attribute {
    /// The name of the file.
    pub(crate) file: &'static str,
    family: &'static str,
    help: &'static str,
    kind: Kind,
    scale: Scale,
}

impl Attribute {
    /// A number that goes up and down.
    pub(crate) const fn gauge(file: &'static str, family: &'static str, help: &'static str) -> Self {
        Self { file, family, help, kind: Kind::Gauge, scale: Scale::AsWritten }
    }

    /// A number that only grows.
    pub(crate) const fn counter(file: &'static str, family: &'static str, help: &'static str) -> Self {
        Self { file, family, help, kind: Kind::Counter, scale: Scale::AsWritten }
    }

    /// The same attribute in another unit: one unit of the file is so many base units.
    pub(crate) const fn times(self, scale: f64) -> Self {
        Self { scale: Scale::Times(scale), ..self }
    }

    /// The same attribute in another unit.
    pub(crate) const fn scaled(self, scale: Scale) -> Self {
        Self { scale, ..self }
    }

    /// What the number means.
    pub(crate) const fn meaning(&self) -> Meaning {
        let (family, help) = (Text::Static(self.family), Text::Static(self.help));
        Meaning { family, help, kind: self.kind, scale: self.scale }
    }

    /// The empty family.
    pub(crate) fn family(&self) -> Family {
        self.meaning().empty()
    }

    /// Adds one device's sample, converted to base units.
    pub(crate) fn push(&self, family: &mut Family, labels: &Labels, value: Number) {
        family.push(labels.clone(), self.scale.of(value));
    }
}

/// The empty families of a table, in its order.
pub(crate) fn families(table: &[Attribute]) -> Vec<Family> {
    table.iter().map(Attribute::family).collect()
}

/// The files of one device for a table of attributes.
pub(crate) struct AttributeFiles {
    table: &'static [Attribute],
    /// In the order of the table.
    files: Vec<KeptFile>,
    labels: Labels,
}

impl AttributeFiles {
    /// `labels` are those of every sample of the device. Nothing is opened yet.
    pub(crate) fn new(table: &'static [Attribute], directory: &Path, labels: Labels) -> Self {
        let file = |attribute: &Attribute| KeptFile::attribute(directory.join(attribute.file));
        Self { table, files: table.iter().map(file).collect(), labels }
    }

    /// Adds the device's samples to the table's families. What the device does not have is left out; each file that
    /// cannot be read, or holds something else than a number, is a fault and costs no other.
    pub(crate) fn read(&mut self, buffer: &mut Buffer, families: &mut [Family]) -> Vec<Fault> {
        let mut faults = Vec::new();
        for ((file, attribute), family) in self.files.iter_mut().zip(self.table).zip(families) {
            match number(file, buffer) {
                Ok(Some(value)) => attribute.push(family, &self.labels, value),
                Ok(None) => {}
                Err(fault) => faults.push(fault),
            }
        }
        faults
    }
}

/// The text of an attribute; `None` where the device has no answer.
pub(crate) fn text(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<String>, Fault> {
    match file.read(buffer) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.is_no_answer() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The number of an attribute; `None` where the device has no answer.
pub(crate) fn number(file: &mut KeptFile, buffer: &mut Buffer) -> Result<Option<Number>, Fault> {
    match file.read(buffer) {
        Ok(text) => file.number_in(text.trim()).map(Some),
        Err(error) if error.is_no_answer() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// An attribute that is not read often enough to be kept (topology, labels): its text; `None` where the device has no
/// answer.
pub(crate) fn read_once(path: &Path) -> Result<Option<String>, ReadError> {
    match read_whole(path) {
        Ok(bytes) => match str::from_utf8(&bytes) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) => Err(ReadError::new(path, std::io::Error::other(error))),
        },
        Err(error) if error.is_no_answer() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::values;

    #[test]
    fn devices_come_and_go() {
        let root = tempfile::tempdir().unwrap();
        let directory = |name: &str| root.path().join(name);
        for name in ["eth1", "eth0", "veth9"] {
            std::fs::create_dir(directory(name)).unwrap();
        }
        std::fs::write(directory("bonding_masters"), "bond0\n").unwrap();
        let mut devices = Devices::new(root.path().into());
        let opened = std::cell::RefCell::new(Vec::new());
        let mut find = || -> Vec<String> {
            let found = devices.find(|directory, name| {
                assert!(directory.ends_with(name));
                opened.borrow_mut().push(name.to_owned());
                (!name.starts_with("veth")).then(|| name.to_owned())
            });
            found.unwrap().map(|device| device.clone()).collect()
        };
        assert_eq!(find(), ["eth0", "eth1"]);
        std::fs::remove_dir(directory("eth0")).unwrap();
        std::fs::create_dir(directory("eth2")).unwrap();
        assert_eq!(find(), ["eth1", "eth2"]);
        std::fs::create_dir(directory("eth0")).unwrap();
        assert_eq!(find(), ["eth0", "eth1", "eth2"]);
        let mut opened = opened.into_inner();
        opened.sort();
        assert_eq!(opened, ["eth0", "eth0", "eth1", "eth2", "veth9"], "each is opened when it is new");
    }

    #[test]
    fn names_that_are_not_text_are_shown_and_stay_apart() {
        use std::os::unix::ffi::OsStrExt as _;
        let root = tempfile::tempdir().unwrap();
        for name in [b"eth\xfe", b"eth\xff"] {
            std::fs::create_dir(root.path().join(std::ffi::OsStr::from_bytes(name))).unwrap();
        }
        let mut devices = Devices::new(root.path().into());
        let found = devices.find(|directory, name| Some((directory.is_dir(), name.to_owned()))).unwrap();
        let found: Vec<_> = found.map(|device| device.clone()).collect();
        assert_eq!(found, [(true, r"eth\xfe".to_owned()), (true, r"eth\xff".to_owned())]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_told() {
        let mut devices = Devices::<()>::new("/nonexistent/class".into());
        let error = devices.find(|_, _| None).err().unwrap();
        assert!(error.is_absent() && error.to_string().starts_with("/nonexistent/class: "), "{error}");
    }

    #[test]
    fn a_row_says_name_and_unit() {
        let shown = |attribute: Attribute, value: Number| {
            let mut family = attribute.family();
            attribute.push(&mut family, &Labels::NONE, value);
            (family.kind, values(&[family]).remove(0))
        };
        assert_eq!(
            shown(Attribute::gauge("a", "a", "A."), Number::Real(-1.0)),
            (Kind::Gauge, "a -1".to_owned())
        );
        let most = u64::MAX;
        let counted = shown(Attribute::counter("b", "b", "B."), most.into());
        assert_eq!(counted, (Kind::Counter, format!("b {most}")));
        let kilohertz = Attribute::gauge("c", "c_hertz", "C.").times(1e3);
        assert_eq!(shown(kilohertz, Number::Whole(1_700)), (Kind::Gauge, "c_hertz 1700000".to_owned()));
    }

    #[test]
    fn a_file_of_a_table_costs_only_itself() {
        static TABLE: [Attribute; 3] = [
            Attribute::gauge("a", "a", "A."),
            Attribute::gauge("b", "b", "B."),
            Attribute::gauge("c", "c", "C."),
        ];
        let device = tempfile::tempdir().unwrap();
        std::fs::write(device.path().join("a"), "1\n").unwrap();
        std::fs::write(device.path().join("b"), "much\n").unwrap();
        let mut families = families(&TABLE);
        let mut files = AttributeFiles::new(&TABLE, device.path(), Labels::new([("device", "x")]));
        let faults = files.read(&mut Buffer::default(), &mut families);
        assert_eq!(values(&families), [r#"a{device="x"} 1"#]);
        assert!(faults.len() == 1 && faults[0].to_string().contains("/b: expected a number"), "{faults:?}");
    }
}
