//! The configuration of a deployment without a file: made of the environment.

use proto::config::{Config, Model, Project, Provider, ProviderKind, SecretRef, Strategy, Target, WILDCARD};
use proto::envelope::OnDisconnect;
use proto::money::{MoneyError, Price};

use crate::file::{Draft, DraftKey, address};

/// The project of a deployment without a file, and its key's name.
pub const DEFAULT_PROJECT: &str = "default";

const OPENAI_KEY: &str = "OPENAI_API_KEY";
const OPENROUTER_KEY: &str = "OPENROUTER_API_KEY";
const OPENROUTER_URL: &str = "https://openrouter.ai/api/v1";
const LITELLM_URL: &str = "LITELLM_BASE_URL";
const LITELLM_KEY: &str = "LITELLM_MASTER_KEY";

/// OpenAI's chat models that a deployment without a file lists by name. What they cost is in the catalogue.
const OPENAI_MODELS: [&str; 20] = [
    "gpt-6-astra",
    "gpt-6.1-sol",
    "gpt-6.1-terra",
    "gpt-6-sol",
    "gpt-6-luna",
    "gpt-5.6-sol",
    "gpt-5.6-terra",
    "gpt-5.6-luna",
    "gpt-5.5",
    "gpt-5.5-pro",
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5.4-nano",
    "gpt-5.2",
    "gpt-5",
    "gpt-5-mini",
    "gpt-4.1",
    "gpt-4.1-mini",
    "gpt-4o",
    "gpt-4o-mini",
];

/// The vendors whose key alone makes a provider: its name and kind, the variable, and the models that are listed.
const VENDORS: [(&str, ProviderKind, &str, &[&str]); 3] = [
    ("openai", ProviderKind::Openai, OPENAI_KEY, &OPENAI_MODELS),
    ("anthropic", ProviderKind::Anthropic, "ANTHROPIC_API_KEY", &ANTHROPIC_MODELS),
    ("gemini", ProviderKind::Gemini, "GEMINI_API_KEY", &GEMINI_MODELS),
];

/// Anthropic's models that a deployment without a file lists by name.
const ANTHROPIC_MODELS: [&str; 9] = [
    "claude-fable-5-1",
    "claude-opus-5-5",
    "claude-opus-5",
    "claude-opus-4-8",
    "claude-sonnet-5-5",
    "claude-sonnet-5",
    "claude-sonnet-4-6",
    "claude-haiku-5-5",
    "claude-haiku-4-5",
];

/// Gemini's models that a deployment without a file lists by name.
const GEMINI_MODELS: [&str; 8] = [
    "gemini-4-argon",
    "gemini-3.8-flash",
    "gemini-3.5-flash",
    "gemini-3.1-pro-preview",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-embedding-001",
    "gemini-embedding-2",
];

/// Why there is no configuration without a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DefaultsError {
    /// Production never serves the built-in scripted provider.
    #[error(
        "no provider is configured: pass --config FILE, or set OPENAI_API_KEY, ANTHROPIC_API_KEY, GEMINI_API_KEY \
         or OPENROUTER_API_KEY, or LITELLM_BASE_URL and LITELLM_MASTER_KEY"
    )]
    NoProvider,
    /// Half of what is needed.
    #[error("LITELLM_BASE_URL is set and LITELLM_MASTER_KEY is not: set both")]
    NoLitellmKey,
    /// Not an address.
    #[error("LITELLM_BASE_URL: {0}")]
    LitellmUrl(String),
    /// A built-in price that does not read; a defect.
    #[error("a built-in price does not read")]
    Price(#[from] MoneyError),
}

/// Compiles the environment: the vendors and proxies whose variables are set, else the scripted provider.
pub fn from_env(env: &dyn Fn(&str) -> Option<String>, production: bool) -> Result<Draft, DefaultsError> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty());
    let mut providers = Vec::new();
    let mut models = Vec::new();
    // Who takes the names that nothing else does: who knows most models.
    let mut rest = None;
    for (name, kind, key, listed) in VENDORS {
        if set(key).is_some() {
            providers.push(provider(name, kind, None, Some(key)));
            models.extend(listed.iter().map(|alias| model(alias, name, alias, None)));
            rest = rest.or(Some(name));
        }
    }
    if set(OPENROUTER_KEY).is_some() {
        let url = Some(OPENROUTER_URL.to_owned());
        let provider = provider("openrouter", ProviderKind::OpenaiCompatible, url, Some(OPENROUTER_KEY));
        providers.push(Provider { allow_private_network: false, ..provider });
        rest = Some("openrouter");
    }
    if let Some(url) = set(LITELLM_URL) {
        if set(LITELLM_KEY).is_none() {
            return Err(DefaultsError::NoLitellmKey);
        }
        let url = url.trim_end_matches('/');
        let url = if url.ends_with("/v1") { url.to_owned() } else { format!("{url}/v1") };
        let url = address(&url, true).map_err(DefaultsError::LitellmUrl)?;
        providers.push(provider("litellm", ProviderKind::OpenaiCompatible, Some(url), Some(LITELLM_KEY)));
        rest = Some("litellm");
    }
    match rest {
        Some(rest) => models.push(model(WILDCARD, rest, WILDCARD, None)),
        None if production => return Err(DefaultsError::NoProvider),
        None => {
            providers.push(provider("scripted", ProviderKind::Scripted, None, None));
            models.push(model("demo", "scripted", "scripted-1", Some(price("0.15", "0.60")?)));
        }
    }
    let project = project(DEFAULT_PROJECT);
    let config = Config {
        version: 0,
        published_ms: 0,
        streaming: true,
        providers,
        models,
        projects: vec![project],
        prices: Vec::new(),
    };
    let key = DraftKey { project: DEFAULT_PROJECT.into(), name: DEFAULT_PROJECT.into(), secret: None };
    Ok(Draft { config, keys: vec![key] })
}

