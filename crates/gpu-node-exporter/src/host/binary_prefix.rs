//! Sizes as the kernel writes them for people: `48.9G`, `28.2k`, `720`.
//!
//! Owns the letter at the end. What stands before it is a plain decimal in most files; bcache has a way of its own.

/// The number's text, and how many it counts by: 1024 to a power.
pub(crate) fn split(text: &str) -> Option<(&str, f64)> {
    let text = text.trim();
    let last = text.chars().next_back()?;
    if last.is_ascii_digit() {
        return Some((text, 1.0));
    }
    let power = "KMGTPEZY".find(last.to_ascii_uppercase())?;
    let number = text.strip_suffix(last)?.trim_end();
    let power = i32::try_from(power).ok()?;
    Some((number, 1024_f64.powi(power + 1)))
}

/// The size, in whole units; fractions are cut off, as in `node_exporter`.
pub(crate) fn size(text: &str) -> Option<f64> {
    let (number, factor) = split(text)?;
    decimal(number).map(|number| (number * factor).trunc())
}

/// A decimal without a sign or an exponent.
pub(crate) fn decimal(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_powers_of_1024() {
        let check = |text: &str, expected: Option<f64>| assert_eq!(size(text), expected, "{text}");
        check("0", Some(0.0));
        check(" 720\n", Some(720.0));
        check("1.5k", Some(1536.0));
        check("28.2k", Some(28_876.0));
        check("2.00M", Some(2_097_152.0));
        check("1 G", Some(1_073_741_824.0));
        for text in ["", "k", "1.2.3k", "-1k", "1x", "1e3", "inf", "NaN", "1é", "."] {
            check(text, None);
        }
    }
}
