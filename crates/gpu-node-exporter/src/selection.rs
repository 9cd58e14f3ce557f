//! Which collectors one request asks for: `?collect[]=cpu&collect[]=meminfo`, or `?exclude[]=textfile`.
//!
//! Owns `node_exporter`'s rules: the two exclude each other, and `collect[]` may only name collectors that run. Ones that only
//! `node_exporter` has may be named too: a scrape configuration written for it must not find this target down.

use percent_encoding::percent_decode_str;

/// The collectors a request wants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// No word about collectors.
    All,
    /// `collect[]`
    Only(Vec<String>),
    /// `exclude[]`
    Except(Vec<String>),
}

impl Selection {
    /// Reads the query. `absent` are collectors that may be named and give nothing. The error is a sentence for the answer 400.
    pub(crate) fn parse(query: &str, running: &[&str], absent: &[&str]) -> Result<Self, String> {
        let (mut only, mut except) = (Vec::new(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded =
                |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
            match decoded(key).as_str() {
                "collect[]" => only.push(decoded(value)),
                "exclude[]" => except.push(decoded(value)),
                _ => {}
            }
        }
        if !only.is_empty() && !except.is_empty() {
            return Err("collect[] and exclude[] cannot be combined (hint: use one of them)".to_owned());
        }
        let is_known = |name: &str| running.contains(&name) || absent.contains(&name);
        if let Some(name) = only.iter().find(|name| !is_known(name)) {
            let running = running.join(", ");
            return Err(format!(
                "collect[]={name:?} is unknown or turned off (hint: the running collectors are {running})"
            ));
        }
        Ok(match (only.is_empty(), except.is_empty()) {
            (false, _) => Self::Only(only),
            (true, false) => Self::Except(except),
            (true, true) => Self::All,
        })
    }

    /// Whether the collector of this name is wanted.
    pub(crate) fn wants(&self, collector: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.iter().any(|name| name == collector),
            Self::Except(names) => !names.iter().any(|name| name == collector),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, expected: Result<&[&str], &str>) {
        let running = ["cpu", "loadavg", "meminfo"];
        let selected = Selection::parse(query, &running, &["netstat"])
            .map(|selection| running.into_iter().filter(|name| selection.wants(name)).collect::<Vec<_>>());
        match (selected, expected) {
            (Ok(selected), Ok(expected)) => assert_eq!(selected, expected, "{query}"),
            (Err(error), Err(expected)) => assert!(error.contains(expected), "{query}: {error}"),
            (selected, expected) => panic!("{query}: {selected:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn follows_node_exporters_rules() {
        check("", Ok(&["cpu", "loadavg", "meminfo"]));
        check("collect[]=cpu&collect[]=meminfo", Ok(&["cpu", "meminfo"]));
        check("collect%5B%5D=cpu", Ok(&["cpu"]));
        check("collect[]=netstat", Ok(&[]));
        check("collect[]=cpu&collect[]=netstat", Ok(&["cpu"]));
        check("exclude[]=netstat", Ok(&["cpu", "loadavg", "meminfo"]));
        check("exclude[]=cpu", Ok(&["loadavg", "meminfo"]));
        check("exclude[]=zfs", Ok(&["cpu", "loadavg", "meminfo"]));
        check("name[]=x", Ok(&["cpu", "loadavg", "meminfo"]));
        check("collect[]=cpu&exclude[]=meminfo", Err("cannot be combined"));
        check("collect[]=zfs", Err("\"zfs\" is unknown or turned off"));
        check("collect[]", Err("\"\" is unknown"));
        check("collect[]=%ff", Err("is unknown"));
    }
}
