//! What a chunk of a stream costs: allocations, which are the same everywhere and are held to a limit by every run of
//! the tests, and time, which is measured by hand:
//! `cargo test -p proto --release --test speed -- --ignored --nocapture`.

#[cfg(test)]
mod streams;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Instant;

    use bytes::BytesMut;
    use proto::dialect::Dialect;

    use super::streams::{CALLERS, PROVIDERS, exchange, stream};

    /// The most heap allocations for a chunk that is passed through. None of them is a tree: most chunks need none, and
    /// the rest is buffers that grow.
    const PASSED_ALLOCATIONS_MAX: f64 = 2.0;
    /// The most CPU time for a chunk that is translated.
    const TRANSLATED_NS_MAX: f64 = 20_000.0;
    /// Chunks of a stream, and how often it is measured.
    const CHUNKS: usize = 2000;
    const ROUNDS: usize = 20;

    /// Allocations and bytes out for each chunk, and nanoseconds for each: the least of all rounds.
    fn measured(caller: Dialect, provider: Dialect, rounds: usize) -> (f64, f64, f64) {
        let events = stream(provider, CHUNKS);
        let exchange = exchange(caller, provider);
        let mut least = f64::MAX;
        let (mut allocations, mut bytes) = (0, 0);
        for _ in 0..rounds {
            let mut relay = exchange.relay();
            let mut out = BytesMut::with_capacity(1 << 16);
            bytes = 0;
            let started = Instant::now();
            let counted = allocation_counter::measure(|| {
                for event in &events {
                    relay.push(event, &mut out).unwrap();
                    bytes += out.len();
                    out.clear();
                }
                relay.finish(&mut out).unwrap();
            });
            least = least.min(started.elapsed().as_nanos() as f64 / CHUNKS as f64);
            allocations = counted.count_total;
        }
        (allocations as f64 / CHUNKS as f64, bytes as f64 / CHUNKS as f64, least)
    }

    #[test]
    fn what_is_passed_through_is_no_tree() {
        for dialect in CALLERS {
            let (allocations, ..) = measured(dialect, dialect, 1);
            assert!(allocations <= PASSED_ALLOCATIONS_MAX, "{}: {allocations}", dialect.as_str());
        }
    }

    #[test]
    #[ignore = "measures time: run by hand, in release"]
    fn speed() {
        let mut err = std::io::stderr();
        writeln!(
            err,
            "{:<20} {:<20} {:>9} {:>12} {:>10}",
            "provider", "caller", "ns/chunk", "allocations", "bytes"
        )
        .unwrap();
        let mut slow = Vec::new();
        for provider in PROVIDERS {
            for caller in CALLERS {
                let (allocations, bytes, ns) = measured(caller, provider, ROUNDS);
                let (from, to) = (provider.as_str(), caller.as_str());
                writeln!(err, "{from:<20} {to:<20} {ns:>9.0} {allocations:>12.2} {bytes:>10.0}").unwrap();
                if ns > TRANSLATED_NS_MAX {
                    slow.push((from, to, ns));
                }
            }
        }
        assert!(slow.is_empty(), "{slow:?}");
    }
}
