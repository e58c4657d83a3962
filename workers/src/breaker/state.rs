//! One breaker: closed, open, half open, and what moves it. Pure: time is handed in, as milliseconds of a clock that
//! only goes forward.
//!
//! | state | a call | that succeeds | that fails |
//! |---|---|---|---|
//! | closed | is let through | forgets the failures | counts; enough in a row, over some time, open it |
//! | open, before its time | is refused | (begun before) closes it, unless a limit or the account is the reason | a longer wish of the provider is followed |
//! | open, past its time | becomes the probe | | |
//! | half open | is refused until the probe counts as lost | (the probe) closes it | (the probe) opens it for longer |

use std::time::Duration;

use proto::fault::FaultCode;
use proto::health::{BreakerState, FailureClass};

use super::policy::BreakerPolicy;

/// Failures that lie further apart than this do not belong together, in milliseconds.
const TOGETHER_MS: u64 = 5 * 60 * 1000;
/// What a provider wishes must be longer by this than what is known to be told to everybody, in milliseconds.
const LONGER_MS: u64 = 1000;
/// How long those wait who come while somebody finds out, in milliseconds.
const PROBING_MS: u64 = 1000;

/// Whether a call may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may.
    Granted,
    /// It may if it is the one that finds out: that is settled with the other workers just before it.
    Probe,
    /// It may not, and after this long may be asked again.
    Refused(Duration),
}

/// A failed call, as far as health goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ill {
    /// What kind of failure.
    pub(crate) class: FailureClass,
    /// How long the provider wants to be left alone.
    pub(crate) hint: Option<Duration>,
    /// The fault.
    pub(crate) code: Option<FaultCode>,
    /// The provider's status.
    pub(crate) status: Option<u16>,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The provider answered.
    Well,
    /// It did not.
    Ill(Ill),
    /// Nothing was found out: nobody wanted the answer any more.
    Nothing,
}

/// A call that was let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun {
    /// When.
    pub(super) at: u64,
    /// Whether it was the probe, and of which version.
    pub(super) probe: Option<u64>,
}

/// What a breaker knows beyond its state; also what a record of another worker carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) state: BreakerState,
    pub(super) class: FailureClass,
    pub(super) reason: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) openings: u32,
    pub(super) version: u64,
    /// Until when it stays so, by itself.
    pub(super) until: u64,
    /// When it came to be so.
    pub(super) since: u64,
}

/// One breaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breaker {
    pub(super) known: Known,
    /// Failures in a row, while closed.
    failures: u32,
    /// The first of them.
    failing_since: u64,
    /// The last of them.
    failed_at: u64,
}

impl Breaker {
    /// Closed, and nothing known. Versions are counted from `floor`: above those that were forgotten.
    pub(super) fn new(now: u64, floor: u64) -> Self {
        let known = Known {
            state: BreakerState::Closed,
            class: FailureClass::Gateway,
            reason: None,
            status: None,
            openings: 0,
            version: floor,
            until: 0,
            since: now,
        };
        Self { known, failures: 0, failing_since: 0, failed_at: 0 }
    }

    /// Whether nothing would be lost if it were forgotten.
    pub(super) fn is_blank(&self, now: u64) -> bool {
        self.known.state == BreakerState::Closed && now.saturating_sub(self.failed_at) > TOGETHER_MS
    }

    /// Whether it is closed and has seen no failure since.
    pub(super) fn is_well(&self) -> bool {
        self.known.state == BreakerState::Closed && self.failures == 0
    }

    /// Whether a call may be made now.
    pub(super) fn admits(&self, now: u64) -> Admission {
        let left = self.known.until.saturating_sub(now);
        match self.known.state {
            BreakerState::Closed => Admission::Granted,
            BreakerState::Open | BreakerState::HalfOpen if left == 0 => Admission::Probe,
            BreakerState::Open => Admission::Refused(Duration::from_millis(left)),
            BreakerState::HalfOpen => Admission::Refused(Duration::from_millis(left.min(PROBING_MS))),
        }
    }

