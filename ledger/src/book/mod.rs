//! The book: pure. (working set, event at a sequence and stream time) -> changes. No I/O, no clock.
//!
//! The working set holds every request with an attempt that is not over, and every one that has not ended; the
//! rest is in the database. [`Books::missing`] says what must be loaded before a batch can be applied; for nearly
//! every request that is nothing, because it can be proved to be new (see `recent`).

pub mod attempt;
pub mod changes;
pub mod request;
pub mod settle;
pub mod word;

mod recent;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use proto::config::Config;
use proto::event::{Announced, Closed, Event, Outcome as Settlement, Takeover};
use proto::id::RequestId;

use attempt::{Attempt, Call};
use changes::{Changes, IncidentKind};
use recent::Recent;
use request::{Closing, Request, Taken};

use crate::outcome::Outcome;

/// Configuration versions kept at hand; older ones are loaded again when a late event is priced with one.
const CONFIGS_MAX: usize = 16;
/// How long a request that the sweep cannot end stays at hand without an event, in milliseconds.
const IDLE_MAX_MS: u64 = 600_000;

/// Where an event stands on the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Its sequence.
    pub seq: u64,
    /// Its stream time, in milliseconds since the Unix epoch.
    pub ms: u64,
}

/// What must be loaded before a batch can be applied.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// Requests that may have rows.
    pub requests: BTreeSet<RequestId>,
    /// Configuration versions that may be stored.
    pub configs: BTreeSet<u64>,
}

/// The working set.
#[derive(Debug, Default)]
pub struct Books {
    requests: HashMap<RequestId, Request>,
    configs: BTreeMap<u64, Arc<Config>>,
    recent: Recent,
    /// Set after a write that contradicted the working set: then nothing is taken for new.
    pub distrust: bool,
}

impl Books {
    /// Books that hold nothing of what came up to stream time `ms`, except what is put into them.
    pub fn since(ms: u64) -> Self {
        Self { recent: Recent::since(ms), ..Self::default() }
    }

    /// Puts a loaded request (or an empty one, where there are no rows) into the working set.
    pub fn adopt(&mut self, id: RequestId, request: Request) {
        self.requests.insert(id, request);
    }

    /// Puts a loaded configuration version into the working set.
    pub fn adopt_config(&mut self, config: Arc<Config>) {
        self.configs.insert(config.version, config);
    }

    /// The request, if it is at hand.
    pub fn request(&self, id: RequestId) -> Option<&Request> {
        self.requests.get(&id)
    }

    /// Every request at hand.
    pub fn requests(&self) -> impl Iterator<Item = (RequestId, &Request)> {
        self.requests.iter().map(|(id, request)| (*id, request))
    }

    /// The configuration in force: the newest at hand.
    pub fn config(&self) -> Option<&Arc<Config>> {
        self.configs.last_key_value().map(|(_, config)| config)
    }

    /// How many upstream calls are not over.
    pub fn open_attempts(&self) -> usize {
        let attempts = self.requests.values().flat_map(|r| &r.attempts);
        attempts.filter(|a| a.is_open()).count()
    }

