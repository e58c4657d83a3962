//! What a model costs, and what a usage costs with it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{NanoUsd, Rate};
use crate::usage::{Tier, Usage};

const TOKENS_PER_RATE: i128 = 1_000_000;

/// What a model costs, per token class. The classes are disjoint: an input token is billed at exactly one of
/// `input`, `cached_input`, `cache_write` and `cache_write_long`; reasoning tokens are output tokens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Input tokens neither read from nor written to a prompt cache.
    pub input: Rate,
    /// Output tokens, reasoning included.
    pub output: Rate,
    /// Input tokens read from a prompt cache; `input` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Rate>,
    /// Input tokens written to a prompt cache; `input` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Rate>,
    /// Input tokens written to a prompt cache that lives for hours; `cache_write` where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_long: Option<Rate>,
    /// Rates for the whole of a request that has more input than this; the highest step passed counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub above: Vec<Above>,
    /// Service tiers that cost so many times as much. A tier that is not here costs as much as the standard one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<TierPrice>,
    /// One search that the provider ran, whatever the tier; nothing where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_search: Option<NanoUsd>,
}

/// The rates of a long request. Classes without a rate of their own fall back as in [`Price`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Above {
    /// They hold for requests with more input tokens than this, cached ones included.
    pub input_tokens_over: u64,
    /// See [`Price::input`].
    pub input: Rate,
    /// See [`Price::output`].
    pub output: Rate,
    /// See [`Price::cached_input`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_input: Option<Rate>,
    /// See [`Price::cache_write`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Rate>,
    /// See [`Price::cache_write_long`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write_long: Option<Rate>,
}

/// What a service tier costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TierPrice {
    /// The tier that the provider says it served.
    pub tier: Tier,
    /// How many times as much as the standard one.
    pub times: Times,
}

/// A ratio of whole numbers, written `2` or `5/2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    numerator: u16,
    denominator: u16,
}

/// Text that is not a ratio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a ratio of whole numbers such as \"2\" or \"5/2\"")]
pub struct TimesError;

impl Times {
    /// As much.
    pub const ONE: Self = Self { numerator: 1, denominator: 1 };

    /// The rate so many times, `None` unless that is a whole number of nano-USD that fits.
    pub fn of(self, rate: Rate) -> Option<Rate> {
        let product = i128::from(rate.0).checked_mul(i128::from(self.numerator))?;
        let denominator = i128::from(self.denominator);
        (product % denominator == 0).then(|| i64::try_from(product / denominator).ok().map(Rate)).flatten()
    }
}

impl FromStr for Times {
    type Err = TimesError;

    fn from_str(text: &str) -> Result<Self, TimesError> {
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        let whole = |text: &str| {
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u16>().ok().filter(|n| digits && *n > 0).ok_or(TimesError)
        };
        Ok(Self { numerator: whole(numerator)?, denominator: whole(denominator)? })
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            denominator => write!(f, "{}/{denominator}", self.numerator),
        }
    }
}

impl Serialize for Times {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The rates that hold for one request.
struct Rates {
    input: Rate,
    output: Rate,
    cached_input: Rate,
    cache_write: Rate,
    cache_write_long: Rate,
}

impl Price {
    /// What `usage` costs: summed over all classes, then rounded once, up. `None` if it does not fit.
    pub fn cost(&self, usage: &Usage) -> Option<NanoUsd> {
        let rates = self.rates(usage.input_tokens);
        let cached = usage.cached_input_tokens.min(usage.input_tokens);
        let written = usage.cache_write_tokens.min(usage.input_tokens - cached);
        let long = usage.cache_write_long_tokens.min(written);
        let classes = [
            (usage.input_tokens - cached - written, rates.input),
            (cached, rates.cached_input),
            (written - long, rates.cache_write),
            (long, rates.cache_write_long),
            (usage.output_tokens, rates.output),
        ];
        let times = self.times(usage.tier);
        let tokens = classes.iter().try_fold(0i128, |sum, (tokens, rate)| {
            sum.checked_add(i128::from(*tokens).checked_mul(i128::from(rate.0))?)
        });
        let tokens = tokens?.checked_mul(i128::from(times.numerator))?;
        let unit = TOKENS_PER_RATE * i128::from(times.denominator);
        let fee = i128::from(self.web_search.unwrap_or_default().0);
        let searches = i128::from(usage.web_searches).checked_mul(fee)?.checked_mul(unit)?;
        round_up(tokens.checked_add(searches)?, unit)
    }

