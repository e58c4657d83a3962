//! The members of an object, taken one by one with their types checked; what is left over is seen too.

use serde_json::{Map, Number, Value};

use crate::dialect::openai_chat::request::{expected, missing};
use crate::fault::Fault;

/// An object and where it stands in the body.
pub(super) struct Fields {
    map: Map<String, Value>,
    path: String,
}

impl Fields {
    /// The body itself.
    pub(super) fn root(map: Map<String, Value>) -> Self {
        Self { map, path: String::new() }
    }

    /// The object that `value` is.
    pub(super) fn of(value: Value, path: impl Into<String>) -> Result<Self, Fault> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ => Err(expected(&path, "an object")),
        }
    }

    /// The path of a member.
    pub(super) fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Takes a member; null counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.shift_remove(name).filter(|value| !value.is_null())
    }

    /// Looks at a member that is a text.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.map.get(name)?.as_str()
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(expected(&self.path(name), "a string")),
        }
    }

    pub(super) fn required(&mut self, name: &str) -> Result<String, Fault> {
        self.text(name)?.ok_or_else(|| missing(&self.path(name), "a string"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(expected(&self.path(name), "a boolean")),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<Number>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(number)),
            Some(_) => Err(expected(&self.path(name), "a number")),
        }
    }

    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, Fault> {
        let Some(number) = self.number(name)? else { return Ok(None) };
        let count = crate::dialect::json::count(&number.to_string());
        count.map(Some).ok_or_else(|| expected(&self.path(name), "a whole number of 0 or more"))
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => Err(expected(&self.path(name), "an array")),
        }
    }

    /// Takes a member that is an object.
    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Fault> {
        let path = self.path(name);
        self.take(name).map(|value| Self::of(value, path)).transpose()
    }

    /// The whole object again.
    pub(super) fn into_value(self) -> Value {
        Value::Object(self.map)
    }

    /// Puts what was not taken under its path into `rest`.
    pub(super) fn leave(self, rest: &mut Map<String, Value>) {
        for (name, value) in self.map {
            if !value.is_null() {
                let path = if self.path.is_empty() { name } else { format!("{}.{name}", self.path) };
                rest.insert(path, value);
            }
        }
    }
}
