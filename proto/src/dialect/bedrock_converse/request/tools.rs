//! Tools on offer and whether they are to be called.
//!
//! Converse has no word for "call none" and none for "one at a time"; it refuses a history with tool blocks where
//! no tools are on offer; and some models cannot be forced. What is left is a sentence, and a warning.

use serde_json::{Map, Value, json};

use super::fields::Field;
use super::marks::Marks;
use super::output::AnswerTool;
use super::thinking::Thinking;
use super::turns::Message;
use super::{Context, Family, refused};
use crate::canonical::{Tool, ToolChoice, ToolKind};
use crate::dialect::anthropic_messages::constrained;
use crate::dialect::codec::Wrapped;
use crate::fault::Fault;

/// What is sent about tools.
#[derive(Debug, Default)]
pub(super) struct Tools {
    /// `toolConfig`.
    pub(super) config: Option<Value>,
    /// For `additionalModelRequestFields`.
    pub(super) extra: Map<String, Value>,
}

/// Makes it.
pub(super) fn config(
    context: &mut Context<'_>,
    marks: &mut Marks,
    messages: &[Message],
    thinking: &Thinking,
    answer: Option<AnswerTool>,
) -> Result<Tools, Fault> {
    let choice = context.request.tool_choice.clone().unwrap_or(ToolChoice::Auto);
    let in_history = messages.iter().any(|message| !message.calls.is_empty());
    let mut list = Vec::new();
    // Without calls in the history, tools that must not be called need not be there.
    if choice != ToolChoice::None || in_history {
        for tool in &context.request.tools {
            if allowed(&choice, tool) {
                list.extend(context.tool(tool)?);
            }
            context.mark(marks.tool(tool.cache), &mut list, "tools");
        }
    }
    if !list.is_empty() && !context.target.profile.tools {
        return Err(refused("tools", "This model does not take tools."));
    }
    let own = !list.is_empty();
    if !own && in_history {
        list = of_history(messages);
    }
    if in_history && (choice == ToolChoice::None || !own) && answer.is_none() {
        context.warn("tool_choice_degraded", if own { "tool_choice" } else { "tools" });
        context.sentences.push("Do not call any tool.".to_owned());
    }
    let mut force = context.forced(&choice, thinking, &list)?;
    if let Some(answer) = answer {
        let callable = own && choice != ToolChoice::None;
        force =
            Some(if callable { json!({ "any": {} }) } else { json!({ "tool": { "name": answer.name } }) });
        list.push(spec(&answer.name, Some(&answer.description), answer.schema, false));
        context.wrapped.push((answer.name, Wrapped::Answer));
    }
    let extra =
        if own && choice != ToolChoice::None { context.one_at_a_time(force.is_some()) } else { Map::new() };
    if list.is_empty() {
        return Ok(Tools::default());
    }
    let mut config = Map::new();
    config.insert("tools".to_owned(), Value::Array(list));
    config.extend(force.map(|force| ("toolChoice".to_owned(), force)));
    Ok(Tools { config: Some(Value::Object(config)), extra })
}

fn allowed(choice: &ToolChoice, tool: &Tool) -> bool {
    let (ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } | ToolKind::Hosted { name, .. }) =
        &tool.kind;
    match choice {
        ToolChoice::Allowed { names, .. } => names.contains(name),
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Named(_) => true,
    }
}

fn spec(name: &str, description: Option<&str>, schema: Value, strict: bool) -> Value {
    let mut spec = Map::new();
    spec.insert("name".to_owned(), json!(name));
    spec.extend(
        description.filter(|text| !text.is_empty()).map(|text| ("description".to_owned(), json!(text))),
    );
    spec.insert("inputSchema".to_owned(), json!({ "json": schema }));
    if strict {
        spec.insert("strict".to_owned(), json!(true));
    }
    json!({ "toolSpec": spec })
}

/// An object's schema, as Converse asks for.
fn object_schema(schema: Option<&Value>) -> Value {
    let mut schema = match schema {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    };
    if !schema.contains_key("type") {
        schema.insert("type".to_owned(), json!("object"));
    }
    if schema.len() == 1 {
        schema.insert("properties".to_owned(), json!({}));
    }
    Value::Object(schema)
}

