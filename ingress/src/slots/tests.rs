//! The crash rules as the ingress keeps them, without NATS.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::ctl::{Answer, Ask, Cancel, CancelReason, Question};
use proto::dialect::Dialect;
use proto::envelope::{Body, Envelope, OnDisconnect};
use proto::event::{CloseReason, Closed, Event, Origin, Subject};
use proto::fault::{Fault, FaultCode};
use proto::id::{IngressId, RequestId, Token};
use proto::reply::{Frame, Head, Section};

use super::{Mailbox, Piece, SlotLimits, Slots, Verdict};

const ONE: Token = Token(1);
const TWO: Token = Token(2);

struct Case {
    slots: Slots,
    request: RequestId,
    mailbox: Arc<Mailbox>,
    now: Instant,
}

fn envelope(request: RequestId, stream: bool) -> Arc<Envelope> {
    Arc::new(Envelope {
        v: Envelope::VERSION,
        request,
        ingress: IngressId(9),
        project: "acme".into(),
        key: "k".into(),
        dialect: Dialect::OpenaiChat,
        model: "m".into(),
        stream,
        include_usage: false,
        budget_ms: 60_000,
        config: 1,
        on_disconnect: OnDisconnect::Cancel,
        body: Body::Inline,
        body_bytes: 2,
        estimate: None,
        strict: false,
        anthropic_version: None,
        anthropic_beta: None,
        kept: None,
        client_request_id: None,
        traceparent: None,
        path: Vec::new(),
        hold: None,
    })
}

fn case(stream: bool) -> Case {
    with_limits(stream, SlotLimits::default())
}

fn with_limits(stream: bool, limits: SlotLimits) -> Case {
    let (slots, request, now) = (Slots::new(limits), RequestId::new(), Instant::now());
    let deadline = now + Duration::from_secs(60);
    let mailbox = slots.open(envelope(request, stream), deadline, now).unwrap();
    Case { slots, request, mailbox, now }
}

fn end_event(request: RequestId) -> Event {
    let envelope = envelope(request, false);
    let origin = Origin { stream: "REQUESTS".into(), seq: 1, accepted_ms: 1 };
    Event::Closed(Closed {
        request,
        token: ONE,
        subject: Subject::of(&envelope, origin),
        reason: CloseReason::Refused,
        fault: None,
        bound: None,
    })
}

fn head() -> Section {
    Section::Head(Head { status: 200, ..Head::default() })
}

fn data(text: &'static str) -> Section {
    Section::Data(Bytes::from_static(text.as_bytes()))
}

impl Case {
    fn frame(&self, token: Token, seq: u32, sections: Vec<Section>) -> (Verdict, Option<Cancel>) {
        let heard = self.slots.frame(self.request, Frame { token, seq, sections }, self.now);
        (heard.verdict, heard.cancel)
    }

    fn end(&self) -> Section {
        Section::End(serde_json::to_vec(&end_event(self.request)).unwrap().into())
    }

    fn ask(&self, question: Question, token: Token, sent: u32) -> Answer {
        self.slots.ask(&Ask { question, request: self.request, token, sent }, self.now).0
    }

    fn claim(&self, token: Token) -> (Answer, Option<Cancel>) {
        let ask = Ask { question: Question::Claim, request: self.request, token, sent: 0 };
        self.slots.ask(&ask, self.now)
    }

    fn cancel(&self, token: Option<Token>, why: CancelReason) -> Option<Cancel> {
        Some(Cancel { request: self.request, token, why })
    }

    fn first(&self) -> Option<Result<u16, FaultCode>> {
        match self.mailbox.poll_first(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(first) => Some(first.map(|head| head.status).map_err(|f| f.fault.code)),
            Poll::Pending => None,
        }
    }

