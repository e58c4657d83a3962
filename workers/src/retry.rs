//! The table: what follows a failed attempt. Pure: (what failed, the provider's hint, the place in the chain, what
//! is left of time and budgets) gives the same target after a wait, the next target, or giving up.
//!
//! | failure | same target again | next target |
//! |---|---|---|
//! | connect, TLS, name resolution | once, at once | yes |
//! | rate limited, hint up to 2 s | after the hint | yes |
//! | rate limited, longer hint or none | only without a hint and without another target, with backoff | yes |
//! | 408, 409, 425, 5xx, cut off, not an answer | once with jitter (after a hint up to 2 s) | yes |
//! | no content in time | no | yes |
//! | account refused or exhausted | no | yes |
//! | redirect | no | yes |
//! | the caller's mistake | no | no |
//! | thoughts of another account | once without them, at once (see [`crate::execute`]) | no |

use std::time::Duration;

/// What kind of failure it was, as far as trying again goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The connection was not made, so nothing was sent.
    Connect,
    /// 429.
    RateLimited,
    /// 401, 402, 403, exhausted quota: ours to mend, and no use to ask again.
    Account,
    /// 408, 409, 425, 5xx, a connection that was cut, a success that is no answer.
    Transient,
    /// No content within the time for it.
    Timeout,
    /// An answer that leads elsewhere.
    Misplaced,
    /// The caller's mistake, or the model's refusal: it is the answer.
    Caller,
    /// The provider refuses a signature or encrypted thoughts that another account, model or prompt gave rise to:
    /// without them it may answer.
    Stale,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// The same target, after this wait.
    Same(Duration),
    /// The next target, at once.
    Target,
    /// The last failure is the answer.
    GiveUp,
}

/// A failed attempt and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Situation {
    /// What failed.
    pub(crate) class: Class,
    /// How long the provider wants to be left alone, if it said so.
    pub(crate) hint: Option<Duration>,
    /// Attempts made at this target so far, this one included.
    pub(crate) tries_here: u32,
    /// Extra tries on a same target that this request has used.
    pub(crate) retries_used: u32,
    /// Whether the chain goes on.
    pub(crate) more_targets: bool,
    /// Until the request's deadline.
    pub(crate) left: Duration,
}

/// How often and how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Extra tries on a same target, per request.
    pub(crate) retries_max: u32,
    /// Base of the exponential backoff.
    pub(crate) delay: Duration,
}

/// The longest wait that a provider's hint is followed for while the caller waits.
const HINT_MAX: Duration = Duration::from_secs(2);
/// The longest backoff.
const DELAY_MAX: Duration = Duration::from_secs(8);
/// What an attempt needs at least to make sense.
const ATTEMPT_MIN: Duration = Duration::from_millis(50);

/// Decides. `draw` takes one retry out of the process-wide budget, if there is one; it is asked at most once and
/// only if all else speaks for a retry. `random` decides the jitter.
pub(crate) fn next(s: &Situation, policy: &Policy, random: u64, draw: impl FnOnce() -> bool) -> Next {
    let onwards = if s.more_targets { Next::Target } else { Next::GiveUp };
    if s.left < ATTEMPT_MIN {
        return Next::GiveUp;
    }
    let short_hint = s.hint.filter(|hint| *hint <= HINT_MAX);
    let wait = match s.class {
        Class::Caller | Class::Stale => return Next::GiveUp,
        Class::Account | Class::Timeout | Class::Misplaced => return onwards,
        Class::Connect if s.tries_here == 1 => Duration::ZERO,
        Class::Connect => return onwards,
        Class::RateLimited => match (s.hint, short_hint) {
            (_, Some(hint)) => hint,
            (None, None) if !s.more_targets => backoff(policy, s.retries_used, random),
            (_, None) => return onwards,
        },
        Class::Transient => match (s.hint, short_hint) {
            (_, Some(hint)) => hint,
            (None, None) => backoff(policy, s.retries_used, random),
            (Some(_), None) => return onwards,
        },
    };
    let in_time = wait + ATTEMPT_MIN <= s.left;
    if s.retries_used < policy.retries_max && in_time && draw() { Next::Same(wait) } else { onwards }
}

