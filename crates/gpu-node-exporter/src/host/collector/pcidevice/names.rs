//! Names of PCI devices, from the database `pci.ids` (<https://pci-ids.ucw.cz/>), which lists the numbers that vendors were given.
//!
//! Owns reading the names that are asked for; the file has 40,000 others. A number that it does not have is its own name, without `0x`.

use std::collections::{BTreeSet, HashMap};

use crate::host::pci::Identity;

/// The names of some devices.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<Key, String>);

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    Vendor(u32),
    Device(u32, u32),
    Subsystem(u32, u32, u32, u32),
    /// Base class; with the subclass; with the programming interface.
    Class(u32),
    Subclass(u32),
    Interface(u32),
}

fn keys(identity: &Identity) -> [Key; 7] {
    let Identity { class, vendor, device, subsystem_vendor, subsystem_device, .. } = *identity;
    [
        Key::Vendor(vendor),
        Key::Device(vendor, device),
        Key::Vendor(subsystem_vendor),
        Key::Subsystem(vendor, device, subsystem_vendor, subsystem_device),
        Key::Interface(class),
        Key::Subclass(class >> 8),
        Key::Class(class >> 16),
    ]
}

impl Names {
    /// Those of these devices that the text has. Lines that are of another form are passed over.
    pub(super) fn parse(text: &str, identities: &BTreeSet<Identity>) -> Self {
        let wanted: BTreeSet<Key> = identities.iter().flat_map(keys).collect();
        let mut found = HashMap::new();
        // What the lines before said of what the indented ones belong to.
        let (mut above, mut below) = (None, None);
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let indented = line.trim_start_matches('\t');
            let depth = line.len() - indented.len();
            let Some((number, name)) = indented.split_once("  ") else { continue };
            let key = match depth {
                0 => {
                    above = top(number);
                    below = None;
                    above
                }
                1 => {
                    below = above.and_then(|above| second(above, number));
                    below
                }
                _ => below.and_then(|below| third(below, number)),
            };
            if let Some(key) = key.filter(|key| wanted.contains(key)) {
                found.insert(key, name.trim().to_owned());
            }
        }
        Self(found)
    }

    /// The labels of one device.
    pub(super) fn labels(&self, identity: &Identity) -> [(&'static str, String); 5] {
        let [vendor, device, subsystem_vendor, subsystem, interface, subclass, class] = keys(identity);
        let name =
            |key: Key, number: u32| self.0.get(&key).cloned().unwrap_or_else(|| format!("{number:04x}"));
        let class_name = [interface, subclass, class].iter().find_map(|key| self.0.get(key)).cloned();
        [
            ("vendor_name", name(vendor, identity.vendor)),
            ("device_name", name(device, identity.device)),
            ("subsystem_vendor_name", name(subsystem_vendor, identity.subsystem_vendor)),
            ("subsystem_device_name", name(subsystem, identity.subsystem_device)),
            ("class_name", class_name.unwrap_or_else(|| format!("Unknown class ({:06x})", identity.class))),
        ]
    }
}

fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

/// `10de  NVIDIA Corporation` or `C 03  Display controller`.
fn top(number: &str) -> Option<Key> {
    match number.strip_prefix("C ") {
        Some(class) => hexadecimal(class.trim()).map(Key::Class),
        None => hexadecimal(number).map(Key::Vendor),
    }
}

/// A device of a vendor, or a subclass.
fn second(above: Key, number: &str) -> Option<Key> {
    let number = hexadecimal(number)?;
    match above {
        Key::Vendor(vendor) => Some(Key::Device(vendor, number)),
        Key::Class(class) => Some(Key::Subclass(class << 8 | number & 0xff)),
        _ => None,
    }
}

/// A board with the device (`10de 1626`), or a programming interface.
fn third(below: Key, number: &str) -> Option<Key> {
    match below {
        Key::Device(vendor, device) => {
            let (subsystem_vendor, subsystem) = number.split_once(' ')?;
            let (board_vendor, board) = (hexadecimal(subsystem_vendor)?, hexadecimal(subsystem)?);
            Some(Key::Subsystem(vendor, device, board_vendor, board))
        }
        Key::Subclass(subclass) if subclass <= 0xffff => {
            Some(Key::Interface(subclass << 8 | hexadecimal(number)? & 0xff))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GPU: Identity = Identity {
        class: 0x03_0200,
        vendor: 0x10de,
        device: 0x2330,
        subsystem_vendor: 0x10de,
        subsystem_device: 0x16c1,
        revision: 0xa1,
    };

    const TEXT: &str = "# a comment\n\n1022  AMD\n\t2330  another\n10de  NVIDIA Corporation\n\t2330  GH100 [H100 SXM5 80GB]\n\t\t10de 16c1  H100 board\n\t2331  other\nC 03  Display controller\n\t02  3D controller\n\t\t00  plain\n";

    fn labels(text: &str) -> Vec<String> {
        let names = Names::parse(text, &[GPU].into());
        names.labels(&GPU).into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn devices_have_names() {
        let nvidia = "NVIDIA Corporation";
        assert_eq!(labels(TEXT), [nvidia, "GH100 [H100 SXM5 80GB]", nvidia, "H100 board", "plain"]);
        assert_eq!(labels(&TEXT[..TEXT.len() - "\t\t00  plain\n".len()])[4], "3D controller");
        assert_eq!(labels("C 03  Display controller\n")[4], "Display controller");
    }

    #[test]
    fn what_has_no_name_has_its_number() {
        assert_eq!(labels(""), ["10de", "2330", "10de", "16c1", "Unknown class (030200)"]);
        labels(
            "\t\t\n\t\tx  y\n\t2330  orphan\nC zz  x\n\t02\nffffffffff  x\n\t1  y\n\t\t1 2  z\nC ffffffff  x\n\tffffffff  y\n\t\tffffffff  z\n",
        );
    }
}
