//! Ids: one newtype each, ordered by time where they are made often.
//!
//! A *request* is what a caller sent; an *attempt* is one upstream call made for it. An attempt is named by
//! the request, the *token* of the delivery that made it (random, minted by the worker for each delivery) and
//! its number within that delivery. Delivery counts of the server order nothing: they can be lost with it.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::random;

/// The length of a request's id as text.
const REQUEST_BYTES: usize = 36;
/// The length of a request's id, a dot, a token and a dot as text.
const ATTEMPT_BYTES: usize = REQUEST_BYTES + 18;

/// Text that is not an id of the kind asked for.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("not a {kind} id")]
pub struct IdError {
    kind: &'static str,
}

/// Forebay's own id of one accepted request: `req_` and 32 hexadecimal digits of a UUID v7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(u128);

impl RequestId {
    const PREFIX: &str = "req_";

    /// A new id, later than all made before it by this process.
    pub fn new() -> Self {
        Self(next_v7())
    }

    /// The id of this number, as another process had it.
    pub(crate) fn from_u128(number: u128) -> Self {
        Self(number)
    }

    /// The id as a number, for maps.
    pub fn as_u128(self) -> u128 {
        self.0
    }

    fn put(self, text: &mut [u8; REQUEST_BYTES]) {
        let (prefix, digits) = text.split_at_mut(Self::PREFIX.len());
        prefix.copy_from_slice(Self::PREFIX.as_bytes());
        put_hex(digits, &self.0.to_be_bytes());
    }
}

/// A UUID v7 (RFC 9562, section 5.7): milliseconds, a counter that goes on where the clock stands still, and random
/// bits. Greater than all that this process made before.
fn next_v7() -> u128 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // A machine that has no randomness cannot serve TLS either; the library's own way is as good then.
    let Ok(random) = random::bytes().map(u64::from_be_bytes) else { return Uuid::now_v7().as_u128() };
    let now = crate::clock::now_ms() << 12;
    let next = |last: u64| now.max(last + 1);
    let (Ok(last) | Err(last)) =
        LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    let stamp = next(last);
    let high = (stamp >> 12) << 16 | 0x7000 | stamp & 0xfff;
    let low = 1 << 63 | random >> 2;
    u128::from(high) << 64 | u128::from(low)
}

impl Default for RequestId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; REQUEST_BYTES];
        self.put(&mut text);
        f.write_str(ascii(&text))
    }
}

impl FromStr for RequestId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let digits = text.strip_prefix(Self::PREFIX).ok_or(IdError { kind: "request" })?;
        hex(digits, 32)
            .and_then(|d| u128::from_str_radix(d, 16).ok())
            .map(Self)
            .ok_or(IdError { kind: "request" })
    }
}

/// A random 64-bit number, in text 16 hexadecimal digits.
macro_rules! random_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl $name {
            /// A new random id.
            pub fn random() -> Self {
                // A machine that has no randomness cannot serve TLS either; the counter keeps ids apart.
                Self(random::bytes().map_or_else(|_| Uuid::now_v7().as_u64_pair().1, u64::from_be_bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut digits = [0; 16];
                put_hex(&mut digits, &self.0.to_be_bytes());
                f.write_str(ascii(&digits))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                hex(text, 16)
                    .and_then(|d| u64::from_str_radix(d, 16).ok())
                    .map(Self)
                    .ok_or(IdError { kind: $kind })
            }
        }

        text_serde!($name);
    };
}

/// Serialises an id as its text.
macro_rules! text_serde {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(stringify!($name))
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

random_id!(
    /// One delivery of a request to one worker, minted by that worker.
    Token,
    "token"
);
random_id!(
    /// One ingress process; unguessable, because its reply subjects are named after it.
    IngressId,
    "ingress"
);
random_id!(
    /// One worker process.
    WorkerId,
    "worker"
);

/// One upstream call: `<request>.<token>.<k>`, `k` counted from 1 within the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AttemptId {
    /// The request it was made for.
    pub request: RequestId,
    /// The delivery that made it.
    pub token: Token,
    /// Its number within the delivery, from 1.
    pub k: u32,
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'.'; ATTEMPT_BYTES];
        let (request, rest) = text.split_first_chunk_mut().ok_or(fmt::Error)?;
        self.request.put(request);
        put_hex(&mut rest[1..17], &self.token.0.to_be_bytes());
        f.write_str(ascii(&text))?;
        fmt::Display::fmt(&self.k, f)
    }
}

impl FromStr for AttemptId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError { kind: "attempt" };
        let (request, rest) = text.split_once('.').ok_or_else(error)?;
        let (token, k) = rest.split_once('.').ok_or_else(error)?;
        Ok(Self { request: request.parse()?, token: token.parse()?, k: k.parse().map_err(|_| error())? })
    }
}

text_serde!(RequestId);
text_serde!(AttemptId);

/// Writes `bytes` as hexadecimal digits. Ids are printed several times for each request: this takes a fraction of
/// what the formatting machinery takes.
fn put_hex(digits: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
}

fn ascii(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

/// `text` if it is exactly `len` lower-case hexadecimal digits.
fn hex(text: &str, len: usize) -> Option<&str> {
    let valid = text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    valid.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_are_version_7_and_grow() {
        let (before, mut last) = (crate::clock::now_ms(), RequestId::new());
        for _ in 0..10_000 {
            let next = RequestId::new();
            assert!(next > last);
            last = next;
        }
        let uuid = Uuid::from_u128(last.as_u128());
        assert_eq!((uuid.get_version_num(), uuid.get_variant()), (7, uuid::Variant::RFC4122));
        let (seconds, _) = uuid.get_timestamp().unwrap().to_unix();
        assert!((before / 1000..=before / 1000 + 60).contains(&seconds));
    }

    #[test]
    fn ids_read_back_what_they_print() {
        assert_eq!(Token(0x0123_4567_89ab_cdef).to_string(), "0123456789abcdef");
        assert_eq!(RequestId(0xf).to_string(), format!("req_{:032x}", 0xf));
        let attempt = AttemptId { request: RequestId(0xf), token: Token(0xe), k: 12 };
        assert_eq!(attempt.to_string(), format!("req_{:032x}.{:016x}.12", 0xf, 0xe));
        let attempt = AttemptId { request: RequestId::new(), token: Token::random(), k: 3 };
        assert_eq!(attempt.to_string().parse(), Ok(attempt));
        assert_eq!(
            serde_json::from_str::<AttemptId>(&serde_json::to_string(&attempt).unwrap()).unwrap(),
            attempt
        );
    }

    #[test]
    fn near_misses_are_refused() {
        let good = RequestId::new().to_string();
        for bad in
            [good.to_uppercase(), good[1..].to_owned(), format!("{good}0"), good.replace("req_", "req_+")]
        {
            assert!(bad.parse::<RequestId>().is_err(), "{bad}");
        }
        assert!(format!("{good}.0.1").parse::<AttemptId>().is_err());
    }

    #[test]
    fn request_ids_are_ordered_by_time() {
        let ids: Vec<_> = (0..1000).map(|_| RequestId::new()).collect();
        assert!(ids.is_sorted());
    }
}
