//! Devices on the PCI bus, as sysfs names and describes them (see the kernel's `PCI/sysfs-pci.rst`).
//!
//! Owns addresses, where a device hangs on the bus, and what a link's speed means. Leaves out which devices are shown.

use std::fmt;
use std::path::{Path, PathBuf};

use super::integer::integer;
use super::kept_file::{ReadError, read_whole};
use crate::collector::Fault;
use crate::family::Number;

/// Where a device is on the bus: `0000:45:00.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Four digits, or more on machines with many.
    pub(crate) segment: u32,
    /// Two digits.
    pub(crate) bus: u8,
    /// Two digits.
    pub(crate) device: u8,
    /// One digit.
    pub(crate) function: u8,
}

impl Address {
    /// As sysfs writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (segment, rest) = text.split_once(':')?;
        let (bus, rest) = rest.split_once(':')?;
        let (device, function) = rest.split_once('.')?;
        let is_hexadecimal = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        let byte = |part: &str| u8::from_str_radix(part, 16).ok().filter(|_| is_hexadecimal(part));
        let segment = u32::from_str_radix(segment, 16).ok().filter(|_| is_hexadecimal(segment))?;
        Some(Self { segment, bus: byte(bus)?, device: byte(device)?, function: byte(function)? })
    }

    /// The four parts, as `node_exporter` shows them in labels.
    pub(crate) fn parts(self) -> [String; 4] {
        let Self { segment, bus, device, function } = self;
        [format!("{segment:04x}"), format!("{bus:02x}"), format!("{device:02x}"), format!("{function:x}")]
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [segment, bus, device, function] = self.parts();
        write!(f, "{segment}:{bus}:{device}.{function}")
    }
}

/// Where a device hangs on the bus: the addresses from the root port down to itself. `link` is what its entry in `/sys/bus/pci/devices` points to,
/// `../../../devices/pci0000:00/0000:00:02.1/0000:01:00.0`.
pub(crate) fn branch(link: &Path) -> Vec<Address> {
    let parts = link.iter().filter_map(|part| Address::parse(part.to_str()?));
    parts.collect()
}

/// What a device is, from its own files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    /// Base class, subclass and programming interface (PCI code and ID assignment).
    pub(crate) class: u32,
    /// Who made it.
    pub(crate) vendor: u32,
    /// What it is, by the vendor's own numbers.
    pub(crate) device: u32,
    /// Who made the board.
    pub(crate) subsystem_vendor: u32,
    /// What the board is.
    pub(crate) subsystem_device: u32,
    /// The device's revision.
    pub(crate) revision: u32,
}

impl Identity {
    /// `None` when the device went away.
    pub(crate) fn read(directory: &Path) -> Result<Option<Self>, Fault> {
        let mut numbers = [0; 6];
        let files = ["class", "vendor", "device", "subsystem_vendor", "subsystem_device", "revision"];
        for (number, file) in numbers.iter_mut().zip(files) {
            let Some(read) = identifier(directory.join(file))? else { return Ok(None) };
            *number = read;
        }
        let [class, vendor, device, subsystem_vendor, subsystem_device, revision] = numbers;
        Ok(Some(Self { class, vendor, device, subsystem_vendor, subsystem_device, revision }))
    }
}

fn identifier(path: PathBuf) -> Result<Option<u32>, Fault> {
    let bytes = match read_whole(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.is_of_hardware() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let number = str::from_utf8(&bytes).ok().and_then(|text| integer(text.trim()));
    match number {
        Some(Number::Whole(number)) if u32::try_from(number).is_ok() => Ok(u32::try_from(number).ok()),
        _ => Err(ReadError::new(path, std::io::Error::other("expected a number of 32 bits")).into()),
    }
}

/// Transfers a second of `8.0 GT/s PCIe`.
pub(crate) fn transfers(text: &str) -> Option<Number> {
    let (giga, unit) = text.split_once(' ')?;
    let giga: f64 = giga.parse().ok()?;
    let is_speed = matches!(unit, "GT/s PCIe" | "GT/s") && giga.is_finite() && giga >= 0.0;
    is_speed.then_some(Number::Real(giga * 1e9))
}

/// The device does not know: a bridge without a link, a link that is down.
pub(crate) fn is_unknown(text: &str) -> bool {
    text.is_empty() || text.starts_with("Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_the_form_of_sysfs() {
        for text in ["0000:3b:00.0", "10000:e1:1f.7"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        for odd in [
            "",
            "pci0000:00",
            "0000:00",
            "0000:00:00",
            "0000:00:00.",
            "0000:+1:00.0",
            "0000:100:00.0",
            "x:00:00.0",
        ] {
            let parsed = Address::parse(odd);
            assert!(parsed.is_none() || odd == "0000:00:00.", "{odd}: {parsed:?}");
        }
    }

    #[test]
    fn a_branch_begins_at_the_root_port() {
        let branch = |link: &str| branch(link.as_ref()).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            branch("../../../devices/pci0000:40/0000:40:01.3/0000:45:00.0"),
            ["0000:40:01.3", "0000:45:00.0"]
        );
        assert_eq!(branch("0000:45:00.0"), ["0000:45:00.0"]);
        assert_eq!(branch("../x"), [] as [&str; 0]);
    }

    #[test]
    fn speeds_have_their_unit() {
        assert_eq!(transfers("2.5 GT/s PCIe"), Some(Number::Real(2.5e9)));
        assert_eq!(transfers("64.0 GT/s"), Some(Number::Real(64e9)));
        for odd in ["", "8.0", "8.0 MT/s", "fast GT/s PCIe", "-1 GT/s", "inf GT/s"] {
            assert_eq!(transfers(odd), None, "{odd}");
        }
        assert!(is_unknown("") && is_unknown("Unknown speed") && !is_unknown("8.0 GT/s"));
    }
}
