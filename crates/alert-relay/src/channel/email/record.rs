//! What is kept of a mail server's words (pure): one line, without the password, and not too much of it.
//!
//! Owns the order of these. The password goes first: cut first, its beginning could stay behind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use settings_document::Secret;

/// Bytes of a server's words that are kept.
const RECORD_LIMIT: usize = 500;

/// Keeps the words of one account's server.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// Every form in which the server has heard the password, longest first.
    secrets: Vec<Secret>,
}

impl Record {
    /// Of a server that is told this name and password.
    pub(super) fn of(username: &str, password: &Secret) -> Self {
        let password = password.reveal();
        // RFC 4616, and the LOGIN mechanism.
        let plain = STANDARD.encode(format!("\0{username}\0{password}"));
        let forms = [plain, STANDARD.encode(password), password.to_owned()];
        Self { secrets: forms.into_iter().filter(|form| !form.is_empty()).map(Secret::new).collect() }
    }

    /// What is kept of this.
    pub(super) fn keep(&self, words: &str) -> String {
        // A server may repeat what it was told.
        let words = self
            .secrets
            .iter()
            .fold(words.to_owned(), |words, secret| words.replace(secret.reveal(), "<redacted>"));
        let line: String = words.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        line[..line.floor_char_boundary(RECORD_LIMIT)].trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_beginning_of_a_password_is_left_where_words_are_cut() {
        let password = "mail-password-1";
        let record = Record::of("relay", &Secret::new(password));
        for said in
            [password.to_owned(), STANDARD.encode(password), STANDARD.encode(format!("\0relay\0{password}"))]
        {
            for before in RECORD_LIMIT - said.len()..=RECORD_LIMIT {
                let kept = record.keep(&format!("{}{said}", "#".repeat(before)));
                assert!(kept.len() <= RECORD_LIMIT, "{kept}");
                let left = kept.trim_start_matches('#');
                assert!("<redacted>".starts_with(left), "{before} bytes before {said}: {left}");
            }
        }
    }

    #[test]
    fn a_password_with_what_is_no_text_is_found_before_that_is_cleaned() {
        let record = Record::of("relay", &Secret::new("one\ttwo"));
        assert_eq!(record.keep("no one\ttwo here\r\n"), "no <redacted> here");
        assert_eq!(Record::default().keep("a\tb\r\n"), "a b");
    }
}
