//! What has arrived for one caller. The dispatcher puts pieces in and never waits; one HTTP response takes them
//! out. Whether anything was *released* to the caller is decided here, under one lock, because a claim may be
//! granted only while nothing was.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::fault::{Fault, FaultCode};
use proto::reply::Head;

/// A mailbox with one writer side and one reader.
#[derive(Debug)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    head: Option<Box<Head>>,
    pieces: VecDeque<Bytes>,
    queued_bytes: usize,
    end: Option<End>,
    /// A frame was accepted or a question answered: the request has reached a worker.
    heard: bool,
    /// The head or a piece was handed to the caller.
    released: bool,
    /// Whether the last piece ended an event, so that a comment or another event may follow.
    between_events: bool,
    ping: bool,
    active_at: Instant,
    waker: Option<Waker>,
}

#[derive(Debug)]
enum End {
    Complete,
    Failed(Box<Fault>),
}

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Whole {
    /// Status and headers.
    pub(crate) head: Head,
    /// The body in order.
    pub(crate) pieces: VecDeque<Bytes>,
}

/// A request that failed before anything was released.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Why.
    pub(crate) fault: Fault,
    /// What the worker said about the attempt, if it did.
    pub(crate) head: Option<Box<Head>>,
}

/// The next part of a stream.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// Bytes of the body.
    Data(Bytes),
    /// Nothing has come for a while: say so, lest something in between cuts the line.
    Ping,
    /// The stream broke. `between_events` tells whether the last event was whole.
    Fault {
        /// Why.
        fault: Box<Fault>,
        /// See there.
        between_events: bool,
    },
}

impl Mailbox {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            inner: Mutex::new(Inner {
                head: None,
                pieces: VecDeque::new(),
                queued_bytes: 0,
                end: None,
                heard: false,
                released: false,
                between_events: true,
                ping: false,
                active_at: now,
                waker: None,
            }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in the parts of one accepted frame. Returns whether no more than `queued_max` bytes now wait.
    pub(super) fn put(
        &self,
        head: Option<Head>,
        data: impl Iterator<Item = Bytes>,
        now: Instant,
        queued_max: usize,
    ) -> bool {
        let mut inner = self.inner();
        inner.heard = true;
        inner.active_at = now;
        if inner.head.is_none() {
            inner.head = head.map(Box::new);
        }
        for piece in data.filter(|piece| !piece.is_empty()) {
            inner.queued_bytes += piece.len();
            inner.between_events = piece.ends_with(b"\n\n");
            inner.pieces.push_back(piece);
        }
        let fits = inner.queued_bytes <= queued_max;
        inner.wake();
        fits
    }

    /// A worker has spoken of the request: it was stored, whatever became of the acknowledgement.
    pub(super) fn hear(&self) {
        let mut inner = self.inner();
        if !inner.heard {
            inner.heard = true;
            inner.wake();
        }
    }

    /// Nothing follows.
    pub(super) fn complete(&self) {
        let mut inner = self.inner();
        inner.end.get_or_insert(End::Complete);
        inner.wake();
    }

    /// The request failed; what has not been taken out yet of a stream still goes first.
    pub(super) fn fail(&self, fault: Fault) {
        let mut inner = self.inner();
        inner.end.get_or_insert(End::Failed(Box::new(fault)));
        inner.wake();
    }

    /// Forgets what arrived so that another delivery can start afresh; refused once anything was released.
    pub(super) fn reset(&self) -> bool {
        let mut inner = self.inner();
        if inner.released {
            return false;
        }
        inner.head = None;
        inner.pieces.clear();
        inner.queued_bytes = 0;
        inner.between_events = true;
        true
    }

    /// Whether anything was handed to the caller.
    pub(super) fn released(&self) -> bool {
        self.inner().released
    }

    /// Asks the reader for a keep-alive comment if a started stream has been silent for `silence`. Returns
    /// whether it did.
    pub(super) fn keep_alive(&self, now: Instant, silence: Duration) -> bool {
        let mut inner = self.inner();
        let idle = now.saturating_duration_since(inner.active_at) >= silence;
        if !(idle && inner.released && inner.between_events && inner.end.is_none()) {
            return false;
        }
        inner.active_at = now;
        inner.ping = true;
        inner.wake();
        true
    }

    /// Whether a worker has spoken of the request, or it ended.
    pub(crate) fn heard(&self) -> bool {
        let inner = self.inner();
        inner.heard || inner.end.is_some()
    }

    /// Ready once a worker has spoken of the request, or it ended.
    pub(crate) fn poll_heard(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner();
        if inner.heard || inner.end.is_some() { Poll::Ready(()) } else { inner.wait(cx) }
    }

    /// Ready once the answer is complete or has failed.
    pub(crate) fn poll_whole(&self, cx: &mut Context<'_>) -> Poll<Result<Whole, Failure>> {
        let mut inner = self.inner();
        match inner.end.take() {
            None => inner.wait(cx),
            Some(End::Failed(fault)) => Poll::Ready(Err(Failure { fault: *fault, head: inner.head.take() })),
            Some(End::Complete) => {
                inner.released = true;
                let pieces = std::mem::take(&mut inner.pieces);
                Poll::Ready(match inner.head.take() {
                    Some(head) => Ok(Whole { head: *head, pieces }),
                    None => Err(headless()),
                })
            }
        }
    }

    /// Ready once a stream has its head and its first bytes, or has ended without. From an `Ok` on the request
    /// counts as released: no other delivery can claim it.
    pub(crate) fn poll_first(&self, cx: &mut Context<'_>) -> Poll<Result<Head, Failure>> {
        let mut inner = self.inner();
        if matches!(inner.end, Some(End::Failed(_))) {
            let Some(End::Failed(fault)) = inner.end.take() else { return Poll::Pending };
            return Poll::Ready(Err(Failure { fault: *fault, head: inner.head.take() }));
        }
        if inner.pieces.is_empty() && inner.end.is_none() {
            return inner.wait(cx);
        }
        inner.released = true;
        Poll::Ready(inner.head.take().map(|head| *head).ok_or_else(headless))
    }

    /// The next part of a stream; `None` once it is complete, or after its fault.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Piece>> {
        let mut inner = self.inner();
        if let Some(piece) = inner.pieces.pop_front() {
            inner.queued_bytes -= piece.len();
            inner.ping = false;
            return Poll::Ready(Some(Piece::Data(piece)));
        }
        match &inner.end {
            Some(End::Complete) => return Poll::Ready(None),
            Some(End::Failed(_)) => {
                let between_events = inner.between_events;
                let Some(End::Failed(fault)) = inner.end.replace(End::Complete) else { return Poll::Pending };
                return Poll::Ready(Some(Piece::Fault { fault, between_events }));
            }
            None => {}
        }
        if std::mem::take(&mut inner.ping) {
            return Poll::Ready(Some(Piece::Ping));
        }
        inner.wait(cx)
    }
}

impl Inner {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn wait<T>(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        match &mut self.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

fn headless() -> Failure {
    let fault = Fault::new(FaultCode::Internal, "An answer arrived without its beginning.");
    Failure { fault, head: None }
}