    fn next(&self) -> Option<Option<Piece>> {
        match self.mailbox.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(piece) => Some(piece),
            Poll::Pending => None,
        }
    }

    fn whole(&self) -> Option<Result<String, FaultCode>> {
        match self.mailbox.poll_whole(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(whole) => Some(
                whole
                    .map(|w| String::from_utf8(w.pieces.into_iter().flatten().collect()).unwrap())
                    .map_err(|f| f.fault.code),
            ),
            Poll::Pending => None,
        }
    }
}

const ACCEPTED: (Verdict, Option<Cancel>) = (Verdict::Accepted, None);

#[test]
fn a_whole_answer_in_one_frame_or_several() {
    let c = case(false);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("{}"), c.end()]), ACCEPTED);
    assert_eq!(c.whole(), Some(Ok("{}".into())));
    let c = case(false);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("{")]), ACCEPTED);
    assert_eq!(c.whole(), None);
    assert_eq!(c.frame(ONE, 1, vec![data("}"), c.end()]), ACCEPTED);
    assert_eq!(c.whole(), Some(Ok("{}".into())));
    assert_eq!(c.slots.len(), (0, 1));
}

#[test]
fn the_first_token_is_bound_and_another_is_told_once() {
    let c = case(true);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a")]), ACCEPTED);
    assert_eq!(
        c.frame(TWO, 0, vec![head(), data("b")]),
        (Verdict::Fenced, c.cancel(Some(TWO), CancelReason::Fenced))
    );
    assert_eq!(c.frame(TWO, 1, vec![data("b")]), (Verdict::Fenced, None));
    assert_eq!(c.first(), Some(Ok(200)));
    assert_eq!(c.next(), Some(Some(Piece::Data("a".into()))));
    assert_eq!(c.next(), None);
}

#[test]
fn repeated_frames_are_ignored_and_a_gap_fails_loudly() {
    let c = case(true);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a")]), ACCEPTED);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a")]), (Verdict::Duplicate, None));
    assert_eq!(c.first(), Some(Ok(200)));
    let gap = c.frame(ONE, 2, vec![data("c")]);
    assert_eq!(gap, (Verdict::Gap, c.cancel(Some(ONE), CancelReason::Fenced)));
    assert_eq!(c.next(), Some(Some(Piece::Data("a".into()))));
    let Some(Some(Piece::Fault { fault, between_events: false })) = c.next() else { panic!("no fault") };
    assert_eq!(fault.code, FaultCode::UpstreamError);
    assert_eq!(c.next(), Some(None));
    // The last frame of the same delivery still settles the books.
    assert_eq!(c.frame(ONE, 3, vec![c.end()]).0, Verdict::Fenced);
    assert_eq!(c.ask(Question::Claim, TWO, 0), Answer::Done { event: Box::new(end_event(c.request)) });
}

#[test]
fn a_claim_is_granted_until_something_was_released() {
    let c = case(true);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a")]), ACCEPTED);
    let (answer, cancel) = c.claim(TWO);
    assert_eq!((answer, cancel), (Answer::Granted, c.cancel(Some(ONE), CancelReason::Fenced)));
    assert_eq!(c.first(), None);
    assert_eq!(c.frame(ONE, 1, vec![data("a")]), (Verdict::Fenced, None));
    assert_eq!(c.frame(TWO, 0, vec![head(), data("b")]), ACCEPTED);
    assert_eq!(c.claim(TWO), (Answer::Granted, None));
    assert_eq!(c.first(), Some(Ok(200)));
    let three = Token(3);
    let (answer, cancel) = c.claim(three);
    assert_eq!(answer, Answer::BrokenOff { bound: TWO });
    assert_eq!(cancel, c.cancel(Some(TWO), CancelReason::Fenced));
    assert_eq!(c.next(), Some(Some(Piece::Data("b".into()))));
    assert!(matches!(c.next(), Some(Some(Piece::Fault { .. }))));
    // The answer may have been lost: asked again, it is the same.
    assert_eq!(c.ask(Question::Claim, three, 0), Answer::BrokenOff { bound: TWO });
    assert_eq!(c.ask(Question::Wanted, TWO, 1), Answer::Gone { bound: Some(TWO) });
}

