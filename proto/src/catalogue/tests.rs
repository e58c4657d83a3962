//! Every price of the vendors' lists as it stands there, examples worked out by hand, and what models can do.

use super::*;
use crate::config::ProviderKind::{
    self, Anthropic, AzureOpenai, Bedrock, Gemini, Openai, OpenaiCompatible, Scripted,
};
use crate::money::{NanoUsd, Price, Rate};
use crate::usage::{Tier, Usage};

/// Noon of 20 November 2026.
const NOVEMBER: u64 = 1_795_176_000_000;
/// The first moment of 1 December 2026.
const DECEMBER: u64 = 1_796_083_200_000;

fn price_at(kind: ProviderKind, model: &str, at_ms: u64) -> Option<Price> {
    price_in(&prices(kind), kind, model, at_ms).cloned()
}

fn price(kind: ProviderKind, model: &str) -> Price {
    price_at(kind, model, NOVEMBER).unwrap_or_else(|| panic!("{model} has no price"))
}

fn cost(price: &Price, usage: Usage) -> i64 {
    price.cost(&usage).unwrap().0
}

/// Vendor, model, input, cache read, write short, write long, output; `-` = none of its own.
const LIST: &str = "
openai gpt-6-astra 10 1 12.5 25 50
openai gpt-6.1-sol 2 0.1 2.5 5 10
openai gpt-6.1-terra 1 0.05 1.25 2.5 5
openai gpt-6-sol 2 0.2 2.5 5 10
openai gpt-6-luna 0.1 0.01 0.125 0.25 0.5
openai gpt-5.6-sol 4 0.4 5 10 20
openai gpt-5.6-terra 2 0.2 2.5 5 12
openai gpt-5.6-luna 0.2 0.02 0.25 0.5 1.2
openai gpt-5.5 5 0.5 - - 30
openai gpt-5.5-pro 30 - - - 180
openai gpt-5.4 2.5 0.25 - - 15
openai gpt-5.4-mini 0.75 0.075 - - 4.5
openai gpt-5.4-nano 0.2 0.02 - - 1.25
openai gpt-5.2 1.75 0.175 - - 14
openai gpt-5 1.25 0.125 - - 10
openai gpt-5-mini 0.25 0.025 - - 2
openai gpt-4.1 2 0.5 - - 8
openai gpt-4.1-mini 0.4 0.1 - - 1.6
openai gpt-4o 2.5 1.25 - - 10
openai gpt-4o-mini 0.15 0.075 - - 0.6
openai text-embedding-3-small 0.02 - - - 0
openai text-embedding-3-large 0.13 - - - 0
anthropic claude-fable-5-1 10 0.25 12.5 20 50
anthropic claude-opus-5-5 4 0.2 5 8 20
anthropic claude-opus-5 5 0.5 6.25 10 25
anthropic claude-opus-4-8 5 0.5 6.25 10 25
anthropic claude-sonnet-5-5 2 0.1 2.5 4 10
anthropic claude-sonnet-5 2 0.2 2.5 4 10
anthropic claude-sonnet-4-6 3 0.3 3.75 6 15
anthropic claude-sonnet-4-5 3 0.3 3.75 6 15
anthropic claude-haiku-5-5 0.1 0.01 0.125 0.2 0.5
anthropic claude-haiku-4-5 1 0.1 1.25 2 5
gemini gemini-4-argon 2 0.1 - - 10
gemini gemini-3.8-flash 0.75 0.075 - - 3.75
gemini gemini-3.7-flash 0.75 0.075 - - 3.75
gemini gemini-3.5-flash 1.5 0.15 - - 9
gemini gemini-3.5-flash-lite 0.3 0.03 - - 2.5
gemini gemini-3.1-pro-preview 2 0.2 - - 12
gemini gemini-3.1-flash-lite 0.25 0.025 - - 1.5
gemini gemini-2.5-pro 1.25 0.125 - - 10
gemini gemini-2.5-flash 0.3 0.03 - - 2.5
gemini gemini-2.5-flash-lite 0.1 0.01 - - 0.4
gemini gemini-embedding-001 0.15 - - - 0
gemini gemini-embedding-2 0.2 - - - 0
bedrock amazon.nova-2-lite-v1:0 0.3 0.075 - - 2.5
bedrock us.amazon.nova-pro-v1:0 0.8 0.2 - - 3.2
bedrock amazon.nova-lite-v1:0 0.06 0.015 - - 0.24
bedrock amazon.nova-micro-v1:0 0.035 0.00875 - - 0.14
bedrock amazon.titan-embed-text-v2:0 0.02 - - - 0
bedrock cohere.embed-v4:0 0.12 - - - 0
bedrock global.anthropic.claude-opus-5-5 4 0.2 5 8 20
bedrock us.anthropic.claude-opus-5-5 4.4 0.22 5.5 8.8 22
bedrock eu.anthropic.claude-haiku-5-5 0.11 0.011 0.1375 0.22 0.55
bedrock us.anthropic.claude-sonnet-4-5-20250929-v1:0 3 0.3 3.75 6 15";

