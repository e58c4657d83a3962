//! How a provider knows us: what stands with every call, from whatever place the configuration or the usual
//! variables of its vendor name.

mod entra;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use proto::config::Provider;
use proto::secret::Secret;

use crate::config::Config;
use crate::guard::GuardError;
use crate::providers::bedrock::{SignError, Signer};
use crate::providers::{Adapter, Auth};
use crate::secrets::{self, SecretError};
use entra::Entra;

/// Bedrock's own API keys.
const BEDROCK_KEY: &str = "AWS_BEARER_TOKEN_BEDROCK";
const AWS_ACCESS_KEY: &str = "AWS_ACCESS_KEY_ID";
const AWS_SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const AWS_SESSION_TOKEN: &str = "AWS_SESSION_TOKEN";
const AWS_REGIONS: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Credentials that could not be had or put on a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// A secret is missing or unusable.
    #[error("a secret cannot be read")]
    Secret(#[from] SecretError),
    /// The place that hands out tokens may not be called.
    #[error("the guard refuses the address of the token service")]
    Guard(#[source] GuardError),
    /// The place that hands out tokens did not.
    #[error("the token service gave no token")]
    Token(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request could not be signed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// What stands with every call.
#[derive(Debug)]
pub(crate) enum Credentials {
    /// Nothing.
    None,
    /// The same header always.
    Header(HeaderName, HeaderValue),
    /// A signature of each request.
    Aws(Box<Signer>),
    /// A token that is renewed.
    Entra(Box<Entra>),
}

/// The region of a Bedrock provider: its own, else that of the environment.
pub(crate) fn region(provider: &Provider) -> Option<String> {
    let environment = || AWS_REGIONS.into_iter().find_map(|name| std::env::var(name).ok());
    provider.region.clone().or_else(environment).filter(|region| !region.is_empty())
}

impl Credentials {
    /// Reads the credentials of `provider`. The second value changes when they do.
    pub(crate) async fn read(
        provider: &Provider,
        adapter: &Adapter,
        settings: &Config,
    ) -> Result<(Self, Secret<String>), CredentialError> {
        let given = match &provider.api_key {
            Some(place) => Some(secrets::read(place).await?),
            None => None,
        };
        Ok(match (adapter.auth, given) {
            (Auth::Bearer | Auth::BearerOrAws, Some(key)) => (bearer(&key)?, key),
            (Auth::Header(name) | Auth::HeaderOrEntra(name), Some(key)) => (header(name, &key)?, key),
            (Auth::Bearer | Auth::Header(_), None) => (Self::None, Secret::new(String::new())),
            (Auth::BearerOrAws, None) => aws(provider)?,
            (Auth::HeaderOrEntra(_), None) => {
                let (entra, print) = Entra::read(settings, provider.allow_private_network).await?;
                (Self::Entra(Box::new(entra)), print)
            }
        })
    }

    /// Puts them on a call of `body` to `url`.
    pub(crate) async fn put(
        &self,
        headers: &mut HeaderMap,
        url: &str,
        content_type: &HeaderValue,
        body: &[u8],
    ) -> Result<(), CredentialError> {
        match self {
            Self::None => {}
            Self::Header(name, value) => {
                headers.insert(name.clone(), value.clone());
            }
            Self::Aws(signer) => {
                headers.extend(signer.sign(url, content_type, body, proto::clock::now_ms())?);
            }
            Self::Entra(entra) => {
                headers.insert(AUTHORIZATION, entra.bearer().await?);
            }
        }
        Ok(())
    }
}

fn bearer(key: &Secret<String>) -> Result<Credentials, SecretError> {
    Ok(Credentials::Header(AUTHORIZATION, sensitive(&format!("Bearer {}", key.expose()))?))
}

fn header(name: &'static str, key: &Secret<String>) -> Result<Credentials, SecretError> {
    Ok(Credentials::Header(HeaderName::from_static(name), sensitive(key.expose())?))
}

fn sensitive(text: &str) -> Result<HeaderValue, SecretError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| SecretError::Unusable("api_key".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn aws(provider: &Provider) -> Result<(Credentials, Secret<String>), CredentialError> {
    if let Ok(key) = secrets::variable(BEDROCK_KEY) {
        return Ok((bearer(&key)?, key));
    }
    let access_key = secrets::variable(AWS_ACCESS_KEY)?;
    let secret = secrets::variable(AWS_SECRET_KEY)?;
    let token = secrets::variable(AWS_SESSION_TOKEN).ok();
    let region = region(provider).ok_or_else(|| SecretError::Unset(AWS_REGIONS[0].to_owned()))?;
    let print = format!(
        "{} {} {} {region}",
        access_key.expose(),
        secret.expose(),
        token.as_ref().map_or("", |token| token.expose())
    );
    let signer = Signer::new(access_key.expose(), &secret, token.as_ref(), &region);
    Ok((Credentials::Aws(Box::new(signer)), Secret::new(print)))
}
