//! Responses kept between requests: what is stored of each, sealed, and under which key.
//!
//! A value of the bucket is `kind (1) | request id (16) | rest`. Kind 1: the rest is the sealed record. Kind 2: the
//! record was too large for a message, and the rest is its name in the object store. The request's id stands outside
//! the seal because it is what the seal is bound to; a record names its project and its response, so that none can be
//! passed off as another's.

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::dialect::openai_responses::items_of;
use crate::id::{RequestId, Token};
use crate::seal::{KeyRing, SealError};

const SEALED: u8 = 1;
const OBJECT: u8 = 2;
const REQUEST_BYTES: usize = 16;
const ID_BYTES_MAX: usize = 128;

/// Where a response is kept: `<project>.<response id>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    project: String,
    id: String,
}

impl Key {
    /// The key of a project's response.
    pub fn new(project: impl Into<String>, id: impl Into<String>) -> Self {
        Self { project: project.into(), id: id.into() }
    }

    /// The response's id.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Display for Key {
    /// An id that a provider made of characters which no key may have is hashed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        write!(f, "{}.", self.project)?;
        if !self.id.is_empty() && self.id.len() <= ID_BYTES_MAX && self.id.bytes().all(fits) {
            return f.write_str(&self.id);
        }
        f.write_str("hash=")?;
        Sha256::digest(&self.id).iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// How far a response has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A background response that no worker has taken up.
    Queued,
    /// One that is worked on.
    InProgress,
    /// Answered in full.
    Completed,
    /// Answered as far as a limit allowed.
    Incomplete,
    /// Failed.
    Failed,
    /// Cancelled by its caller.
    Cancelled,
}

impl Status {
    /// Whether nothing changes any more.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::InProgress)
    }

    /// Whether a later request can go on from it.
    pub fn is_answered(self) -> bool {
        matches!(self, Self::Completed | Self::Incomplete)
    }
}

/// What Forebay itself has to know of a response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The request that it answers.
    pub request: RequestId,
    /// Whose it is.
    pub project: String,
    /// The response's id, as its caller knows it.
    pub id: String,
    /// How far it has come.
    pub status: Status,
    /// The model asked for.
    pub model: String,
    /// Since when it exists, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Whether it is a background response.
    #[serde(default)]
    pub background: bool,
    /// Whether its events are kept.
    #[serde(default)]
    pub stream: bool,
    /// The delivery that has, or had, a background response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}

/// A response that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What Forebay itself has to know.
    pub about: About,
    /// `{"input":…}` of the request, items of earlier responses included.
    pub input: Bytes,
    /// The response object.
    pub response: Bytes,
    /// Of a finished background response: the event that puts it on the books. Else empty.
    pub end: Bytes,
}

/// A value that does not open.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Not a record, or another's.
    #[error("the stored response is damaged or another's")]
    Damaged,
    /// A seal that does not open, or cannot be made.
    #[error("the stored response does not open")]
    Seal(#[from] SealError),
}

/// A value of the bucket, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held<'a> {
    /// The sealed record.
    Sealed(RequestId, &'a [u8]),
    /// Its name in the object store.
    Object(RequestId, &'a str),
}

impl Stored {
    /// The items that a request which goes on from this response begins with.
    pub fn items(&self) -> Vec<Value> {
        let response = serde_json::from_slice(&self.response).unwrap_or_default();
        items_of(&self.input, &response)
    }

    /// The response object as a tree; `null` if it does not decode.
    pub fn object(&self) -> Value {
        serde_json::from_slice(&self.response).unwrap_or_default()
    }

    /// The record, sealed with the newest key whose id is not above `not_after`.
    pub fn seal(&self, ring: &KeyRing, not_after: &str) -> Result<Bytes, StoredError> {
        let about = serde_json::to_vec(&self.about).map_err(|_| StoredError::Damaged)?;
        let parts = [&about[..], &self.input, &self.response];
        let bytes: usize = parts.iter().map(|part| part.len() + 4).sum();
        let mut plain = BytesMut::with_capacity(bytes + self.end.len());
        for part in parts {
            plain.put_u32(u32::try_from(part.len()).map_err(|_| StoredError::Damaged)?);
            plain.extend_from_slice(part);
        }
        plain.extend_from_slice(&self.end);
        Ok(ring.seal(self.about.request, &plain, not_after)?)
    }

    /// Opens a record that was sealed for `request` and must stand under `key`.
    pub fn open(key: &Key, request: RequestId, sealed: &[u8], ring: &KeyRing) -> Result<Self, StoredError> {
        let mut plain = ring.open(request, sealed)?;
        let about: About = serde_json::from_slice(&part(&mut plain)?).map_err(|_| StoredError::Damaged)?;
        if (about.request, &about.project, &about.id) != (request, &key.project, &key.id) {
            return Err(StoredError::Damaged);
        }
        let (input, response) = (part(&mut plain)?, part(&mut plain)?);
        Ok(Self { about, input, response, end: plain })
    }
}

fn part(plain: &mut Bytes) -> Result<Bytes, StoredError> {
    let (length, _) = plain.split_first_chunk::<4>().ok_or(StoredError::Damaged)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| StoredError::Damaged)?;
    let mut part = plain.split_off(4);
    if part.len() < length {
        return Err(StoredError::Damaged);
    }
    *plain = part.split_off(length);
    Ok(part)
}

impl<'a> Held<'a> {
    /// Reads a value.
    pub fn read(value: &'a [u8]) -> Result<Self, StoredError> {
        let (kind, rest) = value.split_first().ok_or(StoredError::Damaged)?;
        let (request, rest) = rest.split_first_chunk::<REQUEST_BYTES>().ok_or(StoredError::Damaged)?;
        let request = RequestId::from_u128(u128::from_be_bytes(*request));
        match *kind {
            SEALED => Ok(Self::Sealed(request, rest)),
            OBJECT => {
                let name = std::str::from_utf8(rest).map_err(|_| StoredError::Damaged)?;
                Ok(Self::Object(request, name))
            }
            _ => Err(StoredError::Damaged),
        }
    }

    /// Writes it.
    pub fn value(&self) -> Bytes {
        let (kind, request, rest) = match self {
            Self::Sealed(request, sealed) => (SEALED, request, *sealed),
            Self::Object(request, name) => (OBJECT, request, name.as_bytes()),
        };
        let mut value = BytesMut::with_capacity(1 + REQUEST_BYTES + rest.len());
        value.put_u8(kind);
        value.put_u128(request.as_u128());
        value.extend_from_slice(rest);
        value.freeze()
    }
}

#[cfg(test)]
mod tests;
