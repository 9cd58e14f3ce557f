//! Which generation of dcgm-exporter's names, and what belongs to it.

/// A generation of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// dcgm-exporter up to 4.5.3-4.8.2: what most boards and rules are written for.
    Classic,
    /// dcgm-exporter 4.9: base units, other names for 23 of the default fields.
    V49,
}

impl Names {
    /// The words on the command line.
    pub(crate) const WORDS: [(&str, Self); 2] = [("classic", Self::Classic), ("4.9", Self::V49)];

    /// The default set: dcgm-exporter's `default-counters.csv` of this generation, in its format.
    pub(super) fn default_counters(self) -> &'static str {
        match self {
            Self::Classic => include_str!("classic.csv"),
            Self::V49 => include_str!("4.9.csv"),
        }
    }

    /// The name of the label with the machine's name.
    pub(super) fn hostname_label(self) -> &'static str {
        match self {
            Self::Classic => "Hostname",
            Self::V49 => "hostname",
        }
    }
}

/// What NVIDIA's Xid catalog of 2025-10 calls the codes, one a line.
const MESSAGES: &str = include_str!("xid_messages.csv");

/// `err_code` and `err_msg`.
pub(super) fn xid_labels(code: u32) -> [(&'static str, String); 2] {
    let code = code.to_string();
    let message = MESSAGES
        .lines()
        .filter_map(|line| line.split_once(','))
        .find(|(known, _)| *known == code)
        .map_or("Unknown Error", |(_, message)| message);
    [("err_code", code), ("err_msg", message.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_words() {
        let message = |code| xid_labels(code)[1].1.clone();
        assert_eq!(message(79), "GPU has fallen off the bus");
        assert_eq!(message(31), "GPU memory page fault");
        assert_eq!(message(999), "Unknown Error");
    }
}
