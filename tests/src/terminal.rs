//! What a person at a terminal reads: progress lines, and delivered messages as their readers would see them.

use std::io::Write as _;
use std::time::{Duration, Instant};

use crate::vendor::mail::Mail;
use crate::vendor::robot::Post;

/// Written lines, each with the time since the start.
#[derive(Debug)]
pub struct Terminal {
    started: Instant,
}

impl Default for Terminal {
    fn default() -> Self {
        Self { started: Instant::now() }
    }
}

impl Terminal {
    /// One line of progress.
    pub fn say(&self, line: &str) {
        write(&format!("{} {line}\n", stamp(self.started.elapsed())));
    }

    /// Text as it is.
    pub fn show(&self, text: &str) {
        write(text);
    }

    /// A message that arrived in `chat`.
    pub fn post(&self, chat: &str, post: &Post) {
        let mut head = post.title.clone().unwrap_or_default();
        if !post.mentions.is_empty() {
            head = format!("{head}  (notifies {})", post.mentions.join(", "));
        }
        self.framed(chat, head.trim(), &post.text);
    }

    /// A mail that arrived.
    pub fn mail(&self, mail: &Mail) {
        self.framed(&format!("mail to {}", mail.to), &mail.subject, &mail.text);
    }

    fn framed(&self, channel: &str, head: &str, text: &str) {
        write(&format!("\n{} {}", stamp(self.started.elapsed()), frame(channel, head, text)));
    }
}

/// A closed terminal must not end what runs behind it: Ctrl-C does that.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn stamp(elapsed: Duration) -> String {
    format!("[{:6.1} s]", elapsed.as_secs_f64())
}

fn frame(channel: &str, head: &str, text: &str) -> String {
    let head = format!("── {channel} ── {head}");
    let mut framed = format!("{}\n", head.trim_end());
    let mut gap = "";
    for line in text.trim_start().lines().map(|line| without_addresses(&without_fonts(line))) {
        // Markup needs several blank lines where a reader sees one.
        if line.trim().is_empty() {
            gap = "  │\n";
            continue;
        }
        framed.push_str(gap);
        framed.push_str("  │ ");
        framed.push_str(line.trim_end());
        framed.push('\n');
        gap = "";
    }
    framed.push_str("  └──\n");
    framed
}

/// `WeCom`'s colours, which a chat shows and a terminal would spell out.
fn without_fonts(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, tag)) = rest.split_once('<') {
        let end = tag.find('>').filter(|_| tag.starts_with("font ") || tag.starts_with("/font"));
        plain.push_str(before);
        if let Some(end) = end {
            rest = &tag[end + 1..];
        } else {
            plain.push('<');
            rest = tag;
        }
    }
    plain + rest
}

/// Markdown links by their text alone, as a chat shows them: `[Graph](https://…)` becomes `[Graph]`.
fn without_addresses(line: &str) -> String {
    let mut plain = String::new();
    let mut rest = line;
    while let Some((before, link)) = rest.split_once("](") {
        let Some((_address, after)) = link.split_once(')') else { break };
        plain.push_str(before);
        plain.push(']');
        rest = after;
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_go_and_everything_else_stays() {
        let check = |line: &str, expected: &str| assert_eq!(without_fonts(line), expected);
        check("**a** <font color=\"warning\">firing</font> b", "**a** firing b");
        check("<@zhangsan> 3 < 4", "<@zhangsan> 3 < 4");
        check("<font", "<font");
    }

    #[test]
    fn links_show_their_text() {
        let check = |line: &str, expected: &str| assert_eq!(without_addresses(line), expected);
        check("a [b](http://c/?d=%29) | [e](f)", "a [b] | [e]");
        check("[a](b", "[a](b");
        check("a(b)[c] d", "a(b)[c] d");
    }

    #[test]
    fn a_message_stands_in_a_frame() {
        assert_eq!(frame("WeCom", "", "a\n\n\nb\nc\n"), "── WeCom ──\n  │ a\n  │\n  │ b\n  │ c\n  └──\n");
    }
}
