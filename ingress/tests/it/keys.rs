//! Many keys: an ingress starts and stays as small as with few, and reads a key once when it is first used.
//!
//! The full form, with 100,000 keys:
//! `cargo test -p ingress --release --test it -- --ignored --nocapture a_hundred_thousand_keys`.

use std::io::Write;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream;
use proto::config::KeyRecord;
use proto::subject::KEYS_BUCKET;

use crate::harness::{Nats, Stack, config};

fn secret(n: usize) -> String {
    format!("one-of-many-keys-{n:08}")
}

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// What it took to start with so many keys in the bucket, and the stack.
async fn started_with(keys: usize) -> (Duration, u64, Stack) {
    let nats = Nats::start();
    let filler = Stack::on(nats, config(), ingress::Config::default()).await;
    stream::iter(0..keys)
        .for_each_concurrent(64, |n| {
            let record = KeyRecord {
                id: format!("key_{n}"),
                project: "acme".into(),
                name: format!("k{n}"),
                ..KeyRecord::default()
            };
            let filler = &filler;
            async move { filler.put_key(&secret(n), &record).await }
        })
        .await;
    let nats = filler.without_ingress().await;
    let (before, began) = (resident(), Instant::now());
    let stack = Stack::on(nats, config(), ingress::Config::default()).await;
    (began.elapsed(), resident().saturating_sub(before), stack)
}

async fn grows_with_neither(many: usize) {
    let (few_took, few_memory, few) = Box::pin(started_with(20)).await;
    drop(few);
    let (took, memory, stack) = Box::pin(started_with(many)).await;
    let mut err = std::io::stderr();
    writeln!(err, "20 keys: {few_took:?}, {few_memory} bytes; {many} keys: {took:?}, {memory} bytes")
        .unwrap();
    assert!(took < few_took + Duration::from_secs(2), "{took:?} after {few_took:?}");
    assert!(memory < few_memory + (8 << 20), "{memory} after {few_memory}");
    // The server answers each read of a bucket on this subject.
    let reads = format!("$JS.API.DIRECT.GET.KV_{KEYS_BUCKET}.>");
    let mut reads = stack.link.client.subscribe(reads).await.unwrap();
    stack.link.client.flush().await.unwrap();
    for n in [0, many / 2, many - 1] {
        for _ in 0..3 {
            assert_eq!(stack.get("/v1/models", Some(&secret(n))).await.0, 200);
        }
    }
    stack.link.client.flush().await.unwrap();
    let mut seen = 0;
    while let Ok(Some(_)) = tokio::time::timeout(Duration::from_millis(200), reads.next()).await {
        seen += 1;
    }
    assert_eq!(seen, 3, "each key is read once");
}

#[tokio::test]
async fn many_keys_cost_an_ingress_nothing() {
    Box::pin(grows_with_neither(2_000)).await;
}

#[tokio::test]
#[ignore = "takes minutes: the full form, run by hand"]
async fn a_hundred_thousand_keys_cost_an_ingress_nothing() {
    Box::pin(grows_with_neither(100_000)).await;
}
