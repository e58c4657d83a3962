//! OpenAI's API: Chat Completions, Responses, Embeddings and models.
//!
//! Sources: the vendor's OpenAPI document and the types of its Python SDK 3.51, read 2026-11. Wordings of errors are
//! the service's where they are known; what tells a gateway what to do (status, type, code, param) always is.

pub(crate) mod chat;
pub(crate) mod embeddings;
pub(crate) mod error;
pub(crate) mod model;
pub(crate) mod responses;

use serde_json::{Value, json};

use crate::fake::Ctx;
use crate::fake::asked::{Asked, Fixed, Form, Incoming, Refusal, Routed};
use crate::fake::look::{Bad, Found};
use error::{refusal, refuse, unknown_url};

/// What differs between the hosts that speak this API.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Host<'a> {
    /// Azure's answers.
    pub azure: bool,
    /// The deployment that the path names; it stands in for the body's model.
    pub deployment: Option<&'a str>,
}

/// Finds out what a call asks for.
pub(crate) fn route(ctx: &Ctx, call: &Incoming) -> Result<Routed, Refusal> {
    let Some(path) = call.path.strip_prefix("/v1/") else { return Err(unknown_url(call)) };
    check_key(ctx, call)?;
    serve(ctx, call, path, Host::default())
}

fn check_key(ctx: &Ctx, call: &Incoming) -> Result<(), Refusal> {
    let wrong = |message: &str| refusal(401, "invalid_request_error", None, Some("invalid_api_key"), message);
    match call.bearer() {
        Some(key) if key == ctx.key => Ok(()),
        Some(_) => {
            Err(wrong("Incorrect API key provided: sk-fake*****. You can find your API key in your account."))
        }
        None => Err(wrong(
            "You didn't provide an API key. You need to provide it in an Authorization header using Bearer auth.",
        )),
    }
}

/// Serves a path behind the version.
pub(crate) fn serve(ctx: &Ctx, call: &Incoming, path: &str, host: Host<'_>) -> Result<Routed, Refusal> {
    let checked = |found: Found<Asked>| {
        let mut asked = found.map_err(|bad| refuse(&bad, host.azure))?;
        asked.variant = host.azure;
        Ok(Routed::Ask(Box::new(asked)))
    };
    match (call.method.as_str(), path) {
        ("POST", "chat/completions") => checked(chat::check::check(json_body(call)?, host)),
        ("POST", "responses") => checked(responses::check::check(ctx, json_body(call)?, host)),
        ("POST", "embeddings") => {
            embeddings::answer(json_body(call)?, host).map_err(|bad| refuse(&bad, host.azure))
        }
        ("POST", "responses/input_tokens") => {
            let asked = responses::check::check(ctx, json_body(call)?, host);
            let asked = asked.map_err(|bad| refuse(&bad, host.azure))?;
            let tokens = 11 + asked.last_text.len() / 4;
            Ok(Fixed::free(Form::Count, json!({"object": "response.input_tokens", "input_tokens": tokens})))
        }
        ("GET" | "DELETE", path) if path.starts_with("responses/") => {
            ctx.stored.serve(&call.method, path.trim_start_matches("responses/"))
        }
        ("GET", "models") => Ok(Fixed::free(Form::Models, models())),
        ("GET", path) if path.starts_with("models/") => {
            Ok(Fixed::free(Form::Models, model(path.trim_start_matches("models/"))))
        }
        (_, "chat/completions" | "responses" | "embeddings" | "models") => {
            Err(refusal(405, "invalid_request_error", None, None, "Not allowed to use this method."))
        }
        _ => Err(unknown_url(call)),
    }
}

fn json_body(call: &Incoming) -> Result<&Value, Refusal> {
    let wrong = |message| refusal(400, "invalid_request_error", None, None, message);
    if !call.says_json() {
        return Err(wrong("you must provide a JSON content type: application/json"));
    }
    call.json.as_ref().ok_or_else(|| wrong("We could not parse the JSON body of your request."))
}

fn models() -> Value {
    let names = ["gpt-6-luna", "gpt-5.4-mini", "gpt-4.1-mini", "text-embedding-3-small"];
    json!({"object": "list", "data": names.map(model)})
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1, "owned_by": "openai", "shutdown_date": null})
}

/// Checks key-value pairs of the caller's own.
pub(crate) fn check_metadata(top: &crate::fake::look::Obj<'_>) -> Found<()> {
    let Some(metadata) = top.obj("metadata")? else { return Ok(()) };
    if metadata.map.len() > 16 {
        return Err(Bad::value("metadata", "too many properties: expected at most 16"));
    }
    for key in metadata.map.keys() {
        let value = metadata.need_text(key)?;
        if key.chars().count() > 64 || value.chars().count() > 512 {
            return Err(Bad::value(metadata.at(key), "string too long"));
        }
    }
    Ok(())
}
