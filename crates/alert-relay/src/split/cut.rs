//! Where a text may be cut: at the end of a character, and never inside an escape, a link, a tag or an emphasis (pure).

use crate::render::markup::Markup;

/// The text cut to a cost, with an ellipsis; `None` when it fits as it is.
pub(super) fn cut_to(text: &str, limit: usize, cost: fn(&str) -> usize, markup: Markup) -> Option<String> {
    if cost(text) <= limit {
        return None;
    }
    let limit = limit.saturating_sub(cost("…"));
    let mut spent = 0;
    let mut safe_end = 0;
    let mut scan = Scan::default();
    for (at, c) in text.char_indices() {
        if scan.is_closed() {
            safe_end = at;
        }
        let end = at + c.len_utf8();
        spent += cost(&text[at..end]);
        if spent > limit {
            break;
        }
        scan.step(c, markup);
    }
    Some(format!("{}…", &text[..safe_end]))
}

/// Where in a robot's markup a position is: inside an escape, a link, a tag or an emphasis nothing may be cut.
#[derive(Default)]
struct Scan {
    is_escaped: bool,
    is_in_tag: bool,
    link: Link,
    strong: bool,
    stars: u8,
    font_depth: usize,
    tag: String,
}

#[derive(Default, PartialEq, Eq)]
enum Link {
    #[default]
    None,
    Text,
    AfterText,
    Address,
}

impl Scan {
    fn is_closed(&self) -> bool {
        !self.is_escaped
            && !self.is_in_tag
            && self.link == Link::None
            && !self.strong
            && self.stars == 0
            && self.font_depth == 0
    }

    fn step(&mut self, c: char, markup: Markup) {
        if self.is_escaped {
            self.is_escaped = false;
            return;
        }
        match markup {
            Markup::Plain | Markup::Html => return,
            Markup::DingTalk if c == '\\' => {
                self.is_escaped = true;
                return;
            }
            _ => {}
        }
        if markup == Markup::Wecom {
            self.step_tag(c);
        }
        self.step_link(c);
        self.step_strong(c);
    }

    fn step_tag(&mut self, c: char) {
        match c {
            '<' => {
                self.is_in_tag = true;
                self.tag.clear();
            }
            '>' if self.is_in_tag => {
                self.is_in_tag = false;
                let is_void = self.tag.starts_with('@') || self.tag == "br";
                if self.tag.starts_with('/') {
                    self.font_depth = self.font_depth.saturating_sub(1);
                } else if !is_void {
                    self.font_depth += 1;
                }
            }
            '\n' => self.is_in_tag = false,
            other if self.is_in_tag => self.tag.push(other),
            _ => {}
        }
    }

    fn step_link(&mut self, c: char) {
        self.link = match (&self.link, c) {
            (Link::None, '[') => Link::Text,
            (Link::Text, ']') => Link::AfterText,
            (Link::AfterText, '(') => Link::Address,
            // A lone bracket in a value opens nothing: links of ours stand on one line.
            (Link::None | Link::AfterText, _) | (Link::Address, ')') | (Link::Text, '\n') => Link::None,
            (Link::Text, _) => Link::Text,
            (Link::Address, _) => Link::Address,
        };
    }

    fn step_strong(&mut self, c: char) {
        if c != '*' {
            self.stars = 0;
        } else if self.stars == 1 {
            self.stars = 0;
            self.strong = !self.strong;
        } else {
            self.stars = 1;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_oversized_block_is_cut_outside_of_markup() {
        let check = |text: &str, limit: usize, markup, expected: Option<&str>| {
            assert_eq!(cut_to(text, limit, str::len, markup).as_deref(), expected, "{text} at {limit}");
        };
        check("显存耗尽", 12, Markup::Plain, None);
        check("显存耗尽", 11, Markup::Plain, Some("显存…"));
        check(r"ab\_cd", 6, Markup::DingTalk, None);
        check(r"abc\_d", 5, Markup::DingTalk, Some("ab…"));
        check(r"ab\_cdef", 7, Markup::DingTalk, Some(r"ab\_…"));
        check("see [the graph](https://x/y) now", 25, Markup::DingTalk, Some("see …"));
        check("a **bold** b", 9, Markup::DingTalk, Some("a …"));
        check("a <font color=\"info\">b</font> c", 26, Markup::Wecom, Some("a …"));
        check("<@zhangsan> x", 12, Markup::Wecom, Some("…"));
    }

    /// Text as labels and annotations have it, with everything that is markup somewhere.
    pub(in crate::split) fn text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            "[a-z ]{1,20}",
            "[\u{4e00}-\u{9fa5}]{1,20}",
            prop::sample::select(vec![
                "🔥",
                "👩‍👩‍👧",
                "\n",
                "\\",
                "_",
                "*",
                "**",
                "`",
                "[",
                "](",
                ")",
                "<",
                "<font color=\"info\">",
                "</font>",
                "<@all>",
                "\"",
                "\t",
                "#",
                ">",
            ])
            .prop_map(str::to_owned),
        ];
        vec(piece, 0..60).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_cut_ends_where_nothing_is_open(text in text(), limit in 10_usize..200) {
            let dingtalk = Markup::DingTalk.escape(&text);
            if let Some(cut) = cut_to(&dingtalk, limit, str::len, Markup::DingTalk) {
                prop_assert!(cut.len() <= limit);
                let kept = cut.strip_suffix('…').expect("a cut ends with an ellipsis");
                prop_assert!(dingtalk.starts_with(kept));
                let escapes = kept.chars().rev().take_while(|c| *c == '\\').count();
                prop_assert!(escapes % 2 == 0, "cut inside an escape: {kept}");
            }
            let wecom = format!("<font color=\"warning\">**{}**</font> [graph](https://x/y)", Markup::Wecom.escape(&text));
            if let Some(cut) = cut_to(&wecom, limit, str::len, Markup::Wecom) {
                prop_assert_eq!(cut.matches("<font").count(), cut.matches("</font>").count(), "{}", cut);
                prop_assert_eq!(cut.matches("](").count(), cut.matches("y)").count(), "{}", cut);
            }
        }
    }
}
