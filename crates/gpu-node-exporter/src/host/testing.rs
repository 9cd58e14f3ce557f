//! How the collectors' tests say what they expect.

use crate::family::{Family, Number};

/// Every sample of the families as `name{label="value"} number`, in order.
pub(crate) fn values(families: &[Family]) -> Vec<String> {
    let mut lines = Vec::new();
    for family in families {
        for sample in &family.samples {
            let labels: Vec<String> =
                sample.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
            let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
            let number = match sample.value {
                Number::Whole(whole) => whole.to_string(),
                Number::Real(real) => real.to_string(),
            };
            lines.push(format!("{}{}{labels} {number}", family.name, sample.suffix));
        }
    }
    lines
}

/// Each text must be refused; none may panic.
pub(crate) fn check_garbage<T, E>(parse: impl Fn(&str) -> Result<T, E>, texts: &[&str]) {
    for text in texts {
        assert!(parse(text).is_err(), "{text:?} was taken for a reading");
    }
}
