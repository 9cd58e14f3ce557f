//! Counters of the network protocols, from `/proc/net/netstat`, `/proc/net/snmp` and `/proc/net/snmp6`.
//!
//! Owns the series of the fields that `--collector.netstat.fields` names (`netstat/fields.rs`), of unknown type since the kernel does not say
//! which of them only grow. Parsed by hand: the two older files name their fields in a line of their own, which is the same at each reading,
//! so that each name is made and looked at once.

mod fields;

use crate::collector::{Collected, Collector, Fault, WaitsFor};
use crate::family::{Family, Labels, Number};
use crate::flags::Flags;
use crate::host::entry::Entry;
use crate::host::excerpt::excerpt;
use crate::host::integer::integer;
use crate::host::kept_file::KeptFile;
use crate::host::lines::{Lines, lines, numbered_lines};
use crate::host::proc_file::ProcFile;
use crate::host::root::Root;
use fields::{FIELDS, Include};

pub(in crate::host) const ENTRY: Entry = Entry {
    name: "netstat",
    help: "counters of the network protocols",
    reads: "/proc/net/netstat, /proc/net/snmp, /proc/net/snmp6",
    is_default: true,
    waits_for: WaitsFor::Nothing,
    flags: &[&FIELDS],
    new: |flags, root| Box::new(NetstatCollector::new(flags, root)),
};

struct NetstatCollector {
    include: Include,
    netstat: Statistics,
    snmp: Statistics,
    snmp6: Statistics,
}

/// One file, with what is known of its lines.
struct Statistics {
    name: &'static str,
    file: ProcFile,
    titles: Vec<Title>,
}

impl Statistics {
    fn new(root: &Root, name: &'static str) -> Self {
        let file = ProcFile::of_few_lines(root, &format!("net/{name}")).known(KeptFile::of_one_text);
        Self { name, file, titles: Vec::new() }
    }
}

impl NetstatCollector {
    fn new(flags: &mut Flags, root: &Root) -> Self {
        let file = |name| Statistics::new(root, name);
        let (netstat, snmp, snmp6) = (file("netstat"), file("snmp"), file("snmp6"));
        Self { include: Include::new(flags), netstat, snmp, snmp6 }
    }
}

impl Collector for NetstatCollector {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn collect(&mut self) -> Collected {
        let include = &self.include;
        let mut collected = Collected::default();
        for Statistics { name, file, titles } in [&mut self.netstat, &mut self.snmp] {
            collected.extend(match file.read() {
                Ok(text) => two_lines_each(name, text, titles, include),
                Err(error) => Collected::failed(error.into()),
            });
        }
        let Statistics { name, file, titles } = &mut self.snmp6;
        collected.extend(match file.read() {
            Ok(text) => one_line_each(name, text, titles, include),
            // A kernel without IPv6.
            Err(error) if error.is_absent() => Collected::default(),
            Err(error) => Collected::failed(error.into()),
        });
        collected
    }
}

/// What a line names: the same at each reading.
#[derive(Debug)]
struct Title {
    text: String,
    /// How many fields it names.
    count: usize,
    /// The empty families of those that are shown, in order, each with the field's place among all.
    shown: Vec<(usize, Family)>,
}

/// The title at this place; it is made when it is not what stood there before.
fn title<'t>(
    titles: &'t mut Vec<Title>,
    place: usize,
    text: &str,
    count: usize,
    shown: impl FnOnce() -> Vec<(usize, Family)>,
) -> &'t Title {
    if titles.get(place).is_none_or(|title| title.text != text) {
        titles.truncate(place);
        titles.push(Title { text: text.to_owned(), count, shown: shown() });
    }
    &titles[place]
}

/// The empty family of a field, if it is shown.
fn family(protocol: &str, name: &str, include: &Include) -> Option<Family> {
    let key = format!("{protocol}_{name}");
    include
        .has(&key)
        .then(|| Family::unknown(format!("node_netstat_{key}"), format!("Statistic {protocol}{name}.")))
}