#[test]
fn the_data_reads() {
    let rows = load::read(include_str!("../../data/models.json")).unwrap();
    assert!(rows.models.len() > 100 && rows.prices.len() > 80, "{} {}", rows.models.len(), rows.prices.len());
    assert_eq!(LIST.lines().count(), 55);
}

#[test]
fn every_price_is_the_lists() {
    for line in LIST.lines().skip(1) {
        let words: Vec<&str> = line.split(' ').collect();
        let [kind, model, rest @ ..] = words.as_slice() else { panic!() };
        let kind: ProviderKind = serde_json::from_value(serde_json::json!(kind)).unwrap();
        let price = price(kind, model);
        let maybe = |text: &str| (text != "-").then(|| text.parse::<Rate>().unwrap());
        let expected: Vec<Option<Rate>> = rest.iter().map(|text| maybe(text)).collect();
        let found = [
            Some(price.input),
            price.cached_input,
            price.cache_write,
            price.cache_write_long,
            Some(price.output),
        ];
        assert_eq!(found.as_slice(), expected, "{line}");
        assert!(profile(kind, model) != Profile::default(), "{model} has no profile");
    }
}

#[test]
fn every_row_is_about_a_model_of_its_vendor() {
    for kind in [Openai, Anthropic, Gemini, Bedrock] {
        let rows = prices(kind);
        assert!(rows.iter().all(|row| row.kind == kind && price_at(kind, &row.model, NOVEMBER).is_some()));
    }
    assert_eq!(prices(AzureOpenai).len(), prices(Openai).len());
    assert_eq!(price(AzureOpenai, "gpt-5.4-mini"), price(Openai, "gpt-5.4-mini"));
    assert!(prices(OpenaiCompatible).is_empty() && prices(Scripted).is_empty());
}

#[test]
fn unknown_models_have_no_price() {
    for model in ["gpt-unheard-of", "gpt-4o-audio-preview", "gpt-5-nano", "ft:gpt-4o-mini:acme::1", "", "*"] {
        assert_eq!(price_at(Openai, model, NOVEMBER), None, "{model}");
    }
    assert_eq!(price_at(Openai, "gpt-4o-2024-08-06", NOVEMBER), Some(price(Openai, "gpt-4o")));
    assert_eq!(price_at(Openai, "gpt-4o", 0), None, "before the list began");
}

#[test]
fn prices_change_on_their_day() {
    let input = |at_ms| price_at(Gemini, "gemini-4-argon", at_ms).unwrap().input.to_string();
    assert_eq!((input(DECEMBER - 1).as_str(), input(DECEMBER).as_str()), ("2", "4"));
    assert_eq!(price_at(Gemini, "gemini-4-argon", DECEMBER).unwrap().output.to_string(), "20");
}

#[test]
fn a_long_request_costs_twice_and_half_again() {
    let luna = price(Openai, "gpt-6-luna");
    // 272,000 x 0.1 + 1,000 x 0.5 USD per million.
    let edge = Usage { input_tokens: 272_000, output_tokens: 1_000, ..Usage::default() };
    assert_eq!(cost(&luna, edge), 27_200_000 + 500_000);
    // One token more: 1 written at 0.25, 72,000 read at 0.02, 200,000 at 0.2, 1,000 out at 0.75.
    let long = Usage { input_tokens: 272_001, cached_input_tokens: 72_000, cache_write_tokens: 1, ..edge };
    assert_eq!(cost(&luna, long), 250 + 1_440_000 + 40_000_000 + 750_000);
    let haiku = price(Anthropic, "claude-haiku-5-5");
    let edge = Usage { input_tokens: 100_000, output_tokens: 10, ..Usage::default() };
    assert_eq!(cost(&haiku, edge), 10_000_000 + 5_000);
    // 50,001 at 0.5, 30,000 read at 0.05, 20,000 written of which 5,000 for hours at 1, the others at 0.625.
    let long = Usage {
        input_tokens: 100_001,
        cached_input_tokens: 30_000,
        cache_write_tokens: 20_000,
        cache_write_long_tokens: 5_000,
        ..edge
    };
    assert_eq!(cost(&haiku, long), 25_000_500 + 1_500_000 + 9_375_000 + 5_000_000 + 25_000);
    let pro = price(Gemini, "gemini-2.5-pro");
    let long = Usage { input_tokens: 200_001, output_tokens: 100, ..Usage::default() };
    assert_eq!(cost(&pro, long), 200_001 * 2_500 + 100 * 15_000);
}

