//! The label of each CPU, made once.
//!
//! Owns `cpu="N"`. Leaves out labels that come after it.

use crate::family::Labels;

/// What a collector shows CPUs with.
#[derive(Debug, Default)]
pub(crate) struct CpuLabels(Vec<Labels>);

/// The kernel's own limit (`NR_CPUS`) on the machines with the most CPUs; a higher number is a garbled one.
const MOST_KEPT: usize = 8192;

impl CpuLabels {
    /// The labels of one CPU.
    pub(crate) fn of(&mut self, cpu: u32) -> Labels {
        let place = cpu as usize;
        if place >= MOST_KEPT {
            return labels(place);
        }
        for next in self.0.len()..=place {
            self.0.push(labels(next));
        }
        self.0[place].clone()
    }
}

fn labels(cpu: usize) -> Labels {
    Labels::new([("cpu", cpu.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_garbled_number_is_not_kept() {
        let mut cpus = CpuLabels::default();
        let mut text = |cpu| cpus.of(cpu).text().to_owned();
        assert_eq!((text(3), text(0)), (r#"cpu="3""#.to_owned(), r#"cpu="0""#.to_owned()));
        assert_eq!(text(u32::MAX), r#"cpu="4294967295""#);
        assert_eq!(cpus.0.len(), 4);
    }
}