/// Two lines: `Tcp: ActiveOpens PassiveOpens …` and `Tcp: 3556 230 …`.
#[derive(Debug)]
struct Pair<'text> {
    /// The whole first line: two protocols can have fields of the same names.
    title: &'text str,
    protocol: &'text str,
    names: &'text str,
    /// How many names, and as many values.
    count: usize,
    values: &'text str,
}

fn two_lines_each(file: &str, text: &str, titles: &mut Vec<Title>, include: &Include) -> Collected {
    let Lines { read, mut faults } = numbered_lines(file, pairs(text), |pair| parse_pair(pair, titles));
    let mut families = Vec::new();
    for (place, pair) in read.iter().enumerate() {
        let title = title(titles, place, pair.title, pair.count, || {
            let names = pair.names.split_ascii_whitespace().enumerate();
            names.filter_map(|(at, name)| Some((at, family(pair.protocol, name, include)?))).collect()
        });
        let (mut values, mut next) = (pair.values.split_ascii_whitespace(), 0);
        for (at, family) in &title.shown {
            let value = values.nth(at - next).unwrap_or_default();
            next = at + 1;
            match integer(value) {
                Some(value) => families.push(family.clone().with(Labels::NONE, value)),
                None => faults.push(odd(file, &family.name, value)),
            }
        }
    }
    Collected::new(families, faults)
}

/// Each two lines as one text, with the place of the first.
fn pairs(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = text;
    let texts = std::iter::from_fn(move || {
        let end = rest.match_indices('\n').nth(1).map_or(rest.len(), |(end, _)| end + 1);
        let (pair, more) = rest.split_at(end);
        rest = more;
        (!pair.is_empty()).then_some(pair)
    });
    texts.enumerate().map(|(place, pair)| (2 * place, pair))
}

/// What a title that was there at the last reading names was found good then.
fn parse_pair<'text>(text: &'text str, known: &[Title]) -> Option<Pair<'text>> {
    let (title, values) = text.trim_end().split_once('\n')?;
    let (protocol, names) = title.split_once(": ")?;
    let (of, values) = values.split_once(": ")?;
    let count = |text: &str| text.split_ascii_whitespace().count();
    let fields = if let Some(known) = known.iter().find(|known| known.text == title) {
        known.count
    } else {
        let is_named = is_word(protocol) && names.split_ascii_whitespace().all(is_word);
        is_named.then(|| count(names))?
    };
    let is_whole = protocol == of && fields == count(values);
    is_whole.then_some(Pair { title, protocol, names, count: fields, values })
}

/// It can be a part of a name.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// One line: `Ip6InReceives 7`.
fn one_line_each(file: &str, text: &str, titles: &mut Vec<Title>, include: &Include) -> Collected {
    let Lines { read, faults } = lines(file, text, parse_line);
    let mut families = Vec::new();
    for (place, (name, value)) in read.into_iter().enumerate() {
        let title = title(titles, place, name, 1, || {
            // The protocol is what stands before the name, up to its 6.
            let end = name.find('6').map_or(name.len(), |six| six + 1);
            family(&name[..end], &name[end..], include).map(|family| (0, family)).into_iter().collect()
        });
        families.extend(title.shown.iter().map(|(_, family)| family.clone().with(Labels::NONE, value)));
    }
    Collected::new(families, faults)
}

fn parse_line(line: &str) -> Option<(&str, Number)> {
    let mut words = line.split_ascii_whitespace();
    let (name, value) = (words.next()?, integer(words.next()?)?);
    (is_word(name) && name.contains('6')).then_some((name, value))
}

fn odd(file: &str, field: &str, value: &str) -> Fault {
    Fault::with_excerpt(format!("{file}: expected a number in {field}"), excerpt(value))
}

#[cfg(test)]
mod tests {
    use regex_lite::Regex;

