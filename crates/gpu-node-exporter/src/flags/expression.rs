//! Regular expressions in flags, which `node_exporter` reads with Go's RE2 (<https://pkg.go.dev/regexp/syntax>).
//!
//! Owns that an expression means what it means there, or is refused with the reason. regex-lite matches: the full crate is six times
//! as large and takes ten times as long to start. What regex-lite lacks of RE2's syntax, or reads as something else, regex-syntax reads
//! for it, with the tables of Unicode: few expressions need that, and none of the defaults.

use regex_lite::{Regex, RegexBuilder};
use regex_syntax::{Parser, hir::Hir};

mod rewritten;
mod spelled;

use rewritten::rewritten;
use spelled::spelled;

/// Groups in groups, which is also regex-syntax's own limit.
const MOST_NESTED: u32 = 250;

/// The expression, or why it cannot be used.
pub(super) fn expression(text: &str) -> Result<Regex, String> {
    if is_plain(text)
        && let Ok(expression) = Regex::new(text)
    {
        return Ok(expression);
    }
    let understood: Hir =
        Parser::new().parse(&rewritten(text)?).map_err(|error| reason(&error.to_string()))?;
    let text = spelled(&understood).ok_or("it cannot be read")?;
    RegexBuilder::new(&text).nest_limit(MOST_NESTED).build().map_err(|error| reason(&error.to_string()))
}

/// Whether regex-lite, if it takes it, reads it as RE2 does: ASCII without flags, braces, nested brackets, operations on
/// sets and rare escapes.
fn is_plain(text: &str) -> bool {
    let mut symbols = text.bytes().peekable();
    let (mut in_class, mut before) = (false, 0);
    while let Some(symbol) = symbols.next() {
        let next = symbols.peek().copied();
        let is_plain = match (symbol, next) {
            (b'\\', Some(escaped)) => {
                symbols.next();
                matches!(escaped, b'd' | b'D' | b'w' | b'W' | b'b' | b'B' | b'A' | b'z') && !in_class
                    || escaped.is_ascii_punctuation() && !matches!(escaped, b'<' | b'>')
            }
            (b'(', Some(b'?')) | (b'{', _) | (b'\\', None) => false,
            (b'[', _) if in_class => false,
            (b'&' | b'~' | b'-', _) if in_class => before != symbol,
            _ => symbol.is_ascii(),
        };
        if !is_plain {
            return false;
        }
        match symbol {
            b'[' => {
                in_class = true;
                // A bracket in the first place is a plain sign.
                symbols.next_if_eq(&b'^');
                symbols.next_if_eq(&b']');
            }
            b']' => in_class = false,
            _ => {}
        }
        before = symbol;
    }
    true
}

