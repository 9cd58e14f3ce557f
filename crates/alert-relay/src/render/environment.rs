//! The template language: our files, what bounds a run, what a template can call.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};

use crate::message::Language;
use crate::render::markup::Markup;
use crate::render::words;

/// Instructions of one run. The built-in texts of the most alerts use a tenth of it (held by a test).
pub(crate) const FUEL: u64 = 6_000_000;

/// The language of our files with what bounds it and what it can call.
pub(crate) fn environment(markup: Markup, language: Language) -> Environment<'static> {
    let (text, html) = match language {
        Language::ZhCn => {
            (include_str!("../../templates/text.zh-CN.j2"), include_str!("../../templates/html.zh-CN.j2"))
        }
        Language::En => {
            (include_str!("../../templates/text.en.j2"), include_str!("../../templates/html.en.j2"))
        }
    };
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the default ones, which do not clash"));
    environment.set_recursion_limit(50);
    environment.set_fuel(Some(FUEL));
    // A misspelt variable is found at load, not at night; `{% if maybe %}` stays allowed.
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    // Any escaping mode but `None` asks the formatter below, which knows our dialects.
    environment.set_auto_escape_callback(|_| AutoEscape::Custom("markup".into()));
    environment.set_formatter(move |out, state, value| {
        out.write_str(&literal(markup, state, value)).map_err(Error::from)
    });
    environment.add_function("strong", move |state: &State<'_, '_>, value: Value| {
        let text = literal(markup, state, &value);
        safe(match markup {
            Markup::DingTalk | Markup::Wecom => format!("**{text}**"),
            Markup::Plain => text,
            Markup::Html => format!("<b>{text}</b>"),
        })
    });
    environment.add_function("tint", move |state: &State<'_, '_>, tone: String, value: Value| {
        let text = literal(markup, state, &value);
        let (wecom, html) = match tone.as_str() {
            "alarm" => ("warning", "#d93025"),
            "good" => ("info", "#188038"),
            "quiet" => ("comment", "#5f6368"),
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    "tint: expected `alarm`, `good` or `quiet`",
                ));
            }
        };
        Ok(safe(match markup {
            Markup::Wecom => format!("<font color=\"{wecom}\">{text}</font>"),
            Markup::Html => format!("<span style=\"color:{html}\">{text}</span>"),
            // DingTalk's clients show font colours, but its manual does not promise them.
            Markup::DingTalk | Markup::Plain => text,
        }))
    });
    environment.add_function("link", move |text: String, url: String| safe(markup.link(&text, &url)));
    environment.add_function("links", move |pairs: Vec<Vec<String>>| {
        let pair = |pair: &Vec<String>| match pair.as_slice() {
            [text, url] => Ok((text.clone(), url.clone())),
            _ => Err(Error::new(ErrorKind::InvalidOperation, "links: expected pairs of [text, address]")),
        };
        let pairs = pairs.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        Ok(safe(markup.links(pairs.iter().map(|(text, url)| (text.as_str(), url.as_str())))))
    });
    environment.add_function("fields", move |pairs: Vec<Value>| -> Result<Value, Error> {
        let fields: Result<Vec<String>, Error> = pairs
            .iter()
            .map(|pair| Ok(markup.escape(&format!("{}={}", pair.get_attr("name")?, pair.get_attr("value")?))))
            .collect();
        Ok(safe(fields?.join(" · ")))
    });
    environment.add_function("severity_word", move |severity: String| words::severity(&severity, language));
    environment.add_filter("date", date);
    let files = [("layout", include_str!("../../templates/layout.j2")), ("text", text), ("html", html)];
    let built_in = if markup == Markup::Html { html } else { text };
    for (name, source) in files.into_iter().chain([("built-in", built_in)]) {
        environment.add_template(name, source).expect("our own templates compile: a test renders every one");
    }
    environment
}

/// The value as it stands in the text: escaped, unless one of our functions made it or the template switched escaping off.
fn literal(markup: Markup, state: &State<'_, '_>, value: &Value) -> String {
    let text = value.to_string();
    if value.is_safe() || *state.auto_escape() == AutoEscape::None { text } else { markup.escape(&text) }
}

fn safe(text: String) -> Value {
    Value::from_safe_string(text)
}

/// `{{ alert.starts_at|date("%H:%M") }}`: a time in a form of one's own (strftime), in the message's zone or one that is named.
fn date(state: &State<'_, '_>, at: &str, form: &str, zone: Option<&str>) -> Result<String, Error> {
    let refused = |what: String| Error::new(ErrorKind::InvalidOperation, what);
    if at.is_empty() {
        return Ok(String::new());
    }
    let at: jiff::Timestamp =
        at.parse().map_err(|_| refused("date: expected a time such as alert.starts_at".to_owned()))?;
    let own = state.lookup("time_zone");
    let zone = zone.or(own.as_ref().and_then(Value::as_str)).unwrap_or("UTC");
    let at = at.in_tz(zone).map_err(|_| refused(format!("date: unknown time zone `{zone}`")))?;
    jiff::fmt::strtime::format(form, &at).map_err(|error| refused(format!("date: {error}")))
}
