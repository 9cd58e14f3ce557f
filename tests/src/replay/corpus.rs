//! The list of all shapes.

use fastrand::Rng;

use super::course::Course;
use super::shape::{Known, Load, Noise, Shape, Truth};

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3600.0;

/// The shapes of a GPU's memory.
pub fn gpu(seed: u64) -> Vec<Shape> {
    let mut corpus = Corpus::of(seed);
    corpus.ramps(&[0.0, 0.005, 0.01, 0.02, 0.03]);
    corpus.quiet(&[0.0, 0.005, 0.01, 0.02, 0.03]);
    corpus.loads();
    corpus.shapes
}

/// The shapes of a machine's memory.
pub fn memory(seed: u64) -> Vec<Shape> {
    let mut corpus = Corpus::of(seed);
    corpus.ramps(&[0.0, 0.002, 0.005]);
    corpus.quiet(&[0.0, 0.002, 0.005]);
    corpus.shapes
}

/// The shapes of a file system.
pub fn disk(seed: u64) -> Vec<Shape> {
    let mut corpus = Corpus::of(seed);
    corpus.ramps(&[0.0, 0.0, 0.001, 0.003]);
    corpus.quiet(&[0.0, 0.0, 0.001, 0.003]);
    corpus.shapes
}

struct Corpus {
    random: Rng,
    shapes: Vec<Shape>,
}