/// Exponential, with full jitter: anything from nothing to the base doubled with each retry.
fn backoff(policy: &Policy, retries_used: u32, random: u64) -> Duration {
    let ceiling = policy.delay.saturating_mul(1 << retries_used.min(16)).min(DELAY_MAX);
    let micros = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(random % micros.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy { retries_max: 1, delay: Duration::from_millis(250) };
    const SITUATION: Situation = Situation {
        class: Class::Transient,
        hint: None,
        tries_here: 1,
        retries_used: 0,
        more_targets: true,
        left: Duration::from_secs(60),
    };

    fn of(class: Class, hint_ms: Option<u64>, more_targets: bool) -> Next {
        let hint = hint_ms.map(Duration::from_millis);
        next(&Situation { class, hint, more_targets, ..SITUATION }, &POLICY, 100_000, || true)
    }

    fn same(ms: u64) -> Next {
        Next::Same(Duration::from_millis(ms))
    }

    #[test]
    fn the_table_with_another_target() {
        assert_eq!(of(Class::Connect, None, true), same(0));
        assert_eq!(of(Class::RateLimited, Some(2000), true), same(2000));
        assert_eq!(of(Class::RateLimited, Some(2001), true), Next::Target);
        assert_eq!(of(Class::RateLimited, None, true), Next::Target);
        assert_eq!(of(Class::Transient, None, true), same(100));
        assert_eq!(of(Class::Transient, Some(1500), true), same(1500));
        assert_eq!(of(Class::Transient, Some(30_000), true), Next::Target);
        assert_eq!(of(Class::Timeout, None, true), Next::Target);
        assert_eq!(of(Class::Account, Some(10), true), Next::Target);
        assert_eq!(of(Class::Misplaced, None, true), Next::Target);
        assert_eq!(of(Class::Caller, None, true), Next::GiveUp);
    }

    #[test]
    fn the_table_at_the_end_of_the_chain() {
        assert_eq!(of(Class::Connect, None, false), same(0));
        assert_eq!(of(Class::RateLimited, Some(500), false), same(500));
        assert_eq!(of(Class::RateLimited, Some(30_000), false), Next::GiveUp);
        assert_eq!(of(Class::RateLimited, None, false), same(100));
        assert_eq!(of(Class::Transient, None, false), same(100));
        for class in [Class::Timeout, Class::Account, Class::Misplaced, Class::Caller] {
            assert_eq!(of(class, None, false), Next::GiveUp, "{class:?}");
        }
    }

    #[test]
    fn used_up_retries_lead_on() {
        for class in [Class::Connect, Class::RateLimited, Class::Transient] {
            let s = Situation { class, hint: Some(Duration::ZERO), retries_used: 1, ..SITUATION };
            assert_eq!(next(&s, &POLICY, 0, || true), Next::Target, "{class:?}");
            let s = Situation { more_targets: false, ..s };
            assert_eq!(next(&s, &POLICY, 0, || true), Next::GiveUp, "{class:?}");
        }
        let second = Situation { class: Class::Connect, tries_here: 2, ..SITUATION };
        assert_eq!(next(&second, &Policy { retries_max: 9, ..POLICY }, 0, || true), Next::Target);
    }

    #[test]
    fn the_shared_budget_binds_and_is_not_drawn_in_vain() {
        assert_eq!(next(&SITUATION, &POLICY, 0, || false), Next::Target);
        for class in [Class::Timeout, Class::Account, Class::Caller] {
            let s = Situation { class, ..SITUATION };
            next(&s, &POLICY, 0, || panic!("drawn for {class:?}"));
        }
    }

    #[test]
    fn nothing_sleeps_past_the_deadline() {
        let left = Duration::from_millis(300);
        let s = Situation {
            class: Class::RateLimited,
            hint: Some(Duration::from_secs(1)),
            left,
            more_targets: false,
            ..SITUATION
        };
        assert_eq!(next(&s, &POLICY, 0, || true), Next::GiveUp);
        let s = Situation { left: Duration::from_millis(10), ..SITUATION };
        assert_eq!(next(&s, &POLICY, 0, || true), Next::GiveUp);
    }

    #[test]
    fn backoff_doubles_and_is_bounded() {
        assert_eq!(backoff(&POLICY, 0, 250_000), Duration::from_millis(250));
        assert_eq!(backoff(&POLICY, 0, 250_001), Duration::ZERO);
        assert_eq!(backoff(&POLICY, 1, 500_000), Duration::from_millis(500));
        for random in [0, 1, u64::MAX] {
            assert!(backoff(&POLICY, 60, random) <= DELAY_MAX);
        }
        assert_eq!(backoff(&Policy { delay: Duration::ZERO, ..POLICY }, 3, 7), Duration::ZERO);
    }
}
