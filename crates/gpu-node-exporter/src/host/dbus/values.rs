//! Values as messages of D-Bus have them, in this machine's byte order (see "Type System" in its specification).
//!
//! Owns how they are written and read, one by one: who asks knows the types of what comes back.

pub(super) fn length_of(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// Writes values, each at a multiple of its size.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

impl Writer {
    pub(crate) fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.align(4);
        self.0.extend(value.to_ne_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.u32(length_of(text.as_bytes()));
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    pub(crate) fn signature(&mut self, signature: &str) {
        self.0.push(u8::try_from(signature.len()).unwrap_or(u8::MAX));
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    /// The elements that `write` writes, which begin at multiples of `alignment`.
    pub(crate) fn array(&mut self, alignment: usize, write: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length = self.0.len() - 4;
        self.align(alignment);
        let from = self.0.len();
        write(self);
        let written = length_of(&self.0[from..]);
        self.0[length..length + 4].copy_from_slice(&written.to_ne_bytes());
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A value of a property.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A text, the path of an object or a signature.
    Text(String),
    /// A number without a sign, of whatever size.
    Whole(u64),
    Bool(bool),
}

/// Reads values one by one; `None` for what is garbled.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self::from(bytes, 0)
    }

    /// From this place on.
    pub(super) fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// What is aligned in the body is so in the whole message, since the body begins at a multiple of 8.
    pub(crate) fn align(&mut self, to: usize) -> Option<()> {
        self.at = self.at.next_multiple_of(to);
        (self.at <= self.bytes.len()).then_some(())
    }

    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.align(N)?;
        self.take(N)?.first_chunk().copied()
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.number().map(u32::from_ne_bytes)
    }

    /// A text, or the path of an object.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.u32()? as usize;
        self.text_of(length)
    }

    fn signature(&mut self) -> Option<&'a str> {
        let length = usize::from(self.u8()?);
        self.text_of(length)
    }

    /// A text of so many bytes and the zero after it.
    fn text_of(&mut self, length: usize) -> Option<&'a str> {
        let text = str::from_utf8(self.take(length)?).ok()?;
        (self.u8()? == 0).then_some(text)
    }

    /// Reads elements, which begin at multiples of `alignment`, until the array ends.
    pub(crate) fn array<T>(
        &mut self,
        alignment: usize,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let length = self.u32()? as usize;
        self.align(alignment)?;
        let end = self.at.checked_add(length).filter(|end| *end <= self.bytes.len())?;
        let mut elements = Vec::new();
        while self.at < end {
            let from = self.at;
            elements.push(read(self)?);
            // An element without bytes would be read for ever.
            (self.at > from).then_some(())?;
        }
        (self.at == end).then_some(elements)
    }

    /// A value with its type before it, if it is of a type that [`Value`] has.
    pub(crate) fn variant(&mut self) -> Option<Value> {
        Some(match self.signature()? {
            "s" | "o" => Value::Text(self.text()?.to_owned()),
            "g" => Value::Text(self.signature()?.to_owned()),
            "y" => Value::Whole(u64::from(self.u8()?)),
            "q" => Value::Whole(u64::from(u16::from_ne_bytes(self.number()?))),
            "u" => Value::Whole(u64::from(self.u32()?)),
            "t" => Value::Whole(u64::from_ne_bytes(self.number()?)),
            "b" => Value::Bool(self.u32()? != 0),
            _ => return None,
        })
    }
}

#[cfg(test)]
impl Writer {
    pub(crate) fn u64(&mut self, value: u64) {
        self.align(8);
        self.0.extend(value.to_ne_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::garbled;

    #[test]
    fn values_are_read_with_their_types() {
        let variant = |signature: &str, write: fn(&mut Writer)| {
            let mut writer = Writer::default();
            writer.signature(signature);
            write(&mut writer);
            Reader::new(&writer.into_bytes()).variant()
        };
        assert_eq!(variant("s", |to| to.text("a")), Some(Value::Text("a".to_owned())));
        assert_eq!(variant("t", |to| to.u64(u64::MAX)), Some(Value::Whole(u64::MAX)));
        assert_eq!(variant("u", |to| to.u32(7)), Some(Value::Whole(7)));
        assert_eq!(variant("b", |to| to.u32(1)), Some(Value::Bool(true)));
        assert_eq!(variant("as", |to| to.u32(0)), None);
    }

    #[test]
    fn no_values_panic() {
        let mut units = Writer::default();
        units.array(8, |units| {
            for word in ["a.service", "loaded"] {
                units.align(8);
                units.text(word);
                units.u32(7);
            }
        });
        let mut property = Writer::default();
        property.signature("s");
        property.text("notify");
        garbled::messages(&[&units.into_bytes(), &property.into_bytes()], |bytes| {
            _ = Reader::new(bytes).variant();
            _ = Reader::new(bytes).array(8, |reader| Some((reader.align(8)?, reader.text()?, reader.u32()?)));
            _ = Reader::new(bytes).array(1, |_| Some(()));
        });
    }
}
