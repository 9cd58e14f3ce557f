//! RE2's syntax, as Go reads it (<https://pkg.go.dev/regexp/syntax>), in the syntax of regex-syntax.
//!
//! Owns what the two write differently: the classes of Perl, which are ASCII here; octal escapes; `\Q…\E`; braces that
//! repeat nothing; brackets, `&&`, `--` and `~~` in classes, which are plain signs. Leaves out whether parentheses and
//! repetitions fit together, which regex-syntax sees.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

/// The same expression in the syntax of regex-syntax, or what RE2 does not have of it. It has no groups that capture.
pub(super) fn rewritten(text: &str) -> Result<String, String> {
    let mut rest = Rest { symbols: text.chars().peekable() };
    let mut out = String::with_capacity(text.len() * 2);
    while let Some(symbol) = rest.symbols.next() {
        match symbol {
            '\\' if rest.took("Q") => rest.quoted(&mut out),
            '\\' => match rest.escape()? {
                Escape::Symbol(symbol) => plain(symbol, &mut out),
                Escape::Class(class) => out.push_str(&class),
                Escape::Place(place) => out.push_str(place),
            },
            '[' => rest.class(&mut out)?,
            '(' if rest.took("?") => rest.group(&mut out)?,
            '{' => rest.braces(&mut out),
            _ => out.push(symbol),
        }
    }
    Ok(out)
}

/// What a backslash and the signs after it are.
enum Escape {
    Symbol(char),
    /// A class, in the other syntax.
    Class(String),
    /// A place between two signs, in the other syntax.
    Place(&'static str),
}

/// What is not read yet.
struct Rest<'t> {
    symbols: Peekable<Chars<'t>>,
}

