//! Packing a draft into parts by encoded bytes, on the boundaries of its blocks (pure).
//!
//! Every part begins with the title, with `(2/3)` when there are several; the first part has the header, the last the footer.
//! Alerts are packed whole and in order. What can't be packed is counted in the last part. A block larger than a whole part is
//! cut where a character ends and no escape, link or tag is open; the channels ask for less detail before that happens.
//! Mails are not split and do not come here.

use crate::message::Language;
use crate::render::markup::Markup;
use crate::render::{Draft, words};
use crate::split::cut::cut_to;

mod cut;

/// A channel's limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PartLimits {
    /// Most that the whole text of one part may cost, in the unit of `cost`.
    pub(crate) cost_limit: usize,
    /// Parts of one message; each is one send of the robot's budget.
    pub(crate) parts: usize,
    /// What a text costs on the wire. Additive: the cost of two texts together is the sum of theirs.
    pub(crate) cost: fn(&str) -> usize,
    /// Between blocks.
    pub(crate) separator: &'static str,
}

/// The parts of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packed {
    /// The texts, in order; never empty.
    pub(crate) parts: Vec<String>,
    /// Whether every block is there, and nothing is cut.
    pub(crate) is_whole: bool,
}

/// The draft in parts. `mention` goes into the first.
pub(crate) fn pack(
    draft: &Draft,
    mention: &str,
    limits: PartLimits,
    markup: Markup,
    language: Language,
) -> Packed {
    let mut is_whole = draft.left_out == 0;
    let quarter = limits.cost_limit / 4;
    let mut fitted = |text: &str, limit: usize| match cut_to(text, limit, limits.cost, markup) {
        Some(shorter) => {
            is_whole = false;
            shorter
        }
        None => text.to_owned(),
    };
    let of = |text: &str| {
        if text.is_empty() { 0 } else { (limits.cost)(text) + (limits.cost)(limits.separator) }
    };
    // Room for the longest counter is kept in every part, and so is room for the end: which part is the last is only known
    // when all are packed. Each of these has its own bound, so that together they leave room for alerts.
    let title = title_within(&draft.title, quarter, limits, markup);
    let total = draft.blocks.len() + draft.left_out;
    let footer = fitted(&draft.footer, quarter / 2);
    let fixed = of(&markup.heading(&title, LONGEST_COUNTER))
        + of(&missing(total, draft, quarter, limits, markup, language))
        + of(&footer);
    let space = limits.cost_limit.saturating_sub(fixed);

    let mut packed: Vec<Vec<String>> = vec![Vec::new()];
    let mut left = space;
    let mention = whole_words(mention, space / 4, limits);
    let banner = draft.banner.as_ref().map_or(String::new(), |text| {
        let frame = (limits.cost)(&markup.banner(""));
        markup.banner_of(&fitted(&markup.escape(text), (space / 8).saturating_sub(frame)))
    });
    let header = fitted(&draft.header, space / 4);
    left = left.saturating_sub(of(&mention));
    for text in [&banner, &header] {
        if !text.is_empty() {
            left = left.saturating_sub(of(text));
            packed[0].push(text.clone());
        }
    }

    let mut shown = 0;
    for block in &draft.blocks {
        let mut block = block.clone();
        if of(&block) > left {
            if packed.len() < limits.parts && !packed.last().is_some_and(Vec::is_empty) {
                packed.push(Vec::new());
                left = space;
            }
            if of(&block) > left {
                if packed.last().is_some_and(|part| !part.is_empty()) && packed.len() == limits.parts {
                    break;
                }
                block = fitted(&block, left.saturating_sub((limits.cost)(limits.separator)));
            }
        }
        left = left.saturating_sub(of(&block));
        if let Some(part) = packed.last_mut() {
            part.push(block);
        }
        shown += 1;
    }

    let count = packed.len();
    let last = count - 1;
    let parts = packed.into_iter().enumerate().map(|(index, mut texts)| {
        let counter = if count == 1 { String::new() } else { format!(" ({}/{count})", index + 1) };
        texts.insert(0, markup.heading(&title, &counter));
        if index == last && shown < total {
            texts.push(missing(total - shown, draft, quarter, limits, markup, language));
        }
        if index == last {
            texts.push(footer.clone());
        }
        if index == 0 {
            texts.push(mention.clone());
        }
        texts.retain(|text| !text.is_empty());
        texts.join(limits.separator)
    });
    let parts = parts.collect();
    Packed { parts, is_whole: is_whole && shown == total }
}

/// The longest that stands behind a title.
const LONGEST_COUNTER: &str = " (99/99)";

/// The title, shorter where its heading with the longest counter would cost more than this.
fn title_within(title: &str, limit: usize, limits: PartLimits, markup: Markup) -> String {
    let cost = |title: &str| (limits.cost)(&markup.heading(title, LONGEST_COUNTER));
    if cost(title) <= limit {
        return title.to_owned();
    }
    let mut shorter: String = title.chars().collect();
    while cost(&format!("{shorter}…")) > limit && shorter.pop().is_some() {}
    shorter + "…"
}

/// The words from the beginning that cost at most this: half a mention mentions nobody, or somebody else.
fn whole_words(text: &str, limit: usize, limits: PartLimits) -> String {
    let mut end = text.len();
    while (limits.cost)(&text[..end]) > limit {
        end = text[..end].rfind(' ').unwrap_or(0);
    }
    text[..end].to_owned()
}