#[test]
fn a_claim_discards_the_first_half_of_a_whole_answer() {
    let c = case(false);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("lost")]), ACCEPTED);
    assert_eq!(c.ask(Question::Claim, TWO, 0), Answer::Granted);
    assert_eq!(c.frame(TWO, 0, vec![head(), data("whole"), c.end()]), ACCEPTED);
    assert_eq!(c.whole(), Some(Ok("whole".into())));
}

#[test]
fn a_tombstone_hands_out_its_event() {
    let c = case(false);
    let event = Box::new(end_event(c.request));
    assert_eq!(c.frame(ONE, 0, vec![head(), data("{}"), c.end()]), ACCEPTED);
    assert_eq!(c.ask(Question::Claim, TWO, 0), Answer::Done { event: event.clone() });
    assert_eq!(c.ask(Question::Wanted, ONE, 1), Answer::Done { event });
    assert_eq!(c.ask(Question::Wanted, TWO, 1), Answer::Gone { bound: Some(ONE) });
    // The worker may send its last frame again after a reconnect: that is no reason to stop it.
    assert_eq!(c.frame(ONE, 0, vec![head(), data("{}"), c.end()]), (Verdict::Duplicate, None));
    assert_eq!(c.frame(TWO, 0, vec![head()]), (Verdict::Fenced, c.cancel(Some(TWO), CancelReason::Fenced)));
}

#[test]
fn wanted_changes_nothing_while_all_is_well() {
    let c = case(true);
    assert_eq!(c.ask(Question::Wanted, ONE, 0), Answer::Granted);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a")]), ACCEPTED);
    assert_eq!(c.ask(Question::Wanted, ONE, 1), Answer::Granted);
    assert_eq!(c.ask(Question::Wanted, TWO, 0), Answer::Gone { bound: None });
    assert_eq!(c.first(), Some(Ok(200)));
    assert_eq!(c.ask(Question::Wanted, TWO, 0), Answer::Gone { bound: Some(ONE) });
}

#[test]
fn a_workers_question_proves_that_the_request_was_stored() {
    let c = case(false);
    assert!(!c.mailbox.heard());
    assert_eq!(c.ask(Question::Wanted, ONE, 0), Answer::Granted);
    assert!(c.mailbox.heard());
    assert_eq!(c.mailbox.poll_heard(&mut Context::from_waker(Waker::noop())), Poll::Ready(()));
}

#[test]
fn frames_missing_at_two_questions_fail_the_request() {
    let c = case(false);
    // At the first question the frame may still be on its way; at the second it would be here.
    assert_eq!(c.ask(Question::Wanted, ONE, 1), Answer::Granted);
    assert_eq!(c.ask(Question::Wanted, ONE, 1), Answer::Gone { bound: None });
    assert_eq!(c.whole(), Some(Err(FaultCode::UpstreamError)));
    let c = case(false);
    assert_eq!(c.ask(Question::Wanted, ONE, 1), Answer::Granted);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("{")]), ACCEPTED);
    assert_eq!(c.ask(Question::Wanted, ONE, 2), Answer::Granted);
}

#[test]
fn unknown_requests_are_gone_and_their_frames_unwanted() {
    let c = case(false);
    let request = RequestId::new();
    let ask = Ask { question: Question::Claim, request, token: ONE, sent: 0 };
    assert_eq!(c.slots.ask(&ask, c.now).0, Answer::Gone { bound: None });
    let frame = |seq| Frame { token: ONE, seq, sections: vec![head()] };
    let cancel = Some(Cancel { request, token: Some(ONE), why: CancelReason::Fenced });
    assert_eq!(c.slots.frame(request, frame(0), c.now).cancel, cancel);
    assert_eq!(c.slots.frame(request, frame(1), c.now).cancel, None);
}

