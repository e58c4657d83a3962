//! Embedding models by InvokeModel: Titan, one text a call.

use serde_json::{Value, json};

use crate::fake::asked::{Fixed, Form, Routed};
use crate::fake::look::{Bad, Found, Obj, What};
use crate::fake::record::Billed;
use crate::openai::embeddings::{tokens, vector};

/// Checks and answers.
pub(super) fn answer(body: &Value, model: &str) -> Found<Routed> {
    if !model.contains("titan-embed") {
        let text = "This fake invokes Titan's embedding models only.";
        return Err(Bad::new(What::Unsupported, "", text));
    }
    let top = Obj::of("", body)?;
    top.only(&["inputText", "dimensions", "normalize", "embeddingTypes"])?;
    let text = top.need_text("inputText")?;
    if text.is_empty() {
        return Err(Bad::value("inputText", "expected minLength: 1, actual: 0"));
    }
    let dimensions = top.int("dimensions", 256, 1024)?.unwrap_or(1024);
    if ![256, 512, 1024].contains(&dimensions) {
        return Err(Bad::value("dimensions", "Member must be one of 256, 512, 1024"));
    }
    top.bool("normalize")?;
    let input_tokens = tokens(text);
    let body = json!({"embedding": vector(text, usize::try_from(dimensions).unwrap_or(1024)),
        "inputTextTokenCount": input_tokens});
    let billed = Billed { input_tokens, ..Billed::default() };
    Ok(Routed::Fixed(Fixed { form: Form::InvokeEmbeddings, model: model.to_owned(), body, billed }))
}
