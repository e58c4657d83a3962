//! A canonical request as a `generateContent` body.
//!
//! | canonical | Gemini | file |
//! |---|---|---|
//! | system, and sentences that stand for what has no field | `systemInstruction.parts[].text` | here |
//! | turns | `contents[]`, neighbours of one role merged | `contents` |
//! | images, recordings, documents | `inlineData`, `fileData` | `media` |
//! | tool results | `functionResponse` of the call's name, always an object | `result` |
//! | tools, tool choice, strictness | `functionDeclarations[].parametersJsonSchema`, `functionCallingConfig` | `tools` |
//! | names that are not allowed | made legal, with a hash; the way back is in [`Encoded::renamed`] | `names` |
//! | limits, sampling, output form, reasoning | `generationConfig` | `config`, `thinking` |
//! | service tier | `serviceTier` | here |
//! | cache marks, cache key, end user, metadata | nothing: caching is implicit, labels are another product's | – |
//! | `n` > 1, log probabilities, previous responses | refused, naming the field | here |
//! | anything else that has no place | a warning | here |

mod config;
mod contents;
mod media;
mod names;
mod result;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use self::names::Names;
use crate::canonical::{Request, Warnings};
use crate::catalogue::{Profile, ReasoningControl};
use crate::dialect::Dialect;
use crate::dialect::codec::{Encoded, Target};
use crate::fault::{Fault, FaultCode};

/// The body of `generateContent` and `streamGenerateContent`; model and streaming stand in the address.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] naming the field that cannot be carried.
pub fn encode_request(
    request: &Request,
    target: &Target<'_>,
    warnings: &mut Warnings,
) -> Result<Encoded, Fault> {
    refuse(request)?;
    let mut names = Names::default();
    let mut sentences = Vec::new();
    let tools = tools::encode(request, target, &mut names, &mut sentences, warnings)?;
    let config = config::encode(request, target, tools.offered(), &mut sentences, warnings)?;
    let contents = contents::encode(request, target, &mut names, warnings)?;
    let mut body = Map::new();
    body.insert("contents".into(), contents.into());
    let texts = request.system.iter().map(|system| &system.text).chain(&sentences);
    let system: Vec<Value> =
        texts.filter(|text| !text.is_empty()).map(|text| json!({ "text": text })).collect();
    if !system.is_empty() {
        body.insert("systemInstruction".into(), json!({ "parts": system }));
    }
    let wrapped = tools.write(&mut body);
    if !config.is_empty() {
        body.insert("generationConfig".into(), config.into());
    }
    if let Some(tier) = tier(request, warnings) {
        body.insert("serviceTier".into(), tier.into());
    }
    for field in request.rest.keys() {
        warnings.add("unknown_field_dropped", field);
    }
    let body = serde_json::to_vec(&body).map_err(|_| {
        Fault::new(FaultCode::Internal, "The request for the model's provider could not be written.")
    })?;
    Ok(Encoded { body: Bytes::from(body), headers: Vec::new(), wrapped, renamed: names.into_renamed() })
}

/// What has no place at Gemini and changes the meaning of the request.
fn refuse(request: &Request) -> Result<(), Fault> {
    if request.sampling.n.is_some_and(|n| n > 1) {
        return Err(unsupported("n", "more than one answer to a request"));
    }
    if request.sampling.logprobs {
        return Err(unsupported(
            word(request, "logprobs", "top_logprobs", "logprobs"),
            "log probabilities in this dialect",
        ));
    }
    if request.wants_sound() {
        return Err(unsupported("modalities", "the wish for sound"));
    }
    if request.max_tokens == Some(0) {
        let field = word(request, "max_completion_tokens", "max_output_tokens", "max_tokens");
        return Err(unsupported(field, "a limit of no tokens"));
    }
    if request.state.previous_id.is_some() {
        return Err(unsupported("previous_response_id", "going on from an earlier response"));
    }
    if request.state.conversation.is_some() {
        return Err(unsupported("conversation", "stored conversations"));
    }
    Ok(())
}

/// OpenAI's words as Gemini's; the standard tier needs none.
fn tier<'a>(request: &'a Request, warnings: &mut Warnings) -> Option<&'a str> {
    match request.service_tier.as_deref()? {
        tier @ ("flex" | "priority") => Some(tier),
        "auto" | "default" | "standard" | "standard_only" => None,
        _ => {
            warnings.add("parameter_dropped", "service_tier");
            None
        }
    }
}

/// The field's name in the caller's dialect.
fn word(
    request: &Request,
    chat: &'static str,
    responses: &'static str,
    messages: &'static str,
) -> &'static str {
    match request.dialect {
        Dialect::OpenaiResponses => responses,
        Dialect::AnthropicMessages => messages,
        _ => chat,
    }
}

/// Whether the model is of the 2.5 family or older: it steers thinking by budget, does not check signatures, takes
/// no media in function responses and no JSON output beside function tools.
fn is_budget_family(profile: &Profile) -> bool {
    matches!(profile.reasoning, ReasoningControl::Budget { .. } | ReasoningControl::None)
}

fn invalid(param: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault::new(FaultCode::InvalidRequest, message).with_param(param)
}

fn unsupported(param: impl Into<String>, what: &str) -> Fault {
    let param = param.into();
    let message = format!("`{param}` cannot be carried: the model's provider does not take {what}.");
    invalid(param, message)
}
