//! Which language a visitor reads (pure): what the address says, else what was chosen before, else what the browser asks for.

use crate::message::Language;

/// The cookie that keeps a choice.
pub(crate) const COOKIE: &str = "alert_relay_lang";

/// How a language is written in `?lang=`, in the cookie and in HTML.
pub(crate) fn tag(language: Language) -> &'static str {
    match language {
        Language::ZhCn => "zh-CN",
        Language::En => "en",
    }
}

/// A language by its tag, in any case and with or without a region: `zh`, `zh-CN`, `en-GB`.
pub(crate) fn named(tag: &str) -> Option<Language> {
    let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
    match primary.to_ascii_lowercase().as_str() {
        "zh" => Some(Language::ZhCn),
        "en" => Some(Language::En),
        _ => None,
    }
}

/// The language of one request. `asked` is `?lang=`, `cookies` the header `Cookie`, `accepted` the header `Accept-Language` (RFC 9110, section
/// 12.5.4), `fallback` the settings' language.
pub(crate) fn of_request(
    asked: Option<&str>,
    cookies: Option<&str>,
    accepted: Option<&str>,
    fallback: Language,
) -> Language {
    let kept = || cookies.and_then(kept);
    let accepted = || accepted.and_then(best_accepted);
    asked.and_then(named).or_else(kept).or_else(accepted).unwrap_or(fallback)
}

fn kept(cookies: &str) -> Option<Language> {
    let pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == COOKIE).find_map(|(_, value)| named(value))
}

/// The one with the highest weight; of equal ones the first.
fn best_accepted(header: &str) -> Option<Language> {
    let mut best: Option<(f32, Language)> = None;
    for range in header.split(',') {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight =
            parameters.trim().strip_prefix("q=").map_or(Some(1.0), |weight| weight.trim().parse().ok());
        let (Some(weight), Some(language)) = (weight, named(tag)) else { continue };
        if weight > best.map_or(0.0, |(weight, _)| weight) {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_goes_before_the_cookie_and_that_before_the_browser() {
        let check = |asked, cookies, accepted, expected| {
            let found = of_request(asked, cookies, accepted, Language::ZhCn);
            assert_eq!(found, expected, "{asked:?} {cookies:?} {accepted:?}");
        };
        let (zh, en) = (Language::ZhCn, Language::En);
        check(None, None, None, zh);
        check(Some("en"), Some("alert_relay_lang=zh-CN"), Some("zh-CN"), en);
        check(Some("fr"), Some("a=b; alert_relay_lang=en"), Some("zh-CN"), en);
        check(None, Some("other_alert_relay_lang=en"), Some("zh"), zh);
        check(None, Some("alert_relay_lang=<script>"), Some("en-GB,en;q=0.9"), en);
        for (accepted, expected) in [
            ("en-US,en;q=0.9,zh-CN;q=0.8", en),
            ("fr-FR, zh;q=0.7, en;q=0.3", zh),
            ("en;q=0, zh_TW;q=0.1", zh),
            ("en;q=x", zh),
            ("EN", en),
            ("de, *;q=0.5", zh),
            ("", zh),
        ] {
            check(None, None, Some(accepted), expected);
        }
    }
}
