//! The host a request is for: exactly one, and one of those that are allowed.
//!
//! A page of a foreign site may have its own name point at this machine (DNS rebinding): the browser then takes our answers for that
//! site's. What it can't change is the name it sends in `Host`, so a server that knows its names refuses all others.

use std::{net::IpAddr, str::FromStr};

use http::{HeaderMap, Uri, Version, header::HOST, uri::Authority};

use crate::refusal::Refusal;

/// The names a server is reached by. Empty: any.
///
/// An IP address and `localhost` are always allowed: rebinding needs a name that its attacker's DNS answers for, and no DNS is asked for these.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<String>);

/// What was written is no host name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is not a host name (hint: write `node1.example`, without scheme and port; any port is allowed)"
)]
pub struct AllowedHostsError(String);

impl AllowedHosts {
    /// Whether a request may be for this host, a name or an address without port.
    pub fn include(&self, host: &str) -> bool {
        Host::parse(host).is_some_and(|host| self.allow(Some(&host)))
    }

    /// The first of the names; `None`: any is allowed.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }

    pub(crate) fn allow(&self, host: Option<&Host>) -> bool {
        self.0.is_empty()
            || host.is_some_and(|host| {
                host.is_address() || host.name == "localhost" || self.0.contains(&host.name)
            })
    }
}

fn name(written: &str) -> Result<String, AllowedHostsError> {
    let of_a_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let name = written.strip_suffix('.').unwrap_or(written);
    if name.is_empty() || !name.chars().all(of_a_name) {
        return Err(AllowedHostsError(written.to_owned()));
    }
    Ok(name.to_ascii_lowercase())
}

/// A comma-separated list of names (letters, digits, `-`, `_`, `.`); empty text is an empty list.
impl FromStr for AllowedHosts {
    type Err = AllowedHostsError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        if written.is_empty() {
            return Ok(Self::default());
        }
        written.split(',').map(|written| name(written.trim())).collect::<Result<_, _>>().map(Self)
    }
}

/// Several lists as one.
impl FromIterator<Self> for AllowedHosts {
    fn from_iter<I: IntoIterator<Item = Self>>(lists: I) -> Self {
        Self(lists.into_iter().flat_map(|list| list.0).collect())
    }
}

/// Host and port, in the form in which equal ones are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Lower case, without a dot at the end; an IPv6 address in brackets.
    name: String,
    port: Option<u16>,
}

impl Host {
    /// Reads `HOST` or `HOST:PORT` (RFC 9110, section 7.2).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        let host = authority.host();
        // Who writes a user's name here wants to be taken for another host.
        let port = match text.strip_prefix(host)? {
            "" | ":" => None,
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        let name = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        (!name.is_empty()).then_some(Self { name, port })
    }

    /// The same, with a port in any case.
    pub(crate) fn with_port_or(self, default: u16) -> Self {
        Self { port: self.port.or(Some(default)), ..self }
    }

    /// Without port.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn is_address(&self) -> bool {
        let bare = self.name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        bare.unwrap_or(&self.name).parse::<IpAddr>().is_ok()
    }
}

