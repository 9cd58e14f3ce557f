//! The four dialects a text is written in, and how a value is kept from being read as markup.
//!
//! Owns escaping, links and headings. Values come from labels and annotations, which anybody who can send an alert
//! writes: unescaped, `<@all>` in a label would ring every phone of a group.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

/// A channel's text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markup {
    /// `DingTalk`'s markdown subset; a backslash escapes.
    DingTalk,
    /// `WeCom`'s markdown, first version: no lists, `<font color>`, no documented escape.
    Wecom,
    /// No markup at all.
    Plain,
    /// HTML of mails.
    Html,
}

/// Stands between two characters that would be markup together; has no width.
const ZERO_WIDTH_SPACE: char = '\u{200b}';

/// What would end a markdown link early; everything else in an address is left as it is.
const LINK_ENDS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

impl Markup {
    /// The value as literal text of this dialect.
    pub(crate) fn escape(self, value: &str) -> String {
        match self {
            Self::Plain => value.to_owned(),
            Self::DingTalk => escape_dingtalk(value),
            Self::Wecom => escape_wecom(value),
            Self::Html => escape_html(value),
        }
    }

    /// A link, or nothing without an address of the web: `javascript:` and the like never become one.
    pub(crate) fn link(self, text: &str, url: &str) -> String {
        if !(url.starts_with("http://") || url.starts_with("https://")) {
            return String::new();
        }
        let url = utf8_percent_encode(url, LINK_ENDS);
        match self {
            Self::Plain => format!("{text}: {url}"),
            Self::DingTalk | Self::Wecom => format!("[{}]({url})", self.escape(text)),
            Self::Html => format!(
                "<a href=\"{}\" style=\"color:#1a66c2\">{}</a>",
                escape_html(&url.to_string()),
                escape_html(text)
            ),
        }
    }

    /// Several links on one line (one a line in plain text); those without an address are left out.
    pub(crate) fn links<'a>(self, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let links: Vec<String> = pairs
            .into_iter()
            .map(|(text, url)| self.link(text, url))
            .filter(|link| !link.is_empty())
            .collect();
        links.join(if self == Self::Plain { "\n" } else { " | " })
    }

    /// The first line of a part.
    pub(crate) fn heading(self, title: &str, counter: &str) -> String {
        let title = self.escape(title);
        match self {
            Self::Plain => format!("{title}{counter}"),
            Self::DingTalk | Self::Wecom => format!("#### {title}{counter}"),
            Self::Html => format!("<h2 style=\"font-size:18px;margin:0 0 12px\">{title}{counter}</h2>"),
        }
    }

    /// A warning above the text.
    pub(crate) fn banner(self, text: &str) -> String {
        self.banner_of(&self.escape(text))
    }

    /// The same of a text that is in this dialect already.
    pub(crate) fn banner_of(self, text: &str) -> String {
        match self {
            Self::Plain => format!("⚠️ {text}"),
            Self::DingTalk | Self::Wecom => format!("> ⚠️ {text}"),
            Self::Html => format!(
                "<p style=\"background:#fff4d6;border-left:4px solid #e0a000;padding:8px 12px;margin:0 0 12px\">⚠️ {text}</p>"
            ),
        }
    }

    /// A remark below the text, already in this dialect apart from its emphasis.
    pub(crate) fn remark(self, text: &str) -> String {
        match self {
            Self::Plain | Self::DingTalk => text.to_owned(),
            Self::Wecom => format!("<font color=\"comment\">{text}</font>"),
            Self::Html => format!("<p style=\"color:#666;margin:12px 0\">{text}</p>"),
        }
    }
}

/// `CommonMark`'s backslash, which `DingTalk`'s clients honour, before what would be emphasis, code, links and tags anywhere
/// and headings, quotes, lists and rules at the start of a line.
fn escape_dingtalk(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + value.len() / 8);
    let mut at_line_start = true;
    for c in value.chars() {
        let is_markup = matches!(c, '\\' | '_' | '*' | '`' | '[' | ']' | '<' | '~');
        if is_markup || (at_line_start && matches!(c, '#' | '>' | '-' | '+' | '=')) {
            out.push('\\');
        }
        out.push(c);
        at_line_start = c == '\n' || (at_line_start && c == ' ');
    }
    out
}

