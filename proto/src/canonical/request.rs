//! A request.

use serde_json::{Map, Number, Value};

use super::part::{At, CacheMark, CacheTtl, Content, Part};
use super::tool::{Tool, ToolChoice};
use crate::dialect::Dialect;

/// What a caller asks for, in no dialect.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The dialect it came in.
    pub dialect: Dialect,
    /// The model as the caller names it.
    pub model: String,
    /// Whether the answer is to be streamed.
    pub stream: bool,
    /// Instructions that stand before all turns (system and developer messages), in order.
    pub system: Vec<SystemText>,
    /// The conversation. Neighbours may have the same role; encoders merge where they must.
    pub turns: Vec<Turn>,
    /// Tools on offer.
    pub tools: Vec<Tool>,
    /// Whether tools are to be called; `None` = not said.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several tools may be called at once; `None` = not said.
    pub parallel_tools: Option<bool>,
    /// The form of the answer.
    pub output: Output,
    /// OpenAI's `verbosity`.
    pub verbosity: Option<String>,
    /// The most tokens of answer, reasoning included.
    pub max_tokens: Option<u64>,
    /// How tokens are drawn.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// How much to think, and how much of it to show.
    pub reasoning: Reasoning,
    /// The service tier, in OpenAI's words (`auto`, `default`, `flex`, `priority`, …).
    pub service_tier: Option<String>,
    /// An opaque id of the person the caller serves.
    pub end_user: Option<String>,
    /// The caller's own key-value pairs.
    pub metadata: Map<String, Value>,
    /// Caching of the prompt as a whole; marks stand on parts and tools.
    pub cache: Cache,
    /// State kept between requests.
    pub state: State,
    /// Fields of the caller's dialect that are none of the above, by their top-level name and as they stood.
    ///
    /// A field within another stands under its path (`reasoning.context`, `tools[2].defer_loading`).
    pub rest: Map<String, Value>,
    /// What an answer in the caller's dialect repeats of the request, as it stood there (OpenAI Responses).
    pub echo: Map<String, Value>,
}

impl Request {
    /// An empty request of a dialect.
    pub fn new(dialect: Dialect, model: impl Into<String>) -> Self {
        Self {
            dialect,
            model: model.into(),
            stream: false,
            system: Vec::new(),
            turns: Vec::new(),
            tools: Vec::new(),
            tool_choice: None,
            parallel_tools: None,
            output: Output::Text,
            verbosity: None,
            max_tokens: None,
            sampling: Sampling::default(),
            stop: Vec::new(),
            reasoning: Reasoning::default(),
            service_tier: None,
            end_user: None,
            metadata: Map::new(),
            cache: Cache::default(),
            state: State::default(),
            rest: Map::new(),
            echo: Map::new(),
        }
    }

    /// Takes out what providers want back unread: one that refuses it may still answer without.
    pub fn forget_opaque(&mut self) {
        for part in self.turns.iter_mut().flat_map(|turn| &mut turn.parts) {
            match &mut part.content {
                Content::Reasoning { opaque, .. } | Content::ToolCall { opaque, .. } => opaque.clear(),
                _ => {}
            }
        }
    }

    /// Whether a Chat caller asks for sound, which no translation can give.
    pub fn wants_sound(&self) -> bool {
        let modalities = self.rest.get("modalities").and_then(Value::as_array);
        self.dialect == Dialect::OpenaiChat
            && (self.rest.contains_key("audio")
                || modalities.is_some_and(|kinds| kinds.iter().any(|kind| kind == "audio")))
    }

    /// The name of a place in the caller's body, for errors: `messages[3].content[1]`, `input[3]`.
    pub fn path(&self, at: At) -> String {
        let list = if self.dialect == Dialect::OpenaiResponses { "input" } else { "messages" };
        match at.part {
            Some(part) => format!("{list}[{}].content[{part}]", at.turn),
            None => format!("{list}[{}]", at.turn),
        }
    }
}

