//! One reading of a settings file: where each key came from, and what was found wrong so far.
//!
//! The line shown for a key that is missing is chosen here (`nearest_line`); the lines themselves are `document`'s.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::document::Mistake;
use crate::problem::Problem;
use crate::secret::Secret;

/// What all sections of one file share.
#[derive(Debug)]
pub struct Reading {
    file: PathBuf,
    /// The line of each key path, `targets.ops.timeout` or `receivers.ops.routes[0]`.
    lines: BTreeMap<String, usize>,
    /// The environment variable that gave a key path its value.
    variables: BTreeMap<String, String>,
    problems: RefCell<Vec<Problem>>,
    secrets: RefCell<BTreeMap<String, Secret>>,
}

impl Reading {
    /// Begins to read `file`, whose document has these `lines` and `mistakes`. `variables` are the environment variables by the
    /// key path they set.
    pub fn new(
        file: &Path,
        lines: BTreeMap<String, usize>,
        mistakes: Vec<Mistake>,
        variables: BTreeMap<String, String>,
    ) -> Self {
        let of_line = |Mistake { line, message }| Problem::of_file(file, Some(line), message);
        let problems = RefCell::new(mistakes.into_iter().map(of_line).collect());
        Self { file: file.to_owned(), lines, variables, problems, secrets: RefCell::default() }
    }

    /// Where relative paths in the settings start: the directory of the settings file.
    pub fn directory(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new(""))
    }

    /// Notes what is wrong with `key`. One that stands nowhere (it is missing) is shown at the section it belongs into.
    pub fn note(&self, key: &str, message: impl Into<String>) {
        let problem = match self.variables.get(key) {
            Some(variable) => Problem::of_variable(variable, key, message),
            None => Problem::of_key(&self.file, self.nearest_line(key), key, message),
        };
        self.problems.borrow_mut().push(problem);
    }

    /// Notes what is wrong with the file as a whole.
    pub fn note_file(&self, message: impl Into<String>) {
        self.problems.borrow_mut().push(Problem::of_file(&self.file, None, message));
    }

    /// Notes that the value of `key` is a secret, wherever it was said.
    pub(crate) fn note_secret(&self, key: String, secret: Secret) {
        self.secrets.borrow_mut().insert(key, secret);
    }

    /// The secrets that were read so far, by their key paths: what stands there is never to be shown.
    pub fn secrets(&self) -> BTreeMap<String, Secret> {
        self.secrets.borrow().clone()
    }

    /// Whether the file says something under this key path.
    pub fn is_in_file(&self, key: &str) -> bool {
        self.lines.contains_key(key)
    }

    /// Everything that is wrong, the file's from top to bottom, then the environment's.
    pub fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort();
        problems
    }

    fn nearest_line(&self, key: &str) -> Option<usize> {
        let mut path = key;
        loop {
            if let Some(line) = self.lines.get(path) {
                return Some(*line);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Document;
    use crate::section::Section;

    const TEXT: &str = "server:\n  listen: ':1'\n\nroutes:\n  - to: a\n  -\n    to: b\n";

    fn reading() -> Reading {
        let document = Document::parse(TEXT, |_| true);
        let variables = [("server.limit".to_owned(), "APP_LIMIT".to_owned())].into();
        Reading::new(Path::new("etc/app.yml"), document.lines, document.mistakes, variables)
    }

    #[test]
    fn a_mistake_is_shown_where_its_value_stands() {
        let check = |key: &str, expected: &str| {
            let reading = reading();
            reading.note(key, "wrong");
            assert_eq!(reading.into_problems()[0].to_string(), expected);
        };
        check("server.listen", "etc/app.yml:2: server.listen: wrong");
        check("routes[1].to", "etc/app.yml:7: routes[1].to: wrong");
        // What is missing is shown at the nearest section that is there.
        check("server.name", "etc/app.yml:1: server.name: wrong");
        check("routes[0].from", "etc/app.yml:5: routes[0].from: wrong");
        check("store.url", "etc/app.yml: store.url: wrong");
        check("server.limit", "environment variable APP_LIMIT: server.limit: wrong");
    }

    #[test]
    fn mistakes_come_in_the_order_of_the_file_then_the_environment() {
        let reading = reading();
        for key in ["server.limit", "routes[1].to", "server.listen"] {
            reading.note(key, "wrong");
        }
        let lines: Vec<String> = reading.into_problems().iter().map(ToString::to_string).collect();
        let starts = ["etc/app.yml:2: ", "etc/app.yml:7: ", "environment variable APP_LIMIT: "];
        for (line, start) in lines.iter().zip(starts) {
            assert!(line.starts_with(start), "{lines:?}");
        }
    }

    #[test]
    fn a_section_names_every_unknown_key_with_the_nearest_known_one() {
        let document = Document::parse("listne: ':1'\nname: x\n", |_| true);
        let reading = Reading::new(Path::new("app.yml"), document.lines, document.mistakes, BTreeMap::new());
        let mut root = Section::root(&reading, &document.values);
        assert_eq!(root.text("name"), Some("x"));
        assert_eq!(root.text("listen"), None);
        root.finish();
        let problems = reading.into_problems();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].to_string(), "app.yml:1: listne: unknown key (hint: did you mean `listen`?)");
    }

    /// What is written where a key should be may be a secret.
    #[test]
    fn a_key_that_the_rule_refuses_is_not_shown() {
        let document = Document::parse("'SECRET with spaces': 1\n", |key| !key.contains(' '));
        assert!(document.values.is_empty());
        let said = format!("{:?}", document.mistakes);
        assert!(said.contains("line: 1") && !said.contains("SECRET"), "{said}");
    }
}
