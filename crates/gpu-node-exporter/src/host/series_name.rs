//! Names of series that are made of somebody else's words (a driver's, a setting's), as `node_exporter` makes them.

/// Signs that cannot stand in a name become one `_`, with the `_` around them: `[3]: rx` is `_3_rx`.
pub(crate) fn series_name(words: &str) -> String {
    let mut name = String::with_capacity(words.len());
    let mut symbols = words.chars().peekable();
    while let Some(symbol) = symbols.next() {
        if is_of_a_name(symbol) {
            name.push(symbol);
            continue;
        }
        name.truncate(name.trim_end_matches('_').len());
        name.push('_');
        while symbols.next_if(|symbol| !is_of_a_name(*symbol)).is_some() {}
        while symbols.next_if_eq(&'_').is_some() {}
    }
    name
}

fn is_of_a_name(symbol: char) -> bool {
    symbol.is_ascii_alphanumeric() || symbol == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_that_cannot_stand_in_a_name_become_one() {
        for (words, name) in [
            ("rx_bytes", "rx_bytes"),
            ("a__b_", "a__b_"),
            ("[3]: rx_ucast", "_3_rx_ucast"),
            ("port.rx_dropped", "port_rx_dropped"),
            ("a_-_b", "a_b"),
            ("fs.file-nr", "fs_file_nr"),
            ("bad-é", "bad_"),
            ("", ""),
        ] {
            assert_eq!(series_name(words), name, "{words}");
        }
    }
}
