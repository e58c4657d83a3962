//! Who calls: Signature Version 4, checked by signing the same request again, or an API key as a bearer.

use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;

use super::error::refusal;
use crate::fake::asked::{Incoming, Refusal};
use crate::fake::{ACCESS_KEY, Ctx, REGION, SECRET_KEY};

/// How far a signature's time may be from ours.
const SKEW_MS: u64 = 5 * 60 * 1000;
/// Headers that signing adds by itself.
const OWN: [&str; 4] = ["host", "x-amz-date", "x-amz-security-token", "x-amz-content-sha256"];

fn denied(kind: &str, message: &str) -> Refusal {
    refusal(403, kind, message)
}

fn incomplete(message: &str) -> Refusal {
    refusal(400, "IncompleteSignatureException", message)
}

fn mismatch() -> Refusal {
    let message = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
    denied("InvalidSignatureException", message)
}

/// Checks a call.
pub(super) fn check(ctx: &Ctx, call: &Incoming) -> Result<(), Refusal> {
    let Some(given) = call.header("authorization") else {
        return Err(denied("MissingAuthenticationTokenException", "Missing Authentication Token"));
    };
    if let Some(key) = call.bearer() {
        if key == ctx.key {
            return Ok(());
        }
        let message = "Authentication failed: Please make sure your API Key is valid.";
        return Err(denied("AccessDeniedException", message));
    }
    let fields = given
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or_else(|| incomplete("Authorization header requires 'Credential' parameter."))?;
    signature(call, fields)
}

fn field<'a>(fields: &'a str, name: &str) -> Result<&'a str, Refusal> {
    let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
    found.ok_or_else(|| incomplete(&format!("Authorization header requires '{name}' parameter.")))
}

fn signature(call: &Incoming, fields: &str) -> Result<(), Refusal> {
    let credential = field(fields, "Credential")?;
    let signed = field(fields, "SignedHeaders")?;
    let given = field(fields, "Signature")?;
    let scope: Vec<&str> = credential.split('/').collect();
    let [key, date, region, service, "aws4_request"] = scope[..] else {
        return Err(incomplete("Credential must have exactly 5 slash-delimited elements."));
    };
    if key != ACCESS_KEY {
        let message = "The security token included in the request is invalid.";
        return Err(denied("UnrecognizedClientException", message));
    }
    if service != "bedrock" {
        let message = "Credential should be scoped to correct service: 'bedrock'. ";
        return Err(denied("InvalidSignatureException", message));
    }
    if region != REGION {
        let message = "Credential should be scoped to a valid region. ";
        return Err(denied("InvalidSignatureException", message));
    }
    let time = call.header("x-amz-date").ok_or_else(|| {
        incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
    })?;
    let at = seconds(time).filter(|_| time.starts_with(date)).ok_or_else(mismatch)?;
    if (at * 1000).abs_diff(proto::clock::now_ms()) > SKEW_MS {
        return Err(denied(
            "InvalidSignatureException",
            &format!("Signature expired: {time} is now too far from now."),
        ));
    }
    let names: Vec<&str> = signed.split(';').collect();
    if !names.contains(&"host") || !names.contains(&"x-amz-date") {
        return Err(denied("InvalidSignatureException", "'Host' and 'X-Amz-Date' must be signed headers."));
    }
    let wanted = resign(call, &names, at).ok_or_else(mismatch)?;
    if wanted == given { Ok(()) } else { Err(mismatch()) }
}

/// Seconds since the Unix epoch of `20261120T151309Z`.
fn seconds(time: &str) -> Option<u64> {
    let at = jiff::civil::DateTime::strptime("%Y%m%dT%H%M%SZ", time).ok()?;
    let at = at.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    u64::try_from(at.timestamp().as_second()).ok()
}

/// The signature that the call ought to have.
fn resign(call: &Incoming, names: &[&str], at: u64) -> Option<String> {
    let token = call.header("x-amz-security-token").map(str::to_owned);
    let identity: Identity = Credentials::new(ACCESS_KEY, SECRET_KEY, token, None, "fake").into();
    let mut settings = SigningSettings::default();
    if names.contains(&"x-amz-content-sha256") {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(REGION)
        .name("bedrock")
        .time(UNIX_EPOCH + Duration::from_secs(at))
        .settings(settings)
        .build()
        .ok()?
        .into();
    let query = if call.query.is_empty() { String::new() } else { format!("?{}", call.query) };
    let url = format!("http://{}{}{query}", call.header("host")?, call.path);
    let mut headers = Vec::new();
    for name in names.iter().filter(|name| !OWN.contains(name)) {
        headers.push((*name, call.header(name)?));
    }
    let request =
        SignableRequest::new(&call.method, url, headers.into_iter(), SignableBody::Bytes(&call.body)).ok()?;
    Some(sign(request, &params).ok()?.into_parts().1)
}
