//! `generationConfig`: limits, sampling, the form of the answer, reasoning.

use serde_json::{Map, Value};

use super::{invalid, is_budget_family, thinking, word};
use crate::canonical::{Output, Request, Warnings};
use crate::catalogue::Profile;
use crate::dialect::codec::Target;
use crate::fault::Fault;

/// The most stop texts.
const STOP_MAX: usize = 5;

/// The object; sentences that stand for what it cannot say are added to `sentences`.
pub(super) fn encode(
    request: &Request,
    target: &Target<'_>,
    functions: bool,
    sentences: &mut Vec<String>,
    warnings: &mut Warnings,
) -> Result<Map<String, Value>, Fault> {
    let mut config = Map::new();
    if let Some(tokens) = request.max_tokens {
        config.insert("maxOutputTokens".into(), tokens.into());
    }
    sampling(request, target.profile, &mut config, warnings);
    if request.stop.len() > STOP_MAX {
        let field = word(request, "stop", "stop", "stop_sequences");
        let message =
            format!("`{field}` cannot be carried: the model's provider takes at most {STOP_MAX} stop texts.");
        return Err(invalid(field, message));
    }
    if !request.stop.is_empty() {
        config.insert("stopSequences".into(), request.stop.clone().into());
    }
    output(request, target.profile, functions, &mut config, sentences, warnings)?;
    if request.verbosity.as_deref().is_some_and(|verbosity| verbosity != "medium") {
        warnings.add("parameter_dropped", word(request, "verbosity", "text.verbosity", "verbosity"));
    }
    if let Some(thinking) = thinking::encode(request, target.profile, warnings) {
        config.insert("thinkingConfig".into(), thinking);
    }
    Ok(config)
}

fn sampling(request: &Request, profile: &Profile, config: &mut Map<String, Value>, warnings: &mut Warnings) {
    let asked = &request.sampling;
    let number = |number: &Option<serde_json::Number>| number.clone().map(Value::Number);
    // A seed is an int32 there.
    let seed = asked.seed.filter(|seed| i32::try_from(*seed).is_ok());
    if asked.seed.is_some() && seed.is_none() {
        warnings.add("parameter_dropped", "seed");
    }
    let fields = [
        ("temperature", "temperature", number(&asked.temperature)),
        ("top_p", "topP", number(&asked.top_p)),
        ("top_k", "topK", asked.top_k.map(Value::from)),
        ("seed", "seed", seed.map(Value::from)),
        ("presence_penalty", "presencePenalty", number(&asked.presence_penalty)),
        ("frequency_penalty", "frequencyPenalty", number(&asked.frequency_penalty)),
    ];
    for (field, there, value) in fields {
        match value {
            Some(value) if profile.sampling || field == "seed" => {
                config.insert(there.into(), value);
            }
            Some(_) => warnings.add("parameter_dropped", field),
            None => {}
        }
    }
    if asked.logit_bias.is_some() {
        warnings.add("parameter_dropped", "logit_bias");
    }
}

/// JSON output. The 2.5 family refuses it beside function tools ("function calling with a response mime type
/// 'application/json' is unsupported"): there the wish becomes a sentence, unless the schema was said to be strict.
fn output(
    request: &Request,
    profile: &Profile,
    functions: bool,
    config: &mut Map<String, Value>,
    sentences: &mut Vec<String>,
    warnings: &mut Warnings,
) -> Result<(), Fault> {
    const JSON: &str = "application/json";
    let field = word(request, "response_format", "text.format", "output_config.format");
    let by_sentence = functions && is_budget_family(profile);
    match &request.output {
        Output::Text => {}
        Output::JsonObject if by_sentence => {
            sentences.push("Respond with one JSON object and nothing else.".into());
            warnings.add("json_object_emulated", field);
        }
        Output::JsonObject => {
            config.insert("responseMimeType".into(), JSON.into());
        }
        Output::JsonSchema { strict: Some(true), .. } if by_sentence || !profile.json_schema => {
            let message = format!(
                "`{field}` cannot be carried: this model cannot be held to a strict JSON schema{}.",
                if by_sentence { " while function tools are offered" } else { "" }
            );
            return Err(invalid(field, message));
        }
        Output::JsonSchema { schema, .. } if by_sentence || !profile.json_schema => {
            if !by_sentence {
                config.insert("responseMimeType".into(), JSON.into());
            }
            sentences
                .push(format!("Respond with one JSON value and nothing else, of this JSON Schema: {schema}"));
            warnings.add("json_schema_emulated", field);
        }
        Output::JsonSchema { schema, description, .. } => {
            config.insert("responseMimeType".into(), JSON.into());
            config.insert("responseJsonSchema".into(), described(schema, description.as_deref()));
        }
    }
    Ok(())
}

/// The schema with what it is for, unless it says so itself. Its name has no place.
fn described(schema: &Value, description: Option<&str>) -> Value {
    let mut schema = schema.clone();
    if let (Some(map), Some(description)) = (schema.as_object_mut(), description)
        && !map.contains_key("description")
    {
        map.insert("description".into(), description.into());
    }
    schema
}
