//! From the model a caller named to the chain of places that may serve it: on whose account, at which target, with
//! which credential. No I/O.
//!
//! The policy's order of accounts comes first, the strategy of the alias within the platform's, the order of
//! credentials within each target. A chain holds each place once and ends. Nothing is ever chosen that is out of
//! order: where all that may serve a request is, there is no chain.

mod gather;
mod pace;
mod wheel;

use std::borrow::Cow;

use proto::canonical::Origin;
use proto::config::{AUTO, Config, Model, Provider, ProviderKind, Purse, Strategy, Target, WILDCARD, Ways};
use proto::event::{RouteFallback, RouteMode};
use proto::fault::FaultCode;
use proto::money::Price;
use proto::switch::Switches;

use crate::breaker::Place;
use crate::retry::Class;
use crate::vault::Vault;
pub(crate) use pace::{Paces, Running};
pub(crate) use wheel::Wheels;

use gather::Found;

/// More places than this are never tried for one request.
pub(crate) const HOPS_MAX: usize = 12;
/// More credentials than this are not tried for one target.
const POOL_MAX: usize = 4;
/// The alias that serves `auto:…` where neither policy nor credential says otherwise.
const AUTO_TEXT: &str = "auto-text";

/// One place that may serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The provider and the model there.
    pub(crate) place: Origin,
    /// What the provider speaks.
    pub(crate) kind: ProviderKind,
    /// The model behind that name, where the name does not tell it.
    pub(crate) underlying: Option<String>,
    /// How a request that is served there came to be.
    pub(crate) route_mode: RouteMode,
    /// Id of the sealed credential to call it with; `None` = the one that its provider's row names.
    pub(crate) credential: Option<String>,
    /// Whether the platform steps in for it where the provider fails.
    pub(crate) opts_in: bool,
    /// What the platform steps in for, if it does.
    pub(crate) fallback: Option<Box<RouteFallback>>,
}

impl Hop {
    /// The place as its breaker knows it.
    pub(crate) fn breaker(&self) -> Place<'_> {
        Place {
            provider: &self.place.provider,
            credential: self.credential.as_deref(),
            model: &self.place.model,
        }
    }

    /// On whose account it is called.
    pub(crate) fn purse(&self) -> Purse {
        self.route_mode.purse()
    }

    /// Whether it is called on a tenant's own account.
    pub(crate) fn is_tenants(&self) -> bool {
        self.purse() != Purse::Platform
    }

    /// The model's name in the catalogue.
    pub(crate) fn known_as(&self) -> &str {
        self.underlying.as_ref().unwrap_or(&self.place.model)
    }

    /// The place as the wheels and paces know it.
    pub(crate) fn spot(&self) -> String {
        format!("{}/{}", self.place.provider, self.place.model)
    }

    /// What a call of it costs the platform now that was made for `alias`. On a tenant's account it costs nothing.
    pub(crate) fn price<'a>(&self, config: &'a Config, alias: &str) -> Option<&'a Price> {
        if self.is_tenants() {
            return None;
        }
        config.price_of(alias, &self.place.provider, &self.place.model, proto::clock::now_ms())
    }

    /// What stands on the books where the platform steps in for this one.
    pub(crate) fn left_for(&self, reason: FaultCode) -> Box<RouteFallback> {
        Box::new(RouteFallback {
            from_route_mode: self.route_mode,
            from_provider: self.place.provider.clone(),
            provider_credential_id: self.credential.clone().unwrap_or_default(),
            reason,
        })
    }
}

/// All that the choice depends on.
pub(crate) struct Scene<'a> {
    /// The configuration in force.
    pub(crate) config: &'a Config,
    /// The model that the caller named.
    pub(crate) asked: &'a str,
    /// Whether that may be `provider/model`.
    pub(crate) direct: bool,
    /// On whose accounts it may be served.
    pub(crate) ways: &'a Ways,
    /// The aliases that the policy names for `auto:…`.
    pub(crate) auto: &'a [String],
    /// The project.
    pub(crate) project: &'a str,
    /// The end user, where there is one.
    pub(crate) end_user: Option<&'a str>,
    pub(crate) vault: &'a Vault,
    pub(crate) switches: &'a Switches,
    pub(crate) wheels: &'a Wheels,
    pub(crate) paces: &'a Paces,
    /// For what is drawn.
    pub(crate) random: u64,
    /// Whether the provider of that name can be called with what its row names.
    pub(crate) own_key: &'a (dyn Fn(&str) -> bool + Sync),
    /// Whether such a provider can be asked for this with that model.
    pub(crate) speaks: &'a (dyn Fn(ProviderKind, &str) -> bool + Sync),
    /// Whether a place is in order.
    pub(crate) healthy: &'a (dyn Fn(&Hop) -> bool + Sync),
}

/// Why there is no place for a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Nowhere {
    /// No alias serves the name.
    NoModel,
    /// Nothing there has anything of the kind.
    NotServed,
    /// Only tenants' own credentials may be used, and there is none for this.
    NoCredential,
    /// All that there is is out of order or switched off: these places.
    Ill(Vec<Hop>),
}

/// The alias that serves a request.
struct Named<'a> {
    model: Cow<'a, Model>,
    /// The name that the caller counts as having used.
    requested: &'a str,
    /// Whether it is served by its name, and not because the wildcard serves everything.
    exact: bool,
}

