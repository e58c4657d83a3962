//! Who takes part: the callers' dialects, the providers with the models that exercise the rules, and one question of
//! each caller that answers are given to.

use bytes::Bytes;
use proto::canonical::{Carrier, Opaque, OpaqueKind, Origin};
use proto::catalogue::{self, Profile, ReasoningControl};
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::dialect::caller::scan;
use proto::dialect::codec::Target;
use proto::dialect::exchange::{Ask, Exchange};
use proto::dialect::openai_chat::tools_with_reasoning;
use proto::fault::Fault;
use proto::id::RequestId;
use proto::secret::Secret;
use serde_json::{Value, json};

pub(crate) const CALLERS: [Dialect; 3] =
    [Dialect::OpenaiChat, Dialect::OpenaiResponses, Dialect::AnthropicMessages];

/// Dialects that providers answer in.
pub(crate) const PROVIDERS: [Dialect; 5] = [
    Dialect::OpenaiChat,
    Dialect::OpenaiResponses,
    Dialect::AnthropicMessages,
    Dialect::Gemini,
    Dialect::BedrockConverse,
];

/// A provider and a model there; the name before `=` is the one that is sent where it does not tell the model.
pub(crate) const TARGETS: [(ProviderKind, &str); 14] = [
    (ProviderKind::Openai, "gpt-4.1"),
    (ProviderKind::Openai, "gpt-5.6-sol"),
    (ProviderKind::OpenaiCompatible, "local"),
    (ProviderKind::Anthropic, "claude-3-5-haiku-20241022"),
    (ProviderKind::Anthropic, "claude-sonnet-4-5"),
    (ProviderKind::Anthropic, "claude-opus-5-5"),
    (ProviderKind::AzureOpenai, "plain=gpt-4.1"),
    (ProviderKind::AzureOpenai, "thinker=gpt-5.6-sol"),
    (ProviderKind::Gemini, "gemini-2.0-flash"),
    (ProviderKind::Gemini, "gemini-2.5-flash"),
    (ProviderKind::Gemini, "gemini-3.8-flash"),
    (ProviderKind::Bedrock, "amazon.nova-pro-v1:0"),
    (ProviderKind::Bedrock, "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
    (ProviderKind::Bedrock, "us.anthropic.claude-opus-5-5"),
];

/// A provider with a model.
pub(crate) struct Place {
    pub(crate) kind: ProviderKind,
    pub(crate) origin: Origin,
    pub(crate) profile: Profile,
}

impl Place {
    pub(crate) fn new(kind: ProviderKind, model: &str) -> Self {
        let (model, underlying) = model.split_once('=').unwrap_or((model, model));
        let origin = Origin { provider: kind.as_str().into(), model: model.into() };
        Self { kind, origin, profile: catalogue::profile(kind, underlying) }
    }

    pub(crate) fn target(&self) -> Target<'_> {
        Target { kind: self.kind, origin: &self.origin, profile: &self.profile }
    }

    /// What it is asked in: as the workers' table of providers has it.
    pub(crate) fn dialect(&self, caller: Dialect, body: &[u8]) -> Dialect {
        let needs_responses = caller == Dialect::OpenaiChat && self.profile.tools_need_responses;
        match self.kind {
            ProviderKind::Openai | ProviderKind::AzureOpenai
                if needs_responses && tools_with_reasoning(body) =>
            {
                Dialect::OpenaiResponses
            }
            ProviderKind::Anthropic => Dialect::AnthropicMessages,
            ProviderKind::Gemini => Dialect::Gemini,
            ProviderKind::Bedrock => Dialect::BedrockConverse,
            ProviderKind::OpenaiCompatible | ProviderKind::Scripted => Dialect::OpenaiChat,
            ProviderKind::Openai | ProviderKind::AzureOpenai => match caller {
                Dialect::OpenaiChat | Dialect::OpenaiResponses => caller,
                _ if matches!(self.profile.reasoning, ReasoningControl::Effort { .. }) => {
                    Dialect::OpenaiResponses
                }
                _ => Dialect::OpenaiChat,
            },
        }
    }
}

