//! Reading a body strictly: every look at a field checks its type, and what was not looked for is refused.
//!
//! It finds out *what* is wrong and where; each dialect words that as its own service does ([`Bad`]).

use serde_json::{Map, Value};

/// What is wrong with a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bad {
    /// The kind of fault.
    pub what: What,
    /// The field, as `messages[0].content[1].text`.
    pub path: String,
    /// What is wrong, in the service's words where they are known.
    pub text: String,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// There is no such field.
    Unknown,
    /// A field that must be there is not.
    Missing,
    /// A field is of another type.
    Type,
    /// A value that is not taken.
    Value,
    /// A field that exists, but not for this model or version.
    Unsupported,
    /// The service has an error code of its own for it.
    Coded(&'static str),
}

/// Shorthand for a check that may find a fault.
pub(crate) type Found<T> = Result<T, Bad>;

impl Bad {
    /// A fault.
    pub(crate) fn new(what: What, path: impl Into<String>, text: impl Into<String>) -> Self {
        Self { what, path: path.into(), text: text.into() }
    }

    /// A value that is not taken.
    pub(crate) fn value(path: impl Into<String>, text: impl Into<String>) -> Self {
        Self::new(What::Value, path, text)
    }

    /// The path with indices as `messages.0.content.1`.
    pub(crate) fn dotted(&self) -> String {
        self.path.replace('[', ".").replace(']', "")
    }
}

/// A list's item and where it stands.
pub(crate) type Item<'a> = (String, &'a Value);

/// An object and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Obj<'a> {
    /// Its fields.
    pub map: &'a Map<String, Value>,
    /// Its path; empty at the top.
    pub path: String,
}

