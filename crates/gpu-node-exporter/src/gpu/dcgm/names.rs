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

/// The names that DCGM 4.6 gave to fields which had another before, a line each: the new one, the one before.
const RENAMED: &str = include_str!("renamed.csv");

/// The name that a field had first; the same where it never had another, or is known by both.
pub(super) fn first_name(field: &str) -> &str {
    renamed().find(|(new, _)| *new == field).map_or(field, |(_, first)| first)
}

fn renamed() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = RENAMED.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(','))
}

/// What dcgm-exporter calls the codes, one a line.
const MESSAGES: &str = include_str!("xid_messages.csv");

/// `err_code` and `err_msg`; 0 is that there was none.
pub(super) fn xid_labels(code: u32) -> [(&'static str, String); 2] {
    let code = code.to_string();
    let message = MESSAGES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(','))
        .find(|(known, _)| *known == code)
        .map_or("Unknown Error", |(_, message)| message);
    [("err_code", code), ("err_msg", message.to_owned())]
}

#[cfg(test)]
mod tests {
    use super::super::{fields, labels};
    use super::*;

    #[test]
    fn a_renamed_field_is_the_same_field() {
        assert_eq!(first_name("DCGM_FI_DEV_GPU_PSTATE"), "DCGM_FI_DEV_PSTATE");
        assert_eq!(first_name("DCGM_FI_DEV_PSTATE"), "DCGM_FI_DEV_PSTATE");
        for (new, first) in renamed() {
            let (is_value, is_text) = (fields::source(first).is_some(), labels::TEXTS.contains(&first));
            assert!(is_value || is_text, "{first} is not read");
            assert_eq!(fields::source(new).is_some(), is_value, "{new}");
        }
    }

    #[test]
    fn codes_have_their_words() {
        let message = |code| xid_labels(code)[1].1.clone();
        for (code, expected) in [
            (0, "No Error"),
            (9, "Driver error programming GPU"),
            (31, "GPU memory page fault"),
            (
                45,
                "Preemptive cleanup, due to previous errors -- Most likely to see when running multiple cuda",
            ),
            (61, "Internal micro-controller breakpoint/warning"),
            (64, "ECC page retirement or row remapper recording failure"),
            (79, "GPU has fallen off the bus"),
            (94, "Contained ECC error"),
            (136, "ALI Training Fail"),
            (144, "NVLINK: Saw Error"),
            (172, "Uncorrectable SRAM Error"),
            (173, "Unknown Error"),
        ] {
            assert_eq!(message(code), expected, "{code}");
        }
    }
}
