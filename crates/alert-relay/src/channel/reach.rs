//! Whether the other end of a channel can be reached, without a message to it.
//!
//! Owns who that is, as far as it may be shown, and what its clock says. A robot's address is a secret: of it only the host is asked, and
//! only that is shown. Leaves out what follows (`commands`).

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The other end of a channel.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OtherEnd {
    /// `https`, `http` or `smtp`.
    pub(crate) scheme: String,
    /// Its name or address.
    pub(crate) host: String,
    /// Its port.
    pub(crate) port: u16,
    /// `host:port` of the target's own proxy. One of the environment is not named here.
    pub(crate) proxy: Option<String>,
}

/// `https://oapi.dingtalk.com:443`, with the proxy if there is one.
impl fmt::Display for OtherEnd {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, proxy } = self;
        write!(out, "{scheme}://{host}:{port}")?;
        proxy.as_ref().map_or(Ok(()), |proxy| write!(out, " through the proxy {proxy}"))
    }
}

/// What it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reached {
    /// In a few words: `HTTP 404`, `STARTTLS, login taken, NOOP answered 250`.
    pub(crate) answer: String,
    /// By how much this machine's clock is ahead of its clock (negative: behind), as far as that is certain; `None`: it did not say what
    /// time it is.
    pub(crate) ahead: Option<SignedDuration>,
    /// From the beginning to the answer.
    pub(crate) took: Duration,
}

/// An attempt to reach it: an error says why not, without a secret.
pub(crate) type ReachFuture<'a> = Pin<Box<dyn Future<Output = Result<Reached, String>> + Send + 'a>>;

/// By how much this machine's clock is ahead of a server's (negative: behind) that said this `Date` (RFC 9110, 6.6.1) between `asked` and
/// `answered` of ours. The header has whole seconds, so that the true time lies in that second: what may be due to this, or to the way, does
/// not count.
pub(crate) fn ahead(date: &str, asked: Timestamp, answered: Timestamp) -> Option<SignedDuration> {
    let earliest = jiff::fmt::rfc2822::parse(date.trim()).ok()?.timestamp();
    let latest = earliest.checked_add(SignedDuration::from_secs(1)).ok()?;
    Some(if asked > latest {
        asked.duration_since(latest)
    } else if answered < earliest {
        answered.duration_since(earliest)
    } else {
        SignedDuration::ZERO
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_neither_the_header_nor_the_way_explains_is_a_difference() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let check = |asked: &str, answered: &str, seconds: f64| {
            let ahead = ahead("Mon, 23 Nov 2026 06:00:00 GMT", at(asked), at(answered)).unwrap();
            assert!((ahead.as_secs_f64() - seconds).abs() < 1e-9, "{asked} {answered}: {ahead}");
        };
        check("2026-11-23T06:00:00.2Z", "2026-11-23T06:00:00.4Z", 0.0);
        check("2026-11-23T05:59:58Z", "2026-11-23T06:00:00.1Z", 0.0);
        check("2026-11-23T06:00:00.9Z", "2026-11-23T06:00:03Z", 0.0);
        check("2026-11-23T06:01:01Z", "2026-11-23T06:01:02Z", 60.0);
        check("2026-11-23T05:58:00Z", "2026-11-23T05:58:30Z", -90.0);
        assert_eq!(super::ahead("yesterday", at("2026-11-23T06:00:00Z"), at("2026-11-23T06:00:00Z")), None);
    }

    #[test]
    fn a_proxy_is_named() {
        let end =
            OtherEnd { scheme: "https".to_owned(), host: "a.example".to_owned(), port: 443, proxy: None };
        assert_eq!(end.to_string(), "https://a.example:443");
        let end = OtherEnd { proxy: Some("p:3128".to_owned()), ..end };
        assert_eq!(end.to_string(), "https://a.example:443 through the proxy p:3128");
    }
}
