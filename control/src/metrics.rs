//! Names and descriptions of control's metrics; nothing else of control calls the metrics macros.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const VERSION: &str = "forebay_control_config_version";
const WAITING: &str = "forebay_control_outbox_waiting";
const ROWS: &str = "forebay_control_outbox_rows_total";
const FAILURES: &str = "forebay_control_projection_failures_total";
const KEYS_MADE: &str = "forebay_control_payload_keys_made_total";
const KEYS_FORGOTTEN: &str = "forebay_control_payload_keys_forgotten_total";

/// Describes every metric of control.
pub(crate) fn describe() {
    describe_gauge!(VERSION, "The newest configuration version in the database.");
    describe_gauge!(WAITING, "Outbox rows that wait to be projected, at most 64 are counted.");
    describe_counter!(ROWS, "Outbox rows done, by kind of work and whether NATS was written to.");
    describe_counter!(FAILURES, "Passes over the outbox that failed and were tried again.");
    describe_counter!(KEYS_MADE, "Payload keys made.");
    describe_counter!(KEYS_FORGOTTEN, "Payload keys forgotten after the audit window.");
}

pub(crate) fn config_version(version: u64) {
    // A gauge is a float; versions stay far below 2^53.
    gauge!(VERSION).set(f64::from(u32::try_from(version).unwrap_or(u32::MAX)));
}

pub(crate) fn outbox_waiting(rows: usize) {
    gauge!(WAITING).set(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
}

pub(crate) fn row_done(work: &'static str, written: bool) {
    counter!(ROWS, "work" => work, "written" => if written { "yes" } else { "no" }).increment(1);
}

pub(crate) fn projection_failed() {
    counter!(FAILURES).increment(1);
}

pub(crate) fn payload_keys(made: usize, forgotten: usize) {
    counter!(KEYS_MADE).increment(u64::try_from(made).unwrap_or_default());
    counter!(KEYS_FORGOTTEN).increment(u64::try_from(forgotten).unwrap_or_default());
}
