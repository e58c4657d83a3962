//! The places on one account: the platform's by the strategy of the alias, a tenant's by its credentials.

use proto::canonical::Origin;
use proto::config::{AUTO, Provider, Purse, SecretRef, Strategy, Target};
use proto::credential::{CredentialRecord, Owner};
use proto::event::{RouteFallback, RouteMode};
use proto::switch::SwitchKind;

use super::wheel::Spoke;
use super::{Hop, Named, POOL_MAX, Scene};

/// What there is on one account.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In order, and in the order in which they are tried.
    pub(super) hops: Vec<Hop>,
    /// Out of order at present.
    pub(super) ill: Vec<Hop>,
    /// Whether something was left out because it has nothing of the kind.
    pub(super) mute: bool,
}

impl Found {
    pub(super) fn add(&mut self, other: Self) {
        self.hops.extend(other.hops);
        self.ill.extend(other.ill);
        self.mute |= other.mute;
    }

    /// Takes a place in, each only once.
    fn take(&mut self, scene: &Scene<'_>, hop: Hop) {
        let same = |there: &Hop| there.place == hop.place && there.credential == hop.credential;
        if self.hops.iter().chain(&self.ill).any(same) {
        } else if (scene.healthy)(&hop) {
            self.hops.push(hop);
        } else {
            self.ill.push(hop);
        }
    }
}

/// One target with the places that it has, one for each credential.
struct Spot<'a> {
    target: &'a Target,
    hops: Vec<Hop>,
}

/// The places on the platform's account, called in place of what `fallback` names if it names something.
pub(super) fn platform(
    scene: &Scene<'_>,
    named: Option<&Named<'_>>,
    fallback: Option<&RouteFallback>,
) -> Found {
    let Some(named) = named else { return Found::default() };
    let mut found = Found::default();
    let mut spots: Vec<Spot<'_>> = Vec::with_capacity(named.model.targets.len());
    for (target, row) in named.targets(scene.config) {
        let model = target.upstream_model(named.requested);
        let seen = |there: &Hop| there.place.provider == row.name && there.place.model == model;
        if spots.iter().flat_map(|spot| &spot.hops).chain(&found.ill).any(seen) {
            continue;
        }
        if !(scene.speaks)(row.kind, target.underlying_model.as_deref().unwrap_or(model)) {
            found.mute = true;
            continue;
        }
        let mut here = Found::default();
        for credential in pool(scene, row, model, named.requested) {
            let hop = Hop {
                place: Origin { provider: row.name.clone(), model: model.to_owned() },
                kind: row.kind,
                underlying: target.underlying_model.clone(),
                route_mode: RouteMode::Platform,
                credential,
                opts_in: false,
                fallback: fallback.cloned().map(Box::new),
            };
            here.take(scene, hop);
        }
        found.ill.append(&mut here.ill);
        if !here.hops.is_empty() {
            spots.push(Spot { target, hops: here.hops });
        }
    }
    if let Some(chosen) = choose(scene, named, &spots) {
        let first = spots.remove(chosen);
        spots.insert(0, first);
    }
    found.hops = in_order(named, spots);
    found
}

/// Which of the targets goes first, where the strategy says more than their order.
fn choose(scene: &Scene<'_>, named: &Named<'_>, spots: &[Spot<'_>]) -> Option<usize> {
    let names: Vec<String> = spots.iter().filter_map(|spot| spot.hops.first()).map(Hop::spot).collect();
    match named.model.strategy {
        Strategy::Simple | Strategy::Fallback => None,
        Strategy::Weighted => {
            let spokes: Vec<Spoke<'_>> =
                names.iter().zip(spots).map(|(name, spot)| (name.as_str(), spot.target.weight)).collect();
            scene.wheels.turn(&format!("alias {}", named.model.alias), &spokes)
        }
        Strategy::Latency => {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            scene.paces.choose(&names, scene.random)
        }
    }
}

/// The chain of targets, each place saying how one comes to be served there.
fn in_order(named: &Named<'_>, spots: Vec<Spot<'_>>) -> Vec<Hop> {
    // A target that is tried first because those before it are left out is a fallback all the same. Where the strategy
    // chooses there is no order to fall back from.
    let first = match named.model.strategy {
        Strategy::Simple | Strategy::Fallback => named.model.targets.first(),
        Strategy::Weighted | Strategy::Latency => spots.first().map(|spot| spot.target),
    };
    let first = first.map(|t| (t.provider.clone(), t.upstream_model(named.requested).to_owned()));
    let mode = |hop: &Hop| match &first {
        Some((_, model)) if hop.place.model != *model => RouteMode::ModelFallback,
        Some((provider, _)) if hop.place.provider != *provider => RouteMode::ProviderFallback,
        _ => RouteMode::Platform,
    };
    let mut hops = Vec::with_capacity(spots.len());
    for spot in spots {
        for (at, mut hop) in spot.hops.into_iter().enumerate() {
            hop.route_mode = match mode(&hop) {
                RouteMode::Platform if at > 0 => RouteMode::PlatformPool,
                mode => mode,
            };
            hops.push(hop);
        }
    }
    hops
}

/// The platform's credentials to call a provider with, in the order in which they are tried; `None` among them is what
/// the provider's row names itself, which comes last.
fn pool(scene: &Scene<'_>, row: &Provider, model: &str, requested: &str) -> Vec<Option<String>> {
    let sealed = scene.vault.pool(row);
    let named = matches!(row.api_key, Some(SecretRef::Env(_) | SecretRef::File(_)));
    let own = (named || sealed.is_empty()) && (scene.own_key)(&row.name);
    let records: Vec<&CredentialRecord> = sealed
        .iter()
        .map(|credential| &credential.record)
        .filter(|record| is_on(scene, record) && may_serve(record, model, requested))
        .collect();
    let mut pool = turned(scene, &format!("pool {}", row.name), records);
    pool.truncate(POOL_MAX);
    let pool = pool.into_iter().map(|record| Some(record.id.clone()));
    pool.chain(own.then_some(None)).collect()
}

/// Credentials in order of preference, with the turns that those of the first priority take.
fn turned<'r>(
    scene: &Scene<'_>,
    wheel: &str,
    mut records: Vec<&'r CredentialRecord>,
) -> Vec<&'r CredentialRecord> {
    let Some(first) = records.first().map(|record| record.priority) else { return records };
    let spokes: Vec<Spoke<'_>> = records
        .iter()
        .take_while(|record| record.priority == first)
        .map(|record| (record.id.as_str(), record.weight))
        .collect();
    if let Some(chosen) = scene.wheels.turn(wheel, &spokes) {
        let record = records.remove(chosen);
        records.insert(0, record);
    }
    records
}

