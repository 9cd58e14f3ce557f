//! Rises that came back by themselves: a saw's, a wave's, a collector's of garbage. The next one like them is no leak.

/// Rises at one scale that came back, and those that may yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Returned {
    /// Each larger than those after it.
    open: Vec<Open>,
    closed: Vec<Closed>,
}

/// A rise that has not come back.
#[derive(Clone, Copy, Debug)]
struct Open {
    rise: f64,
    end: f64,
    top: f64,
}

/// A rise that came back.
#[derive(Clone, Copy, Debug)]
struct Closed {
    at: f64,
    rise: f64,
    top: f64,
    /// The lowest since.
    bottom: f64,
}

/// How many are kept of each.
const MOST: usize = 8;

/// How long one counts, in seconds: a day, and what a day's course may be late.
const REMEMBERED: f64 = 26.0 * 3600.0;

impl Returned {
    /// The level at a moment.
    pub(crate) fn level(&mut self, at: f64, level: f64) {
        for closed in &mut self.closed {
            closed.bottom = closed.bottom.min(level);
        }
        for open in &mut self.open {
            open.top = open.top.max(level);
        }
        let has_returned = |open: &Open| level <= open.end - open.rise / 2.0;
        for open in self.open.extract_if(.., |open| has_returned(open)) {
            let is_beyond = |closed: &Closed| closed.rise > open.rise || closed.top > open.top;
            if self.closed.iter().all(|closed| open.rise > closed.rise || open.top > closed.top) {
                self.closed.retain(is_beyond);
                self.closed.push(Closed { at, rise: open.rise, top: open.top, bottom: level });
            }
        }
        self.closed.retain(|closed| at - closed.at <= REMEMBERED);
        if self.closed.len() > MOST {
            self.closed.sort_unstable_by(|a, b| b.rise.total_cmp(&a.rise));
            self.closed.truncate(MOST);
        }
    }

    /// A rise that ends at this level now.
    pub(crate) fn rise(&mut self, rise: f64, end: f64) {
        while self.open.last().is_some_and(|open| open.rise <= rise) {
            self.open.pop();
        }
        if self.open.len() < MOST {
            self.open.push(Open { rise, end, top: end });
        }
    }

    /// Whether others before came back that were nearly as large and ended nearly as high.
    pub(crate) fn has_like(&self, rise: f64, end: f64) -> bool {
        const LARGER: f64 = 2.0;
        const HIGHER: f64 = 0.3;
        self.closed.iter().any(|closed| {
            rise <= LARGER * closed.rise && end <= closed.top + HIGHER * (closed.top - closed.bottom)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that rose by 0.2 to 0.7, and fell to this level.
    fn after_a_fall(to: f64) -> Returned {
        let mut returned = Returned::default();
        returned.rise(0.2, 0.7);
        returned.level(0.0, to);
        returned
    }

    #[test]
    fn the_next_rise_like_one_that_came_back_is_known() {
        assert!(!after_a_fall(0.61).has_like(0.2, 0.7), "it has not come back");
        let returned = after_a_fall(0.5);
        assert!(returned.has_like(0.2, 0.7));
        assert!(returned.has_like(0.39, 0.75), "nearly as fast, nearly as high");
        assert!(!returned.has_like(0.41, 0.7), "faster");
        assert!(!returned.has_like(0.2, 0.77), "higher");
    }

    #[test]
    fn it_is_remembered_for_a_day_and_its_bottom_is_the_lowest() {
        let mut returned = after_a_fall(0.5);
        returned.level(3600.0, 0.3);
        assert!(returned.has_like(0.2, 0.81));
        returned.level(25.0 * 3600.0, 0.5);
        assert!(returned.has_like(0.2, 0.7));
        returned.level(27.0 * 3600.0, 0.5);
        assert!(!returned.has_like(0.2, 0.7));
    }

    #[test]
    fn however_many_come_back_few_are_kept_and_the_largest_is() {
        let mut returned = Returned::default();
        for number in 0..1000 {
            let rise = 0.3 - 0.0002 * f64::from(number);
            for step in 0..20 {
                returned.rise(rise / f64::from(1 + step), 0.5 + rise);
            }
            returned.level(f64::from(number), 0.5);
        }
        assert!(returned.open.len() <= MOST && returned.closed.len() <= MOST);
        assert!(returned.has_like(0.6, 0.8));
    }
}