/// The last line of an error, which says what is wrong; the others show where.
fn reason(error: &str) -> String {
    error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
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
            (r"^(?<1>a)(?P<1>b)$", "ab", "a"),
            (r"^[]a]$", "]", "b"),
            (r"^[^-a]$", "b", "-"),
            (r"\Aa\x62\x{63}\z", "abc", "abcd"),
            (r"^\.\-\_\/\ $", ".-_/ ", "a"),
            (r"^a.$", "ab", "a\n"),
            (r"(?s)^a.$", "a\n", "a"),
            (r"(?m)^a$", "b\na", "ba"),
            (r"(?U)^a+$", "aa", "b"),
            (r"(?i:a)b|c(?-i)", "Ab", "aB"),
            (r"^a{2,3}?$", "aa", "a"),
            (r"^(|a)$", "", "b"),
            // What RE2 takes to be ASCII.
            (r"\bgpu\b", "a gpu", "gpus"),
            (r"(?s)é\bx", "éx", "é"),
            (r"é\Bü", "éü", "éu"),
            (r"^\d$", "1", "\u{661}"),
            (r"^[\d]$", "1", "\u{661}"),
            (r"^\W$", "é", "e"),
            (r"^[\Wx]$", "é", "e"),
            (r"^\s$", "\t", "\u{b}"),
            (r"^[\S]$", "\u{b}", "\t"),
            // Unicode, where it is asked for.
            (r"^\pL$", "é", "1"),
            (r"^\PL$", "1", "é"),
            (r"^[\pN_]$", "\u{661}", "é"),
            (r"^[^\pN]$", "é", "\u{661}"),
            (r"^\p{Lu}$", "É", "é"),
            (r"^\p{Greek}+$", "γλ", "gl"),
            (r"^\p{^Greek}+$", "gl", "γλ"),
            (r"^\P{^Greek}+$", "γλ", "gl"),
            (r"^\p{Old_Italic}$", "\u{10300}", "I"),
            (r"(?i)É", "é", "e"),
            (r"(?si:é)", "É", "E"),
            (r"(?i)^k$", "\u{212a}", "j"),
            (r"(?i)^[^k]$", "j", "\u{212a}"),
            (r"^[é-ü]$", "ê", "e"),
            // Classes by name.
            (r"[[:alpha:]][[:^digit:]]", "ab", "a1"),
            (r"^[[:word:]]$", "_", "é"),
            (r"^[^[:^word:]-]$", "a", "-"),
            (r"^[[:space:][:punct:]x]$", "\u{b}", "y"),
            // Signs that mean themselves.
            (r"^\Qa.b\E.$", "a.bc", "axbc"),
            (r"^\Qa\", "a\\", "a"),
            (r"^\Qab\E*$", "abb", "abab"),
            (r"^\101\07\0$", "A\u{7}\0", "A"),
            (r"^\018$", "\u{1}8", "8"),
            (r"^[\101]$", "A", "1"),
            (r"^\a\f\t\n\r\v$", "\u{7}\u{c}\t\n\r\u{b}", "a"),
            (r"^a{$", "a{", "a"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^a{02}$", "a{02}", "aa"),
            (r"^a{2,x}}$", "a{2,x}}", "aa"),
            (r"^{a}]$", "{a}]", "a"),
            (r"^[[a]$", "[", "b"),
            (r"^[[:a]$", ":", "b"),
            (r"^[a&&b]$", "&", "c"),
            (r"^[a~~b]$", "b", "c"),
            (r"^[+--]$", ",", "a"),
            (r"^[a-c-e]$", "-", "d"),
            (r"^[\-\]\\]$", "\\", "a"),
            (r"\<a\>", "<a>", "a"),
            (r"^# a$", "# a", "a"),
        ] {
            let regex = expression(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
            assert!(regex.is_match(matching), "{text} on {matching:?}");
            assert!(!regex.is_match(other), "{text} on {other:?}");
        }
        assert!(!expression(r"[^\x00-\x{10FFFF}]").unwrap().is_match("a"), "a class of nothing");
    }

    #[test]
    fn what_re2_does_not_have_is_refused_with_a_reason() {
        for (text, reason) in [
            (r"\C", r"no `\C`"),
            (r"a\Z", r"no `\Z`"),
            (r"\u0061", r"no `\u`"),
            (r"\G", r"no `\G`"),
            (r"[\b]", "signs only"),
            (r"[\Qa\E]", r"no `\Q`"),
            (r"\1", "references back"),
            (r"(a)\9", r"no `\9`"),
            (r"\é", r"no `\é`"),
            ("a\\", "ends in a backslash"),
            (r"(?x) a", "no `(?x`"),
            (r"(?u)a", "no `(?u`"),
            (r"(?=a)", "no `(?=`"),
            (r"(?P=a)", "no `(?P`"),
            (r"(?#a)", "no `(?#`"),
            (r"(?P<a b>c)", "no name of a group"),
            (r"(?i", "no `)`"),
            (r"(a", "unclosed group"),
            (r"a)", "unopened group"),
            (r"*a", "missing expression"),
            (r"a{3,2}", "repetition"),
            (r"[b-a]", "range"),
            (r"[a-\d]", "ends in a sign"),
            (r"[a", "no `]`"),
            (r"[[:alfa:]]", "no class `[:alfa:]`"),
            (r"\p{Klingon}", "Unicode property not found"),
            (r"\p{sc=Greek}", "a category or a script"),
            (r"\p", "a category or a script"),
            (r"\p{L", "no `}`"),
            (r"\x6", "hexadecimal"),
            (r"\x{}", "hexadecimal"),
            (r"\x{110000}", "hexadecimal"),
            (r"\x+6", "hexadecimal"),
            (r"(\pL{1000}){1000}", "size limit"),
        ] {
            let said = expression(text).map(|regex| regex.to_string()).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    /// The long way and the short one agree where both can be taken.
    #[test]
    fn an_ordinary_expression_is_the_same_either_way() {
        let names = ["", "a", "sda1", "nvme0n1p1", "/proc/x", "docker0", "ab]", "-", "&", "a b_c", "x\ny"];
        for text in [
            r"^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
            r"^/(dev|proc|run/credentials/.+)($|/)",
            r"^[^]a-]+$",
            r"[]&-]",
            r"\ba\b|\Ba|\w\W\D",
            r"\Aa.*?\z",
            r"a|b*|()",
            r"\.|\-|\_",
        ] {
            assert!(is_plain(text), "{text}");
            let short = Regex::new(text).unwrap();
            let long = Parser::new().parse(&rewritten(text).unwrap()).unwrap();
            let long = Regex::new(&spelled(&long).unwrap()).unwrap();
            for name in names {
                assert_eq!(short.is_match(name), long.is_match(name), "{text} on {name:?}");
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\\\\\[\\](){}^$|?*+.,:a-z0-9<>&~é-]{0,24}") {
            _ = expression(&text);
        }
    }
}
