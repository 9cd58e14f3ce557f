//! Who posted a notification: a cluster of Alertmanagers, one of its peers, or a script (pure).
//!
//! Owns what tells senders apart and how long a name may be. Alertmanager's group key says nothing of it, so two clusters that do
//! not know each other may use the same key: <https://github.com/prometheus/alertmanager/issues/2408>. Leaves out what follows
//! from it, which is the `ledger`'s.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

/// The sender of one notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sender {
    /// `source` in the URL it posted to: the cluster's own name, by which its groups are kept apart from everybody else's.
    pub(crate) source: Option<String>,
    /// `externalURL` of the webhook; of one without, the address it came from. Empty: stored by a version that did not note it.
    pub(crate) name: String,
    /// Where the connection came from; behind a proxy, the proxy. Empty: not known.
    pub(crate) address: String,
}

/// Bytes of a name that are kept; of a longer one, the beginning and its hash.
const MAX_NAME: usize = 200;

/// Characters of a `source`.
const MAX_SOURCE: usize = 100;

/// A `source` that cannot be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`source` has to be 1 to {MAX_SOURCE} characters without control characters (hint: ?source=NAME, one name for each cluster of Alertmanagers)"
)]
pub(crate) struct SourceError;

impl Sender {
    /// Who posted a webhook with this `externalURL` from this address, to a URL with this `source`.
    pub(crate) fn new(source: Option<String>, external_url: &str, address: Option<IpAddr>) -> Self {
        // One that listens on IPv4 and IPv6 sees an IPv4 peer as `::ffff:10.0.0.1`.
        let address = address.map_or_else(String::new, |address| address.to_canonical().to_string());
        let url = external_url.trim().trim_end_matches('/');
        let name = if url.is_empty() { address.clone() } else { bounded(url) };
        Self { source, name, address }
    }

    /// Whose word it is that an alert fires: the cluster's if it has a name, else the single Alertmanager's.
    pub(crate) fn teller(&self) -> &str {
        self.source.as_deref().unwrap_or(&self.name)
    }

    /// The process that posted it, as far as one can see. What one process says later is newer; what another one says later may be
    /// older: peers of a cluster share a `source`, and often an `externalURL`, and do not learn of a change at the same moment.
    pub(crate) fn process(&self) -> String {
        let source = self.source.as_deref().unwrap_or_default();
        format!("{source} {} {}", self.name, self.address)
    }
}

/// Checks a `source` from a URL.
pub(crate) fn source(text: String) -> Result<String, SourceError> {
    let length = text.chars().count();
    if length == 0 || length > MAX_SOURCE || text.chars().any(char::is_control) {
        return Err(SourceError);
    }
    Ok(text)
}

fn bounded(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let hash = Sha256::digest(name.as_bytes());
    let hash = hash.iter().take(8).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    format!("{}…{hash}", &name[..name.floor_char_boundary(MAX_NAME - 20)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_sender_is_its_source_else_its_url_else_its_address() {
        let check = |source: Option<&str>, url: &str, from: Option<IpAddr>, expected: &str| {
            let sender = Sender::new(source.map(str::to_owned), url, from);
            assert_eq!(sender.teller(), expected, "{source:?} {url} {from:?}");
        };
        let near = Some(address("10.0.0.1"));
        check(Some("sh"), "http://am-1:9093", near, "sh");
        check(None, "http://am-1:9093/", near, "http://am-1:9093");
        check(None, " ", near, "10.0.0.1");
        check(None, "", Some(address("::ffff:10.0.0.1")), "10.0.0.1");
        check(None, "", None, "");
    }

    #[test]
    fn a_name_is_short_and_two_long_ones_stay_two() {
        let [first, second] =
            ["a", "b"].map(|end| Sender::new(None, &("看".repeat(100_000) + end), None).name);
        assert!(first.len() <= MAX_NAME, "{}", first.len());
        assert_ne!(first, second);
    }

    #[test]
    fn a_source_is_a_short_name() {
        for (text, is_good) in [
            ("sh", true),
            ("北京-1 / a", true),
            ("", false),
            ("a\nb", false),
            (&"x".repeat(100), true),
            (&"x".repeat(101), false),
        ] {
            assert_eq!(source(text.to_owned()).is_ok(), is_good, "{text:?}");
        }
    }
}
