//! A caller's request to the canonical form.
//!
//! | theirs | ours |
//! |---|---|
//! | `system`, a string or text blocks | `system` |
//! | `messages`, blocks | `turns`, see `blocks`; role `system` stays where it stands |
//! | `max_tokens`, `stop_sequences`, `temperature`, `top_p`, `top_k` | the same |
//! | `thinking` enabled, adaptive, disabled | `reasoning`: budget, on, off; `display` is what is shown |
//! | `thinking` between_tools | `rest` |
//! | `output_config.effort`, `.format` | `reasoning.effort`, `output` |
//! | `tools`, `tool_choice` | see `tools` |
//! | `metadata.user_id` | `end_user` |
//! | `service_tier` auto, standard_only; `speed` fast | `service_tier` auto, default; fast |
//! | `cache_control` at the top | `cache.auto` |
//! | anything else | `rest` |
//!
//! Members of blocks and tools that have no place in the canonical form are noted in `rest` under their path
//! (`tools[0].defer_loading`), so that whoever encodes the request warns about them by name. `max_tokens` may be
//! absent: [`scan`](super::scan()) asks for it, counting does not.

mod blocks;
mod tools;

use serde_json::{Map, Value};

use crate::canonical::{CacheMark, CacheTtl, Carrier, Effort, Output, Request, Role, Show, SystemText, Turn};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::request::{expected, invalid, missing};
use crate::fault::Fault;

/// Reads a caller's body.
///
/// # Errors
/// [`FaultCode::InvalidRequest`](crate::fault::FaultCode::InvalidRequest) naming the field that is not what the
/// dialect says.
pub fn decode_request(body: &[u8], carrier: &Carrier) -> Result<Request, Fault> {
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The body is not valid JSON: {error}.")))?;
    let Value::Object(body) = body else { return Err(invalid("The body must be a JSON object.")) };
    let mut reader = Reader { request: Request::new(Dialect::AnthropicMessages, ""), carrier };
    for (key, value) in body {
        // Null is what several clients write for "not given".
        if !value.is_null() || matches!(key.as_str(), "model" | "messages" | "max_tokens") {
            reader.member(key, value)?;
        }
    }
    if reader.request.model.is_empty() {
        return Err(missing("model", "a string"));
    }
    if reader.request.turns.is_empty() {
        return Err(missing("messages", "an array of at least one message"));
    }
    Ok(reader.request)
}

/// Builds the request, member by member.
struct Reader<'a> {
    request: Request,
    carrier: &'a Carrier,
}

