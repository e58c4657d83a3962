//! Secrets that cannot be printed, and the keys derived from the one master secret.

use std::fmt;

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// A value whose `Debug` shows nothing, wiped when dropped.
#[derive(Clone)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value. Call it where the secret is used, never where something is logged.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A master secret that is too short to derive keys from.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("SECRET_ENCRYPTION_KEY must be a string of {MASTER_MIN} characters or more")]
pub struct WeakMaster;

const MASTER_MIN: usize = 32;

/// `SECRET_ENCRYPTION_KEY`: any string of 32 characters or more. Keys are derived from it with HKDF-SHA-256,
/// one for each purpose, so that none of them tells anything about another.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret<String>);

impl MasterKey {
    /// Checks the length and takes the secret in.
    pub fn new(secret: String) -> Result<Self, WeakMaster> {
        if secret.chars().count() < MASTER_MIN { Err(WeakMaster) } else { Ok(Self(Secret::new(secret))) }
    }

    /// The key that payload keys are wrapped with.
    pub fn payload_wrapping_key(&self) -> Secret<[u8; 32]> {
        self.derive(b"forebay payload wrapping v1")
    }

    /// The pepper of the keyed hashes of virtual keys.
    pub fn key_pepper(&self) -> Pepper {
        Pepper(self.derive(b"forebay virtual key pepper v1"))
    }

    /// The key of the tokens that carry providers' opaque data through foreign dialects.
    pub fn carrier_key(&self) -> Secret<[u8; 32]> {
        self.derive(b"forebay opaque carrier v1")
    }

    fn derive(&self, purpose: &[u8]) -> Secret<[u8; 32]> {
        let mut key = [0_u8; 32];
        let hkdf = Hkdf::<Sha256>::new(Some(b"forebay"), self.0.expose().as_bytes());
        // 32 bytes are always within what HKDF can give, so this cannot fail.
        if hkdf.expand(purpose, &mut key).is_err() {
            key.zeroize();
        }
        Secret::new(key)
    }
}

/// Turns the secret of a virtual key into the name it is stored under: HMAC-SHA-256 under a server-side pepper.
/// Fast, because the secrets are full of entropy.
#[derive(Clone, Debug)]
pub struct Pepper(Secret<[u8; 32]>);

impl Pepper {
    /// The hexadecimal keyed hash of a virtual key's secret: 64 digits.
    pub fn hash(&self, key_secret: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else {
            return String::new(); // HMAC takes keys of any length.
        };
        mac.update(key_secret.as_bytes());
        // Digit by digit, because this runs for every request and formatting would cost more than hashing.
        let digit = |nibble: u8| char::from(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
        mac.finalize().into_bytes().iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
    }
}

/// A new secret of 256 random bits behind `prefix`, as URL-safe text.
pub fn random_secret(prefix: &str) -> Result<String, getrandom::Error> {
    use base64::Engine;
    let mut bytes = Zeroizing::new([0_u8; 32]);
    getrandom::fill(bytes.as_mut())?;
    Ok(format!("{prefix}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASTER: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn debug_shows_nothing() {
        let secret = Secret::new("sk-canary".to_owned());
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "[secret] Some([secret])");
        let master = MasterKey::new(MASTER.to_owned()).unwrap();
        assert!(!format!("{master:?} {:?}", master.key_pepper()).contains("0123"));
    }

    #[test]
    fn purposes_have_different_keys() {
        let master = MasterKey::new(MASTER.to_owned()).unwrap();
        assert_ne!(master.payload_wrapping_key().expose(), master.key_pepper().0.expose());
        assert_eq!(master.key_pepper().hash("k"), master.key_pepper().hash("k"));
        let hash = master.key_pepper().hash("k");
        assert!(hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)));
        assert_ne!(master.key_pepper().hash("k"), master.key_pepper().hash("l"));
    }

    #[test]
    fn a_short_master_is_refused() {
        assert!(MasterKey::new("short".to_owned()).is_err());
    }
}
