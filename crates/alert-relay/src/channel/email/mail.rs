//! One mail to one recipient, before it is put into its wire form (`compose`).

use crate::channel::part::Content;

/// The mail.
#[derive(Debug)]
pub(super) struct Mail {
    /// The recipient's mailbox.
    pub(super) to: String,
    /// The title.
    pub(super) subject: String,
    /// Names the thread: the same for every mail about one group.
    pub(super) thread: String,
    /// The plain part.
    pub(super) text: String,
    /// The HTML part; `None` sends the plain one alone.
    pub(super) html: Option<String>,
}

impl Content for Mail {
    fn bytes(&self) -> usize {
        self.text.len() + self.html.as_ref().map_or(0, String::len)
    }

    fn preview(&self) -> String {
        let html = self.html.as_ref().map_or(String::new(), |html| format!("\n\n{html}"));
        format!("To: {}\nSubject: {}\n\n{}{html}", self.to, self.subject, self.text)
    }
}