impl Corpus {
    fn of(seed: u64) -> Self {
        Self { random: Rng::with_seed(seed), shapes: Vec::new() }
    }

    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.random.f64()
    }

    /// Between two times, as likely in each octave.
    fn time(&mut self, least: f64, most: f64) -> f64 {
        (self.between(least.ln(), most.ln())).exp()
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.random.usize(..of.len())]
    }

    fn quick(&mut self, share: f64) -> Noise {
        Noise { quick: share, holds: self.one_of(&[1.0, 5.0, 15.0]), ..Noise::default() }
    }

    fn push(&mut self, kind: &'static str, course: Course, noise: Noise, truth: Truth) -> &mut Shape {
        let name = format!("{:03}-{}", self.shapes.len(), kind.replace([' ', ','], "-"));
        let watched = course.lasts();
        self.shapes.push(Shape {
            name,
            kind,
            course,
            load: None,
            noise,
            gap: None,
            truth,
            watched,
            first: 0.0,
        });
        self.shapes.last_mut().expect("just pushed")
    }

    fn ramp(&mut self, kind: &'static str, noise: Noise, power: f64, over: f64) -> &mut Shape {
        let (before, from) = (self.between(40.0, 80.0) * MINUTE, self.between(0.10, 0.85));
        let course = Course::flat(from, before).way(from, 1.0, power, over);
        self.push(kind, course, noise, Truth::Fills { begins: before, full: before + over })
    }

    /// All that fill.
    fn ramps(&mut self, noises: &[f64]) {
        for number in 0..60 {
            let noise = noises[number % noises.len()];
            let (noise, over) = (self.quick(noise), self.time(45.0 * MINUTE, 24.0 * HOUR));
            self.ramp("ramp of 45 min or more", noise, 1.0, over);
        }
        for number in 0..40 {
            let noise = noises[number % noises.len()];
            let (noise, over) = (self.quick(noise), self.time(10.0 * MINUTE, 44.0 * MINUTE));
            let kind = if noise.quick <= 0.01 {
                "ramp of less than 45 min"
            } else {
                "ramp of less than 45 min, noise of 2 and 3 %"
            };
            self.ramp(kind, noise, 1.0, over);
        }
        for number in 0..20 {
            let noise = noises[number % noises.len()] / 2.0;
            let power = if number % 2 == 0 { self.between(0.6, 0.9) } else { self.between(1.15, 1.8) };
            let (noise, over) = (self.quick(noise), self.time(45.0 * MINUTE, 12.0 * HOUR));
            self.ramp("curved ramp", noise, power, over);
        }
        let most = noises[noises.len() - 1];
        for _ in 0..15 {
            let (load, remembers) = (self.between(0.3, 1.0) * most, self.time(MINUTE, 10.0 * MINUTE));
            let over = self.time(HOUR, 12.0 * HOUR);
            self.ramp("leak under a load", Noise { load, remembers, ..Noise::default() }, 1.0, over);
        }
        for _ in 0..8 {
            let over = self.time(90.0 * MINUTE, 12.0 * HOUR);
            let at = self.between(0.05, 0.2);
            let lasts = self.between(2.0, 10.0) * MINUTE;
            let noise = self.quick(noises[1]);
            let shape = self.ramp("ramp with a gap", noise, 1.0, over);
            let Truth::Fills { begins, .. } = shape.truth else { continue };
            shape.gap = Some((begins + at * over, begins + at * over + lasts));
        }
    }

    /// All that stay, but for loads.
    fn quiet(&mut self, noises: &[f64]) {
        let most = noises[noises.len() - 1];
        for number in 0..10 {
            let level = self.between(0.02, 0.97);
            let noise = noises[number % noises.len()];
            let noise = self.quick(noise);
            self.push("plateau", Course::flat(level, 6.0 * HOUR), noise, Truth::Stays);
        }
        for _ in 0..10 {
            let (level, share) = (self.between(0.2, 0.92), self.between(0.66, 1.0) * most);
            let noise = self.quick(share);
            self.push("noise", Course::flat(level, 12.0 * HOUR), noise, Truth::Stays);
        }
        for _ in 0..10 {
            let (level, load) = (self.between(0.2, 0.85), self.between(0.3, 1.0) * most);
            let remembers = self.time(MINUTE, 20.0 * MINUTE);
            let noise = Noise { load, remembers, ..Noise::default() };
            let lasts = 12.0 * HOUR;
            let shape =
                self.push("load that comes and goes", Course::flat(level, lasts), noise, Truth::Stays);
            shape.first = HOUR;
        }
        for number in 0..16 {
            let mut level = self.between(0.05, 0.5);
            let mut course = Course::flat(level, self.between(40.0, 80.0) * MINUTE);
            for _ in 0..=number % 3 {
                let next = self.between(level, 0.97);
                let takes = self.between(0.0, 45.0);
                course = course.way(level, next, 1.0, takes).stay(next, self.between(20.0, 90.0) * MINUTE);
                level = next;
            }
            let noise = self.quick(noises[number % noises.len()]);
            self.push("steps", course, noise, Truth::Stays);
        }
        for number in 0..24 {
            let noise = self.quick(noises[number % 3]);
            let (low, high) = (self.between(0.1, 0.5), self.between(0.55, 0.95));
            let (period, rise) = (self.time(4.0 * MINUTE, 4.0 * HOUR), self.between(0.5, 0.97));
            self.repeat("saw", noise, [low, high], period, rise, 1.0, 0.05);
        }
        for number in 0..12 {
            let noise = self.quick(noises[number % 3]);
            let (low, high) = (self.between(0.2, 0.6), self.between(0.65, 0.95));
            let (period, power) = (self.time(2.0 * MINUTE, HOUR), self.between(0.5, 1.5));
            self.repeat("memory that is collected", noise, [low, high], period, 0.98, power, 0.2);
        }
        for number in 0..20 {
            let noise = self.quick(noises[number % 3]);
            let (middle, period) = (self.between(0.3, 0.7), self.time(5.0 * MINUTE, 12.0 * HOUR));
            let amplitude = self.between(0.05, (0.97 - middle).min(middle));
            let lasts = (2.5 * period).max(4.0 * HOUR);
            let course = Course::default().wave(middle, amplitude, period, lasts);
            let shape = self.push("sine", course, noise, Truth::Stays);
            shape.first = 1.25 * period;
        }
        for number in 0..16 {
            let noise = self.quick(noises[number % noises.len()]);
            let (from, before) = (self.between(0.05, 0.5), self.between(40.0, 80.0) * MINUTE);
            let lasts = self.time(3.0 * MINUTE, 3.0 * HOUR);
            // At its own pace it would be full in no less than this time after its end.
            let left = (1.3 * 3600.0_f64).max(7.0 * lasts);
            let to = (from + lasts / left) / (1.0 + lasts / left);
            let course = Course::flat(from, before).way(from, to, 1.0, lasts).stay(to, 2.0 * HOUR);
            self.push("rise that ends far from full", course, noise, Truth::Stays);
        }
        for number in 0..10 {
            let noise = self.quick(noises[number % noises.len()]);
            let (level, before) = (self.between(0.3, 0.95), self.between(40.0, 80.0) * MINUTE);
            let away = self.between(5.0, 120.0);
            let course = Course::flat(level, before)
                .stay(0.0, away)
                .way(0.0, level, 1.0, self.between(5.0, 40.0))
                .stay(level, 2.0 * HOUR);
            self.push("restart", course, noise, Truth::Stays);
        }
        for number in 0..8 {
            let noise = self.quick(noises[number % noises.len()]);
            let (before, after) = (self.between(0.1, 0.6), self.between(0.6, 0.95));
            let (at, lasts) = (self.between(40.0, 80.0) * MINUTE, self.time(30.0, HOUR));
            let course = Course::flat(before, at + lasts / 2.0).stay(after, lasts / 2.0 + 2.0 * HOUR);
            let shape = self.push("gap", course, noise, Truth::Stays);
            shape.gap = Some((at, at + lasts));
        }
    }

    /// Rises that fall back again and again, no two quite alike.
    #[expect(clippy::too_many_arguments, reason = "they are one shape's numbers")]
    fn repeat(
        &mut self,
        kind: &'static str,
        noise: Noise,
        [low, high]: [f64; 2],
        period: f64,
        rise: f64,
        power: f64,
        unlike: f64,
    ) {
        let lasts = (4.0 * period).max(3.0 * HOUR);
        let mut course = Course::default();
        while course.lasts() < lasts {
            let bottom = low + (high - low) * self.between(0.0, unlike);
            let top = high - (high - low) * self.between(0.0, unlike);
            let period = period * self.between(1.0 - unlike, 1.0 + unlike);
            course = course.way(bottom, top, power, rise * period).way(top, low, 1.0, (1.0 - rise) * period);
        }
        let shape = self.push(kind, course, noise, Truth::Stays);
        shape.first = ((1.5 + 5.0 * unlike) * period).max(40.0 * MINUTE);
    }

    /// Models that are loaded.
    fn loads(&mut self) {
        let kinds = [
            ("model load, engine starting", Known::Engine, true),
            ("model load beside another, engine starting", Known::Engine, false),
            ("model load, process only", Known::Processes, true),
            ("model load beside another, process only", Known::Processes, false),
            ("model load, nothing known", Known::Nothing, true),
        ];
        for (kind, known, is_alone) in kinds {
            for number in 0..10 {
                let before = self.between(40.0, 80.0) * MINUTE;
                let resident = if is_alone { 0.0 } else { self.between(0.06, 0.4) };
                let room = 0.97 - resident;
                let weights = room * self.between(0.2, 0.8);
                let takes = self.time(MINUTE, 25.0 * MINUTE);
                let all = room * self.between(0.85, 1.0);
                let course = self.loaded(number, weights, all, takes);
                let noise = self.quick(if is_alone { 0.0 } else { 0.005 });
                let lasts = before + takes + 2.0 * HOUR;
                let shape = self.push(kind, Course::flat(resident, lasts), noise, Truth::Stays);
                shape.load = Some(Load { comes: before, course, serves: takes + 20.0, known });
            }
        }
    }

    /// What a process takes while it loads: weights evenly, by shards, or slower and slower; then its cache at once, or not.
    fn loaded(&mut self, number: usize, weights: f64, all: f64, takes: f64) -> Course {
        let weights_take = 0.9 * takes;
        let course = Course::flat(0.01, 0.05 * takes);
        let course = match number % 3 {
            0 => course.way(0.01, weights, 1.0, weights_take),
            1 => {
                let shards = self.random.usize(4..30);
                (0..shards).fold(course, |course, shard| {
                    let part = |shard: usize| weights * shard as f64 / shards as f64;
                    course
                        .way(part(shard), part(shard + 1), 1.0, 0.2 * weights_take / shards as f64)
                        .stay(part(shard + 1), 0.8 * weights_take / shards as f64)
                })
            }
            _ => course.way(0.01, weights, self.between(0.6, 1.6), weights_take),
        };
        let full = if number.is_multiple_of(2) { all } else { weights };
        course.way(weights, full, 1.0, 0.05 * takes).stay(full, 10.0)
    }
}
