//! The shipped rows, read once.
//!
//! A row about models says only what it changes: the rest it has from the widest-to-nearest patterns of its vendor
//! that fit its own pattern, `*` first. A copy takes all rows of one vendor over to another under a prefix (Claude
//! at Bedrock). Prices are decimal text all the way.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Day, PriceRow, Profile, names};
use crate::config::ProviderKind;
use crate::money::{Above, NanoUsd, Price, Rate, TierPrice, Times};

const DATA: &str = include_str!("../../data/models.json");

/// Nothing, should the data not read: a test sees to it that it does.
static ROWS: LazyLock<Rows> = LazyLock::new(|| read(DATA).unwrap_or_default());

/// Everything, made whole.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) models: Vec<(ProviderKind, String, Profile)>,
    pub(super) prices: Vec<PriceRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    #[serde(rename = "about")]
    _about: Vec<String>,
    models: Vec<ModelRow>,
    prices: Vec<WirePrice>,
    shapes: std::collections::BTreeMap<String, Shape>,
    copies: Vec<Copied>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ModelRow {
    kind: ProviderKind,
    names: Vec<String>,
    set: Map<String, Value>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WirePrice {
    kind: ProviderKind,
    names: Vec<String>,
    from: Day,
    input: Rate,
    output: Rate,
    #[serde(default)]
    cached_input: Option<Rate>,
    #[serde(default)]
    cache_write: Option<Rate>,
    #[serde(default)]
    cache_write_long: Option<Rate>,
    #[serde(default)]
    above: Vec<Above>,
    #[serde(default)]
    shape: Option<String>,
    /// Costs more in a place than without one, where it is copied with places.
    #[serde(default)]
    places: bool,
}

/// What families of models have in common.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Shape {
    steeper: Option<Steeper>,
    tiers: Vec<TierPrice>,
    /// US dollars for one search.
    web_search: Option<String>,
}

/// A long request, in multiples of the ordinary rates.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Steeper {
    input_tokens_over: u64,
    input: Times,
    output: Times,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Copied {
    from: ProviderKind,
    to: ProviderKind,
    prefix: String,
    /// What is different there.
    set: Map<String, Value>,
    /// What rows with `places` cost there.
    times_in_places: Times,
}

/// The profile of the row that says most about a name of `model`.
pub(super) fn profile(kind: ProviderKind, model: &str) -> Option<&'static Profile> {
    let kind = listed(kind);
    let names = names::candidates(kind, model);
    let rows = ROWS.models.iter().filter(|row| row.0 == kind);
    rows.filter(|(_, pattern, _)| names.iter().any(|name| names::fits(pattern, name)))
        .max_by_key(|(_, pattern, _)| names::weight(pattern))
        .map(|(.., profile)| profile)
}

/// The price rows of a vendor.
pub(super) fn prices(kind: ProviderKind) -> Vec<PriceRow> {
    let rows = ROWS.prices.iter().filter(|row| row.kind == listed(kind));
    rows.map(|row| PriceRow { kind, ..row.clone() }).collect()
}

/// The vendor under which the rows stand.
fn listed(kind: ProviderKind) -> ProviderKind {
    if kind == ProviderKind::AzureOpenai { ProviderKind::Openai } else { kind }
}

/// Reads the data and makes its rows whole.
pub(super) fn read(data: &str) -> Result<Rows, serde_json::Error> {
    let data: Data = serde_json::from_str(data)?;
    let mut sets: Vec<(ProviderKind, String, Map<String, Value>)> = Vec::new();
    for row in &data.models {
        sets.extend(row.names.iter().map(|name| (row.kind, name.clone(), row.set.clone())));
    }
    for copy in &data.copies {
        let inherited = whole(&sets, copy.from);
        for (name, mut set) in inherited {
            set.extend(copy.set.clone());
            sets.push((copy.to, format!("{}{name}", copy.prefix), set));
        }
    }
    let mut rows = Rows::default();
    for kind in ALL {
        for (name, set) in whole(&sets, kind) {
            rows.models.push((kind, name, serde_json::from_value(Value::Object(set))?));
        }
    }
    for wire in &data.prices {
        let price = price(wire, &data.shapes)?;
        for name in &wire.names {
            rows.prices.push(PriceRow {
                kind: wire.kind,
                model: name.clone(),
                from: wire.from,
                price: price.clone(),
            });
            copy_price(&data.copies, wire, name, &price, &mut rows.prices)?;
        }
    }
    Ok(rows)
}