/// A piece of the instructions before all turns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SystemText {
    /// The text.
    pub text: String,
    /// Cache up to and including it.
    pub cache: Option<CacheMark>,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// OpenAI Responses' `phase` of an assistant's message.
    pub phase: Option<String>,
}

/// Who speaks. Tool results are the user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The caller's side.
    User,
    /// The model.
    Assistant,
    /// Instructions in the middle of the conversation.
    System,
}

/// The form of the answer.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Output {
    /// Free text.
    #[default]
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON of a schema.
    JsonSchema {
        /// OpenAI's name of it.
        name: Option<String>,
        /// What it is for.
        description: Option<String>,
        /// The JSON Schema.
        schema: Value,
        /// Whether it must be followed.
        strict: Option<bool>,
    },
}

/// How tokens are drawn. Numbers stay as the caller wrote them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sampling {
    /// 0 to 2 (0 to 1 at Anthropic and Bedrock).
    pub temperature: Option<Number>,
    /// Nucleus sampling.
    pub top_p: Option<Number>,
    /// The best k only.
    pub top_k: Option<u64>,
    /// Best effort determinism.
    pub seed: Option<i64>,
    /// -2 to 2.
    pub presence_penalty: Option<Number>,
    /// -2 to 2.
    pub frequency_penalty: Option<Number>,
    /// Token id to bias.
    pub logit_bias: Option<Value>,
    /// Whether log probabilities are wanted.
    pub logprobs: bool,
    /// How many answers; 1 if not said.
    pub n: Option<u64>,
}

/// How much to think, and how much of it to show.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reasoning {
    /// In words.
    pub effort: Option<Effort>,
    /// In tokens (Anthropic's `budget_tokens`, Gemini's `thinkingBudget`).
    pub budget: Option<u64>,
    /// The caller wants thinking on (`true`: Anthropic's adaptive or enabled) or off (`false`: disabled).
    pub enabled: Option<bool>,
    /// What is shown.
    pub show: Option<Show>,
}

/// How much of the reasoning is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Nothing.
    None,
    /// A summary.
    Summary,
    /// All of it, where the provider shows it.
    Full,
}

/// How hard to think. Ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as possible.
    Minimal,
    /// Little.
    Low,
    /// The usual.
    Medium,
    /// Much.
    High,
    /// More.
    Xhigh,
    /// As much as possible.
    Max,
}

impl Effort {
    /// The word, the same in OpenAI's and Anthropic's dialects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minimal => "minimal",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Xhigh => "xhigh",
            Self::Max => "max",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Minimal, Self::Low, Self::Medium, Self::High, Self::Xhigh, Self::Max]
            .into_iter()
            .find(|effort| effort.as_str() == word)
    }

    /// The effort a budget of thinking tokens amounts to.
    pub fn of_budget(tokens: u64) -> Self {
        match tokens {
            0 => Self::None,
            1..=1024 => Self::Minimal,
            1025..=4096 => Self::Low,
            4097..=12_000 => Self::Medium,
            12_001..=20_000 => Self::High,
            _ => Self::Xhigh,
        }
    }

    /// The budget of thinking tokens an effort amounts to.
    pub fn budget(self) -> u64 {
        match self {
            Self::None => 0,
            Self::Minimal => 1024,
            Self::Low => 2048,
            Self::Medium => 8192,
            Self::High => 16_384,
            Self::Xhigh => 24_576,
            Self::Max => 32_000,
        }
    }
}

/// Caching of the prompt as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cache {
    /// OpenAI's `prompt_cache_key`.
    pub key: Option<String>,
    /// The lifetime asked for the whole prompt (OpenAI's `prompt_cache_options.ttl`).
    pub ttl: Option<CacheTtl>,
    /// Anthropic's top-level `cache_control`: mark the last cacheable block.
    pub auto: Option<CacheMark>,
}

/// State kept between requests (OpenAI Responses).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The response this one goes on from.
    pub previous_id: Option<String>,
    /// The conversation it belongs to.
    pub conversation: Option<String>,
    /// Whether the answer is to be kept; `None` = not said.
    pub store: Option<bool>,
    /// Whether the caller will fetch the answer later.
    pub background: bool,
}
