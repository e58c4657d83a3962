//! Token counts: one meaning everywhere, and how a provider's own numbers become it.
//!
//! Input is always cache-inclusive and output always includes reasoning; the detail counts say which part.

use serde::{Deserialize, Serialize};

/// What one attempt used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// All input tokens, cached ones included.
    pub input_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// Input tokens read from a prompt cache.
    #[serde(default)]
    pub cached_input_tokens: u64,
    /// Input tokens written to a prompt cache, whatever its lifetime.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Those of them written to the long-lived cache (hours).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_long_tokens: u64,
    /// Output tokens spent on reasoning.
    #[serde(default)]
    pub reasoning_tokens: u64,
    /// Searches that the provider ran and bills by the piece.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub web_searches: u64,
    /// The tier that served it, where the provider says and it is not the standard one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A service tier that has its own price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Slower and cheaper.
    Flex,
    /// Faster and dearer (OpenAI's `priority`, also asked for as `fast`).
    Priority,
    /// Fastest (OpenAI's `ultrafast`, Anthropic's `speed: fast`).
    Fast,
    /// In bulk.
    Batch,
}

/// What a provider reported, already in our meaning of input and output; `None` = it did not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reported {
    /// Input tokens, cached ones included.
    pub input_tokens: Option<u64>,
    /// Output tokens, reasoning included.
    pub output_tokens: Option<u64>,
    /// Input and output together.
    pub total_tokens: Option<u64>,
    /// See [`Usage::cached_input_tokens`].
    pub cached_input_tokens: Option<u64>,
    /// See [`Usage::cache_write_tokens`].
    pub cache_write_tokens: Option<u64>,
    /// See [`Usage::cache_write_long_tokens`].
    pub cache_write_long_tokens: Option<u64>,
    /// See [`Usage::reasoning_tokens`].
    pub reasoning_tokens: Option<u64>,
    /// See [`Usage::web_searches`].
    pub web_searches: Option<u64>,
    /// See [`Usage::tier`].
    pub tier: Option<Tier>,
}

/// Our own guess, used where the provider is silent: characters divided by four, rounded up, at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Estimate {
    /// Input tokens.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
}

/// The documented estimate of `chars` characters of text.
pub fn estimate_tokens(chars: u64) -> u64 {
    chars.div_ceil(4).max(1)
}

/// Where the numbers of a [`Usage`] come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// All from the provider.
    Provider,
    /// Some from the provider, the rest derived or recomputed.
    Reconciled,
    /// None from the provider.
    #[default]
    Estimated,
}

/// What was odd about the provider's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageWarning {
    /// No input count.
    ProviderPromptTokensMissing,
    /// No output count.
    ProviderCompletionTokensMissing,
    /// The total is not the sum of its parts.
    ProviderTotalTokensMismatch,
    /// A detail count is larger than the count it is a part of; it was cut to it.
    ProviderDetailTokensExceedTotal,
}

/// A usage with its provenance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reconciled {
    /// The numbers to price.
    pub usage: Usage,
    /// Where they come from.
    pub source: UsageSource,
    /// What was odd.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<UsageWarning>,
}

impl Reconciled {
    /// No tokens at all, known for certain (the provider refused the call).
    pub fn nothing() -> Self {
        Self { source: UsageSource::Provider, ..Self::default() }
    }
}

