//! How a level runs, without noise: pieces, one after the other.

/// A level over time, as a share of the whole. The last piece's end lasts for ever.
#[derive(Clone, Debug, Default)]
pub struct Course(Vec<Piece>);

#[derive(Clone, Copy, Debug)]
struct Piece {
    /// In seconds.
    lasts: f64,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    /// From one level to another; a power of 1 is a straight line, below 1 it slows down, above 1 it grows faster.
    Way { from: f64, to: f64, power: f64 },
    /// A sine.
    Wave { middle: f64, amplitude: f64, period: f64 },
}

impl Course {
    /// Stays at a level for so many seconds.
    pub fn flat(level: f64, lasts: f64) -> Self {
        Self::default().way(level, level, 1.0, lasts)
    }

    /// Then goes from one level to another; see the pieces' forms for `power`.
    #[must_use]
    pub fn way(mut self, from: f64, to: f64, power: f64, lasts: f64) -> Self {
        self.0.push(Piece { lasts, form: Form::Way { from, to, power } });
        self
    }

    /// Then stays at a level.
    #[must_use]
    pub fn stay(self, level: f64, lasts: f64) -> Self {
        self.way(level, level, 1.0, lasts)
    }

    /// Then swings.
    #[must_use]
    pub fn wave(mut self, middle: f64, amplitude: f64, period: f64, lasts: f64) -> Self {
        self.0.push(Piece { lasts, form: Form::Wave { middle, amplitude, period } });
        self
    }

    /// The level after so many seconds.
    pub fn at(&self, seconds: f64) -> f64 {
        let mut left = seconds.max(0.0);
        for piece in &self.0 {
            if left < piece.lasts {
                return piece.form.at(left, piece.lasts);
            }
            left -= piece.lasts;
        }
        self.0.last().map_or(0.0, |piece| piece.form.at(piece.lasts, piece.lasts))
    }

    /// How long all pieces last, in seconds.
    pub fn lasts(&self) -> f64 {
        self.0.iter().map(|piece| piece.lasts).sum()
    }
}

impl Form {
    fn at(self, seconds: f64, lasts: f64) -> f64 {
        match self {
            Self::Way { from, to, power } => {
                let part = if lasts > 0.0 { seconds / lasts } else { 1.0 };
                from + (to - from) * part.powf(power)
            }
            Self::Wave { middle, amplitude, period } => {
                middle + amplitude * (std::f64::consts::TAU * seconds / period).sin()
            }
        }
    }
}