    fn rates(&self, input_tokens: u64) -> Rates {
        let passed = self.above.iter().filter(|step| input_tokens > step.input_tokens_over);
        let (input, output, cached, short, long) = match passed.max_by_key(|step| step.input_tokens_over) {
            Some(step) => {
                (step.input, step.output, step.cached_input, step.cache_write, step.cache_write_long)
            }
            None => (self.input, self.output, self.cached_input, self.cache_write, self.cache_write_long),
        };
        let cache_write = short.unwrap_or(input);
        Rates {
            input,
            output,
            cached_input: cached.unwrap_or(input),
            cache_write,
            cache_write_long: long.unwrap_or(cache_write),
        }
    }

    fn times(&self, tier: Option<Tier>) -> Times {
        let known = self.tiers.iter().find(|known| Some(known.tier) == tier);
        known.map_or(Times::ONE, |known| known.times)
    }

    /// The price with every rate so many times; `None` unless each of them is exact.
    pub fn scaled(&self, times: Times) -> Option<Self> {
        self.steeper(times, times)
    }

    /// The price with its input rates and its output rates so many times; `None` unless each of them is exact.
    pub(crate) fn steeper(&self, input: Times, output: Times) -> Option<Self> {
        let maybe = |rate: Option<Rate>| match rate {
            Some(rate) => input.of(rate).map(Some),
            None => Some(None),
        };
        let step = |step: &Above| {
            Some(Above {
                input_tokens_over: step.input_tokens_over,
                input: input.of(step.input)?,
                output: output.of(step.output)?,
                cached_input: maybe(step.cached_input)?,
                cache_write: maybe(step.cache_write)?,
                cache_write_long: maybe(step.cache_write_long)?,
            })
        };
        Some(Self {
            input: input.of(self.input)?,
            output: output.of(self.output)?,
            cached_input: maybe(self.cached_input)?,
            cache_write: maybe(self.cache_write)?,
            cache_write_long: maybe(self.cache_write_long)?,
            above: self.above.iter().map(step).collect::<Option<_>>()?,
            tiers: self.tiers.clone(),
            web_search: self.web_search,
        })
    }
}

/// The only rounding of money: a sum of tokens times rates in parts of a nano-USD, up to the next whole one.
fn round_up(parts: i128, unit: i128) -> Option<NanoUsd> {
    let nano = parts.checked_add(unit - 1)?.div_euclid(unit);
    i64::try_from(nano).ok().map(NanoUsd)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        text.parse().unwrap()
    }

    fn price(input: &str, output: &str, cached: Option<&str>) -> Price {
        Price { input: rate(input), output: rate(output), cached_input: cached.map(rate), ..Price::default() }
    }

    #[test]
    fn a_cost_is_rounded_once_and_up() {
        // 1 x 0.15 + 1 x 0.60 USD per million = 0.75 millionths of a dollar = 750 nano-USD.
        let usage = Usage { input_tokens: 1, output_tokens: 1, ..Usage::default() };
        assert_eq!(price("0.15", "0.60", None).cost(&usage), Some(NanoUsd(750)));
        // Each class alone would round up to 1; the sum of both is 0.0002 nano-USD and rounds to 1.
        let tiny = price("0.000000001", "0.000000001", None);
        assert_eq!(tiny.cost(&usage), Some(NanoUsd(1)));
        assert_eq!(tiny.cost(&Usage::default()), Some(NanoUsd(0)));
    }

    #[test]
    fn cached_tokens_are_part_of_the_input() {
        let usage = Usage { input_tokens: 1000, cached_input_tokens: 400, ..Usage::default() };
        assert_eq!(price("1", "1", Some("0.1")).cost(&usage), Some(NanoUsd(600_000 + 40_000)));
        assert_eq!(price("1", "1", None).cost(&usage), Some(NanoUsd(1_000_000)));
    }

