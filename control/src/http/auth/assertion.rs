//! Signed assertions: a project's server vouches for one of its users, for a few minutes and without a call of its own.
//!
//! A JWT signed HS256 with a secret of the project: `kid` is the secret's id, `sub` the project's own id of the user,
//! `exp` at most five minutes behind `iat`; `feature_key` and `scopes`, where they are there, bound the session.

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use proto::secret::Pepper;
use serde::Deserialize;

use super::PROJECT_PREFIX;

/// The longest time that an assertion may hold, in seconds.
const LIFE_MAX_S: u64 = 300;
/// How far clocks may differ, in seconds.
const LEEWAY_S: u64 = 30;
const ID_BYTES_MAX: usize = 64;

/// What a project's server says about one of its users.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(crate) struct Assertion {
    /// The project's own id of the user.
    pub(crate) sub: String,
    exp: u64,
    iat: u64,
    /// The only feature that the session may be for.
    #[serde(default)]
    pub(crate) feature_key: Option<String>,
    /// The only scopes that the session may have.
    #[serde(default)]
    pub(crate) scopes: Option<Vec<String>>,
}

/// The secret of that id: derived, so that what it signed can be checked although it is stored nowhere. A line feed
/// cannot be part of any credential that is sent, and so this is the hash of none.
pub(crate) fn secret_of(pepper: &Pepper, id: &str) -> String {
    format!("{PROJECT_PREFIX}{}", pepper.hash(&format!("secret of a project\n{id}")))
}

/// Whether a credential looks like an assertion, and the id of the secret that it says to be signed with.
pub(super) fn signed_with(token: &str) -> Option<String> {
    if token.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return None;
    }
    let header = decode_header(token).ok()?;
    let id = header.kid.filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()) && !id.contains(char::is_control));
    id.filter(|_| header.alg == Algorithm::HS256)
}

/// What the token says, if it is signed with the secret and holds now.
pub(super) fn verified(token: &str, secret: &str) -> Option<Assertion> {
    let mut rules = Validation::new(Algorithm::HS256);
    rules.leeway = LEEWAY_S;
    rules.validate_aud = false;
    rules.set_required_spec_claims(&["exp", "sub"]);
    let key = DecodingKey::from_secret(secret.as_bytes());
    let assertion = decode::<Assertion>(token, &key, &rules).ok()?.claims;
    let now_s = proto::clock::now_ms() / 1000;
    let short = assertion.exp.checked_sub(assertion.iat).is_some_and(|life| life <= LIFE_MAX_S);
    (short && assertion.iat <= now_s + LEEWAY_S).then_some(assertion)
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    use super::*;

    fn token(alg: Algorithm, secret: &str, claims: &Value) -> String {
        let header = Header { kid: Some("psec_1".into()), ..Header::new(alg) };
        encode(&header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn only_a_fresh_one_of_the_right_secret_counts() {
        let now = proto::clock::now_ms() / 1000;
        let good = json!({ "sub": "user-1", "iat": now, "exp": now + 60 });
        let text = token(Algorithm::HS256, "s", &good);
        assert_eq!(signed_with(&text).as_deref(), Some("psec_1"));
        assert_eq!(verified(&text, "s").unwrap().sub, "user-1");
        assert!(verified(&text, "t").is_none());
        assert!(signed_with(&token(Algorithm::HS512, "s", &good)).is_none());
        assert!(verified(&token(Algorithm::HS512, "s", &good), "s").is_none());
        for bad in [
            json!({ "sub": "u", "iat": now - 400, "exp": now - 200 }),
            json!({ "sub": "u", "iat": now, "exp": now + 3600 }),
            json!({ "sub": "u", "iat": now + 600, "exp": now + 660 }),
            json!({ "sub": "u", "exp": now + 60 }),
            json!({ "iat": now, "exp": now + 60 }),
        ] {
            assert!(verified(&token(Algorithm::HS256, "s", &bad), "s").is_none(), "{bad}");
        }
        for none in ["mf_sess_x", "a.b", "a.b.c", ""] {
            assert!(signed_with(none).is_none(), "{none}");
        }
    }

    #[test]
    fn secrets_differ_by_id() {
        let pepper = crate::testing::secrets('m').pepper;
        assert_ne!(secret_of(&pepper, "a"), secret_of(&pepper, "b"));
        assert_eq!(secret_of(&pepper, "a").len(), PROJECT_PREFIX.len() + 64);
    }
}
