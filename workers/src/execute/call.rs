//! The upstream call itself: send, judge the head of the answer, read a whole answer.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use http::{StatusCode, header};
use proto::dialect::Dialect;
use proto::dialect::exchange::Exchange;
use proto::dialect::openai_chat::Answer;
use proto::fault::{Fault, FaultCode};
use proto::id::AttemptId;
use reqwest::{Request, Response};
use tokio::time::Instant;

use super::failure::{Failure, Limits};
use crate::error::chain;
use crate::http::{Outgoing, Upstream};

/// Calls that run at once where one attempt takes several.
const CALLS_AT_ONCE: usize = 8;
/// How much of an error's body is read.
const ERROR_BYTES_MAX: usize = 64 * 1024;
/// How long an error's body may take.
const ERROR_TIMEOUT: Duration = Duration::from_secs(5);

/// What is known of a call, also when it is dropped half-way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trace {
    /// When it was sent.
    pub(super) started: Instant,
    /// Whether the provider may have seen it.
    pub(super) sent: bool,
    /// The provider's status.
    pub(super) status: Option<StatusCode>,
    /// Whether it was a success, be it only of one call among several.
    billed: bool,
    /// From sending to the first content.
    pub(super) first_byte: Option<Duration>,
}

impl Trace {
    /// A call that starts now.
    pub(super) fn new() -> Self {
        Self { started: Instant::now(), sent: false, status: None, billed: false, first_byte: None }
    }

    /// Notes that content is there.
    pub(super) fn content(&mut self) {
        self.first_byte.get_or_insert_with(|| self.started.elapsed());
    }

    /// Whether the provider may have worked, and may bill for it, without having said how much.
    pub(super) fn may_be_billed(&self) -> bool {
        self.billed || (self.sent && self.status.is_none())
    }
}

/// One call's particulars.
pub(super) struct Call<'a> {
    pub(super) upstream: &'a Upstream,
    pub(super) exchange: Exchange,
    pub(super) model: &'a str,
    pub(super) stream: bool,
    pub(super) attempt: AttemptId,
    pub(super) traceparent: Option<&'a str>,
    pub(super) limits: Limits,
}

