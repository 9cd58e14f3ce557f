//! What was sent, as it looked.

use super::{LISTED, Page, clean};
use crate::story::Story;

impl Page<'_> {
    /// The lines of each part that is kept.
    pub(super) fn sent(&mut self, story: &Story) {
        if story.rendering.is_none() {
            return;
        }
        if story.sent.is_empty() {
            return self.line("Sent", "its text is not stored: an older version sent it");
        }
        for part in &story.sent {
            let to = part.recipient.as_deref().map_or(String::new(), |name| format!(" to {}", clean(name)));
            let cut = if part.is_cut { ", of which the beginning is stored" } else { "" };
            self.line("Sent", &format!("part {}{to}, {} bytes{cut}", part.part, part.bytes));
            let lines: Vec<&str> = part.text.lines().filter(|line| !line.trim().is_empty()).collect();
            for line in lines.iter().take(LISTED) {
                self.entry(&format!("| {}", clean(line)));
            }
            if lines.len() > LISTED {
                self.entry(&format!(
                    "| and {} more lines, which the console and the API show",
                    lines.len() - LISTED
                ));
            }
        }
    }
}
