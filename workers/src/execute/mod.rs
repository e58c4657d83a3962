//! From a chain of targets to one answer: attempts one after the other until one succeeds or the table in
//! [`crate::retry`] says that none will.
//!
//! Each attempt is announced on the event stream before its call and has exactly one outcome behind it.

mod attempt;
mod call;
mod failure;
mod finish;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proto::canonical::Request;
use proto::event::CloseReason;
use proto::fault::{Fault, FaultCode};
use proto::id::Token;
use proto::usage::Estimate;
use tokio::time::Instant;

use crate::jobs::Stop;
use crate::reply::Replier;
use crate::retry::{self, Class, Next, Policy, Situation};
use crate::route::Hop;
use crate::upstreams::UpstreamSet;
use crate::work::Work;
use attempt::{Attempted, Failed};

pub(crate) use attempt::no_route;

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
    Execution { work, plan, replier, k: 0, retries_used: 0, decoded: None, forget: false, first_call: None }
        .run()
        .await;
    work.job.ask(false);
}

impl Execution<'_> {
    async fn run(&mut self) {
        let mut at = 0;
        let mut tries_here = 0;
        // What the last provider that was called said: it counts for more than that the next one cannot be asked.
        let mut said: Option<Fault> = None;
        loop {
            if let Some(stop) = self.work.job.stopped_now() {
                return self.unwanted(stop).await;
            }
            if self.work.left().is_zero() {
                return self.too_late().await;
            }
            tries_here += 1;
            let hop = self.plan.chain[at].clone();
            let failed = match self.attempt(&hop).await {
                Attempted::Settled => return,
                Attempted::Failed(failed) => failed,
                Attempted::Unfit(_) if at + 1 < self.plan.chain.len() => {
                    at += 1;
                    tries_here = 0;
                    continue;
                }
                Attempted::Unfit(fault) => {
                    let fault = said.unwrap_or(*fault);
                    return self.work.close(CloseReason::Refused, None, Some(fault)).await;
                }
            };
            said = Some(failed.failure.fault.clone());
            if failed.failure.class == Some(Class::Stale) && !failed.begun && !self.forget {
                failed.upstream.metrics.retry();
                self.forget = true;
                tries_here -= 1;
                self.pass_over(&hop, failed).await;
                continue;
            }
            let more_targets = at + 1 < self.plan.chain.len();
            match self.next(&failed, tries_here, more_targets) {
                Next::GiveUp => return self.fail(&hop, failed).await,
                Next::Same(wait) => {
                    failed.upstream.metrics.retry();
                    self.retries_used += 1;
                    self.pass_over(&hop, failed).await;
                    self.rest(wait).await;
                }
                Next::Target => {
                    failed.upstream.metrics.fallback();
                    self.pass_over(&hop, failed).await;
                    at += 1;
                    tries_here = 0;
                    self.forget = false;
                }
            }
        }
    }

    fn next(&self, failed: &Failed, tries_here: u32, more_targets: bool) -> Next {
        // What has reached the caller cannot be taken back.
        let Some(class) = failed.failure.class.filter(|_| !failed.begun) else { return Next::GiveUp };
        let situation = Situation {
            class,
            hint: failed.failure.hint,
            tries_here,
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
