//! What time does to slots, looked at a few times a second instead of with a timer each: deadlines, contact lost
//! after a break, keep-alives, forgetting.

use std::time::Instant;

use proto::ctl::Cancel;
use proto::fault::{Fault, FaultCode};
use proto::id::RequestId;

use super::Slots;

/// What a sweep found.
#[derive(Debug, Default)]
pub(crate) struct Swept {
    /// For the workers of the requests that were ended.
    pub(crate) cancels: Vec<Cancel>,
    /// Requests past their deadline.
    pub(crate) expired: usize,
    /// Requests that nothing was heard of after a break.
    pub(crate) lost: usize,
}

impl Slots {
    /// Ends what is past its time, asks for keep-alives, forgets what is old.
    pub(crate) fn sweep(&self, now: Instant) -> Swept {
        let mut table = self.table();
        let mut expired: Vec<RequestId> = Vec::new();
        let mut lost: Vec<RequestId> = Vec::new();
        for slot in table.open.values() {
            let silent = |since| now.saturating_duration_since(since) >= self.limits.silence_max;
            if now >= slot.deadline {
                expired.push(slot.request());
            } else if slot.suspect_since.is_some_and(silent) {
                lost.push(slot.request());
            } else if slot.streaming() {
                slot.mailbox.keep_alive(now, self.limits.keep_alive);
            }
        }
        let mut swept = Swept { cancels: Vec::new(), expired: expired.len(), lost: lost.len() };
        for (requests, fault) in [(expired, too_late as fn() -> Fault), (lost, out_of_contact)] {
            for request in requests {
                swept.cancels.extend(table.fail(request, fault(), now, &self.limits));
            }
        }
        table.closed.expire(now, &self.limits);
        swept
    }

    /// The connection broke or came back: what is open now may have lost frames, and must be heard of soon.
    pub(crate) fn suspect_all(&self, now: Instant) {
        for slot in self.table().open.values_mut() {
            slot.suspect_since = Some(now);
        }
    }
}

fn too_late() -> Fault {
    Fault::new(FaultCode::UpstreamTimeout, "The request was not answered within its time.")
}

fn out_of_contact() -> Fault {
    let message = "Contact with the worker that serves the request was lost.";
    let mut fault = Fault::new(FaultCode::Unavailable, message);
    // A provider may have been called already.
    fault.retry = proto::fault::Retry::MayDuplicate;
    fault
}
