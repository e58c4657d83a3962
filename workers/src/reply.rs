//! Frames on their way to the ingress: numbered, encoded once, in order.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, Subject};
use bytes::Bytes;
use proto::reply::{FRAME_DATA_MAX, Frame, Head, Section};
use proto::subject;

use crate::background::Chunks;
use crate::jobs::Job;

/// A connection that takes no frame for this long is broken; the ingress will see the gap.
const PUBLISH_TIMEOUT: Duration = Duration::from_secs(10);

/// The frames of one delivery.
pub(crate) struct Replier {
    client: Client,
    subject: Subject,
    job: Arc<Job>,
    seq: u32,
    /// Where a background response's events go instead.
    chunks: Option<Chunks>,
}

impl Replier {
    /// Goes on behind the frames that the job has sent so far.
    pub(crate) fn new(client: Client, job: Arc<Job>) -> Self {
        let subject = Subject::from(subject::reply(job.ingress, job.request));
        let seq = job.sent();
        Self { client, subject, job, seq, chunks: None }
    }

    /// The same, with data kept in place of being sent.
    pub(crate) fn into_chunks(self, chunks: Chunks) -> Self {
        Self { chunks: Some(chunks), ..self }
    }

    /// How many frames have been sent.
    pub(crate) fn sent(&self) -> u32 {
        self.seq
    }

    /// Sends the next frame and gives its bytes, for sending it again. A job that runs for the books alone sends
    /// nothing but its end.
    pub(crate) async fn send(&mut self, sections: Vec<Section>) -> Option<Bytes> {
        if self.job.background.is_some() {
            self.keep(sections).await;
            return None;
        }
        let frame = Frame { token: self.job.token, seq: self.seq, sections };
        if self.job.detached() && !frame.is_last() {
            return None;
        }
        let bytes = match frame.encode() {
            Ok(bytes) => bytes,
            Err(error) => {
                let job = &self.job;
                tracing::error!(
                    request_id = %job.request, traceparent = job.traceparent, %error, "a frame does not encode"
                );
                return None;
            }
        };
        // Counted before it is sent: a frame that is lost must leave a gap.
        self.seq += 1;
        self.job.set_sent(self.seq);
        self.publish(bytes.clone()).await;
        Some(bytes)
    }

    /// Nobody waits for a background response: what is to be said again later is stored, and the rest is not said.
    async fn keep(&mut self, sections: Vec<Section>) {
        let Some(chunks) = &mut self.chunks else { return };
        for section in sections {
            if let Section::Data(events) = section {
                chunks.append(&self.job, &events).await;
                self.seq += 1;
            }
        }
    }

    /// Sends a frame once more, as it was.
    pub(crate) async fn publish(&self, bytes: Bytes) {
        let sent = self.client.publish(self.subject.clone(), bytes);
        let job = &self.job;
        match tokio::time::timeout(PUBLISH_TIMEOUT, sent).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(
                request_id = %job.request, traceparent = job.traceparent, %error, "frame not sent"
            ),
            Err(_) => tracing::warn!(
                request_id = %job.request, traceparent = job.traceparent, "frame not sent in time"
            ),
        }
    }
}

/// The frames of a whole answer: one, or several where the body does not fit into one.
pub(crate) fn answer(head: Head, mut body: Bytes, end: Bytes) -> Vec<Vec<Section>> {
    let mut frames = Vec::with_capacity(1 + body.len() / FRAME_DATA_MAX);
    let mut sections = Vec::with_capacity(3);
    sections.push(Section::Head(head));
    while body.len() > FRAME_DATA_MAX {
        sections.push(Section::Data(body.split_to(FRAME_DATA_MAX)));
        frames.push(std::mem::take(&mut sections));
    }
    sections.push(Section::Data(body));
    sections.push(Section::End(end));
    frames.push(sections);
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(body_bytes: usize) -> Vec<Vec<String>> {
        let body = Bytes::from(vec![b'x'; body_bytes]);
        let name = |section: &Section| match section {
            Section::Head(_) => "head".to_owned(),
            Section::Data(data) => data.len().to_string(),
            Section::Fault(_) => "fault".to_owned(),
            Section::End(_) => "end".to_owned(),
        };
        let frames = answer(Head::default(), body, Bytes::from_static(b"{}"));
        frames.iter().map(|sections| sections.iter().map(name).collect()).collect()
    }

    #[test]
    fn an_ordinary_answer_is_one_frame() {
        assert_eq!(shape(100), [["head", "100", "end"]]);
        assert_eq!(shape(FRAME_DATA_MAX).len(), 1);
    }

    #[test]
    fn a_large_answer_is_cut_without_a_loss() {
        let frames = shape(2 * FRAME_DATA_MAX + 1);
        let full = FRAME_DATA_MAX.to_string();
        assert_eq!(frames, [vec!["head", &full], vec![&full], vec!["1", "end"]]);
    }
}