/// Tools that the history speaks of, where the caller offers none.
fn of_history(messages: &[Message]) -> Vec<Value> {
    let mut names: Vec<&str> = Vec::new();
    for (_, name, _) in messages.iter().flat_map(|message| &message.calls) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.iter().map(|name| spec(name, None, object_schema(None), false)).collect()
}

impl Context<'_> {
    fn tool(&mut self, tool: &Tool) -> Result<Option<Value>, Fault> {
        let path = format!("tools[{}]", tool.at);
        match &tool.kind {
            ToolKind::Function { name, description, schema, strict } => {
                let name = self.names.there(name);
                let strict = *strict == Some(true);
                if strict && !self.target.profile.strict_tools {
                    self.warn("strict_dropped", path.clone());
                }
                let mut schema = object_schema(schema.as_ref());
                let strict = strict && self.target.profile.strict_tools;
                if strict && self.family == Family::Claude {
                    let (subset, moved) = constrained(&schema);
                    if moved {
                        self.warn("schema_constraint_moved", path);
                    }
                    schema = subset;
                }
                Ok(Some(spec(&name, description.as_deref(), schema, strict)))
            }
            ToolKind::Custom { name, description, format } => {
                let name = self.names.there(name);
                let mut text = description.clone().unwrap_or_default();
                if let Some(format) = format {
                    self.warn("custom_tool_format_described", path);
                    text.push_str("\nThe input has to be of this format: ");
                    text.push_str(&format.to_string());
                }
                let schema = json!({
                    "type": "object",
                    "properties": { "input": { "type": "string" } },
                    "required": ["input"],
                    "additionalProperties": false,
                });
                let spec = spec(&name, Some(text.trim_start()), schema, false);
                self.wrapped.push((name, Wrapped::Custom));
                Ok(Some(spec))
            }
            // An offer to look things up that the model can do without: agents make it with every request.
            ToolKind::Hosted { name, .. } if name.starts_with("web_search") => {
                self.warn("hosted_tool_dropped", path);
                Ok(None)
            }
            ToolKind::Hosted { name, .. } => {
                Err(refused(path, format!("Models at Bedrock do not offer the tool `{name}`.")))
            }
        }
    }

    /// `toolChoice`; automatic is not said, which leaves room for the switch in [`Self::one_at_a_time`].
    fn forced(
        &mut self,
        choice: &ToolChoice,
        thinking: &Thinking,
        list: &[Value],
    ) -> Result<Option<Value>, Fault> {
        let (sentence, force) = match choice {
            ToolChoice::Auto | ToolChoice::None => return Ok(None),
            ToolChoice::Allowed { required: false, .. } => {
                self.warn("tools_filtered", "tool_choice");
                return Ok(None);
            }
            ToolChoice::Allowed { required: true, .. } => {
                self.warn("tools_filtered", "tool_choice");
                ("You must call a tool.".to_owned(), json!({ "any": {} }))
            }
            ToolChoice::Required => ("You must call a tool.".to_owned(), json!({ "any": {} })),
            ToolChoice::Named(name) => {
                let there = self.names.there(name);
                if !list.iter().any(|tool| tool["toolSpec"]["name"] == *there) {
                    let message = format!("`tool_choice` names the tool `{name}`, which is not in `tools`.");
                    return Err(refused("tool_choice", message));
                }
                (format!("You must call the tool `{there}`."), json!({ "tool": { "name": there } }))
            }
        };
        if list.is_empty() {
            return Err(refused("tool_choice", "`tool_choice` asks for a tool, and there is none."));
        }
        if self.target.profile.forced_tools && !thinking.manual {
            return Ok(Some(force));
        }
        self.warn("tool_choice_degraded", "tool_choice");
        self.sentences.push(sentence);
        Ok(None)
    }

    /// One call at a time can be asked of Claude alone, and only where no `toolChoice` stands beside it.
    fn one_at_a_time(&mut self, forced: bool) -> Map<String, Value> {
        let mut extra = Map::new();
        if self.request.parallel_tools != Some(false) {
            return extra;
        }
        if self.family == Family::Claude && !forced {
            let switch = json!({ "type": "auto", "disable_parallel_tool_use": true });
            extra.insert("tool_choice".to_owned(), switch);
        } else {
            self.warn("parameter_dropped", self.name(Field::ParallelTools));
        }
        extra
    }
}
