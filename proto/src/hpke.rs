//! Secrets that control can seal and workers alone can open: HPKE (RFC 9180) in base mode with X25519, HKDF-SHA-256
//! and AES-256-GCM.
//!
//! The key pair is derived from the master secret, so that a deployment has one secret to keep; a split deployment
//! gives control the public half alone. What is sealed is bound to what it is about: it does not open as another
//! credential, or as another owner's.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hpke::aead::AesGcm256;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use sha2::{Digest, Sha256};

use crate::secret::Secret;

type Suite = X25519HkdfSha256;

const INFO: &[u8] = b"forebay provider credential v1";
const PREFIX: &str = "hpke1";
const PUBLIC_PREFIX: &str = "fb_pub_";

/// Why a secret could not be sealed or opened. Says nothing of keys or contents.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum HpkeError {
    /// Not text that [`Sealed`] or [`SealingKey`] writes.
    #[error("not a sealed secret or a public key")]
    Malformed,
    /// Sealed to a key that is not on the ring.
    #[error("the key {0}, to which the secret is sealed, is not known here")]
    UnknownKey(String),
    /// Damaged, or about something else.
    #[error("the sealed secret is damaged or belongs to something else")]
    Damaged,
}

/// The public half: seals.
#[derive(Clone, PartialEq, Eq)]
pub struct SealingKey {
    id: String,
    key: <Suite as Kem>::PublicKey,
}

/// The private halves that a worker has, by the id of their public half.
#[derive(Clone, Default)]
pub struct OpeningKeys(BTreeMap<String, <Suite as Kem>::PrivateKey>);

/// A secret that is sealed, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Id of the key that it is sealed to.
    pub key_id: String,
    encapsulated: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// Derives the pair from key material of 32 secret bytes.
pub fn pair(material: &Secret<[u8; 32]>) -> (SealingKey, OpeningKeys) {
    let (private, public) = Suite::derive_keypair(material.expose());
    let sealing = SealingKey::new(public);
    let opening = OpeningKeys(BTreeMap::from([(sealing.id.clone(), private)]));
    (sealing, opening)
}

impl SealingKey {
    fn new(key: <Suite as Kem>::PublicKey) -> Self {
        let digest = Sha256::digest(key.to_bytes());
        let id = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { id, key }
    }

    /// The key's id: 16 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals `secret` as being about `about`.
    pub fn seal(&self, secret: &Secret<String>, about: &str) -> Result<Sealed, HpkeError> {
        let plain = secret.expose().as_bytes();
        let sealed = hpke::single_shot_seal::<AesGcm256, HkdfSha256, Suite>(
            &OpModeS::Base,
            &self.key,
            INFO,
            plain,
            about.as_bytes(),
        );
        let (encapsulated, ciphertext) = sealed.map_err(|_| HpkeError::Damaged)?;
        Ok(Sealed { key_id: self.id.clone(), encapsulated: encapsulated.to_bytes().to_vec(), ciphertext })
    }
}

impl OpeningKeys {
    /// The ids of the keys.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// All keys of both.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Opens what was sealed as being about `about`.
    pub fn open(&self, sealed: &Sealed, about: &str) -> Result<Secret<String>, HpkeError> {
        let unknown = || HpkeError::UnknownKey(sealed.key_id.clone());
        let key = self.0.get(&sealed.key_id).ok_or_else(unknown)?;
        let encapsulated = <Suite as Kem>::EncappedKey::from_bytes(&sealed.encapsulated);
        let encapsulated = encapsulated.map_err(|_| HpkeError::Malformed)?;
        let plain = hpke::single_shot_open::<AesGcm256, HkdfSha256, Suite>(
            &OpModeR::Base,
            key,
            &encapsulated,
            INFO,
            &sealed.ciphertext,
            about.as_bytes(),
        );
        let plain = plain.map_err(|_| HpkeError::Damaged)?;
        String::from_utf8(plain).map(Secret::new).map_err(|_| HpkeError::Damaged)
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

impl fmt::Debug for OpeningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl fmt::Display for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC_PREFIX}{}", URL_SAFE_NO_PAD.encode(self.key.to_bytes()))
    }
}

impl FromStr for SealingKey {
    type Err = HpkeError;

    fn from_str(text: &str) -> Result<Self, HpkeError> {
        let encoded = text.strip_prefix(PUBLIC_PREFIX).ok_or(HpkeError::Malformed)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| HpkeError::Malformed)?;
        <Suite as Kem>::PublicKey::from_bytes(&bytes).map(Self::new).map_err(|_| HpkeError::Malformed)
    }
}

impl fmt::Display for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (encapsulated, ciphertext) =
            (URL_SAFE_NO_PAD.encode(&self.encapsulated), URL_SAFE_NO_PAD.encode(&self.ciphertext));
        write!(f, "{PREFIX}.{}.{encapsulated}.{ciphertext}", self.key_id)
    }
}

impl FromStr for Sealed {
    type Err = HpkeError;

    fn from_str(text: &str) -> Result<Self, HpkeError> {
        let parts: Vec<&str> = text.split('.').collect();
        let [PREFIX, key_id, encapsulated, ciphertext] = parts.as_slice() else {
            return Err(HpkeError::Malformed);
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| HpkeError::Malformed);
        Ok(Self {
            key_id: (*key_id).to_owned(),
            encapsulated: decode(encapsulated)?,
            ciphertext: decode(ciphertext)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn material(byte: u8) -> Secret<[u8; 32]> {
        Secret::new([byte; 32])
    }

    #[test]
    fn the_private_half_opens_what_the_public_half_sealed() {
        let (sealing, opening) = pair(&material(1));
        let told: SealingKey = sealing.to_string().parse().unwrap();
        assert_eq!(told, sealing);
        let sealed = told.seal(&Secret::new("sk-canary".to_owned()), "cred_1 platform").unwrap();
        let stored: Sealed = sealed.to_string().parse().unwrap();
        assert_eq!(stored, sealed);
        assert!(!stored.to_string().contains("canary"));
        assert_eq!(opening.open(&stored, "cred_1 platform").unwrap().expose(), "sk-canary");
        assert_eq!(opening.open(&stored, "cred_2 platform").unwrap_err(), HpkeError::Damaged);
    }

    #[test]
    fn a_ring_opens_what_was_sealed_before_a_rotation() {
        let ((old, old_opening), (new, new_opening)) = (pair(&material(1)), pair(&material(2)));
        let sealed = old.seal(&Secret::new("a".to_owned()), "x").unwrap();
        assert!(matches!(new_opening.open(&sealed, "x"), Err(HpkeError::UnknownKey(id)) if id == old.id()));
        let ring = new_opening.and(old_opening);
        assert_eq!(ring.open(&sealed, "x").unwrap().expose(), "a");
        assert_ne!(old.id(), new.id());
    }

    #[test]
    fn what_is_damaged_does_not_open() {
        let (sealing, opening) = pair(&material(3));
        let sealed = sealing.seal(&Secret::new("a".to_owned()), "x").unwrap();
        let mut other = sealed.clone();
        other.ciphertext[0] ^= 1;
        assert_eq!(opening.open(&other, "x").unwrap_err(), HpkeError::Damaged);
        for text in ["", "hpke1", "hpke1.a.b", "hpke1.a.!.b", "hpke2.a.b.c"] {
            assert_eq!(text.parse::<Sealed>().unwrap_err(), HpkeError::Malformed, "{text}");
        }
        assert!(format!("{opening:?} {sealing:?}").len() < 80);
    }
}
