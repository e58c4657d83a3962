//! Smoothing of bursts, per source address and for the process. Not a quota: it only keeps one caller's flood from
//! being everybody's wait.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use proto::fault::{Fault, FaultCode};

use crate::config::Config;

/// The smoothing limits; absent ones do not limit.
#[derive(Debug)]
pub(crate) struct Limits {
    process: Option<DefaultDirectRateLimiter>,
    sources: Option<DefaultKeyedRateLimiter<IpAddr>>,
    clock: DefaultClock,
}

impl Limits {
    /// As configured; 0 = no limit.
    pub(crate) fn new(config: &Config) -> Self {
        let quota = |rps| NonZeroU32::new(rps).map(Quota::per_second);
        Self {
            process: quota(config.process_rps).map(RateLimiter::direct),
            sources: quota(config.source_rps).map(RateLimiter::keyed),
            clock: DefaultClock::default(),
        }
    }

    /// Whether a request of `source` may come in now.
    pub(crate) fn admit(&self, source: IpAddr) -> Result<(), Fault> {
        let process = self.process.as_ref().and_then(|limiter| limiter.check().err());
        let refused = process.or_else(|| self.sources.as_ref()?.check_key(&bucket(source)).err());
        match refused {
            None => Ok(()),
            Some(until) => {
                let wait = until.wait_time_from(self.clock.now());
                let ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
                Err(Fault::new(FaultCode::Overloaded, "Too many requests at once.").retry_after(ms))
            }
        }
    }

    /// Forgets sources that have not been heard of for a while. Call it every few seconds.
    pub(crate) fn forget_idle(&self) {
        if let Some(sources) = &self.sources {
            sources.retain_recent();
        }
    }
}

/// One caller's address; of IPv6 the network, because a caller owns a whole one.
fn bucket(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_source_is_smoothed_and_another_is_not() {
        let limits = Limits::new(&Config { source_rps: 2, process_rps: 0, ..Config::default() });
        let (one, other) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert!(limits.admit(one).is_ok() && limits.admit(one).is_ok());
        let fault = limits.admit(one).unwrap_err();
        assert_eq!(fault.status(), 503);
        assert!(fault.retry_after_ms.is_some_and(|ms| (1..=1000).contains(&ms)));
        assert!(limits.admit(other).is_ok());
    }

    #[test]
    fn an_ipv6_network_is_one_source() {
        let parse = |text: &str| bucket(text.parse().unwrap());
        assert_eq!(parse("2001:db8::1"), parse("2001:db8::ffff"));
        assert_ne!(parse("2001:db8::1"), parse("2001:db8:0:1::1"));
        assert_eq!(parse("::ffff:10.0.0.1"), parse("10.0.0.1"));
    }

    #[test]
    fn zero_means_no_limit() {
        let limits = Limits::new(&Config { source_rps: 0, process_rps: 0, ..Config::default() });
        assert!((0..10_000).all(|_| limits.admit(IpAddr::from([10, 0, 0, 1])).is_ok()));
    }
}
