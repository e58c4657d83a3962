//! Embeddings at providers that do not speak OpenAI's dialect: several calls where one takes too little.

use bytes::Bytes;

use super::{Ask, Exchange, Way};
use crate::canonical::Warnings;
use crate::config::ProviderKind;
use crate::dialect::codec::Target;
use crate::dialect::embeddings::{
    EmbedRequest, Embedded, GEMINI_BATCH_MAX, decode_gemini, decode_request, decode_titan,
    encode_gemini_part, encode_response, encode_titan,
};
use crate::dialect::openai_chat::Answer;
use crate::dialect::{BadAnswer, Dialect};
use crate::fault::Fault;
use crate::usage::{Estimate, reconcile};

/// What becomes of the answers.
#[derive(Debug)]
pub(super) struct Embed {
    kind: ProviderKind,
    request: EmbedRequest,
    model: String,
    input_estimate: u64,
}

/// Whether a vendor has embeddings of its own kind.
pub(super) fn is_foreign(kind: ProviderKind) -> bool {
    matches!(kind, ProviderKind::Gemini | ProviderKind::Bedrock)
}

/// Makes the bodies.
pub(super) fn prepare(ask: &Ask<'_>, target: &Target<'_>) -> Result<Exchange, Fault> {
    let request = decode_request(ask.body)?;
    let mut warnings = Warnings::default();
    request.warn(&mut warnings);
    if ask.strict {
        warnings.refuse_any()?;
    }
    let model = target.origin.model.clone();
    let count = request.inputs.len();
    let mut bodies = Vec::new();
    if target.kind == ProviderKind::Gemini {
        for start in (0..count).step_by(GEMINI_BATCH_MAX) {
            let end = count.min(start + GEMINI_BATCH_MAX);
            bodies.push(encode_gemini_part(&request, &model, start..end)?);
        }
    } else {
        for index in 0..count {
            bodies.push(encode_titan(&request, index)?);
        }
    }
    let embed = Embed { kind: target.kind, request, model, input_estimate: ask.input_estimate };
    Ok(Exchange {
        dialect: Dialect::OpenaiEmbeddings,
        bodies,
        headers: Vec::new(),
        warnings,
        way: Way::Embed(Box::new(embed)),
    })
}

impl Embed {
    /// One answer out of all of them: all inputs, or none.
    pub(super) fn answer(&self, bodies: &[Bytes]) -> Result<(Bytes, Answer), BadAnswer> {
        let mut all: Option<Embedded> = None;
        for body in bodies {
            let next =
                if self.kind == ProviderKind::Gemini { decode_gemini(body)? } else { decode_titan(body)? };
            match &mut all {
                None => all = Some(next),
                Some(all) => all.append(next),
            }
        }
        let embedded = all.ok_or(BadAnswer::NotACompletion)?.for_inputs(self.request.inputs.len())?;
        let estimate = Estimate { input_tokens: self.input_estimate, output_tokens: 0 };
        let usage = reconcile(embedded.usage.as_ref(), estimate).usage;
        let answer = Answer { reported: embedded.usage, output_chars: 0, choices: embedded.vectors.len() };
        Ok((encode_response(&embedded.vectors, &usage, &self.model, self.request.encoding), answer))
    }
}
