//! From a chain of targets to one answer: attempts one after the other until one succeeds or the table in
//! [`crate::retry`] says that none will.
//!
//! Each attempt is announced on the event stream before its call and has exactly one outcome behind it.

mod attempt;
mod call;
mod door;
mod failure;
mod finish;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::canonical::Request;
use proto::event::{CloseReason, RouteFallback};
use proto::fault::{Fault, FaultCode};
use proto::id::Token;
use proto::usage::Estimate;
use tokio::time::Instant;

use crate::breaker::Pass;
use crate::jobs::Stop;
use crate::reply::Replier;
use crate::retry::{self, Class, Next, Policy, Situation};
use crate::route::{self, Hop, Left, Running};
use crate::upstreams::UpstreamSet;
use crate::work::Work;
use attempt::{Attempted, Failed};

pub(crate) use attempt::{no_healthy_route, no_route};
pub(crate) use failure::kind as failure_kind;

/// Everything that is settled before the first call.
pub(crate) struct Plan {
    /// Configuration and providers.
    pub(crate) set: Arc<UpstreamSet>,
    /// Where the request may be served, in order. Not empty.
    pub(crate) chain: Vec<Hop>,
    /// The caller's body.
    pub(crate) body: Bytes,
    /// What one call may use.
    pub(crate) estimate: Estimate,
}

/// A request being served.
struct Execution<'a> {
    work: &'a Work,
    plan: Plan,
    replier: Replier,
    /// Attempts made.
    k: u32,
    retries_used: u32,
    /// Attempts made at the present target, one that is being made included.
    tries_here: u32,
    /// The breaker's leave for the call that is being made.
    pass: Option<Pass>,
    /// The measure of the call that is being made, where paces matter.
    running: Option<Running>,
    /// What the platform has stepped in for.
    stepped_in: Option<Box<RouteFallback>>,
    /// The request in canonical form, once it was needed.
    decoded: Option<Arc<Request>>,
    /// Whether a provider refused what it is to get back unread.
    forget: bool,
    /// The first upstream call, and how long the request had waited then.
    first_call: Option<(Instant, u64)>,
}

/// Serves the request. When this returns, everything about it is on the event stream.
pub(crate) async fn execute(work: &Work, plan: Plan) {
    work.worker.budget.earn();
    work.job.ask(true);
    let replier = work.replier();
    let execution = Execution {
        work,
        plan,
        replier,
        k: 0,
        retries_used: 0,
        tries_here: 0,
        pass: None,
        running: None,
        stepped_in: None,
        decoded: None,
        forget: false,
        first_call: None,
    };
    execution.run().await;
    work.job.ask(false);
}

impl Execution<'_> {
    async fn run(mut self) {
        let mut at = 0;
        // What the last provider that was called said: it counts for more than that the next one cannot be asked.
        let mut said: Option<Fault> = None;
        loop {
            if let Some(stop) = self.work.job.stopped_now() {
                return self.unwanted(stop).await;
            }
            if self.work.left().is_zero() {
                return self.too_late().await;
            }
            self.tries_here += 1;
            let hop = self.hop(at);
            let mut failed = match self.attempt(&hop).await {
                Attempted::Settled => return,
                Attempted::Failed(failed) => failed,
                Attempted::Unfit(fault) => {
                    let ill = fault.code == FaultCode::NoHealthyRoute;
                    let left = if ill { Left::Ill } else { Left::Unfit };
                    let Some(next) = route::onwards(&self.plan.chain, at, left) else {
                        let fault = said.unwrap_or(*fault);
                        return self.work.close(CloseReason::Refused, None, Some(fault)).await;
                    };
                    self.leave(&hop, next, fault.code);
                    at = next;
                    continue;
                }
            };
            if hop.is_tenants() {
                failed.failure.speak_to_tenant();
            }
            said = Some(failed.failure.fault.clone());
            if failed.failure.class == Some(Class::Stale) && !failed.begun && !self.forget {
                failed.upstream.metrics.retry();
                self.forget = true;
                self.tries_here -= 1;
                self.pass_over(&hop, failed).await;
                continue;
            }
            let left = failed.failure.class.map_or(Left::Unfit, Left::Failed);
            let onwards = route::onwards(&self.plan.chain, at, left);
            match (self.next(&failed, onwards.is_some()), onwards) {
                (Next::GiveUp, _) | (Next::Target, None) => return self.fail(&hop, failed).await,
                (Next::Same(wait), _) => {
                    failed.upstream.metrics.retry();
                    self.retries_used += 1;
                    self.pass_over(&hop, failed).await;
                    self.rest(wait).await;
                }
                (Next::Target, Some(next)) => {
                    failed.upstream.metrics.fallback();
                    self.leave(&hop, next, failed.failure.fault.code);
                    self.pass_over(&hop, failed).await;
                    at = next;
                }
            }
        }
    }

    /// The place to be tried, with what the platform has stepped in for.
    fn hop(&self, at: usize) -> Hop {
        let mut hop = self.plan.chain[at].clone();
        if hop.fallback.is_none() && !hop.is_tenants() {
            hop.fallback.clone_from(&self.stepped_in);
        }
        hop
    }

    /// Goes on from a place to another one, for this reason.
    fn leave(&mut self, from: &Hop, to: usize, reason: FaultCode) {
        self.tries_here = 0;
        self.forget = false;
        if from.is_tenants() && !self.plan.chain[to].is_tenants() {
            self.stepped_in = Some(from.left_for(reason));
        }
    }

    fn next(&self, failed: &Failed, more_targets: bool) -> Next {
        // What has reached the caller cannot be taken back.
        let Some(class) = failed.failure.class.filter(|_| !failed.begun) else { return Next::GiveUp };
        let situation = Situation {
            class,
            hint: failed.failure.hint,
            tries_here: self.tries_here,
            retries_used: self.retries_used,
            more_targets,
            left: self.work.left(),
        };
        let config = &self.work.worker.config;
        let policy = Policy { retries_max: config.retries_max, delay: config.retry_delay };
        let draw = || self.work.worker.budget.draw(Instant::now().into_std());
        retry::next(&situation, &policy, Token::random().0, draw)
    }

    /// Waits before another try; a reason to stop ends the wait.
    async fn rest(&self, wait: Duration) {
        if wait.is_zero() {
            return;
        }
        tokio::select! {
            _ = self.work.job.stopped() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Nobody wants the answer any more, between two attempts.
    async fn unwanted(&self, stop: Stop) {
        self.work.worker.metrics.cancel(stop.label());
        self.work.close(CloseReason::Unwanted, None, None).await;
    }

    /// The deadline passed between two attempts.
    pub(super) async fn too_late(&self) {
        let fault = Fault::new(FaultCode::UpstreamTimeout, "The request's deadline passed.");
        self.work.close(CloseReason::DeadlineExceeded, None, Some(fault)).await;
    }
}
