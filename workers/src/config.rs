//! The role's settings: what an operator may turn, with units, defaults and the variable's name.

use std::time::Duration;

use proto::id::WorkerId;
use proto::subject::DEFAULT_POOL;

use crate::Error;

/// Settings of one worker process.
#[derive(Debug, Clone)]
pub struct Config {
    /// The process, in beats and logs. Random.
    pub worker: WorkerId,
    /// The pool it serves; default `main`.
    pub pool: String,
    /// Requests worked on at once; default 2048, variable `FOREBAY_WORKER_SLOTS`.
    pub slots: usize,
    /// How long running requests may take to finish after a shutdown; default 25 s.
    pub drain: Duration,
    /// From sending to the first content of an attempt; default 30 s, variable `PROVIDER_TIMEOUT_MS`.
    pub first_byte_timeout: Duration,
    /// The same where nobody waits: a background response may be thought over; default 10 min.
    pub background_first_byte_timeout: Duration,
    /// Extra tries on the same target, per request; default 1, variable `PROVIDER_MAX_RETRIES`.
    pub retries_max: u32,
    /// Base of the exponential backoff between tries; default 250 ms, variable `PROVIDER_RETRY_DELAY_MS`.
    pub retry_delay: Duration,
    /// Name resolution, TCP and TLS; default 5 s.
    pub connect_timeout: Duration,
    /// Calls to one provider that may run at once; default no limit.
    pub in_flight_max: Option<usize>,
    /// How often a running request says so to its stream and asks whether it is wanted; default 1.5 s.
    pub tick: Duration,
    /// How long bytes of a stream may wait for more of them; default 15 ms.
    pub linger: Duration,
    /// How many bytes of a stream may wait; default 2 KiB.
    pub linger_bytes_max: usize,
    /// The longest answer that is read, in bytes; default 64 MiB.
    pub answer_bytes_max: usize,
    /// The longest request body that is fetched from the object store, in bytes; default 64 MiB.
    pub body_bytes_max: usize,
    /// After how long without a sign of life a request is given to another worker; default 5 s, 10 s where the
    /// stream has replicas.
    pub ack_wait: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            worker: WorkerId::random(),
            pool: DEFAULT_POOL.to_owned(),
            slots: 2048,
            drain: Duration::from_secs(25),
            first_byte_timeout: Duration::from_secs(30),
            background_first_byte_timeout: Duration::from_secs(600),
            retries_max: 1,
            retry_delay: Duration::from_millis(250),
            connect_timeout: Duration::from_secs(5),
            in_flight_max: None,
            tick: Duration::from_millis(1500),
            linger: Duration::from_millis(15),
            linger_bytes_max: 2048,
            answer_bytes_max: 64 << 20,
            body_bytes_max: 64 << 20,
            ack_wait: None,
        }
    }
}

/// An idle stream is given at least this long: a model may think in silence between two chunks.
const IDLE_MIN: Duration = Duration::from_secs(120);
const ACK_WAIT_SINGLE: Duration = Duration::from_secs(5);
/// Longer than an election, else everything that runs would be delivered again after each.
const ACK_WAIT_REPLICATED: Duration = Duration::from_secs(10);

impl Config {
    /// The defaults, changed by the environment.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut config = Self::default();
        let number = |name: &'static str| match lookup(name).as_deref().map(str::trim) {
            None | Some("") => Ok(None),
            Some(text) => text
                .parse::<u64>()
                .map(Some)
                .map_err(|_| Error::Variable { name, expected: "a whole number, not negative" }),
        };
        if let Some(ms) = number("PROVIDER_TIMEOUT_MS")? {
            config.first_byte_timeout = Duration::from_millis(ms);
        }
        if let Some(retries) = number("PROVIDER_MAX_RETRIES")? {
            config.retries_max = u32::try_from(retries).unwrap_or(u32::MAX);
        }
        if let Some(ms) = number("PROVIDER_RETRY_DELAY_MS")? {
            config.retry_delay = Duration::from_millis(ms);
        }
        if let Some(slots) = number("FOREBAY_WORKER_SLOTS")? {
            config.slots = usize::try_from(slots).unwrap_or(usize::MAX);
        }
        if let Some(bytes) = number("FOREBAY_BODY_BYTES_MAX")? {
            config.body_bytes_max = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        config.check()?;
        Ok(config)
    }

    /// Relations between settings that the crash rules rest on.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.slots == 0 || self.slots > 65_536 {
            return Err(Error::Settings("FOREBAY_WORKER_SLOTS must be from 1 to 65536"));
        }
        if self.first_byte_timeout.is_zero() {
            return Err(Error::Settings("PROVIDER_TIMEOUT_MS must be above 0"));
        }
        if self.retries_max > 10 {
            return Err(Error::Settings("PROVIDER_MAX_RETRIES must be at most 10"));
        }
        if self.ack_wait.unwrap_or(ACK_WAIT_SINGLE) < self.tick * 3 {
            return Err(Error::Settings("the ack wait must be at least three progress ticks"));
        }
        Ok(())
    }

    /// How long a stream may be silent once it has begun.
    pub(crate) fn idle_timeout(&self) -> Duration {
        self.first_byte_timeout.max(IDLE_MIN)
    }

    /// The consumer's ack wait for a stream of that many replicas.
    pub(crate) fn ack_wait_for(&self, replicas: usize) -> Duration {
        let usual = if replicas > 1 { ACK_WAIT_REPLICATED } else { ACK_WAIT_SINGLE };
        self.ack_wait.unwrap_or(usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<Config, Error> {
        Config::from_lookup(|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn documented_variables_are_read() {
        let ms = |value| with("PROVIDER_TIMEOUT_MS", value).unwrap().first_byte_timeout.as_millis();
        assert_eq!(ms("1500"), 1500);
        assert_eq!(ms(""), 30_000);
        assert_eq!(with("PROVIDER_MAX_RETRIES", "0").unwrap().retries_max, 0);
        assert_eq!(with("PROVIDER_RETRY_DELAY_MS", " 5 ").unwrap().retry_delay.as_millis(), 5);
    }

    #[test]
    fn nonsense_is_refused_with_the_name() {
        let error = with("PROVIDER_TIMEOUT_MS", "soon").unwrap_err().to_string();
        assert_eq!(error, "PROVIDER_TIMEOUT_MS must be a whole number, not negative");
        assert!(with("PROVIDER_TIMEOUT_MS", "0").is_err());
        assert!(with("FOREBAY_WORKER_SLOTS", "0").is_err());
        assert!(with("PROVIDER_MAX_RETRIES", "1000").is_err());
    }
}
