//! One delivery as the stream hands it out: body, headers, and what its ack subject says about it.

use async_nats::{HeaderMap, Message, Subject};
use bytes::Bytes;
use proto::event::Origin;

/// A message of the request stream, not yet understood.
#[derive(Debug)]
pub(crate) struct Delivery {
    /// The envelope is in here.
    pub(crate) headers: Option<HeaderMap>,
    /// The sealed body, or nothing where it is in the object store.
    pub(crate) payload: Bytes,
    /// Where acknowledgements go.
    pub(crate) ack: Subject,
    /// Where the request is stored and since when.
    pub(crate) origin: Origin,
    /// How often the server has delivered it, this time included. It can be lost with the server.
    pub(crate) delivered: u64,
}

impl Delivery {
    /// Takes a message apart; `None` if it does not come from a consumer.
    pub(crate) fn of(message: Message) -> Option<Self> {
        let ack = message.reply?;
        let (origin, delivered) = read_ack(ack.as_str())?;
        Some(Self { headers: message.headers, payload: message.payload, ack, origin, delivered })
    }
}

/// Reads `$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time, ns>.<pending>`, or the form
/// with a domain and an account hash behind `ACK` and a random token at the end
/// (github.com/nats-io/nats-architecture-and-design, ADR-15, read 2026-11).
fn read_ack(subject: &str) -> Option<(Origin, u64)> {
    let parts: Vec<&str> = subject.strip_prefix("$JS.ACK.")?.split('.').collect();
    let parts = match parts.len() {
        7 => &parts[..],
        9.. => &parts[2..],
        _ => return None,
    };
    let number = |at: usize| parts.get(at)?.parse::<u64>().ok();
    let origin = Origin { stream: parts[0].to_owned(), seq: number(3)?, accepted_ms: number(5)? / 1_000_000 };
    Some((origin, number(2)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_ack_subjects_are_read() {
        let short = "$JS.ACK.REQUESTS.workers.2.41.7.1795000000123456789.3";
        let (origin, delivered) = read_ack(short).unwrap();
        assert_eq!((origin.stream.as_str(), origin.seq, delivered), ("REQUESTS", 41, 2));
        assert_eq!(origin.accepted_ms, 1_795_000_000_123);
        let long = "$JS.ACK.hub.hash.REQUESTS.workers.2.41.7.1795000000123456789.3.token";
        assert_eq!(read_ack(long).unwrap(), (origin, delivered));
    }

    #[test]
    fn other_subjects_are_none() {
        for bad in ["", "$JS.ACK.", "$JS.ACK.a.b.c", "_INBOX.x", "$JS.ACK.S.c.x.1.1.1.1"] {
            assert!(read_ack(bad).is_none(), "{bad}");
        }
    }
}
