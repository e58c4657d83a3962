//! The contract, held against every row.

use super::*;
use crate::retry::Class;

const KINDS: [ProviderKind; 7] = [
    ProviderKind::Openai,
    ProviderKind::OpenaiCompatible,
    ProviderKind::Anthropic,
    ProviderKind::AzureOpenai,
    ProviderKind::Gemini,
    ProviderKind::Bedrock,
    ProviderKind::Scripted,
];

fn provider(kind: ProviderKind) -> Provider {
    Provider {
        name: "p".into(),
        kind,
        base_url: None,
        api_key: None,
        api_version: None,
        region: Some("eu-central-1".into()),
        allow_private_network: false,
    }
}

#[test]
fn every_kind_has_its_row() {
    for kind in KINDS {
        assert_eq!(adapter(kind).kind, kind);
    }
}

#[test]
fn every_row_keeps_the_contract() {
    for adapter in ADAPTERS {
        let provider = provider(adapter.kind);
        let base = (adapter.base_url)(&provider);
        assert!(base.is_none_or(|url| url.starts_with("https://") && !url.ends_with('/')));
        for dialect in [Dialect::OpenaiChat, Dialect::OpenaiResponses, Dialect::AnthropicMessages] {
            let dialect = (adapter.dialect)(dialect, &Profile::default()).unwrap();
            let place = Place { provider: &provider, dialect, model: "a/b:c", stream: true };
            assert!((adapter.path)(&place).starts_with('/'), "{:?}", adapter.kind);
        }
        for status in 100..600 {
            let refusal = (adapter.classify)(status, &HeaderMap::new(), b"");
            let caller = refusal.class == Class::Caller;
            assert_eq!(refusal.fault.status() == status, caller || status == refusal.fault.code.openai().0);
            assert!(![401, 402, 403].contains(&refusal.fault.status()), "{status} surfaced");
            assert_eq!(refusal.fault.upstream_status, Some(status));
        }
    }
}

#[test]
fn names_of_models_are_one_segment() {
    assert_eq!(segment("us.anthropic.claude-v1:0"), "us.anthropic.claude-v1%3A0");
    assert_eq!(segment("arn:aws:x/y"), "arn%3Aaws%3Ax%2Fy");
}
