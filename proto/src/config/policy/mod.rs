//! Route policies: on whose account at the provider requests are served, in which order, and when the platform may
//! step in for a tenant's own credential.
//!
//! A policy is JSON that its owner wrote. What is in it and cannot be honoured is a mistake that names the field:
//! nothing is accepted and then ignored. A request and its key may narrow a policy and never widen it.

mod read;

use serde_json::Value;

use super::Project;
use crate::envelope::RouteWish;
use crate::event::RouteMode;
use crate::fault::{Fault, FaultCode};

/// What the name of a model begins with that the policy chooses.
pub const AUTO: &str = "auto:";

/// On whose account at the provider a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purse {
    /// Nobody's: it is made on the end user's own machine and never from here.
    Local,
    /// The end user's own.
    EndUser,
    /// The developer's own.
    Developer,
    /// The platform's.
    Platform,
}

/// A policy that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutePolicy {
    /// Whose accounts may be used, in order of preference. Never empty, each once.
    pub order: Vec<Purse>,
    /// Whether the platform steps in where a tenant's own credential meets a provider's failure.
    pub fallback_to_platform: bool,
    /// The aliases that a request for `auto:…` is served by, in order of preference.
    pub models: Vec<String>,
}

/// A policy that is not served as it stands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct PolicyError {
    /// The field at fault, such as `route_preference[1]`; `policy` for the whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// The ways that one request may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ways {
    /// Whose accounts, in order; never [`Purse::Local`], and never empty.
    pub order: Vec<Purse>,
    /// Whether the platform may step in at all, where the policy or the credential that failed says that it does.
    pub platform_may_step_in: bool,
    /// Whether the policy says so for every credential.
    pub platform_steps_in: bool,
}

impl Default for RoutePolicy {
    /// What holds where nobody has said anything: the platform's account alone.
    fn default() -> Self {
        Self { order: vec![Purse::Platform], fallback_to_platform: false, models: Vec::new() }
    }
}

impl RouteMode {
    /// On whose account a call of this mode is made.
    pub fn purse(self) -> Purse {
        match self {
            Self::Platform | Self::ModelFallback | Self::ProviderFallback | Self::PlatformPool => {
                Purse::Platform
            }
            Self::DeveloperKey => Purse::Developer,
            Self::Byok => Purse::EndUser,
            Self::Local => Purse::Local,
        }
    }
}

impl RoutePolicy {
    /// Reads a policy as its owner wrote it.
    pub fn read(policy: &Value) -> Result<Self, PolicyError> {
        read::policy(policy)
    }

    /// The policy for requests of `project` and, where one is named, its feature: the feature's own, else the
    /// project's, else the usual one.
    pub fn of(project: Option<&Project>, feature: Option<&str>) -> Result<Self, PolicyError> {
        let Some(project) = project else { return Ok(Self::default()) };
        let own = feature.and_then(|key| project.feature(key)).and_then(|feature| feature.policy.as_ref());
        own.or(project.policy.as_ref()).map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// The ways that a request with this wish may take; a fault where there is none.
    pub fn ways(&self, wish: Option<&RouteWish>) -> Result<Ways, Fault> {
        let allowed = |purse: Purse| {
            let modes = wish.and_then(|wish| wish.modes.as_ref());
            modes.is_none_or(|modes| modes.iter().any(|mode| mode.purse() == purse))
        };
        let mut order: Vec<Purse> = self.order.iter().copied().filter(|purse| allowed(*purse)).collect();
        let listed = self.fallback_to_platform || self.order.contains(&Purse::Platform);
        let (only, first) = wish.map_or((None, None), |wish| (wish.only, wish.first));
        for (mode, param) in [(first, "metadata.route_preference"), (only, "metadata.route_mode")] {
            let Some(mode) = mode else { continue };
            let Some(at) = order.iter().position(|purse| *purse == mode.purse()) else {
                let mode = mode.as_str();
                let message = format!("The route mode `{mode}` is not one that policy and key allow here.");
                return Err(Fault::new(FaultCode::NoAvailableRoute, message).with_param(param));
            };
            let purse = order.remove(at);
            if param == "metadata.route_mode" {
                order.clear();
            }
            order.insert(0, purse);
        }
        let local = order.contains(&Purse::Local);
        order.retain(|purse| *purse != Purse::Local);
        if order.is_empty() {
            let message = if local {
                "These requests are served on the user's own machine alone, never from here."
            } else {
                "The route policy and the key have no way in common to serve this request."
            };
            return Err(Fault::new(FaultCode::NoAvailableRoute, message));
        }
        Ok(Ways {
            order,
            platform_may_step_in: listed && allowed(Purse::Platform),
            platform_steps_in: self.fallback_to_platform,
        })
    }
}

#[cfg(test)]
mod tests;
