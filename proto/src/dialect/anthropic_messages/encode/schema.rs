//! A JSON Schema in the subset that holds a model (from the vendor's SDKs, read 2026-11): `oneOf` becomes `anyOf`,
//! objects are closed, and what the subset does not know is told in the description.

use serde_json::{Map, Value};

const KEPT: [&str; 12] = [
    "type",
    "enum",
    "const",
    "$ref",
    "$schema",
    "description",
    "title",
    "default",
    "required",
    "$id",
    "$anchor",
    "$comment",
];

const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// The schema in the subset, and whether anything had to move to a description.
pub(in crate::dialect) fn constrained(schema: &Value) -> (Value, bool) {
    let mut moved = false;
    (walk(schema, &mut moved), moved)
}

/// As deep as the schema nests, which parsing has bounded.
fn walk(schema: &Value, moved: &mut bool) -> Value {
    let Value::Object(from) = schema else { return schema.clone() };
    let mut into = Map::new();
    let mut told = Vec::new();
    for (key, value) in from {
        match (key.as_str(), value) {
            (kept, _) if KEPT.contains(&kept) => drop(into.insert(key.clone(), value.clone())),
            ("properties" | "$defs" | "definitions", Value::Object(inner)) => {
                let inner = inner.iter().map(|(name, inner)| (name.clone(), walk(inner, moved)));
                into.insert(key.clone(), Value::Object(inner.collect()));
            }
            ("items", inner @ Value::Object(_)) => drop(into.insert(key.clone(), walk(inner, moved))),
            ("anyOf" | "allOf", Value::Array(all)) => {
                into.insert(key.clone(), all.iter().map(|inner| walk(inner, moved)).collect());
            }
            ("oneOf", Value::Array(all)) if !from.contains_key("anyOf") => {
                into.insert("anyOf".into(), all.iter().map(|inner| walk(inner, moved)).collect());
            }
            ("format", Value::String(format)) if FORMATS.contains(&format.as_str()) => {
                into.insert(key.clone(), value.clone());
            }
            ("minItems", Value::Number(n)) if n.as_u64().is_some_and(|n| n <= 1) => {
                into.insert(key.clone(), value.clone());
            }
            ("additionalProperties", Value::Bool(_)) => {}
            _ => told.push(format!("{key}: {value}")),
        }
    }
    let object = from.get("type").is_some_and(|kind| kind == "object") || from.contains_key("properties");
    if object {
        into.insert("additionalProperties".into(), false.into());
    }
    if !told.is_empty() {
        *moved = true;
        let told = format!("{{{}}}", told.join(", "));
        let description = match from.get("description").and_then(Value::as_str) {
            Some(text) => format!("{text}\n\n{told}"),
            None => told,
        };
        into.insert("description".into(), description.into());
    }
    Value::Object(into)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_subset_lacks_is_told() {
        let schema = json!({"type": "object", "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many"},
            "when": {"type": "string", "format": "date"}, "who": {"type": "string", "format": "phone"},
            "list": {"type": "array", "items": {"oneOf": [{"type": "string"}, {"$ref": "#/$defs/x"}]}, "minItems": 1}},
            "$defs": {"x": {"type": "object", "properties": {}}}, "required": ["n"]});
        let (constrained, moved) = constrained(&schema);
        assert!(moved);
        assert_eq!(
            constrained["properties"]["n"],
            json!({"type": "integer", "description": "How many\n\n{minimum: 1, maximum: 9}"})
        );
        assert_eq!(constrained["properties"]["when"]["format"], "date");
        assert_eq!(
            constrained["properties"]["who"],
            json!({"type": "string", "description": "{format: \"phone\"}"})
        );
        assert_eq!(constrained["properties"]["list"]["items"]["anyOf"][1]["$ref"], "#/$defs/x");
        assert_eq!(
            (&constrained["additionalProperties"], &constrained["$defs"]["x"]["additionalProperties"]),
            (&json!(false), &json!(false))
        );
        // Once is enough.
        assert_eq!(super::constrained(&constrained), (constrained, false));
    }
}
