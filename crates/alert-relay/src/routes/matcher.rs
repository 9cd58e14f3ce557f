//! A matcher in Alertmanager's syntax: `severity="critical"`, `team=~"a|b"`, `node!=""`.

use std::fmt::{self, Write as _};

use regex::Regex;

use crate::notification::LabelSet;

/// One condition on one label. A label that is absent counts as empty, as in Alertmanager.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    /// The label's name.
    pub(crate) label: String,
    condition: Condition,
}

#[derive(Clone, Debug)]
enum Condition {
    Equal(String),
    NotEqual(String),
    Matches(Regex),
    MatchesNot(Regex),
}

impl Matcher {
    /// Whether a set of labels meets the condition.
    pub(crate) fn matches(&self, labels: &LabelSet) -> bool {
        let value = labels.get(&self.label).unwrap_or_default();
        match &self.condition {
            Condition::Equal(expected) => value == expected,
            Condition::NotEqual(expected) => value != expected,
            Condition::Matches(regex) => regex.is_match(value),
            Condition::MatchesNot(regex) => !regex.is_match(value),
        }
    }

    /// One matcher, or several with commas between them and braces around them or not: `{severity="critical",team!=""}`.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, MatcherError> {
        let text = text.trim();
        let inner = match text.strip_prefix('{') {
            Some(rest) => rest.strip_suffix('}').ok_or(MatcherError::Brace)?,
            None => text,
        };
        let mut rest = inner.trim_start();
        let mut matchers = Vec::new();
        while !rest.is_empty() {
            let (matcher, after) = parse_one(rest)?;
            matchers.push(matcher);
            let after = after.trim_start();
            rest = match after.strip_prefix(',') {
                Some(rest) => rest.trim_start(),
                None if after.is_empty() => after,
                None => return Err(MatcherError::Trailing),
            };
        }
        if matchers.is_empty() { Err(MatcherError::Empty) } else { Ok(matchers) }
    }
}

/// As it is written in the settings.
impl fmt::Display for Matcher {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (operator, value) = match &self.condition {
            Condition::Equal(value) => ("=", value.as_str()),
            Condition::NotEqual(value) => ("!=", value.as_str()),
            Condition::Matches(regex) => ("=~", written(regex)),
            Condition::MatchesNot(regex) => ("!~", written(regex)),
        };
        if self.label.contains(ends_a_bare_word) {
            write_quoted(out, &self.label)?;
        } else {
            out.write_str(&self.label)?;
        }
        out.write_str(operator)?;
        write_quoted(out, value)
    }
}

fn write_quoted(out: &mut fmt::Formatter<'_>, word: &str) -> fmt::Result {
    out.write_char('"')?;
    for character in word.chars() {
        match character {
            '"' | '\\' => write!(out, "\\{character}")?,
            '\n' => out.write_str("\\n")?,
            other => out.write_char(other)?,
        }
    }
    out.write_char('"')
}

/// Without what makes it match the whole value.
fn written(regex: &Regex) -> &str {
    let whole = regex.as_str();
    whole.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$")).unwrap_or(whole)
}

fn parse_one(text: &str) -> Result<(Matcher, &str), MatcherError> {
    let (label, rest) = parse_word(text)?;
    if label.is_empty() {
        return Err(MatcherError::Label);
    }
    let rest = rest.trim_start();
    let operator = ["=~", "!~", "!=", "="]
        .into_iter()
        .find(|operator| rest.starts_with(operator))
        .ok_or(MatcherError::Operator)?;
    let (value, rest) = parse_word(rest[operator.len()..].trim_start())?;
    // A matcher is written into logs and to terminals as it is. A line break is written as `\n`.
    if [&label, &value].into_iter().any(|word| word.contains(|c: char| c.is_control() && c != '\n')) {
        return Err(MatcherError::Control);
    }
    // Alertmanager's regular expressions match the whole value.
    let regex = |value: &str| {
        Regex::new(&format!("^(?:{value})$")).map_err(|error| MatcherError::Regex(reason(&error)))
    };
    let condition = match operator {
        "=" => Condition::Equal(value),
        "!=" => Condition::NotEqual(value),
        "=~" => Condition::Matches(regex(&value)?),
        _ => Condition::MatchesNot(regex(&value)?),
    };
    Ok((Matcher { label, condition }, rest))
}

fn ends_a_bare_word(character: char) -> bool {
    character.is_whitespace() || "{}!=~,\\\"'`".contains(character)
}

