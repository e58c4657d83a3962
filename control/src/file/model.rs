//! `[[models]]`: aliases, their targets and prices.

use std::collections::BTreeMap;
use std::ops::Range;

use proto::config::{Model, Strategy, Target};
use proto::money::{Price, Rate};
use toml::Spanned;
use toml::de::DeValue;

use super::Walk;
use super::fields::{Fields, Shape, Text, found};

const SHAPE: Shape = Shape {
    known: &["alias", "strategy", "targets", "price"],
    unserved: &[("underlying_model", ": it belongs to a target, { provider, model, underlying_model }.")],
};

const TARGET: Shape = Shape {
    known: &["provider", "model", "underlying_model"],
    unserved: &[("weight", ": it belongs to strategy weighted, which is not served yet. Remove it.")],
};

const PRICE: Shape =
    Shape { known: &["input", "output", "cached_input", "cache_write", "cache_write_long"], unserved: &[] };

const STRATEGIES_UNSERVED: [&str; 3] = ["weighted", "load_balance", "latency"];
/// The longest alias and the longest name of a model at its provider, in bytes.
const MODEL_NAME_MAX: usize = 200;

/// Reads one alias; `None` if too little of it is right to go on with.
pub(super) fn read(
    walk: &mut Walk<'_>,
    path: String,
    value: &Spanned<DeValue<'_>>,
    aliases: &mut BTreeMap<String, Range<usize>>,
) -> Option<Model> {
    let fields = Fields::of(value, path, &SHAPE, &mut walk.mistakes)?;
    let alias = fields.required("alias", "the name that callers ask for", &mut walk.mistakes);
    if let Some(alias) = &alias {
        check_model_name(walk, alias);
        walk.check_unique(alias, aliases);
    }
    let strategy = match fields.text("strategy", &mut walk.mistakes) {
        Some(text) => strategy(walk, &text),
        None => Some(Strategy::default()),
    };
    if fields.value("targets").is_none() {
        fields.missing("targets", "at least one { provider, model }", &mut walk.mistakes);
    }
    let listed = fields.list("targets", &mut walk.mistakes);
    check_count(walk, &fields, strategy, listed.len());
    let targets = listed.into_iter().filter_map(|(path, value)| target(walk, path, value)).collect();
    let price = fields.value("price").and_then(|value| price(walk, fields.path("price"), value));
    Some(Model { alias: alias?.value.to_owned(), strategy: strategy?, targets, price })
}

fn strategy(walk: &mut Walk<'_>, text: &Text<'_>) -> Option<Strategy> {
    let message = match text.value {
        "simple" => return Some(Strategy::Simple),
        "fallback" => return Some(Strategy::Fallback),
        other if STRATEGIES_UNSERVED.contains(&other) => {
            format!("strategy `{other}` is not served by this release; expected simple or fallback")
        }
        other => format!("expected simple or fallback, found \"{other}\""),
    };
    text.wrong(&mut walk.mistakes, message);
    None
}

/// A target that would never be used is a mistake, not a spare.
fn check_count(walk: &mut Walk<'_>, fields: &Fields<'_, '_>, strategy: Option<Strategy>, count: usize) {
    let Some(value) = fields.value("targets") else { return };
    if !matches!(value.get_ref(), DeValue::Array(_)) {
        return;
    }
    let message = match (strategy, count) {
        (_, 0) => "expected at least one { provider, model }, found an empty list".to_owned(),
        (Some(Strategy::Simple), 2..) => format!(
            "strategy simple uses one target, found {count}: set strategy = \"fallback\" or keep one of them"
        ),
        _ => return,
    };
    walk.mistakes.add(&value.span(), fields.path("targets"), message);
}

fn target(walk: &mut Walk<'_>, path: String, value: &Spanned<DeValue<'_>>) -> Option<Target> {
    let fields = Fields::of(value, path, &TARGET, &mut walk.mistakes)?;
    let provider = fields.required("provider", "the name of a provider", &mut walk.mistakes);
    let model = fields.required("model", "the model's name at the provider", &mut walk.mistakes);
    if let Some(model) = &model {
        check_model_name(walk, model);
    }
    let underlying = fields.text("underlying_model", &mut walk.mistakes);
    if let Some(underlying) = &underlying {
        check_model_name(walk, underlying);
    }
    if let Some(provider) = &provider {
        walk.check_provider(provider);
    }
    Some(Target {
        provider: provider?.value.to_owned(),
        model: model?.value.to_owned(),
        underlying_model: underlying.map(|text| text.value.to_owned()),
    })
}

fn price(walk: &mut Walk<'_>, path: String, value: &Spanned<DeValue<'_>>) -> Option<Price> {
    let fields = Fields::of(value, path, &PRICE, &mut walk.mistakes)?;
    let input = rate(walk, &fields, "input", true);
    let output = rate(walk, &fields, "output", true);
    let cached_input = rate(walk, &fields, "cached_input", false);
    let cache_write = rate(walk, &fields, "cache_write", false);
    let cache_write_long = rate(walk, &fields, "cache_write_long", false);
    Some(Price {
        input: input?,
        output: output?,
        cached_input,
        cache_write,
        cache_write_long,
        ..Price::default()
    })
}

fn rate(walk: &mut Walk<'_>, fields: &Fields<'_, '_>, name: &str, required: bool) -> Option<Rate> {
    const WHAT: &str = "US dollars per million tokens in quotes, such as \"0.15\"";
    let Some(value) = fields.value(name) else {
        if required {
            fields.missing(name, WHAT, &mut walk.mistakes);
        }
        return None;
    };
    let problem = match value.get_ref() {
        DeValue::String(text) => match text.parse::<Rate>() {
            Ok(rate) => return Some(rate),
            Err(error) => format!("{error}, found \"{text}\""),
        },
        other => format!("expected {WHAT}, found {}", found(other)),
    };
    walk.mistakes.add(&value.span(), fields.path(name), problem);
    None
}

fn check_model_name(walk: &mut Walk<'_>, name: &Text<'_>) {
    let visible = name.value.bytes().all(|b| b.is_ascii_graphic());
    if name.value.is_empty() || name.value.len() > MODEL_NAME_MAX || !visible {
        let message = format!("expected a name of 1 to {MODEL_NAME_MAX} visible ASCII characters");
        name.wrong(&mut walk.mistakes, message);
    }
}
