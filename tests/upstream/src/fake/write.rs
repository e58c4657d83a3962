//! Writing an answer as its script says: when, in what pieces, and how it ends.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;

use super::aside;
use super::asked::{Event, Said};
use super::record::{Billed, Open};
use super::script::{Script, Trouble};
use crate::calls::Ended;

/// Long enough for what was written before to leave the machine's buffers ahead of a dropped connection.
const BEFORE_CUT: Duration = Duration::from_millis(2);
const SPLIT_BYTES: usize = 7;
const SPLIT_WAIT: Duration = Duration::from_micros(200);
const SLOW_WAIT: Duration = Duration::from_millis(30);

/// The events as the script sends them.
pub(super) fn streamed(said: Said<'_>, script: &Script) -> Vec<Event> {
    let mut events = super::stream(said);
    let half = (events.len() / 2).max(1);
    let (ping, error) = aside(said, half);
    match script.trouble {
        Trouble::Cut => events.truncate(half),
        Trouble::MidError => {
            events.truncate(half);
            events.push(Event::bare(error));
        }
        Trouble::None | Trouble::Hang => {}
    }
    match ping.filter(|_| script.pings) {
        Some(ping) => events.into_iter().flat_map(|event| [event, Event::bare(ping)]).collect(),
        None => events,
    }
}

/// The same bytes in writes of seven.
fn split(events: &[Event]) -> Vec<Event> {
    let bytes: Vec<u8> = events.iter().flat_map(|event| event.bytes.iter().copied()).collect();
    let mut tokens: u64 = events.iter().map(|event| event.tokens).sum();
    let event =
        |part: &[u8]| Event { bytes: Bytes::copy_from_slice(part), tokens: std::mem::take(&mut tokens) };
    bytes.chunks(SPLIT_BYTES).map(event).collect()
}

/// Writes the events as the script says, and then ends as it says.
pub(super) fn written(events: Vec<Event>, script: &Script, billed: Billed, open: Open) -> Body {
    let wait = match (script.slow, script.split) {
        (true, _) => SLOW_WAIT,
        (false, true) => SPLIT_WAIT,
        (false, false) => Duration::ZERO,
    };
    let events = if script.split { split(&events) } else { events };
    let cut = script.trouble == Trouble::Cut;
    let whole = script.trouble == Trouble::None;
    let state = (events.into_iter(), open, 0_u64, false);
    let frames = stream::unfold(state, move |(mut events, mut open, mut produced, over)| async move {
        if over {
            return None;
        }
        if let Some(event) = events.next() {
            if !wait.is_zero() {
                tokio::time::sleep(wait).await;
            }
            if event.tokens > 0 {
                produced += event.tokens;
                open.note(|seen| seen.billed.output_tokens = produced);
            }
            // What follows the last byte of a body of known length is not asked for any more.
            if events.len() == 0 && !cut {
                finish(&mut open, whole, billed);
            }
            return Some((Ok(event.bytes), (events, open, produced, false)));
        }
        if cut {
            tokio::time::sleep(BEFORE_CUT).await;
            open.end(Ended::Cut);
            let error = io::Error::other("the script drops the connection here");
            return Some((Err(error), (events, open, produced, true)));
        }
        finish(&mut open, whole, billed);
        None
    });
    Body::from_stream(frames)
}

fn finish(open: &mut Open, whole: bool, billed: Billed) {
    if whole {
        open.note(|seen| seen.billed = billed);
    }
    open.end(Ended::Finished);
}
