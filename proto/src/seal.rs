//! Sealing of payloads before they touch a stream: AES-256-GCM under a ring of data keys of their own.
//!
//! A data key is made for each UTC day and lives in the `payload_keys` bucket, wrapped under a key derived from
//! the master secret; the bucket forgets it when the audit window is over, and with it every payload it sealed.
//! Sealed bytes are `version (1) | id length (1) | key id | nonce (12) | ciphertext and tag`, bound to the
//! request id, so that one request's payload cannot be passed off as another's.

use std::collections::BTreeMap;
use std::fmt;

use aes_gcm::aead::{Aead, AeadInOut, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use bytes::Bytes;

use crate::id::RequestId;
use crate::secret::Secret;

const VERSION: u8 = 1;
const NONCE_BYTES: usize = 12;
const KEY_BYTES: usize = 32;
/// How much longer sealed bytes are than plain ones, at most.
pub const SEAL_OVERHEAD_MAX: usize = 2 + u8::MAX as usize + NONCE_BYTES + 16;

/// Why a payload could not be sealed or opened. Says nothing of keys or contents.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub enum SealError {
    /// No key to seal with is known yet.
    #[error("no payload key is available")]
    NoKey,
    /// The key that sealed it is not, or no longer, known.
    #[error("the payload key {0} is not known: the payload has expired")]
    UnknownKey(String),
    /// Not sealed by us, or not for this request.
    #[error("the sealed payload is damaged or belongs to another request")]
    Damaged,
    /// The machine gave no randomness.
    #[error("no randomness is available")]
    NoRandomness,
}

/// One data key.
#[derive(Clone)]
pub struct DataKey(Aes256Gcm);

impl DataKey {
    /// A data key of these bytes.
    pub fn new(bytes: &Secret<[u8; KEY_BYTES]>) -> Self {
        Self(Aes256Gcm::new(bytes.expose().into()))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Wraps data keys for their bucket; the bucket key (the key id) is bound in.
#[derive(Debug, Clone)]
pub struct Wrapper(DataKey);

impl Wrapper {
    /// Wraps with the key derived from the master secret for this purpose.
    pub fn new(wrapping_key: &Secret<[u8; KEY_BYTES]>) -> Self {
        Self(DataKey::new(wrapping_key))
    }

    /// A new random data key, wrapped for the bucket under `id`.
    pub fn make(&self, id: &str) -> Result<Bytes, SealError> {
        let mut key = zeroize::Zeroizing::new([0_u8; KEY_BYTES]);
        getrandom::fill(key.as_mut()).map_err(|_| SealError::NoRandomness)?;
        let nonce = nonce()?;
        let payload = Payload { msg: key.as_ref(), aad: id.as_bytes() };
        let sealed = self.0.0.encrypt(&Nonce::from(nonce), payload).map_err(|_| SealError::Damaged)?;
        Ok([&nonce[..], &sealed].concat().into())
    }

    /// Opens what [`Wrapper::make`] wrapped under the same id.
    pub fn open(&self, id: &str, wrapped: &[u8]) -> Result<DataKey, SealError> {
        let (nonce, sealed) = wrapped.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Damaged)?;
        let payload = Payload { msg: sealed, aad: id.as_bytes() };
        let plain = self.0.0.decrypt(&Nonce::from(*nonce), payload).map_err(|_| SealError::Damaged)?;
        let key: [u8; KEY_BYTES] = plain.try_into().map_err(|_| SealError::Damaged)?;
        Ok(DataKey::new(&Secret::new(key)))
    }
}

/// The data keys known to a process. The newest id (they are ordered as text) of those not in the future seals.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: BTreeMap<String, DataKey>,
}

impl KeyRing {
    /// Adds or replaces a key. Ids longer than 255 bytes are never found again.
    pub fn insert(&mut self, id: String, key: DataKey) {
        self.keys.insert(id, key);
    }

    /// Forgets a key: what it sealed cannot be opened any more.
    pub fn remove(&mut self, id: &str) {
        self.keys.remove(id);
    }

