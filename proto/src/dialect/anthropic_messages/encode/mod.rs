//! The canonical request to a provider's body.
//!
//! | ours | theirs | file |
//! |---|---|---|
//! | `system`, `turns` | `system`, `messages`, in the order and shape the dialect insists on | `turns`, `blocks` |
//! | `tools`, `tool_choice`, `parallel_tools` | `tools`, `tool_choice` | `tools` |
//! | `output` | `output_config.format`, a forced tool, or a sentence of instructions | `output`, `schema` |
//! | `reasoning` | `thinking`, `output_config.effort` | `thinking` |
//! | `max_tokens`, `sampling`, `stop`, tier, end user | the same, as far as the model takes them | `params` |
//! | cache marks | `cache_control`, at most four | `cache` |
//! | `rest` | as it stands for a caller of this dialect, else a warning each | `params` |
//!
//! The version is 2026-10-21, or 2023-06-01 where sampling parameters are sent: the newer one refuses them.

mod blocks;
mod cache;
mod output;
mod params;
pub(super) mod schema;
mod thinking;
mod tools;
mod turns;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::canonical::{At, Request, Warnings};
use crate::dialect::Dialect;
use crate::dialect::codec::{Encoded, Target, Wrapped};
use crate::fault::{Fault, FaultCode};

/// The version for models that take sampling parameters.
const VERSION_SAMPLING: &str = "2023-06-01";
/// The version for all else.
const VERSION: &str = "2026-10-21";

/// Writes a request for a provider.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] naming what cannot be carried.
pub fn encode_request(
    request: &Request,
    target: &Target<'_>,
    warnings: &mut Warnings,
) -> Result<Encoded, Fault> {
    Encoding {
        request,
        target: *target,
        warnings,
        wrapped: Vec::new(),
        renamed: Vec::new(),
        sentences: Vec::new(),
        betas: Vec::new(),
    }
    .encode()
}

/// A body in the making.
struct Encoding<'a> {
    request: &'a Request,
    target: Target<'a>,
    warnings: &'a mut Warnings,
    wrapped: Vec<(String, Wrapped)>,
    renamed: Vec<(String, String)>,
    /// Instructions that stand for what the model cannot be told otherwise.
    sentences: Vec<String>,
    betas: Vec<&'static str>,
}

impl Encoding<'_> {
    fn encode(mut self) -> Result<Encoded, Fault> {
        self.refuse_unsupported()?;
        let max_tokens = self.request.max_tokens.unwrap_or(self.target.profile.output_tokens);
        let (mut system, messages) = self.turns()?;
        let thinking = self.thinking(&messages, max_tokens);
        let mut tools = self.tools()?;
        let format = self.output(&thinking, &mut tools);
        let choice = self.tool_choice(&thinking, &mut tools);

        let mut body = Map::new();
        body.insert("model".into(), self.target.origin.model.as_str().into());
        body.insert("max_tokens".into(), max_tokens.into());
        if self.request.stream {
            body.insert("stream".into(), true.into());
        }
        system.extend(self.sentences.drain(..).map(|text| json!({ "type": "text", "text": text })));
        if !system.is_empty() {
            body.insert("system".into(), system.into());
        }
        let messages: Vec<Value> = messages.into_iter().map(turns::Message::into_value).collect();
        body.insert("messages".into(), messages.into());
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.into(), value);
            }
        };
        put("tools", (!tools.is_empty()).then(|| tools.into()));
        put("tool_choice", choice);
        put("thinking", thinking.field.clone());
        let mut config = Map::new();
        config.extend(thinking.effort.map(|effort| ("effort".into(), effort.as_str().into())));
        config.extend(format.map(|format| ("format".into(), format)));
        put("output_config", (!config.is_empty()).then(|| config.into()));
        let version = if self.sampling(&thinking, &mut body) { VERSION_SAMPLING } else { VERSION };
        self.params(&mut body);
        self.rest(&mut body);
        self.limit_marks(&mut body);

        let mut headers = vec![("anthropic-version", version.to_owned())];
        if !self.betas.is_empty() {
            headers.push(("anthropic-beta", self.betas.join(",")));
        }
        // A tree of JSON values always serialises.
        let body = Bytes::from(serde_json::to_vec(&body).unwrap_or_default());
        Ok(Encoded { body, headers, wrapped: self.wrapped, renamed: self.renamed })
    }

    /// Whether the caller speaks this dialect, too: then it means what it says.
    fn native(&self) -> bool {
        self.request.dialect == Dialect::AnthropicMessages
    }

    /// The name of a field in the caller's dialect.
    fn field(&self, chat: &'static str, responses: &'static str, messages: &'static str) -> &'static str {
        match self.request.dialect {
            Dialect::OpenaiResponses => responses,
            Dialect::AnthropicMessages => messages,
            Dialect::OpenaiChat | Dialect::OpenaiEmbeddings | Dialect::Gemini | Dialect::BedrockConverse => {
                chat
            }
        }
    }

    fn warn(&mut self, code: &'static str, field: impl Into<String>) {
        self.warnings.add(code, field);
    }

    fn warn_at(&mut self, code: &'static str, at: At) {
        self.warnings.add(code, self.request.path(at));
    }

    fn refuse_at(&self, at: At, why: &str) -> Fault {
        refuse(&self.request.path(at), why)
    }
}

/// A refusal that names what cannot be carried.
fn refuse(path: &str, why: &str) -> Fault {
    Fault::new(FaultCode::InvalidRequest, format!("`{path}` {why}")).with_param(path)
}

#[cfg(test)]
mod tests;