impl Reader<'_> {
    fn member(&mut self, key: String, value: Value) -> Result<(), Fault> {
        let request = &mut self.request;
        match key.as_str() {
            "model" => request.model = string(value, &key)?,
            "stream" => request.stream = boolean(&value, &key)?,
            "max_tokens" => request.max_tokens = Some(count(&value, &key)?),
            "stop_sequences" => request.stop = strings(value, &key)?,
            "temperature" => request.sampling.temperature = Some(number(value, &key)?),
            "top_p" => request.sampling.top_p = Some(number(value, &key)?),
            "top_k" => request.sampling.top_k = Some(count(&value, &key)?),
            "system" => self.system(value)?,
            "messages" => self.messages(value)?,
            "tools" => self.tools(value)?,
            "tool_choice" => self.tool_choice(value)?,
            "thinking" => self.thinking(value)?,
            "output_config" => self.output_config(value)?,
            "metadata" => self.metadata(value)?,
            "cache_control" => request.cache.auto = Some(mark(&value, &key)?),
            "service_tier" if request.service_tier.is_none() => {
                let word = string(value, &key)?;
                request.service_tier = Some(if word == "standard_only" { "default".into() } else { word });
            }
            "speed" if value == "standard" => {}
            // Who asks for speed says nothing against the standard tier beneath it.
            "speed" if value == "fast" => request.service_tier = Some("fast".into()),
            "service_tier" => {}
            _ => drop(request.rest.insert(key, value)),
        }
        Ok(())
    }

    fn system(&mut self, value: Value) -> Result<(), Fault> {
        const WHAT: &str = "a string or an array of text blocks";
        match value {
            Value::String(text) => self.request.system.push(SystemText { text, cache: None }),
            Value::Array(blocks) => {
                for (n, block) in blocks.into_iter().enumerate() {
                    let path = format!("system[{n}]");
                    let mut block = object(block, &path)?;
                    if block.get("type").is_some_and(|kind| kind != "text") {
                        return Err(expected(&path, "a text block"));
                    }
                    let text =
                        string(block.shift_remove("text").unwrap_or_default(), &format!("{path}.text"))?;
                    let cache = take_mark(&mut block, &path)?;
                    block.shift_remove("type");
                    self.note_rest(block, &path);
                    self.request.system.push(SystemText { text, cache });
                }
            }
            _ => return Err(expected("system", WHAT)),
        }
        Ok(())
    }

    fn messages(&mut self, value: Value) -> Result<(), Fault> {
        let Value::Array(messages) = value else { return Err(expected("messages", "an array of messages")) };
        for (turn, message) in (0..).zip(messages) {
            let path = format!("messages[{turn}]");
            let mut message = object(message, &path)?;
            let role = match message.shift_remove("role").as_ref().and_then(Value::as_str) {
                Some("user") => Role::User,
                Some("assistant") => Role::Assistant,
                Some("system") => Role::System,
                _ => return Err(expected(&format!("{path}.role"), "`user`, `assistant` or `system`")),
            };
            let content = message.shift_remove("content").unwrap_or_default();
            let parts = self.content(content, turn)?;
            self.note_rest(message, &path);
            self.request.turns.push(Turn { role, parts, phase: None });
        }
        Ok(())
    }

    fn thinking(&mut self, value: Value) -> Result<(), Fault> {
        let thinking = object(value, "thinking")?;
        let reasoning = &mut self.request.reasoning;
        match thinking.get("type").and_then(Value::as_str) {
            Some("disabled") => reasoning.enabled = Some(false),
            Some("adaptive") => reasoning.enabled = Some(true),
            Some("enabled") => {
                let budget = thinking.get("budget_tokens").unwrap_or(&Value::Null);
                reasoning.enabled = Some(true);
                reasoning.budget = Some(count(budget, "thinking.budget_tokens")?);
            }
            Some(_) => {
                self.request.rest.insert("thinking".into(), Value::Object(thinking));
                return Ok(());
            }
            None => return Err(expected("thinking.type", "a string")),
        }
        reasoning.show = match thinking.get("display").and_then(Value::as_str) {
            Some("omitted") => Some(Show::None),
            Some("summarized") => Some(Show::Summary),
            Some(_) => Some(Show::Full),
            None => None,
        };
        Ok(())
    }

    fn output_config(&mut self, value: Value) -> Result<(), Fault> {
        let mut config = object(value, "output_config")?;
        if let Some(effort) = config.shift_remove("effort").filter(|effort| !effort.is_null()) {
            let known = effort.as_str().and_then(Effort::parse);
            let known = known.ok_or_else(|| {
                expected("output_config.effort", "`low`, `medium`, `high`, `xhigh` or `max`")
            })?;
            self.request.reasoning.effort = Some(known);
        }
        if let Some(format) = config.shift_remove("format").filter(|format| !format.is_null()) {
            let mut format = object(format, "output_config.format")?;
            if format.get("type").is_none_or(|kind| kind != "json_schema") {
                return Err(expected("output_config.format.type", "`json_schema`"));
            }
            let schema = format.shift_remove("schema").filter(Value::is_object);
            let schema = schema.ok_or_else(|| expected("output_config.format.schema", "a JSON Schema"))?;
            self.request.output =
                Output::JsonSchema { name: None, description: None, schema, strict: Some(true) };
        }
        if !config.is_empty() {
            self.request.rest.insert("output_config".into(), Value::Object(config));
        }
        Ok(())
    }

    fn metadata(&mut self, value: Value) -> Result<(), Fault> {
        let mut metadata = object(value, "metadata")?;
        if let Some(Value::String(user)) = metadata.shift_remove("user_id") {
            self.request.end_user = Some(user);
        }
        self.request.metadata.extend(metadata);
        Ok(())
    }

    /// Notes members without a place in the canonical form under their path.
    fn note_rest(&mut self, rest: Map<String, Value>, path: &str) {
        for (key, value) in rest {
            if !value.is_null() {
                self.request.rest.insert(format!("{path}.{key}"), value);
            }
        }
    }
}

fn object(value: Value, path: &str) -> Result<Map<String, Value>, Fault> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(expected(path, "an object")),
    }
}

fn string(value: Value, path: &str) -> Result<String, Fault> {
    match value {
        Value::String(text) => Ok(text),
        _ => Err(expected(path, "a string")),
    }
}

fn strings(value: Value, path: &str) -> Result<Vec<String>, Fault> {
    let Value::Array(list) = value else { return Err(expected(path, "an array of strings")) };
    list.into_iter().enumerate().map(|(n, text)| string(text, &format!("{path}[{n}]"))).collect()
}

fn boolean(value: &Value, path: &str) -> Result<bool, Fault> {
    value.as_bool().ok_or_else(|| expected(path, "a boolean"))
}

fn number(value: Value, path: &str) -> Result<serde_json::Number, Fault> {
    match value {
        Value::Number(number) => Ok(number),
        _ => Err(expected(path, "a number")),
    }
}

fn count(value: &Value, path: &str) -> Result<u64, Fault> {
    let count = value.is_number().then(|| crate::dialect::json::count(&value.to_string())).flatten();
    count.ok_or_else(|| expected(path, "a whole number of 0 or more"))
}

fn mark(value: &Value, path: &str) -> Result<CacheMark, Fault> {
    if value["type"] != "ephemeral" {
        return Err(expected(&format!("{path}.type"), "`ephemeral`"));
    }
    let ttl = match &value["ttl"] {
        Value::Null => CacheTtl::Short,
        ttl if *ttl == "5m" => CacheTtl::Short,
        ttl if *ttl == "1h" => CacheTtl::Long,
        _ => return Err(expected(&format!("{path}.ttl"), "`5m` or `1h`")),
    };
    Ok(CacheMark { ttl })
}

/// Takes `cache_control` out of a block or a tool.
fn take_mark(map: &mut Map<String, Value>, path: &str) -> Result<Option<CacheMark>, Fault> {
    match map.shift_remove("cache_control") {
        None | Some(Value::Null) => Ok(None),
        Some(value) => mark(&value, &format!("{path}.cache_control")).map(Some),
    }
}

#[cfg(test)]
mod tests;
