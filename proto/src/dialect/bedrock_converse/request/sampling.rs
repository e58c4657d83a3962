//! How tokens are drawn and where the answer ends.

use serde_json::{Map, Value, json};

use super::fields::Field;
use super::thinking::Thinking;
use super::{Context, Family, refused};
use crate::fault::Fault;

/// The most stop sequences (AWS service model, read 2026-11).
const STOPS_MAX: usize = 2500;

/// `inferenceConfig`.
pub(super) fn inference(context: &mut Context<'_>, thinking: &Thinking) -> Result<Map<String, Value>, Fault> {
    let request = context.request;
    let mut config = Map::new();
    if request.max_tokens == Some(0) {
        let field = context.name(Field::MaxTokens);
        return Err(refused(field, format!("`{field}` has to be at least 1 for models at Bedrock.")));
    }
    if request.stop.len() > STOPS_MAX {
        let field = context.name(Field::Stop);
        return Err(refused(field, format!("Models at Bedrock take at most {STOPS_MAX} stop sequences.")));
    }
    // Nova thinks at length only without limits of ours (AWS docs on extended thinking, read 2026-11).
    let free = thinking.unlimited;
    match request.max_tokens.or(thinking.max_tokens) {
        Some(_) if free => context.warn("parameter_dropped", context.name(Field::MaxTokens)),
        Some(tokens) => {
            config.insert("maxTokens".to_owned(), json!(tokens));
        }
        None => {}
    }
    let takes = takes_sampling(context, thinking.on) && !free;
    if let Some(temperature) = &request.sampling.temperature {
        if !takes {
            context.warn("parameter_dropped", "temperature");
        } else if temperature.as_f64().is_some_and(|t| t > 1.0) {
            context.warn("temperature_clamped", "temperature");
            config.insert("temperature".to_owned(), json!(1));
        } else {
            config.insert("temperature".to_owned(), Value::Number(temperature.clone()));
        }
    }
    if let Some(top_p) = &request.sampling.top_p {
        // Newer Claudes that take both refuse them together.
        let both = context.family == Family::Claude && config.contains_key("temperature");
        if takes && !both {
            config.insert("topP".to_owned(), Value::Number(top_p.clone()));
        } else {
            context.warn("parameter_dropped", "top_p");
        }
    }
    let blank = |stop: &&String| stop.trim().is_empty();
    if request.stop.iter().any(|stop| blank(&stop)) {
        context.warn("parameter_dropped", context.name(Field::Stop));
    }
    let stops: Vec<&String> = request.stop.iter().filter(|stop| !blank(stop)).collect();
    if !stops.is_empty() {
        config.insert("stopSequences".to_owned(), json!(stops));
    }
    Ok(config)
}

/// What models take beside it: `top_k` has no place of its own.
pub(super) fn extra(context: &mut Context<'_>, thinks: bool) -> Map<String, Value> {
    let mut extra = Map::new();
    let Some(top_k) = context.request.sampling.top_k else { return extra };
    match context.family {
        Family::Claude if takes_sampling(context, thinks) => {
            extra.insert("top_k".to_owned(), json!(top_k));
        }
        Family::Nova => {
            extra.insert("inferenceConfig".to_owned(), json!({ "topK": top_k }));
        }
        Family::Claude | Family::Openai | Family::Other => context.warn("parameter_dropped", "top_k"),
    }
    extra
}

/// Claude takes no temperature while it thinks.
fn takes_sampling(context: &Context<'_>, thinks: bool) -> bool {
    context.target.profile.sampling && !(thinks && context.family == Family::Claude)
}
