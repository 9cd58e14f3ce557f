//! Whole numbers as the kernel writes them: in decimal, or in hexadecimal after `0x`.

use crate::family::Number;

/// The number. One that is not negative stays exact.
pub(crate) fn integer(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        // `from_str_radix` takes a sign, which the kernel does not write there.
        let is_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        return is_hexadecimal.then(|| u64::from_str_radix(digits, 16).ok()).flatten().map(Number::from);
    }
    let negative = || text.parse::<i64>().ok().map(|negative| Number::Real(negative as f64));
    text.parse::<u64>().ok().map(Number::from).or_else(negative)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal_or_hexadecimal() {
        let check = |text: &str, expected: Option<Number>| assert_eq!(integer(text), expected, "{text:?}");
        check("0", Some(Number::Whole(0)));
        check("18446744073709551615", Some(Number::Whole(u64::MAX)));
        check("0xffff", Some(Number::Whole(65_535)));
        check("-1", Some(Number::Real(-1.0)));
        for odd in
            ["", "0x", "0x-1", "0x+1", "up", "1.5", "18446744073709551616", "-99999999999999999999", "1 2"]
        {
            check(odd, None);
        }
    }
}
