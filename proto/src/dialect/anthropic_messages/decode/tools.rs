//! Tools and the choice among them.
//!
//! | theirs | ours |
//! |---|---|
//! | a tool without a type, or `custom` | a function |
//! | any typed tool | hosted, as it stands, its cache mark too |
//! | `tool_choice` auto, any, tool, none | auto, required, named, none |
//! | `disable_parallel_tool_use` | `parallel_tools`, turned round |

use serde_json::{Map, Value};

use super::{Reader, boolean, object, string, take_mark};
use crate::canonical::{Tool, ToolChoice, ToolKind};
use crate::dialect::Dialect;
use crate::dialect::openai_chat::request::expected;
use crate::fault::Fault;

impl Reader<'_> {
    pub(super) fn tools(&mut self, value: Value) -> Result<(), Fault> {
        let Value::Array(tools) = value else { return Err(expected("tools", "an array of tools")) };
        for (at, tool) in (0..).zip(tools) {
            let path = format!("tools[{at}]");
            let tool = object(tool, &path)?;
            let kind = tool.get("type").and_then(Value::as_str).filter(|kind| *kind != "custom");
            let tool = match kind.map(str::to_owned) {
                None => self.function(tool, at, &path)?,
                Some(name) => {
                    let raw = Value::Object(tool);
                    let kind = ToolKind::Hosted { name, raw, origin: Dialect::AnthropicMessages };
                    Tool { at, cache: None, kind }
                }
            };
            self.request.tools.push(tool);
        }
        Ok(())
    }

    fn function(&mut self, mut tool: Map<String, Value>, at: u32, path: &str) -> Result<Tool, Fault> {
        let cache = take_mark(&mut tool, path)?;
        let mut take = |key: &str| tool.shift_remove(key).filter(|value| !value.is_null());
        let name = string(take("name").unwrap_or_default(), &format!("{path}.name"))?;
        let description =
            take("description").map(|text| string(text, &format!("{path}.description"))).transpose()?;
        let schema = take("input_schema");
        if schema.as_ref().is_some_and(|schema| !schema.is_object()) {
            return Err(expected(&format!("{path}.input_schema"), "a JSON Schema"));
        }
        let strict = take("strict").map(|flag| boolean(&flag, &format!("{path}.strict"))).transpose()?;
        take("type");
        self.note_rest(tool, path);
        Ok(Tool { at, cache, kind: ToolKind::Function { name, description, schema, strict } })
    }

    pub(super) fn tool_choice(&mut self, value: Value) -> Result<(), Fault> {
        let choice = object(value, "tool_choice")?;
        self.request.tool_choice = Some(match choice.get("type").and_then(Value::as_str) {
            Some("auto") => ToolChoice::Auto,
            Some("any") => ToolChoice::Required,
            Some("none") => ToolChoice::None,
            Some("tool") => {
                let name = choice.get("name").cloned().unwrap_or_default();
                ToolChoice::Named(string(name, "tool_choice.name")?)
            }
            _ => return Err(expected("tool_choice.type", "`auto`, `any`, `tool` or `none`")),
        });
        if let Some(flag) = choice.get("disable_parallel_tool_use").filter(|flag| !flag.is_null()) {
            self.request.parallel_tools = Some(!boolean(flag, "tool_choice.disable_parallel_tool_use")?);
        }
        Ok(())
    }
}
