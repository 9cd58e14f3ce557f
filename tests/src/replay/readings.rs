//! What an exporter reads of a shape, one reading after the other.

use fastrand::Rng;

use super::shape::{Known, Noise, Shape};

/// A reading.
#[derive(Clone, Debug)]
pub struct Reading {
    /// Seconds since the beginning.
    pub at: f64,
    /// What is used, as a share of the whole.
    pub used: f64,
    /// The processes; `None` where none are listed.
    pub processes: Option<Vec<Seen>>,
}

/// A process in a reading.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Its number.
    pub pid: u32,
    /// What it holds, as a share of the whole.
    pub memory: f64,
    /// Whether its engine listens, where it is known to be one of an engine.
    pub serves: Option<bool>,
}

/// Reads the shape every so many seconds, each time up to `jitter` later.
pub fn readings(shape: &Shape, every: f64, jitter: f64, seed: u64) -> impl Iterator<Item = Reading> {
    let mut random = Rng::with_seed(seed);
    let mut noise = Swing::of(shape.noise);
    let mut number = 0.0;
    std::iter::from_fn(move || {
        loop {
            let at = number * every + jitter * random.f64();
            if at > shape.watched {
                return None;
            }
            number += 1.0;
            let swing = noise.at(at, &mut random);
            if shape.gap.is_none_or(|(from, to)| at < from || at >= to) {
                return Some(reading(shape, at, swing));
            }
        }
    })
}

/// What the driver itself holds.
const DRIVER: f64 = 0.005;

fn reading(shape: &Shape, at: f64, swing: f64) -> Reading {
    let resident = shape.course.at(at);
    // Noise is what requests take, which need somebody who serves them.
    let resident = if resident > 0.05 { (resident + swing).clamp(DRIVER, 1.0) } else { resident.max(DRIVER) };
    let here = shape.load.as_ref().filter(|load| at >= load.comes);
    let loaded = here.map_or(0.0, |load| load.course.at(at - load.comes).min(1.0 - resident));
    let known = shape.load.as_ref().map_or(Known::Processes, |load| load.known);
    let mut processes = Vec::new();
    if resident > DRIVER {
        processes.push(Seen { pid: 100, memory: resident - DRIVER, serves: None });
    }
    if let Some(load) = here {
        let serves = (known == Known::Engine).then_some(at >= load.comes + load.serves);
        processes.push(Seen { pid: 200, memory: loaded, serves });
    }
    Reading { at, used: resident + loaded, processes: (known != Known::Nothing).then_some(processes) }
}

/// Noise as it goes on.
struct Swing {
    of: Noise,
    quick: f64,
    drawn: f64,
    load: f64,
    before: f64,
}

impl Swing {
    fn of(noise: Noise) -> Self {
        Self { of: noise, quick: 0.0, drawn: f64::NEG_INFINITY, load: 0.0, before: 0.0 }
    }

    fn at(&mut self, at: f64, random: &mut Rng) -> f64 {
        if self.of.quick > 0.0 && at - self.drawn >= self.of.holds {
            self.quick = self.of.quick * normal(random);
            self.drawn = at;
        }
        if self.of.load > 0.0 {
            let kept = (-(at - self.before) / self.of.remembers).exp();
            self.load = kept * self.load + self.of.load * (1.0 - kept * kept).sqrt() * normal(random);
        }
        self.before = at;
        self.quick + self.load
    }
}

/// A normal deviate (Box and Muller).
fn normal(random: &mut Rng) -> f64 {
    let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
    radius * (std::f64::consts::TAU * random.f64()).cos()
}