    /// What must be loaded before `events` can be applied.
    pub fn missing<'a>(&self, events: impl IntoIterator<Item = &'a Event>) -> Missing {
        let mut missing = Missing::default();
        for event in events {
            let priced_with = match event {
                Event::Attempt(e) => Some(e.priced_with),
                Event::Usage(e) => Some(e.priced_with),
                Event::Config(e) => Some(e.version),
                Event::Takeover(_) | Event::Closed(_) => None,
            };
            missing.configs.extend(priced_with.filter(|version| !self.configs.contains_key(version)));
            let (Some(id), Some(accepted_ms)) = (event.request(), accepted_ms(event)) else { continue };
            match self.requests.get(&id) {
                Some(request) if matches!(event, Event::Takeover(_)) => {
                    missing.configs.extend(self.unseen_configs(request));
                }
                Some(_) => {}
                None if self.distrust || self.recent.may_be_stored(id, accepted_ms) => {
                    missing.requests.insert(id);
                }
                None => {}
            }
        }
        missing
    }

    /// Configuration versions that the open attempts of `request` may be priced with and that are not at hand.
    pub fn unseen_configs(&self, request: &Request) -> BTreeSet<u64> {
        let open = request.attempts.iter().filter(|a| a.is_open());
        open.map(|a| a.call.priced_with).filter(|version| !self.configs.contains_key(version)).collect()
    }

    /// Applies one event.
    pub fn apply(&mut self, at: At, event: Event, changes: &mut Changes) {
        if let Some(id) = event.request() {
            changes.requests.push(id);
            self.requests.entry(id).or_default().last_ms = at.ms;
        }
        match event {
            Event::Attempt(event) => self.announced(at, event, changes),
            Event::Usage(event) => self.used(at, event, changes),
            Event::Takeover(event) => self.taken(at, &event, changes),
            Event::Closed(event) => self.closed(at, event, changes),
            Event::Config(event) => self.configured(at, event, changes),
        }
    }

    /// The batch is in the database: rows stand where they were written, and what is over is put aside.
    pub fn committed(&mut self, changes: &Changes, now_ms: u64) {
        for id in &changes.attempts {
            let request = self.requests.get_mut(&id.request);
            if let Some(attempt) = request.and_then(|r| r.attempts.iter_mut().find(|a| a.id == *id)) {
                attempt.stored = Some(attempt.seq());
                attempt.dirty = false;
            }
        }
        for id in &changes.requests {
            if self.requests.get(id).is_some_and(|r| r.ended() && !r.open()) {
                self.put_aside(*id);
            }
        }
        while self.configs.len() > CONFIGS_MAX {
            self.configs.pop_first();
        }
        self.recent.forget(now_ms);
    }

    /// Puts aside what nothing has been heard of for ten minutes of stream time; it can be loaded again. What has
    /// not ended and has a deadline stays until it is swept.
    pub fn put_idle_aside(&mut self, now_ms: u64) {
        let swept_later = |r: &Request| r.open() || (!r.ended() && r.deadline_ms().is_some());
        let idle = |r: &Request| !swept_later(r) && r.last_ms.saturating_add(IDLE_MAX_MS) < now_ms;
        let ids: Vec<_> = self.requests.iter().filter(|(_, r)| idle(r)).map(|(id, _)| *id).collect();
        for id in ids {
            self.put_aside(id);
        }
    }

    fn put_aside(&mut self, id: RequestId) {
        if let Some(request) = self.requests.remove(&id) {
            self.recent.insert(id, request.last_ms);
        }
    }

    fn announced(&mut self, at: At, event: Announced, changes: &mut Changes) {
        changes.counts.attempts += 1;
        let request = self.requests.entry(event.attempt.request).or_default();
        let Some(position) = request.position(event.attempt) else {
            let attempt = Attempt::announced(at, event);
            touch(request, attempt, changes);
            return;
        };
        let Some(attempt) = request.attempts.get_mut(position) else { return };
        let outcome = attempt.against_announced(&event);
        if attempt.announced.is_none() && outcome == Outcome::Exists {
            attempt.announced = Attempt::announced(at, event).announced;
            mark(attempt, changes);
        } else {
            let about = Some((event.attempt.request, attempt.subject.traceparent.as_deref()));
            changes.repeated(outcome, at, about, || format!("{}:announced", event.attempt));
        }
    }

    fn used(&mut self, at: At, event: Settlement, changes: &mut Changes) {
        changes.counts.usages += 1;
        let request = self.requests.entry(event.attempt.request).or_default();
        let owed = settle::payer(request, &event);
        let position = request.position(event.attempt).unwrap_or_else(|| {
            changes.counts.unannounced += 1;
            let call = Call::of(&event);
            let attempt = Attempt::blank(event.attempt, event.subject.clone(), call);
            touch(request, attempt, changes)
        });
        let Some(attempt) = request.attempts.get_mut(position) else { return };
        if let Some(there) = attempt.settled.as_ref() {
            let outcome = attempt.against_settled(there, &event);
            let about = Some((event.attempt.request, attempt.subject.traceparent.as_deref()));
            changes.repeated(outcome, at, about, || format!("{}:usage", event.attempt));
            return;
        }
        if !attempt.call.same(&event) || attempt.subject != event.subject {
            let note = "the outcome names another call than the announcement; its call stands".to_owned();
            let (kind, id) = (IncidentKind::UnlikeAnnouncement, format!("{}:usage", event.attempt));
            let traceparent = attempt.subject.traceparent.as_deref();
            changes.incident(kind, at, id, note).about(event.attempt.request, traceparent);
        }
        let config = self.configs.get(&event.priced_with).map(Arc::as_ref);
        settle::settle(attempt, at, owed, event, config, changes);
        mark(attempt, changes);
    }

    fn taken(&mut self, at: At, event: &Takeover, changes: &mut Changes) {
        changes.counts.takeovers += 1;
        let request = self.requests.entry(event.request).or_default();
        if request.takeovers.iter().any(|t| t.token == event.token) {
            changes.counts.repeated += 1;
            return;
        }
        let taken = Taken { token: event.token, seq: at.seq, at_ms: at.ms };
        request.takeovers.push(taken);
        changes.takeovers.push((event.request, taken));
        let open = |a: &&mut Attempt| a.is_open() && a.id.token != event.token;
        for attempt in request.attempts.iter_mut().filter(open) {
            let config = self.configs.get(&attempt.call.priced_with).map(Arc::as_ref);
            settle::give_up(attempt, at, config, changes);
            mark(attempt, changes);
        }
    }

    fn closed(&mut self, at: At, event: Closed, changes: &mut Changes) {
        changes.counts.closings += 1;
        let id = event.request;
        let request = self.requests.entry(id).or_default();
        if let Some(there) = request.closings.iter().find(|c| c.token == event.token) {
            let about = Some((id, there.subject.traceparent.as_deref()));
            let outcome = there.against(&event);
            changes.repeated(outcome, at, about, || format!("{id}.{}:closed", event.token));
            return;
        }
        let closing = Closing::of(at, event);
        request.closings.push(closing.clone());
        changes.closings.push((id, closing));
    }

    fn configured(&mut self, at: At, event: Config, changes: &mut Changes) {
        changes.counts.configs += 1;
        let version = event.version;
        if let Some(there) = self.configs.get(&version) {
            let outcome = Outcome::of([("document", **there != event)]);
            changes.repeated(outcome, at, None, || format!("config:{version}"));
            return;
        }
        let config = Arc::new(event);
        self.configs.insert(version, Arc::clone(&config));
        changes.configs.push((at.seq, config));
    }
}

/// When the request of an event was accepted.
fn accepted_ms(event: &Event) -> Option<u64> {
    event.particulars().map(|subject| subject.origin.accepted_ms)
}

/// Adds an attempt that must be written, and says where.
fn touch(request: &mut Request, mut attempt: Attempt, changes: &mut Changes) -> usize {
    mark(&mut attempt, changes);
    request.attempts.push(attempt);
    request.attempts.len() - 1
}

fn mark(attempt: &mut Attempt, changes: &mut Changes) {
    if !attempt.dirty {
        attempt.dirty = true;
        changes.attempts.push(attempt.id);
    }
}