    /// Whether there is a key to seal with.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Seals `plain` for `request` with the newest key whose id is not above `not_after`, else with the oldest.
    pub fn seal(&self, request: RequestId, plain: &[u8], not_after: &str) -> Result<Bytes, SealError> {
        let (id, key) = self
            .keys
            .range::<str, _>((std::ops::Bound::Unbounded, std::ops::Bound::Included(not_after)))
            .next_back()
            .or_else(|| self.keys.first_key_value())
            .ok_or(SealError::NoKey)?;
        let id_len = u8::try_from(id.len()).map_err(|_| SealError::NoKey)?;
        let nonce = nonce()?;
        let mut out = Vec::with_capacity(2 + id.len() + NONCE_BYTES + plain.len() + 16);
        out.extend_from_slice(&[VERSION, id_len]);
        out.extend_from_slice(id.as_bytes());
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plain);
        let tag = key
            .0
            .encrypt_inout_detached(
                &Nonce::from(nonce),
                &request.as_u128().to_be_bytes(),
                out[start..].as_mut().into(),
            )
            .map_err(|_| SealError::Damaged)?;
        out.extend_from_slice(&tag);
        Ok(out.into())
    }

    /// Opens what was sealed for `request`.
    pub fn open(&self, request: RequestId, sealed: &[u8]) -> Result<Bytes, SealError> {
        let [version, id_len, rest @ ..] = sealed else { return Err(SealError::Damaged) };
        let id_len = usize::from(*id_len);
        if *version != VERSION || rest.len() < id_len + NONCE_BYTES {
            return Err(SealError::Damaged);
        }
        let (id, rest) = rest.split_at(id_len);
        let id = std::str::from_utf8(id).map_err(|_| SealError::Damaged)?;
        let key = self.keys.get(id).ok_or_else(|| SealError::UnknownKey(id.to_owned()))?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(SealError::Damaged)?;
        let payload = Payload { msg: body, aad: &request.as_u128().to_be_bytes() };
        key.0.decrypt(&Nonce::from(*nonce), payload).map(Bytes::from).map_err(|_| SealError::Damaged)
    }
}

/// The id of the key for a day: `day.2026-11-20` for that many milliseconds since the Unix epoch (UTC).
pub fn day_key_id(at_ms: u64) -> String {
    let seconds = i64::try_from(at_ms / 1000).unwrap_or(i64::MAX);
    let day = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    format!("day.{}", day.strftime("%Y-%m-%d"))
}

fn nonce() -> Result<[u8; NONCE_BYTES], SealError> {
    crate::random::bytes().map_err(|_| SealError::NoRandomness)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    fn ring() -> (KeyRing, String) {
        let wrapper = Wrapper::new(&Secret::new([7; 32]));
        let id = day_key_id(NOW);
        let mut ring = KeyRing::default();
        ring.insert(id.clone(), wrapper.open(&id, &wrapper.make(&id).unwrap()).unwrap());
        (ring, id)
    }

    #[test]
    fn opens_what_it_sealed_and_nothing_else() {
        let (ring, id) = ring();
        let request = RequestId::new();
        let sealed = ring.seal(request, b"a prompt", &id).unwrap();
        assert!(!sealed.windows(6).any(|w| w == b"prompt"));
        assert_eq!(ring.open(request, &sealed).unwrap(), "a prompt");
        assert_eq!(ring.open(RequestId::new(), &sealed), Err(SealError::Damaged));
        for cut in 0..sealed.len() {
            assert!(ring.open(request, &sealed[..cut]).is_err());
        }
        let mut bent = sealed.to_vec();
        *bent.last_mut().unwrap() ^= 1;
        assert_eq!(ring.open(request, &bent), Err(SealError::Damaged));
    }

    #[test]
    fn a_forgotten_key_leaves_nothing_readable() {
        let (mut ring, id) = ring();
        let request = RequestId::new();
        let sealed = ring.seal(request, b"x", &id).unwrap();
        ring.remove(&id);
        assert_eq!(ring.open(request, &sealed), Err(SealError::UnknownKey(id.clone())));
        assert_eq!(ring.seal(request, b"x", &id), Err(SealError::NoKey));
    }

    #[test]
    fn a_wrapped_key_is_bound_to_its_id() {
        let wrapper = Wrapper::new(&Secret::new([7; 32]));
        let wrapped = wrapper.make("day.a").unwrap();
        assert!(wrapper.open("day.b", &wrapped).is_err());
        assert!(Wrapper::new(&Secret::new([8; 32])).open("day.a", &wrapped).is_err());
    }

    #[test]
    fn keys_are_named_by_the_utc_day() {
        assert_eq!(day_key_id(0), "day.1970-01-01");
        assert_eq!(day_key_id(NOW), "day.2026-11-18");
    }
}
