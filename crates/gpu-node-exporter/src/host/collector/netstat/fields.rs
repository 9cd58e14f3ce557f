//! Which fields of the network protocols' counters are shown.
//!
//! Owns the flag and what its default means. Leaves out where the fields come from.

use regex_lite::Regex;

use crate::flags::{Flag, Flags};

pub(super) static FIELDS: Flag = Flag::regex(
    "collector.netstat.fields",
    "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
    "Fields of PROCFS/net/netstat, snmp and snmp6 to show",
);

/// Which fields are shown.
#[derive(Debug)]
pub(super) enum Include {
    /// Those that the flag's default matches.
    Usual,
    /// Those that an expression matches; all without one.
    Matching(Option<Regex>),
}

impl Include {
    pub(super) fn new(flags: &mut Flags) -> Self {
        if flags.is_written(&FIELDS) { Self::Matching(flags.regex(&FIELDS)) } else { Self::Usual }
    }

    pub(super) fn has(&self, field: &str) -> bool {
        match self {
            Self::Usual => is_usual(field),
            Self::Matching(expression) => expression.as_ref().is_none_or(|named| named.is_match(field)),
        }
    }
}

/// What the flag's default matches. Without the expression: to hold three hundred names against it took longer than all else that is
/// done for the first page.
fn is_usual(field: &str) -> bool {
    let Some((protocol, name)) = field.split_once('_') else { return false };
    let is_named = match protocol {
        "Ip" => name == "Forwarding",
        "Ip6" | "IpExt" => matches!(name, "InOctets" | "OutOctets"),
        "Icmp" | "Icmp6" => matches!(name, "InMsgs" | "OutMsgs"),
        "TcpExt" => {
            ["Listen", "Syncookies"].iter().any(|begin| name.starts_with(begin))
                || matches!(name, "TCPSynRetrans" | "TCPTimeouts" | "TCPOFOQueue" | "TCPRcvQDrop")
        }
        "Tcp" => matches!(
            name,
            "ActiveOpens" | "InSegs" | "OutSegs" | "OutRsts" | "PassiveOpens" | "RetransSegs" | "CurrEstab"
        ),
        "Udp" | "Udp6" => {
            matches!(name, "InDatagrams" | "OutDatagrams" | "NoPorts" | "RcvbufErrors" | "SndbufErrors")
        }
        _ => false,
    };
    is_named || field.ends_with("_InErrors") || field.ends_with("_InErrs")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::flags::Takes;

    fn default_expression() -> Regex {
        let Takes::Value { default, .. } = FIELDS.takes else { panic!("the flag takes a value") };
        Regex::new(default).unwrap()
    }

    /// The protocols and names in the default, and what is nearly one.
    fn words() -> Vec<String> {
        let Takes::Value { default, .. } = FIELDS.takes else { panic!("the flag takes a value") };
        let words = default.split(|letter: char| !letter.is_ascii_alphanumeric());
        let words: Vec<_> = words.filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let nearly =
            words.iter().flat_map(|word| [format!("{word}6"), format!("{word}x"), format!("x{word}")]);
        words.iter().cloned().chain(nearly).chain(["IpExt".into(), String::new()]).collect()
    }

    #[test]
    fn the_usual_fields_are_those_that_the_default_matches() {
        let expression = default_expression();
        let mut matched = 0;
        for protocol in words() {
            for name in words() {
                let field = format!("{protocol}_{name}");
                assert_eq!(is_usual(&field), expression.is_match(&field), "{field}");
                matched += usize::from(is_usual(&field));
            }
        }
        assert!(matched > 50, "{matched}");
    }

    proptest! {
        #[test]
        fn any_field_is_usual_where_the_default_matches(
            field in "(Ip6?|IpExt|Icmp6?|TcpExt|Tcp|Udp6?|UdpLite6?|[A-Za-z_]{0,4})_?([A-Za-z0-9_]{0,6}|In(Err|Error)s|ListenD?|Syncookies[A-Z]|TCPSynRetrans)"
        ) {
            prop_assert_eq!(is_usual(&field), default_expression().is_match(&field));
        }
    }
}
