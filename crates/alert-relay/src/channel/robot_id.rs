//! Which robot, mail account or receiver is behind a target: equal for targets that share its limit.

use sha2::{Digest as _, Sha256};

/// A hash over what makes the robot the one it is; never its address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RobotId(String);

impl RobotId {
    /// From what makes the robot the one it is, in any length.
    pub(super) fn of(identity: &[&str]) -> Self {
        Self(digest(identity))
    }

    /// The identity as 16 hex digits.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// 16 hex digits of a hash over the parts.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let hash = hash.finalize();
    hash.iter().take(8).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}
