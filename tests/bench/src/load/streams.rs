//! Streams: so many at a time, each chunk's time on its way taken from the timestamp it carries.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::{Args, Outcome, PATIENCE, Tally, Window, request};
use crate::shape::{self, STAMP, STAMP_DIGITS, Stream};
use crate::wire::{self, Dechunk, Head, Length};

/// Streams start this far apart, so that they do not all send their chunks in the same millisecond.
const START_SPREAD: Duration = Duration::from_micros(1300);

pub(super) fn play(args: &Args) -> anyhow::Result<Outcome> {
    let stream = Stream { chunks: args.chunks, interval_ms: args.interval };
    let bytes: Rc<[u8]> =
        request(args.address, &args.path, &args.key, &shape::request_body(Some(stream))).into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let once = args.seconds == 0.0;
    let window = if once { Window { from_ns: 0, until_ns: u64::MAX } } else { Window::starting_now(args) };
    let started = shape::now_ns();
    runtime.block_on(async {
        let local = LocalSet::new();
        for n in 0..args.amount {
            let (tally, bytes, args) = (Rc::clone(&tally), Rc::clone(&bytes), args.clone());
            local.spawn_local(async move {
                tokio::time::sleep(START_SPREAD * n).await;
                while shape::now_ns() < window.until_ns {
                    if let Err(why) = one_stream(&args, &bytes, window, &tally).await {
                        tally.borrow_mut().bad(why);
                    }
                    if once {
                        return;
                    }
                }
            });
        }
        local.await;
    });
    let tally = tally.borrow();
    let seconds =
        if once { Duration::from_nanos(shape::now_ns() - started).as_secs_f64() } else { args.seconds };
    tally.outcome(seconds, true)
}

async fn one_stream(args: &Args, bytes: &[u8], window: Window, tally: &RefCell<Tally>) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let started = shape::now_ns();
    let mut socket = TcpStream::connect(args.address).await.map_err(text)?;
    socket.set_nodelay(true).map_err(text)?;
    socket.write_all(bytes).await.map_err(text)?;
    let mut reader = Reader { chunks: 0, dechunk: None, body: BytesMut::new(), done: false };
    let mut raw = BytesMut::with_capacity(16 * 1024);
    loop {
        let read = tokio::time::timeout(PATIENCE, socket.read_buf(&mut raw)).await;
        let read = read.map_err(|_| "no chunk in time")?.map_err(text)?;
        let now = shape::now_ns();
        let before = reader.chunks;
        let ended = reader.take(&mut raw, |sent_ns| {
            if window.holds(now) {
                tally.borrow_mut().chunk_delay.saturating_record(now.saturating_sub(sent_ns));
            }
        })?;
        if before == 0 && reader.chunks > 0 && window.holds(now) {
            tally.borrow_mut().first_content.saturating_record(now - started);
        }
        if ended && reader.done && reader.chunks == args.chunks {
            tally.borrow_mut().good(now - started, window.holds(now));
            return Ok(());
        }
        if ended || read == 0 {
            let tail = String::from_utf8_lossy(&reader.body).into_owned();
            return Err(format!("ended after {} of {} chunks: {tail}", reader.chunks, args.chunks));
        }
    }
}

/// Reads one streamed answer as it arrives.
struct Reader {
    chunks: u32,
    /// Present once the head has been read.
    dechunk: Option<Dechunk>,
    body: BytesMut,
    done: bool,
}

impl Reader {
    /// Takes what has arrived; `each` is told the timestamp of every content chunk. True at the end.
    fn take(&mut self, raw: &mut BytesMut, mut each: impl FnMut(u64)) -> Result<bool, String> {
        if self.dechunk.is_none() {
            match wire::head(raw).map_err(|_| "not an HTTP answer")? {
                None => return Ok(false),
                Some(Head { bytes, length: Length::Chunked }) if wire::status(raw) == 200 => {
                    raw.advance(bytes)
                }
                Some(_) => return Err(String::from_utf8_lossy(&raw[..raw.len().min(700)]).into_owned()),
            }
        }
        let dechunk = self.dechunk.get_or_insert_default();
        let ended = dechunk.take(raw, &mut self.body).map_err(|_| "not a chunked body")?;
        while let Some(end) = memmem::find(&self.body, b"\n\n") {
            let event = &self.body[..end];
            if let Some(at) = memmem::find(event, STAMP).map(|at| at + STAMP.len()) {
                let digits = event.get(at..at + STAMP_DIGITS).and_then(|d| std::str::from_utf8(d).ok());
                each(digits.and_then(|d| d.parse().ok()).ok_or("a chunk without its time")?);
                self.chunks += 1;
            }
            self.done |= event.starts_with(shape::DONE);
            self.body.advance(end + 2);
        }
        Ok(ended)
    }
}
