//! AWS Signature Version 4 on a call to Bedrock.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderMap, HeaderName, HeaderValue};
use proto::secret::Secret;

/// The service's name in signatures.
const SERVICE: &str = "bedrock";

/// A request that could not be signed.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the request cannot be signed")]
pub(crate) struct SignError;

/// Signs with one set of credentials, for one region.
#[derive(Clone)]
pub(crate) struct Signer {
    identity: Identity,
    region: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl Signer {
    /// A signer with an access key, its secret, and the session's token where the credentials are temporary.
    pub(crate) fn new(
        access_key: &str,
        secret: &Secret<String>,
        token: Option<&Secret<String>>,
        region: &str,
    ) -> Self {
        let token = token.map(|token| token.expose().clone());
        let credentials = Credentials::new(access_key, secret.expose().clone(), token, None, "forebay");
        Self { identity: credentials.into(), region: region.to_owned() }
    }

    /// The headers that sign a POST of `body` to exactly `url`, at `now_ms` since the Unix epoch.
    pub(crate) fn sign(
        &self,
        url: &str,
        content_type: &HeaderValue,
        body: &[u8],
        now_ms: u64,
    ) -> Result<HeaderMap, SignError> {
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(SERVICE)
            .time(UNIX_EPOCH + Duration::from_millis(now_ms))
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| SignError)?
            .into();
        let content_type = content_type.to_str().map_err(|_| SignError)?;
        let headers = [("content-type", content_type)].into_iter();
        let request =
            SignableRequest::new("POST", url, headers, SignableBody::Bytes(body)).map_err(|_| SignError)?;
        let (instructions, _) = sign(request, &params).map_err(|_| SignError)?.into_parts();
        let mut signed = HeaderMap::with_capacity(3);
        for (name, value) in instructions.headers() {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| SignError)?;
            let mut value = HeaderValue::from_str(value).map_err(|_| SignError)?;
            value.set_sensitive(true);
            signed.insert(name, value);
        }
        Ok(signed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_signed_for_its_region_and_nothing_shows() {
        let signer = Signer::new("AKIDEXAMPLE", &Secret::new("canary".to_owned()), None, "eu-central-1");
        assert!(!format!("{signer:?}").contains("canary"));
        let url = "https://bedrock-runtime.eu-central-1.amazonaws.com/model/a%3A0/converse";
        let json = HeaderValue::from_static("application/json");
        let at = 1_795_000_000_000;
        let headers = signer.sign(url, &json, b"{}", at).unwrap();
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(authorization.contains("/eu-central-1/bedrock/aws4_request"), "{authorization}");
        assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date"), "{authorization}");
        assert_ne!(headers, signer.sign(url, &json, b"{ }", at).unwrap(), "the body is signed");
    }
}
