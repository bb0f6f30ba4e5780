//! TLS 1.3 in process, without a buffer at rest (W-1, B-2).
//!
//! rustls' unbuffered API works on memory that its caller brings. Here that is the thread's; a
//! connection keeps what the socket has not delivered or taken yet, and nothing when it waits.

mod files;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncryptError, InsufficientSizeError,
    UnbufferedStatus,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

pub use self::files::TlsError;
pub(crate) use self::files::load;

/// The server's end of a TLS connection.
pub(crate) struct TlsStream {
    tcp: TcpStream,
    tls: Box<UnbufferedServerConnection>,
    rest: Option<Box<Rest>>,
    /// The peer said that it will send no more.
    is_ended: bool,
    is_close_queued: bool,
}

/// What is on its way.
#[derive(Default)]
struct Rest {
    /// The beginning of a record.
    incoming: Vec<u8>,
    /// Decrypted, and not taken yet because the reader's buffer was small.
    plain: Vec<u8>,
    plain_taken: usize,
    /// Encrypted, and not taken by the socket yet.
    outgoing: Vec<u8>,
    sent: usize,
}

impl TlsStream {
    /// Does the handshake.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` for a peer that does it wrong.
    pub(crate) async fn accept(
        tcp: TcpStream,
        config: Arc<rustls::ServerConfig>,
    ) -> io::Result<Self> {
        let tls = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream =
            Self { tcp, tls: Box::new(tls), rest: None, is_ended: false, is_close_queued: false };
        std::future::poll_fn(|cx| stream.poll_handshake(cx)).await?;
        Ok(stream)
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let sent = self.poll_send(cx)?;
            if !self.tls.is_handshaking() {
                return sent.map(Ok);
            }
            if self.is_ended {
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            // Early data is off, so nothing can be decrypted before the handshake is done; what is
            // decrypted behind its last message is kept.
            let received = self.receive(cx, &mut ReadBuf::new(&mut []));
            match received {
                Poll::Ready(result) => result?,
                Poll::Pending => {
                    let _ = self.poll_send(cx)?;
                    return Poll::Pending;
                }
            }
        }
    }

    /// Reads once from the socket and decrypts into `buffer`; what does not fit is kept.
    fn receive(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        SCRATCH.with_borrow_mut(|scratch| {
            let before = self.rest.as_ref().map_or(0, |rest| {
                scratch[..rest.incoming.len()].copy_from_slice(&rest.incoming);
                rest.incoming.len()
            });
            let mut space = ReadBuf::new(&mut scratch[before..]);
            ready!(Pin::new(&mut self.tcp).poll_read(cx, &mut space))?;
            let got = space.filled().len();
            if got == 0 {
                // Without a close_notify it may have been cut off by somebody; Homing's frames tell
                // where they end, so it is a lost link like any other.
                self.is_ended = true;
                return Poll::Ready(Ok(()));
            }
            let left = self.process(&mut scratch[..before + got], buffer)?;
            self.keep(|rest| rest.incoming = left.to_vec());
            Poll::Ready(Ok(()))
        })
    }

