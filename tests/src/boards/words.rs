//! What a reader sees, in Chinese and English.

use std::fmt;

/// A title, a column's head, a value's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words {
    zh: &'static str,
    en: &'static str,
}

/// The same thing in both languages.
pub(crate) const fn words(zh: &'static str, en: &'static str) -> Words {
    Words { zh, en }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { zh, en } = self;
        // A term that is the same in both (GPU, XID) stands once.
        if zh == en { f.write_str(zh) } else { write!(f, "{zh} / {en}") }
    }
}

/// What a panel shows when all is well, what is bad, and what to do then, in both languages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Note {
    pub(crate) zh: [&'static str; 3],
    pub(crate) en: [&'static str; 3],
}

impl Note {
    /// Markdown for the panel's description: a list for each language.
    pub(crate) fn markdown(&self) -> String {
        let list = |heads: [&str; 3], texts: &[&str; 3]| {
            let lines: Vec<_> =
                heads.iter().zip(texts).map(|(head, text)| format!("- **{head}** {text}")).collect();
            lines.join("\n")
        };
        let zh = list(["正常", "异常", "处理"], &self.zh);
        let en = list(["Normal", "Bad", "Do"], &self.en);
        format!("{zh}\n\n{en}")
    }
}
