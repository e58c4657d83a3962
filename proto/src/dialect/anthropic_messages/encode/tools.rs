//! Tools and the choice among them.
//!
//! A forced choice is refused by models that always think, and by older ones while they think by budget (vendor docs,
//! read 2026-11): it becomes a free choice and a sentence that asks for the call.

use serde_json::{Value, json};

use super::blocks::digest;
use super::thinking::Thinking;
use super::{Encoding, refuse, schema};
use crate::canonical::{Tool, ToolChoice, ToolKind};
use crate::dialect::Dialect;
use crate::dialect::codec::Wrapped;
use crate::fault::Fault;

/// The longest name of a tool, in bytes.
const NAME_BYTES_MAX: usize = 128;

impl Encoding<'_> {
    /// The tools on offer, those that are not allowed left out.
    pub(super) fn tools(&mut self) -> Result<Vec<Value>, Fault> {
        let request = self.request;
        if let (false, Some(tool)) = (self.target.profile.tools, request.tools.first()) {
            return Err(refuse(&format!("tools[{}]", tool.at), "is a tool, which this model does not take."));
        }
        let allowed = match &request.tool_choice {
            Some(ToolChoice::Allowed { names, .. }) => Some(names),
            _ => None,
        };
        let mut tools = Vec::with_capacity(request.tools.len());
        for tool in &request.tools {
            if let (Some(allowed), ToolKind::Function { name, .. } | ToolKind::Custom { name, .. }) =
                (allowed, &tool.kind)
                && !allowed.contains(name)
            {
                self.warn("tools_filtered", "tool_choice");
                continue;
            }
            tools.extend(self.tool(tool)?);
        }
        Ok(tools)
    }

    fn tool(&mut self, tool: &Tool) -> Result<Option<Value>, Fault> {
        let path = format!("tools[{}]", tool.at);
        let mut value = match &tool.kind {
            ToolKind::Function { name, description, schema, strict } => {
                let strict = self.strict(*strict, &path);
                let schema = self.input_schema(schema.as_ref(), strict, &path)?;
                let mut value = json!({ "name": self.tool_name(name) });
                if let Some(description) = description {
                    value["description"] = description.as_str().into();
                }
                value["input_schema"] = schema;
                if let Some(strict) = strict {
                    value["strict"] = strict.into();
                }
                value
            }
            ToolKind::Custom { name, description, format } => {
                let mut about = description.clone().unwrap_or_default();
                if let Some(format) = format.as_ref().filter(|format| format["type"] != "text") {
                    self.warn("parameter_dropped", format!("{path}.format"));
                    about.push_str(&format!("\n\nThe input must follow this format: {format}"));
                }
                let name = self.tool_name(name);
                let mut value = json!({ "name": name });
                self.wrapped.push((name, Wrapped::Custom));
                if !about.trim().is_empty() {
                    value["description"] = about.trim().into();
                }
                value["input_schema"] = json!({
                    "type": "object",
                    "properties": { "input": { "type": "string" } },
                    "required": ["input"],
                    "additionalProperties": false,
                });
                value
            }
            ToolKind::Hosted { raw, origin: Dialect::AnthropicMessages, .. } => raw.clone(),
            // An offer to look things up that the model can do without.
            ToolKind::Hosted { name, .. } if name.starts_with("web_search") => {
                self.warn("hosted_tool_dropped", path);
                return Ok(None);
            }
            ToolKind::Hosted { name, .. } => {
                let why =
                    format!("is a `{name}`, which runs at another provider and is not offered by this one.");
                return Err(refuse(&path, &why));
            }
        };
        self.put_mark(&mut value, tool.cache);
        Ok(Some(value))
    }

    fn strict(&mut self, strict: Option<bool>, path: &str) -> Option<bool> {
        if strict == Some(true) && !self.target.profile.strict_tools {
            self.warn("parameter_dropped", format!("{path}.strict"));
            return None;
        }
        strict.filter(|strict| *strict || self.native())
    }

    fn input_schema(
        &mut self,
        given: Option<&Value>,
        strict: Option<bool>,
        path: &str,
    ) -> Result<Value, Fault> {
        let mut schema = match given {
            None | Some(Value::Null) => json!({ "type": "object", "properties": {} }),
            Some(schema @ Value::Object(_)) => schema.clone(),
            Some(_) => return Err(refuse(path, "needs a JSON Schema of an object.")),
        };
        if schema.get("type").is_none() {
            schema["type"] = "object".into();
        }
        if schema["type"] != "object" {
            return Err(refuse(path, "needs a JSON Schema of an object."));
        }
        if strict == Some(true) && !self.native() {
            let (strict_schema, moved) = schema::constrained(&schema);
            if moved {
                self.warn("schema_constraint_moved", path);
            }
            schema = strict_schema;
        }
        Ok(schema)
    }

    /// The choice; `None` where the model's own default says the same.
    pub(super) fn tool_choice(&mut self, thinking: &Thinking, tools: &mut [Value]) -> Option<Value> {
        let request = self.request;
        if self.wrapped.iter().any(|(_, wrapped)| *wrapped == Wrapped::Answer) {
            let name = tools.first().map(|tool| tool["name"].clone());
            return Some(json!({ "type": "tool", "name": name, "disable_parallel_tool_use": true }));
        }
        if tools.is_empty() {
            if matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Named(_))) {
                self.warn("tool_choice_degraded", "tool_choice");
            }
            return None;
        }
        let free = json!({ "type": "auto" });
        let mut choice = match &request.tool_choice {
            None => None,
            Some(ToolChoice::None) => return Some(json!({ "type": "none" })),
            Some(ToolChoice::Auto | ToolChoice::Allowed { required: false, .. }) => Some(free),
            Some(ToolChoice::Required | ToolChoice::Allowed { required: true, .. }) => {
                let ask = "You must call at least one of the tools in this turn.".to_owned();
                Some(self.forced(json!({ "type": "any" }), thinking, ask))
            }
            Some(ToolChoice::Named(name)) => {
                let name = self.tool_name(name);
                let ask = format!("You must call the tool `{name}` in this turn.");
                Some(self.forced(json!({ "type": "tool", "name": name }), thinking, ask))
            }
        };
        if request.parallel_tools == Some(false) {
            choice.get_or_insert_with(|| json!({ "type": "auto" }))["disable_parallel_tool_use"] =
                true.into();
        }
        choice
    }

    fn forced(&mut self, choice: Value, thinking: &Thinking, ask: String) -> Value {
        if self.may_force(thinking) {
            return choice;
        }
        self.warn("tool_choice_degraded", "tool_choice");
        self.sentences.push(ask);
        json!({ "type": "auto" })
    }

    /// A tool's name in the letters the dialect allows; another's is mapped to the same each time, and remembered.
    pub(super) fn tool_name(&mut self, name: &str) -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(allowed) {
            return name.to_owned();
        }
        let plain: String = name.chars().take(100).map(|c| if allowed(c) { c } else { '_' }).collect();
        let there = format!("{plain}_{}", digest(name, 8));
        if !self.renamed.iter().any(|(known, _)| *known == there) {
            self.renamed.push((there.clone(), name.to_owned()));
        }
        there
    }

    /// Whether the model can be told that a tool must be called.
    pub(super) fn may_force(&self, thinking: &Thinking) -> bool {
        self.target.profile.forced_tools && !thinking.manual
    }
}
