//! The requests this process works on: who they are, whether they are to stop, how far their answer has come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use async_nats::Subject;
use proto::ctl::{Cancel, CancelReason};
use proto::dialect::openai_responses::response_id;
use proto::envelope::{Envelope, OnDisconnect};
use proto::id::{IngressId, RequestId, Token};
use proto::stored::Key;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Why a running request is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The caller went away.
    Disconnected,
    /// The ingress is gone, and with it the caller.
    Unreachable,
    /// The ingress has closed the request while it was bound to this delivery.
    Closed,
    /// Another delivery is bound, or the answer is of no use.
    Fenced,
    /// The caller wants a background response no more.
    Asked,
}

impl Stop {
    const ALL: [Self; 5] = [Self::Disconnected, Self::Unreachable, Self::Closed, Self::Fenced, Self::Asked];

    /// The reason as a metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Unreachable => "unreachable",
            Self::Closed => "closed",
            Self::Fenced => "fenced",
            Self::Asked => "asked",
        }
    }
}

/// One request that this process works on.
#[derive(Debug)]
pub(crate) struct Job {
    /// The request.
    pub(crate) request: RequestId,
    /// This delivery of it.
    pub(crate) token: Token,
    /// Who waits for the answer.
    pub(crate) ingress: IngressId,
    /// Its trace context, beside the id in every log line about it.
    pub(crate) traceparent: Option<String>,
    /// Where acknowledgements go.
    pub(crate) ack: Subject,
    /// Where a background response is kept: nobody waits for it, and nobody is asked.
    pub(crate) background: Option<Key>,
    drains: bool,
    /// 0 while it runs, else one more than the place in [`Stop::ALL`].
    stop: AtomicU8,
    wake: Notify,
    detached: AtomicBool,
    asking: AtomicBool,
    sent: AtomicU32,
    silent: AtomicU32,
    ticked_ms: AtomicU64,
    abort: OnceLock<AbortHandle>,
}

impl Job {
    /// A delivery that begins at `now_ms` of the process's own clock. Takes the trace context out of the envelope:
    /// it is needed here alone, and need not be copied.
    pub(crate) fn new(envelope: &mut Envelope, ack: Subject, now_ms: u64) -> Self {
        Self {
            request: envelope.request,
            token: Token::random(),
            ingress: envelope.ingress,
            traceparent: envelope.traceparent.take(),
            ack,
            background: background(envelope),
            drains: envelope.on_disconnect == OnDisconnect::Drain,
            stop: AtomicU8::new(0),
            wake: Notify::new(),
            detached: AtomicBool::new(false),
            asking: AtomicBool::new(false),
            sent: AtomicU32::new(0),
            silent: AtomicU32::new(0),
            ticked_ms: AtomicU64::new(now_ms),
            abort: OnceLock::new(),
        }
    }

    /// Asks the job to stop. A caller that went away only detaches a job whose project wants it drained.
    pub(crate) fn stop(&self, why: Stop) {
        if self.drains && matches!(why, Stop::Disconnected | Stop::Unreachable) {
            self.detached.store(true, Ordering::Relaxed);
            return;
        }
        let code = Stop::ALL.iter().position(|s| *s == why).map_or(0, |at| at + 1);
        let code = u8::try_from(code).unwrap_or(u8::MAX);
        if self.stop.compare_exchange(0, code, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.wake.notify_one();
        }
    }

    /// The ingress says that it knows nothing of the request any more, or whom it is bound to.
    pub(crate) fn gone(&self, bound: Option<Token>) {
        match bound {
            None if self.detached() => {}
            Some(token) if token == self.token => self.stop(Stop::Closed),
            Some(_) | None => self.stop(Stop::Fenced),
        }
    }

    /// The ingress did not answer once more; twice in a row means that it is gone.
    pub(crate) fn unanswered(&self) {
        if self.silent.fetch_add(1, Ordering::Relaxed) >= 1 {
            self.stop(Stop::Unreachable);
        }
    }

    /// The ingress answered.
    pub(crate) fn answered(&self) {
        self.silent.store(0, Ordering::Relaxed);
    }

    /// Whether it is to stop, and why.
    pub(crate) fn stopped_now(&self) -> Option<Stop> {
        let code = usize::from(self.stop.load(Ordering::Relaxed));
        code.checked_sub(1).and_then(|at| Stop::ALL.get(at)).copied()
    }

    /// Waits until it is to stop. One waiter at a time.
    pub(crate) async fn stopped(&self) -> Stop {
        loop {
            if let Some(why) = self.stopped_now() {
                return why;
            }
            self.wake.notified().await;
        }
    }

    /// Whether it runs on for the books alone.
    pub(crate) fn detached(&self) -> bool {
        self.detached.load(Ordering::Relaxed)
    }

    /// Whether the ingress is asked with every tick if the answer is still wanted.
    pub(crate) fn ask(&self, asking: bool) {
        self.asking.store(asking, Ordering::Relaxed);
    }

    /// See [`Job::ask`].
    pub(crate) fn asking(&self) -> bool {
        self.asking.load(Ordering::Relaxed)
    }

    /// How many frames it has sent.
    pub(crate) fn sent(&self) -> u32 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sets how many frames it has sent.
    pub(crate) fn set_sent(&self, sent: u32) {
        self.sent.store(sent, Ordering::Relaxed);
    }

    /// Lets the job be ended from outside.
    pub(crate) fn set_abort(&self, handle: AbortHandle) {
        // Set once, by whoever spawned it.
        self.abort.get_or_init(|| handle);
    }
}