    /// Lets rustls work on records; returns what it left, the beginning of another.
    fn process<'a>(
        &mut self,
        mut records: &'a mut [u8],
        buffer: &mut ReadBuf<'_>,
    ) -> io::Result<&'a [u8]> {
        let mut outgoing = Vec::new();
        let mut plain = Vec::new();
        let result = loop {
            let UnbufferedStatus { mut discard, state } = self.tls.process_tls_records(records);
            let more = match state {
                Err(error) => break Err(error),
                Ok(ConnectionState::ReadTraffic(mut traffic)) => loop {
                    match traffic.next_record() {
                        None => break Ok(true),
                        Some(Err(error)) => break Err(error),
                        Some(Ok(AppDataRecord { discard: used, payload, .. })) => {
                            discard += used;
                            let room = payload.len().min(buffer.remaining());
                            let room = if plain.is_empty() { room } else { 0 };
                            buffer.put_slice(&payload[..room]);
                            plain.extend_from_slice(&payload[room..]);
                        }
                    }
                },
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    grow(&mut outgoing, |space| data.encode(space))?;
                    Ok(true)
                }
                Ok(ConnectionState::TransmitTlsData(data)) => {
                    data.done();
                    Ok(true)
                }
                Ok(ConnectionState::PeerClosed) => {
                    self.is_ended = true;
                    Ok(true)
                }
                Ok(ConnectionState::Closed) => {
                    self.is_ended = true;
                    Ok(false)
                }
                Ok(_) => Ok(false),
            };
            records = &mut records[discard..];
            match more {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = result {
            self.say_why(outgoing);
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        self.keep(|rest| {
            rest.outgoing.append(&mut outgoing);
            rest.plain.append(&mut plain);
        });
        // rustls takes no record over 16 KiB and its frame, and says so above.
        if records.len() > RECORD_BYTES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(records)
    }

    /// Sends the alert that a failed connection owes its peer, if the socket takes it at once.
    fn say_why(&mut self, mut outgoing: Vec<u8>) {
        if let Ok(ConnectionState::EncodeTlsData(mut data)) =
            self.tls.process_tls_records(&mut []).state
        {
            let _ = grow(&mut outgoing, |space| data.encode(space));
        }
        let _ = self.tcp.try_write(&outgoing);
    }

    /// Writes what is encrypted; `Pending` while some is left.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = &mut self.rest {
            let left = &rest.outgoing[rest.sent..];
            if left.is_empty() {
                break;
            }
            match ready!(Pin::new(&mut self.tcp).poll_write(cx, left))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => rest.sent += n,
            }
        }
        self.keep(|rest| {
            rest.outgoing = Vec::new();
            rest.sent = 0;
        });
        Poll::Ready(Ok(()))
    }

    /// Has rustls write into the outgoing bytes once it can.
    fn with_traffic(
        &mut self,
        write: impl FnOnce(
            &mut rustls::unbuffered::WriteTraffic<'_, rustls::server::ServerConnectionData>,
            &mut Vec<u8>,
        ) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut outgoing = Vec::new();
        let result = loop {
            match self.tls.process_tls_records(&mut []).state.map_err(io::Error::other)? {
                ConnectionState::EncodeTlsData(mut data) => {
                    grow(&mut outgoing, |space| data.encode(space))?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.is_ended = true,
                ConnectionState::WriteTraffic(mut traffic) => {
                    break write(&mut traffic, &mut outgoing);
                }
                _ => break Err(io::ErrorKind::BrokenPipe.into()),
            }
        };
        self.keep(|rest| rest.outgoing.append(&mut outgoing));
        result
    }

    /// Changes what is on its way; when nothing is, nothing stays on the heap.
    fn keep(&mut self, change: impl FnOnce(&mut Rest)) {
        let mut rest = self.rest.take().unwrap_or_default();
        change(&mut rest);
        if !(rest.incoming.is_empty() && rest.plain.is_empty() && rest.outgoing.is_empty()) {
            self.rest = Some(rest);
        }
    }

    fn take_plain(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let Some(rest) = self.rest.as_mut().filter(|rest| !rest.plain.is_empty()) else {
            return false;
        };
        let left = &rest.plain[rest.plain_taken..];
        let len = left.len().min(buffer.remaining());
        buffer.put_slice(&left[..len]);
        rest.plain_taken += len;
        if rest.plain_taken == rest.plain.len() {
            self.keep(|rest| {
                rest.plain = Vec::new();
                rest.plain_taken = 0;
            });
        }
        true
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.take_plain(buffer) || self.is_ended {
                return Poll::Ready(Ok(()));
            }
            let before = buffer.filled().len();
            ready!(self.receive(cx, buffer))?;
            // What rustls had to answer, such as a key update.
            let _ = self.poll_send(cx)?;
            if buffer.filled().len() > before {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for TlsStream {
    /// Takes what fits a record, encrypts it and has it sent as far as the socket takes it.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let chunk = &bytes[..bytes.len().min(CHUNK_BYTES)];
        self.with_traffic(|traffic, outgoing| {
            grow(outgoing, |space| traffic.encrypt(chunk, space))
        })?;
        // Taken is taken: what the socket leaves is sent at the next call or flush.
        let _ = self.poll_send(cx)?;
        Poll::Ready(Ok(chunk.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_send(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_close_queued {
            self.is_close_queued = true;
            self.with_traffic(|traffic, outgoing| {
                grow(outgoing, |space| traffic.queue_close_notify(space))
            })?;
        }
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

/// Appends what rustls writes, giving it as much room as it says it needs.
fn grow<E: NeedsRoom>(
    out: &mut Vec<u8>,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, E>,
) -> io::Result<()> {
    let start = out.len();
    let mut room = 0;
    loop {
        out.resize(start + room, 0);
        match write(&mut out[start..]) {
            Ok(len) => {
                out.truncate(start + len);
                return Ok(());
            }
            Err(error) => match error.needed() {
                Some(needed) if needed > room => room = needed,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            },
        }
    }
}

/// The two errors of rustls that ask for a larger buffer.
trait NeedsRoom {
    fn needed(&self) -> Option<usize>;
}

impl NeedsRoom for EncodeError {
    fn needed(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::AlreadyEncoded => None,
        }
    }
}

impl NeedsRoom for EncryptError {
    fn needed(&self) -> Option<usize> {
        match self {
            Self::InsufficientSize(InsufficientSizeError { required_size }) => Some(*required_size),
            Self::EncryptExhausted => None,
        }
    }
}

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice());
}

/// The beginning of a record, and a good read behind it.
const SCRATCH_BYTES: usize = 64 * 1024;
/// The most that a record has, with its frame (RFC 8446 §5.2); a handshake message may go over
/// several of them.
const RECORD_BYTES: usize = 32 * 1024;
/// Plaintext of a record at most.
const CHUNK_BYTES: usize = 16 * 1024;
