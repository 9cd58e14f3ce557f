//! A message as its reader sees it (pure): robots' markdown as HTML of our own, everything else as plain text.
//!
//! What stands in a message came from labels and annotations, and is never markup here: tags are chosen from a short list, every text is escaped, only addresses
//! of the web become links. A part is given as its preview has it: lines of what goes with it, an empty line, the text.

use minijinja::value::Value;
use minijinja::{HtmlEscape, context};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::console::environment::is_of_the_web;
use crate::delivery::SentPart;

/// A part ready to be put on a page.
#[derive(Debug, PartialEq, Eq)]
struct Looks {
    /// What goes with the text: its kind, whom it calls, to whom it is.
    head: Vec<String>,
    /// The text, as HTML if it is markdown.
    body: String,
    /// Whether `body` is HTML.
    is_html: bool,
}

impl Looks {
    /// For a template: the body is safe if it is HTML of our own, and escaped if it is not.
    fn into_value(self) -> Value {
        let Self { head, body, is_html } = self;
        let body = if is_html { Value::from_safe_string(body) } else { Value::from(body) };
        context! { head, body, is_html }
    }
}

/// Parts as `parts` in `pieces.html` shows them.
pub(super) fn shown(parts: &[SentPart]) -> Vec<Value> {
    let part = |part: &SentPart| {
        let looks = of_preview(&part.text).into_value();
        context! { part => part.part, recipient => part.recipient.as_deref(), bytes => part.bytes, is_cut => part.is_cut, looks }
    };
    parts.iter().map(part).collect()
}

/// The first line of a robot's markdown message.
const MARKDOWN: &str = "msgtype: markdown";

/// From the preview of a part.
fn of_preview(preview: &str) -> Looks {
    // Without an empty line all of it is the text: a webhook's JSON.
    let (head, text) = preview.split_once("\n\n").unwrap_or(("", preview));
    let is_ours = head.lines().all(|line| line.split_once(": ").is_some_and(|(name, _)| is_name(name)));
    let (head, text) = if is_ours { (head, text) } else { ("", preview) };
    let mut lines = head.lines().peekable();
    let is_html = lines.next_if(|line| *line == MARKDOWN).is_some();
    Looks {
        head: lines.map(str::to_owned).collect(),
        body: if is_html { html(text) } else { text.to_owned() },
        is_html,
    }
}

/// `To`, `at.atMobiles`.
fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_'))
}

/// Markdown of the two robots as HTML.
fn html(markdown: &str) -> String {
    let mut page = Page::default();
    for event in Parser::new(markdown) {
        page.take(event);
    }
    page.out
}

#[derive(Default)]
struct Page {
    out: String,
    /// Tinted spans that are open in this block.
    tints: usize,
    /// For each link that is open, whether it is one here.
    links: Vec<bool>,
}