/// A project with every default.
pub(crate) fn project(name: &str) -> Project {
    Project { name: name.to_owned(), streaming: true, on_disconnect: OnDisconnect::default() }
}

fn provider(name: &str, kind: ProviderKind, base_url: Option<String>, key: Option<&str>) -> Provider {
    // Only LiteLLM has an address of its own here, and it usually stands next to Forebay.
    let allow_private_network = base_url.is_some();
    let api_key = key.map(|name| SecretRef::Env(name.to_owned()));
    Provider {
        name: name.to_owned(),
        kind,
        base_url,
        api_key,
        api_version: None,
        region: None,
        allow_private_network,
    }
}

fn model(alias: &str, provider: &str, model: &str, price: Option<Price>) -> Model {
    let target = Target { provider: provider.to_owned(), model: model.to_owned(), underlying_model: None };
    Model { alias: alias.to_owned(), strategy: Strategy::Simple, targets: vec![target], price }
}

fn price(input: &str, output: &str) -> Result<Price, MoneyError> {
    Ok(Price { input: input.parse()?, output: output.parse()?, ..Price::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(set: &[(&str, &str)], production: bool) -> Result<Draft, DefaultsError> {
        let env = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        from_env(&env, production)
    }

    #[test]
    fn nothing_set_is_the_scripted_provider_and_never_in_production() {
        let draft_ = draft(&[("OPENAI_API_KEY", "")], false).unwrap();
        assert_eq!(draft_.config.providers[0].kind, ProviderKind::Scripted);
        let demo = draft_.config.model("demo").unwrap();
        assert_eq!(demo.targets[0].model, "scripted-1");
        let price = demo.price.as_ref().unwrap();
        assert_eq!((price.input.0, price.output.0), (150_000_000, 600_000_000));
        assert!(draft_.config.model("other").is_none());
        assert_eq!((draft_.keys[0].name.as_str(), draft_.keys[0].secret.is_none()), ("default", true));
        assert_eq!(draft(&[], true).unwrap_err(), DefaultsError::NoProvider);
    }

    #[test]
    fn openai_has_its_aliases_and_takes_every_other_name() {
        let config = draft(&[("OPENAI_API_KEY", "sk-x")], true).unwrap().config;
        assert_eq!(config.providers.len(), 1);
        assert_eq!(config.providers[0].api_key, Some(SecretRef::Env("OPENAI_API_KEY".into())));
        for alias in OPENAI_MODELS {
            assert_eq!(config.model(alias).unwrap().alias, alias);
        }
        let wild = config.model("gpt-unheard-of").unwrap();
        assert_eq!(wild.targets[0].upstream_model("gpt-unheard-of"), "gpt-unheard-of");
    }

    #[test]
    fn every_listed_model_has_a_price() {
        for (_, kind, _, listed) in VENDORS {
            let prices = proto::catalogue::prices(kind);
            for model in listed {
                assert!(prices.iter().any(|row| row.matches(model)), "{model}");
            }
        }
    }

    #[test]
    fn several_vendors_stand_side_by_side() {
        let set = [("ANTHROPIC_API_KEY", "a"), ("GEMINI_API_KEY", "g")];
        let config = draft(&set, true).unwrap().config;
        let target = |alias: &str| config.model(alias).unwrap().targets[0].provider.clone();
        assert_eq!(
            (target("claude-opus-5-5").as_str(), target("gemini-2.5-pro").as_str()),
            ("anthropic", "gemini")
        );
        assert_eq!(target("anything"), "anthropic");
        let set = [("ANTHROPIC_API_KEY", "a"), ("OPENROUTER_API_KEY", "o")];
        let config = draft(&set, true).unwrap().config;
        let openrouter = config.provider("openrouter").unwrap();
        assert!(!openrouter.allow_private_network);
        assert_eq!(config.model("anything").unwrap().targets[0].provider, "openrouter");
    }

    #[test]
    fn litellm_needs_both_and_its_address_ends_in_v1() {
        for url in ["http://127.0.0.1:4000", "http://127.0.0.1:4000/", "http://127.0.0.1:4000/v1/"] {
            let set = [("LITELLM_BASE_URL", url), ("LITELLM_MASTER_KEY", "k"), ("OPENAI_API_KEY", "k")];
            let config = draft(&set, true).unwrap().config;
            let litellm = config.provider("litellm").unwrap();
            assert_eq!(litellm.base_url.as_deref(), Some("http://127.0.0.1:4000/v1"));
            assert!(litellm.allow_private_network);
            assert_eq!(config.model("x").unwrap().targets[0].provider, "litellm");
            assert_eq!(config.model("gpt-5").unwrap().targets[0].provider, "openai");
        }
        assert_eq!(
            draft(&[("LITELLM_BASE_URL", "http://h")], false).unwrap_err(),
            DefaultsError::NoLitellmKey
        );
        let bad =
            draft(&[("LITELLM_BASE_URL", "ftp://u:p@h"), ("LITELLM_MASTER_KEY", "k")], false).unwrap_err();
        assert!(!bad.to_string().contains("u:p"), "{bad}");
    }
}
