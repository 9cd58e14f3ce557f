//! One reading of a settings file: where each key came from, and what was found wrong so far.
//!
//! A mistake that is shown with the wrong line is looked for here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::document::Mistake;
use crate::problem::Problem;

/// What all sections of one file share.
#[derive(Debug)]
pub struct Reading {
    file: PathBuf,
    /// The line of each key path, `targets.ops.timeout` or `receivers.ops.routes[0]`.
    lines: BTreeMap<String, usize>,
    /// The environment variable that gave a key path its value.
    variables: BTreeMap<String, String>,
    problems: RefCell<Vec<Problem>>,
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
        Self { file: file.to_owned(), lines, variables, problems }
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