impl Page {
    fn take(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(&tag),
            Event::End(tag) => self.close(tag),
            Event::Text(text) => self.text(&text),
            Event::Code(text) => {
                self.out.push_str("<code>");
                self.text(&text);
                self.out.push_str("</code>");
            }
            Event::Html(tag) | Event::InlineHtml(tag) => self.tag(&tag),
            // WeCom shows every line feed as one.
            Event::SoftBreak | Event::HardBreak => self.out.push_str("<br>"),
            _ => {}
        }
    }

    fn open(&mut self, tag: &Tag<'_>) {
        let opening = match tag {
            Tag::Heading { .. } => "<p class=\"title\"><b>",
            Tag::Paragraph => "<p>",
            Tag::BlockQuote(_) => "<blockquote>",
            Tag::CodeBlock(_) => "<pre>",
            Tag::List(_) => "<ul>",
            Tag::Item => "<li>",
            Tag::Strong => "<b>",
            Tag::Emphasis => "<i>",
            Tag::Link { dest_url, .. } => {
                let is_link = is_of_the_web(dest_url);
                self.links.push(is_link);
                if is_link {
                    let url = HtmlEscape(dest_url).to_string();
                    self.out.extend(["<a rel=\"noreferrer noopener\" href=\"", &url, "\">"]);
                }
                return;
            }
            _ => return,
        };
        self.out.push_str(opening);
    }

    fn close(&mut self, tag: TagEnd) {
        if matches!(tag, TagEnd::Heading(_) | TagEnd::Paragraph | TagEnd::Item) {
            for _ in 0..std::mem::take(&mut self.tints) {
                self.out.push_str("</span>");
            }
        }
        self.out.push_str(match tag {
            TagEnd::Heading(_) => "</b></p>",
            TagEnd::Paragraph => "</p>",
            TagEnd::BlockQuote(_) => "</blockquote>",
            TagEnd::CodeBlock => "</pre>",
            TagEnd::List(_) => "</ul>",
            TagEnd::Item => "</li>",
            TagEnd::Strong => "</b>",
            TagEnd::Emphasis => "</i>",
            TagEnd::Link if self.links.pop() == Some(true) => "</a>",
            _ => "",
        });
    }

    /// WeCom's three colours; every other tag is text.
    fn tag(&mut self, tag: &str) {
        let class = match tag {
            "<font color=\"warning\">" => "alarm",
            "<font color=\"info\">" => "good",
            "<font color=\"comment\">" => "quiet",
            "</font>" if self.tints > 0 => {
                self.tints -= 1;
                self.out.push_str("</span>");
                return;
            }
            other => return self.text(other),
        };
        self.tints += 1;
        self.out.extend(["<span class=\"", class, "\">"]);
    }

    fn text(&mut self, text: &str) {
        self.out.push_str(&HtmlEscape(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::message::{Wording, sample};
    use crate::settings::Settings;

    #[test]
    fn robots_markdown_is_shown_as_the_chat_shows_it() {
        let check = |text: &str, expected: &str| {
            let looks = of_preview(&format!("msgtype: markdown\nmarkdown.title: T\n\n{text}"));
            assert_eq!((looks.head, looks.body.as_str()), (vec!["markdown.title: T".to_owned()], expected));
        };
        check("#### 🔴 A\n\n**b**  \nc", "<p class=\"title\"><b>🔴 A</b></p><p><b>b</b><br>c</p>");
        check("<font color=\"warning\">x</font> y", "<p><span class=\"alarm\">x</span> y</p>");
        check("<font color=\"info\">x", "<p><span class=\"good\">x</span></p>");
        check(
            "[a](https://b/?c=d&e)",
            "<p><a rel=\"noreferrer noopener\" href=\"https:&#x2f;&#x2f;b&#x2f;?c=d&amp;e\">a</a></p>",
        );
        check("> q", "<blockquote><p>q</p></blockquote>");
        check("<@zhangsan>", "<p>&lt;@zhangsan&gt;</p>");
    }

    #[test]
    fn nothing_in_a_message_becomes_markup_or_a_script() {
        for text in [
            "<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>",
            "[x](javascript:alert(1))",
            "![x](https://evil.example/pixel.png)",
            "</font></p></div><h1>x",
            "<font color=\"warning\" onclick=\"alert(1)\">",
            "[x](https://a\"onclick=alert(1))",
            "<https://a/\"><script>>",
            "\n<div onclick=x>\n\n- a\n",
        ] {
            let shown = of_preview(&format!("msgtype: markdown\n\n{text}")).body;
            for banned in [
                "<script",
                "<img",
                "<h1",
                "</div",
                "<div",
                "<font",
                "href=\"javascript",
                "\" onclick",
                "\"onclick",
            ] {
                assert!(!shown.contains(banned), "{text}: {shown}");
            }
        }
    }

    #[test]
    fn every_sample_of_every_robot_is_shown_in_tags_of_ours_alone() {
        let settings = "targets:\n  d: { dingtalk: { webhook_url: 'https://a/?access_token=b' } }\n  w: { wecom: { webhook_url: 'https://a/?key=b' } }\n\
                        store: { url: 'sqlite:///x/relay.db' }\n";
        let settings = Settings::from_text(Path::new("relay.yml"), settings, []).unwrap();
        for target in settings.targets.values() {
            for (name, message) in sample::all() {
                for part in target.channel.render(&message, Wording::Normal) {
                    let looks = of_preview(&part.preview());
                    assert!(looks.is_html && looks.body.contains("class=\"title\""), "{name} {}", looks.body);
                    for tag in looks.body.split('<').skip(1) {
                        let tag = tag.split_once('>').map_or(tag, |(tag, _)| tag);
                        let known = [
                            "p",
                            "/p",
                            "p class=\"title\"",
                            "b",
                            "/b",
                            "i",
                            "/i",
                            "br",
                            "/a",
                            "blockquote",
                            "/blockquote",
                            "/span",
                            "ul",
                            "/ul",
                            "li",
                            "/li",
                            "code",
                            "/code",
                            "pre",
                            "/pre",
                            "span class=\"alarm\"",
                            "span class=\"good\"",
                            "span class=\"quiet\"",
                        ];
                        assert!(
                            known.contains(&tag)
                                || tag.starts_with("a rel=\"noreferrer noopener\" href=\"http"),
                            "{name}: <{tag}>"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_no_markdown_stays_text() {
        let plain = of_preview("msgtype: text\nat.atMobiles: [1]\n\n<b>x</b>");
        assert_eq!((plain.is_html, plain.body.as_str(), plain.head.len()), (false, "<b>x</b>", 2));
        let mail = of_preview("To: a@b\nSubject: msgtype: markdown\n\n# x");
        assert_eq!((mail.is_html, mail.body.as_str()), (false, "# x"));
        let json = "{\"a\": \"b\",\n\n\"c\": 1}";
        assert_eq!(of_preview(json), Looks { head: Vec::new(), body: json.to_owned(), is_html: false });
    }
}
