//! What is played, where to, and for how long.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::load::Scenario;

/// One kind of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phase {
    /// How requests follow each other.
    pub scenario: Scenario,
    /// Connections, requests per second, or streams.
    pub amount: u32,
}

/// Which way a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Path {
    /// Straight to the mock provider.
    Direct,
    /// Through the plain proxy.
    Proxy,
    /// Through Forebay.
    Forebay,
}

/// All paths, in the order they are measured in.
pub(crate) const PATHS: [Path; 3] = [Path::Direct, Path::Proxy, Path::Forebay];

/// A whole run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) phases: Vec<Phase>,
    pub(crate) runs: u32,
    pub(crate) seconds: f64,
    pub(crate) open_streams: u32,
    pub(crate) short: bool,
}

/// The concurrency that CPU per request and throughput are judged at.
pub(crate) const JUDGED_CLOSED: u32 = 64;

impl Plan {
    /// Everything, for the record.
    pub(crate) fn full(runs: u32, seconds: f64) -> Self {
        let closed = [16, JUDGED_CLOSED, 256].map(|amount| Phase { scenario: Scenario::Closed, amount });
        let open = [200, 500, 1000].map(|amount| Phase { scenario: Scenario::Open, amount });
        let streams = [Phase { scenario: Scenario::Streams, amount: 50 }];
        let phases = closed.into_iter().chain(open).chain(streams).collect();
        Self { phases, runs, seconds, open_streams: 1000, short: false }
    }

    /// Enough to notice when something has gone badly wrong, in well under a minute.
    pub(crate) fn short(runs: u32, seconds: f64) -> Self {
        let phases = vec![
            Phase { scenario: Scenario::Closed, amount: JUDGED_CLOSED },
            Phase { scenario: Scenario::Open, amount: 500 },
            Phase { scenario: Scenario::Streams, amount: 20 },
        ];
        Self { phases, runs, seconds, open_streams: 100, short: true }
    }
}

impl Scenario {
    /// Its name on the command line.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::Streams => "streams",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scenario {
            Scenario::Closed => write!(f, "closed c={}", self.amount),
            Scenario::Open => write!(f, "open {}/s", self.amount),
            Scenario::Streams => write!(f, "streams {}", self.amount),
        }
    }
}

impl Path {
    /// Its name in tables.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Proxy => "proxy",
            Self::Forebay => "forebay",
        }
    }
}
