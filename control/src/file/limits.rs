//! What a virtual key may do, as `[[keys]]` says it: models, ways to pay, networks, an end.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use proto::event::RouteMode;
use toml::Spanned;
use toml::de::DeValue;

use super::KeyLimits;
use super::fields::{Fields, found};
use super::mistake::Mistakes;

/// More than this is no list of a key's own.
const ITEMS_MAX: usize = 256;
/// The longest name of a model, in characters.
const MODEL_CHARS_MAX: usize = 256;

/// Reads the limits of one key.
pub(super) fn read(fields: &Fields<'_, '_>, mistakes: &mut Mistakes<'_>) -> KeyLimits {
    KeyLimits {
        models: texts(fields, "models", mistakes, model),
        route_modes: texts(fields, "route_modes", mistakes, route_mode),
        networks: texts(fields, "networks", mistakes, network),
        expires_ms: expires_ms(fields, mistakes),
        direct: fields.switch("direct", false, mistakes),
        ..KeyLimits::default()
    }
}

/// A list of texts; `None` where the field is absent.
fn texts<T>(
    fields: &Fields<'_, '_>,
    name: &str,
    mistakes: &mut Mistakes<'_>,
    read: impl Fn(&str) -> Result<T, String>,
) -> Option<Vec<T>> {
    let value = fields.value(name)?;
    let items = fields.list(name, mistakes);
    if value.get_ref().as_array().is_some_and(|items| items.is_empty() || items.len() > ITEMS_MAX) {
        let message =
            format!("expected 1 to {ITEMS_MAX} entries, found {}; leave it out to allow all", items.len());
        mistakes.add(&value.span(), fields.path(name), message);
    }
    let mut all = Vec::with_capacity(items.len());
    for (path, item) in items {
        let DeValue::String(text) = item.get_ref() else {
            let message = format!("expected text in quotes, found {}", found(item.get_ref()));
            mistakes.add(&item.span(), path, message);
            continue;
        };
        match read(text) {
            Ok(item) => all.push(item),
            Err(message) => mistakes.add(&item.span(), path, message),
        }
    }
    Some(all)
}

fn model(text: &str) -> Result<String, String> {
    if text.is_empty() || text.chars().nth(MODEL_CHARS_MAX).is_some() {
        return Err(format!("expected the name of a model, of 1 to {MODEL_CHARS_MAX} characters"));
    }
    Ok(text.to_owned())
}

/// A way to pay that a key can be limited to.
pub(crate) fn route_mode(text: &str) -> Result<RouteMode, String> {
    match text {
        "platform" => Ok(RouteMode::Platform),
        "developer_key" => Ok(RouteMode::DeveloperKey),
        "byok" => Ok(RouteMode::Byok),
        other => Err(format!("expected platform, developer_key or byok, found \"{}\"", other.escape_debug())),
    }
}

/// A network in CIDR notation, or a single address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let parsed = text.parse::<IpNet>().or_else(|_| text.parse().map(|address: IpAddr| IpNet::from(address)));
    parsed.map(|network| network.trunc()).map_err(|_| {
        format!("expected a network as 203.0.113.0/24 or 2001:db8::/32, found \"{}\"", text.escape_debug())
    })
}

/// A date and time of RFC 3339, in quotes or not.
fn expires_ms(fields: &Fields<'_, '_>, mistakes: &mut Mistakes<'_>) -> Option<u64> {
    let value: &Spanned<DeValue<'_>> = fields.value("expires_at")?;
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        other => found(other),
    };
    let ms = timestamp_ms(&text);
    if ms.is_none() {
        let message = format!(
            "expected a date and time with its offset (RFC 3339), as 2030-01-31T00:00:00Z, found \"{}\"",
            text.escape_debug()
        );
        mistakes.add(&value.span(), fields.path("expires_at"), message);
    }
    ms
}

/// An RFC 3339 date and time in milliseconds since the Unix epoch.
pub(crate) fn timestamp_ms(text: &str) -> Option<u64> {
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_millisecond()).ok()
}
