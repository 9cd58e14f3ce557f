//! A number of a line of JSON, and the few bytes by which it differs from the one before.
//!
//! Only a number that is written as this program writes it is taken as one: it comes back as the same text.

use std::fmt::Write as _;

/// A number, and how it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Number {
    form: Form,
    /// What is counted: the number, thousandths, or bits of the `f64`.
    value: i64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// `-12`
    #[default]
    Whole,
    /// `12.5`: up to three places after the point. Watts and shares go up and down by few of these.
    Thousandths,
    /// `0.1320996616068569`, `1e-7`
    Real,
}

const FORMS: [Form; 3] = [Form::Whole, Form::Thousandths, Form::Real];

/// A kind has the number of bytes in so many bits, and the form above.
const FORM_SHIFT: u32 = 4;

impl Number {
    /// A place in a list.
    pub(super) fn place(place: usize) -> Self {
        Self { form: Form::Whole, value: i64::try_from(place).unwrap_or(i64::MAX) }
    }

    /// The place in a list that this is.
    pub(super) fn as_place(self) -> Option<usize> {
        usize::try_from(self.value).ok()
    }

    /// Bytes at the front of the text that may be a number; 0 where it does not begin with one.
    pub(super) fn length(text: &[u8]) -> usize {
        let begins = text.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-');
        let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
        if begins { text.iter().take_while(is_part).count() } else { 0 }
    }

    /// The number that is written as exactly this text. Each second thousands are read, and few of them are reals.
    pub(super) fn read(text: &str) -> Option<Self> {
        Self::read_decimal(text.as_bytes()).or_else(|| Self::read_real(text))
    }

    /// A number with up to three places.
    fn read_decimal(text: &[u8]) -> Option<Self> {
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        let is_negative = digits.len() < text.len();
        let point = digits.iter().position(|byte| *byte == b'.');
        let (whole, places) = digits.split_at(point.unwrap_or(digits.len()));
        let (form, size) = match places {
            [] => (Form::Whole, counted(whole)?),
            [_, places @ ..] => {
                let scale = *[100, 10, 1].get(places.len().checked_sub(1)?)?;
                (
                    Form::Thousandths,
                    counted(whole)?.checked_mul(1_000)?.checked_add(counted(places)? * scale)?,
                )
            }
        };
        // `007`, `1.50` and `-0` would come back as other texts.
        let has_more_before = whole.len() > 1 && whole.starts_with(b"0");
        let has_more_behind = places.len() > b".0".len() && places.ends_with(b"0");
        if whole.is_empty() || has_more_before || has_more_behind || (is_negative && size == 0) {
            return None;
        }
        Some(Self { form, value: if is_negative { -size } else { size } })
    }

    fn read_real(text: &str) -> Option<Self> {
        let real = text.parse::<f64>().ok().filter(|real| real.is_finite())?;
        let is_only_text = zmij::Buffer::new().format_finite(real) == text;
        is_only_text.then_some(Self { form: Form::Real, value: real.to_bits().cast_signed() })
    }

    pub(super) fn write(self, out: &mut String) {
        match self.form {
            Form::Whole => out.push_str(itoa::Buffer::new().format(self.value)),
            Form::Thousandths => {
                let sign = if self.value < 0 { "-" } else { "" };
                let thousandths = self.value.unsigned_abs();
                write!(out, "{sign}{}.{:03}", thousandths / 1_000, thousandths % 1_000)
                    .expect("writing to a String cannot fail");
                while out.ends_with('0') && !out.ends_with(".0") {
                    out.pop();
                }
            }
            Form::Real => {
                out.push_str(zmij::Buffer::new().format(f64::from_bits(self.value.cast_unsigned())));
            }
        }
    }

    /// Adds to `out` the bytes of the difference from the number before, the lowest first and no zeros behind. Returns its kind: what
    /// [`read_difference`](Self::read_difference) has to know of them.
    pub(super) fn write_difference(self, before: Self, out: &mut Vec<u8>) -> u8 {
        let difference = self.value.wrapping_sub(self.form.base(before));
        // The sign goes into the lowest bit: a little less has as few bytes as a little more.
        let bytes = ((difference << 1) ^ (difference >> 63)).to_le_bytes();
        let length = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        out.extend(&bytes[..length]);
        (self.form as u8) << FORM_SHIFT | u8::try_from(length).expect("at most eight")
    }

