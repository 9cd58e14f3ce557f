//! `people:`, who can be mentioned.

use settings_document::Section;

use crate::people::Person;

/// What a person can be known by; `feishu` is taken already, so that one file serves later versions too.
const IDENTITIES: [&str; 5] = ["mobile", "dingtalk", "wecom", "feishu", "email"];

pub(super) fn read((name, mut section): (&str, Section<'_>)) -> (String, Person) {
    let [mobile, dingtalk, wecom, feishu, email] =
        IDENTITIES.map(|key| section.text(key).filter(|text| !text.is_empty()).map(str::to_owned));
    if !IDENTITIES.into_iter().any(|key| section.has(key)) {
        section.own_problem(format!("expected at least one of `{}`", IDENTITIES.join("`, `")));
    }
    section.finish();
    (name.to_owned(), Person { name: name.to_owned(), mobile, dingtalk, wecom, feishu, email })
}
