//! A provider's stream on its way to the caller: held back until there is content, then passed on in few frames.

use bytes::BytesMut;
use proto::dialect::BrokenStream;
use proto::dialect::codec;
use proto::reply::{FRAME_DATA_MAX, Head, Section};
use reqwest::Response;
use tokio::time::Instant;

use super::call::{Call, Trace};
use super::failure::Failure;
use crate::linger::{Due, Linger};
use crate::reply::Replier;

/// A stream that says nothing but preliminaries for this long, in bytes, is not going to answer.
const HELD_BACK_MAX: usize = 4 << 20;

/// One stream being passed on. Survives the call, so that what was produced is known when it is dropped.
pub(super) struct Relay<'a> {
    /// The dialect's view of it.
    pub(super) stream: Box<dyn codec::Relay>,
    replier: &'a mut Replier,
    waiting: BytesMut,
    linger: Linger,
    head: Option<Head>,
    first_call: Instant,
}

impl<'a> Relay<'a> {
    /// A stream of which nothing has arrived. `head` lacks only the time it took since `first_call`.
    pub(super) fn new(
        stream: Box<dyn codec::Relay>,
        replier: &'a mut Replier,
        linger: Linger,
        head: Head,
        first_call: Instant,
    ) -> Self {
        Self { stream, replier, waiting: BytesMut::new(), linger, head: Some(head), first_call }
    }

    /// Whether anything of it was passed on.
    pub(super) fn begun(&self) -> bool {
        self.head.is_none()
    }

    /// Passes the stream on until the provider has said that it is complete.
    pub(super) async fn run(
        &mut self,
        call: &Call<'_>,
        response: &mut Response,
        trace: &mut Trace,
    ) -> Result<(), Failure> {
        let limits = &call.limits;
        let mut silence = trace.started + limits.first_byte;
        while !self.stream.is_done() {
            let chunk = match self.flush_at() {
                None => limits.wait(silence, response.chunk()).await?,
                Some(at) => tokio::select! {
                    biased;
                    chunk = limits.wait(silence, response.chunk()) => chunk?,
                    () = tokio::time::sleep_until(at) => {
                        self.flush().await;
                        continue;
                    }
                },
            };
            match chunk.map_err(|error| call.broke_off(error))? {
                Some(bytes) => self.take(&bytes, trace).await?,
                None => {
                    self.stream.finish(&mut self.waiting).map_err(broken)?;
                    break;
                }
            }
            if self.begun() {
                silence = limits.silence();
            }
        }
        trace.content();
        Ok(())
    }

    async fn take(&mut self, bytes: &[u8], trace: &mut Trace) -> Result<(), Failure> {
        let pushed = self.stream.push(bytes, &mut self.waiting);
        if self.stream.has_content() {
            trace.content();
        }
        // What came with the break is not passed on yet: with nothing passed on, another target may still answer.
        pushed.map_err(broken)?;
        if self.stream.has_content() {
            if matches!(self.linger.due(self.waiting.len(), Instant::now()), Due::Now)
                && !self.stream.is_done()
            {
                self.flush().await;
            }
        } else if self.waiting.len() > HELD_BACK_MAX {
            return Err(broken(BrokenStream::TooLarge));
        }
        Ok(())
    }

    /// When what waits is to be sent at the latest.
    fn flush_at(&self) -> Option<Instant> {
        if !self.begun() {
            return None;
        }
        match self.linger.due(self.waiting.len(), Instant::now()) {
            Due::At(at) => Some(at),
            Due::Now => Some(Instant::now()),
            Due::Nothing => None,
        }
    }

    async fn flush(&mut self) {
        while !self.waiting.is_empty() {
            self.send_frame().await;
        }
        self.linger.sent(Instant::now());
    }

    async fn send_frame(&mut self) {
        let sections = self.take_waiting();
        self.replier.send(sections).await;
    }

    /// The sections for what waits, as far as one frame holds it; the head stands before the first of them.
    fn take_waiting(&mut self) -> Vec<Section> {
        let mut sections = Vec::with_capacity(4);
        if let Some(mut head) = self.head.take() {
            head.upstream_ms = u64::try_from(self.first_call.elapsed().as_millis()).unwrap_or(u64::MAX);
            sections.push(Section::Head(head));
        }
        if !self.waiting.is_empty() {
            let data = self.waiting.split_to(self.waiting.len().min(FRAME_DATA_MAX));
            sections.push(Section::Data(data.freeze()));
        }
        sections
    }

    /// Sends all but what the last frame of a success holds beside its end, and gives that.
    pub(super) async fn rest(mut self) -> Vec<Section> {
        while self.waiting.len() > FRAME_DATA_MAX {
            self.send_frame().await;
        }
        self.take_waiting()
    }

    /// The same for a failure: nothing is sent that was not begun before.
    pub(super) async fn rest_if_begun(self) -> Vec<Section> {
        if self.begun() { self.rest().await } else { Vec::with_capacity(2) }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "passed to map_err")]
fn broken(error: BrokenStream) -> Failure {
    Failure::broken(error.fault())
}
