use super::*;

fn load(text: &str) -> Result<Settings, String> {
    load_with(text, &[])
}

fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Settings::from_text(Path::new("relay.yml"), text, environment)
        .map_err(|problems| problems.iter().map(|problem| format!("{problem}\n")).collect())
}

#[test]
fn the_embedded_default_is_complete() {
    let settings = load("").unwrap();
    assert_eq!(settings.server.max_body_bytes, 8 << 20);
}
