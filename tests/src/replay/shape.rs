//! One series: its course, its noise, who is on the GPU, and what is true of it.

use super::course::Course;

/// One series of the corpus.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Unlike every other's.
    pub name: String,
    /// The table's row.
    pub kind: &'static str,
    /// What was there before, or all of it.
    pub course: Course,
    /// A process that comes while we watch.
    pub load: Option<Load>,
    /// The course's noise.
    pub noise: Noise,
    /// Seconds in which nobody reads: from, to.
    pub gap: Option<(f64, f64)>,
    /// What is true of it.
    pub truth: Truth,
    /// For how many seconds it is watched.
    pub watched: f64,
    /// For so many seconds at its beginning nobody can know that it repeats: an alert then is noted apart.
    pub first: f64,
}

/// What is true of a shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Truth {
    /// It fills: begins to rise and is full at these seconds.
    Fills {
        /// When the rise begins.
        begins: f64,
        /// When nothing is left.
        full: f64,
    },
    /// It does not fill.
    Stays,
}

/// What the level swings by, at random.
#[derive(Clone, Copy, Debug, Default)]
pub struct Noise {
    /// Standard deviation as a share of the whole, of what is drawn anew every `holds` seconds.
    pub quick: f64,
    /// How long a drawn value stays, in seconds.
    pub holds: f64,
    /// Standard deviation of a load that comes and goes.
    pub load: f64,
    /// The load's memory, in seconds.
    pub remembers: f64,
}

/// A process that comes, takes memory and stays.
#[derive(Clone, Debug)]
pub struct Load {
    /// When it comes, in seconds.
    pub comes: f64,
    /// What it holds, from its coming on.
    pub course: Course,
    /// When its engine listens, in seconds from its coming on.
    pub serves: f64,
    /// What is known of it.
    pub known: Known,
}

/// What is known of the processes on a GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// Their numbers, and that one belongs to an engine and whether it listens.
    Engine,
    /// Their numbers and what each holds.
    Processes,
    /// Nothing: the driver lists none.
    Nothing,
}