    /// A call goes out to find out; it counts as lost after `lease`.
    pub(super) fn probe(&mut self, now: u64, lease: Duration) -> Begun {
        self.turn(BreakerState::HalfOpen, now, now + ms(lease));
        Begun { at: now, probe: Some(self.known.version) }
    }

    /// Takes in what became of a call; whether the state changed by it.
    pub(super) fn record(&mut self, policy: &BreakerPolicy, begun: Begun, now: u64, found: Found) -> bool {
        let probing = self.known.state == BreakerState::HalfOpen && begun.probe == Some(self.known.version);
        match found {
            Found::Well => self.well(begun, now),
            Found::Ill(ill) => match policy.of(ill.class) {
                Some(_) => self.ill(policy, probing, now, ill),
                // The provider said no, and so it works; a limit may be looked at only afterwards.
                None if probing && ill.class == FailureClass::Caller && !self.limited() => {
                    self.close(now);
                    true
                }
                None => probing && self.release(now),
            },
            Found::Nothing => probing && self.release(now),
        }
    }

    /// An operator, or a call of another kind, has found that it may be closed.
    pub(super) fn close(&mut self, now: u64) {
        self.failures = 0;
        self.known.openings = 0;
        self.turn(BreakerState::Closed, now, 0);
    }

    /// Takes over what is known elsewhere.
    pub(super) fn adopt(&mut self, known: Known) {
        self.failures = 0;
        self.known = known;
    }

    fn well(&mut self, begun: Begun, now: u64) -> bool {
        self.failures = 0;
        if self.known.state == BreakerState::Closed {
            return false;
        }
        // A call that went out before says nothing about a limit that was reached since.
        if begun.at < self.known.since && self.limited() {
            return false;
        }
        self.close(now);
        true
    }

    fn ill(&mut self, policy: &BreakerPolicy, probing: bool, now: u64, ill: Ill) -> bool {
        let Some(row) = policy.of(ill.class) else { return false };
        match self.known.state {
            BreakerState::Closed => {
                let together = now.saturating_sub(self.failed_at) <= TOGETHER_MS;
                self.failures = if together { self.failures.saturating_add(1) } else { 1 };
                if self.failures == 1 {
                    self.failing_since = now;
                }
                self.failed_at = now;
                let lasting = row.threshold == 1 || now - self.failing_since >= ms(policy.outage);
                if row.threshold == 0 || self.failures < row.threshold || !lasting {
                    return false;
                }
                self.open(policy, now, ill);
                true
            }
            BreakerState::Open => {
                let until = ill.hint.map_or(0, |hint| now + ms(hint.min(row.hint_max)));
                let longer = until > self.known.until + LONGER_MS;
                if longer {
                    self.blame(ill);
                    self.turn(BreakerState::Open, now, until);
                }
                longer
            }
            BreakerState::HalfOpen if probing => {
                self.open(policy, now, ill);
                true
            }
            BreakerState::HalfOpen => false,
        }
    }

    fn open(&mut self, policy: &BreakerPolicy, now: u64, ill: Ill) {
        let Some(row) = policy.of(ill.class) else { return };
        self.failures = 0;
        self.known.openings = self.known.openings.saturating_add(1);
        let exact = matches!(ill.class, FailureClass::Quota | FailureClass::Rate);
        let stays = row.stays_open(self.known.openings, ill.hint, exact);
        self.blame(ill);
        self.turn(BreakerState::Open, now, now + ms(stays));
    }

    /// The probe found nothing out: the next call may.
    fn release(&mut self, now: u64) -> bool {
        self.turn(BreakerState::Open, now, now);
        true
    }

    fn blame(&mut self, ill: Ill) {
        self.known.class = ill.class;
        self.known.reason = ill.code.map(|code| code.label().to_owned());
        self.known.status = ill.status;
    }

    fn turn(&mut self, state: BreakerState, now: u64, until: u64) {
        self.known.state = state;
        self.known.since = now;
        self.known.until = until;
        self.known.version += 1;
    }

    /// Whether it is open for a reason that answers to other calls do not refute.
    fn limited(&self) -> bool {
        matches!(self.known.class, FailureClass::Quota | FailureClass::Rate | FailureClass::Account)
    }
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4)
}