#[test]
fn a_caller_that_left_is_remembered_until_the_end_arrives() {
    let c = case(true);
    assert_eq!(c.slots.leave(c.request, c.now), c.cancel(None, CancelReason::Disconnected));
    assert_eq!(c.slots.leave(c.request, c.now), None);
    assert_eq!(c.ask(Question::Wanted, ONE, 0), Answer::Disconnected);
    assert_eq!(c.ask(Question::Claim, ONE, 0), Answer::Disconnected);
    // A worker that missed the cancel is told when it speaks, and only once.
    let told = c.cancel(Some(ONE), CancelReason::Disconnected);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a")]), (Verdict::Fenced, told));
    assert_eq!(c.frame(ONE, 1, vec![data("b")]), (Verdict::Fenced, None));
    assert_eq!(c.frame(TWO, 0, vec![head()]).1, c.cancel(Some(TWO), CancelReason::Fenced));
    assert_eq!(c.frame(ONE, 2, vec![c.end()]), (Verdict::Fenced, None));
    assert_eq!(c.ask(Question::Claim, TWO, 0), Answer::Done { event: Box::new(end_event(c.request)) });
}

#[test]
fn a_caller_that_left_in_the_middle_has_heard_a_delivery() {
    let c = case(true);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a")]), ACCEPTED);
    assert_eq!(c.first(), Some(Ok(200)));
    assert!(c.slots.leave(c.request, c.now).is_some());
    assert_eq!(c.ask(Question::Wanted, ONE, 1), Answer::Disconnected);
    assert_eq!(c.ask(Question::Claim, TWO, 0), Answer::Gone { bound: Some(ONE) });
}

#[test]
fn a_fault_before_the_stream_begins_is_an_answer_and_after_it_an_event() {
    let fault = || Section::Fault(Fault::new(FaultCode::UpstreamOverloaded, "busy"));
    let c = case(true);
    assert_eq!(c.frame(ONE, 0, vec![fault(), c.end()]), ACCEPTED);
    assert_eq!(c.first(), Some(Err(FaultCode::UpstreamOverloaded)));
    let c = case(true);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a\n\n")]), ACCEPTED);
    assert_eq!(c.first(), Some(Ok(200)));
    assert_eq!(c.frame(ONE, 1, vec![fault(), c.end()]), ACCEPTED);
    assert_eq!(c.next(), Some(Some(Piece::Data("a\n\n".into()))));
    assert!(matches!(c.next(), Some(Some(Piece::Fault { between_events: true, .. }))));
    assert_eq!(c.next(), Some(None));
}

#[test]
fn an_answer_without_a_beginning_is_our_fault() {
    let c = case(false);
    assert_eq!(c.frame(ONE, 0, vec![c.end()]), ACCEPTED);
    assert_eq!(c.whole(), Some(Err(FaultCode::Internal)));
    let c = case(true);
    assert_eq!(c.frame(ONE, 0, vec![data("a")]), ACCEPTED);
    assert_eq!(c.first(), Some(Err(FaultCode::Internal)));
}

#[test]
fn a_slow_reader_loses_its_stream_and_nobody_elses() {
    let c = with_limits(true, SlotLimits { queued_bytes_max: 3, ..SlotLimits::default() });
    assert_eq!(c.frame(ONE, 0, vec![head(), data("ab")]), ACCEPTED);
    assert_eq!(c.first(), Some(Ok(200)));
    let overflow = c.frame(ONE, 1, vec![data("cd")]);
    assert_eq!(overflow, (Verdict::Overflow, c.cancel(Some(ONE), CancelReason::Fenced)));
    assert_eq!(c.slots.len(), (0, 1));
}

#[test]
fn a_deadline_ends_the_request_with_a_definite_error() {
    let c = case(false);
    assert!(c.slots.sweep(c.now + Duration::from_secs(59)).cancels.is_empty());
    let swept = c.slots.sweep(c.now + Duration::from_secs(60));
    assert_eq!(swept.cancels.first().copied(), c.cancel(None, CancelReason::Fenced));
    assert_eq!((swept.expired, swept.lost), (1, 0));
    assert_eq!(c.whole(), Some(Err(FaultCode::UpstreamTimeout)));
    assert_eq!(c.ask(Question::Claim, ONE, 0), Answer::Gone { bound: None });
}

