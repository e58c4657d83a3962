//! The list of models.

use bytes::Bytes;
use serde::Serialize;

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Model<'a>>,
}

#[derive(Serialize)]
struct Model<'a> {
    id: &'a str,
    object: &'static str,
    created: u64,
    owned_by: &'static str,
}

/// The answer to `GET /v1/models`; `created_s` is in seconds since the Unix epoch.
pub fn models_list(models: &[&str], created_s: u64) -> Bytes {
    let model = |id| Model { id, object: "model", created: created_s, owned_by: "forebay" };
    let data = models.iter().copied().map(model).collect();
    // Strings and numbers always serialise.
    Bytes::from(serde_json::to_vec(&List { object: "list", data }).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_are_listed_as_openai_does() {
        let expected = r#"{"object":"list","data":[{"id":"fast","object":"model","created":7,"owned_by":"forebay"},{"id":"a\"b","object":"model","created":7,"owned_by":"forebay"}]}"#;
        assert_eq!(models_list(&["fast", "a\"b"], 7), expected);
        assert_eq!(models_list(&[], 7), r#"{"object":"list","data":[]}"#);
    }
}
