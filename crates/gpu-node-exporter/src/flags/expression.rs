//! Regular expressions in flags, which `node_exporter` reads with RE2 (<https://github.com/google/re2/wiki/Syntax>).
//!
//! Owns what is refused: regex-lite, which is a tenth of the size of the full crate, lacks some of RE2's syntax and says so;
//! what it would read as something else is refused here. An expression that is accepted means what it means in RE2.

use regex_lite::Regex;

/// The expression, or why it cannot be used.
pub(super) fn expression(text: &str) -> Result<Regex, String> {
    if let Some(reason) = means_something_else(text) {
        return Err(reason.to_owned());
    }
    Regex::new(text).map_err(|error| {
        let reason = error.to_string();
        reason.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
    })
}

/// What regex-lite accepts and reads in another way than RE2 does.
fn means_something_else(text: &str) -> Option<&'static str> {
    let mut symbols = text.chars().peekable();
    let (mut ignores_case, mut extends) = (false, false);
    while let Some(symbol) = symbols.next() {
        match (symbol, symbols.peek()) {
            ('\\', Some('<' | '>')) => {
                return Some("`\\<` and `\\>` are plain signs in RE2 (hint: write < or >)");
            }
            ('\\', Some('u' | 'U')) => return Some("RE2 has no `\\u` (hint: write \\x{...})"),
            ('\\', _) => _ = symbols.next(),
            ('(', Some('?')) => {
                symbols.next();
                let flags: Vec<char> =
                    std::iter::from_fn(|| symbols.next_if(char::is_ascii_alphabetic)).collect();
                // `(?P<name>` begins a group.
                ignores_case |= flags.contains(&'i');
                extends |= flags.contains(&'x') || flags.contains(&'R');
            }
            _ => {}
        }
    }
    if extends {
        return Some("RE2 has no flags `x` and `R`");
    }
    (ignores_case && !text.is_ascii()).then_some("the flag `i` knows the letters of ASCII only")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_accepted_means_what_re2_means() {
        for (text, matching, other) in [
            (r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$", "sda1", "sda"),
            (r"^/(dev|proc|run/credentials/.+)($|/)", "/proc/x", "/procs"),
            (r"(?i)^ETH", "eth0", "lo"),
            (r"^(?P<name>a)(?:b)$", "ab", "a"),
            (r"[[:alpha:]][[:^digit:]]", "ab", "a1"),
            (r"^[]a]$", "]", "b"),
            (r"^[^-a]$", "b", "-"),
            (r"\Aa\x62\x{63}\z", "abc", "abcd"),
            (r"^\.\-\_\/$", ".-_/", "a"),
            (r"^a.$", "ab", "a\n"),
            (r"(?s)^a.$", "a\n", "a"),
            (r"(?U)^a+$", "aa", "b"),
            (r"^a{2,3}?$", "aa", "a"),
            (r"\bgpu\b", "a gpu", "gpus"),
        ] {
            let regex = expression(text).unwrap();
            assert!(regex.is_match(matching) && !regex.is_match(other), "{text}");
        }
    }

    #[test]
    fn what_is_missing_of_re2_is_refused_with_a_reason() {
        for (text, reason) in [
            (r"\pL", "Unicode"),
            (r"\p{Greek}", "Unicode"),
            (r"[\PN]", "Unicode"),
            (r"\Qa.b\E", "unrecognized escape"),
            (r"\101", "backreferences"),
            (r"a{", "repetition"),
            (r"a{,2}", "decimal"),
            (r"[[a]", "nested"),
            (r"[a&&b]", "intersection"),
            (r"[a--b]", "difference"),
            (r"\<a", "plain signs"),
            (r"a\>", "plain signs"),
            (r"\u0061", "no `\\u`"),
            (r"(?x) a", "no flags"),
            (r"(?i)é", "ASCII only"),
            (r"(?si:é)", "ASCII only"),
            (r"(a", "without closing"),
        ] {
            let said = expression(text).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }
}
