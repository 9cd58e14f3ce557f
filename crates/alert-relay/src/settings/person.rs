//! `people:`, who can be mentioned.

use super::section::Section;
use crate::people::Person;

pub(super) fn read((name, mut section): (&str, Section<'_>)) -> Option<(String, Person)> {
    let mut identity = |key| section.text(key).filter(|text| !text.is_empty()).map(str::to_owned);
    let person = Person {
        name: name.to_owned(),
        mobile: identity("mobile"),
        dingtalk: identity("dingtalk"),
        wecom: identity("wecom"),
        feishu: identity("feishu"),
        email: identity("email"),
    };
    let known = [&person.mobile, &person.dingtalk, &person.wecom, &person.feishu, &person.email];
    if known.iter().all(|identity| identity.is_none()) {
        section.own_problem("expected at least one of `mobile`, `dingtalk`, `wecom`, `feishu`, `email`");
    }
    section.finish();
    Some((name.to_owned(), person))
}
