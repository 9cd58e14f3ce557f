//! The texts that the relay comes with, compiled once for all targets: a set of them takes some hundred kilobytes.

use std::cell::RefCell;

use crate::message::Language;
use crate::render::Templates;
use crate::render::json::JsonTemplates;
use crate::render::markup::Markup;

/// Compiled when the first target needs them.
#[derive(Debug, Default)]
pub(crate) struct BuiltIn {
    texts: RefCell<Vec<Templates>>,
    json: RefCell<Vec<JsonTemplates>>,
}

impl BuiltIn {
    /// In a channel's dialect.
    pub(crate) fn texts(&self, markup: Markup, language: Language) -> Templates {
        let mut texts = self.texts.borrow_mut();
        let known = texts.iter().find(|known| known.markup() == markup && known.language() == language);
        if let Some(known) = known {
            return known.clone();
        }
        let compiled = Templates::built_in(markup, language);
        texts.push(compiled.clone());
        compiled
    }

    /// In the shape of a generic webhook.
    pub(crate) fn json(&self, language: Language) -> JsonTemplates {
        let mut json = self.json.borrow_mut();
        if let Some(known) = json.iter().find(|known| known.language() == language) {
            return known.clone();
        }
        let compiled = JsonTemplates::built_in(language);
        json.push(compiled.clone());
        compiled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_one_dialect_and_language_share_what_is_compiled() {
        let built_in = BuiltIn::default();
        let first = built_in.texts(Markup::Wecom, Language::En);
        assert!(built_in.texts(Markup::Wecom, Language::En).is_shared_with(&first));
        for (markup, language) in [(Markup::Plain, Language::En), (Markup::Wecom, Language::ZhCn)] {
            let other = built_in.texts(markup, language);
            assert!(!other.is_shared_with(&first));
            assert_eq!((other.markup(), other.language()), (markup, language));
        }
        assert_eq!(built_in.json(Language::En).language(), Language::En);
        assert_eq!(built_in.json(Language::ZhCn).language(), Language::ZhCn);
    }
}
