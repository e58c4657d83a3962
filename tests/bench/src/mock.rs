//! The mock provider: an OpenAI-compatible upstream that costs as little as one can, so that what is measured is
//! the path to it. It counts the calls that come by Forebay's path, for the comparison with the books.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::shape::{self, Stream};
use crate::wire::{self, Length};

/// The path prefix of the calls that are counted.
pub(crate) const COUNTED: &str = "/forebay";
/// Where the count is asked for.
pub(crate) const COUNT_PATH: &str = "/count";
/// The first thing a helper process prints, before its address.
pub(crate) const LISTENING: &str = "listening on ";

const BODY_BYTES_MAX: usize = 4 << 20;

/// Arguments of the hidden command that runs the mock.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address to listen on; port 0 takes a free one. The address is printed on stdout.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}

struct Canned {
    answer: Vec<u8>,
    first: (Vec<u8>, usize),
    next: (Vec<u8>, usize),
    counted: AtomicU64,
}

/// Serves until the process is ended. Must not be called from within a tokio runtime.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(args.listen).await?;
        announce(listener.local_addr()?)?;
        serve(listener).await;
        Ok(())
    })
}

/// Tells whoever started this process where it listens.
pub(crate) fn announce(address: SocketAddr) -> io::Result<()> {
    use std::io::Write;
    let mut out = io::stdout().lock();
    writeln!(out, "{LISTENING}{address}")?;
    out.flush()
}

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener) {
    let canned = Arc::new(Canned {
        answer: shape::answer(),
        first: shape::chunk(true),
        next: shape::chunk(false),
        counted: AtomicU64::new(0),
    });
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                let canned = Arc::clone(&canned);
                // The process ends with its parent; connections end with their peers.
                tokio::spawn(async move { drop(connection(socket, &canned).await) });
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(mut socket: TcpStream, canned: &Canned) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(8 * 1024);
    loop {
        let (head, end) = loop {
            if let Some((head, end)) = request(&buffer)? {
                break (head, end);
            }
            if socket.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
        };
        if buffer.starts_with(b"GET ") {
            let body = format!("{{\"forebay\":{}}}", canned.counted.load(Ordering::Relaxed));
            let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
            socket.write_all(answer.as_bytes()).await?;
        } else {
            if buffer.get(5..5 + COUNTED.len()) == Some(COUNTED.as_bytes()) {
                canned.counted.fetch_add(1, Ordering::Relaxed);
            }
            match shape::wanted_stream(&buffer[head..end]) {
                None => socket.write_all(&canned.answer).await?,
                Some(stream) => answer_stream(&mut socket, stream, canned).await?,
            }
        }
        buffer.advance(end);
        if buffer.is_empty() {
            buffer.reserve(8 * 1024);
        }
    }
}

/// Where the body of the request at the start of `bytes` starts and ends; `None` while it is not complete.
fn request(bytes: &[u8]) -> io::Result<Option<(usize, usize)>> {
    let refused = || io::Error::from(io::ErrorKind::InvalidData);
    let Some(head) = wire::head(bytes).map_err(|_| refused())? else { return Ok(None) };
    let length = match head.length {
        Length::Known(length) if length <= BODY_BYTES_MAX => length,
        Length::Known(_) | Length::Chunked => return Err(refused()),
    };
    let end = head.bytes + length;
    Ok((bytes.len() >= end).then_some((head.bytes, end)))
}

async fn answer_stream(socket: &mut TcpStream, stream: Stream, canned: &Canned) -> io::Result<()> {
    let (mut next, at) = canned.next.clone();
    let started = Instant::now();
    let (first, first_at) = &canned.first;
    let mut opening = shape::STREAM_HEAD.to_vec();
    opening.extend_from_slice(first);
    shape::stamp(&mut opening, shape::STREAM_HEAD.len() + first_at);
    socket.write_all(&opening).await?;
    for n in 1..stream.chunks {
        let due = started + Duration::from_millis(stream.interval_ms * u64::from(n));
        tokio::time::sleep_until(due).await;
        shape::stamp(&mut next, at);
        socket.write_all(&next).await?;
    }
    socket.write_all(&shape::stream_tail(stream.chunks)).await
}
