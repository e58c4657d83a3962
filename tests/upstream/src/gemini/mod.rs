//! Google's Gemini API (`generativelanguage.googleapis.com`, `v1beta` and `v1`): generateContent whole and streamed, counting,
//! embeddings, models. Field names are taken in camel and in snake case, as the service takes them: its own SDK sends both.
//!
//! Sources: types and clients of the vendor's Python SDK 3.3, read 2026-11.

pub(crate) mod answer;
mod check;
mod config;
mod contents;
mod embed;
pub(crate) mod error;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod tools;

use serde_json::{Value, json};

use crate::fake::Ctx;
use crate::fake::asked::{Fixed, Form, Incoming, Refusal, Routed, decoded};
use error::{refusal, refuse};

/// What stands for the signature of a call that Gemini did not make.
pub(crate) const SENTINEL: &str = "skip_thought_signature_validator";

/// Finds out what a call asks for.
pub(crate) fn route(ctx: &Ctx, call: &Incoming) -> Result<Routed, Refusal> {
    check_key(ctx, call)?;
    let unknown = || refusal(404, "NOT_FOUND", "Requested entity was not found.");
    let path = call.path.strip_prefix("/v1beta/").or_else(|| call.path.strip_prefix("/v1/"));
    let path = path.and_then(|path| path.strip_prefix("models")).ok_or_else(unknown)?;
    if call.method == "GET" {
        let body = match path.strip_prefix('/') {
            None if path.is_empty() => {
                json!({"models": [model("gemini-3.8-flash"), model("gemini-2.5-pro")]})
            }
            Some(name) if !name.contains([':', '/']) => model(&decoded(name)),
            _ => return Err(unknown()),
        };
        return Ok(Fixed::free(Form::Models, body));
    }
    let (name, verb) = path.strip_prefix('/').and_then(|rest| rest.rsplit_once(':')).ok_or_else(unknown)?;
    let name = decoded(name);
    if call.method != "POST" || name.contains('/') {
        return Err(unknown());
    }
    if !name.starts_with("gemini-") {
        let message = format!(
            "models/{name} is not found for API version v1beta, or is not supported for {verb}. Call ListModels to see the list of available models and their supported methods."
        );
        return Err(refusal(404, "NOT_FOUND", &message));
    }
    let body = call.json.as_ref().map(camel);
    let body = body.as_ref().ok_or_else(|| {
        refusal(400, "INVALID_ARGUMENT", "Invalid JSON payload received. Expected an object.")
    })?;
    match verb {
        "generateContent" | "streamGenerateContent" => {
            let mut asked = check::check(ctx, body, &name).map_err(|bad| refuse(&bad))?;
            asked.stream = verb == "streamGenerateContent";
            asked.variant = asked.stream && call.parameter("alt") != Some("sse");
            Ok(Routed::Ask(Box::new(asked)))
        }
        "countTokens" => {
            let request = body.get("generateContentRequest").unwrap_or(body);
            let asked = check::counted(ctx, request, &name).map_err(|bad| refuse(&bad))?;
            let tokens = 11 + asked.last_text.len() / 4;
            Ok(Fixed::free(
                Form::Count,
                json!({"totalTokens": tokens,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": tokens}]}),
            ))
        }
        "embedContent" => embed::one(body, &name).map_err(|bad| refuse(&bad)),
        "batchEmbedContents" => embed::batch(body, &name).map_err(|bad| refuse(&bad)),
        _ => Err(unknown()),
    }
}

/// The key as `x-goog-api-key` or in the query. A wrong one is a bad argument, none is a lack of permission.
fn check_key(ctx: &Ctx, call: &Incoming) -> Result<(), Refusal> {
    match call.header("x-goog-api-key").or_else(|| call.parameter("key")) {
        Some(key) if key == ctx.key => Ok(()),
        Some(_) => Err(error::bad_key()),
        None if call.header("authorization").is_some() => {
            let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.";
            Err(refusal(401, "UNAUTHENTICATED", message))
        }
        None => {
            let message = "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or other form of API consumer identity to call this API.";
            Err(refusal(403, "PERMISSION_DENIED", message))
        }
    }
}

fn model(name: &str) -> Value {
    json!({"name": format!("models/{name}"), "displayName": name, "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"]})
}

/// The body with its field names in camel case; what is the caller's own (arguments, results, schemas) as it is.
fn camel(value: &Value) -> Value {
    const OWN: [&str; 5] = ["args", "response", "parametersJsonSchema", "responseJsonSchema", "labels"];
    match value {
        Value::Array(list) => list.iter().map(camel).collect(),
        Value::Object(map) => {
            let field = |(key, below): (&String, &Value)| {
                let mut words = key.split('_');
                let mut name = words.next().unwrap_or_default().to_owned();
                for word in words {
                    let mut chars = word.chars();
                    name.extend(chars.next().map(|first| first.to_ascii_uppercase()));
                    name.push_str(chars.as_str());
                }
                let below = match below {
                    _ if OWN.contains(&name.as_str()) => below.clone(),
                    Value::Object(named) if name == "properties" => {
                        Value::Object(named.iter().map(|(key, below)| (key.clone(), camel(below))).collect())
                    }
                    below => camel(below),
                };
                (name, below)
            };
            Value::Object(map.iter().map(field).collect())
        }
        other => other.clone(),
    }
}