    #[test]
    fn written_tokens_are_billed_by_how_long_they_live() {
        let usage = Usage {
            input_tokens: 1000,
            cached_input_tokens: 400,
            cache_write_tokens: 300,
            cache_write_long_tokens: 100,
            ..Usage::default()
        };
        let mut price = price("1", "1", Some("0.1"));
        assert_eq!(price.cost(&usage), Some(NanoUsd(640_000)));
        price.cache_write = Some(rate("1.25"));
        assert_eq!(price.cost(&usage), Some(NanoUsd(300_000 + 40_000 + 375_000)));
        price.cache_write_long = Some(rate("2"));
        assert_eq!(price.cost(&usage), Some(NanoUsd(300_000 + 40_000 + 250_000 + 200_000)));
        // Parts that exceed their whole are cut to it: nothing is free and nothing is billed twice.
        let odd = Usage { cache_write_tokens: 9000, cache_write_long_tokens: 9000, ..usage };
        assert_eq!(price.cost(&odd), Some(NanoUsd(40_000 + 600 * 2000)));
    }

    #[test]
    fn a_long_request_is_repriced_as_a_whole() {
        let step = |over, input: &str, output: &str| Above {
            input_tokens_over: over,
            input: rate(input),
            output: rate(output),
            ..Above::default()
        };
        let price =
            Price { above: vec![step(200, "8", "6"), step(100, "2", "3")], ..price("1", "2", Some("0.1")) };
        let cost = |input_tokens| {
            let usage =
                Usage { input_tokens, output_tokens: 10, cached_input_tokens: 50, ..Usage::default() };
            price.cost(&usage).unwrap().0
        };
        assert_eq!(cost(100), 50 * 1000 + 50 * 100 + 10 * 2000);
        assert_eq!(cost(101), 101 * 2000 + 10 * 3000, "cached ones at the input's rate where none is given");
        assert_eq!(cost(201), 201 * 8000 + 10 * 6000);
    }

    #[test]
    fn tiers_multiply_before_the_rounding_and_searches_do_not() {
        let tiers = [(Tier::Flex, "1/2"), (Tier::Priority, "5/2")];
        let tiers = tiers.map(|(tier, times)| TierPrice { tier, times: times.parse().unwrap() }).to_vec();
        let search = Some("0.01".parse().unwrap());
        let price = Price { tiers, web_search: search, ..price("0.001", "0.001", None) };
        let cost = |tier, searches| {
            let usage = Usage { input_tokens: 3, tier, web_searches: searches, ..Usage::default() };
            price.cost(&usage).unwrap().0
        };
        assert_eq!((cost(None, 0), cost(Some(Tier::Flex), 0), cost(Some(Tier::Priority), 0)), (3, 2, 8));
        assert_eq!((cost(Some(Tier::Fast), 0), cost(Some(Tier::Flex), 2)), (3, 20_000_002));
    }

    #[test]
    fn a_cost_that_does_not_fit_is_refused() {
        let usage = Usage { input_tokens: u64::MAX, ..Usage::default() };
        assert_eq!(price("9000000000", "1", None).cost(&usage), None);
        let all = Usage { output_tokens: u64::MAX, web_searches: u64::MAX, ..usage };
        let dear = Price { web_search: Some(NanoUsd(i64::MAX)), ..price("9000000000", "9000000000", None) };
        assert_eq!(dear.cost(&all), None);
    }

    #[test]
    fn ratios_are_exact_or_none() {
        let times = |text: &str| text.parse::<Times>();
        assert_eq!(times("11/10").unwrap().of(rate("0.125")), Some(rate("0.1375")));
        assert_eq!(times("1/3").unwrap().of(rate("1")), None);
        assert_eq!(times("2").unwrap().of(Rate(i64::MAX)), None);
        for text in ["2", "5/2"] {
            assert_eq!(times(text).unwrap().to_string(), text);
        }
        for bad in ["", "0", "1/0", "-1", "+1", "1.5", "1/2/3", "70000"] {
            assert_eq!(times(bad), Err(TimesError), "{bad}");
        }
    }

    #[test]
    fn a_price_of_four_rates_is_written_as_it_was() {
        let json = r#"{"input":"1","output":"2","cached_input":"0.1"}"#;
        let price: Price = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&price).unwrap(), json);
        assert!(serde_json::from_str::<Price>(r#"{"input":"1","output":"2","x":1}"#).is_err());
    }
}
