//! A body as it arrives, piece by piece. It is put together once, at its end: a buffer that doubles would hold up to
//! three times what has come so far, for bodies that are refused in the end as well.

use bytes::{Bytes, BytesMut};

/// Small pieces are gathered into segments of this size, so that many of them cost no more than few.
const SEGMENT: usize = 1 << 20;

/// What has arrived so far.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    /// The only piece, as long as there is one: most bodies come whole.
    first: Bytes,
    segments: Vec<BytesMut>,
}

impl Pieces {
    /// Takes the next piece in. `expected`: how long the whole is said to be.
    pub(crate) fn push(&mut self, data: Bytes, expected: usize) {
        if self.first.is_empty() && self.segments.is_empty() {
            self.first = data;
            return;
        }
        if self.segments.is_empty() {
            let first = std::mem::take(&mut self.first);
            self.append(&first, expected);
        }
        self.append(&data, expected);
    }

    fn append(&mut self, mut data: &[u8], expected: usize) {
        while !data.is_empty() {
            let room = self.segments.last().map_or(0, |last| last.capacity() - last.len());
            if room == 0 {
                // What is said of the length is believed as far as one segment.
                let begun = self.segments.is_empty() && expected > 0;
                let size = if begun { expected.clamp(data.len().min(SEGMENT), SEGMENT) } else { SEGMENT };
                self.segments.push(BytesMut::with_capacity(size));
                continue;
            }
            let (now, later) = data.split_at(room.min(data.len()));
            if let Some(last) = self.segments.last_mut() {
                last.extend_from_slice(now);
            }
            data = later;
        }
    }

    /// The whole body. Each segment is let go as soon as it has been copied.
    pub(crate) fn whole(mut self) -> Bytes {
        match self.segments.len() {
            0 => self.first,
            1 => self.segments.pop().unwrap_or_default().freeze(),
            _ => {
                let mut whole = BytesMut::with_capacity(self.segments.iter().map(BytesMut::len).sum());
                for segment in self.segments {
                    whole.extend_from_slice(&segment);
                }
                whole.freeze()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_together(sizes: &[usize], expected: usize) -> (Bytes, Vec<u8>) {
        let (mut pieces, mut all) = (Pieces::default(), Vec::new());
        for (n, size) in sizes.iter().enumerate() {
            let data = vec![u8::try_from(n % 251).unwrap(); *size];
            all.extend_from_slice(&data);
            pieces.push(data.into(), expected);
        }
        (pieces.whole(), all)
    }

    #[test]
    fn nothing_is_lost_between_segments() {
        let many = [7_usize; 1000];
        let cases: [(&[usize], usize); 7] = [
            (&[], 0),
            (&[5], 5),
            (&[5, 6], 11),
            (&[5, 6], 1 << 40),
            (&many, 7),
            (&[SEGMENT, 1, SEGMENT - 1], 0),
            (&[3 * SEGMENT + 1, 2 * SEGMENT, 9], 10),
        ];
        for (sizes, expected) in cases {
            let (whole, all) = put_together(sizes, expected);
            assert!(whole == all, "{} pieces", sizes.len());
        }
    }
}