#[test]
fn a_break_makes_silence_fatal_and_any_word_dispels_it() {
    let (silent, asked, heard) = (case(false), case(false), case(false));
    let later = silent.now + Duration::from_secs(20);
    for c in [&silent, &asked, &heard] {
        c.slots.suspect_all(c.now);
    }
    assert_eq!(asked.ask(Question::Wanted, ONE, 0), Answer::Granted);
    assert_eq!(heard.frame(ONE, 0, vec![head()]), ACCEPTED);
    assert_eq!(silent.slots.sweep(later).lost, 1);
    assert_eq!(asked.slots.sweep(later).lost + heard.slots.sweep(later).lost, 0);
    assert_eq!(silent.whole(), Some(Err(FaultCode::Unavailable)));
}

#[test]
fn a_silent_stream_is_kept_alive_between_events_only() {
    let c = case(true);
    let later = c.now + Duration::from_secs(16);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("half")]), ACCEPTED);
    assert_eq!(c.first(), Some(Ok(200)));
    assert_eq!(c.next(), Some(Some(Piece::Data("half".into()))));
    c.slots.sweep(later);
    assert_eq!(c.next(), None);
    assert_eq!(c.frame(ONE, 1, vec![data("done\n\n")]), ACCEPTED);
    assert!(matches!(c.next(), Some(Some(Piece::Data(_)))));
    c.slots.sweep(later);
    assert_eq!(c.next(), Some(Some(Piece::Ping)));
    assert_eq!(c.next(), None);
    c.slots.sweep(later + Duration::from_secs(1));
    assert_eq!(c.next(), None);
}

#[test]
fn what_is_remembered_is_bounded_in_number_bytes_and_age() {
    let limits =
        SlotLimits { closed_max: 3, closed_bytes_max: 2 * 1024, open_max: 2, ..SlotLimits::default() };
    let (slots, now) = (Slots::new(limits), Instant::now());
    let finish = |bytes: usize| {
        let request = RequestId::new();
        slots.open(envelope(request, false), now + Duration::from_secs(9), now).unwrap();
        let end = Section::End(vec![b'x'; bytes].into());
        slots.frame(request, Frame { token: ONE, seq: 0, sections: vec![head(), end] }, now);
    };
    (0..10).for_each(|_| finish(10));
    assert_eq!(slots.len(), (0, 3));
    (0..10).for_each(|_| finish(1000));
    assert_eq!(slots.len(), (0, 2));
    slots.sweep(now + Duration::from_secs(60));
    assert_eq!(slots.len(), (0, 0));
    for full in [false, false, true] {
        let opened = slots.open(envelope(RequestId::new(), false), now, now);
        assert_eq!(opened.is_err(), full);
    }
}

#[test]
fn an_abandoned_request_is_nobodys() {
    let c = case(false);
    c.slots.abandon(c.request, c.now);
    assert_eq!(c.ask(Question::Claim, ONE, 0), Answer::Gone { bound: None });
    assert_eq!(c.frame(ONE, 0, vec![head()]).1, c.cancel(Some(ONE), CancelReason::Fenced));
}

#[test]
fn a_shutdown_ends_all_that_is_open() {
    let c = case(true);
    assert_eq!(c.frame(ONE, 0, vec![head(), data("a\n\n")]), ACCEPTED);
    assert_eq!(c.first(), Some(Ok(200)));
    let cancels = c.slots.fail_all(&Fault::new(FaultCode::Unavailable, "bye"), c.now);
    assert_eq!(cancels.first().copied(), c.cancel(Some(ONE), CancelReason::Fenced));
    assert!(matches!(c.next(), Some(Some(Piece::Data(_)))));
    assert!(matches!(c.next(), Some(Some(Piece::Fault { .. }))));
}
