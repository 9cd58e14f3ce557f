//! The list of CPUs in a flag, as `node_exporter` reads it: `1,3-5,8-16:4`, where the last counts in steps.

/// `NR_CPUS` is at most 8192.
const MOST: u32 = 65_536;

/// The CPUs in order; what is wrong with the list otherwise.
pub(super) fn cpus(list: &str) -> Result<Vec<u32>, String> {
    let mut named = Vec::new();
    for part in list.split(',') {
        let number = |text: &str| {
            let number = text.parse::<u32>().ok().filter(|number| *number < MOST);
            number.ok_or_else(|| format!("expected numbers of CPUs like 1,3-5,8-16:4, found `{part}`"))
        };
        let (range, step) = part.split_once(':').map_or((part, Ok(1)), |(range, step)| (range, number(step)));
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to, step) = (number(from)?, number(to)?, step?);
        if step == 0 || from > to {
            return Err(format!("`{part}` names no CPU"));
        }
        named.extend((from..=to).step_by(step as usize));
    }
    named.sort_unstable();
    named.dedup();
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ranges_and_steps() {
        for (list, expected) in
            [("1", &[1][..]), ("0,2-4", &[0, 2, 3, 4]), ("1-10:5", &[1, 6]), ("3,1-3", &[1, 2, 3])]
        {
            assert_eq!(cpus(list).unwrap(), expected, "{list}");
        }
        for odd in ["", "a", "1,", "1-", "3-1", "1-5:0", "1-5:x", "-1", "0-4294967295", "1-2-3"] {
            assert!(cpus(odd).is_err(), "{odd}");
        }
    }
}
