//! Reads the fields of one table of the document: reports wrong types, missing, unknown and unserved fields.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistakes;

/// What a table may hold.
pub(super) struct Shape {
    /// Fields that are served.
    pub(super) known: &'static [&'static str],
    /// Fields that are documented and not served yet, each with what to say about it.
    pub(super) unserved: &'static [(&'static str, &'static str)],
}

/// A table whose field names have been checked.
pub(super) struct Fields<'d, 'i> {
    table: &'d DeTable<'i>,
    at: Range<usize>,
    path: String,
}

/// Text with its place in the file.
#[derive(Clone)]
pub(super) struct Text<'d> {
    pub(super) value: &'d str,
    pub(super) at: Range<usize>,
    pub(super) path: String,
}

impl Text<'_> {
    /// Notes a mistake about this text.
    pub(super) fn wrong(&self, mistakes: &mut Mistakes<'_>, message: impl Into<String>) {
        mistakes.add(&self.at, self.path.as_str(), message);
    }
}

impl<'d, 'i> Fields<'d, 'i> {
    /// Checks the field names of the document itself.
    pub(super) fn root(
        document: &'d Spanned<DeTable<'i>>,
        shape: &Shape,
        mistakes: &mut Mistakes<'_>,
    ) -> Self {
        let fields = Self { table: document.get_ref(), at: 0..0, path: String::new() };
        fields.check_names(shape, mistakes);
        fields
    }

    /// Checks that `value` is a table, and its field names.
    pub(super) fn of(
        value: &'d Spanned<DeValue<'i>>,
        path: String,
        shape: &Shape,
        mistakes: &mut Mistakes<'_>,
    ) -> Option<Self> {
        let DeValue::Table(table) = value.get_ref() else {
            mistakes.add(&value.span(), path, format!("expected a table, found {}", found(value.get_ref())));
            return None;
        };
        let fields = Self { table, at: value.span(), path };
        fields.check_names(shape, mistakes);
        Some(fields)
    }

    /// Where the table begins.
    pub(super) fn at(&self) -> &Range<usize> {
        &self.at
    }

    /// The full path of one of its fields.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// The field as it stands.
    pub(super) fn value(&self, name: &str) -> Option<&'d Spanned<DeValue<'i>>> {
        self.table.get(name)
    }

    /// A text field; `None` if it is absent or not text, which is reported.
    pub(super) fn text(&self, name: &str, mistakes: &mut Mistakes<'_>) -> Option<Text<'d>> {
        let value = self.value(name)?;
        let path = self.path(name);
        match value.get_ref() {
            DeValue::String(text) => Some(Text { value: text, at: value.span(), path }),
            other => {
                mistakes.add(&value.span(), path, format!("expected text in quotes, found {}", found(other)));
                None
            }
        }
    }

    /// A text field that must be there; `what` says what it is for.
    pub(super) fn required(&self, name: &str, what: &str, mistakes: &mut Mistakes<'_>) -> Option<Text<'d>> {
        if self.value(name).is_none() {
            self.missing(name, what, mistakes);
        }
        self.text(name, mistakes)
    }

    /// Reports a field that must be there and is not.
    pub(super) fn missing(&self, name: &str, what: &str, mistakes: &mut Mistakes<'_>) {
        mistakes.add(&self.at, self.path(name), format!("expected {what}, found nothing"));
    }

    /// A switch, with its default.
    pub(super) fn switch(&self, name: &str, default: bool, mistakes: &mut Mistakes<'_>) -> bool {
        let Some(value) = self.value(name) else { return default };
        let DeValue::Boolean(on) = value.get_ref() else {
            let message = format!("expected true or false, found {}", found(value.get_ref()));
            mistakes.add(&value.span(), self.path(name), message);
            return default;
        };
        *on
    }

    /// A list with the path of each of its values; empty if it is absent or no list, which is reported.
    pub(super) fn list(
        &self,
        name: &str,
        mistakes: &mut Mistakes<'_>,
    ) -> Vec<(String, &'d Spanned<DeValue<'i>>)> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let path = self.path(name);
        let DeValue::Array(items) = value.get_ref() else {
            let expected = if self.path.is_empty() { format!("[[{name}]]") } else { "a list".to_owned() };
            mistakes.add(
                &value.span(),
                path,
                format!("expected {expected}, found {}", found(value.get_ref())),
            );
            return Vec::new();
        };
        items.iter().enumerate().map(|(index, item)| (format!("{path}[{index}]"), item)).collect()
    }

    fn check_names(&self, shape: &Shape, mistakes: &mut Mistakes<'_>) {
        for (name, _) in self.table.iter() {
            let field: &str = name.get_ref();
            if shape.known.contains(&field) {
                continue;
            }
            let message = match shape.unserved.iter().find(|(unserved, _)| *unserved == field) {
                Some((_, why)) => format!("`{field}` is not served by this release{why}"),
                None => unknown(field, shape.known),
            };
            mistakes.add(&name.span(), self.path(field), message);
        }
    }
}

/// What a value is, for people.
pub(super) fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(_) => "text".to_owned(),
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Float(number) => format!("the number {number}"),
        DeValue::Boolean(on) => on.to_string(),
        DeValue::Datetime(_) => "a date".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

fn unknown(field: &str, known: &[&str]) -> String {
    let near = known.iter().map(|k| (distance(field, k), *k)).min();
    match near {
        Some((steps, name)) if steps <= 1 + name.len() / 4 => {
            format!("unknown field `{field}`; did you mean `{name}`?")
        }
        _ => format!("unknown field `{field}`; expected one of {}", known.join(", ")),
    }
}

/// How many characters must be put in, taken out or changed to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, steps) in
            [("", "", 0), ("abc", "abc", 0), ("nmae", "name", 2), ("target", "targets", 1), ("x", "", 1)]
        {
            assert_eq!(distance(a, b), steps, "{a} {b}");
        }
    }
}
