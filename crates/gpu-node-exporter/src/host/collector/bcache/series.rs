//! Which file of bcache becomes which series, and how the kernel writes its numbers.
//!
//! Owns the tables. Parsed by hand: the kernel writes fractions of such numbers as 0 to 1023 hundredths.

use crate::family::{Family, Kind, Number};
use crate::host::binary_prefix::{decimal, split};

/// A row of a table: a number, and the family it becomes.
pub(super) struct Row {
    pub(super) file: &'static str,
    /// What begins its line, in a file of several; empty for a file that is one number.
    pub(super) line: &'static str,
    family: &'static str,
    help: &'static str,
    kind: Kind,
    /// How many base units one is; `None` for a number that is shown as it is written.
    scale: Option<f64>,
    /// Not shown while it is 0.
    pub(super) is_rare: bool,
}

const fn gauge(file: &'static str, family: &'static str, help: &'static str) -> Row {
    Row { file, line: "", family, help, kind: Kind::Gauge, scale: None, is_rare: false }
}

const fn counter(file: &'static str, family: &'static str, help: &'static str) -> Row {
    Row { kind: Kind::Counter, ..gauge(file, family, help) }
}

impl Row {
    const fn in_line(self, line: &'static str) -> Self {
        Self { line, ..self }
    }

    /// The empty family.
    pub(super) fn family(&self) -> Family {
        match self.kind {
            Kind::Counter => Family::counter(self.family, self.help),
            _ => Family::gauge(self.family, self.help),
        }
    }
}

/// Of a set itself.
pub(super) static SET: [Row; 10] = [
    gauge(
        "average_key_size",
        "node_bcache_average_key_size_sectors",
        "Average data per key in the btree (sectors).",
    ),
    gauge(
        "btree_cache_size",
        "node_bcache_btree_cache_size_bytes",
        "Amount of memory currently used by the btree cache.",
    ),
    gauge(
        "cache_available_percent",
        "node_bcache_cache_available_percent",
        "Percentage of cache device without dirty data, usable for writeback (may contain clean cached data).",
    ),
    gauge("congested", "node_bcache_congested", "Congestion."),
    gauge(
        "root_usage_percent",
        "node_bcache_root_usage_percent",
        "Percentage of the root btree node in use (tree depth increases if too high).",
    ),
    gauge("tree_depth", "node_bcache_tree_depth", "Depth of the btree."),
    gauge(
        "internal/active_journal_entries",
        "node_bcache_active_journal_entries",
        "Number of journal entries that are newer than the index.",
    ),
    gauge("internal/btree_nodes", "node_bcache_btree_nodes", "Total nodes in the btree."),
    // node_exporter takes these microseconds for nanoseconds; dashboards know its values.
    Row {
        scale: Some(1e-9),
        ..gauge(
            "internal/btree_read_average_duration_us",
            "node_bcache_btree_read_average_duration_seconds",
            "Average btree read duration.",
        )
    },
    counter(
        "internal/cache_read_races",
        "node_bcache_cache_read_races_total",
        "Counts instances where while data was being read from the cache, the bucket was reused and invalidated - i.e. where the pointer was stale after the read completed.",
    ),
];

const DEBUG: &str = "writeback_rate_debug";

