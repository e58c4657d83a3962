//! Three-way merging of configuration documents: what was changed in one place does not undo what was changed in
//! another.
//!
//! Providers, models, projects and features are matched by name, their fields one by one. What `new` and `last` agree
//! on stays as it is at present; what only `last` has is taken away; everything else is as `new` says.

use std::collections::BTreeSet;

use proto::config::Config;
use serde_json::{Map, Value};

use crate::error::Error;

/// Members by which the entries of a list are told apart.
const NAMES: [&str; 3] = ["name", "alias", "key"];

/// The document in which `new` differs from `last`, and which is `live` in everything else. Its number, time and
/// prices are those of `live`.
pub(crate) fn documents(live: &Config, last: &Config, new: &Config) -> Result<Config, Error> {
    let value = |config: &Config| {
        let plain = Config { version: 0, published_ms: 0, prices: Vec::new(), ..config.clone() };
        serde_json::to_value(plain)
    };
    let merged = merge(Some(&value(live)?), Some(&value(last)?), Some(&value(new)?));
    let merged: Config = serde_json::from_value(merged.unwrap_or_default())?;
    let Config { version, published_ms, ref prices, .. } = *live;
    Ok(Config { version, published_ms, prices: prices.clone(), ..merged })
}

fn merge(live: Option<&Value>, last: Option<&Value>, new: Option<&Value>) -> Option<Value> {
    if new == last {
        return live.cloned();
    }
    match (live, new) {
        (Some(Value::Object(live)), Some(Value::Object(new))) => {
            let last = last.and_then(Value::as_object);
            let mut merged = Map::new();
            for name in union(live.keys(), new.keys()) {
                let value = merge(live.get(name), last.and_then(|last| last.get(name)), new.get(name));
                if let Some(value) = value {
                    merged.insert(name.clone(), value);
                }
            }
            Some(Value::Object(merged))
        }
        (live, Some(Value::Array(new))) if is_named(new) => {
            let (live, last) = (named(live), named(last));
            let find =
                |all: &[Value], name: &str| all.iter().find(|item| name_of(item) == Some(name)).cloned();
            let mut merged = Vec::new();
            for item in new.iter().chain(&live) {
                let Some(name) = name_of(item) else { continue };
                if merged.iter().any(|known| name_of(known) == Some(name)) {
                    continue;
                }
                let (live, last, new) = (find(&live, name), find(&last, name), find(new, name));
                merged.extend(merge(live.as_ref(), last.as_ref(), new.as_ref()));
            }
            Some(Value::Array(merged))
        }
        (_, new) => new.cloned(),
    }
}

fn union<'a>(
    a: impl Iterator<Item = &'a String>,
    b: impl Iterator<Item = &'a String>,
) -> BTreeSet<&'a String> {
    a.chain(b).collect()
}

/// What an entry of a list is called.
pub(crate) fn name_of(item: &Value) -> Option<&str> {
    NAMES.iter().find_map(|name| item.get(name)?.as_str())
}

/// Whether a list's entries are matched by name; an empty list may be either.
fn is_named(items: &[Value]) -> bool {
    items.iter().all(|item| name_of(item).is_some())
}

fn named(list: Option<&Value>) -> Vec<Value> {
    list.and_then(Value::as_array).filter(|items| is_named(items)).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn merged(live: Value, last: Value, new: Value) -> Value {
        merge(Some(&live), Some(&last), Some(&new)).unwrap()
    }

    #[test]
    fn what_each_side_changed_is_there_in_the_end() {
        let last = json!({"on": true, "projects": [{"name": "a", "x": 1, "y": 1}, {"name": "gone", "x": 1}]});
        let live = json!({"on": true, "projects": [
            {"name": "a", "x": 1, "y": 2, "features": [{"key": "f"}]}, {"name": "gone", "x": 5}, {"name": "api"}
        ]});
        let new = json!({"on": false, "projects": [{"name": "a", "x": 3, "y": 1}, {"name": "b"}]});
        let expected = json!({"on": false, "projects": [
            {"name": "a", "x": 3, "y": 2, "features": [{"key": "f"}]}, {"name": "b"}, {"name": "api"}
        ]});
        assert_eq!(merged(live, last, new), expected);
    }

    #[test]
    fn lists_without_names_are_replaced_as_a_whole() {
        let last = json!({"targets": [{"provider": "p"}], "origins": ["x"]});
        let live = json!({"targets": [{"provider": "p"}, {"provider": "api"}], "origins": ["x", "y"]});
        let new = json!({"targets": [{"provider": "q"}], "origins": ["x"]});
        assert_eq!(merged(live, last, new), json!({"targets": [{"provider": "q"}], "origins": ["x", "y"]}));
    }

    #[test]
    fn nothing_of_another_origin_is_taken_away() {
        let empty = json!({"projects": []});
        let live = json!({"projects": [{"name": "api"}]});
        assert_eq!(
            merged(live.clone(), empty.clone(), json!({"projects": [{"name": "f"}]}))["projects"]
                .as_array()
                .unwrap()
                .len(),
            2
        );
        assert_eq!(merged(live.clone(), json!({"projects": [{"name": "f"}]}), empty), live);
    }
}
