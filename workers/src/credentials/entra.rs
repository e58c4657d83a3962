//! Tokens of Microsoft Entra for Azure, by the variables that Azure's own libraries read: a ready token
//! (`AZURE_OPENAI_AD_TOKEN`), a client secret, or a federated token file (workload identity). Managed identity is
//! not served: its address is one of instance metadata, which nothing here may call.
//!
//! Source: learn.microsoft.com/entra/identity-platform, client credentials flow, read 2026-11.

use std::time::Duration;

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use proto::config::SecretRef;
use proto::secret::Secret;
use reqwest::{Client, Url};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{CredentialError, sensitive};
use crate::config::Config;
use crate::{guard, http as transport, secrets};

const READY_TOKEN: &str = "AZURE_OPENAI_AD_TOKEN";
const TENANT: &str = "AZURE_TENANT_ID";
const CLIENT: &str = "AZURE_CLIENT_ID";
const CLIENT_SECRET: &str = "AZURE_CLIENT_SECRET";
const TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
const AUTHORITY: &str = "AZURE_AUTHORITY_HOST";
const AUTHORITY_DEFAULT: &str = "https://login.microsoftonline.com";
const SCOPE: &str = "AZURE_OPENAI_SCOPE";
const SCOPE_DEFAULT: &str = "https://cognitiveservices.azure.com/.default";
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token is renewed this long before it ends.
const MARGIN: Duration = Duration::from_mins(5);
/// After a renewal that failed the next one waits so long.
const PAUSE: Duration = Duration::from_secs(5);
/// No token is kept longer, in seconds.
const LIVES_MAX_S: u64 = 24 * 3600;
/// How long the token service may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer of the token service, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// A token, kept until shortly before it ends.
#[derive(Debug)]
pub(crate) struct Entra {
    source: Source,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    token: Option<Token>,
    /// No renewal before this: the last one failed.
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Token {
    value: HeaderValue,
    /// When it should be renewed.
    renew: Instant,
    /// When it ends.
    ends: Instant,
}

#[derive(Debug)]
enum Source {
    Ready(HeaderValue),
    Service { client: Client, url: Url, tenant_client: String, scope: String, proof: Proof },
}

#[derive(Debug)]
enum Proof {
    Secret(Secret<String>),
    File(SecretRef),
}

impl Entra {
    /// Reads the variables. The second value changes when they do.
    pub(super) async fn read(
        settings: &Config,
        allow_private: bool,
    ) -> Result<(Self, Secret<String>), CredentialError> {
        if let Ok(token) = secrets::variable(READY_TOKEN) {
            let source = Source::Ready(sensitive(&format!("Bearer {}", token.expose()))?);
            return Ok((Self { source, current: Mutex::default() }, token));
        }
        let tenant = secrets::variable(TENANT)?;
        let id = secrets::variable(CLIENT)?;
        let (proof, print) = match secrets::variable(CLIENT_SECRET) {
            Ok(secret) => (Proof::Secret(secret.clone()), secret.expose().clone()),
            Err(missing) => {
                let path = secrets::variable(TOKEN_FILE).map_err(|_| missing)?;
                (Proof::File(SecretRef::File(path.expose().clone())), path.expose().clone())
            }
        };
        let or = |name, usual: &str| {
            secrets::variable(name).map_or_else(|_| usual.to_owned(), |value| value.expose().clone())
        };
        let authority = or(AUTHORITY, AUTHORITY_DEFAULT);
        let url = format!("{}/{}/oauth2/v2.0/token", authority.trim_end_matches('/'), tenant.expose());
        let url = guard::check_url(&url, allow_private).map_err(CredentialError::Guard)?;
        let client = transport::client(&url, settings, allow_private)
            .map_err(|error| CredentialError::Token(Box::new(error)))?;
        let print = Secret::new(format!("{url} {} {print}", id.expose()));
        let scope = or(SCOPE, SCOPE_DEFAULT);
        let source = Source::Service { client, url, tenant_client: id.expose().clone(), scope, proof };
        Ok((Self { source, current: Mutex::default() }, print))
    }

    /// The header of a call. One renewal runs at a time; the others wait for it.
    pub(super) async fn bearer(&self) -> Result<HeaderValue, CredentialError> {
        let (client, url, id, scope, proof) = match &self.source {
            Source::Ready(value) => return Ok(value.clone()),
            Source::Service { client, url, tenant_client, scope, proof } => {
                (client, url, tenant_client, scope, proof)
            }
        };
        let mut current = self.current.lock().await;
        let now = Instant::now();
        if let Some(token) = current.token.as_ref().filter(|token| now < token.renew) {
            return Ok(token.value.clone());
        }
        let old = current.token.as_ref().filter(|token| now < token.ends).map(|token| token.value.clone());
        if current.not_before.is_some_and(|at| now < at) {
            return old.ok_or_else(|| CredentialError::Token("it failed a moment ago".into()));
        }
        match renew(client, url, id, scope, proof).await {
            Ok((value, lives)) => {
                let token = Token {
                    value: value.clone(),
                    renew: now + lives - MARGIN.min(lives / 2),
                    ends: now + lives,
                };
                *current = Current { token: Some(token), not_before: None };
                Ok(value)
            }
            Err(error) => {
                current.not_before = Some(Instant::now() + PAUSE);
                old.ok_or(error)
            }
        }
    }
}

async fn renew(
    client: &Client,
    url: &Url,
    id: &str,
    scope: &str,
    proof: &Proof,
) -> Result<(HeaderValue, Duration), CredentialError> {
    let form = form(id, scope, proof).await?;
    tokio::time::timeout(PATIENCE, fetch(client, url, form))
        .await
        .map_err(|elapsed| CredentialError::Token(Box::new(elapsed)))?
}

/// The form of the client credentials flow.
async fn form(id: &str, scope: &str, proof: &Proof) -> Result<Secret<String>, CredentialError> {
    let proof = match proof {
        Proof::Secret(secret) => ("client_secret", secret.clone()),
        Proof::File(place) => ("client_assertion", secrets::read(place).await?),
    };
    // The query of a URL is written the way such a form is.
    let mut url = transport::placeholder();
    {
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("grant_type", "client_credentials");
        pairs.append_pair("client_id", id);
        pairs.append_pair("scope", scope);
        pairs.append_pair(proof.0, proof.1.expose());
        if proof.0 == "client_assertion" {
            pairs.append_pair("client_assertion_type", ASSERTION_TYPE);
        }
    }
    Ok(Secret::new(url.query().unwrap_or_default().to_owned()))
}

async fn fetch(
    client: &Client,
    url: &Url,
    form: Secret<String>,
) -> Result<(HeaderValue, Duration), CredentialError> {
    let failed = |error: reqwest::Error| CredentialError::Token(Box::new(error.without_url()));
    let request = client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.expose().clone());
    let mut response = request.send().await.map_err(failed)?.error_for_status().map_err(failed)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(CredentialError::Token("its answer is too large".into()));
        }
        body.extend_from_slice(&chunk);
    }
    let body = Secret::new(body);
    let answer: serde_json::Value = serde_json::from_slice(body.expose())
        .map_err(|_| CredentialError::Token("its answer is not JSON".into()))?;
    let token = answer["access_token"]
        .as_str()
        .ok_or_else(|| CredentialError::Token("its answer holds no token".into()))?;
    let lives = answer["expires_in"].as_u64().unwrap_or(0).min(LIVES_MAX_S);
    Ok((sensitive(&format!("Bearer {token}"))?, Duration::from_secs(lives)))
}
