//! Tokens of an answer, and which of them each wire format can tell apart.

use super::asked::Form;
use super::record::Billed;

/// Tokens in classes that do not overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub uncached: u64,
    pub cached: u64,
    pub write_short: u64,
    pub write_long: u64,
    pub visible: u64,
    pub reasoning: u64,
}

impl Counts {
    /// All input.
    pub(crate) fn input(&self) -> u64 {
        self.uncached + self.cached + self.write_short + self.write_long
    }

    /// All output.
    pub(crate) fn output(&self) -> u64 {
        self.visible + self.reasoning
    }

    /// What of it the wire format can say.
    pub(crate) fn billed(&self, form: Form) -> Billed {
        let whole = Billed {
            input_tokens: self.input(),
            output_tokens: self.output(),
            cached: self.cached,
            cache_write: self.write_short + self.write_long,
            cache_write_long: self.write_long,
            reasoning: self.reasoning,
        };
        match form {
            Form::Chat => Billed { cache_write_long: 0, ..whole },
            Form::Gemini => Billed { cache_write: 0, cache_write_long: 0, ..whole },
            Form::Converse => Billed { reasoning: 0, ..whole },
            _ => whole,
        }
    }
}
