//! The form of the answer: held to a schema where the model can be, else a tool that stands for the answer, else
//! a sentence.

use serde_json::{Map, Value, json};

use super::fields::Field;
use super::thinking::Thinking;
use super::{Context, Family};
use crate::canonical::{Output, ToolChoice, ToolKind};
use crate::dialect::anthropic_messages::constrained;

/// What is done about the form.
#[derive(Debug, Default)]
pub(super) struct Form {
    /// For `outputConfig`.
    pub(super) config: Map<String, Value>,
    /// The tool that stands for the answer.
    pub(super) answer: Option<AnswerTool>,
}

/// A tool whose arguments are the answer.
#[derive(Debug)]
pub(super) struct AnswerTool {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) schema: Value,
}

/// Plans it.
pub(super) fn plan(context: &mut Context<'_>, thinking: &Thinking) -> Form {
    let field = context.name(Field::Format);
    match &context.request.output {
        Output::Text => Form::default(),
        Output::JsonObject => {
            context.warn("json_object_emulated", field);
            context.sentences.push("Respond with one JSON object and nothing else.".to_owned());
            Form::default()
        }
        Output::JsonSchema { name, description, schema, .. } if context.target.profile.json_schema => {
            // Claude is held by the same means as at its own vendor, and so to the same subset.
            let (schema, moved) = match context.family {
                Family::Claude => constrained(schema),
                _ => (schema.clone(), false),
            };
            if moved {
                context.warn("schema_constraint_moved", field);
            }
            let mut shape = Map::new();
            shape.insert("schema".to_owned(), json!(schema.to_string()));
            shape.extend(name.as_ref().map(|name| ("name".to_owned(), json!(name))));
            shape.extend(description.as_ref().map(|text| ("description".to_owned(), json!(text))));
            let format = json!({ "type": "json_schema", "structure": { "jsonSchema": shape } });
            let mut config = Map::new();
            config.insert("textFormat".to_owned(), format);
            Form { config, answer: None }
        }
        Output::JsonSchema { description, schema, .. } => {
            if must_call(context) {
                // The answer is a call whatever its form: there is no text to hold to the schema.
                return Form::default();
            }
            let forced = context.target.profile.tools && context.target.profile.forced_tools;
            if forced && !thinking.manual && is_object(schema) {
                let description = description.clone();
                return Form {
                    config: Map::new(),
                    answer: Some(AnswerTool {
                        name: free_name(context),
                        description: description.unwrap_or_else(|| "Gives the answer.".to_owned()),
                        schema: schema.clone(),
                    }),
                };
            }
            context.warn("json_schema_emulated", field);
            context.sentences.push(format!(
                "Respond with JSON and nothing else. It has to follow this JSON Schema: {schema}"
            ));
            Form::default()
        }
    }
}

fn must_call(context: &Context<'_>) -> bool {
    matches!(
        context.request.tool_choice,
        Some(ToolChoice::Required | ToolChoice::Named(_) | ToolChoice::Allowed { required: true, .. })
    )
}

/// Arguments are an object, so only an answer that is one can stand there.
fn is_object(schema: &Value) -> bool {
    schema["type"] == "object"
}

/// `respond`, or the next name that no tool of the caller's has.
fn free_name(context: &Context<'_>) -> String {
    let taken = |wanted: &str| {
        context.request.tools.iter().any(|tool| match &tool.kind {
            ToolKind::Function { name, .. } | ToolKind::Custom { name, .. } => name == wanted,
            ToolKind::Hosted { .. } => false,
        })
    };
    let mut name = "respond".to_owned();
    while taken(&name) {
        name.push('_');
    }
    name
}