    use super::*;
    use crate::host::testing::{check_garbage, collector, values};

    fn all(text: &str) -> Collected {
        two_lines_each("snmp", text, &mut Vec::new(), &Include::Matching(None))
    }

    #[test]
    fn titles_are_looked_at_again_when_they_move() {
        let include = Include::Matching(Some(Regex::new("^Tcp_B$|^Udp_").unwrap()));
        let mut titles = Vec::new();
        let mut lines = |text: &str| {
            let Collected { families, faults, .. } = two_lines_each("snmp", text, &mut titles, &include);
            assert_eq!(faults, []);
            values(&families)
        };
        assert_eq!(
            lines("Tcp: A B C\nTcp: 1 2 3\nUdp: A\nUdp: 4\n"),
            ["node_netstat_Tcp_B 2", "node_netstat_Udp_A 4"]
        );
        assert_eq!(
            lines("Tcp: A B C\nTcp: 5 -6 7\nUdp: A\nUdp: 8\n"),
            ["node_netstat_Tcp_B -6", "node_netstat_Udp_A 8"]
        );
        assert_eq!(
            lines("Udp: A\nUdp: 8\nTcp: B A\nTcp: 9 1\n"),
            ["node_netstat_Udp_A 8", "node_netstat_Tcp_B 9"]
        );
        // The names of two protocols can be the same.
        assert_eq!(lines("Tcp: A\nTcp: 1\n"), [] as [&str; 0]);
        assert_eq!(lines("Udp: A\nUdp: 1\n"), ["node_netstat_Udp_A 1"]);
    }

    #[test]
    fn the_protocol_of_ipv6_ends_with_its_6() {
        let (text, include) = ("Ip6InOctets  460\nUdpLite6InErrors\t0\n", Include::Matching(None));
        let lines = one_line_each("snmp6", text, &mut Vec::new(), &include);
        assert_eq!(
            values(&lines.families),
            ["node_netstat_Ip6_InOctets 460", "node_netstat_UdpLite6_InErrors 0"]
        );
        assert_eq!(lines.families[0].help, "Statistic Ip6InOctets.");
    }

    #[test]
    fn an_odd_pair_costs_itself_and_an_odd_value_that_field() {
        let Collected { families, faults, .. } = all("Ip: A B\nIp: 1\nTcp: A B\nTcp: 1 x\nUdp: A\nUdp: 3\n");
        assert_eq!(values(&families), ["node_netstat_Tcp_A 1", "node_netstat_Udp_A 3"]);
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            faults,
            [
                "snmp: cannot read line 1: `Ip: A B\u{fffd}Ip: 1\u{fffd}`",
                "snmp: expected a number in node_netstat_Tcp_B: `x`"
            ]
        );
    }

    #[test]
    fn a_kernel_without_ipv6_has_no_fault() {
        let proc = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc.path().join("net")).unwrap();
        for file in ["netstat", "snmp"] {
            std::fs::write(proc.path().join("net").join(file), format!("{file}: InErrors\n{file}: 1\n"))
                .unwrap();
        }
        let collected = collector(&ENTRY, proc.path(), "/nonexistent".as_ref(), &[]).collect();
        assert_eq!(
            values(&collected.families),
            ["node_netstat_netstat_InErrors 1", "node_netstat_snmp_InErrors 1"]
        );
        assert_eq!(collected.faults, []);
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| all(text).faults,
            &[
                "",
                "\n",
                "Tcp",
                "Tcp: A\n",
                "Tcp: A\nUdp: 1\n",
                "T{}: A\nT{}: 1\n",
                "Tcp: A-B\nTcp: 1\n",
                "Tcp: A\nTcp: 1 2\n",
            ],
        );
        check_garbage(
            |text| one_line_each("snmp6", text, &mut Vec::new(), &Include::Usual).faults,
            &["", "Ip6InOctets", "Ip6InOctets x", "IpInOctets 1", "Ip6{} 1"],
        );
    }
}