/// Where answers of a dialect come from.
pub(crate) fn answering(dialect: Dialect, case: &str) -> Place {
    match dialect {
        Dialect::OpenaiResponses => Place::new(ProviderKind::Openai, "gpt-5.6-sol"),
        Dialect::AnthropicMessages => Place::new(ProviderKind::Anthropic, "claude-sonnet-4-5"),
        Dialect::Gemini => Place::new(ProviderKind::Gemini, "gemini-3.8-flash"),
        // A model that has to be given the schema as a tool.
        Dialect::BedrockConverse if case == "answer_tool" => {
            Place::new(ProviderKind::Bedrock, "amazon.nova-pro-v1:0")
        }
        Dialect::BedrockConverse => {
            Place::new(ProviderKind::Bedrock, "us.anthropic.claude-sonnet-4-5-20250929-v1:0")
        }
        Dialect::OpenaiChat | Dialect::OpenaiEmbeddings => {
            Place::new(ProviderKind::OpenaiCompatible, "local")
        }
    }
}

pub(crate) fn carrier() -> Carrier {
    Carrier::new(&Secret::new([7; 32]))
}

/// A body with its `$token:kind:model:data` made tokens of ours, as an earlier answer gave them to the caller.
pub(crate) fn with_tokens(body: &[u8]) -> Bytes {
    let text = std::str::from_utf8(body).unwrap();
    let mut pieces = text.split("$token:");
    let mut out = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let end = piece.find('"').unwrap();
        let words: Vec<&str> = piece[..end].splitn(4, '|').collect();
        let kind = match words[2] {
            "signature" => OpaqueKind::Signature,
            "redacted" => OpaqueKind::Redacted,
            "encrypted" => OpaqueKind::Encrypted,
            _ => OpaqueKind::ThoughtSignature,
        };
        let origin = Origin { provider: words[0].into(), model: words[1].into() };
        let opaque = Opaque { origin: None, kind, data: words[3].into() };
        out.push_str(&carrier().wrap(&opaque, &origin));
        out.push_str(&piece[end..]);
    }
    out.into()
}

/// Prepares the exchange of `body`.
pub(crate) fn prepare(
    caller: Dialect,
    body: &Bytes,
    place: &Place,
    dialect: Dialect,
) -> Result<Exchange, Fault> {
    let scan = scan(caller, body)?;
    let ask = Ask {
        dialect: caller,
        body,
        model: &scan.model,
        stream: scan.stream,
        include_usage: scan.include_usage,
        strict: false,
        forget: false,
        anthropic: (None, None),
        request: request_id(),
        price: None,
        input_estimate: 21,
        carrier: &carrier(),
    };
    Exchange::prepare(&ask, &place.target(), dialect, &mut None)
}

pub(crate) fn request_id() -> RequestId {
    "req_01890a5d1f2c7000800000000000beef".parse().unwrap()
}

/// What is asked where the answer is the point: a question with tools, in the caller's dialect.
pub(crate) fn question(caller: Dialect, case: &str) -> Bytes {
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    let answer = json!({"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"], "additionalProperties": false});
    let mut body = match caller {
        Dialect::OpenaiChat => json!({
            "model": "alias", "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "user", "content": "Well?"}],
            "tools": [
                {"type": "function", "function": {"name": "get_weather", "parameters": schema}},
                {"type": "custom", "custom": {"name": "shell"}},
            ],
        }),
        Dialect::OpenaiResponses => json!({
            "model": "alias", "stream": true, "input": "Well?",
            "tools": [
                {"type": "function", "name": "get_weather", "parameters": schema},
                {"type": "custom", "name": "shell"},
            ],
        }),
        _ => json!({
            "model": "alias", "stream": true, "max_tokens": 1000,
            "messages": [{"role": "user", "content": "Well?"}],
            "tools": [{"name": "get_weather", "input_schema": schema}],
        }),
    };
    if case == "answer_tool" {
        let (field, value) = match caller {
            Dialect::OpenaiChat => (
                "response_format",
                json!({"type": "json_schema", "json_schema": {"name": "who", "schema": answer}}),
            ),
            Dialect::OpenaiResponses => {
                ("text", json!({"format": {"type": "json_schema", "name": "who", "schema": answer}}))
            }
            _ => ("output_config", json!({"format": {"type": "json_schema", "schema": answer}})),
        };
        body[field] = value;
    }
    if case == "hidden_usage" {
        body["stream_options"] = Value::Null;
    }
    serde_json::to_vec(&body).unwrap().into()
}
