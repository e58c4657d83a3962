//! A body for Converse from a canonical request.
//!
//! | canonical | Converse |
//! |---|---|
//! | `system`, sentences that stand for what cannot be said otherwise | `system[]` |
//! | `turns` (`turns`, `blocks`) | `messages[]`, roles alternating, tool results first |
//! | `tools`, `tool_choice` (`tools`) | `toolConfig`, there whenever the history has tool blocks |
//! | `output` (`output`) | `outputConfig.textFormat`, else a forced tool, else a sentence |
//! | `reasoning` (`thinking`) | `additionalModelRequestFields` (Claude, Nova), else `outputConfig.effort` |
//! | `max_tokens`, `sampling`, `stop` (`sampling`) | `inferenceConfig` |
//! | cache marks (`marks`) | `cachePoint` blocks, the last four |
//! | `service_tier` | `serviceTier` |
//! | `metadata`, `end_user` | `requestMetadata`, as far as its alphabet goes |
//! | `state.store`, `.background` | nothing: the gateway's own |
//!
//! Addresses of pictures and documents are refused: Converse takes bytes, and an `s3://` address would be read
//! with our credentials, not the caller's.

mod blocks;
mod fields;
mod marks;
mod names;
mod output;
mod sampling;
#[cfg(test)]
mod tests;
mod thinking;
mod tools;
mod turns;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use self::fields::Field;
use self::marks::Marks;
use self::names::ToolNames;
use crate::canonical::{CacheMark, Request, SystemText, Warnings};
use crate::catalogue::Tokenizer;
use crate::dialect::Dialect;
use crate::dialect::codec::{Encoded, Target, Wrapped};
use crate::fault::{Fault, FaultCode};

/// What every part of the encoder looks at.
struct Context<'a> {
    request: &'a Request,
    target: &'a Target<'a>,
    family: Family,
    warnings: &'a mut Warnings,
    /// Function tools that stand for something else.
    wrapped: Vec<(String, Wrapped)>,
    names: ToolNames,
    /// Sentences to add to the instructions.
    sentences: Vec<String>,
}

/// Whose model it is, as far as extra fields go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Claude,
    Nova,
    Openai,
    Other,
}

impl Family {
    /// By the name, and where that says nothing (an ARN) by the profile of the model behind it.
    fn of(target: &Target<'_>) -> Self {
        let model = target.origin.model.as_str();
        let claude = matches!(target.profile.tokenizer, Tokenizer::Claude | Tokenizer::Claude47);
        if claude || model.contains("anthropic.") {
            Self::Claude
        } else if model.contains("amazon.nova") {
            Self::Nova
        } else if model.contains("openai.") {
            Self::Openai
        } else {
            Self::Other
        }
    }
}

impl Context<'_> {
    fn warn(&mut self, code: &'static str, field: impl Into<String>) {
        self.warnings.add(code, field);
    }

    /// The caller's name of a field.
    fn name(&self, field: Field) -> &'static str {
        field.name(self.request.dialect)
    }
}

fn refused(field: impl Into<String>, message: impl Into<String>) -> Fault {
    Fault::new(FaultCode::InvalidRequest, message).with_param(field)
}

/// Makes the body of a call of Converse or ConverseStream.
///
/// # Errors
/// [`FaultCode::InvalidRequest`] naming the field that cannot be carried.
pub fn encode_request(
    request: &Request,
    target: &Target<'_>,
    warnings: &mut Warnings,
) -> Result<Encoded, Fault> {
    let mut context = Context {
        request,
        target,
        family: Family::of(target),
        warnings,
        wrapped: Vec::new(),
        names: ToolNames::default(),
        sentences: Vec::new(),
    };
    context.refuse()?;
    let mut marks = Marks::of(request);
    let messages = turns::messages(&mut context, &mut marks)?;
    let thinking = thinking::plan(&mut context, &messages);
    let form = output::plan(&mut context, &thinking);
    let tools = tools::config(&mut context, &mut marks, &messages, &thinking, form.answer)?;
    let inference = sampling::inference(&mut context, &thinking)?;
    let system = context.system(&mut marks);
    if marks.dropped() {
        context.warn("cache_mark_dropped", context.name(Field::Marks));
    }
    context.drop_rest();

    let mut body = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(key.to_owned(), value);
        }
    };
    put("messages", Some(turns::written(messages)));
    put("system", (!system.is_empty()).then(|| Value::Array(system)));
    put("inferenceConfig", object(inference));
    put("toolConfig", tools.config);
    let mut extra = thinking.extra;
    extra.extend(tools.extra);
    extra.extend(sampling::extra(&mut context, thinking.on));
    put("additionalModelRequestFields", object(extra));
    put(
        "additionalModelResponseFieldPaths",
        context.wants_stop_sequence().then(|| json!(["/stop_sequence"])),
    );
    put("requestMetadata", object(context.metadata()));
    let mut output = form.config;
    output.extend(thinking.effort.map(|effort| ("effort".to_owned(), json!(effort))));
    put("outputConfig", object(output));
    put("serviceTier", context.tier().map(|tier| json!({ "type": tier })));
    let body = serde_json::to_vec(&Value::Object(body)).map(Bytes::from).unwrap_or_default();
    Ok(Encoded { body, headers: Vec::new(), wrapped: context.wrapped, renamed: context.names.into_renamed() })
}