impl Rest<'_> {
    /// Goes on behind `text` if it comes next.
    fn took(&mut self, text: &str) -> bool {
        let mut ahead = self.symbols.clone();
        let comes = text.chars().all(|symbol| ahead.next() == Some(symbol));
        if comes {
            self.symbols = ahead;
        }
        comes
    }

    /// What stands before `end`, and goes on behind it; `None` where it does not come.
    fn took_until(&mut self, end: char) -> Option<String> {
        let mut ahead = self.symbols.clone();
        let mut before = String::new();
        loop {
            match ahead.next()? {
                symbol if symbol == end => break,
                symbol => before.push(symbol),
            }
        }
        self.symbols = ahead;
        Some(before)
    }

    /// Behind `\Q`: everything is plain until `\E`.
    fn quoted(&mut self, out: &mut String) {
        while !self.took("\\E")
            && let Some(symbol) = self.symbols.next()
        {
            plain(symbol, out);
        }
    }

    /// Behind a backslash.
    fn escape(&mut self) -> Result<Escape, String> {
        let Some(symbol) = self.symbols.next() else { return Err("it ends in a backslash".to_owned()) };
        let class = |class: &str| Ok(Escape::Class(class.to_owned()));
        match symbol {
            'A' => Ok(Escape::Place("\\A")),
            'z' => Ok(Escape::Place("\\z")),
            'b' => Ok(Escape::Place("(?-u:\\b)")),
            'B' => Ok(Escape::Place("(?-u:\\B)")),
            'd' => class("[0-9]"),
            'D' => class("[^0-9]"),
            's' => class("[\\t\\n\\f\\r ]"),
            'S' => class("[^\\t\\n\\f\\r ]"),
            'w' => class("[0-9A-Za-z_]"),
            'W' => class("[^0-9A-Za-z_]"),
            'p' | 'P' => self.property(symbol).map(Escape::Class),
            'a' => Ok(Escape::Symbol('\x07')),
            'f' => Ok(Escape::Symbol('\x0c')),
            'n' => Ok(Escape::Symbol('\n')),
            'r' => Ok(Escape::Symbol('\r')),
            't' => Ok(Escape::Symbol('\t')),
            'v' => Ok(Escape::Symbol('\x0b')),
            'x' => self.hexadecimal().map(Escape::Symbol),
            '0'..='7' => self.octal(symbol).map(Escape::Symbol),
            _ if symbol.is_ascii() && !symbol.is_ascii_alphanumeric() => Ok(Escape::Symbol(symbol)),
            _ => Err(format!("RE2 in Go has no `\\{symbol}`")),
        }
    }

    /// Behind `\p` or `\P`: `L`, `{Lu}`, `{Greek}` or `{^Greek}`.
    fn property(&mut self, letter: char) -> Result<String, String> {
        let name = if self.took("{") {
            self.took_until('}').ok_or_else(|| format!("`\\{letter}{{` has no `}}`"))?
        } else {
            self.symbols.next().map(String::from).unwrap_or_default()
        };
        let (is_without, name) = name.strip_prefix('^').map_or((false, &*name), |name| (true, name));
        if name.is_empty() || !name.chars().all(|symbol| symbol.is_ascii_alphabetic() || symbol == '_') {
            return Err(format!(
                "`\\{letter}` needs a category or a script of Unicode, such as `\\{letter}L`"
            ));
        }
        let letter = if (letter == 'P') == is_without { 'p' } else { 'P' };
        Ok(format!("\\{letter}{{{name}}}"))
    }

    /// Behind `\x`: two digits, or any in braces.
    fn hexadecimal(&mut self) -> Result<char, String> {
        let (digits, is_whole) = if self.took("{") {
            let digits = self.took_until('}').unwrap_or_default();
            let is_whole = !digits.is_empty();
            (digits, is_whole)
        } else {
            let digits: String = self.symbols.by_ref().take(2).collect();
            let is_whole = digits.len() == 2;
            (digits, is_whole)
        };
        let is_number = is_whole && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u32::from_str_radix(&digits, 16).ok().filter(|_| is_number);
        number
            .and_then(char::from_u32)
            .ok_or_else(|| "`\\x` needs two hexadecimal digits, or `\\x{...}`".to_owned())
    }

    /// Behind a backslash and one digit: up to two more.
    fn octal(&mut self, first: char) -> Result<char, String> {
        let is_octal = |symbol: &char| ('0'..='7').contains(symbol);
        if first != '0' && !self.symbols.peek().is_some_and(is_octal) {
            return Err(format!("RE2 has no references back, such as `\\{first}`"));
        }
        let mut number = first.to_digit(8).unwrap_or_default();
        for _ in 0..2 {
            let Some(digit) = self.symbols.next_if(is_octal).and_then(|symbol| symbol.to_digit(8)) else {
                break;
            };
            number = number * 8 + digit;
        }
        char::from_u32(number).ok_or_else(|| "there is no such sign".to_owned())
    }

    /// Behind `(?`: a name, which is left out, or flags.
    fn group(&mut self, out: &mut String) -> Result<(), String> {
        if self.took("P<") || self.took("<") {
            let name = self.took_until('>').unwrap_or_default();
            if name.is_empty() || !name.chars().all(|symbol| symbol.is_ascii_alphanumeric() || symbol == '_')
            {
                return Err(format!("`{name}` is no name of a group"));
            }
            out.push_str("(?:");
            return Ok(());
        }
        out.push_str("(?");
        for symbol in self.symbols.by_ref() {
            match symbol {
                'i' | 'm' | 's' | 'U' | '-' => out.push(symbol),
                ':' | ')' => {
                    out.push(symbol);
                    return Ok(());
                }
                _ => return Err(format!("RE2 has no `(?{symbol}` (its flags are i, m, s and U)")),
            }
        }
        Err("a group has no `)`".to_owned())
    }

    /// Behind `{`: a number of repetitions, or a plain sign.
    fn braces(&mut self, out: &mut String) {
        let ahead = self.symbols.clone();
        match self.took_until('}') {
            Some(count) if is_count(&count) => {
                out.push('{');
                out.push_str(&count);
                out.push('}');
            }
            _ => {
                self.symbols = ahead;
                plain('{', out);
            }
        }
    }

    /// Behind `[`.
    fn class(&mut self, out: &mut String) -> Result<(), String> {
        out.push('[');
        if self.took("^") {
            out.push('^');
        }
        let mut is_first = true;
        while is_first || !self.took("]") {
            is_first = false;
            if self.named_class(out)? {
                continue;
            }
            let from = match self.class_symbol()? {
                Escape::Symbol(symbol) => symbol,
                Escape::Class(class) => {
                    out.push_str(&class);
                    continue;
                }
                Escape::Place(_) => return Err("a class holds signs only".to_owned()),
            };
            plain(from, out);
            let mut ahead = self.symbols.clone();
            if ahead.next() == Some('-') && ahead.next().is_some_and(|symbol| symbol != ']') {
                self.symbols.next();
                let Escape::Symbol(to) = self.class_symbol()? else {
                    return Err("a range ends in a sign".to_owned());
                };
                out.push('-');
                plain(to, out);
            }
        }
        out.push(']');
        Ok(())
    }

    fn class_symbol(&mut self) -> Result<Escape, String> {
        match self.symbols.next() {
            Some('\\') => self.escape(),
            Some(symbol) => Ok(Escape::Symbol(symbol)),
            None => Err("a class has no `]`".to_owned()),
        }
    }

    /// `[:alpha:]`, if it comes next.
    fn named_class(&mut self, out: &mut String) -> Result<bool, String> {
        let begin = self.symbols.clone();
        if self.took("[:")
            && let Some(name) = self.took_until(':')
            && self.took("]")
        {
            if !CLASSES.contains(&name.strip_prefix('^').unwrap_or(&name)) {
                return Err(format!("there is no class `[:{name}:]`"));
            }
            _ = write!(out, "[:{name}:]");
            return Ok(true);
        }
        self.symbols = begin;
        Ok(false)
    }
}

const CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// `2`, `2,` or `2,3`, without zeros before a number.
fn is_count(text: &str) -> bool {
    let is_number = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && (text == "0" || !text.starts_with('0'))
    };
    match text.split_once(',') {
        Some((least, most)) => is_number(least) && (most.is_empty() || is_number(most)),
        None => is_number(text),
    }
}

/// A sign that means itself, in and outside of a class.
fn plain(symbol: char, out: &mut String) {
    if symbol.is_ascii() && !symbol.is_ascii_alphanumeric() {
        _ = write!(out, "\\x{{{:x}}}", u32::from(symbol));
    } else {
        out.push(symbol);
    }
}