impl<'a> Named<'a> {
    fn of(scene: &Scene<'a>) -> Option<Self> {
        let (config, asked) = (scene.config, scene.asked);
        let alias = |name: &str| config.models.iter().find(|model| model.alias == name);
        if let Some(model) = alias(asked) {
            let named = Self { model: Cow::Borrowed(model), requested: asked, exact: true };
            return (!model.disabled).then_some(named);
        }
        if asked.starts_with(AUTO) {
            let names = scene.auto.iter().map(String::as_str).chain([AUTO_TEXT]);
            let model = names.filter_map(alias).find(|model| !model.disabled)?;
            return Some(Self { model: Cow::Borrowed(model), requested: &model.alias, exact: true });
        }
        if let Some((provider, model)) = asked.split_once('/').filter(|_| scene.direct)
            && !model.is_empty()
            && config.provider(provider).is_some_and(|row| !row.disabled)
        {
            let model = Model::new(asked, Strategy::Simple, vec![Target::new(provider, model)]);
            return Some(Self { model: Cow::Owned(model), requested: asked, exact: true });
        }
        let model = alias(WILDCARD).filter(|model| !model.disabled)?;
        Some(Self { model: Cow::Borrowed(model), requested: asked, exact: false })
    }

    /// The targets that are in use, with their providers' rows.
    fn targets(&self, config: &'a Config) -> impl Iterator<Item = (&Target, &'a Provider)> {
        // The first target alone is what a simple alias has, in use or not.
        let count = if self.model.strategy == Strategy::Simple { 1 } else { self.model.targets.len() };
        let row = |name: &str| config.provider(name).filter(|row| !row.disabled);
        let targets = self.model.targets.iter().take(count).filter(|target| !target.disabled);
        targets.filter_map(move |target| Some((target, row(&target.provider)?)))
    }
}

/// The places that may serve a request, in the order in which they are tried.
pub(crate) fn chain(scene: &Scene<'_>) -> Result<Vec<Hop>, Nowhere> {
    let named = Named::of(scene);
    let ways = scene.ways;
    let mut all = Found::default();
    // The first of the tenant's places, where none of them is in order.
    let mut stuck: Option<Hop> = None;
    for purse in &ways.order {
        let found = match purse {
            Purse::Local => continue,
            Purse::EndUser | Purse::Developer => gather::tenants(scene, named.as_ref(), *purse),
            Purse::Platform => {
                let tenants = all.hops.iter().any(Hop::is_tenants);
                match stuck.as_ref().filter(|_| !tenants) {
                    None => gather::platform(scene, named.as_ref(), None),
                    Some(hop) if hop.opts_in => {
                        let fallback = hop.left_for(FaultCode::NoHealthyRoute);
                        gather::platform(scene, named.as_ref(), Some(&fallback))
                    }
                    Some(_) => continue,
                }
            }
        };
        if stuck.is_none() {
            stuck = found.ill.iter().find(|hop| hop.is_tenants()).filter(|_| found.hops.is_empty()).cloned();
        }
        all.add(found);
    }
    // Where the policy does not list the platform, it stands behind tenants' places all the same if it may step in.
    if !ways.order.contains(&Purse::Platform) && ways.platform_may_step_in {
        if all.hops.iter().any(|hop| hop.opts_in) {
            all.add(gather::platform(scene, named.as_ref(), None));
        } else if let Some(hop) = stuck.filter(|hop| all.hops.is_empty() && hop.opts_in) {
            let fallback = hop.left_for(FaultCode::NoHealthyRoute);
            all.add(gather::platform(scene, named.as_ref(), Some(&fallback)));
        }
    }
    all.hops.truncate(HOPS_MAX);
    match all {
        Found { hops, .. } if !hops.is_empty() => Ok(hops),
        Found { ill, .. } if !ill.is_empty() => Err(Nowhere::Ill(ill)),
        Found { mute: true, .. } => Err(Nowhere::NotServed),
        _ if named.is_none() => Err(Nowhere::NoModel),
        _ if ways.order.contains(&Purse::Platform) => Err(Nowhere::Ill(Vec::new())),
        _ => Err(Nowhere::NoCredential),
    }
}

/// Why a place is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// The request cannot be carried there, or not with this credential.
    Unfit,
    /// It is out of order.
    Ill,
    /// It was called and failed.
    Failed(Class),
}

impl Left {
    /// Whether it is the provider's failure, for which the platform may step in. What is wrong with the request or with
    /// the tenant's own account is not.
    fn is_providers(self) -> bool {
        match self {
            Self::Ill => true,
            Self::Unfit => false,
            Self::Failed(class) => match class {
                Class::Connect | Class::RateLimited | Class::Transient | Class::Timeout => true,
                Class::Account
                | Class::Quota
                | Class::Model
                | Class::Misplaced
                | Class::Caller
                | Class::Stale => false,
            },
        }
    }

    /// Whether it may be otherwise with another of the platform's credentials.
    fn is_credentials(self) -> bool {
        match self {
            Self::Ill | Self::Unfit => true,
            Self::Failed(class) => {
                matches!(class, Class::Account | Class::Quota | Class::RateLimited | Class::Model)
            }
        }
    }
}

/// Where to go on from `chain[at]`; `None` = nowhere.
pub(crate) fn onwards(chain: &[Hop], at: usize, left: Left) -> Option<usize> {
    let from = chain.get(at)?;
    let leads_on = |hop: &Hop| match (from.is_tenants(), hop.is_tenants()) {
        (true, false) => from.opts_in && left.is_providers(),
        (false, false) => hop.place != from.place || left.is_credentials(),
        (_, true) => true,
    };
    chain.iter().skip(at + 1).position(leads_on).map(|behind| at + 1 + behind)
}

#[cfg(test)]
mod tests;
