//! Gemini's embeddings.

use serde_json::{Value, json};

use crate::fake::asked::{Fixed, Form, Routed};
use crate::fake::look::{Bad, Found, Obj, What};
use crate::fake::record::Billed;
use crate::openai::embeddings::{tokens, vector};

const TASKS: [&str; 8] = [
    "RETRIEVAL_QUERY",
    "RETRIEVAL_DOCUMENT",
    "SEMANTIC_SIMILARITY",
    "CLASSIFICATION",
    "CLUSTERING",
    "QUESTION_ANSWERING",
    "FACT_VERIFICATION",
    "CODE_RETRIEVAL_QUERY",
];

/// The values for a request, and what it counts as.
fn values(request: &Obj<'_>) -> Found<(Value, u64)> {
    request.only(&["model", "content", "taskType", "title", "outputDimensionality"])?;
    request.word("taskType", &TASKS)?;
    let dimensions = request.int("outputDimensionality", 1, 3072)?.unwrap_or(8);
    let content = request.need_obj("content")?;
    content.only(&["role", "parts"])?;
    let mut texts = Vec::new();
    for part in content.objects("parts")? {
        part.only(&["text", "inlineData"])?;
        texts.push(part.need_text("text")?);
    }
    let text = texts.concat();
    if text.is_empty() {
        return Err(Bad::value(content.at("parts"), "content contains an empty Part."));
    }
    Ok((json!({"values": vector(&text, usize::try_from(dimensions).unwrap_or(8))}), tokens(&text)))
}

fn answer(model: &str, body: Value, input_tokens: u64) -> Routed {
    let billed = Billed { input_tokens, ..Billed::default() };
    Routed::Fixed(Fixed { form: Form::GeminiEmbeddings, model: model.to_owned(), body, billed })
}

/// `embedContent`.
pub(super) fn one(body: &Value, model: &str) -> Found<Routed> {
    let (values, tokens) = values(&Obj::of("", body)?)?;
    let body = json!({"embedding": values, "usageMetadata": {"promptTokenCount": tokens}});
    Ok(answer(model, body, tokens))
}

/// `batchEmbedContents`.
pub(super) fn batch(body: &Value, model: &str) -> Found<Routed> {
    let top = Obj::of("", body)?;
    top.only(&["requests"])?;
    let requests = top.objects("requests")?;
    if requests.is_empty() {
        return Err(Bad::new(What::Missing, "requests", "required"));
    }
    let (mut all, mut total) = (Vec::new(), 0);
    for request in &requests {
        if request.need_text("model")? != format!("models/{model}") {
            let text = "The model of each request must match the model of the batch.";
            return Err(Bad::new(What::Unsupported, request.at("model"), text));
        }
        let (values, tokens) = values(request)?;
        all.push(values);
        total += tokens;
    }
    let body = json!({"embeddings": all, "usageMetadata": {"promptTokenCount": total}});
    Ok(answer(model, body, total))
}
