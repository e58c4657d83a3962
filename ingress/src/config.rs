//! What an operator may set on an ingress. Every limit has a default that suits one machine.

use std::time::Duration;

use proto::nats::Durability;

use crate::error::ConfigError;

/// An ingress's settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// The pool of workers that requests go to. Default `main`.
    pub pool: String,
    /// How long in-flight requests may go on after a shutdown was asked for. Default 25 s.
    pub drain: Duration,
    /// How long a caller that names no time waits. `FOREBAY_REQUEST_TIMEOUT_MS`, default 600,000.
    pub budget_default: Duration,
    /// The longest time a caller may name. Default one hour.
    pub budget_max: Duration,
    /// How long a background response may take, whatever its caller's library says. `FOREBAY_BACKGROUND_TIMEOUT_MS`,
    /// default 3,600,000, and never more than one hour.
    pub background_budget: Duration,
    /// The largest body, in bytes. `FOREBAY_BODY_BYTES_MAX`, default 64 MiB.
    pub body_bytes_max: usize,
    /// All bodies that are being read or sent on at one time, in bytes. `FOREBAY_BODIES_BYTES_MAX`, default 1 GiB.
    pub bodies_bytes_max: usize,
    /// The longest pause within a body. Default 10 s.
    pub body_idle: Duration,
    /// The longest time for a whole body. Default 60 s.
    pub body_total: Duration,
    /// The longest time for a request's headers, from their first byte. Default 10 s.
    pub header_read: Duration,
    /// How long an HTTP/1 connection may wait for its next request. Default 75 s: longer than the 60 s for which
    /// most proxies and load balancers keep a connection, so that it is they who close it.
    pub idle: Duration,
    /// The longest time without progress while an answer is being written. Default 60 s.
    pub write_stall: Duration,
    /// The longest path and query, in bytes. Default 8 KiB.
    pub url_bytes_max: usize,
    /// Connections at one time; further ones wait. `FOREBAY_CONNECTIONS_MAX`, default 10,000.
    pub connections_max: usize,
    /// Requests that may wait for their answer at one time. `FOREBAY_IN_FLIGHT_MAX`, default 20,000.
    pub in_flight_max: usize,
    /// Requests stored and not finished, over all ingresses, above which none is accepted.
    /// `FOREBAY_BACKLOG_MAX`, default 10,000.
    pub backlog_max: u64,
    /// Requests a second from one source address (IPv6: one /64), 0 = no limit. `FOREBAY_SOURCE_RPS`, default 0:
    /// behind a proxy all callers share one address.
    pub source_rps: u32,
    /// Requests a second in all, 0 = no limit. `FOREBAY_PROCESS_RPS`, default 50,000.
    pub process_rps: u32,
    /// How durable accepted requests are; told by `/ready`. `FOREBAY_DURABILITY`, default `fast`.
    pub durability: Durability,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            pool: proto::subject::DEFAULT_POOL.to_owned(),
            drain: Duration::from_secs(25),
            budget_default: Duration::from_secs(600),
            budget_max: Duration::from_secs(3600),
            background_budget: Duration::from_secs(3600),
            body_bytes_max: 64 << 20,
            bodies_bytes_max: 1 << 30,
            body_idle: Duration::from_secs(10),
            body_total: Duration::from_secs(60),
            header_read: Duration::from_secs(10),
            idle: Duration::from_secs(75),
            write_stall: Duration::from_secs(60),
            url_bytes_max: 8 << 10,
            connections_max: 10_000,
            in_flight_max: 20_000,
            backlog_max: 10_000,
            source_rps: 0,
            process_rps: 50_000,
            durability: Durability::default(),
        }
    }
}

impl Config {
    /// The defaults, changed by the environment variables named above. Errs on a value that does not parse.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from(|name| std::env::var(name).ok())
    }

    fn from(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        let mut timeout_ms = u64::try_from(config.budget_default.as_millis()).unwrap_or(u64::MAX);
        set(&lookup, "FOREBAY_REQUEST_TIMEOUT_MS", &mut timeout_ms, "a number of milliseconds")?;
        config.budget_default = Duration::from_millis(timeout_ms).min(config.budget_max);
        let mut background_ms = u64::try_from(config.background_budget.as_millis()).unwrap_or(u64::MAX);
        set(&lookup, "FOREBAY_BACKGROUND_TIMEOUT_MS", &mut background_ms, "a number of milliseconds")?;
        config.background_budget = Duration::from_millis(background_ms).min(config.budget_max);
        set(&lookup, "FOREBAY_BODY_BYTES_MAX", &mut config.body_bytes_max, "a number of bytes")?;
        set(&lookup, "FOREBAY_BODIES_BYTES_MAX", &mut config.bodies_bytes_max, "a number of bytes")?;
        set(&lookup, "FOREBAY_CONNECTIONS_MAX", &mut config.connections_max, "a number")?;
        set(&lookup, "FOREBAY_IN_FLIGHT_MAX", &mut config.in_flight_max, "a number")?;
        set(&lookup, "FOREBAY_BACKLOG_MAX", &mut config.backlog_max, "a number")?;
        set(&lookup, "FOREBAY_SOURCE_RPS", &mut config.source_rps, "a number, 0 for no limit")?;
        set(&lookup, "FOREBAY_PROCESS_RPS", &mut config.process_rps, "a number, 0 for no limit")?;
        set(&lookup, "FOREBAY_DURABILITY", &mut config.durability, "fast, fsync or replicated")?;
        Ok(config)
    }
}

/// Changes `field` if the variable is set and not empty.
fn set<T: std::str::FromStr>(
    lookup: impl Fn(&str) -> Option<String>,
    name: &'static str,
    field: &mut T,
    expected: &'static str,
) -> Result<(), ConfigError> {
    if let Some(text) = lookup(name).filter(|text| !text.is_empty()) {
        *field = text.trim().parse().map_err(|_| ConfigError { name, expected })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_change_the_defaults_and_nonsense_is_named() {
        let config = Config::from(|name| match name {
            "FOREBAY_BACKLOG_MAX" => Some("7".to_owned()),
            "FOREBAY_REQUEST_TIMEOUT_MS" => Some("1500".to_owned()),
            "FOREBAY_SOURCE_RPS" => Some(String::new()),
            _ => None,
        });
        let config = config.unwrap();
        assert_eq!((config.backlog_max, config.budget_default), (7, Duration::from_millis(1500)));
        assert_eq!(config.body_bytes_max, 64 << 20);
        let error = Config::from(|n| (n == "FOREBAY_IN_FLIGHT_MAX").then(|| "many".to_owned())).unwrap_err();
        assert_eq!(error.to_string(), "FOREBAY_IN_FLIGHT_MAX: expected a number");
    }
}
