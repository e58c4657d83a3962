//! Why answers end.
//!
//! | Gemini | canonical |
//! |---|---|
//! | `STOP` | tool calls if any were made, else stop |
//! | `MAX_TOKENS`, `CONTINUATION` | length |
//! | `SAFETY` and its kin, `promptFeedback.blockReason` | refusal, with Gemini's words |
//! | `MALFORMED_…` and any other | a failure of the provider's if nothing came before, else as `STOP`, with Gemini's words |

use super::wire::PromptFeedback;
use crate::canonical::{Finish, FinishReason};
use crate::dialect::UpstreamError;
use crate::redact::redact;

/// The longest explanation that is passed on, in characters.
const DETAILS_CHARS_MAX: usize = 2_000;

/// What had come when the answer ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct Come {
    /// Text or anything else for the caller, or a call.
    pub(super) anything: bool,
    /// A call.
    pub(super) calls: bool,
}

/// The end that `reason` means; `None` if it means that there is more to come.
pub(super) fn read(reason: &str, message: Option<&str>, come: Come) -> Option<Result<Finish, UpstreamError>> {
    let stop = if come.calls { FinishReason::ToolCalls } else { FinishReason::Stop };
    let details = || Some(words(message.filter(|message| !message.is_empty()).unwrap_or(reason)));
    let finish = match reason {
        "" | "FINISH_REASON_UNSPECIFIED" => return None,
        "STOP" => Finish::new(stop),
        "MAX_TOKENS" => Finish::new(FinishReason::Length),
        "CONTINUATION" => Finish { details: details(), ..Finish::new(FinishReason::Length) },
        "SAFETY"
        | "RECITATION"
        | "LANGUAGE"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => Finish { details: details(), ..Finish::new(FinishReason::Refusal) },
        _ if come.anything => Finish { details: details(), ..Finish::new(stop) },
        _ => {
            let message = message.filter(|message| !message.is_empty());
            let message = match message {
                Some(message) => words(message),
                None => format!("The model ended without an answer ({}).", words(reason)),
            };
            let code = Some(words(reason).chars().take(100).collect());
            return Some(Err(UpstreamError { message, code, ..UpstreamError::default() }));
        }
    };
    Some(Ok(finish))
}

/// The end that a blocked prompt is.
pub(super) fn blocked(feedback: &PromptFeedback) -> Option<Finish> {
    let reason = feedback.block_reason.as_deref().filter(|reason| {
        !matches!(*reason, "" | "BLOCK_REASON_UNSPECIFIED" | "BLOCKED_REASON_UNSPECIFIED")
    })?;
    let message = feedback.block_reason_message.as_deref().filter(|message| !message.is_empty());
    Some(Finish { details: Some(words(message.unwrap_or(reason))), ..Finish::new(FinishReason::Refusal) })
}

fn words(text: &str) -> String {
    redact(text).chars().take(DETAILS_CHARS_MAX).collect()
}
