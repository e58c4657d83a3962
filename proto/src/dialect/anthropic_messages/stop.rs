//! Why an answer ended, in Anthropic's words and in ours.
//!
//! | `stop_reason` | ours |
//! |---|---|
//! | `end_turn`, none, any unknown word | `Stop` |
//! | `stop_sequence` | `StopSequence` |
//! | `max_tokens` | `Length` |
//! | `model_context_window_exceeded` | `ContextFull` |
//! | `tool_use` | `ToolCalls` |
//! | `refusal` | `Refusal`, details = the explanation or the category |
//! | `pause_turn`, `compaction` | `Pause` |

use serde::Serialize;

use super::wire::Stop;
use crate::canonical::{Finish, FinishReason};

/// Their word to ours.
pub(super) fn finish(stop: &Stop<'_>) -> Finish {
    let reason = match stop.stop_reason.as_deref().unwrap_or_default() {
        "stop_sequence" => FinishReason::StopSequence,
        "max_tokens" => FinishReason::Length,
        "model_context_window_exceeded" => FinishReason::ContextFull,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::Refusal,
        "pause_turn" | "compaction" => FinishReason::Pause,
        _ => FinishReason::Stop,
    };
    let details = stop.stop_details.as_ref().and_then(|details| {
        details.explanation.as_deref().or(details.category.as_deref()).map(str::to_owned)
    });
    Finish { reason, stop_sequence: stop.stop_sequence.as_deref().map(str::to_owned), details }
}

/// Our word as theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Ending {
    stop_reason: &'static str,
    stop_sequence: Option<String>,
    stop_details: Option<Details>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Details {
    #[serde(rename = "type")]
    kind: &'static str,
    category: Option<String>,
    explanation: Option<String>,
}

/// How the answer ends for its caller: `called` if it holds a tool call, `refused` if it holds a refusal in words.
pub(super) fn ending(finish: Option<&Finish>, called: bool, refused: bool) -> Ending {
    let reason = finish.map_or(FinishReason::Stop, |finish| finish.reason);
    let stop_reason = match reason {
        FinishReason::Stop | FinishReason::ToolCalls if called => "tool_use",
        FinishReason::Stop if refused => "refusal",
        // A call that nobody sees is no call.
        FinishReason::Stop | FinishReason::ToolCalls => "end_turn",
        FinishReason::StopSequence => "stop_sequence",
        FinishReason::Length => "max_tokens",
        FinishReason::ContextFull => "model_context_window_exceeded",
        FinishReason::Refusal => "refusal",
        FinishReason::Pause => "pause_turn",
    };
    let details = finish.and_then(|finish| finish.details.clone());
    Ending {
        stop_reason,
        stop_sequence: finish
            .filter(|_| stop_reason == "stop_sequence")
            .and_then(|finish| finish.stop_sequence.clone()),
        stop_details: (stop_reason == "refusal").then_some(Details {
            kind: "refusal",
            category: None,
            explanation: details,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_both_ways() {
        for (theirs, ours, called) in [
            ("end_turn", FinishReason::Stop, false),
            ("stop_sequence", FinishReason::StopSequence, false),
            ("max_tokens", FinishReason::Length, false),
            ("model_context_window_exceeded", FinishReason::ContextFull, false),
            ("tool_use", FinishReason::ToolCalls, true),
            ("refusal", FinishReason::Refusal, false),
            ("pause_turn", FinishReason::Pause, false),
        ] {
            let stop = Stop { stop_reason: Some(theirs.into()), ..Stop::default() };
            assert_eq!(finish(&stop).reason, ours);
            assert_eq!(ending(Some(&Finish::new(ours)), called, false).stop_reason, theirs);
        }
        assert_eq!(ending(Some(&Finish::new(FinishReason::Stop)), true, false).stop_reason, "tool_use");
        assert_eq!(ending(Some(&Finish::new(FinishReason::Stop)), false, true).stop_reason, "refusal");
        assert_eq!(ending(Some(&Finish::new(FinishReason::Length)), true, false).stop_reason, "max_tokens");
    }

    #[test]
    fn a_refusal_is_explained() {
        let stop: Stop<'_> = serde_json::from_str(
            r#"{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"bio","explanation":"No."}}"#,
        )
        .unwrap();
        let finish = finish(&stop);
        assert_eq!(finish.details.as_deref(), Some("No."));
        let details = ending(Some(&finish), false, false).stop_details.unwrap();
        assert_eq!(details.explanation.as_deref(), Some("No."));
    }
}