fn background(envelope: &Envelope) -> Option<Key> {
    let asked = envelope.kept.as_ref().is_some_and(|kept| kept.background);
    asked.then(|| Key::new(&envelope.project, response_id(envelope.request)))
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    running: Mutex<HashMap<RequestId, Arc<Job>>>,
    finished: AtomicU64,
    starved: AtomicBool,
    freed: Notify,
}

impl Jobs {
    /// Takes a job in; `false` if this process works on the request already.
    pub(crate) fn enter(&self, job: &Arc<Job>) -> bool {
        let mut running = self.lock();
        if running.contains_key(&job.request) {
            return false;
        }
        running.insert(job.request, Arc::clone(job));
        true
    }

    /// A job has ended.
    pub(crate) fn leave(&self, request: RequestId) {
        self.lock().remove(&request);
        self.finished.fetch_add(1, Ordering::Relaxed);
        if self.starved.swap(false, Ordering::Relaxed) {
            self.freed.notify_one();
        }
    }

    /// How many there are.
    pub(crate) fn running(&self) -> usize {
        self.lock().len()
    }

    /// How many have ended since this was last asked.
    pub(crate) fn take_finished(&self) -> u64 {
        self.finished.swap(0, Ordering::Relaxed)
    }

    /// Waits until the next job ends. Costs the jobs nothing while nobody waits.
    pub(crate) async fn freed(&self) {
        self.starved.store(true, Ordering::Relaxed);
        self.freed.notified().await;
    }

    /// Passes a cancellation on to the job that it means, if it is one of ours.
    pub(crate) fn cancel(&self, cancel: &Cancel) {
        let Some(job) = self.lock().get(&cancel.request).cloned() else { return };
        if cancel.token.is_none_or(|token| token == job.token) {
            job.stop(match cancel.why {
                CancelReason::Disconnected => Stop::Disconnected,
                CancelReason::Fenced => Stop::Fenced,
                CancelReason::Asked => Stop::Asked,
            });
        }
    }

    /// Those that have not given a sign of life for `tick_ms`; they count as having given it `now_ms`.
    pub(crate) fn due(&self, now_ms: u64, tick_ms: u64) -> Vec<Arc<Job>> {
        let is_due = |job: &&Arc<Job>| job.ticked_ms.load(Ordering::Relaxed) + tick_ms <= now_ms;
        let due: Vec<Arc<Job>> = self.lock().values().filter(is_due).cloned().collect();
        for job in &due {
            job.ticked_ms.store(now_ms, Ordering::Relaxed);
        }
        due
    }

    /// Ends all that still run, at once. Their requests are delivered again, to somebody else.
    pub(crate) fn abandon(&self) -> usize {
        let running: Vec<Arc<Job>> = self.lock().drain().map(|(_, job)| job).collect();
        for job in &running {
            if let Some(abort) = job.abort.get() {
                abort.abort();
            }
        }
        running.len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Arc<Job>>> {
        // The map is whole after every statement, so a panic elsewhere does not spoil it.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    fn job(on_disconnect: OnDisconnect) -> Arc<Job> {
        let mut envelope = Envelope { on_disconnect, ..testing::envelope() };
        Arc::new(Job::new(&mut envelope, "ack".into(), 0))
    }

    #[test]
    fn a_cancel_reaches_only_the_delivery_it_means() {
        let (jobs, job) = (Jobs::default(), job(OnDisconnect::Cancel));
        assert!(jobs.enter(&job) && !jobs.enter(&job));
        let cancel = |token| Cancel { request: job.request, token, why: CancelReason::Fenced };
        jobs.cancel(&cancel(Some(Token(1))));
        jobs.cancel(&Cancel { request: RequestId::new(), ..cancel(None) });
        assert_eq!(job.stopped_now(), None);
        jobs.cancel(&cancel(Some(job.token)));
        assert_eq!(job.stopped_now(), Some(Stop::Fenced));
    }

    #[test]
    fn a_draining_job_is_detached_and_stopped_only_by_a_fence() {
        let job = job(OnDisconnect::Drain);
        job.stop(Stop::Disconnected);
        job.unanswered();
        job.unanswered();
        job.gone(None);
        assert!(job.detached());
        assert_eq!(job.stopped_now(), None);
        job.gone(Some(Token(1)));
        assert_eq!(job.stopped_now(), Some(Stop::Fenced));
    }

    #[test]
    fn one_unanswered_question_is_not_the_end() {
        let job = job(OnDisconnect::Cancel);
        job.unanswered();
        job.answered();
        job.unanswered();
        assert_eq!(job.stopped_now(), None);
        job.unanswered();
        assert_eq!(job.stopped_now(), Some(Stop::Unreachable));
        job.stop(Stop::Fenced);
        assert_eq!(job.stopped_now(), Some(Stop::Unreachable), "the first reason stands");
    }

    #[test]
    fn ticks_come_due_once() {
        let (jobs, job) = (Jobs::default(), job(OnDisconnect::Cancel));
        jobs.enter(&job);
        assert!(jobs.due(1499, 1500).is_empty());
        assert_eq!(jobs.due(1500, 1500).len(), 1);
        assert!(jobs.due(1600, 1500).is_empty());
    }

    #[tokio::test]
    async fn whoever_waits_for_a_free_slot_is_woken() {
        let (jobs, job) = (Arc::new(Jobs::default()), job(OnDisconnect::Cancel));
        jobs.enter(&job);
        let leaver = Arc::clone(&jobs);
        let task = tokio::spawn(async move { leaver.leave(job.request) });
        tokio::time::timeout(std::time::Duration::from_secs(1), jobs.freed()).await.unwrap();
        task.await.unwrap();
        assert_eq!((jobs.running(), jobs.take_finished(), jobs.take_finished()), (0, 1, 0));
    }
}