#[test]
fn tiers_and_searches_have_their_prices() {
    let used = |tier, web_searches| Usage {
        input_tokens: 1_000,
        output_tokens: 100,
        tier,
        web_searches,
        ..Usage::default()
    };
    // 1,000 x 5 + 100 x 30 USD per million = 8,000,000 nano-USD.
    let plain = price(Openai, "gpt-5.5");
    assert_eq!(cost(&plain, used(None, 0)), 8_000_000);
    assert_eq!(cost(&plain, used(Some(Tier::Priority), 0)), 20_000_000);
    assert_eq!(cost(&plain, used(Some(Tier::Flex), 0)), 4_000_000);
    assert_eq!(cost(&plain, used(Some(Tier::Batch), 3)), 4_000_000 + 30_000_000);
    // 1,000 x 10 + 100 x 50.
    let astra = price(Openai, "gpt-6-astra");
    assert_eq!(cost(&astra, used(Some(Tier::Fast), 0)), 6 * 15_000_000);
    assert_eq!(cost(&astra, used(Some(Tier::Priority), 0)), 2 * 15_000_000);
    // 1,000 x 4 + 100 x 20.
    let opus = price(Anthropic, "claude-opus-5-5");
    assert_eq!(cost(&opus, used(Some(Tier::Fast), 2)), 12_000_000 + 20_000_000);
    assert_eq!(cost(&opus, used(Some(Tier::Batch), 0)), 3_000_000);
    // 1,000 x 0.75 + 100 x 3.75, and 14 USD for 1,000 searches.
    let flash = price(Gemini, "gemini-3.8-flash");
    assert_eq!(cost(&flash, used(None, 1)), 1_125_000 + 14_000_000);
    assert_eq!(price(Bedrock, "anthropic.claude-opus-5-5").web_search, None);
}

#[test]
fn bedrock_charges_a_tenth_more_in_a_place() {
    let usage = Usage { input_tokens: 1_000, output_tokens: 100, ..Usage::default() };
    // 1,000 x 2 + 100 x 10 = 3,000,000; a tenth more is 3,300,000.
    for (model, expected) in [
        ("global.anthropic.claude-sonnet-5-5", 3_000_000),
        ("anthropic.claude-sonnet-5-5", 3_000_000),
        ("us.anthropic.claude-sonnet-5-5", 3_300_000),
        ("us-gov.anthropic.claude-sonnet-5-5-v1:0", 3_300_000),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-5-5", 3_300_000),
        ("us.anthropic.claude-sonnet-5", 3_000_000),
    ] {
        assert_eq!(price(Bedrock, model).cost(&usage), Some(NanoUsd(expected)), "{model}");
    }
    // 100,001 x 0.55 USD per million, exactly.
    let long = Usage { input_tokens: 100_001, ..Usage::default() };
    assert_eq!(cost(&price(Bedrock, "jp.anthropic.claude-haiku-5-5"), long), 55_000_550);
}

#[test]
fn claude_thinks_as_its_table_says() {
    let thinks = |model: &str| {
        let profile = profile(Anthropic, model);
        match profile.reasoning {
            ReasoningControl::Adaptive { can_disable, default_on, .. } => {
                format!("adaptive {can_disable} {default_on} {}", profile.forced_tools)
            }
            ReasoningControl::Budget { can_disable, .. } => {
                format!("budget {can_disable} {}", profile.forced_tools)
            }
            ReasoningControl::None => "none".to_owned(),
            other => format!("{other:?}"),
        }
    };
    for (model, expected) in [
        ("claude-3-5-sonnet-20241022", "none"),
        ("claude-3-7-sonnet-latest", "budget true true"),
        ("claude-sonnet-4-20250514", "budget true true"),
        ("claude-opus-4-1-20250805", "budget true true"),
        ("claude-sonnet-4-5-20250929", "budget true true"),
        ("claude-opus-4-5", "budget true true"),
        ("claude-haiku-4-5", "budget true true"),
        ("claude-opus-4-6", "adaptive true false true"),
        ("claude-sonnet-4-6", "adaptive true false true"),
        ("claude-opus-4-7", "adaptive true false true"),
        ("claude-opus-4-8", "adaptive true false true"),
        ("claude-sonnet-5", "adaptive true true true"),
        ("claude-opus-5", "adaptive true true true"),
        ("claude-fable-5", "adaptive false true false"),
        ("claude-mythos-5", "adaptive false true false"),
        ("claude-fable-5-1", "adaptive false true false"),
        ("claude-opus-5-5", "adaptive false true false"),
        ("claude-sonnet-5-5", "adaptive false true false"),
        ("claude-haiku-5-5", "adaptive true true true"),
        ("claude-something-new", "Unknown"),
    ] {
        assert_eq!(thinks(model), expected, "{model}");
    }
    let of = |model| profile(Anthropic, model);
    let sampling = ["claude-opus-4-6", "claude-opus-4-7"].map(|model| of(model).sampling);
    assert_eq!(sampling, [true, false]);
    let prefill = ["claude-opus-4-5", "claude-sonnet-4-6", "claude-haiku-5-5"].map(|model| of(model).prefill);
    assert_eq!(prefill, [true, false, false]);
    let middle = ["claude-opus-4-7", "claude-opus-4-8", "claude-sonnet-5"].map(|model| of(model).mid_system);
    assert_eq!(middle, [false, true, true]);
    assert_eq!(
        (of("claude-opus-4-6").tokenizer, of("claude-opus-4-7").tokenizer),
        (Tokenizer::Claude, Tokenizer::Claude47)
    );
    assert_eq!(of("claude-opus-4-1").output_tokens, 32_000);
}