/// Makes one usage of what the provider said and what we would guess.
///
/// A missing part is derived from the total where both others are known, else estimated; where all are given
/// and disagree, the parts stand and the total is recomputed.
pub fn reconcile(reported: Option<&Reported>, estimate: Estimate) -> Reconciled {
    let r = reported.copied().unwrap_or_default();
    let mut warnings = Vec::new();
    if r.input_tokens.is_none() {
        warnings.push(UsageWarning::ProviderPromptTokensMissing);
    }
    if r.output_tokens.is_none() {
        warnings.push(UsageWarning::ProviderCompletionTokensMissing);
    }
    let (input, output) = match (r.input_tokens, r.output_tokens, r.total_tokens) {
        (Some(input), Some(output), total) => {
            if total.is_some_and(|total| Some(total) != input.checked_add(output)) {
                warnings.push(UsageWarning::ProviderTotalTokensMismatch);
            }
            (input, output)
        }
        (Some(input), None, Some(total)) if total >= input => (input, total - input),
        (None, Some(output), Some(total)) if total >= output => (total - output, output),
        (input, output, total) => {
            if total.is_some() && (input.is_some() || output.is_some()) {
                warnings.push(UsageWarning::ProviderTotalTokensMismatch);
            }
            (input.unwrap_or(estimate.input_tokens), output.unwrap_or(estimate.output_tokens))
        }
    };
    let source = match (r.input_tokens, r.output_tokens) {
        (None, None) => UsageSource::Estimated,
        (Some(_), Some(_)) if warnings.is_empty() => UsageSource::Provider,
        _ => UsageSource::Reconciled,
    };
    let cached = r.cached_input_tokens.unwrap_or(0);
    let written = r.cache_write_tokens.unwrap_or(0);
    let long = r.cache_write_long_tokens.unwrap_or(0);
    let reasoning = r.reasoning_tokens.unwrap_or(0);
    let usage = Usage {
        input_tokens: input,
        output_tokens: output,
        cached_input_tokens: cached.min(input),
        cache_write_tokens: written.min(input - cached.min(input)),
        cache_write_long_tokens: long.min(written).min(input - cached.min(input)),
        reasoning_tokens: reasoning.min(output),
        web_searches: r.web_searches.unwrap_or(0),
        tier: r.tier,
    };
    let cut = (
        usage.cached_input_tokens,
        usage.cache_write_tokens,
        usage.cache_write_long_tokens,
        usage.reasoning_tokens,
    );
    if cut != (cached, written, long, reasoning) {
        warnings.push(UsageWarning::ProviderDetailTokensExceedTotal);
    }
    Reconciled { usage, source, warnings }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUESS: Estimate = Estimate { input_tokens: 7, output_tokens: 3 };

    fn said(input: Option<u64>, output: Option<u64>, total: Option<u64>) -> Reconciled {
        let reported = Reported {
            input_tokens: input,
            output_tokens: output,
            total_tokens: total,
            ..Reported::default()
        };
        reconcile(Some(&reported), GUESS)
    }

    fn numbers(r: &Reconciled) -> (u64, u64) {
        (r.usage.input_tokens, r.usage.output_tokens)
    }

    #[test]
    fn complete_numbers_are_the_providers() {
        let r = said(Some(10), Some(5), Some(15));
        assert_eq!((numbers(&r), r.source, r.warnings.len()), ((10, 5), UsageSource::Provider, 0));
        let r = said(Some(10), Some(5), None);
        assert_eq!((numbers(&r), r.source, r.warnings.len()), ((10, 5), UsageSource::Provider, 0));
    }

    #[test]
    fn a_missing_part_is_derived_from_the_total() {
        let r = said(None, Some(5), Some(15));
        assert_eq!((numbers(&r), r.source), ((10, 5), UsageSource::Reconciled));
        assert_eq!(r.warnings, [UsageWarning::ProviderPromptTokensMissing]);
        let r = said(Some(10), None, Some(15));
        assert_eq!((numbers(&r), r.source), ((10, 5), UsageSource::Reconciled));
        assert_eq!(r.warnings, [UsageWarning::ProviderCompletionTokensMissing]);
    }

    #[test]
    fn parts_win_over_a_total_that_disagrees() {
        let r = said(Some(10), Some(5), Some(99));
        assert_eq!((numbers(&r), r.source), ((10, 5), UsageSource::Reconciled));
        assert_eq!(r.warnings, [UsageWarning::ProviderTotalTokensMismatch]);
    }

    #[test]
    fn silence_is_estimated_and_flagged() {
        let r = reconcile(None, GUESS);
        assert_eq!((numbers(&r), r.source), ((7, 3), UsageSource::Estimated));
        assert_eq!(r.warnings.len(), 2);
        let r = said(Some(10), None, Some(4));
        assert_eq!((numbers(&r), r.source), ((10, 3), UsageSource::Reconciled));
    }

    #[test]
    fn details_never_exceed_what_they_are_part_of() {
        let reported = Reported {
            input_tokens: Some(10),
            output_tokens: Some(5),
            cached_input_tokens: Some(8),
            cache_write_tokens: Some(8),
            reasoning_tokens: Some(6),
            ..Reported::default()
        };
        let r = reconcile(Some(&reported), GUESS);
        assert_eq!(
            (r.usage.cached_input_tokens, r.usage.cache_write_tokens, r.usage.reasoning_tokens),
            (8, 2, 5)
        );
        assert_eq!(r.warnings, [UsageWarning::ProviderDetailTokensExceedTotal]);
    }
}
