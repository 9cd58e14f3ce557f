//! The two bodies of a mail, plain and HTML, and its subject. Mails are not split.

use crate::channel::kind::Setup;
use crate::channel::texts::whole;
use crate::message::{Message, Wording};
use crate::render::Templates;
use crate::render::context::Detail;
use crate::render::markup::Markup;
use crate::render::words;

/// The templates of one target.
#[derive(Debug)]
pub(super) struct Bodies {
    text: Templates,
    /// `None` where a target's own template replaces the plain part.
    html: Option<Templates>,
}

impl Bodies {
    /// A template named `*.html` or `*.html.j2` replaces the HTML part. Any other replaces the plain part and drops the HTML one,
    /// so that everybody reads what its author wrote.
    pub(super) fn open(setup: &Setup<'_>) -> Option<Self> {
        let built_in = |markup| setup.built_in.texts(markup, setup.language);
        let Some(path) = setup.template else {
            return Some(Self { text: built_in(Markup::Plain), html: Some(built_in(Markup::Html)) });
        };
        let name = path.to_string_lossy().to_lowercase();
        let is_html = [".html", ".html.j2"].iter().any(|ending| name.ends_with(ending));
        let own = |markup| setup.compiled(Templates::with_file(markup, setup.language, path));
        if is_html {
            Some(Self { text: built_in(Markup::Plain), html: Some(own(Markup::Html)?) })
        } else {
            Some(Self { text: own(Markup::Plain)?, html: None })
        }
    }

    /// Subject, plain part and HTML part.
    pub(super) fn render(&self, message: &Message, wording: Wording) -> (String, String, Option<String>) {
        let detail = match wording {
            Wording::Normal => Detail::LEVELS[0],
            Wording::Smaller => Detail::LEVELS[1],
            Wording::Plain => Detail::LEVELS[1].without_links(),
            Wording::Bare => {
                let line = words::bare(message, self.text.language());
                return (line.clone(), line, None);
            }
        };
        let draft = self.text.draft(message, detail);
        let text = whole(&draft, &self.text);
        let html = self.html.as_ref().filter(|_| !wording.is_text()).map(|templates| {
            let draft = templates.draft(message, detail);
            page(&draft.title, &whole(&draft, templates))
        });
        (draft.title, text, html)
    }
}

/// The frame of the HTML part, narrow enough for a phone.
fn page(title: &str, content: &str) -> String {
    let title = Markup::Html.escape(title);
    format!(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n</head>\n\
         <body style=\"margin:0;padding:16px;font:15px/1.5 -apple-system,'Segoe UI','PingFang SC','Microsoft YaHei',sans-serif;\
         color:#202124;word-break:break-word\">\n<div style=\"max-width:640px\">\n{content}\n</div>\n</body>\n</html>\n"
    )
}