/// A word in double quotes with `\"`, `\\` and `\n`, or bare up to a character that means something; and what follows.
fn parse_word(text: &str) -> Result<(String, &str), MatcherError> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(ends_a_bare_word).unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut word = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((word, &quoted[at + 1..])),
            '\\' => match characters.next() {
                Some((_, 'n')) => word.push('\n'),
                Some((_, escaped @ ('"' | '\\'))) => word.push(escaped),
                // `\.` of a regular expression: Alertmanager keeps what it does not know.
                Some((_, other)) => word.extend(['\\', other]),
                None => return Err(MatcherError::Quote),
            },
            other => word.push(other),
        }
    }
    Err(MatcherError::Quote)
}

/// The last line of a regular expression's error says what is wrong; the others draw it.
fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Why a text is no matcher.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MatcherError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// No label.
    #[error("the label's name is missing")]
    Label,
    /// No operator.
    #[error("after the label there must be one of =, !=, =~, !~")]
    Operator,
    /// A quote that is not closed.
    #[error("a `\"` is not closed")]
    Quote,
    /// A brace that is not closed.
    #[error("the `{{` is not closed")]
    Brace,
    /// A tab, an escape sequence, a byte that no label holds.
    #[error("it contains a control character")]
    Control,
    /// Something after the value.
    #[error("after the value there must be a comma or nothing (hint: put the value in double quotes)")]
    Trailing,
    /// Not a regular expression.
    #[error("not a regular expression: {0}")]
    Regex(String),
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> LabelSet {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn matches_as_alertmanager_does() {
        let alert = labels(&[("severity", "critical"), ("team", "gpu"), ("instance", "a1:9100")]);
        let check = |text: &str, expected: bool| {
            let matchers = Matcher::parse_list(text).unwrap();
            assert_eq!(matchers.iter().all(|m| m.matches(&alert)), expected, "{text}");
        };
        check(r#"severity="critical""#, true);
        check("severity=critical", true);
        check(r#" severity = "critical" "#, true);
        check(r#"severity!="critical""#, false);
        check(r#"team=~"gpu|net""#, true);
        // The whole value, not a part of it.
        check(r#"team=~"gp""#, false);
        check(r#"team!~"gp""#, true);
        check(r#"team!~"g.*""#, false);
        check(r#"instance=~"a\d:9100""#, true);
        check(r#"instance=~"a1\:9100""#, true);
        // A label that is absent is empty.
        check(r#"node="""#, true);
        check(r#"node!="""#, false);
        check(r#"node=~".*""#, true);
        check(r#"{severity="critical",team!=""}"#, true);
        check(r#"severity="critical", team="net""#, false);
        check(r#"severity="critical","#, true);
        check(r#""severity"="critical""#, true);
    }

    #[test]
    fn a_matcher_is_shown_as_it_is_written() {
        for text in [
            r#"a="x \"y\"""#,
            r#"a!="""#,
            r#"a=~"x|y""#,
            r#"a!~"x.*""#,
            r#""a b"="x""#,
            r#"a=~"x\\.y\n""#,
            "a=\"e\u{301}\"",
        ] {
            assert_eq!(Matcher::parse_list(text).unwrap()[0].to_string(), text);
        }
    }

    #[test]
    fn quotes_keep_what_they_hold() {
        let check = |text: &str, value: &str| {
            let matchers = Matcher::parse_list(text).unwrap();
            assert!(matchers[0].matches(&labels(&[("a", value)])), "{text}");
        };
        check(r#"a="x, y=z}""#, "x, y=z}");
        check(r#"a="\"x\" \\ \n""#, "\"x\" \\ \n");
        check(r#"a="磁盘 满""#, "磁盘 满");
        check("a=磁盘", "磁盘");
    }

    #[test]
    fn what_is_no_matcher_says_why() {
        let check = |text: &str, expected: MatcherError| {
            assert_eq!(Matcher::parse_list(text).unwrap_err(), expected, "{text}");
        };
        check("", MatcherError::Empty);
        check("{}", MatcherError::Empty);
        check(r#"{a="b""#, MatcherError::Brace);
        check(r#"="b""#, MatcherError::Label);
        check("severity", MatcherError::Operator);
        check("severity critical", MatcherError::Operator);
        check(r#"a="b"#, MatcherError::Quote);
        check("a=b c", MatcherError::Trailing);
        check("a=\"\u{1b}[2J\"", MatcherError::Control);
        check("a=~\"x\\\0\"", MatcherError::Control);
        check(r#"a=~"(""#, MatcherError::Regex("unclosed group".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            let _ = Matcher::parse_list(&text);
        }

        #[test]
        fn a_quoted_value_comes_back_and_is_shown_as_it_is_written(value in "(\\PC|\n)*") {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let written = format!("a=\"{quoted}\"");
            let matchers = Matcher::parse_list(&written).unwrap();
            prop_assert_eq!(matchers[0].to_string(), written);
            prop_assert!(matchers[0].matches(&labels(&[("a", value.as_str())])));
        }
    }
}
