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
    known: &["name", "kind", "base_url", "api_key", "allow_private_network"],
    unserved: &[
        ("api_version", ": it belongs to kind azure_openai, which is not served yet. Remove it."),
        ("region", ": it belongs to kind bedrock, which is not served yet. Remove it."),
    ],
};

/// Kinds that are documented and not served yet.
const KINDS_UNSERVED: [&str; 4] = ["anthropic", "azure_openai", "gemini", "bedrock"];

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
        .required("kind", "what the provider speaks (openai or openai_compatible)", &mut walk.mistakes)
        .and_then(|text| kind(walk, &text));
    let allow_private_network = fields.switch("allow_private_network", false, &mut walk.mistakes);
    let base_url = fields.text("base_url", &mut walk.mistakes);
    let url = base_url.as_ref().and_then(|text| url(walk, text, allow_private_network));
    if kind == Some(ProviderKind::OpenaiCompatible) && fields.value("base_url").is_none() {
        fields.missing("base_url", "the address of the provider, ending in /v1", &mut walk.mistakes);
    }
    let api_key =
        fields.text("api_key", &mut walk.mistakes).and_then(|text| secret::provider_key(walk, &text));
    Some(Provider {
        name: name?.value.to_owned(),
        kind: kind?,
        base_url: url,
        api_key,
        api_version: None,
        region: None,
        allow_private_network,
    })
}

fn kind(walk: &mut Walk<'_>, text: &Text<'_>) -> Option<ProviderKind> {
    let served = [ProviderKind::Openai, ProviderKind::OpenaiCompatible];
    let kind = served.into_iter().find(|kind| kind.as_str() == text.value);
    if kind.is_none() {
        let what = if KINDS_UNSERVED.contains(&text.value) { " is not served by this release" } else { "" };
        let message = match what {
            "" => format!("expected openai or openai_compatible, found \"{}\"", text.value),
            _ => format!("kind `{}`{what}; expected openai or openai_compatible", text.value),
        };
        text.wrong(&mut walk.mistakes, message);
    }
    kind
}

fn url(walk: &mut Walk<'_>, text: &Text<'_>, private: bool) -> Option<String> {
    match address(text.value, private) {
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
    let path = uri.path().trim_end_matches('/');
    if path.is_empty() {
        return Err("expected an address that ends in /v1, found one without a path".to_owned());
    }
    if path.ends_with("/chat/completions") {
        return Err("expected the address up to /v1, without /chat/completions".to_owned());
    }
    Ok(text.trim_end_matches('/').to_owned())
}
