//! Who can be mentioned, and under which name each channel knows them.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// `people:` in the settings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct People(BTreeMap<String, Person>);

impl People {
    /// The entry of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Person> {
        self.0.get(name)
    }

    /// Who a name stands for at this time, as asked when a message is sent. Today an entry is one person at all times; who is on
    /// call by a rota would be decided here.
    pub(crate) fn resolve(&self, name: &str, _at: Timestamp) -> Option<&Person> {
        self.0.get(name)
    }
}

impl FromIterator<(String, Person)> for People {
    fn from_iter<T: IntoIterator<Item = (String, Person)>>(entries: T) -> Self {
        Self(entries.into_iter().collect())
    }
}

/// One entry of `people:` in the settings. A channel mentions by the first identity it can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// The key under `people:`.
    pub(crate) name: String,
    /// Phone number, as `DingTalk` and `WeCom` know it.
    pub(crate) mobile: Option<String>,
    /// `DingTalk` user id.
    pub(crate) dingtalk: Option<String>,
    /// `WeCom` user id.
    pub(crate) wecom: Option<String>,
    /// Feishu `open_id` or `user_id`.
    pub(crate) feishu: Option<String>,
    /// Mail address.
    pub(crate) email: Option<String>,
}