#[test]
fn claude_at_bedrock_is_claude_but_for_the_middle() {
    let here = profile(Anthropic, "claude-opus-5-5");
    let there = profile(Bedrock, "us.anthropic.claude-opus-5-5");
    assert_eq!(there, Profile { mid_system: false, ..here });
    let older = profile(Bedrock, "eu.anthropic.claude-haiku-4-5-20251001-v1:0");
    assert!(older.json_schema && older.strict_tools && older.cache_marks);
    assert!(matches!(older.reasoning, ReasoningControl::Budget { .. }));
    assert_eq!(older.tokenizer, Tokenizer::Claude);
}

#[test]
fn openai_models_differ_where_their_api_does() {
    let of = |model| profile(Openai, model);
    let responses = ["gpt-6-luna", "gpt-5.6-sol", "gpt-5.4-mini", "gpt-5.2", "gpt-4o"]
        .map(|m| of(m).tools_need_responses);
    assert_eq!(responses, [true, true, true, false, false]);
    let marks = ["gpt-6.1-terra", "gpt-5.6-luna", "gpt-5.5", "gpt-4o"].map(|model| of(model).cache_marks);
    assert_eq!(marks, [true, true, false, false]);
    assert_eq!(of("gpt-6-astra").nearest_effort(Effort::None), Some(Effort::Low));
    assert_eq!(of("gpt-6-luna").nearest_effort(Effort::None), Some(Effort::None));
    // Little thinking is not none.
    assert_eq!(of("gpt-6-luna").nearest_effort(Effort::Minimal), Some(Effort::Low));
    assert_eq!(of("gpt-5-mini").nearest_effort(Effort::Xhigh), Some(Effort::High));
    assert_eq!(of("gpt-4o-mini").reasoning, ReasoningControl::None);
    assert_eq!((of("gpt-6-sol").context_tokens, of("gpt-6-sol").output_tokens), (1_050_000, 128_000));
    assert!(of("gpt-new").max_completion_tokens && of("gpt-new").sampling && !of("gpt-4.1").developer_role);
    assert_eq!(profile(AzureOpenai, "gpt-5.4"), of("gpt-5.4"));
}

#[test]
fn other_vendors_models_have_profiles_and_unknown_ones_the_default() {
    assert_eq!(profile(Gemini, "gemini-4-argon").nearest_effort(Effort::Minimal), Some(Effort::Low));
    let pro = ReasoningControl::Budget { min: 128, max: 32_768, can_disable: false };
    assert_eq!(profile(Gemini, "models/gemini-2.5-pro").reasoning, pro);
    assert!(profile(Gemini, "gemini-3.8-flash").audio);
    let llama = profile(Bedrock, "us.meta.llama3-2-90b-instruct-v1:0");
    assert!(llama.tools && !llama.forced_tools && llama.images && !llama.cache_marks);
    assert!(!profile(Bedrock, "meta.llama3-8b-instruct-v1:0").tools);
    let nova = profile(Bedrock, "amazon.nova-2-lite-v1:0");
    assert_eq!((nova.json_schema, nova.forced_tools, nova.cache_marks), (false, true, true));
    assert!(!profile(Bedrock, "amazon.nova-2-multimodal-embeddings-v1:0").tools);
    assert_eq!(profile(Bedrock, "openai.gpt-oss-120b-1:0").nearest_effort(Effort::Max), Some(Effort::High));
    for kind in [OpenaiCompatible, Scripted] {
        assert_eq!(profile(kind, "gpt-5"), Profile::default());
    }
}

#[test]
fn a_row_reads_back() {
    for row in prices(Anthropic) {
        let text = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<PriceRow>(&text).unwrap(), row);
        assert!(text.contains("\"from\":\"2026-01-01\""), "{text}");
    }
    assert!("2026-13-01".parse::<Day>().is_err() && "".parse::<Day>().is_err());
}