const ALL: [ProviderKind; 7] = [
    ProviderKind::Openai,
    ProviderKind::OpenaiCompatible,
    ProviderKind::Anthropic,
    ProviderKind::AzureOpenai,
    ProviderKind::Gemini,
    ProviderKind::Bedrock,
    ProviderKind::Scripted,
];

/// The rows of a vendor with what they inherit.
fn whole(
    sets: &[(ProviderKind, String, Map<String, Value>)],
    kind: ProviderKind,
) -> Vec<(String, Map<String, Value>)> {
    let mut own: Vec<_> = sets.iter().filter(|row| row.0 == kind).collect();
    own.sort_by_key(|(_, name, _)| names::weight(name));
    let mut whole: Vec<(String, Map<String, Value>)> = Vec::with_capacity(own.len());
    for (_, name, set) in own {
        let nearest = whole.iter().rev().find(|(wider, _)| names::fits(wider, name));
        let mut full = nearest.map(|(_, full)| full.clone()).unwrap_or_default();
        full.extend(set.clone());
        whole.push((name.clone(), full));
    }
    whole
}

fn price(
    wire: &WirePrice,
    shapes: &std::collections::BTreeMap<String, Shape>,
) -> Result<Price, serde_json::Error> {
    let shape = match &wire.shape {
        Some(name) => shapes.get(name).ok_or_else(|| wrong("an unknown shape"))?.clone(),
        None => Shape::default(),
    };
    let fee = shape.web_search.as_deref().map(str::parse::<NanoUsd>).transpose();
    let mut price = Price {
        input: wire.input,
        output: wire.output,
        cached_input: wire.cached_input,
        cache_write: wire.cache_write,
        cache_write_long: wire.cache_write_long,
        above: Vec::new(),
        tiers: shape.tiers,
        web_search: fee.map_err(serde::de::Error::custom)?,
    };
    if let Some(steeper) = shape.steeper {
        let long = price.steeper(steeper.input, steeper.output).ok_or_else(|| wrong("an inexact rate"))?;
        price.above.push(Above {
            input_tokens_over: steeper.input_tokens_over,
            input: long.input,
            output: long.output,
            cached_input: long.cached_input,
            cache_write: long.cache_write,
            cache_write_long: long.cache_write_long,
        });
    }
    price.above.extend(wire.above.iter().cloned());
    Ok(price)
}

/// The same model at another vendor, where it costs the same but in some places.
fn copy_price(
    copies: &[Copied],
    wire: &WirePrice,
    name: &str,
    price: &Price,
    rows: &mut Vec<PriceRow>,
) -> Result<(), serde_json::Error> {
    for copy in copies.iter().filter(|copy| copy.from == wire.kind) {
        let row = PriceRow {
            kind: copy.to,
            model: format!("{}{name}", copy.prefix),
            from: wire.from,
            // Searches are run by Anthropic itself, not where its models are hosted by others.
            price: Price { web_search: None, ..price.clone() },
        };
        if wire.places {
            let dearer = row.price.scaled(copy.times_in_places).ok_or_else(|| wrong("an inexact rate"))?;
            for geo in names::GEOS.iter().filter(|geo| **geo != "global") {
                let model = format!("{geo}.{}", row.model);
                rows.push(PriceRow { model, price: dearer.clone(), ..row.clone() });
            }
        }
        rows.push(row);
    }
    Ok(())
}

fn wrong(what: &str) -> serde_json::Error {
    serde::de::Error::custom(what)
}
