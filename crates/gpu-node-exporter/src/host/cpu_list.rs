//! Lists of CPUs as the kernel writes them.

use super::excerpt::excerpt;
use crate::collector::Fault;

/// `NR_CPUS` is at most 8192; a wider range is garbage that must not fill the memory.
const MOST: u32 = 65_536;

/// The kernel's list format: `1,3-5,9`.
pub(crate) fn cpu_list(text: &str) -> Result<Vec<u32>, Fault> {
    let mut cpus = Vec::new();
    for range in text.trim().split(',').filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse::<u32>(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) if first <= last && last < MOST => cpus.extend(first..=last),
            _ => return Err(Fault::with_excerpt("cannot read the list of CPUs", excerpt(text.trim()))),
        }
    }
    Ok(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::testing::check_garbage;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpu_list("1,3-5,9\n").unwrap(), [1, 3, 4, 5, 9]);
        assert!(cpu_list("\n").unwrap().is_empty());
    }

    #[test]
    fn garbage_is_a_fault() {
        check_garbage(
            |text| cpu_list(text).err().into_iter().collect(),
            &["a", "3-1", "1-", "0-4294967295", "1;2"],
        );
    }
}
