//! One scale: its windows, what it saw rise and fall before, and whether it rises now.

use crate::fluctuation::Fluctuation;
use crate::point::Point;
use crate::returned::Returned;
use crate::rise::{Line, Strictness};
use crate::scale::{CELLS, Scale};

/// One scale with what is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    scale: Scale,
    reach: Reach,
    fluctuation: Fluctuation,
    returned: Returned,
    windows: [Option<Window>; WINDOWS.len()],
    /// Cells in a row at whose end a window rose.
    rising: u32,
}

/// What a scale must see, and how far it may tell.
#[derive(Clone, Copy, Debug)]
struct Reach {
    /// How far ahead its longest window may tell, in minutes: the longer a rise has been seen, the longer it may be thought to go on.
    horizon: f64,
    /// A rise's pace is so many times its standard error. Where there is time, there is time to be sure.
    errors: f64,
    /// So many cells in a row must say so.
    cells: u32,
}

/// By scale: windows of two minutes and more, four, eight…, up to five hours.
const REACHES: [Reach; 8] = [
    Reach { horizon: 50.0, errors: 6.5, cells: 4 },
    Reach { horizon: 64.0, errors: 5.0, cells: 2 },
    Reach { horizon: 70.0, errors: 5.5, cells: 2 },
    Reach { horizon: 90.0, errors: 7.0, cells: 2 },
    Reach { horizon: 180.0, errors: 9.0, cells: 1 },
    Reach { horizon: 360.0, errors: 9.0, cells: 1 },
    Reach { horizon: 720.0, errors: 9.0, cells: 1 },
    Reach { horizon: 1440.0, errors: 9.0, cells: 1 },
];

/// Windows of a scale, in cells.
const WINDOWS: [usize; 3] = [CELLS * 3 / 4, CELLS * 7 / 8, CELLS];

/// What counts as steady; each scale has its own number of errors.
const STEADY: Strictness = Strictness { errors: 5.0, step: 0.28, line: 0.6, least: 0.5, most: 1.9 };

/// What is remembered, should it come back.
const NEARLY_STEADY: Strictness = Strictness { errors: 3.0, step: 0.6, line: 1.5, least: 0.0, most: 4.0 };

/// The least rise that counts, as a share of the whole.
const LEAST_RISE: f64 = 0.004;

/// How much faster than the usual falls a rise must be: five standard deviations, where it only fluctuates.
const FASTER: f64 = 24.0;

/// For so many seconds, besides the window's own, a series must have been watched.
const WATCHED: f64 = 1800.0;

#[derive(Clone, Copy, Debug)]
struct Window {
    line: Line,
    is_rising: bool,
}

impl Watch {
    /// One for each scale, the first with cells of so many seconds, each further one with cells twice as long.
    pub(crate) fn all(cell: f64) -> Vec<Self> {
        let cells = std::iter::successors(Some(cell), |cell| Some(2.0 * cell));
        let watches = REACHES.into_iter().zip(cells).map(|(reach, cell)| Self {
            scale: Scale::of(cell),
            reach,
            fluctuation: Fluctuation::default(),
            returned: Returned::default(),
            windows: [None; WINDOWS.len()],
            rising: 0,
        });
        watches.collect()
    }

    /// The pace of the usual falls here.
    pub(crate) fn restless(&self) -> f64 {
        self.fluctuation.fall()
    }

    /// The lines through the present windows.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line> {
        self.windows.iter().flatten().map(|window| window.line)
    }

    /// The windows that rise, the shortest first, with how far ahead each may tell, in seconds.
    pub(crate) fn rises(&self) -> impl Iterator<Item = (Line, f64)> {
        let is_sure = self.rising >= self.reach.cells;
        self.windows.iter().zip(WINDOWS).filter(move |_| is_sure).filter_map(|(window, cells)| {
            let window = window.filter(|window| window.is_rising)?;
            Some((window.line, 60.0 * self.reach.horizon * cells as f64 / CELLS as f64))
        })
    }

    /// Takes in a point of a series that has been watched for `age` seconds, and falls by `restless` when nothing is wrong.
    pub(crate) fn add(&mut self, point: Point, age: f64, restless: f64) {
        let Some(cell) = self.scale.add(point) else { return };
        self.returned.level(cell.at, cell.level);
        let is_known = age >= WATCHED + self.scale.cell * CELLS as f64;
        let strictness = Strictness { errors: self.reach.errors, ..STEADY };
        let seen = WINDOWS.map(|cells| {
            let points = self.scale.window(cells)?;
            Some((Line::through(&points)?, points))
        });
        self.windows = seen.each_ref().map(|seen| {
            let (line, points) = seen.as_ref()?;
            let is_rising = is_known
                && line.rise >= LEAST_RISE
                && line.pace > FASTER * restless
                && line.is_steady(points, strictness)
                && !self.returned.has_like(line.rise, line.end);
            Some(Window { line: *line, is_rising })
        });
        let is_rising = self.windows.iter().flatten().any(|window| window.is_rising);
        self.rising = if is_rising { self.rising + 1 } else { 0 };
        if let Some((line, _)) = &seen[WINDOWS.len() - 1] {
            self.fluctuation.add(line.pace);
        }
        for (line, points) in seen.iter().flatten() {
            if line.is_steady(points, NEARLY_STEADY) {
                self.returned.rise(line.rise, line.end);
            }
        }
    }
}
