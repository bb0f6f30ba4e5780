//! A client of the wire and nothing above it: one socket, frames in and out.
//!
//! It shares the machine with the server that is measured, so it costs little: a buffer of the
//! thread's to read into, one write for whatever is to go out.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use homing_proto::frame::{ClientFrame, Hello, ServerFrame, Welcome};
use homing_proto::{Code, codec, limits};
use homing_server::ws::client::{put_frame, read_upgrade_response, upgrade_request};
use homing_server::ws::{Decoder, Message, Opcode, Role};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::tls;

/// Where to connect to, and how.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// `None`: plaintext.
    pub(crate) tls: Option<TlsConnector>,
}

/// A connection after its upgrade.
pub(crate) struct Link {
    io: Box<dyn Io>,
    decoder: Decoder,
    arrived: VecDeque<ServerFrame>,
    unsent: Vec<u8>,
    sent: usize,
    mask: u32,
    /// Pings of the server that were answered.
    pub(crate) pings: u32,
}

trait Io: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The server's verdict on the Hello, or its last frame.
    Said(Code),
    /// The transport failed.
    Io(io::Error),
    /// The server said what it must not say.
    Broken(String),
}

impl Link {
    /// Connects from that address of this machine and asks for the upgrade. Each address has some
    /// 28 000 ports, so many connections need several.
    ///
    /// # Errors
    /// See [`Lost`].
    pub(crate) async fn connect(target: &Target, from: Ipv4Addr) -> Result<Self, Lost> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((from, 0).into())?;
        let tcp = socket.connect(target.address).await?;
        tcp.set_nodelay(true)?;
        let io: Box<dyn Io> = match &target.tls {
            None => Box::new(tcp),
            Some(connector) => {
                let name = tls::NAME.try_into().expect("the name is one");
                // Boxed: a handshake's state is not to be part of every task.
                Box::new(Box::pin(connector.connect(name, tcp)).await?)
            }
        };
        let mut link = Self {
            io,
            decoder: Decoder::new(Role::Client),
            arrived: VecDeque::new(),
            unsent: upgrade_request("localhost", "/v1/connect", &NONCE),
            sent: 0,
            mask: 0x9e37_79b9,
            pings: 0,
        };
        link.upgraded().await?;
        Ok(link)
    }

    /// Says Hello and waits for the answer.
    ///
    /// # Errors
    /// [`Lost::Said`] for a refusal.
    pub(crate) async fn greet(&mut self, hello: Hello) -> Result<Box<Welcome>, Lost> {
        self.put(&ClientFrame::Hello(Box::new(hello)));
        match self.next().await? {
            ServerFrame::Welcome(welcome) => Ok(welcome),
            other => Err(Lost::Broken(format!("no answer to a hello: {other:?}"))),
        }
    }

    /// Puts a frame behind what is to go out; [`next`](Self::next) sends it.
    pub(crate) fn put(&mut self, frame: &ClientFrame) {
        self.put_bytes(&codec::encode_client(frame));
    }

    /// As [`put`](Self::put), with the frame's bytes as they are.
    pub(crate) fn put_bytes(&mut self, bytes: &[u8]) {
        // Another one each time, as the rule wants; nobody here needs it to be secret.
        self.mask = self.mask.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        put_frame(&mut self.unsent, Opcode::Binary, bytes, self.mask.to_be_bytes());
    }

    /// Sends what waits and gives the next frame. Pings are answered and not given. Dropping the
    /// future loses nothing.
    ///
    /// # Errors
    /// [`Lost::Said`] for a close or a refusal, as [`Lost`] says otherwise.
    pub(crate) async fn next(&mut self) -> Result<ServerFrame, Lost> {
        match self.next_or_last().await? {
            ServerFrame::Close(close) => Err(Lost::Said(close.error.code)),
            ServerFrame::Refuse(refuse) => Err(Lost::Said(refuse.error.code)),
            frame => Ok(frame),
        }
    }

    /// As [`next`](Self::next), and gives the last frame too.
    ///
    /// # Errors
    /// When the connection ends without a word, as [`Lost`] says.
    pub(crate) async fn next_or_last(&mut self) -> Result<ServerFrame, Lost> {
        loop {
            match self.next_of_all().await? {
                ServerFrame::Ping { nonce, .. } => {
                    self.pings += 1;
                    self.put(&ClientFrame::Pong { nonce });
                }
                frame => return Ok(frame),
            }
        }
    }

    /// As [`next_or_last`](Self::next_or_last), and gives pings too, unanswered.
    ///
    /// # Errors
    /// When the connection ends without a word, as [`Lost`] says.
    pub(crate) async fn next_of_all(&mut self) -> Result<ServerFrame, Lost> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// Sends all that waits.
    ///
    /// # Errors
    /// When the transport fails.
    pub(crate) async fn flush(&mut self) -> Result<(), Lost> {
        poll_fn(|cx| match self.poll_flush(cx) {
            Ok(()) if self.unsent.is_empty() => Poll::Ready(Ok(())),
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error.into())),
        })
        .await
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<ServerFrame, Lost>> {
        loop {
            if let Some(frame) = self.arrived.pop_front() {
                return Poll::Ready(Ok(frame));
            }
            self.poll_flush(cx)?;
            match self.poll_read(cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Sends as much as the socket takes now.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.unsent.is_empty() {
            return Ok(());
        }
        while self.sent < self.unsent.len() {
            match Pin::new(&mut self.io).poll_write(cx, &self.unsent[self.sent..])? {
                Poll::Ready(0) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(n) => self.sent += n,
                Poll::Pending => return Ok(()),
            }
        }
        self.sent = 0;
        self.unsent = Vec::new();
        let _ = Pin::new(&mut self.io).poll_flush(cx)?;
        Ok(())
    }

    /// Reads once and decodes what came.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let mut buffer = ReadBuf::new(scratch);
            match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Poll::Pending,
            }
            let input = buffer.filled_mut();
            if input.is_empty() {
                return Poll::Ready(Err(Lost::Io(io::ErrorKind::UnexpectedEof.into())));
            }
            Poll::Ready(self.decode(input))
        })
    }

    fn decode(&mut self, mut input: &mut [u8]) -> Result<(), Lost> {
        let broken = |violation| Lost::Broken(format!("{violation}"));
        while let Some(message) =
            self.decoder.decode(&mut input, limits::FRAME_MAX).map_err(broken)?
        {
            match message {
                Message::Binary(bytes) => {
                    let frame = codec::decode_server(Bytes::from(bytes.into_owned()));
                    let unreadable = |error| Lost::Broken(format!("a frame: {error}"));
                    self.arrived.push_back(frame.map_err(unreadable)?);
                }
                Message::Close(code) => {
                    // Behind the last frame, which says more.
                    if self.arrived.is_empty() {
                        return Err(Lost::Broken(format!("closed without a word: {code:?}")));
                    }
                }
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
        Ok(())
    }

    async fn upgraded(&mut self) -> Result<(), Lost> {
        let mut head = Vec::new();
        poll_fn(|cx| {
            loop {
                self.poll_flush(cx)?;
                let mut bytes = [0; 512];
                let mut buffer = ReadBuf::new(&mut bytes);
                match Pin::new(&mut self.io).poll_read(cx, &mut buffer) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => return Poll::Pending,
                }
                if buffer.filled().is_empty() {
                    return Poll::Ready(Err(Lost::Io(io::ErrorKind::UnexpectedEof.into())));
                }
                head.extend_from_slice(buffer.filled());
                let refused = |refused| Lost::Broken(format!("{refused}"));
                if let Some(len) = read_upgrade_response(&head, &NONCE).map_err(refused)? {
                    return Poll::Ready(self.decode(&mut head[len..]));
                }
            }
        })
        .await
    }
}

impl Lost {
    /// The code's name, or what else happened: for counting.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Said(code) => code.name().to_owned(),
            Self::Io(error) => format!("io: {}", error.kind()),
            Self::Broken(what) => format!("broken: {what}"),
        }
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name())
    }
}

impl std::error::Error for Lost {}

impl From<io::Error> for Lost {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// An address of this machine for the connections of one group: 127.0.0.2 and on.
pub(crate) fn source(group: usize) -> Ipv4Addr {
    let [a, b] = u16::try_from(group + 2).unwrap_or(u16::MAX).to_be_bytes();
    Ipv4Addr::new(127, 0, a, b)
}

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; 64 * 1024].into_boxed_slice());
}

/// The answer to it is checked all the same.
const NONCE: [u8; 16] = *b"a nonce of a run";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_addresses_of_their_own_on_this_machine() {
        assert_eq!(source(0), Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(source(253), Ipv4Addr::new(127, 0, 0, 255));
        assert_eq!(source(254), Ipv4Addr::new(127, 0, 1, 0));
        assert!((0..10_000).all(|group| source(group).is_loopback()));
    }
}