fn object(map: Map<String, Value>) -> Option<Value> {
    (!map.is_empty()).then(|| Value::Object(map))
}

/// The form of a `requestMetadata` entry (AWS API reference, read 2026-11).
fn is_metadata(text: &str) -> bool {
    text.len() <= 256 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b" :_@$#=/+,-.".contains(&b))
}

impl Context<'_> {
    /// What no field of Converse carries and nobody would want dropped.
    fn refuse(&self) -> Result<(), Fault> {
        let request = self.request;
        let unsupported = [
            (request.sampling.n.is_some_and(|n| n != 1), "n"),
            (request.sampling.logprobs, "logprobs"),
            (request.wants_sound(), "modalities"),
            (request.state.previous_id.is_some(), "previous_response_id"),
            (request.state.conversation.is_some(), "conversation"),
        ];
        match unsupported.iter().find(|(asked, _)| *asked) {
            Some((_, field)) => Err(refused(*field, format!("Models at Bedrock do not take `{field}`."))),
            None => Ok(()),
        }
    }

    /// Converse tells the text that ended an answer only where the model's own field is asked for.
    fn wants_stop_sequence(&self) -> bool {
        self.family == Family::Claude && !self.request.stop.is_empty()
    }

    fn system(&mut self, marks: &mut Marks) -> Vec<Value> {
        let mut blocks = Vec::new();
        for SystemText { text, cache } in &self.request.system {
            if !text.trim().is_empty() {
                blocks.push(json!({ "text": text }));
            }
            self.mark(marks.system(*cache), &mut blocks, "system");
        }
        // Behind the marks, so that what is cached stays the same.
        blocks.extend(self.sentences.drain(..).map(|text| json!({ "text": text })));
        blocks
    }

    /// Puts a mark behind the last block, if there is one that can bear it.
    fn mark(&mut self, mark: Option<CacheMark>, blocks: &mut Vec<Value>, field: &str) {
        let Some(mark) = mark else { return };
        let bears = blocks
            .last()
            .is_some_and(|last| last.get("cachePoint").is_none() && last.get("reasoningContent").is_none());
        if !bears || !self.target.profile.cache_marks {
            return self.warn("cache_mark_dropped", field);
        }
        if self.request.dialect != Dialect::AnthropicMessages {
            self.warn("cache_ttl_changed", field);
        }
        let long = mark.ttl == crate::canonical::CacheTtl::Long;
        if long && !self.target.profile.cache_marks_long {
            self.warn("cache_ttl_changed", field);
        }
        blocks.push(if long && self.target.profile.cache_marks_long {
            json!({ "cachePoint": { "type": "default", "ttl": "1h" } })
        } else {
            json!({ "cachePoint": { "type": "default" } })
        });
    }

    /// The caller's pairs that fit; AWS logs them. The rest is dropped as it is with every provider without any.
    fn metadata(&self) -> Map<String, Value> {
        const PAIRS_MAX: usize = 16;
        let user = self.request.end_user.as_deref().map(|user| ("user", user));
        let pairs =
            self.request.metadata.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)));
        user.into_iter()
            .chain(pairs)
            .filter(|(key, value)| !key.is_empty() && is_metadata(key) && is_metadata(value))
            .take(PAIRS_MAX)
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect()
    }

    fn tier(&mut self) -> Option<&'static str> {
        match self.request.service_tier.as_deref()? {
            "auto" => None,
            "default" | "standard" | "standard_only" => Some("default"),
            "flex" => Some("flex"),
            "priority" | "fast" => Some("priority"),
            _ => {
                self.warn("parameter_dropped", "service_tier");
                None
            }
        }
    }

    /// What is left over: said, not carried.
    fn drop_rest(&mut self) {
        let request = self.request;
        let sampling = &request.sampling;
        let dropped = [
            (sampling.seed.is_some(), "seed"),
            (sampling.presence_penalty.is_some(), "presence_penalty"),
            (sampling.frequency_penalty.is_some(), "frequency_penalty"),
            (sampling.logit_bias.is_some(), "logit_bias"),
        ];
        for (_, field) in dropped.iter().filter(|(given, _)| *given) {
            self.warn("parameter_dropped", *field);
        }
        if request.verbosity.as_deref().is_some_and(|verbosity| verbosity != "medium") {
            self.warn("parameter_dropped", self.name(Field::Verbosity));
        }
        if request.cache.ttl.is_some() {
            self.warn("parameter_dropped", "prompt_cache_options.ttl");
        }
        for field in request.rest.keys() {
            self.warn("unknown_field_dropped", field.clone());
        }
    }
}