/// The line that says how many alerts are not shown, and where they are.
fn missing(
    count: usize,
    draft: &Draft,
    limit: usize,
    limits: PartLimits,
    markup: Markup,
    language: Language,
) -> String {
    if count == 0 {
        return String::new();
    }
    let says = markup.remark(&markup.escape(&words::left_out(count, language)));
    let link = markup.link(words::see_all(language), &draft.see_all);
    let both = format!("{says} {link}");
    // An address that is long itself would take the place of alerts.
    if link.is_empty() || (limits.cost)(&both) > limit { says } else { both }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::split::cut::tests::text;

    fn limits(bytes: usize, parts: usize) -> PartLimits {
        PartLimits { cost_limit: bytes, parts, cost: str::len, separator: "\n\n" }
    }

    fn draft(blocks: &[&str]) -> Draft {
        Draft {
            title: "T".to_owned(),
            header: "H".to_owned(),
            footer: "F".to_owned(),
            blocks: blocks.iter().map(|block| (*block).to_owned()).collect(),
            ..Draft::default()
        }
    }

    fn packed(draft: &Draft, limits: PartLimits) -> Packed {
        pack(draft, "@you", limits, Markup::DingTalk, Language::En)
    }

    #[test]
    fn one_part_has_no_counter() {
        let packed = packed(&draft(&["a", "b"]), limits(400, 3));
        assert_eq!(
            packed,
            Packed { parts: vec!["#### T\n\nH\n\na\n\nb\n\nF\n\n@you".to_owned()], is_whole: true }
        );
    }

    #[test]
    fn blocks_stay_whole_and_in_order() {
        let (a, b, c) = ("a".repeat(60), "b".repeat(60), "c".repeat(60));
        let packed = packed(&draft(&[&a, &b, &c]), limits(150, 3));
        let expected = [
            format!("#### T (1/3)\n\nH\n\n{a}\n\n@you"),
            format!("#### T (2/3)\n\n{b}"),
            format!("#### T (3/3)\n\n{c}\n\nF"),
        ];
        assert_eq!(packed, Packed { parts: expected.to_vec(), is_whole: true });
    }

    #[test]
    fn what_does_not_fit_is_counted_with_a_link() {
        let block = "x".repeat(80);
        let draft = Draft {
            see_all: "https://am/#/alerts".to_owned(),
            left_out: 2,
            ..draft(&[&block, &block, &block])
        };
        let packed = packed(&draft, limits(200, 2));
        assert_eq!(packed.parts.len(), 2);
        assert!(!packed.is_whole);
        assert!(
            packed.parts[1].ends_with("…and 3 more [see all](https://am/#/alerts)\n\nF"),
            "{:?}",
            packed.parts
        );
    }

    #[test]
    fn a_footer_that_takes_too_much_is_cut_and_asks_for_less_detail() {
        let draft = Draft { footer: format!("F {}", "x".repeat(200)), ..draft(&["a"]) };
        let packed = packed(&draft, limits(400, 3));
        assert!(!packed.is_whole);
        assert!(packed.parts[0].contains("\n\na\n\nF x"), "{:?}", packed.parts);
        assert!(packed.parts[0].len() < 200, "{:?}", packed.parts);
    }

    #[test]
    fn everything_at_its_longest_leaves_room_for_an_alert() {
        let draft = Draft {
            title: "\u{8b66}".repeat(150),
            banner: Some("b".repeat(900)),
            header: "h".repeat(900),
            footer: "f".repeat(900),
            see_all: format!("https://am/{}", "x".repeat(280)),
            left_out: 3,
            ..draft(&["an alert of its own", &"x".repeat(3_000)])
        };
        let mention =
            (0..30).map(|n| format!("<@person-with-a-long-name-{n}>")).collect::<Vec<_>>().join(" ");
        for markup in [Markup::DingTalk, Markup::Wecom, Markup::Plain] {
            let packed = pack(&draft, &mention, limits(2_000, 4), markup, Language::ZhCn);
            assert!(packed.parts[0].contains("an alert of its own"), "{:?}", packed.parts);
            for part in &packed.parts {
                assert!(part.len() <= 2_000, "{} bytes", part.len());
                for called in part.split("<@").skip(1) {
                    let name = called.split_once('>').expect("a mention is whole").0;
                    assert!(name.starts_with("person-with-a-long-name-"), "{part}");
                }
            }
        }
    }

    fn json_cost(text: &str) -> usize {
        serde_json::to_string(text).map_or(usize::MAX, |json| json.len() - 2)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn no_part_is_larger_than_its_room(
            title in text(),
            header in text(),
            blocks in vec(text(), 0..40),
            footer in text(),
            large in any::<bool>(),
            markup in prop::sample::select(vec![Markup::DingTalk, Markup::Wecom, Markup::Plain]),
        ) {
            let cost = if markup == Markup::DingTalk { json_cost } else { str::len as fn(&str) -> usize };
            let limits = PartLimits { cost_limit: if large { 4_000 } else { 2_000 }, parts: 4, cost, separator: "\n\n\n" };
            // A title is bounded where it is made.
            let title: String = title.chars().filter(|c| *c != '\n').take(150).collect();
            let blocks: Vec<String> = blocks.iter().map(|block| markup.escape(block)).collect();
            let draft = Draft { title, header: markup.escape(&header), blocks, footer: markup.escape(&footer), ..Draft::default() };
            let packed = pack(&draft, "<@zhangsan>", limits, markup, Language::ZhCn);
            prop_assert!(!packed.parts.is_empty() && packed.parts.len() <= 4);
            for part in &packed.parts {
                prop_assert!(cost(part) <= limits.cost_limit, "{} of {}: {}", cost(part), limits.cost_limit, part);
            }
            if packed.is_whole {
                let all = packed.parts.join("");
                for block in &draft.blocks {
                    prop_assert!(all.contains(block.as_str()));
                }
            }
        }
    }
}
