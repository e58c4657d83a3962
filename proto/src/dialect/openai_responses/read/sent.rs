//! How much of a text was passed on, so that the `.done` event that repeats it whole can be checked against it
//! without keeping it: its length and a hash of it.

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// A text passed on piece by piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    bytes: usize,
    hash: u64,
}

impl Default for Sent {
    fn default() -> Self {
        Self { bytes: 0, hash: FNV_OFFSET }
    }
}

impl Sent {
    pub(super) fn note(&mut self, piece: &str) {
        self.bytes += piece.len();
        self.hash = hash(self.hash, piece.as_bytes());
    }

    /// What of `whole` was not passed on yet. Nothing if it does not begin with what was: what the caller has
    /// read cannot be taken back.
    pub(super) fn remainder<'a>(&mut self, whole: &'a str) -> Option<&'a str> {
        let (before, rest) = (whole.get(..self.bytes)?, whole.get(self.bytes..)?);
        if rest.is_empty() || hash(FNV_OFFSET, before.as_bytes()) != self.hash {
            return None;
        }
        self.note(rest);
        Some(rest)
    }
}

fn hash(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_is_left() {
        let mut sent = Sent::default();
        sent.note("Hé");
        assert_eq!(sent.remainder("Héllo"), Some("llo"));
        assert_eq!(sent.remainder("Héllo"), None);
        assert_eq!(sent.remainder("Hello, world"), None);
        assert_eq!(sent.remainder("H"), None);
        assert_eq!(Sent::default().remainder("all"), Some("all"));
    }
}
