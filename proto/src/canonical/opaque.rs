//! What a provider wants back unread: signatures and encrypted thoughts. They are bound to the provider and the
//! model that made them, so they travel through a foreign dialect in a token that says whose they are.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::secret::Secret;

/// What every token of ours begins with. No provider's own does.
const PREFIX: &str = "fb1.";
const TAG_BYTES: usize = 16;
/// No token has fewer characters behind its prefix: the tag alone takes as many.
const TOKEN_CHARS_MIN: usize = 22;

/// A provider's opaque data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opaque {
    /// Whose it is; `None` = fresh from the provider being decoded, or in a caller's body without a token of ours.
    #[serde(rename = "o")]
    pub origin: Option<Origin>,
    /// What it is.
    #[serde(rename = "k")]
    pub kind: OpaqueKind,
    /// The data as the provider gave it.
    #[serde(rename = "d")]
    pub data: String,
}

/// What opaque data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpaqueKind {
    /// The signature of a shown thought (Anthropic, Bedrock).
    #[serde(rename = "s")]
    Signature,
    /// A thought that is not shown at all (Anthropic's `redacted_thinking`, Bedrock's `redactedContent`).
    #[serde(rename = "r")]
    Redacted,
    /// Encrypted reasoning (OpenAI Responses).
    #[serde(rename = "e")]
    Encrypted,
    /// Gemini's thought signature.
    #[serde(rename = "t")]
    ThoughtSignature,
}

/// Whose opaque data it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The configured provider's name.
    #[serde(rename = "p")]
    pub provider: String,
    /// The model there.
    #[serde(rename = "m")]
    pub model: String,
}

/// Makes and reads the tokens. Tokens are authenticated, so that a caller cannot make one up for a provider.
#[derive(Debug, Clone)]
pub struct Carrier(Secret<[u8; 32]>);

impl Carrier {
    /// A carrier with a key of its own.
    pub fn new(key: &Secret<[u8; 32]>) -> Self {
        Self(key.clone())
    }

    /// The token for `opaque`, naming `origin` as its owner unless it has one.
    pub fn wrap(&self, opaque: &Opaque, origin: &Origin) -> String {
        let owned = opaque.origin.is_some();
        let full = Opaque {
            origin: Some(opaque.origin.clone().unwrap_or_else(|| origin.clone())),
            ..opaque.clone()
        };
        let json = serde_json::to_vec(if owned { opaque } else { &full }).unwrap_or_default();
        let tag = self.mac(&json).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
        let mut bytes = tag[..TAG_BYTES].to_vec();
        bytes.extend_from_slice(&json);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token; `None` for anything that is not one of ours.
    pub fn unwrap(&self, token: &str) -> Option<Opaque> {
        let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
        let (tag, json) = bytes.split_at_checked(TAG_BYTES)?;
        self.mac(json)?.verify_truncated_left(tag).ok()?;
        serde_json::from_slice(json).ok()
    }

    /// Whether a text is one of ours by its looks.
    pub fn is_token(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// Whether a body holds what may be a token of ours: then its bytes must not be passed on unread.
    pub fn may_be_in(body: &[u8]) -> bool {
        memchr::memmem::find_iter(body, b"\"fb1.").any(|at| {
            let rest = body.get(at + 5..).unwrap_or_default();
            let length =
                rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
            length >= TOKEN_CHARS_MIN && rest.get(length) == Some(&b'"')
        })
    }

    /// Always there: HMAC takes keys of any length.
    fn mac(&self, json: &[u8]) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.expose()).ok()?;
        mac.update(json);
        Some(mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_and_cannot_be_forged() {
        let carrier = Carrier::new(&Secret::new([7; 32]));
        let origin = Origin { provider: "claude".into(), model: "opus".into() };
        let opaque = Opaque { origin: None, kind: OpaqueKind::Signature, data: "Eo==".into() };
        let token = carrier.wrap(&opaque, &origin);
        assert!(Carrier::is_token(&token) && Carrier::may_be_in(format!("[\"{token}\"]").as_bytes()));
        let back = carrier.unwrap(&token).unwrap();
        assert_eq!(back, Opaque { origin: Some(origin.clone()), ..opaque });
        assert_eq!(carrier.wrap(&back, &Origin { provider: "x".into(), model: "y".into() }), token);
        for harmless in ["\"fb1.\"", "\"fb1.0 is a version\"", "fb1.AAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
            assert!(!Carrier::may_be_in(harmless.as_bytes()), "{harmless}");
        }
        let other = Carrier::new(&Secret::new([8; 32]));
        assert_eq!(other.unwrap(&token), None);
        for bad in ["", "fb1.", "fb1.AAAA", "Eo==", &token[..token.len() - 2]] {
            assert_eq!(carrier.unwrap(bad), None, "{bad}");
        }
    }
}
