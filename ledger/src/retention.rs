//! How long events must stay on their stream: at least back to the newest verified checkpoint, because what is
//! older stands behind that one, and what is younger stands nowhere else.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::GetStreamErrorKind;
use proto::nats::Link;
use proto::subject::EVENTS_STREAM;

use crate::error::Error;
use crate::store::{self, Db};

/// How long asking the stream may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// How far back from `now_ms` EVENTS must reach: to the newest checkpoint that is whole, or to its first event
/// where there is none yet. Nothing if there is no stream, or no event on it.
pub async fn needed(link: &Link, db: &Db, now_ms: u64) -> Result<Duration, Error> {
    let mut connection = db.pool().acquire().await.map_err(Error::Connect)?;
    let seqs = store::checkpoint_seqs(&mut connection, 0, i64::MAX.unsigned_abs()).await?;
    for seq in seqs.into_iter().rev() {
        let checkpoint = store::checkpoint(&mut connection, seq).await?;
        // Verified: its document decodes and has the hash that was taken when it was made.
        if let Some(state) = checkpoint.and_then(|checkpoint| checkpoint.open()) {
            return Ok(Duration::from_millis(now_ms.saturating_sub(state.at_ms)));
        }
    }
    drop(connection);
    let first_ms = first_event_ms(link).await?;
    Ok(first_ms.map_or(Duration::ZERO, |ms| Duration::from_millis(now_ms.saturating_sub(ms))))
}

/// Stream time of the first event that is there.
async fn first_event_ms(link: &Link) -> Result<Option<u64>, Error> {
    let asked = tokio::time::timeout(ASK_TIMEOUT, link.js.get_stream(EVENTS_STREAM)).await;
    match asked.map_err(|error| Error::Stream(error.to_string()))? {
        Ok(stream) => {
            let state = &stream.cached_info().state;
            let ms = state.first_timestamp.unix_timestamp_nanos() / 1_000_000;
            Ok((state.messages > 0).then(|| u64::try_from(ms).unwrap_or(0)))
        }
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(told) if told.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                Ok(None)
            }
            _ => Err(Error::Stream(error.to_string())),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proto::clock::now_ms;
    use proto::event::Event;

    use super::*;
    use crate::book::{At, Books};
    use crate::checkpoint::Checkpoint;
    use crate::fixtures::{self, Story, nats};

    const DAY_MS: u64 = 86_400_000;

    async fn checkpoint(db: &Db, seq: u64, at_ms: u64, touched: bool) {
        let made = Checkpoint::of(At { seq, ms: at_ms }, BTreeMap::new(), &Books::default()).unwrap();
        let document = if touched { "{}".to_owned() } else { made.document };
        sqlx::query("INSERT INTO checkpoints (seq, at_ms, hash, document) VALUES ($1, $2, $3, $4)")
            .bind(store::int(seq))
            .bind(store::int(at_ms))
            .bind(made.hash)
            .bind(document)
            .execute(db.pool())
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn events_are_needed_back_to_the_newest_whole_checkpoint() {
        let (server, test) = (nats::Nats::start(), fixtures::sqlite().await);
        let link = server.link().await;
        let days = |needed: Duration| needed.as_millis() / u128::from(DAY_MS);
        let now = now_ms();
        assert_eq!(needed(&link, &test.db, now).await.unwrap(), Duration::ZERO);
        let story = Story::new("acme", now);
        nats::publish(&link, [Event::Config(fixtures::config(1)), story.announced(1, 1)]).await;
        let later = now + 95 * DAY_MS + DAY_MS / 2;
        assert_eq!(days(needed(&link, &test.db, later).await.unwrap()), 95, "to the first event");

        // A checkpoint of ten days ago, and a younger one that does not open.
        checkpoint(&test.db, 1, now - 10 * DAY_MS, false).await;
        assert_eq!(days(needed(&link, &test.db, now).await.unwrap()), 10);
        checkpoint(&test.db, 2, now - 2 * DAY_MS, true).await;
        assert_eq!(
            days(needed(&link, &test.db, now).await.unwrap()),
            10,
            "what does not open counts for nothing"
        );
        checkpoint(&test.db, 3, now - DAY_MS, false).await;
        assert_eq!(days(needed(&link, &test.db, now).await.unwrap()), 1);
    }
}