/// Of a disk behind a cache.
pub(super) static BACKING: [Row; 13] = [
    gauge(
        "dirty_data",
        "node_bcache_dirty_data_bytes",
        "Amount of dirty data for this backing device in the cache.",
    ),
    gauge(
        DEBUG,
        "node_bcache_dirty_target_bytes",
        "Current dirty data target threshold for this backing device in bytes.",
    )
    .in_line("target:"),
    gauge(DEBUG, "node_bcache_writeback_rate", "Current writeback rate for this backing device in bytes.")
        .in_line("rate:"),
    gauge(
        DEBUG,
        "node_bcache_writeback_rate_proportional_term",
        "Current result of proportional controller, part of writeback rate",
    )
    .in_line("proportional:"),
    gauge(
        DEBUG,
        "node_bcache_writeback_rate_integral_term",
        "Current result of integral controller, part of writeback rate",
    )
    .in_line("integral:"),
    gauge(DEBUG, "node_bcache_writeback_change", "Last writeback rate change step for this backing device.")
        .in_line("change:"),
    counter(
        "stats_total/bypassed",
        "node_bcache_bypassed_bytes_total",
        "Amount of IO (both reads and writes) that has bypassed the cache.",
    ),
    counter(
        "stats_total/cache_hits",
        "node_bcache_cache_hits_total",
        "Hits counted per individual IO as bcache sees them.",
    ),
    counter(
        "stats_total/cache_misses",
        "node_bcache_cache_misses_total",
        "Misses counted per individual IO as bcache sees them.",
    ),
    counter(
        "stats_total/cache_bypass_hits",
        "node_bcache_cache_bypass_hits_total",
        "Hits for IO intended to skip the cache.",
    ),
    counter(
        "stats_total/cache_bypass_misses",
        "node_bcache_cache_bypass_misses_total",
        "Misses for IO intended to skip the cache.",
    ),
    counter(
        "stats_total/cache_miss_collisions",
        "node_bcache_cache_miss_collisions_total",
        "Instances where data insertion from cache miss raced with write (data already present).",
    ),
    Row {
        is_rare: true,
        ..counter(
            "stats_total/cache_readaheads",
            "node_bcache_cache_readaheads_total",
            "Count of times readahead occurred.",
        )
    },
];

/// Of a cache.
pub(super) static CACHE: [Row; 3] = [
    gauge(
        "io_errors",
        "node_bcache_io_errors",
        "Number of errors that have occurred, decayed by io_error_halflife.",
    ),
    counter(
        "metadata_written",
        "node_bcache_metadata_written_bytes_total",
        "Sum of all non data writes (btree writes and all other metadata).",
    ),
    counter(
        "written",
        "node_bcache_written_bytes_total",
        "Sum of all data that has been written to the cache.",
    ),
];

/// Of what fills a cache.
pub(super) static PRIORITY: [Row; 2] = [
    gauge(
        "priority_stats",
        "node_bcache_priority_stats_unused_percent",
        "The percentage of the cache that doesn't contain any data.",
    )
    .in_line("Unused:"),
    gauge("priority_stats", "node_bcache_priority_stats_metadata_percent", "Bcache's metadata overhead.")
        .in_line("Metadata:"),
];

impl Row {
    /// The number of the whole file, or the last word of the row's line.
    pub(super) fn value(&self, text: &str) -> Option<Number> {
        let word = if self.line.is_empty() {
            text.trim()
        } else {
            let line = text.lines().find_map(|line| line.strip_prefix(self.line))?;
            let word = line.split_ascii_whitespace().next_back()?;
            word.strip_suffix("/sec").or_else(|| word.strip_suffix('%')).unwrap_or(word)
        };
        match (self.scale, word.parse::<u64>()) {
            (None, Ok(whole)) => Some(whole.into()),
            (scale, _) => hprint(word).map(|value| (value * scale.unwrap_or(1.0)).into()),
        }
    }
}

/// As `bch_hprint` in the kernel's `drivers/md/bcache/util.c` writes it: after the point stand as many 1024ths, cut to
/// their first digits; the fraction is made of them as in `node_exporter`.
fn hprint(text: &str) -> Option<f64> {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    let (number, factor) = split(text)?;
    let value = match number.split_once('.') {
        Some((whole, fraction)) if factor > 1.0 => decimal(whole)? + whole_number(fraction)? / 10.24,
        _ => decimal(number)?,
    };
    Some(sign * (value * factor).trunc())
}

fn whole_number(text: &str) -> Option<f64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_the_kernel_writes_them() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(hprint(text), expected, "{text}");
        check("1305", Some(1305.0));
        check("-4.5k", Some(-4596.0));
        check("20.4G", Some(21_894_266_880.0));
        check("1.0M", Some(1_048_576.0));
        for text in ["", "-", "k", "1.k", ".5k", "1.2.3k", "1..2", "--1", "NaN", "inf", "1e9", "0x10"] {
            check(text, None);
        }
    }
}