/// The host of a request; `None` only for HTTP/1.0, which has no `Host`.
///
/// # Errors
/// 400 for none, several, or what is no host (RFC 9112, section 3.2).
pub(crate) fn of_request(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<Option<Host>, Refusal> {
    // In HTTP/2 it is `:authority`, in HTTP/1 the whole address of a request as proxies get it.
    let target = uri.authority().map(Authority::as_str);
    let mut lines = headers.get_all(HOST).iter();
    let header = lines.next().map(|value| value.to_str().unwrap_or_default());
    if lines.next().is_some() {
        return Err(Refusal::bad_host("the request names several hosts"));
    }
    let mut named = [target, header].into_iter().flatten().map(Host::parse);
    let host = match (named.next(), named.next()) {
        (None, _) if version == Version::HTTP_10 => None,
        (None, _) => return Err(Refusal::bad_host("the request names no host")),
        (Some(None), _) | (_, Some(None)) => {
            return Err(Refusal::bad_host("the request's Host is not a host"));
        }
        (Some(Some(first)), None) => Some(first),
        (Some(Some(first)), Some(Some(second))) if first == second => Some(first),
        (Some(Some(_)), Some(Some(_))) => {
            return Err(Refusal::bad_host("the request's address and its Host name two hosts"));
        }
    };
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(version: Version, target: &str, hosts: &[&str]) -> Result<Option<Host>, u16> {
        let headers = hosts.iter().map(|host| (HOST, host.parse().unwrap())).collect();
        let found = of_request(version, &target.parse().unwrap(), &headers);
        found.map_err(|refusal| refusal.status.as_u16())
    }

    #[test]
    fn a_request_names_exactly_one_host() {
        #[track_caller]
        fn check(version: Version, target: &str, hosts: &[&str], expected: Result<Option<&str>, u16>) {
            let expected = expected.map(|host| host.map(|host| Host::parse(host).unwrap()));
            assert_eq!(found(version, target, hosts), expected, "{version:?} {target} {hosts:?}");
        }
        let (http1, http2) = (Version::HTTP_11, Version::HTTP_2);
        check(http1, "/", &["a:9100"], Ok(Some("a:9100")));
        check(http1, "/", &["A.Example."], Ok(Some("a.example")));
        check(http1, "/", &["[::1]:9100"], Ok(Some("[::1]:9100")));
        check(http1, "/", &[], Err(400));
        check(http1, "/", &["a", "a"], Err(400));
        check(http1, "/", &["a", "b"], Err(400));
        for bad in ["", "a b", "user@a", "a:b", "a:70000", ":80", "http://a", "a/b", "::1", "é"] {
            check(http1, "/", &[bad], Err(400));
        }
        check(http1, "http://a/", &["a"], Ok(Some("a")));
        check(http1, "http://a/", &["b"], Err(400));
        check(Version::HTTP_10, "/", &[], Ok(None));
        check(Version::HTTP_10, "/", &["a", "b"], Err(400));
        check(http2, "https://a/", &[], Ok(Some("a")));
        check(http2, "/", &["a"], Ok(Some("a")));
        check(http2, "https://a/", &["b"], Err(400));
        check(http2, "/", &[], Err(400));
    }

    #[test]
    fn only_allowed_names_are_answered_and_addresses_always() {
        #[track_caller]
        fn check(version: Version, target: &str, hosts: &[&str], is_allowed: bool) {
            let allowed: AllowedHosts = "relay.example, Alert-Relay".parse().unwrap();
            let host = found(version, target, hosts).unwrap();
            assert_eq!(allowed.allow(host.as_ref()), is_allowed, "{version:?} {target} {hosts:?}");
        }
        for host in ["relay.example", "RELAY.example.:8060", "alert-relay:1"] {
            check(Version::HTTP_11, "/", &[host], true);
        }
        for address in ["127.0.0.1:8060", "192.0.2.7", "[2001:db8::1]:8060", "localhost:8060"] {
            check(Version::HTTP_11, "/", &[address], true);
        }
        for foreign in
            ["evil.example", "relay.example.evil.example", "127.0.0.1.evil.example", "xrelay.example"]
        {
            check(Version::HTTP_11, "/", &[foreign], false);
        }
        check(Version::HTTP_2, "https://evil.example/", &[], false);
        check(Version::HTTP_10, "/", &[], false);
    }

    #[test]
    fn what_is_no_name_is_told() {
        for bad in ["http://a", "a:80", "a,,b", "*.example", "."] {
            let said = bad.parse::<AllowedHosts>().unwrap_err().to_string();
            assert!(said.contains("is not a host name"), "{bad}: {said}");
        }
    }
}
