//! Configuration versions as events: each at most once and in order, whoever publishes.

use async_nats::HeaderMap;
use async_nats::jetstream::stream::LastRawMessageErrorKind;
use bytes::Bytes;
use proto::event::Event;
use proto::nats::{Link, PublishError, publish};
use proto::subject;
use std::time::Duration;

use crate::error::Error;

/// How long one publication may take; an election of a cluster takes about five seconds.
const PATIENCE: Duration = Duration::from_secs(15);
const TRIES: u32 = 8;

/// The last configuration event on the stream: its sequence number and version, 0 and 0 if there is none.
pub(super) async fn last(link: &Link) -> Result<(u64, u64), Error> {
    let failed = "read the last configuration event";
    let stream = link.js.get_stream_no_info(subject::EVENTS_STREAM).await.map_err(Error::nats(failed))?;
    match stream.get_last_raw_message_by_subject(subject::CONFIG_EVENT).await {
        Ok(message) => match serde_json::from_slice::<Event>(&message.payload)? {
            Event::Config(config) => Ok((message.sequence, config.version)),
            _ => Ok((message.sequence, 0)),
        },
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok((0, 0)),
        Err(error) => Err(Error::nats(failed)(error)),
    }
}

/// Stores the event of `version` unless it, or a newer one, is stored already. True if it was stored now.
///
/// The message id keeps apart what is published twice within the dedup window; the expected sequence number keeps
/// out what a control that was frozen for longer publishes late.
pub(super) async fn store(link: &Link, version: u64, payload: &Bytes) -> Result<bool, Error> {
    for _ in 0..TRIES {
        let (seq, stored) = last(link).await?;
        if stored >= version {
            return Ok(false);
        }
        let mut headers = HeaderMap::new();
        headers.insert(async_nats::header::NATS_MESSAGE_ID, format!("config:{version}"));
        headers.insert(async_nats::header::NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, seq.to_string());
        match publish(link, subject::CONFIG_EVENT.into(), headers, payload.clone(), PATIENCE).await {
            Ok(_) => return Ok(true),
            Err(PublishError::Refused(error)) => {
                tracing::debug!(error = %error, "the last configuration event was another one, looking again");
            }
            Err(error) => return Err(Error::Event(error)),
        }
    }
    Err(Error::Nats { action: "store the configuration event", message: "others kept publishing".to_owned() })
}
