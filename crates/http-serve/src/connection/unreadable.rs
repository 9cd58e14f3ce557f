//! Answers to what is no request: hyper gives them without a word, or none at all.
//!
//! Owns the words for what hyper refuses to read, and the answer to a client that speaks HTTP/2 without having asked (RFC 9113,
//! section 3.3), which is offered over TLS alone.

/// How a client of HTTP/2 begins; the rest of its preface follows in the same segment.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n";

/// HTTP/2 frames: empty SETTINGS, and GOAWAY with the code `HTTP_1_1_REQUIRED` and its reason (RFC 9113, sections 6.5, 6.8 and 7).
pub(super) const GOAWAY: &[u8] = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00\
    \x00\x00\x44\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x0d\
    HTTP/2 is offered over TLS only; speak HTTP/1.1 on this port";

/// hyper's own answers are shorter.
const LONGEST: usize = 256;

/// One of hyper's own answers to what it cannot read, with the reason as its body; `None` for any other bytes.
pub(super) fn in_words(answer: &[u8]) -> Option<Vec<u8>> {
    if answer.len() > LONGEST || !answer.starts_with(b"HTTP/1.") {
        return None;
    }
    let head = str::from_utf8(answer).ok()?.strip_suffix("\r\n\r\n")?;
    let (status, headers) = head.split_once("\r\n")?;
    let reason = match status.get(9..12)? {
        "400" => "this is no request of HTTP/1.1\n",
        "414" => "the path and query are longer than this server reads\n",
        "431" => "the headers are longer than this server reads\n",
        _ => return None,
    };
    // A service's answer has its own headers.
    let of_hyper = ["connection: close", "content-length: 0", "date: "];
    if !headers.split("\r\n").all(|header| of_hyper.iter().any(|own| header.starts_with(own))) {
        return None;
    }
    let length = reason.len();
    let head = format!(
        "{status}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: {length}\r\n\r\n{reason}"
    );
    Some(head.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hypers_own_answers_get_a_body() {
        let said = |answer: &str| {
            in_words(answer.as_bytes())
                .map(|words| String::from_utf8(words).unwrap().lines().last().unwrap().to_owned())
        };
        let own = "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: Sun, 29 Nov 2026 00:00:00 GMT\r\n\r\n";
        assert_eq!(said(own).as_deref(), Some("this is no request of HTTP/1.1"));
        assert_eq!(said(&own.replace("connection", "retry-after: 5\r\nconnection")), None);
        assert_eq!(said(&own.replace("400 Bad Request", "204 No Content")), None);
        assert_eq!(said(&own.replace("length: 0", "length: 3")), None);
        assert_eq!(said(own.trim_end()), None);
        assert_eq!(said(&format!("{own}x")), None);
    }

    #[test]
    fn the_frames_are_as_long_as_they_say() {
        assert_eq!(GOAWAY.len(), 9 + 9 + 0x44);
    }
}
