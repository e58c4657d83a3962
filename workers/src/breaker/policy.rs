//! How many failures in a row open a breaker, and for how long: one row for each class of failure.

use std::time::Duration;

use proto::health::FailureClass;

/// One class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassPolicy {
    /// This many failures in a row open the breaker, when the last of them is of this class; 0 = they never do.
    pub threshold: u32,
    /// How long it then stays open. Doubled with each opening that no success came before.
    pub cooldown: Duration,
    /// The longest it stays open by that.
    pub cooldown_max: Duration,
    /// The longest it stays open because the provider asked for it.
    pub hint_max: Duration,
}

/// All classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// How long failures must go on without a success in between where one of them is not enough: many calls that
    /// fail at once are one blip. 1 s.
    pub outage: Duration,
    /// 1 and 60 min, or until the provider's reset.
    pub quota: ClassPolicy,
    /// 1 and 1 s to 60 s, or what the provider asks for.
    pub rate: ClassPolicy,
    /// 5 and 15 s to 5 min.
    pub timeout: ClassPolicy,
    /// 5 and 15 s to 5 min.
    pub server: ClassPolicy,
    /// 3 and 15 s to 5 min.
    pub transport: ClassPolicy,
    /// 3 and 60 s to 10 min.
    pub model: ClassPolicy,
    /// 3 and 5 min.
    pub account: ClassPolicy,
}

const fn seconds(threshold: u32, cooldown: u64, cooldown_max: u64, hint_max: u64) -> ClassPolicy {
    ClassPolicy {
        threshold,
        cooldown: Duration::from_secs(cooldown),
        cooldown_max: Duration::from_secs(cooldown_max),
        hint_max: Duration::from_secs(hint_max),
    }
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            outage: Duration::from_secs(1),
            quota: seconds(1, 3600, 3600, 24 * 3600),
            rate: seconds(1, 1, 60, 3600),
            timeout: seconds(5, 15, 300, 3600),
            server: seconds(5, 15, 300, 3600),
            transport: seconds(3, 15, 300, 3600),
            model: seconds(3, 60, 600, 3600),
            account: seconds(3, 300, 300, 3600),
        }
    }
}

impl BreakerPolicy {
    /// The row of a class; `None` = it says nothing about health.
    pub(crate) fn of(&self, class: FailureClass) -> Option<&ClassPolicy> {
        match class {
            FailureClass::Quota => Some(&self.quota),
            FailureClass::Rate => Some(&self.rate),
            FailureClass::Timeout => Some(&self.timeout),
            FailureClass::Server => Some(&self.server),
            FailureClass::Transport => Some(&self.transport),
            FailureClass::Model => Some(&self.model),
            FailureClass::Account => Some(&self.account),
            FailureClass::Caller | FailureClass::Gateway => None,
        }
    }

    /// The same, to change it.
    pub(crate) fn of_mut(&mut self, class: FailureClass) -> Option<&mut ClassPolicy> {
        match class {
            FailureClass::Quota => Some(&mut self.quota),
            FailureClass::Rate => Some(&mut self.rate),
            FailureClass::Timeout => Some(&mut self.timeout),
            FailureClass::Server => Some(&mut self.server),
            FailureClass::Transport => Some(&mut self.transport),
            FailureClass::Model => Some(&mut self.model),
            FailureClass::Account => Some(&mut self.account),
            FailureClass::Caller | FailureClass::Gateway => None,
        }
    }
}

impl ClassPolicy {
    /// How long it stays open the `openings`th time in a row when the provider asks for `hint`.
    pub(super) fn stays_open(&self, openings: u32, hint: Option<Duration>, exact: bool) -> Duration {
        let doubled = |times: u32| {
            self.cooldown.saturating_mul(1 << times.min(16)).min(self.cooldown_max.max(self.cooldown))
        };
        let hint = hint.map(|hint| hint.min(self.hint_max));
        match hint {
            // A provider that says when is believed, until it turns out that it does not know.
            Some(hint) if exact && openings <= 1 => hint,
            Some(hint) => hint.max(doubled(openings.saturating_sub(if exact { 2 } else { 1 }))),
            None => doubled(openings.saturating_sub(1)),
        }
    }
}
