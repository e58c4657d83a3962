//! Azure's host of OpenAI's API: other paths, other credentials, a content filter, other words for errors. Bodies
//! are OpenAI's, and so checked and answered there.
//!
//! | family | paths |
//! |---|---|
//! | dated | `/openai/deployments/{deployment}/{chat/completions,embeddings}?api-version=2024-10-21`, `/openai/{responses,models}?api-version=…-preview` |
//! | v1 | `/openai/v1/…`, the deployment is the body's `model` |

pub(crate) mod error;
#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::fake::asked::{Incoming, Refusal, Routed, decoded};
use crate::fake::{Ctx, ENTRA_TOKEN};
use crate::openai::{self, Host};
use error::{denied, deployment_not_found, not_found};

/// From here on streams of the dated family may say their usage.
const USAGE_SINCE: &str = "2024-09-01";
/// From here on the dated family has Responses, as a preview.
const RESPONSES_SINCE: &str = "2025-03-01";

/// Finds out what a call asks for.
pub(crate) fn route(ctx: &Ctx, call: &Incoming) -> Result<Routed, Refusal> {
    check_key(ctx, call)?;
    let path = call.path.strip_prefix("/openai/").ok_or_else(not_found)?;
    if let Some(path) = path.strip_prefix("v1/") {
        let version = call.parameter("api-version").unwrap_or("v1");
        if !["v1", "preview"].contains(&version) {
            return Err(not_found());
        }
        return openai::serve(ctx, call, path, Host { azure: true, deployment: None });
    }
    let version = call.parameter("api-version").filter(|v| is_version(v)).ok_or_else(not_found)?;
    if let Some((deployment, path)) = path.strip_prefix("deployments/").and_then(|rest| rest.split_once('/'))
    {
        let deployment = decoded(deployment);
        if !["chat/completions", "embeddings"].contains(&path) {
            return Err(not_found());
        }
        if deployment.starts_with("missing") {
            return Err(deployment_not_found());
        }
        if version < USAGE_SINCE
            && call.json.as_ref().is_some_and(|body| body.get("stream_options").is_some())
        {
            let bad = crate::fake::look::Bad::new(crate::fake::look::What::Unknown, "stream_options", "");
            return Err(openai::error::refuse(&bad, true));
        }
        return openai::serve(ctx, call, path, Host { azure: true, deployment: Some(&deployment) });
    }
    let preview = version.ends_with("-preview");
    match path.split('/').next() {
        Some("responses") if preview && version >= RESPONSES_SINCE => {
            openai::serve(ctx, call, path, Host { azure: true, deployment: None })
        }
        Some("models") => openai::serve(ctx, call, path, Host { azure: true, deployment: None }),
        _ => Err(not_found()),
    }
}

/// `YYYY-MM-DD` of a general release that there was, or any `YYYY-MM-DD-preview`.
fn is_version(version: &str) -> bool {
    let general = ["2023-05-15", "2024-02-01", "2024-06-01", "2024-10-21"];
    let (date, preview) = match version.strip_suffix("-preview") {
        Some(date) => (date, true),
        None => (version, false),
    };
    let shape = date.len() == 10
        && date
            .bytes()
            .enumerate()
            .all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
    shape && (preview || general.contains(&date))
}

/// A key in `api-key`, or a token of Entra; the v1 family takes the key as a bearer as well.
fn check_key(ctx: &Ctx, call: &Incoming) -> Result<(), Refusal> {
    if let Some(key) = call.header("api-key") {
        return if key == ctx.key { Ok(()) } else { Err(denied()) };
    }
    match call.bearer() {
        Some(ENTRA_TOKEN) => Ok(()),
        Some(key) if key == ctx.key && call.path.starts_with("/openai/v1/") => Ok(()),
        _ => Err(denied()),
    }
}

/// A body in Azure's own shape.
fn body(code: &str, message: &str) -> Value {
    serde_json::json!({"error": {"code": code, "message": message}})
}
