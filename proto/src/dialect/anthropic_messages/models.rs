//! The list of models as Anthropic's clients read it. Limits are not told: a name may stand for several models.

use serde::Serialize;

#[derive(Serialize)]
struct List<'a> {
    data: Vec<Model<'a>>,
    has_more: bool,
    first_id: Option<&'a str>,
    last_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Model<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    id: &'a str,
    display_name: &'a str,
    created_at: &'static str,
    lifecycle: &'static str,
    deprecated_at: Option<&'static str>,
    retires_at: Option<&'static str>,
    max_input_tokens: Option<u64>,
    max_tokens: Option<u64>,
}

impl<'a> Model<'a> {
    fn of(id: &'a str) -> Self {
        Self {
            kind: "model",
            id,
            display_name: id,
            created_at: LONG_AGO,
            lifecycle: "active",
            deprecated_at: None,
            retires_at: None,
            max_input_tokens: None,
            max_tokens: None,
        }
    }
}

/// The vendor's own date for models whose day of release is not known.
const LONG_AGO: &str = "1970-01-01T00:00:00Z";

/// The answer to `GET /v1/models` for a caller that sends `anthropic-version`.
pub fn models_list(names: &[&str]) -> Vec<u8> {
    let data = names.iter().copied().map(Model::of).collect();
    let (first_id, last_id) = (names.first().copied(), names.last().copied());
    // Strings and numbers always serialise.
    serde_json::to_vec(&List { data, has_more: false, first_id, last_id }).unwrap_or_default()
}

/// The answer to `GET /v1/models/{id}` for such a caller.
pub fn model(name: &str) -> Vec<u8> {
    serde_json::to_vec(&Model::of(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn models_are_listed_as_anthropic_does() {
        let list: Value = serde_json::from_slice(&models_list(&["a", "b"])).unwrap();
        assert_eq!(
            (&list["first_id"], &list["last_id"], &list["has_more"]),
            (&json!("a"), &json!("b"), &json!(false))
        );
        assert_eq!(list["data"][1]["id"], "b");
        assert_eq!(list["data"][0]["type"], "model");
        let none: Value = serde_json::from_slice(&models_list(&[])).unwrap();
        assert_eq!(none, json!({"data": [], "has_more": false, "first_id": null, "last_id": null}));
    }
}
