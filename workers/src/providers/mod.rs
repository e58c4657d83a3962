//! Vendors: one row each. What every row must meet is written in `README.md` beside this file.

mod anthropic;
mod azure_openai;
pub(crate) mod bedrock;
mod compatible;
mod gemini;
mod openai;
mod refusal;
pub(crate) mod scripted;

use http::HeaderMap;
use proto::catalogue::Profile;
use proto::config::{Provider, ProviderKind};
use proto::dialect::Dialect;

pub(crate) use refusal::Refusal;

/// What is particular about a vendor. The shared work is in `execute`.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// The kind in the configuration.
    pub(crate) kind: ProviderKind,
    /// Where it is unless the configuration says otherwise; `None` = the configuration must.
    pub(crate) base_url: fn(&Provider) -> Option<String>,
    /// What may stand at the end of a configured address without being part of it.
    pub(crate) versions: &'static [&'static str],
    /// Whether its address is one of our own making, so that the guard has no say.
    pub(crate) built_in: bool,
    /// How its key is presented.
    pub(crate) auth: Auth,
    /// The dialect it is asked in when a caller speaks `caller` and wants a model of that profile; `None` = it
    /// serves no such thing.
    pub(crate) dialect: fn(caller: Dialect, profile: &Profile) -> Option<Dialect>,
    /// What is appended to the base URL.
    pub(crate) path: fn(&Place<'_>) -> String,
    /// What an answer that is not a success means: status, headers and the beginning of the body.
    pub(crate) classify: fn(u16, &HeaderMap, &[u8]) -> Refusal,
}

/// What the path of a call depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) provider: &'a Provider,
    pub(crate) dialect: Dialect,
    pub(crate) model: &'a str,
    pub(crate) stream: bool,
}

/// How a key is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Auth {
    /// `Authorization: Bearer …`.
    Bearer,
    /// In a header of this name.
    Header(&'static str),
    /// In a header of this name; without a key, a token of Microsoft Entra as Bearer.
    HeaderOrEntra(&'static str),
    /// A Bedrock API key as Bearer; without one, requests signed with AWS credentials.
    BearerOrAws,
}

/// Every vendor.
pub(crate) const ADAPTERS: [&Adapter; 7] = [
    &openai::ADAPTER,
    &compatible::ADAPTER,
    &anthropic::ADAPTER,
    &azure_openai::ADAPTER,
    &gemini::ADAPTER,
    &bedrock::ADAPTER,
    &scripted::ADAPTER,
];

/// The row of a kind; any kind without a row of its own speaks a known dialect and needs none.
pub(crate) fn adapter(kind: ProviderKind) -> &'static Adapter {
    ADAPTERS.into_iter().find(|adapter| adapter.kind == kind).unwrap_or(&compatible::ADAPTER)
}

/// One path segment of a name that may hold anything.
fn segment(name: &str) -> String {
    percent_encoding::utf8_percent_encode(name, SEGMENT).to_string()
}

/// All but the unreserved characters of RFC 3986.
const SEGMENT: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests;
