//! Vendors: one row each. What every row must meet is written in `README.md` beside this file.

mod compatible;
mod openai;
pub(crate) mod scripted;

use std::time::Duration;

use http::HeaderMap;
use proto::config::ProviderKind;
use proto::dialect::Dialect;
use proto::fault::Fault;

use crate::retry::Class;

/// What is particular about a vendor. The shared work is in `execute`.
#[derive(Debug)]
pub(crate) struct Adapter {
    /// The kind in the configuration.
    pub(crate) kind: ProviderKind,
    /// The wire format it speaks.
    pub(crate) dialect: Dialect,
    /// Where it is, up to and including the version, unless the configuration says otherwise.
    pub(crate) base_url: Option<&'static str>,
    /// What is appended to the base URL.
    pub(crate) path: &'static str,
    /// Whether its address is one of our own making, so that the guard has no say.
    pub(crate) built_in: bool,
    /// What an answer that is not a success means: status, headers and the beginning of the body.
    pub(crate) classify: fn(u16, &HeaderMap, &[u8]) -> Refusal,
}

/// An answer that is not a success, understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    /// What to do about it.
    pub(crate) class: Class,
    /// How long the provider wants to be left alone.
    pub(crate) hint: Option<Duration>,
    /// What the caller is told if it is the last word.
    pub(crate) fault: Fault,
}

/// Every vendor.
pub(crate) const ADAPTERS: [&Adapter; 3] = [&openai::ADAPTER, &compatible::ADAPTER, &scripted::ADAPTER];

/// The row of a kind; any kind without a row of its own speaks a known dialect and needs none.
pub(crate) fn adapter(kind: ProviderKind) -> &'static Adapter {
    ADAPTERS.into_iter().find(|adapter| adapter.kind == kind).unwrap_or(&compatible::ADAPTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row() {
        for kind in [ProviderKind::Openai, ProviderKind::OpenaiCompatible, ProviderKind::Scripted] {
            assert_eq!(adapter(kind).kind, kind);
        }
    }

    #[test]
    fn every_row_keeps_the_contract() {
        for adapter in ADAPTERS {
            assert!(adapter.path.starts_with('/'), "{:?}", adapter.kind);
            assert!(adapter.base_url.is_none_or(|url| url.starts_with("https://") && !url.ends_with('/')));
            for status in 100..600 {
                let refusal = (adapter.classify)(status, &HeaderMap::new(), b"");
                let caller = refusal.class == Class::Caller;
                assert_eq!(
                    refusal.fault.status() == status,
                    caller || status == refusal.fault.code.openai().0
                );
                assert!(![401, 402, 403].contains(&refusal.fault.status()), "{status} surfaced");
                assert_eq!(refusal.fault.upstream_status, Some(status));
            }
        }
    }
}
