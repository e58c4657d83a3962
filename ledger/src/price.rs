//! Configuration version and usage -> cost. The arithmetic itself is [`proto::money::Price`].
#![deny(clippy::float_arithmetic)]

use proto::config::Config;
use proto::money::NanoUsd;
use proto::usage::{Estimate, Usage};

/// What a call costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// This much; nothing at all included.
    Known(NanoUsd),
    /// The configuration has no price for the model.
    Unpriced,
    /// The configuration version was never seen on the stream.
    UnseenVersion,
    /// More than an amount can hold.
    TooLarge,
}

impl Cost {
    /// The amount, where there is one.
    pub fn amount(self) -> Option<NanoUsd> {
        match self {
            Self::Known(amount) => Some(amount),
            Self::Unpriced | Self::UnseenVersion | Self::TooLarge => None,
        }
    }
}

/// What was called, and when.
#[derive(Debug, Clone, Copy)]
pub struct Called<'a> {
    /// The model the caller asked for.
    pub alias: &'a str,
    /// The provider that was called.
    pub provider: &'a str,
    /// The model there.
    pub model: &'a str,
    /// The stream's time of what is priced, in milliseconds since the Unix epoch: vendors change their prices.
    pub at_ms: u64,
}

/// Prices `usage` of a call with a configuration version. Nothing used costs nothing at any price.
pub fn price(config: Option<&Config>, called: Called<'_>, usage: &Usage) -> Cost {
    if usage.input_tokens == 0 && usage.output_tokens == 0 && usage.web_searches == 0 {
        return Cost::Known(NanoUsd(0));
    }
    let Some(config) = config else { return Cost::UnseenVersion };
    let Called { alias, provider, model, at_ms } = called;
    let Some(price) = config.price_of(alias, provider, model, at_ms) else { return Cost::Unpriced };
    price.cost(usage).map_or(Cost::TooLarge, Cost::Known)
}

/// The usage that an estimate stands for.
pub fn estimated(estimate: Estimate) -> Usage {
    Usage { input_tokens: estimate.input_tokens, output_tokens: estimate.output_tokens, ..Usage::default() }
}

#[cfg(test)]
mod tests {
    use proto::config::{Model, Strategy};

    use super::*;

    #[test]
    fn each_reason_for_having_no_cost_is_told_apart() {
        let usage = Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() };
        let model = |alias: &str, price: Option<(&str, &str)>| Model {
            alias: alias.into(),
            strategy: Strategy::Simple,
            targets: Vec::new(),
            price: price.map(|(input, output)| proto::money::Price {
                input: input.parse().unwrap(),
                output: output.parse().unwrap(),
                cached_input: None,
                ..proto::money::Price::default()
            }),
        };
        let config = Config {
            version: 1,
            published_ms: 0,
            streaming: true,
            providers: Vec::new(),
            models: vec![model("fast", Some(("0.15", "0.60"))), model("dark", None)],
            projects: Vec::new(),
            prices: Vec::new(),
        };
        let called = |alias| Called { alias, provider: "p", model: "m", at_ms: 0 };
        assert_eq!(price(Some(&config), called("fast"), &usage), Cost::Known(NanoUsd(750)));
        assert_eq!(price(Some(&config), called("dark"), &usage), Cost::Unpriced);
        assert_eq!(price(None, called("fast"), &usage), Cost::UnseenVersion);
        assert_eq!(price(None, called("fast"), &Usage::default()), Cost::Known(NanoUsd(0)));
        let endless = Usage { input_tokens: u64::MAX, ..usage };
        assert_eq!(price(Some(&config), called("fast"), &endless), Cost::TooLarge);
    }
}
