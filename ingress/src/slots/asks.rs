//! The two questions of a worker: may I serve it, and does anybody still wait?

use std::time::Instant;

use proto::ctl::{Answer, Ask, Cancel, Question};
use proto::event::Event;
use proto::fault::{Fault, FaultCode};

use super::closed::{Closed, How};
use super::frames::lost;
use super::{Slots, Table};

impl Slots {
    /// Answers a worker. The second value is for the delivery that a grant or a broken stream has fenced.
    pub(crate) fn ask(&self, ask: &Ask, now: Instant) -> (Answer, Option<Cancel>) {
        let mut table = self.table();
        if !table.open.contains_key(&ask.request.as_u128()) {
            return (table.closed.get_mut(ask.request).map_or(UNKNOWN, |closed| over(closed, ask)), None);
        }
        match ask.question {
            Question::Claim => self.claim(&mut table, ask, now),
            Question::Wanted => (self.wanted(&mut table, ask, now), None),
        }
    }

    fn claim(&self, table: &mut Table, ask: &Ask, now: Instant) -> (Answer, Option<Cancel>) {
        let Some(slot) = table.open.get_mut(&ask.request.as_u128()) else { return (UNKNOWN, None) };
        slot.mailbox.hear();
        let Some(bound) = slot.bound.filter(|bound| *bound != ask.token) else {
            slot.bound = Some(ask.token);
            slot.suspect_since = None;
            return (Answer::Granted, None);
        };
        if slot.mailbox.reset() {
            slot.suspect_since = None;
            return (Answer::Granted, slot.rebind(ask.token));
        }
        let cancel = table.fail(ask.request, broken_off(), now, &self.limits);
        if let Some(closed) = table.closed.get_mut(ask.request) {
            closed.how = How::BrokenOff;
        }
        (Answer::BrokenOff { bound }, cancel)
    }

    fn wanted(&self, table: &mut Table, ask: &Ask, now: Instant) -> Answer {
        let Some(slot) = table.open.get_mut(&ask.request.as_u128()) else { return UNKNOWN };
        if !slot.may_speak(ask.token) {
            let bound = slot.bound.filter(|_| slot.mailbox.released());
            return Answer::Gone { bound };
        }
        slot.suspect_since = None;
        slot.mailbox.hear();
        // Frames travel ahead of the question that counts them, so what had been sent by the question before
        // this one is here by now, or lost.
        let missing = |(token, sent)| token == ask.token && sent > slot.next_seq;
        if slot.sent_before.is_some_and(missing) {
            let bound = slot.bound.filter(|_| slot.mailbox.released());
            // The answer is the cancel.
            let _ = table.fail(ask.request, lost(), now, &self.limits);
            return Answer::Gone { bound };
        }
        slot.sent_before = Some((ask.token, ask.sent));
        Answer::Granted
    }
}

const UNKNOWN: Answer = Answer::Gone { bound: None };

/// The answer for a request that is over here.
fn over(closed: &Closed, ask: &Ask) -> Answer {
    let gone = Answer::Gone { bound: closed.reached_by() };
    let own = closed.bound == Some(ask.token);
    match (&closed.how, ask.question) {
        // A fenced delivery that asks on is to stop, not to publish.
        (How::Answered(_), Question::Wanted) if !own => gone,
        (How::Answered(event), Question::Claim | Question::Wanted) => match serde_json::from_slice(event) {
            Ok(event) => Answer::Done { event: Box::<Event>::new(event) },
            Err(_) => gone,
        },
        // The late outcome of the delivery that the caller heard is the caller's: say which it was.
        (How::Disconnected, Question::Claim) if closed.reached && !own => gone,
        (How::Disconnected, Question::Claim | Question::Wanted) => Answer::Disconnected,
        (How::BrokenOff, Question::Claim) => match closed.bound {
            Some(bound) if !own => Answer::BrokenOff { bound },
            _ => gone,
        },
        (How::BrokenOff, Question::Wanted) | (How::Failed, Question::Claim | Question::Wanted) => gone,
    }
}

fn broken_off() -> Fault {
    Fault::new(FaultCode::UpstreamError, "The answer broke off: the worker that produced it was lost.")
}
