//! The form of the answer: a schema that holds the model, else a tool that stands for the answer, else a sentence.

use serde_json::{Value, json};

use super::thinking::Thinking;
use super::{Encoding, schema};
use crate::canonical::Output;
use crate::dialect::codec::Wrapped;

/// The tool whose arguments are the answer.
const RESPOND: &str = "respond";

impl Encoding<'_> {
    /// The value of `output_config.format`, if that is the way.
    pub(super) fn output(&mut self, thinking: &Thinking, tools: &mut Vec<Value>) -> Option<Value> {
        let field = self.field("response_format", "text.format", "output_config.format");
        match &self.request.output {
            Output::Text => None,
            Output::JsonObject => {
                self.warn("json_object_emulated", field);
                self.sentences.push("Respond with one JSON object and nothing else.".into());
                None
            }
            Output::JsonSchema { schema, .. } if self.native() && self.target.profile.json_schema => {
                Some(json!({ "type": "json_schema", "schema": schema }))
            }
            Output::JsonSchema { schema, .. } if self.target.profile.json_schema => {
                let (schema, moved) = schema::constrained(schema);
                if moved {
                    self.warn("schema_constraint_moved", field);
                }
                Some(json!({ "type": "json_schema", "schema": schema }))
            }
            Output::JsonSchema { schema, description, .. } => {
                // A forced tool would keep the model from its own, so it is for answers without any.
                if tools.is_empty()
                    && schema["type"] == "object"
                    && self.target.profile.tools
                    && self.may_force(thinking)
                {
                    let about = description.as_deref().unwrap_or("Give the answer.");
                    tools.push(json!({ "name": RESPOND, "description": about, "input_schema": schema }));
                    self.wrapped.push((RESPOND.into(), Wrapped::Answer));
                } else {
                    self.warn("json_schema_emulated", field);
                    self.sentences.push(format!(
                        "Respond with one JSON value that follows this JSON Schema, and nothing else:\n{schema}"
                    ));
                }
                None
            }
        }
    }
}
