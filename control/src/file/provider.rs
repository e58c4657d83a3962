//! `[[providers]]`.

use std::collections::BTreeMap;
use std::ops::Range;

use http::Uri;
use proto::config::{Provider, ProviderKind};
use toml::Spanned;
use toml::de::DeValue;

use super::Walk;
use super::fields::{Fields, Shape, Text};
use super::secret;

const SHAPE: Shape = Shape {
    known: &["name", "kind", "base_url", "api_key", "api_version", "region", "allow_private_network"],
    unserved: &[],
};

/// Every kind that a file may name.
const KINDS: [ProviderKind; 6] = [
    ProviderKind::Openai,
    ProviderKind::OpenaiCompatible,
    ProviderKind::Anthropic,
    ProviderKind::AzureOpenai,
    ProviderKind::Gemini,
    ProviderKind::Bedrock,
];
const KINDS_TEXT: &str = "openai, openai_compatible, anthropic, azure_openai, gemini or bedrock";

/// Reads one provider; `None` if too little of it is right to go on with.
pub(super) fn read(
    walk: &mut Walk<'_>,
    path: String,
    value: &Spanned<DeValue<'_>>,
    names: &mut BTreeMap<String, Range<usize>>,
) -> Option<Provider> {
    let fields = Fields::of(value, path, &SHAPE, &mut walk.mistakes)?;
    let name = fields.required("name", "the provider's name", &mut walk.mistakes);
    if let Some(name) = &name {
        walk.check_name(name);
        walk.check_unique(name, names);
    }
    let kind = fields
        .required("kind", &format!("the vendor ({KINDS_TEXT})"), &mut walk.mistakes)
        .and_then(|text| kind(walk, &text));
    let allow_private_network = fields.switch("allow_private_network", false, &mut walk.mistakes);
    let base_url = fields.text("base_url", &mut walk.mistakes);
    let versioned =
        kind.is_none_or(|kind| matches!(kind, ProviderKind::Openai | ProviderKind::OpenaiCompatible));
    let url = base_url.as_ref().and_then(|text| url(walk, text, allow_private_network, versioned));
    let needed = match kind {
        Some(ProviderKind::OpenaiCompatible) => Some("the address of the provider, ending in /v1"),
        Some(ProviderKind::AzureOpenai) => Some("the resource's address, https://NAME.openai.azure.com"),
        _ => None,
    };
    if let Some(what) = needed.filter(|_| fields.value("base_url").is_none()) {
        fields.missing("base_url", what, &mut walk.mistakes);
    }
    let api_version = only(walk, &fields, "api_version", kind, ProviderKind::AzureOpenai);
    let region = only(walk, &fields, "region", kind, ProviderKind::Bedrock);
    let api_key =
        fields.text("api_key", &mut walk.mistakes).and_then(|text| secret::provider_key(walk, &text));
    Some(Provider {
        name: name?.value.to_owned(),
        kind: kind?,
        base_url: url,
        api_key,
        api_version,
        region,
        allow_private_network,
    })
}

fn kind(walk: &mut Walk<'_>, text: &Text<'_>) -> Option<ProviderKind> {
    let kind = KINDS.into_iter().find(|kind| kind.as_str() == text.value);
    if kind.is_none() {
        text.wrong(&mut walk.mistakes, format!("expected {KINDS_TEXT}, found \"{}\"", text.value));
    }
    kind
}

/// A word that means something to one kind of provider alone.
fn only(
    walk: &mut Walk<'_>,
    fields: &Fields<'_, '_>,
    name: &str,
    kind: Option<ProviderKind>,
    owner: ProviderKind,
) -> Option<String> {
    let text = fields.text(name, &mut walk.mistakes)?;
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if kind.is_some_and(|kind| kind != owner) {
        text.wrong(&mut walk.mistakes, format!("belongs to kind {} alone: remove it", owner.as_str()));
    } else if text.value.is_empty() || text.value.len() > WORD_BYTES_MAX || !text.value.bytes().all(word) {
        text.wrong(&mut walk.mistakes, "expected letters, digits, hyphens and dots".to_owned());
    } else {
        return Some(text.value.to_owned());
    }
    None
}

/// The longest version or region, in bytes.
const WORD_BYTES_MAX: usize = 64;

fn url(walk: &mut Walk<'_>, text: &Text<'_>, private: bool, versioned: bool) -> Option<String> {
    let address = if versioned { address(text.value, private) } else { host(text.value, private) };
    match address {
        Ok(address) => Some(address),
        Err(problem) => {
            text.wrong(&mut walk.mistakes, problem);
            None
        }
    }
}

/// A provider's address without its trailing slash, or what is wrong with it. What it holds before an `@` is a
/// secret and is never repeated.
pub(crate) fn address(text: &str, private: bool) -> Result<String, String> {
    let address = host(text, private)?;
    let rest = address.split_once("://").map_or("", |(_, rest)| rest);
    if !rest.contains('/') {
        return Err("expected an address that ends in /v1, found one without a path".to_owned());
    }
    if address.ends_with("/chat/completions") {
        return Err("expected the address up to /v1, without /chat/completions".to_owned());
    }
    Ok(address)
}

/// The same for a vendor whose paths we know.
fn host(text: &str, private: bool) -> Result<String, String> {
    const EXPECTED: &str = "expected an address such as https://host/v1";
    let uri: Uri = text.parse().map_err(|_| EXPECTED.to_owned())?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(format!("{EXPECTED}, beginning with https:// or http://"));
    };
    if authority.as_str().contains('@') {
        return Err(format!("{EXPECTED}, found user information in it: put the secret in `api_key`"));
    }
    if authority.host().is_empty() {
        return Err(EXPECTED.to_owned());
    }
    if scheme == "http" && !private {
        let message =
            "plain http is for private networks only: use https, or set allow_private_network = true";
        return Err(message.to_owned());
    }
    if uri.query().is_some() || text.contains('#') {
        return Err("expected an address without a query or a fragment".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}
