//! What is kept out of the audit log: secrets, by the name of their field and by their looks.

use serde_json::Value;

const REDACTED: &str = "[redacted]";

/// A field is secret if one of these is the last word of its name.
const SECRET_WORDS: [&str; 9] =
    ["secret", "secrets", "token", "password", "api_key", "authorization", "sealed", "hash", "assertion"];
/// The headers of a provider may hold a key under any name.
const SECRET_TREES: [&str; 1] = ["headers"];

/// The value without secrets. Numbers with a fraction become text: they do not always come back from JSON as the
/// same number, and a record must.
pub(crate) fn redacted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let clean = members.into_iter().map(|(name, value)| {
                let hide = is_secret(&name) && !value.is_null();
                let value = if hide { Value::from(REDACTED) } else { redacted(value) };
                (name, value)
            });
            Value::Object(clean.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(redacted).collect()),
        Value::String(text) => Value::String(plain(text)),
        Value::Number(number) if number.is_f64() => Value::String(number.to_string()),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    let ends = |word: &str| name == word || name.strip_suffix(word).is_some_and(|rest| rest.ends_with('_'));
    SECRET_WORDS.into_iter().any(ends) || SECRET_TREES.contains(&name.as_str())
}

/// An address keeps what tells where it leads; of other text, what looks like a secret goes.
fn plain(text: String) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return proto::redact::redact(&text).into_owned();
    };
    if !matches!(scheme, "http" | "https") || rest.contains(char::is_whitespace) {
        return proto::redact::redact(&text).into_owned();
    }
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = place.split_once('/').map_or((place, ""), |(host, path)| (host, path));
    let host = host.rsplit('@').next().unwrap_or_default();
    let slash = if place.contains('/') { "/" } else { "" };
    format!("{scheme}://{host}{slash}{path}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let given = json!({
            "name": "openai", "api_key": "hunter2hunter2", "API-Key": "x", "stripe_api_key": "y", "secret": null,
            "base_url": "https://user:pw@api.example.com/v1?key=1", "note": "the key is sk-abcdefghijklmnopqrstuv",
            "models": ["gpt-4o"], "headers": {"x-custom": "v"}, "share": 0.1, "limit": 5, "key_count": 2,
            "origin": "https://app.example.com",
        });
        let clean = redacted(given);
        assert_eq!(
            clean,
            json!({
                "name": "openai", "api_key": "[redacted]", "API-Key": "[redacted]",
                "stripe_api_key": "[redacted]", "secret": null, "base_url": "https://api.example.com/v1",
                "note": "the key is [redacted]", "models": ["gpt-4o"], "headers": "[redacted]", "share": "0.1",
                "limit": 5, "key_count": 2, "origin": "https://app.example.com",
            })
        );
    }
}
