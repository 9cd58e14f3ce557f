//! The names of network devices by their numbers (see `netdevice(7)`).
//!
//! Owns asking for a name. The kernel answers with a number where a message is about a device; a name may change while the
//! number stays, so that none is kept from one reading to the next.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::netdevice::index_to_name_inlined;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use super::utf8::escaped;
use crate::collector::Fault;

/// The names that one reading needs.
pub(crate) struct DeviceNames {
    socket: OwnedFd,
    asked: HashMap<u32, Option<String>>,
}

impl DeviceNames {
    /// Nothing is asked yet.
    pub(crate) fn new() -> Result<Self, Fault> {
        let kinds = (AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC);
        let socket = socket_with(kinds.0, kinds.1, kinds.2, None).map_err(unasked)?;
        Ok(Self { socket, asked: HashMap::new() })
    }

    /// The name as a label shows it; `None` for a device that went away.
    pub(crate) fn name(&mut self, device: u32) -> Result<Option<&str>, Fault> {
        let known = match self.asked.entry(device) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                let name = match index_to_name_inlined(&self.socket, device) {
                    Ok(name) => Some(escaped(name.as_bytes()).into_owned()),
                    Err(Errno::NODEV | Errno::NXIO) => None,
                    Err(error) => return Err(unasked(error)),
                };
                new.insert(name)
            }
        };
        Ok(known.as_deref())
    }
}

fn unasked(error: Errno) -> Fault {
    Fault::new(format!("the names of network devices: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_device_is_the_loopback_and_none_has_the_number_0() {
        let mut names = DeviceNames::new().unwrap();
        assert_eq!(names.name(1).unwrap(), Some("lo"));
        assert_eq!(names.name(1).unwrap(), Some("lo"), "asked before");
        assert_eq!(names.name(0).unwrap(), None);
    }
}
