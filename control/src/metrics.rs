//! Names and descriptions of control's metrics; nothing else of control calls the metrics macros.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

const VERSION: &str = "forebay_control_config_version";
const WAITING: &str = "forebay_control_outbox_waiting";
const ROWS: &str = "forebay_control_outbox_rows_total";
const FAILURES: &str = "forebay_control_projection_failures_total";
const HTTP_REQUESTS: &str = "forebay_control_http_requests_total";
const HTTP_SECONDS: &str = "forebay_control_http_request_seconds";
const PUBLISHED: &str = "forebay_control_publications_total";
const PUBLISH_SECONDS: &str = "forebay_control_publication_seconds";
const KEYS_MADE: &str = "forebay_control_payload_keys_made_total";
const KEYS_FORGOTTEN: &str = "forebay_control_payload_keys_forgotten_total";

/// Describes every metric of control.
pub(crate) fn describe() {
    describe_gauge!(VERSION, "The configuration version in force.");
    describe_gauge!(WAITING, "Outbox rows that wait to be projected, at most 64 are counted.");
    describe_counter!(ROWS, "Outbox rows done, by kind of work and whether NATS was written to.");
    describe_counter!(FAILURES, "Passes over the outbox that failed and were tried again.");
    describe_counter!(HTTP_REQUESTS, "Requests to the control plane, by route, method and status.");
    describe_histogram!(HTTP_SECONDS, "From a request's head to the head of its answer, by route.");
    describe_counter!(
        PUBLISHED,
        "Versions that processes were asked about, by whether they came into force."
    );
    describe_histogram!(PUBLISH_SECONDS, "From showing a version to every process until it was decided.");
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

pub(crate) fn http_request(route: &str, method: &str, status: u16, took: Duration) {
    let route = route.to_owned();
    // Methods that no route takes are whatever a stranger writes.
    let method = match method {
        "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS" => method.to_owned(),
        _ => "other".to_owned(),
    };
    histogram!(HTTP_SECONDS, "route" => route.clone()).record(took.as_secs_f64());
    counter!(HTTP_REQUESTS, "route" => route, "method" => method, "status" => status.to_string())
        .increment(1);
}

pub(crate) fn payload_keys(made: usize, forgotten: usize) {
    counter!(KEYS_MADE).increment(u64::try_from(made).unwrap_or_default());
    counter!(KEYS_FORGOTTEN).increment(u64::try_from(forgotten).unwrap_or_default());
}

pub(crate) fn published(active: bool, took: Duration) {
    counter!(PUBLISHED, "active" => if active { "yes" } else { "no" }).increment(1);
    histogram!(PUBLISH_SECONDS).record(took.as_secs_f64());
}
