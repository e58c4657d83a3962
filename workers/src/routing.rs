//! Where one request may be served: what the choice depends on is looked up, and what came of it is told.

use proto::config::{PolicyError, ProviderKind, RoutePolicy};
use proto::fault::{Fault, FaultCode};
use proto::id::Token;

use crate::breaker::Admission;
use crate::execute;
use crate::providers;
use crate::route::{self, Hop, Nowhere, Scene};
use crate::upstreams::UpstreamSet;
use crate::work::Work;

/// The places where the request may be served, in order; else what the caller is told.
pub(crate) fn chain(work: &Work, set: &UpstreamSet) -> Result<Vec<Hop>, Fault> {
    let (worker, envelope) = (&work.worker, &work.envelope);
    let who = envelope.who.as_deref();
    let wish = envelope.route.as_deref();
    let project = set.project(&envelope.project);
    let policy = RoutePolicy::of(project, who.and_then(|who| who.feature.as_deref()));
    let policy = policy.map_err(|error| unreadable(work, &error))?;
    let ways = policy.ways(wish)?;
    let speaks = |kind: ProviderKind, model: &str| {
        let profile = worker.profiles.of(kind, model);
        (providers::adapter(kind).dialect)(envelope.dialect, &profile).is_some()
    };
    let healthy = |hop: &Hop| !matches!(worker.breakers.admits(&hop.breaker()), Admission::Refused(_));
    let scene = Scene {
        config: &set.config,
        asked: &envelope.model,
        direct: wish.is_some_and(|wish| wish.direct),
        ways: &ways,
        auto: &policy.models,
        project: &envelope.project,
        end_user: who.and_then(|who| who.end_user.as_deref()),
        vault: &worker.vault,
        switches: worker.projection.switches(),
        wheels: &worker.wheels,
        paces: &worker.paces,
        random: Token::random().0,
        own_key: &|name| set.get(name).is_some(),
        speaks: &speaks,
        healthy: &healthy,
    };
    route::chain(&scene).map_err(|nowhere| told(work, &nowhere))
}

/// What the caller is told that has no place to be served.
fn told(work: &Work, nowhere: &Nowhere) -> Fault {
    let model = &work.envelope.model;
    match nowhere {
        Nowhere::NoModel => {
            let message = format!("The model `{model}` does not exist.");
            Fault::new(FaultCode::ModelNotFound, message).with_param("model")
        }
        Nowhere::NotServed => {
            let message = format!("No provider of the model `{model}` serves requests of this kind.");
            Fault::new(FaultCode::InvalidRequest, message).with_param("model")
        }
        Nowhere::NoCredential => {
            let message = format!(
                "The route policy leaves the model `{model}` to credentials of your own, and there is none for it."
            );
            Fault::new(FaultCode::NoAvailableRoute, message)
        }
        Nowhere::Ill(places) => match work.worker.breakers.soonest(places.iter().map(Hop::breaker)) {
            Some(wait) => execute::no_healthy_route(wait),
            None => execute::no_route(),
        },
    }
}

/// A policy that was published although it cannot be honoured serves nothing: what it forbids is not known.
fn unreadable(work: &Work, error: &PolicyError) -> Fault {
    let job = &work.job;
    tracing::error!(
        request_id = %job.request, traceparent = job.traceparent, project = work.envelope.project, %error,
        "a route policy cannot be honoured"
    );
    let message = "The project's route policy cannot be honoured, so no route is allowed.";
    Fault::new(FaultCode::NoAvailableRoute, message)
}