/// The places that a tenant's own credentials lead to.
pub(super) fn tenants(scene: &Scene<'_>, named: Option<&Named<'_>>, purse: Purse) -> Found {
    let (owner, route_mode) = match (purse, scene.end_user) {
        (Purse::EndUser, Some(user)) => (Owner::EndUser(user.to_owned()), RouteMode::Byok),
        (Purse::Developer, _) => (Owner::Project(scene.project.to_owned()), RouteMode::DeveloperKey),
        (Purse::EndUser | Purse::Local | Purse::Platform, _) => return Found::default(),
    };
    let credentials = scene.vault.of(&owner);
    let records = credentials.iter().map(|credential| &credential.record);
    let records: Vec<&CredentialRecord> = records.filter(|record| is_on(scene, record)).collect();
    let mut found = Found::default();
    if records.is_empty() {
        return found;
    }
    let records = turned(scene, &format!("{} {}", owner.scope(), owner.id()), records);
    for (record, model, underlying) in served(scene, named, &records) {
        if found.hops.len() + found.ill.len() == POOL_MAX {
            break;
        }
        if !(scene.speaks)(record.kind, underlying.as_deref().unwrap_or(&model)) {
            found.mute = true;
            continue;
        }
        let ways = scene.ways;
        let hop = Hop {
            place: Origin { provider: record.provider.clone(), model },
            kind: record.kind,
            underlying,
            route_mode,
            credential: Some(record.id.clone()),
            opts_in: ways.platform_may_step_in && (ways.platform_steps_in || record.fallback_to_platform),
            fallback: None,
        };
        found.take(scene, hop);
    }
    found
}

/// Which of a tenant's credentials serve what: the alias's models of the same vendor; where no alias names the model, the
/// model itself; for `auto:…` the first model that the credential is for.
fn served<'r>(
    scene: &Scene<'_>,
    named: Option<&Named<'_>>,
    records: &[&'r CredentialRecord],
) -> Vec<(&'r CredentialRecord, String, Option<String>)> {
    let mut served = Vec::new();
    if scene.asked.starts_with(AUTO) {
        let own =
            |record: &&'r CredentialRecord| Some((*record, record.models_allowed.first()?.clone(), None));
        served.extend(records.iter().filter_map(own));
    }
    let Some(named) = named.filter(|named| named.exact) else {
        if !scene.asked.starts_with(AUTO) {
            let fit = |record: &&&CredentialRecord| may_serve(record, scene.asked, scene.asked);
            let kind = records.iter().find(fit).map(|record| record.kind);
            let records = records.iter().filter(fit).filter(|record| Some(record.kind) == kind);
            served.extend(records.map(|record| (*record, scene.asked.to_owned(), None)));
        }
        return served;
    };
    for (target, row) in named.targets(scene.config) {
        let model = target.upstream_model(named.requested);
        let fit = |record: &&&CredentialRecord| {
            record.kind == row.kind && may_serve(record, model, named.requested)
        };
        let fitting = records.iter().filter(fit);
        served.extend(fitting.map(|record| (*record, model.to_owned(), target.underlying_model.clone())));
    }
    served
}

fn is_on(scene: &Scene<'_>, record: &CredentialRecord) -> bool {
    !scene.switches.is_off(SwitchKind::Credential, &record.id)
}

/// Whether a credential may be used for a model, by its name at the provider or by that of the alias.
fn may_serve(record: &CredentialRecord, model: &str, requested: &str) -> bool {
    let allowed = &record.models_allowed;
    allowed.is_empty() || allowed.iter().any(|name| name == model || name == requested)
}