/// `WeCom` documents no escape, so what would be markup is taken apart with a character of no width, and what would open a tag
/// or a mention becomes its full-width twin.
fn escape_wecom(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + value.len() / 8);
    let mut at_line_start = true;
    let mut previous = '\n';
    let mut chars = value.chars().peekable();
    while let Some(c) = chars.next() {
        let splits_pair = matches!((previous, c), ('*', '*') | (']', '('));
        if splits_pair || (at_line_start && matches!(c, '#' | '>')) {
            out.push(ZERO_WIDTH_SPACE);
        }
        let opens_tag = c == '<'
            && chars.peek().is_some_and(|next| next.is_alphabetic() || matches!(next, '@' | '/' | '!'));
        out.push(match c {
            '<' if opens_tag => '＜',
            '`' => '\'',
            other => other,
        });
        at_line_start = c == '\n' || (at_line_start && c == ' ');
        previous = c;
    }
    out
}

fn escape_html(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + value.len() / 8);
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("<br>"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(markup: Markup, value: &str, expected: &str) {
        assert_eq!(markup.escape(value), expected, "{markup:?}");
    }

    #[test]
    fn dingtalk_values_are_literal() {
        check(Markup::DingTalk, "DCGM_FI_DEV", r"DCGM\_FI\_DEV");
        check(Markup::DingTalk, "**bold** `code` [a](b)", r"\*\*bold\*\* \`code\` \[a\](b)");
        check(Markup::DingTalk, "# one\n> two - three\n- four", "\\# one\n\\> two - three\n\\- four");
        check(Markup::DingTalk, r"C:\a", r"C:\\a");
        check(Markup::DingTalk, "<font color=\"red\">", "\\<font color=\"red\">");
        check(Markup::DingTalk, "显存 97% 🔥", "显存 97% 🔥");
    }

    #[test]
    fn wecom_values_are_literal() {
        check(Markup::Wecom, "<@all> a < b", "＜@all> a < b");
        check(Markup::Wecom, "</font><font color=\"info\">", "＜/font>＜font color=\"info\">");
        check(Markup::Wecom, "**x** [a](b)", "*\u{200b}*x*\u{200b}* [a]\u{200b}(b)");
        check(Markup::Wecom, "# a\n>b `c`", "\u{200b}# a\n\u{200b}>b 'c'");
        check(Markup::Wecom, "snake_case", "snake_case");
    }

    #[test]
    fn html_values_are_literal() {
        check(
            Markup::Html,
            "<script>alert('x') & \"y\"",
            "&lt;script&gt;alert(&#39;x&#39;) &amp; &quot;y&quot;",
        );
        check(Markup::Html, "a\nb", "a<br>b");
    }

    #[test]
    fn links_cannot_be_broken_out_of() {
        let link = |markup: Markup, url| markup.link("a]b", url);
        assert_eq!(link(Markup::DingTalk, "https://x/a)b c?q={d}"), "[a\\]b](https://x/a%29b%20c?q=%7Bd%7D)");
        assert_eq!(
            link(Markup::Html, "https://x/?a=1&b=\"2\""),
            "<a href=\"https://x/?a=1&amp;b=%222%22\" style=\"color:#1a66c2\">a]b</a>"
        );
        assert_eq!(link(Markup::DingTalk, "javascript:alert(1)"), "");
        assert_eq!(link(Markup::Plain, ""), "");
    }

    #[test]
    fn links_without_an_address_are_left_out() {
        let pairs = [("图表", "https://x/g"), ("静默", ""), ("手册", "https://x/r")];
        assert_eq!(Markup::Wecom.links(pairs), "[图表](https://x/g) | [手册](https://x/r)");
        assert_eq!(Markup::Plain.links(pairs), "图表: https://x/g\n手册: https://x/r");
    }
}
