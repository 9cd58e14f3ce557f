use std::collections::BTreeMap;

use super::*;
use crate::document::Document;

/// What `get` finds in the section `s:` that has these lines, and what it says of them.
fn check<T: std::fmt::Debug>(lines: &[&str], get: fn(&mut Section<'_>) -> T, expected: &str, says: &[&str]) {
    let text = format!("s:\n  {}\n", lines.join("\n  "));
    let document = Document::parse(&text, |_| true);
    let reading = Reading::new(Path::new("a.yml"), document.lines, document.mistakes, BTreeMap::new());
    let mut section = Section::root(&reading, &document.values).section("s").unwrap();
    assert_eq!(format!("{:?}", get(&mut section)), expected, "{text}");
    section.finish();
    let said: Vec<String> = reading.into_problems().iter().map(ToString::to_string).collect();
    assert_eq!(said, says, "{text}");
}

#[test]
fn a_whole_number_is_text_where_it_may_be() {
    let text_or_number = |section: &mut Section<'_>| section.text_or_number("k").map(Cow::into_owned);
    let no_text = "a.yml:2: s.k: expected text, found ";
    let unquoted = |kind| format!("{no_text}{kind} (hint: put it in quotes)");
    check(&["k: a"], text_or_number, "Some(\"a\")", &[]);
    check(&["k: 7"], text_or_number, "Some(\"7\")", &[]);
    for empty in ["k: ''", "k:", "k: ~"] {
        check(&[empty], text_or_number, "None", &[]);
    }
    check(&["k: 7.5"], text_or_number, "None", &[&unquoted("a number")]);
    check(&["k: true"], text_or_number, "None", &[&unquoted("true or false")]);
    check(&["k: [a]"], text_or_number, "None", &[&format!("{no_text}a list")]);
    let text = |section: &mut Section<'_>| section.text("k").map(str::to_owned);
    check(&["k: 7"], text, "None", &[&unquoted("a number")]);
}

#[test]
fn a_list_of_texts_is_not_one_text() {
    let get = |section: &mut Section<'_>| {
        section.listed_texts("k").into_iter().map(|item| item.text.into_owned()).collect::<Vec<_>>()
    };
    check(&["k: [a, 7]"], get, r#"["a", "7"]"#, &[]);
    check(&["k: a"], get, "[]", &["a.yml:2: s.k: expected a list of texts, found text"]);
    check(&["k:", "- a", "- []"], get, r#"["a"]"#, &["a.yml:4: s.k[1]: expected text, found a list"]);
}

#[test]
fn a_name_that_people_chose_keeps_its_place() {
    let get = |section: &mut Section<'_>| {
        let items = section.named_texts_or_numbers("k");
        items.into_iter().map(|(name, item)| format!("{name}={}", item.text)).collect::<Vec<_>>()
    };
    let lines = ["k:", "  z: a", "  b.c: 7", "  a: []"];
    check(&lines, get, r#"["b.c=7", "z=a"]"#, &["a.yml:5: s.k.a: expected text, found a list"]);
}

#[test]
fn empty_text_gives_nothing_and_is_known() {
    let get = |section: &mut Section<'_>| section.gives_any(&["a", "b"]);
    check(&["a: ''", "b:"], get, "false", &[]);
    check(&["a: x", "b: ''"], get, "true", &[]);
    check(&["b: 0"], get, "true", &[]);
}

/// The user is told by number: the names of a container's or a service's users are not those of who reads the message.
#[test]
fn who_may_not_read_a_file_is_told_who_that_is() {
    let user = rustix::process::geteuid();
    let told = cannot_read(Path::new("secrets/x"), &std::io::ErrorKind::PermissionDenied.into());
    assert!(told.starts_with("cannot read `secrets/x`: permission denied (hint: user "), "{told}");
    assert!(told.contains(&format!("`chown {user}`")) && told.contains("deploy/README.md"), "{told}");
    let missing = cannot_read(Path::new("secrets/x"), &std::io::ErrorKind::NotFound.into());
    assert!(!missing.contains("hint"), "{missing}");
}

#[test]
fn a_secret_is_known_as_one_under_its_own_key_wherever_it_was_said() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), " from a file\n").unwrap();
    let document = Document::parse("a: written\nb_file: token\nc: ''\nd: shown\n", |_| true);
    let file = directory.path().join("a.yml");
    let reading = Reading::new(&file, document.lines, document.mistakes, BTreeMap::new());
    let mut section = Section::root(&reading, &document.values);
    for (key, file_key) in [("a", "a_file"), ("b", "b_file"), ("c", "c_file"), ("e", "e_file")] {
        section.secret(key, file_key);
    }
    let secrets = reading.secrets();
    let known: Vec<_> = secrets.iter().map(|(key, secret)| (key.as_str(), secret.reveal())).collect();
    assert_eq!(known, [("a", "written"), ("b", "from a file")]);
    assert!(reading.is_in_file("d") && !reading.is_in_file("b"));
}
