//! The closed loop: each connection sends its next request when the last is answered.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use super::{Args, Outcome, PATIENCE, Tally, Window, flaw, request};
use crate::{shape, wire};

/// Pause after a failure, so that a dead server is not hammered.
const FAILURE_PAUSE: Duration = Duration::from_millis(20);

pub(super) fn play(args: &Args) -> anyhow::Result<Outcome> {
    let bytes: Rc<[u8]> = request(args.address, &args.path, &args.key, &shape::request_body(None)).into();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tally = Rc::new(RefCell::new(Tally::new()?));
    let window = Window::starting_now(args);
    runtime.block_on(async {
        let local = LocalSet::new();
        for _ in 0..args.amount {
            let (tally, bytes, args) = (Rc::clone(&tally), Rc::clone(&bytes), args.clone());
            local.spawn_local(async move { keep_asking(&args, &bytes, window, &tally).await });
        }
        local.await;
    });
    let tally = tally.borrow();
    tally.outcome(args.seconds, false)
}

async fn keep_asking(args: &Args, bytes: &[u8], window: Window, tally: &RefCell<Tally>) {
    while shape::now_ns() < window.until_ns {
        if let Err(why) = connection(args, bytes, window, tally).await {
            tally.borrow_mut().bad(why);
            tokio::time::sleep(FAILURE_PAUSE).await;
        }
    }
}

async fn connection(args: &Args, bytes: &[u8], window: Window, tally: &RefCell<Tally>) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut socket = TcpStream::connect(args.address).await.map_err(text)?;
    socket.set_nodelay(true).map_err(text)?;
    let mut buffer = BytesMut::with_capacity(16 * 1024);
    loop {
        let started = shape::now_ns();
        if started >= window.until_ns {
            return Ok(());
        }
        let exchange = exchange(&mut socket, bytes, &mut buffer);
        tokio::time::timeout(PATIENCE, exchange).await.map_err(|_| "no answer in time")?.map_err(text)?;
        let ended = shape::now_ns();
        match flaw(&buffer) {
            None => tally.borrow_mut().good(ended - started, window.holds(ended)),
            Some(why) => return Err(why),
        }
    }
}

async fn exchange(socket: &mut TcpStream, bytes: &[u8], buffer: &mut BytesMut) -> io::Result<()> {
    buffer.clear();
    socket.write_all(bytes).await?;
    loop {
        if socket.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if wire::complete(buffer).map_err(|_| io::ErrorKind::InvalidData)? {
            return Ok(());
        }
    }
}
