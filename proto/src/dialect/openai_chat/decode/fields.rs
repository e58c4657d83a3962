//! Typed looks at the members of a JSON object, each taken out once, so that what is left is what nobody knew.

use serde_json::{Map, Number, Value};

use crate::canonical::{CacheMark, CacheTtl};
use crate::dialect::json;
use crate::dialect::openai_chat::request::{expected, missing};
use crate::fault::Fault;

/// The most unknown fields that are kept of a body.
const REST_MAX: usize = 256;

/// An object and where it stands.
#[derive(Debug)]
pub(super) struct Fields {
    map: Map<String, Value>,
    path: String,
}

impl Fields {
    /// The members of `value`, which must be an object; an empty path is the body itself.
    pub(super) fn of(value: Value, path: impl Into<String>) -> Result<Self, Fault> {
        let path = path.into();
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            _ => Err(expected(&path, "an object")),
        }
    }

    /// Where a member stands.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Whether a member is there and not null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(|value| !value.is_null())
    }

    /// A member, unless null.
    pub(super) fn take(&mut self, key: &str) -> Option<Value> {
        self.map.shift_remove(key).filter(|value| !value.is_null())
    }

    fn typed<T>(
        &mut self,
        key: &str,
        what: &str,
        read: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => read(value).map(Some).ok_or_else(|| expected(&self.path(key), what)),
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Result<Option<String>, Fault> {
        self.typed(key, "a string", text)
    }

    pub(super) fn required_text(&mut self, key: &str) -> Result<String, Fault> {
        self.text(key)?.ok_or_else(|| missing(&self.path(key), "a string"))
    }

    /// A text that must be there and not empty.
    pub(super) fn name(&mut self, key: &str) -> Result<String, Fault> {
        let name = self.required_text(key)?;
        if name.is_empty() { Err(expected(&self.path(key), "a string that is not empty")) } else { Ok(name) }
    }

    pub(super) fn flag(&mut self, key: &str) -> Result<Option<bool>, Fault> {
        self.typed(key, "a boolean", |value| value.as_bool())
    }

    pub(super) fn number(&mut self, key: &str) -> Result<Option<Number>, Fault> {
        self.typed(key, "a number", |value| match value {
            Value::Number(number) => Some(number),
            _ => None,
        })
    }

    /// A whole number from `least` on.
    pub(super) fn count(&mut self, key: &str, least: u64) -> Result<Option<u64>, Fault> {
        let what = format!("a whole number, at least {least}");
        self.typed(key, &what, |value| match value {
            Value::Number(number) => json::count(&number.to_string()).filter(|n| *n >= least),
            _ => None,
        })
    }

    pub(super) fn integer(&mut self, key: &str) -> Result<Option<i64>, Fault> {
        self.typed(key, "a whole number", |value| value.as_i64())
    }

    pub(super) fn list(&mut self, key: &str) -> Result<Option<Vec<Value>>, Fault> {
        self.typed(key, "an array", |value| match value {
            Value::Array(list) => Some(list),
            _ => None,
        })
    }

    pub(super) fn map(&mut self, key: &str) -> Result<Option<Map<String, Value>>, Fault> {
        self.typed(key, "an object", |value| match value {
            Value::Object(map) => Some(map),
            _ => None,
        })
    }

    /// The members of an object within.
    pub(super) fn object(&mut self, key: &str) -> Result<Option<Self>, Fault> {
        let path = self.path(key);
        Ok(self.map(key)?.map(|map| Self { map, path }))
    }

    /// The same for one that must be there.
    pub(super) fn required_object(&mut self, key: &str) -> Result<Self, Fault> {
        self.object(key)?.ok_or_else(|| missing(&self.path(key), "an object"))
    }

    /// A cache mark: OpenAI's `prompt_cache_breakpoint`, or the `cache_control` that gateways to Claude read.
    pub(super) fn cache_mark(&mut self) -> Option<CacheMark> {
        let ours = self.take("prompt_cache_breakpoint");
        let theirs = self.take("cache_control");
        let mark = ours.or(theirs)?;
        let long = matches!(mark["ttl"].as_str(), Some("12h" | "24h" | "1h"));
        Some(CacheMark { ttl: if long { CacheTtl::Long } else { CacheTtl::Short } })
    }

    /// Keeps what is left, unless it says nothing, under its path.
    pub(super) fn leave(self, rest: &mut Map<String, Value>) {
        for (key, value) in self.map {
            let path = if self.path.is_empty() { key } else { format!("{}.{key}", self.path) };
            if !is_nothing(&value) && rest.len() < REST_MAX {
                rest.insert(path, value);
            }
        }
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