impl<'a> Obj<'a> {
    /// Takes a value as an object.
    pub(crate) fn of(path: impl Into<String>, value: &'a Value) -> Found<Self> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ => Err(Bad::new(What::Type, path, "an object")),
        }
    }

    /// The path of a field.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Refuses every other field.
    pub(crate) fn only(&self, known: &[&str]) -> Found<()> {
        match self.map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Bad::new(What::Unknown, self.at(key), "unknown")),
            None => Ok(()),
        }
    }

    /// Refuses more than one of these, and none of them.
    pub(crate) fn one_of_fields(&self, keys: &[&'static str]) -> Found<&'static str> {
        let mut given = keys.iter().filter(|key| self.get(key).is_some());
        match (given.next(), given.next()) {
            (Some(key), None) => Ok(key),
            (None, _) => Err(Bad::new(What::Missing, self.at(keys.first().unwrap_or(&"")), "one of a union")),
            (Some(_), Some(key)) => Err(Bad::value(self.at(key), "more than one member of a union is set")),
        }
    }

    /// A field that is there and not null.
    pub(crate) fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// Whether it is there and not null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        take: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Found<Option<T>> {
        match self.get(key) {
            None => Ok(None),
            Some(value) => {
                take(value).map(Some).ok_or_else(|| Bad::new(What::Type, self.at(key), wanted.to_owned()))
            }
        }
    }

    fn needed<T>(&self, key: &str, found: Option<T>) -> Found<T> {
        found.ok_or_else(|| Bad::new(What::Missing, self.at(key), "required"))
    }

    /// Text.
    pub(crate) fn text(&self, key: &str) -> Found<Option<&'a str>> {
        self.typed(key, "a string", Value::as_str)
    }

    /// Text that must be there.
    pub(crate) fn need_text(&self, key: &str) -> Found<&'a str> {
        self.needed(key, self.text(key)?)
    }

    /// A boolean.
    pub(crate) fn bool(&self, key: &str) -> Found<Option<bool>> {
        self.typed(key, "a boolean", Value::as_bool)
    }

    /// An integer within bounds.
    pub(crate) fn int(&self, key: &str, least: i64, most: i64) -> Found<Option<i64>> {
        let number = self.typed(key, "an integer", Value::as_i64)?;
        match number {
            Some(n) if n < least => {
                Err(Bad::value(self.at(key), format!("expected a value >= {least}, got {n}")))
            }
            Some(n) if n > most => {
                Err(Bad::value(self.at(key), format!("expected a value <= {most}, got {n}")))
            }
            other => Ok(other),
        }
    }

    /// A number within bounds.
    pub(crate) fn number(&self, key: &str, least: f64, most: f64) -> Found<Option<f64>> {
        let number = self.typed(key, "a number", Value::as_f64)?;
        match number {
            Some(n) if n < least || n > most => {
                Err(Bad::value(self.at(key), format!("expected a value between {least} and {most}, got {n}")))
            }
            other => Ok(other),
        }
    }

    /// An object.
    pub(crate) fn obj(&self, key: &str) -> Found<Option<Obj<'a>>> {
        let map = self.typed(key, "an object", Value::as_object)?;
        Ok(map.map(|map| Obj { map, path: self.at(key) }))
    }

    /// An object that must be there.
    pub(crate) fn need_obj(&self, key: &str) -> Found<Obj<'a>> {
        self.needed(key, self.obj(key)?)
    }

    /// A list with the path of each item; empty where absent.
    pub(crate) fn list(&self, key: &str) -> Found<Vec<Item<'a>>> {
        let list = self.typed(key, "an array", Value::as_array)?;
        let path = self.at(key);
        Ok(list.into_iter().flatten().enumerate().map(|(i, value)| (format!("{path}[{i}]"), value)).collect())
    }

    /// A list of objects.
    pub(crate) fn objects(&self, key: &str) -> Found<Vec<Obj<'a>>> {
        self.list(key)?.into_iter().map(|(path, value)| Obj::of(path, value)).collect()
    }

    /// A list of texts.
    pub(crate) fn texts(&self, key: &str) -> Found<Vec<&'a str>> {
        let item =
            |(path, value): Item<'a>| value.as_str().ok_or_else(|| Bad::new(What::Type, path, "a string"));
        self.list(key)?.into_iter().map(item).collect()
    }

    /// A word out of these.
    pub(crate) fn word(&self, key: &str, words: &[&str]) -> Found<Option<&'a str>> {
        let word = self.text(key)?;
        match word {
            Some(given) if !words.contains(&given) => Err(Bad::value(
                self.at(key),
                format!("'{given}'. Supported values are: '{}'.", words.join("', '")),
            )),
            other => Ok(other),
        }
    }

    /// A word out of these that must be there.
    pub(crate) fn need_word(&self, key: &str, words: &[&str]) -> Found<&'a str> {
        self.needed(key, self.word(key, words)?)
    }
}

/// Checks that a name is of these characters and no longer than that.
pub(crate) fn name(path: String, text: &str, most: usize, also: &str) -> Found<()> {
    let fits = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
    if text.is_empty() || text.chars().count() > most || !text.chars().all(fits) {
        return Err(Bad::value(path, format!("'{text}' does not match ^[a-zA-Z0-9{also}]{{1,{most}}}$")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_look_checks() {
        let body = json!({"a": "x", "n": 5, "l": [{"t": 1}], "z": null, "u": {"p": 1, "q": 2}});
        let top = Obj::of("", &body).unwrap();
        assert_eq!(top.only(&["a", "n", "l", "u"]).unwrap_err().path, "z");
        assert_eq!(top.text("n").unwrap_err().what, What::Type);
        assert_eq!(top.need_text("z").unwrap_err().what, What::Missing);
        assert_eq!(top.int("n", 6, 9).unwrap_err().what, What::Value);
        assert_eq!(top.word("a", &["y"]).unwrap_err().what, What::Value);
        let item = &top.objects("l").unwrap()[0];
        assert_eq!(item.text("t").unwrap_err().path, "l[0].t");
        assert_eq!(item.text("t").unwrap_err().dotted(), "l.0.t");
        assert!(top.need_obj("u").unwrap().one_of_fields(&["p", "q"]).is_err());
        assert_eq!(top.need_obj("u").unwrap().one_of_fields(&["p"]).unwrap(), "p");
    }
}