impl Call<'_> {
    /// Sends, and reads the head of the answer. Anything but a success of the type asked for is a failure.
    pub(super) async fn open(&self, body: &Bytes, trace: &mut Trace) -> Result<Response, Failure> {
        // The first content of each of several calls may take as long as that of one.
        let first_byte = trace.started + self.limits.first_byte;
        let request = self.limits.wait(first_byte, self.prepare(body)).await??;
        trace.sent = true;
        let sent = self.upstream.send(request);
        let response = match self.limits.wait(first_byte, sent).await? {
            Ok(response) => response,
            Err(error) => {
                trace.sent = !error.is_connect();
                return Err(self.broke_off(error));
            }
        };
        trace.status = Some(response.status());
        trace.billed = response.status() == StatusCode::OK;
        if response.status() != StatusCode::OK {
            return Err(self.refusal(response).await);
        }
        let expected = match (self.stream, self.exchange.dialect) {
            (false, _) => "application/json",
            (true, Dialect::BedrockConverse) => "application/vnd.amazon.eventstream",
            (true, _) => "text/event-stream",
        };
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok());
        if content_type.is_some_and(|given| has_type(given, expected)) {
            return Ok(response);
        }
        let fault =
            Fault::new(FaultCode::UpstreamError, "The provider's answer is not of the type asked for.");
        Err(Failure::broken(fault))
    }

    async fn prepare(&self, body: &Bytes) -> Result<Request, Failure> {
        let outgoing = Outgoing {
            dialect: self.exchange.dialect,
            model: self.model,
            stream: self.stream,
            body: body.clone(),
            headers: &self.exchange.headers,
            attempt: self.attempt,
            traceparent: self.traceparent,
        };
        self.upstream.prepare(&outgoing).await.map_err(|error| {
            tracing::error!(
                attempt = %self.attempt,
                traceparent = self.traceparent,
                provider = self.upstream.provider.name,
                error = chain(&error),
                "call not made"
            );
            Failure::unprepared()
        })
    }

    async fn refusal(&self, mut response: Response) -> Failure {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = tokio::time::timeout(ERROR_TIMEOUT, beginning(&mut response)).await.unwrap_or_default();
        (self.upstream.adapter.classify)(status, &headers, &body).into()
    }

    /// Makes the call, or all of them where it takes several, and reads the whole answer.
    pub(super) async fn whole(&self, trace: &mut Trace) -> Result<(Bytes, Answer), Failure> {
        let answers = match self.exchange.bodies.as_slice() {
            [body] => {
                let response = self.open(body, trace).await?;
                vec![self.read(response, trace).await?]
            }
            several => self.several(several, trace).await?,
        };
        self.exchange.answer(answers).map_err(|unread| Failure {
            reported: unread.reported.map(Box::new),
            ..Failure::broken(unread.bad.fault())
        })
    }

    /// All answers or none, a few calls at once.
    async fn several(&self, bodies: &[Bytes], trace: &mut Trace) -> Result<Vec<Bytes>, Failure> {
        let one = async |body: &Bytes| {
            let mut own = Trace::new();
            let answer = async {
                let response = self.open(body, &mut own).await?;
                self.read(response, &mut own).await
            };
            let answer = answer.await;
            (own, answer)
        };
        trace.sent = true;
        let mut calls = futures_util::stream::iter(bodies).map(one).buffered(CALLS_AT_ONCE);
        let (mut answers, mut bytes) = (Vec::with_capacity(bodies.len()), 0);
        while let Some((own, answer)) = calls.next().await {
            trace.status = own.status;
            trace.billed |= own.billed;
            trace.content();
            let answer = answer?;
            bytes += answer.len();
            if bytes > self.limits.bytes_max {
                return Err(Failure::too_large());
            }
            answers.push(answer);
        }
        Ok(answers)
    }

    /// Reads a whole answer, byte for byte.
    async fn read(&self, mut response: Response, trace: &mut Trace) -> Result<Bytes, Failure> {
        trace.content();
        let max = self.limits.bytes_max;
        let announced = response.content_length().unwrap_or(0);
        if usize::try_from(announced).unwrap_or(usize::MAX) > max {
            return Err(Failure::too_large());
        }
        let mut body = self.chunk(&mut response).await?.unwrap_or_default();
        // Most answers come in one piece, which is passed on as it is.
        if let Some(second) = self.chunk(&mut response).await? {
            let mut whole =
                BytesMut::with_capacity(usize::try_from(announced).unwrap_or(0).max(body.len() * 2));
            whole.extend_from_slice(&body);
            whole.extend_from_slice(&second);
            while let Some(chunk) = self.chunk(&mut response).await? {
                if whole.len() + chunk.len() > max {
                    return Err(Failure::too_large());
                }
                whole.extend_from_slice(&chunk);
            }
            body = whole.freeze();
        }
        Ok(body)
    }

    async fn chunk(&self, response: &mut Response) -> Result<Option<Bytes>, Failure> {
        let chunk = self.limits.wait(self.limits.silence(), response.chunk()).await?;
        chunk.map_err(|error| self.broke_off(error))
    }

    /// The exchange failed below HTTP. The client's own text names hosts, so it goes to the log alone.
    pub(super) fn broke_off(&self, error: reqwest::Error) -> Failure {
        let connecting = error.is_connect();
        let error = error.without_url();
        tracing::debug!(
            request_id = %self.attempt.request,
            attempt = %self.attempt,
            traceparent = self.traceparent,
            error = chain(&error),
            connecting,
            "upstream exchange failed"
        );
        Failure::transport(connecting)
    }
}

/// The beginning of a body, as far as it can be had.
async fn beginning(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = ERROR_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if body.len() == ERROR_BYTES_MAX {
            break;
        }
    }
    body
}

/// Whether a content type is `expected`, parameters and case apart.
fn has_type(given: &str, expected: &str) -> bool {
    given.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(expected))
}

#[cfg(test)]
mod tests {
    use super::has_type;

    #[test]
    fn parameters_and_case_of_content_types_do_not_matter() {
        assert!(has_type("application/json", "application/json"));
        assert!(has_type("Application/JSON; charset=utf-8", "application/json"));
        assert!(!has_type("application/jsonl", "application/json"));
        assert!(!has_type("text/html", "application/json"));
    }
}
