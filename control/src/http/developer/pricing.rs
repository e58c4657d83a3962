//! What a feature's pricing may say, as the hosted contract has it.

use proto::money::NanoUsd;
use serde::Deserialize;
use serde_json::Value;

use crate::http::Problem;

const MARKUP_MAX: f64 = 1_000.0;
const BPS_MAX: u32 = 10_000;
/// Digits behind the decimal point of an amount of the contract.
const PLACES: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pricing {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    markup_percent: Option<f64>,
    #[serde(default)]
    channel_share_bps: Option<u32>,
    #[serde(default)]
    explicit_gateway_fee_usd: Option<String>,
}

/// Checks a pricing. What cannot be honoured is refused and named.
pub(super) fn check(value: &Value) -> Result<(), Problem> {
    let wrong = |message: &str| Problem::field("pricing", format!("`pricing`: {message}."));
    if !value.is_object() {
        return Err(wrong("it must be an object"));
    }
    let pricing = Pricing::deserialize(value).map_err(|error| wrong(&error.to_string()))?;
    if pricing.mode.is_some_and(|mode| mode != "usage_markup") {
        return Err(wrong("`mode` can only be `usage_markup`"));
    }
    if pricing.markup_percent.is_some_and(|percent| !(0.0..=MARKUP_MAX).contains(&percent)) {
        return Err(wrong("`markup_percent` must be 0 to 1000"));
    }
    if pricing.channel_share_bps.is_some_and(|share| share > BPS_MAX) {
        return Err(wrong("`channel_share_bps` must be 0 to 10000"));
    }
    let is_amount = |text: &String| {
        let digits = text.chars().all(|c| c.is_ascii_digit() || c == '.');
        let places = text.split_once('.').map_or(0, |(_, places)| places.len());
        digits && places <= PLACES && text.parse::<NanoUsd>().is_ok()
    };
    if pricing.explicit_gateway_fee_usd.is_some_and(|fee| !is_amount(&fee)) {
        return Err(wrong("`explicit_gateway_fee_usd` must be an amount as \"0.0025\", of at most 8 places"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_honoured_is_refused() {
        let fine = json!({ "mode": "usage_markup", "markup_percent": 12.5, "channel_share_bps": 4000,
            "explicit_gateway_fee_usd": "0.0025" });
        assert!(check(&fine).is_ok() && check(&json!({})).is_ok());
        for bad in [
            json!({ "mode": "flat" }),
            json!({ "markup_percent": -1 }),
            json!({ "markup_percent": 1001 }),
            json!({ "channel_share_bps": 10_001 }),
            json!({ "explicit_gateway_fee_usd": "-1" }),
            json!({ "explicit_gateway_fee_usd": "0.000000001" }),
            json!({ "markup": 1 }),
            json!([]),
        ] {
            assert!(check(&bad).is_err(), "{bad}");
        }
    }
}
