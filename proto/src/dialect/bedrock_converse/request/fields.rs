//! What the caller's dialect calls a field, so that errors and warnings name what the caller wrote.

use crate::dialect::Dialect;

/// A field whose name differs between the dialects.
#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Effort,
    Format,
    Marks,
    MaxTokens,
    ParallelTools,
    Stop,
    Verbosity,
}

impl Field {
    pub(super) fn name(self, dialect: Dialect) -> &'static str {
        use Dialect::{AnthropicMessages, OpenaiResponses};

        match (self, dialect) {
            (Self::Effort, AnthropicMessages) => "thinking",
            (Self::Effort, OpenaiResponses) => "reasoning.effort",
            (Self::Effort, _) => "reasoning_effort",
            (Self::Format, AnthropicMessages) => "output_config.format",
            (Self::Format, OpenaiResponses) => "text.format",
            (Self::Format, _) => "response_format",
            (Self::Marks, AnthropicMessages) => "cache_control",
            (Self::Marks, OpenaiResponses) => "input",
            (Self::Marks, _) => "messages",
            (Self::MaxTokens, AnthropicMessages) => "max_tokens",
            (Self::MaxTokens, OpenaiResponses) => "max_output_tokens",
            (Self::MaxTokens, _) => "max_completion_tokens",
            (Self::ParallelTools, AnthropicMessages) => "tool_choice.disable_parallel_tool_use",
            (Self::ParallelTools, _) => "parallel_tool_calls",
            (Self::Stop, AnthropicMessages) => "stop_sequences",
            (Self::Stop, _) => "stop",
            (Self::Verbosity, OpenaiResponses) => "text.verbosity",
            (Self::Verbosity, _) => "verbosity",
        }
    }
}
