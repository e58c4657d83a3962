//! The one task that takes in what workers send: reply frames and questions. It never waits for anything but the
//! next message, because a subscription whose channel is full drops messages silently.

use std::time::{Duration, Instant};

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use proto::ctl::Ask;
use proto::id::RequestId;
use proto::reply::Frame;
use tokio::time::MissedTickBehavior;

use crate::metrics::EndedBy;
use crate::state::App;

/// How often slots are looked at for what time does to them.
const SWEEP_EVERY: Duration = Duration::from_millis(250);
/// Idle source addresses are forgotten every so many sweeps.
const FORGET_EVERY: u32 = 120;

/// Runs until a subscription ends, which it does only with the connection's client itself.
pub(crate) async fn run(app: &App, mut replies: Subscriber, mut asks: Subscriber) {
    let mut sweeps = 0_u32;
    let mut tick = tokio::time::interval(SWEEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = replies.next() => match message {
                Some(message) => take_frame(app, &message),
                None => return,
            },
            message = asks.next() => match message {
                Some(message) => take_ask(app, message),
                None => return,
            },
            _ = tick.tick() => {
                sweeps = sweeps.wrapping_add(1);
                sweep(app, sweeps);
            }
        }
    }
}

fn take_frame(app: &App, message: &Message) {
    let request = message.subject.rsplit('.').next().and_then(|id| id.parse::<RequestId>().ok());
    let (Some(request), Ok(frame)) = (request, Frame::decode(&message.payload)) else {
        app.metrics.damaged_frame();
        tracing::warn!(subject = %message.subject, "a message on a reply subject is not a frame");
        return;
    };
    let token = frame.token;
    let heard = app.slots.frame(request, frame, Instant::now());
    app.metrics.frame(heard.verdict);
    if let Some(envelope) = heard.given_up {
        tracing::warn!(
            request_id = %request,
            traceparent = envelope.traceparent,
            token = %token,
            verdict = ?heard.verdict,
            "an answer was given up"
        );
    }
    if let Some(cancel) = heard.cancel {
        app.outbox.cancel(cancel);
    }
}

fn take_ask(app: &App, message: Message) {
    let (Some(reply), Ok(ask)) = (message.reply, serde_json::from_slice::<Ask>(&message.payload)) else {
        tracing::warn!("a question of a worker does not decode");
        return;
    };
    let (answer, cancel) = app.slots.ask(&ask, Instant::now());
    app.metrics.asked(ask.question, &answer);
    tracing::debug!(
        request_id = %ask.request,
        traceparent = app.slots.find(ask.request).and_then(|envelope| envelope.traceparent.clone()),
        token = %ask.token,
        question = ?ask.question,
        ?answer,
        "asked"
    );
    app.outbox.answer(reply, answer);
    if let Some(cancel) = cancel {
        app.outbox.cancel(cancel);
    }
}

fn sweep(app: &App, sweeps: u32) {
    let swept = app.slots.sweep(Instant::now());
    app.metrics.ended(EndedBy::Deadline, swept.expired);
    app.metrics.ended(EndedBy::Contact, swept.lost);
    for cancel in swept.cancels {
        app.outbox.cancel(cancel);
    }
    app.metrics.slots(app.slots.len());
    app.metrics.bodies(app.bodies.held());
    if sweeps.is_multiple_of(FORGET_EVERY) {
        app.limits.forget_idle();
    }
}
