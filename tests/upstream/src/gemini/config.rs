//! `generationConfig`: ranges, forms of the answer, thinking by model.

use serde_json::Value;

use super::tools::schema;
use crate::fake::asked::Asked;
use crate::fake::look::{Bad, Found, Obj, What};

const FIELDS: [&str; 23] = [
    "temperature",
    "topP",
    "topK",
    "candidateCount",
    "maxOutputTokens",
    "stopSequences",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "responseLogprobs",
    "logprobs",
    "responseMimeType",
    "responseSchema",
    "responseJsonSchema",
    "responseModalities",
    "thinkingConfig",
    "speechConfig",
    "mediaResolution",
    "imageConfig",
    "responseFormat",
    "audioTimestamp",
    "enableEnhancedCivicAnswers",
    "routingConfig",
];
const LEVELS: [&str; 5] = ["MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"];

/// Checks it.
pub(super) fn check(top: &Obj<'_>, version: f32, asked: &mut Asked) -> Found<()> {
    asked.show_thoughts = false;
    let Some(config) = top.obj("generationConfig")? else { return Ok(()) };
    config.only(&FIELDS)?;
    config.number("temperature", 0.0, 2.0)?;
    config.number("topP", 0.0, 1.0)?;
    config.number("topK", 1.0, 1000.0)?;
    config.int("candidateCount", 1, 8)?;
    config.int("maxOutputTokens", 1, i64::MAX)?;
    config.int("seed", i64::from(i32::MIN), i64::from(i32::MAX))?;
    config.number("presencePenalty", -2.0, 2.0)?;
    config.number("frequencyPenalty", -2.0, 2.0)?;
    let logprobs = config.bool("responseLogprobs")?.unwrap_or(false);
    if config.int("logprobs", 0, 20)?.is_some() && !logprobs {
        return Err(Bad::value(config.at("logprobs"), "logprobs requires response_logprobs to be true"));
    }
    asked.stop = config.texts("stopSequences")?.into_iter().map(str::to_owned).collect();
    if asked.stop.len() > 5 {
        let text = "the number of stop sequences must be at most 5";
        return Err(Bad::value(config.at("stopSequences"), text));
    }
    form(&config, version, asked)?;
    thinking(&config, version, asked)
}

fn form(config: &Obj<'_>, version: f32, asked: &mut Asked) -> Found<()> {
    let mime = config.word("responseMimeType", &["text/plain", "application/json", "text/x.enum"])?;
    let (own, json) = (config.obj("responseSchema")?, config.get("responseJsonSchema"));
    if own.is_some() && json.is_some() {
        let text = "only one of response_schema and response_json_schema may be set";
        return Err(Bad::value(config.at("responseSchema"), text));
    }
    if (own.is_some() || json.is_some()) && !matches!(mime, Some("application/json" | "text/x.enum")) {
        let text = "a response schema requires response_mime_type application/json";
        return Err(Bad::value(config.at("responseMimeType"), text));
    }
    asked.json = mime == Some("application/json");
    if asked.json && !asked.tools.is_empty() && version < 3.0 {
        let text = "Function calling with a response mime type: 'application/json' is unsupported";
        return Err(Bad::new(What::Unsupported, config.at("responseMimeType"), text));
    }
    if let Some(own) = &own {
        schema(own)?;
    }
    asked.schema = own.map(|own| Value::Object(own.map.clone())).or_else(|| json.cloned());
    Ok(())
}

fn thinking(config: &Obj<'_>, version: f32, asked: &mut Asked) -> Found<()> {
    let Some(thinking) = config.obj("thinkingConfig")? else { return Ok(()) };
    thinking.only(&["includeThoughts", "thinkingBudget", "thinkingLevel"])?;
    asked.show_thoughts = thinking.bool("includeThoughts")?.unwrap_or(false);
    let level = thinking.word("thinkingLevel", &LEVELS)?;
    let budget = thinking.int("thinkingBudget", -1, 32_768)?;
    let refused = |key: &str, text: &str| Err(Bad::new(What::Unsupported, thinking.at(key), text));
    match (level, budget) {
        (Some(_), Some(_)) => {
            return refused(
                "thinkingBudget",
                "You can only set only one of thinking budget and thinking level.",
            );
        }
        (Some(_), None) if version < 3.0 => {
            return refused("thinkingLevel", "Thinking level is not supported for this model.");
        }
        (Some("MINIMAL" | "XHIGH"), None) if asked.base() == "gemini-4-argon" => {
            return refused("thinkingLevel", "Thinking level is not supported for this model.");
        }
        (None, Some(0)) if asked.base().starts_with("gemini-2.5-pro") => {
            return refused("thinkingBudget", "Budget 0 is invalid. This model only works in thinking mode.");
        }
        _ => {}
    }
    asked.no_thoughts = budget == Some(0);
    Ok(())
}
