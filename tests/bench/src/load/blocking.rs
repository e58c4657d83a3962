//! One keep-alive connection without a runtime: for the open loop, and for the few questions of the bench itself.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;
use crate::wire;

/// A connection that is made when it is needed and thrown away after a failure.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    socket: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Nothing is connected yet.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, socket: None, buffer: Vec::with_capacity(16 * 1024) }
    }

    /// Connects now, so that the first request need not.
    pub(crate) fn connect(&mut self) -> io::Result<()> {
        if self.socket.is_none() {
            let socket = TcpStream::connect_timeout(&self.address, PATIENCE)?;
            socket.set_nodelay(true)?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.set_write_timeout(Some(PATIENCE))?;
            self.socket = Some(socket);
        }
        Ok(())
    }

    /// Sends a request and returns the whole answer, head included.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<&[u8]> {
        self.connect()?;
        let Some(mut socket) = self.socket.take() else { return Err(io::ErrorKind::NotConnected.into()) };
        self.buffer.clear();
        socket.write_all(request)?;
        let mut part = [0_u8; 8 * 1024];
        loop {
            let n = socket.read(&mut part)?;
            if n == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&part[..n]);
            if wire::complete(&self.buffer).map_err(|_| io::ErrorKind::InvalidData)? {
                self.socket = Some(socket);
                return Ok(&self.buffer);
            }
        }
    }

    /// Gets a path; the status and the body.
    pub(crate) fn get(&mut self, path: &str, key: &str) -> io::Result<(u16, String)> {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {key}\r\n\r\n", self.address);
        let answer = self.exchange(request.as_bytes())?;
        let start = memchr::memmem::find(answer, b"\r\n\r\n").map_or(0, |at| at + 4);
        Ok((wire::status(answer), String::from_utf8_lossy(&answer[start..]).into_owned()))
    }
}
