//! JSON Schemas: a value that fits one, and what providers refuse in them.

use serde_json::{Map, Value, json};

use super::look::{Bad, Found};

const DEPTH_MAX: usize = 32;

/// A small value that fits the schema, as far as this reads schemas.
pub(crate) fn example(schema: &Value) -> Value {
    make(schema, schema, 0)
}

fn make(root: &Value, schema: &Value, depth: usize) -> Value {
    if depth > DEPTH_MAX {
        return Value::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
        return root.pointer(target).map_or(Value::Null, |found| make(root, found, depth + 1));
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    for (key, first) in [("enum", true), ("anyOf", false), ("oneOf", false), ("allOf", false)] {
        if let Some(item) = schema.get(key).and_then(Value::as_array).and_then(|list| list.first()) {
            return if first { item.clone() } else { make(root, item, depth + 1) };
        }
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        Some(kind) => kind.as_str(),
        None if schema.get("properties").is_some() => Some("object"),
        None => None,
    };
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("object") => object(root, schema, depth),
        Some("array") => {
            let item = schema.get("items").map(|items| make(root, items, depth + 1));
            Value::Array(item.into_iter().collect())
        }
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or_else(|| json!(7)),
        Some("boolean") => json!(true),
        Some("null") => Value::Null,
        _ => json!("Köln 水"),
    }
}

fn object(root: &Value, schema: &Value, depth: usize) -> Value {
    let mut made = Map::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        made.insert(name.clone(), make(root, property, depth + 1));
    }
    Value::Object(made)
}

/// Refuses a schema that is not strict as OpenAI's and Anthropic's services mean it: every object closed, and
/// (`all_required`) every property required.
pub(crate) fn check_strict(path: &str, schema: &Value, all_required: bool) -> Found<()> {
    if !schema.is_object() {
        return Err(Bad::value(path, "the schema is not an object"));
    }
    closed(path, schema, all_required, 0)
}

fn closed(path: &str, schema: &Value, all_required: bool, depth: usize) -> Found<()> {
    let Some(map) = schema.as_object().filter(|_| depth <= DEPTH_MAX) else { return Ok(()) };
    let is_object = map.get("type").is_some_and(|kind| kind == "object");
    if is_object && map.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err(Bad::value(path, "'additionalProperties' is required to be supplied and to be false."));
    }
    if is_object && all_required {
        let required: Vec<&str> = map
            .get("required")
            .and_then(Value::as_array)
            .map_or_else(Vec::new, |list| list.iter().filter_map(Value::as_str).collect());
        let names = map.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        if let Some(name) = names.into_iter().find(|name| !required.contains(&name.as_str())) {
            return Err(Bad::value(
                path,
                format!(
                    "'required' is required to be supplied and to be an array including every key in properties. Missing '{name}'."
                ),
            ));
        }
    }
    for (key, below) in map {
        match (key.as_str(), below) {
            ("properties" | "$defs" | "definitions", Value::Object(named)) => {
                named.iter().try_for_each(|(_, schema)| closed(path, schema, all_required, depth + 1))?;
            }
            ("anyOf" | "oneOf" | "allOf", Value::Array(list)) => {
                list.iter().try_for_each(|schema| closed(path, schema, all_required, depth + 1))?;
            }
            ("items", schema) => closed(path, schema, all_required, depth + 1)?,
            _ => {}
        }
    }
    Ok(())
}

/// The first keyword of the schema, at any depth, that is among `refused`.
pub(crate) fn keyword<'a>(schema: &Value, refused: &[&'a str]) -> Option<&'a str> {
    let Value::Object(map) = schema else { return None };
    if let Some(found) = refused.iter().find(|word| map.contains_key(**word)) {
        return Some(found);
    }
    map.iter().find_map(|(key, below)| match (key.as_str(), below) {
        ("properties" | "$defs" | "definitions", Value::Object(named)) => {
            named.values().find_map(|schema| keyword(schema, refused))
        }
        ("anyOf" | "oneOf" | "allOf", Value::Array(list)) => {
            list.iter().find_map(|schema| keyword(schema, refused))
        }
        ("items" | "additionalProperties", schema) => keyword(schema, refused),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_fit() {
        let schema = json!({"type": "object", "properties": {
            "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1},
            "unit": {"enum": ["C", "F"]}, "tags": {"type": "array", "items": {"$ref": "#/$defs/tag"}},
            "maybe": {"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "word": {"type": ["string", "null"]}},
            "$defs": {"tag": {"const": "t"}}});
        let wanted = json!({"city": "Köln 水", "days": 1, "unit": "C", "tags": ["t"], "maybe": true,
            "word": "Köln 水"});
        assert_eq!(example(&schema), wanted);
        let endless = json!({"type": "object", "properties": {"x": {"$ref": "#"}}});
        assert!(example(&endless).is_object());
    }

    #[test]
    fn strict_schemas_are_closed_and_whole() {
        let open = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]});
        assert!(check_strict("s", &open, true).is_err());
        let part = json!({"type": "object", "properties": {"a": {}, "b": {}}, "required": ["a"],
            "additionalProperties": false});
        assert!(check_strict("s", &part, true).unwrap_err().text.contains("'b'"));
        assert!(check_strict("s", &part, false).is_ok());
        let deep = json!({"type": "array", "items": open});
        assert!(check_strict("s", &deep, false).is_err());
        assert_eq!(keyword(&json!({"properties": {"a": {"minimum": 1}}}), &["minimum"]), Some("minimum"));
    }
}
