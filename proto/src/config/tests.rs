//! What a call costs, by the alias and by the vendors' lists.

use super::*;

const NOVEMBER: u64 = 1_795_176_000_000;
const DECEMBER: u64 = 1_796_083_200_000;

fn config() -> Config {
    let provider = |name: &str, kind: &str| serde_json::json!({ "name": name, "kind": kind });
    let target = |provider: &str, model: &str| serde_json::json!({ "provider": provider, "model": model });
    let mut azure = target("az", "prod-1");
    azure["underlying_model"] = "gpt-4o-mini".into();
    let json = serde_json::json!({
        "version": 1, "published_ms": 0, "streaming": true, "projects": [],
        "providers": [
            provider("oa", "openai"), provider("az", "azure_openai"), provider("g", "gemini"),
            provider("x", "openai_compatible")],
        "models": [
            { "alias": "own", "strategy": "simple", "targets": [target("oa", "gpt-4o")],
              "price": { "input": "7", "output": "8" } },
            { "alias": "mini", "strategy": "fallback", "targets": [azure, target("oa", "gpt-4o-mini")] },
            { "alias": "argon", "strategy": "simple", "targets": [target("g", "gemini-4-argon")] },
            { "alias": "*", "strategy": "fallback", "targets": [target("oa", "*"), target("x", "*")] }],
    });
    let config: Config = serde_json::from_value(json).unwrap();
    let prices = config.providers.iter().flat_map(|provider| catalogue::prices(provider.kind)).collect();
    Config { prices, ..config }
}

#[test]
fn an_aliass_own_price_goes_first_and_then_the_models_by_date() {
    let config = config();
    let input = |alias: &str, provider: &str, model: &str, at_ms| {
        config.price_of(alias, provider, model, at_ms).map(|price| price.input.to_string())
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(input("own", "oa", "gpt-4o", NOVEMBER), text("7"));
    assert_eq!(input("own", "oa", "gpt-4o", 0), text("7"), "an own price has no date");
    assert_eq!(input("mini", "oa", "gpt-4o-mini", NOVEMBER), text("0.15"));
    assert_eq!(input("mini", "az", "prod-1", NOVEMBER), text("0.15"), "the model behind a deployment");
    assert_eq!(input("argon", "g", "gemini-4-argon", DECEMBER - 1), text("2"));
    assert_eq!(input("argon", "g", "gemini-4-argon", DECEMBER), text("4"));
    assert_eq!(input("gpt-5.4", "oa", "gpt-5.4", NOVEMBER), text("2.5"), "by the wildcard");
}

#[test]
fn what_nobody_prices_is_unpriced() {
    let config = config();
    for (alias, provider, model) in [
        ("gpt-5.4", "x", "gpt-5.4"),
        ("gpt-5.4", "gone", "gpt-5.4"),
        ("ft:x", "oa", "ft:x"),
        ("mini", "az", "another-deployment"),
    ] {
        assert_eq!(config.price_of(alias, provider, model, NOVEMBER), None, "{alias} {provider} {model}");
    }
}

#[test]
fn a_document_without_prices_is_written_as_before() {
    let bare = Config { prices: Vec::new(), ..config() };
    assert!(!serde_json::to_string(&bare).unwrap().contains("prices"));
    let full = config();
    assert_eq!(serde_json::from_str::<Config>(&serde_json::to_string(&full).unwrap()).unwrap(), full);
}
