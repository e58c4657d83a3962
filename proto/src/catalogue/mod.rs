//! What models can do and what they cost: data, not code. Unknown models get conservative defaults: nothing is taken
//! away from them, and what they do not understand is their provider's to refuse; and they have no price.
//!
//! | file | owns |
//! |---|---|
//! | `data/models.json` (shipped in the binary) | the rows |
//! | `load` | the rows made whole: inherited from wider patterns, copied from vendor to vendor |
//! | `names` | how a model's name is looked up |
//! | `prices` | the dated price table |

mod load;
mod names;
mod prices;
#[cfg(test)]
mod tests;

pub use prices::{Day, DayError, PriceRow, price_in, prices};

use serde::Deserialize;

use crate::canonical::Effort;
use crate::config::ProviderKind;

/// What a model can do. The default is that of a model nobody has told us about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profile {
    /// The most tokens of prompt and answer together.
    pub context_tokens: u64,
    /// The most tokens of answer; also what is asked for where a dialect must name a limit and the caller did not.
    pub output_tokens: u64,
    /// Takes tools.
    pub tools: bool,
    /// Can be told that a tool must be called.
    pub forced_tools: bool,
    /// Honours `strict` on tools.
    pub strict_tools: bool,
    /// Can be held to a JSON schema.
    pub json_schema: bool,
    /// Takes a temperature, `top_p` and penalties.
    pub sampling: bool,
    /// Takes pictures.
    pub images: bool,
    /// Takes PDF documents.
    pub documents: bool,
    /// Takes recordings.
    pub audio: bool,
    /// Takes instructions in the middle of a conversation (Anthropic, Bedrock).
    pub mid_system: bool,
    /// Goes on from a last turn of the assistant's.
    pub prefill: bool,
    /// Knows the role `developer` (OpenAI).
    pub developer_role: bool,
    /// Wants `max_completion_tokens` in place of `max_tokens` on Chat Completions.
    pub max_completion_tokens: bool,
    /// Refuses function tools together with reasoning on Chat Completions: needs the Responses API.
    pub tools_need_responses: bool,
    /// Takes marks in a prompt up to which it is cached.
    pub cache_marks: bool,
    /// Takes marks that live for hours.
    pub cache_marks_long: bool,
    /// How its reasoning is steered.
    pub reasoning: ReasoningControl,
    /// How its tokens are counted when nobody else does.
    pub tokenizer: Tokenizer,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            context_tokens: 128_000,
            output_tokens: 4096,
            tools: true,
            forced_tools: true,
            strict_tools: true,
            json_schema: true,
            sampling: true,
            images: true,
            documents: true,
            audio: true,
            mid_system: false,
            prefill: true,
            developer_role: false,
            max_completion_tokens: false,
            tools_need_responses: false,
            cache_marks: true,
            cache_marks_long: true,
            reasoning: ReasoningControl::Unknown,
            tokenizer: Tokenizer::Other,
        }
    }
}

/// How a model's reasoning is steered.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningControl {
    /// Not known: what the caller asks for is sent in the target's usual way.
    #[default]
    Unknown,
    /// It does not reason.
    None,
    /// By effort in words (OpenAI; Gemini's levels).
    Effort {
        /// The words it knows, in order.
        levels: Vec<Effort>,
    },
    /// Adaptive thinking with effort in words (Claude 4.6 and later).
    Adaptive {
        /// Whether thinking can be switched off.
        can_disable: bool,
        /// Whether it thinks unless told not to.
        default_on: bool,
        /// The words it knows, in order.
        levels: Vec<Effort>,
    },
    /// By a budget of tokens (Claude up to 4.5, Gemini 2.5).
    Budget {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
        /// Whether thinking can be switched off.
        can_disable: bool,
    },
}

/// Whose tokenizer a model uses, as far as estimates go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tokenizer {
    /// OpenAI's `o200k_base`.
    O200k,
    /// Claude up to 4.6.
    Claude,
    /// Claude from 4.7 on.
    Claude47,
    /// Gemini.
    Gemini,
    /// Anything else.
    #[default]
    Other,
}

impl Profile {
    /// The nearest effort the model knows: the asked one, else the next lower, else its lowest; but who wants any
    /// thinking gets some. `None` if it knows no words at all.
    pub fn nearest_effort(&self, asked: Effort) -> Option<Effort> {
        let (ReasoningControl::Effort { levels } | ReasoningControl::Adaptive { levels, .. }) =
            &self.reasoning
        else {
            return None;
        };
        let thinks = |level: &&Effort| asked == Effort::None || **level != Effort::None;
        let lower = levels.iter().rev().filter(thinks).find(|level| **level <= asked);
        lower.or_else(|| levels.iter().find(thinks)).or_else(|| levels.first()).copied()
    }
}

/// The profile of `model` at a vendor. Of names that do not tell the model (an Azure deployment, the ARN of an
/// application's inference profile) the model behind them is to be asked for.
pub fn profile(kind: ProviderKind, model: &str) -> Profile {
    load::profile(kind, model).cloned().unwrap_or_default()
}
