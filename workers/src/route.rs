//! From the model a caller named to the chain of targets that may serve it. Pure.

use proto::canonical::Origin;
use proto::config::{Config, Model, Strategy};
use proto::event::RouteMode;
use proto::money::Price;

/// More targets than this are never tried for one request.
pub(crate) const HOPS_MAX: usize = 8;

/// One place that may serve a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The provider and the model there.
    pub(crate) place: Origin,
    /// The model behind that name, where the name does not tell it.
    pub(crate) underlying: Option<String>,
    /// How a request that is served there came to be.
    pub(crate) route_mode: RouteMode,
}

impl Hop {
    /// What a call of it costs now that was made for `alias`.
    pub(crate) fn price<'a>(&self, config: &'a Config, alias: &str) -> Option<&'a Price> {
        config.price_of(alias, &self.place.provider, &self.place.model, proto::clock::now_ms())
    }
}

/// The targets of `model` in the order in which they are tried, each place once, when the caller asked for
/// `requested`. Places that `usable` refuses are left out; a target that is tried first because those
/// before it are left out is a fallback all the same.
pub(crate) fn chain(model: &Model, requested: &str, usable: impl Fn(&Hop) -> bool) -> Vec<Hop> {
    let count = match model.strategy {
        Strategy::Simple => 1,
        Strategy::Fallback => model.targets.len(),
    };
    let Some(first) = model.targets.first() else { return Vec::new() };
    let first = (first.provider.as_str(), first.upstream_model(requested));
    let mut hops: Vec<Hop> = Vec::with_capacity(count.min(HOPS_MAX));
    for target in model.targets.iter().take(count) {
        let (provider, upstream) = (target.provider.as_str(), target.upstream_model(requested));
        let seen = hops.iter().any(|hop| hop.place.provider == provider && hop.place.model == upstream);
        if hops.len() == HOPS_MAX || seen {
            continue;
        }
        let route_mode = match (provider == first.0, upstream == first.1) {
            (true, true) => RouteMode::Platform,
            (false, true) => RouteMode::ProviderFallback,
            (_, false) => RouteMode::ModelFallback,
        };
        let place = Origin { provider: provider.to_owned(), model: upstream.to_owned() };
        let hop = Hop { place, underlying: target.underlying_model.clone(), route_mode };
        if usable(&hop) {
            hops.push(hop);
        }
    }
    hops
}

/// The chain for `requested` under `config`; `None` if no alias serves that name.
pub(crate) fn resolve(config: &Config, requested: &str, usable: impl Fn(&Hop) -> bool) -> Option<Vec<Hop>> {
    config.model(requested).map(|model| chain(model, requested, usable))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::config::Target;

    fn model(strategy: Strategy, targets: &[(&str, &str)]) -> Model {
        let targets = targets
            .iter()
            .map(|(p, m)| Target { provider: (*p).into(), model: (*m).into(), underlying_model: None })
            .collect();
        Model { alias: "fast".into(), strategy, targets, price: None }
    }

    fn names(hops: &[Hop]) -> Vec<(&str, &str, &'static str)> {
        hops.iter()
            .map(|h| (h.place.provider.as_str(), h.place.model.as_str(), h.route_mode.as_str()))
            .collect()
    }

    #[test]
    fn simple_uses_the_first_target_alone() {
        let model = model(Strategy::Simple, &[("a", "m"), ("b", "m")]);
        assert_eq!(names(&chain(&model, "fast", |_| true)), [("a", "m", "platform")]);
    }

    #[test]
    fn fallback_says_what_changed() {
        let model = model(Strategy::Fallback, &[("a", "m"), ("b", "m"), ("b", "n"), ("a", "n")]);
        assert_eq!(
            names(&chain(&model, "fast", |_| true)),
            [
                ("a", "m", "platform"),
                ("b", "m", "provider_fallback"),
                ("b", "n", "model_fallback"),
                ("a", "n", "model_fallback"),
            ]
        );
    }

    #[test]
    fn no_place_is_tried_twice_and_the_chain_ends() {
        let model_twice = model(Strategy::Fallback, &[("a", "m"), ("b", "m"), ("a", "m")]);
        assert_eq!(chain(&model_twice, "fast", |_| true).len(), 2);
        let many: Vec<(String, String)> = (0..20).map(|n| ("a".to_owned(), format!("m{n}"))).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|(p, m)| (p.as_str(), m.as_str())).collect();
        assert_eq!(chain(&model(Strategy::Fallback, &many), "fast", |_| true).len(), HOPS_MAX);
    }

    #[test]
    fn a_place_that_cannot_be_used_is_left_out_and_shows() {
        let model = model(Strategy::Fallback, &[("a", "m"), ("b", "m")]);
        assert_eq!(
            names(&chain(&model, "fast", |hop| hop.place.provider != "a")),
            [("b", "m", "provider_fallback")]
        );
        assert!(chain(&model, "fast", |_| false).is_empty());
    }

    #[test]
    fn a_wildcard_passes_the_callers_name_on() {
        let model = model(Strategy::Simple, &[("a", "*")]);
        assert_eq!(names(&chain(&model, "gpt-4o", |_| true)), [("a", "gpt-4o", "platform")]);
    }
}
