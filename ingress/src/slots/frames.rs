//! What a reply frame does to the request it is for.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use proto::ctl::{Cancel, CancelReason};
use proto::envelope::Envelope;
use proto::fault::{Fault, FaultCode};
use proto::id::{RequestId, Token};
use proto::reply::{Frame, Head, Section};

use super::closed::{Closed, How};
use super::{Slots, Table};

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was taken in.
    Accepted,
    /// It was here before.
    Duplicate,
    /// Frames before it were lost: the request failed.
    Gap,
    /// More than the caller's bounded buffer holds: the request failed.
    Overflow,
    /// Of a delivery that has no say, or for a request that is over.
    Fenced,
}

/// A frame's verdict and what to tell the workers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// For whoever sent it, or for the delivery that lost its say.
    pub(crate) cancel: Option<Cancel>,
    /// The request, if the frame was the reason to give it up.
    pub(crate) given_up: Option<Arc<Envelope>>,
}

impl Heard {
    fn just(verdict: Verdict) -> Self {
        Self::telling(verdict, None)
    }

    fn telling(verdict: Verdict, cancel: Option<Cancel>) -> Self {
        Self { verdict, cancel, given_up: None }
    }
}

/// The sections of a frame, sorted.
#[derive(Default)]
struct Parts {
    head: Option<Head>,
    data: Vec<Bytes>,
    fault: Option<Fault>,
    end: Option<Bytes>,
}

impl Parts {
    fn of(sections: Vec<Section>) -> Self {
        let mut parts = Self::default();
        for section in sections {
            match section {
                Section::Head(head) => parts.head = Some(head),
                Section::Data(bytes) => parts.data.push(bytes),
                Section::Fault(fault) => parts.fault = Some(fault),
                // A copy, lest a tombstone keeps a whole answer in memory.
                Section::End(event) => parts.end = Some(Bytes::copy_from_slice(&event)),
            }
        }
        parts
    }
}

impl Slots {
    /// Takes in a frame for `request`.
    pub(crate) fn frame(&self, request: RequestId, frame: Frame, now: Instant) -> Heard {
        let mut table = self.table();
        let Some(slot) = table.open.get_mut(&request.as_u128()) else {
            return self.late_frame(&mut table, request, frame, now);
        };
        if !slot.may_speak(frame.token) {
            return Heard::telling(Verdict::Fenced, slot.cancel_once(frame.token));
        }
        slot.bound = Some(frame.token);
        slot.suspect_since = None;
        if frame.seq < slot.next_seq {
            return Heard::just(Verdict::Duplicate);
        }
        if frame.seq > slot.next_seq {
            let given_up = Some(slot.envelope());
            let cancel = table.fail(request, lost(), now, &self.limits);
            return Heard { verdict: Verdict::Gap, cancel, given_up };
        }
        slot.next_seq += 1;
        let parts = Parts::of(frame.sections);
        let queued_max =
            if slot.streaming() { self.limits.queued_bytes_max } else { self.limits.whole_bytes_max };
        let fits = slot.mailbox.put(parts.head, parts.data.into_iter(), now, queued_max);
        match (fits, parts.fault, parts.end) {
            (false, _, end) => {
                let fault = too_much(slot.streaming());
                let given_up = Some(slot.envelope());
                let cancel = table.fail(request, fault, now, &self.limits);
                if let Some(event) = end {
                    table.closed.settle(request, event, &self.limits);
                }
                Heard { verdict: Verdict::Overflow, cancel, given_up }
            }
            (true, None, None) => Heard::just(Verdict::Accepted),
            (true, fault, end) => self.finish(&mut table, request, fault, end, now),
        }
    }

    /// The answer is complete, or the worker says that it failed.
    fn finish(
        &self,
        table: &mut Table,
        request: RequestId,
        fault: Option<Fault>,
        end: Option<Bytes>,
        now: Instant,
    ) -> Heard {
        let Some(slot) = table.open.remove(&request.as_u128()) else {
            return Heard::just(Verdict::Accepted);
        };
        match fault {
            Some(fault) => slot.mailbox.fail(fault),
            None => slot.mailbox.complete(),
        }
        let mut closed = slot.close(end.map_or(How::Failed, How::Answered), now);
        // The caller is being told right now; the bound delivery is the one it hears.
        closed.reached = true;
        table.closed.bury(request, closed, &self.limits);
        Heard::just(Verdict::Accepted)
    }

    /// A frame for a request that is over here: its final event is worth keeping, its sender is told to stop.
    fn late_frame(&self, table: &mut Table, request: RequestId, frame: Frame, now: Instant) -> Heard {
        let Some(closed) = table.closed.get_mut(request) else {
            let mut closed = Closed::unknown(now);
            let cancel = stop(&mut closed, request, frame.token);
            table.closed.bury(request, closed, &self.limits);
            return Heard::telling(Verdict::Fenced, cancel);
        };
        let answered = matches!(closed.how, How::Answered(_));
        // A caller that left is served to its end by the first delivery that speaks, for the books alone.
        let bound = match closed.how {
            How::Disconnected => *closed.bound.get_or_insert(frame.token) == frame.token,
            How::Answered(_) | How::Failed | How::BrokenOff => closed.bound == Some(frame.token),
        };
        if bound && answered {
            return Heard::just(Verdict::Duplicate);
        }
        let cancel = stop(closed, request, frame.token);
        if bound && let Some(event) = Parts::of(frame.sections).end {
            // It has sent its last: there is nothing left to stop.
            table.closed.settle(request, event, &self.limits);
            return Heard::just(Verdict::Fenced);
        }
        Heard::telling(Verdict::Fenced, cancel)
    }
}

/// What the sender of a late frame is told, the first time.
fn stop(closed: &mut Closed, request: RequestId, token: Token) -> Option<Cancel> {
    let why = match closed.how {
        How::Disconnected if closed.bound.is_none_or(|bound| bound == token) => CancelReason::Disconnected,
        How::Disconnected | How::Answered(_) | How::Failed | How::BrokenOff => CancelReason::Fenced,
    };
    closed.told.first(token).then_some(Cancel { request, token: Some(token), why })
}

pub(super) fn lost() -> Fault {
    Fault::new(FaultCode::UpstreamError, "A part of the answer was lost.")
}

fn too_much(streaming: bool) -> Fault {
    let message = if streaming {
        "The stream was not read fast enough."
    } else {
        "The answer is larger than this gateway passes on."
    };
    Fault::new(FaultCode::UpstreamError, message)
}
