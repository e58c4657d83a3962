//! What is wrong with a configuration file, and where.

use std::fmt;
use std::ops::Range;

/// One mistake. Never holds the text of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The file's name as the operator gave it.
    pub file: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Column in that line, in characters from 1.
    pub column: usize,
    /// The field, as `models[0].targets[1].provider`; empty where the file does not parse.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// Collects mistakes while the document is walked, and knows the line of every byte.
pub(super) struct Mistakes<'t> {
    file: &'t str,
    text: &'t str,
    found: Vec<Mistake>,
}

impl<'t> Mistakes<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// Notes a mistake about the bytes `at`.
    pub(super) fn add(&mut self, at: &Range<usize>, path: impl Into<String>, message: impl Into<String>) {
        let before = self.before(at.start);
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        self.found.push(Mistake {
            file: self.file.to_owned(),
            line: self.line(at),
            column,
            path: path.into(),
            message: message.into(),
        });
    }

    /// The line on which the bytes `at` begin.
    pub(super) fn line(&self, at: &Range<usize>) -> usize {
        self.before(at.start).matches('\n').count() + 1
    }

    /// All mistakes in the order of the file.
    pub(super) fn into_sorted(mut self) -> Vec<Mistake> {
        self.found.sort_by_key(|m| (m.line, m.column));
        self.found
    }

    fn before(&self, offset: usize) -> &'t str {
        let end = self.text.floor_char_boundary(offset.min(self.text.len()));
        &self.text[..end]
    }
}
