//! Bedrock's runtime: Converse, ConverseStream, counting, and embeddings by InvokeModel.
//!
//! Sources: botocore 1.44's service model of 2023-09-30, the vendor's pages, read 2026-11.

pub(crate) mod answer;
mod auth;
mod blocks;
mod check;
pub(crate) mod error;
mod invoke;
mod messages;
pub(crate) mod stream;
#[cfg(test)]
mod tests;
mod tools;

use serde_json::{Value, json};

use crate::anthropic::model::Claude;
use crate::fake::Ctx;
use crate::fake::asked::{Fixed, Form, Incoming, Refusal, Routed, decoded};
use crate::fake::script::Script;
use error::{refusal, refuse, validation};

const GEOS: [&str; 7] = ["us", "eu", "apac", "au", "jp", "us-gov", "global"];

/// Finds out what a call asks for.
pub(crate) fn route(ctx: &Ctx, call: &Incoming) -> Result<Routed, Refusal> {
    auth::check(ctx, call)?;
    let unknown = || refusal(404, "UnknownOperationException", "Unknown operation.");
    let rest = call.path.strip_prefix("/model/").ok_or_else(unknown)?;
    // The id is one segment: a slash in it must have come as %2F.
    let (id, operation) = rest.split_once('/').ok_or_else(unknown)?;
    if call.method != "POST" || operation.contains('/') {
        return Err(unknown());
    }
    let model = decoded(id);
    check_model(&model)?;
    // SDKs leave it out of InvokeModel.
    if call.header("content-type").is_some() && !call.says_json() {
        return Err(validation("The content type must be application/json"));
    }
    let body = call
        .json
        .as_ref()
        .ok_or_else(|| refusal(400, "SerializationException", "The request body is not valid JSON"))?;
    match operation {
        "converse" | "converse-stream" => {
            let mut asked = check::check(ctx, body, &model).map_err(|bad| refuse(&bad))?;
            asked.stream = operation == "converse-stream";
            Ok(Routed::Ask(Box::new(asked)))
        }
        "count-tokens" => {
            let inner =
                body.pointer("/input/converse").ok_or_else(|| validation("input: converse is required"))?;
            let asked = check::check(ctx, inner, &model).map_err(|bad| refuse(&bad))?;
            let tokens = 11 + asked.last_text.len() / 4;
            Ok(Fixed::free(Form::Count, json!({"inputTokens": tokens})))
        }
        "invoke" => invoke::answer(body, &model).map_err(|bad| refuse(&bad)),
        _ => Err(unknown()),
    }
}

/// The id without a place in the world in front of it, and whether there was one.
pub(crate) fn without_geo(id: &str) -> (&str, bool) {
    match id.split_once('.').filter(|(geo, _)| GEOS.contains(geo)) {
        Some((_, id)) => (id, true),
        None => (id, false),
    }
}

/// A model is `vendor.name`, maybe with a geo in front, or an ARN; newer Claudes are only behind profiles.
fn check_model(model: &str) -> Result<(), Refusal> {
    if model.starts_with("arn:aws") {
        return Ok(());
    }
    let base = Script::base(model);
    let (id, profile) = without_geo(base);
    let vendor = id.split_once('.').is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty());
    if !vendor {
        return Err(validation("The provided model identifier is invalid."));
    }
    if !profile && Claude::of(id).is_some_and(|claude| !claude.prefills()) {
        let message = format!(
            "Invocation of model ID {base} with on-demand throughput isn’t supported. Retry your request with the ID or ARN of an inference profile that contains this model."
        );
        return Err(validation(&message));
    }
    Ok(())
}

/// The extra fields of a request that its model takes.
fn extras(body: &Value) -> &Value {
    body.get("additionalModelRequestFields").unwrap_or(&Value::Null)
}