    /// The number after `before`, by a difference of this kind, which is taken from the front of `bytes`. `None` where nobody wrote that.
    pub(super) fn read_difference(kind: u8, before: Self, bytes: &mut &[u8]) -> Option<Self> {
        let form = *FORMS.get(usize::from(kind >> FORM_SHIFT))?;
        let (own, rest) = bytes.split_at_checked(usize::from(kind & ((1 << FORM_SHIFT) - 1)))?;
        let mut whole = [0; 8];
        whole.get_mut(..own.len())?.copy_from_slice(own);
        *bytes = rest;
        let coded = u64::from_le_bytes(whole);
        let difference = (coded >> 1).cast_signed() ^ (coded & 1).cast_signed().wrapping_neg();
        Some(Self { form, value: form.base(before).wrapping_add(difference) })
    }
}

impl Form {
    /// What is counted from. A number in another form is another thing.
    fn base(self, before: Number) -> i64 {
        if before.form == self { before.value } else { 0 }
    }
}

/// The number of these digits.
fn counted(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0_i64, |count, digit| {
        let own = digit.is_ascii_digit().then(|| i64::from(digit - b'0'))?;
        count.checked_mul(10)?.checked_add(own)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<Number> {
        Number::read(text)
    }

    #[test]
    fn each_form_is_known_by_its_text() {
        for (text, form, value) in [
            ("0", Form::Whole, 0),
            ("-12", Form::Whole, -12),
            ("9223372036854775807", Form::Whole, i64::MAX),
            ("0.0", Form::Thousandths, 0),
            ("-0.25", Form::Thousandths, -250),
            ("484.036", Form::Thousandths, 484_036),
            ("-3.5", Form::Thousandths, -3_500),
            ("-0.0", Form::Real, i64::MIN),
            ("0.1320996616068569", Form::Real, 0.132_099_661_606_856_9_f64.to_bits().cast_signed()),
            ("1e-7", Form::Real, 1e-7_f64.to_bits().cast_signed()),
        ] {
            assert_eq!(read(text), Some(Number { form, value }), "{text}");
        }
    }

    #[test]
    fn what_would_come_back_as_another_text_is_no_number() {
        for text in [
            "",
            "-",
            "007",
            "+1",
            "1.",
            ".5",
            "1.50",
            "1.+5",
            "-00.5",
            "18446744073709551615",
            "-9223372036854775808",
            "1e999",
            "96.00.89",
            "1-2",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_small_step_has_few_bytes() {
        for (before, now, bytes) in
            [("7", "7", 0), ("1000000", "1000001", 1), ("484.036", "483.999", 1), ("55.0", "12", 1)]
        {
            let mut out = Vec::new();
            read(now).unwrap().write_difference(read(before).unwrap(), &mut out);
            assert_eq!(out.len(), bytes, "{before} to {now}");
        }
    }

    #[test]
    fn bytes_that_nobody_wrote_are_no_number() {
        for (kind, bytes) in [(0x30, &[][..]), (0x02, &[1]), (0x09, &[0; 16])] {
            assert_eq!(Number::read_difference(kind, Number::default(), &mut &*bytes), None, "{kind:#x}");
        }
    }

    fn any_number() -> impl Strategy<Value = String> {
        prop_oneof![
            (-i64::MAX..=i64::MAX).prop_map(|whole| whole.to_string()),
            (any::<i32>(), 0_u32..4).prop_map(|(whole, places)| (f64::from(whole)
                / 10_f64.powi(places.cast_signed()))
            .to_string()),
            any::<f64>()
                .prop_filter("JSON has no others", |real| real.is_finite())
                .prop_map(|real| serde_json::to_string(&real).unwrap()),
        ]
    }

    proptest! {
        #[test]
        fn any_number_that_json_is_written_with_is_known(before in any_number(), now in any_number()) {
            let (before, number) = (read(&before).unwrap(), read(&now).unwrap());
            let mut bytes = Vec::new();
            let kind = number.write_difference(before, &mut bytes);
            let (mut left, mut text) = (&*bytes, String::new());
            let back = Number::read_difference(kind, before, &mut left).unwrap();
            back.write(&mut text);
            prop_assert_eq!((back, text, left.len()), (number, now, 0));
        }
    }
}
