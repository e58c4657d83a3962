//! Every metric of the ledger: names, units, labels. No other file uses the macros.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::book::changes::Changes;

/// Registers names, units and descriptions.
pub(crate) fn describe() {
    use Unit::{Count, Seconds};
    describe_gauge!("forebay_ledger_lag_events", Count, "events stored but not on the books");
    describe_gauge!(
        "forebay_ledger_lag_seconds",
        Seconds,
        "age of the last event put on the books, while more wait"
    );
    describe_gauge!("forebay_ledger_cursor", Count, "sequence of the last event on the books");
    describe_gauge!("forebay_ledger_active", Count, "1 while this process moves the cursor");
    describe_gauge!(
        "forebay_ledger_open_attempts",
        Count,
        "upstream calls announced and not over (each is a hold)"
    );
    describe_histogram!("forebay_ledger_batch_events", Count, "events put on the books in one transaction");
    describe_histogram!(
        "forebay_ledger_commit_seconds",
        Seconds,
        "from the start of a transaction to its commit"
    );
    describe_counter!("forebay_ledger_events_total", Count, "events put on the books, by type");
    describe_counter!(
        "forebay_ledger_repeated_total",
        Count,
        "events that were on the books already, unchanged"
    );
    describe_counter!("forebay_ledger_unknown_total", Count, "upstream calls given up as unknown");
    describe_counter!("forebay_ledger_unpriced_total", Count, "outcomes without a price");
    describe_counter!("forebay_ledger_unannounced_total", Count, "outcomes without an announcement");
    describe_counter!(
        "forebay_ledger_second_payer_total",
        Count,
        "outcomes the customer would have paid for twice"
    );
    describe_counter!("forebay_ledger_incidents_total", Count, "what should not happen and did, by kind");
    describe_counter!("forebay_ledger_swept_total", Count, "requests ended by the sweep");
    describe_counter!("forebay_ledger_retries_total", Count, "batches that were read again, by reason");
    describe_counter!("forebay_ledger_lookups_total", Count, "questions answered about requests");
}

/// A batch is on the books.
pub(crate) fn committed(changes: &Changes, events: usize, took: Duration) {
    histogram!("forebay_ledger_batch_events").record(u32::try_from(events).unwrap_or(u32::MAX));
    histogram!("forebay_ledger_commit_seconds").record(took);
    let c = &changes.counts;
    for (kind, n) in [
        ("attempt", c.attempts),
        ("usage", c.usages),
        ("takeover", c.takeovers),
        ("closed", c.closings),
        ("config", c.configs),
    ] {
        if n > 0 {
            counter!("forebay_ledger_events_total", "type" => kind).increment(n);
        }
    }
    for (name, n) in [
        ("forebay_ledger_repeated_total", c.repeated),
        ("forebay_ledger_unknown_total", c.unknown),
        ("forebay_ledger_unpriced_total", c.unpriced),
        ("forebay_ledger_unannounced_total", c.unannounced),
        ("forebay_ledger_second_payer_total", c.second_payers),
    ] {
        if n > 0 {
            counter!(name).increment(n);
        }
    }
    for incident in &changes.incidents {
        counter!("forebay_ledger_incidents_total", "kind" => incident.kind.as_str()).increment(1);
    }
}

/// Where the books stand.
pub(crate) fn position(cursor: u64, lag: u64, behind: Duration) {
    gauge!("forebay_ledger_cursor").set(approximate(cursor));
    gauge!("forebay_ledger_lag_events").set(approximate(lag));
    gauge!("forebay_ledger_lag_seconds").set(behind.as_secs_f64());
}

/// How many upstream calls are not over.
pub(crate) fn open_attempts(n: usize) {
    gauge!("forebay_ledger_open_attempts").set(approximate(n as u64));
}

/// Whether this process moves the cursor.
pub(crate) fn active(active: bool) {
    gauge!("forebay_ledger_active").set(if active { 1.0 } else { 0.0 });
}

/// A batch is read again.
pub(crate) fn retried(reason: &'static str) {
    counter!("forebay_ledger_retries_total", "reason" => reason).increment(1);
}

/// A request was ended by the sweep.
pub(crate) fn swept() {
    counter!("forebay_ledger_swept_total").increment(1);
}

/// A question was answered.
pub(crate) fn looked_up(found: bool) {
    counter!("forebay_ledger_lookups_total", "found" => if found { "true" } else { "false" }).increment(1);
}

/// Gauges are floating point; a count above 2^53 loses its last digits.
fn approximate(n: u64) -> f64 {
    let high = f64::from(u32::try_from(n >> 32).unwrap_or(u32::MAX));
    let low = f64::from(u32::try_from(n & u64::from(u32::MAX)).unwrap_or(u32::MAX));
    high * 4_294_967_296.0 + low
}
