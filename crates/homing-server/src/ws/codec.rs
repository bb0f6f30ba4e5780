//! The decoder: chunks of a byte stream in, whole messages out, nothing kept at rest.

use std::borrow::Cow;
use std::fmt;

use super::frame::{
    CONTROL_MAX, CloseCode, Context, HEADER_MAX, Header, Opcode, apply_mask, parse_header,
};

/// Which end of the connection we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// We read what a client sends: every frame is masked.
    Server,
    /// We read what a server sends: no frame is masked.
    Client,
}

/// A message that has arrived in full. Its bytes are the chunk's own wherever that held all of it.
///
/// `Debug` shows lengths only, for a message may hold a secret.
#[derive(Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// One frame of Homing (W-1).
    Binary(Cow<'a, [u8]>),
    /// To be answered by [`pong`](super::frame::pong) with the same bytes, at most 125.
    Ping(Cow<'a, [u8]>),
    /// The answer to our ping, or a sign of life nobody asked for. At most 125 bytes.
    Pong(Cow<'a, [u8]>),
    /// The end: answer with a close and drop the connection. The code is one that may be sent.
    Close(Option<CloseCode>),
}

/// How a peer broke RFC 6455 or a bound of ours. Nothing can be read after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Violation {
    /// A reserved bit is set, though no extension was agreed.
    #[error("a reserved bit is set")]
    ReservedBits,
    /// The opcode has no meaning.
    #[error("the opcode is unknown")]
    UnknownOpcode,
    /// A client's frame without a mask.
    #[error("a client's frame has no mask")]
    Unmasked,
    /// A server's frame with a mask.
    #[error("a server's frame has a mask")]
    Masked,
    /// A ping, pong or close in parts.
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// A ping, pong or close over 125 bytes.
    #[error("a control frame is over 125 bytes")]
    LongControl,
    /// A length that is not written in the shortest way.
    #[error("a length is not written in the shortest way")]
    LongLength,
    /// A continuation of nothing.
    #[error("a continuation continues nothing")]
    StrayContinuation,
    /// A new message before the last fragment of the one before it.
    #[error("a message begins inside another")]
    InterruptedMessage,
    /// A close of one byte, or with a code that may not be sent.
    #[error("a close has no valid code")]
    CloseCode,
    /// A close whose reason is not UTF-8.
    #[error("the reason of a close is not UTF-8")]
    CloseReason,
    /// A text message: Homing speaks in binary ones (W-1).
    #[error("text messages are not taken")]
    Text,
    /// A message over the bound (W-7).
    #[error("the message is too big")]
    TooBig,
}

impl Violation {
    /// The code to close the connection with.
    pub const fn close_code(self) -> CloseCode {
        match self {
            Self::Text => CloseCode::UNSUPPORTED,
            Self::TooBig => CloseCode::TOO_BIG,
            Self::CloseReason => CloseCode::INVALID_PAYLOAD,
            Self::ReservedBits
            | Self::UnknownOpcode
            | Self::Unmasked
            | Self::Masked
            | Self::FragmentedControl
            | Self::LongControl
            | Self::LongLength
            | Self::StrayContinuation
            | Self::InterruptedMessage
            | Self::CloseCode => CloseCode::PROTOCOL_ERROR,
        }
    }
}

/// The reading half of a connection. 16 bytes, and nothing on the heap unless a frame or a
/// fragmented message is unfinished.
pub struct Decoder {
    unfinished: Option<Box<Unfinished>>,
    role: Role,
    state: State,
}

impl Decoder {
    /// A decoder at the first byte behind the handshake.
    pub const fn new(role: Role) -> Self {
        Self { unfinished: None, role, state: State::Open }
    }

    /// Takes the next message out of `input`, which is shortened by what was read.
    ///
    /// `None` says that the input is used up; what it had of an unfinished message is kept. Call it
    /// until then, also after the last message of a chunk. The payload is unmasked in place, so the
    /// input's bytes are not to be used again.
    ///
    /// `message_max` is the most bytes a message may have (W-7); it may differ from call to call,
    /// and holds for every frame whose header ends in this call. Memory follows what has arrived,
    /// not what was announced, and never exceeds `message_max` by more than 300 bytes.
    ///
    /// After a close the rest of the stream is ignored.
    ///
    /// # Errors
    /// The peer's [`Violation`]; the same one again on every later call.
    pub fn decode<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        message_max: usize,
    ) -> Result<Option<Message<'a>>, Violation> {
        let result = match self.state {
            State::Open => self.advance(input, message_max),
            State::Closed => Ok(None),
            State::Failed(violation) => Err(violation),
        };
        match result {
            Ok(Some(Message::Close(_))) => self.state = State::Closed,
            Err(violation) => self.state = State::Failed(violation),
            Ok(_) => {}
        }
        if self.state != State::Open {
            self.unfinished = None;
            *input = &mut [];
        } else if self.unfinished.as_ref().is_some_and(|unfinished| unfinished.is_empty()) {
            self.unfinished = None;
        }
        result
    }

    /// Bytes on the heap: 0 at rest.
    pub fn heap_bytes(&self) -> usize {
        self.unfinished.as_ref().map_or(0, |unfinished| {
            size_of::<Unfinished>() + unfinished.message.capacity() + unfinished.control.capacity()
        })
    }

    fn advance<'a>(
        &mut self,
        input: &mut &'a mut [u8],
        message_max: usize,
    ) -> Result<Option<Message<'a>>, Violation> {
        loop {
            let frame = match self.unfinished.as_mut().and_then(|u| u.frame.take()) {
                Some(frame) => frame,
                None => match self.read_header(input, message_max)? {
                    Some(header) => Frame { header, arrived: 0 },
                    None => return Ok(None),
                },
            };
            let progress = if frame.header.opcode.is_control() {
                self.read_control(frame, input)?
            } else {
                self.read_data(frame, input, message_max)
            };
            match progress {
                Progress::Message(message) => return Ok(Some(message)),
                Progress::Fragment => {}
                Progress::NeedsInput => return Ok(None),
            }
        }
    }

    /// Reads a header, over a chunk's edge if need be.
    fn read_header(
        &mut self,
        input: &mut &mut [u8],
        message_max: usize,
    ) -> Result<Option<Header>, Violation> {
        let fragments =
            self.unfinished.as_ref().filter(|u| u.in_fragments).map(|u| u.message.len());
        let context = Context { role: self.role, fragments, message_max };

        let Some(unfinished) = self.unfinished.as_mut().filter(|u| u.header_len > 0) else {
            if let Some((header, used)) = parse_header(input, context)? {
                take(input, used);
                return Ok(Some(header));
            }
            if !input.is_empty() {
                // Shorter than a header, or it would have been one.
                let unfinished = self.unfinished.get_or_insert_default();
                unfinished.header[..input.len()].copy_from_slice(input);
                unfinished.header_len = input.len() as u8;
                *input = &mut [];
            }
            return Ok(None);
        };
        while let [byte] = *take_up_to(input, 1) {
            unfinished.header[usize::from(unfinished.header_len)] = byte;
            unfinished.header_len += 1;
            let so_far = &unfinished.header[..usize::from(unfinished.header_len)];
            if let Some((header, _)) = parse_header(so_far, context)? {
                unfinished.header_len = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }

    fn read_control<'a>(
        &mut self,
        frame: Frame,
        input: &mut &'a mut [u8],
    ) -> Result<Progress<'a>, Violation> {
        let part = take_payload(&frame, input);
        let payload = if part.len() == frame.header.payload_len {
            Cow::Borrowed(part)
        } else {
            let unfinished = self.unfinished.get_or_insert_default();
            append(&mut unfinished.control, part, CONTROL_MAX);
            if let Some(frame) = frame.after(part) {
                unfinished.frame = Some(frame);
                return Ok(Progress::NeedsInput);
            }
            Cow::Owned(std::mem::take(&mut unfinished.control))
        };
        Ok(Progress::Message(match frame.header.opcode {
            Opcode::Ping => Message::Ping(payload),
            Opcode::Pong => Message::Pong(payload),
            _ => Message::Close(parse_close(&payload)?),
        }))
    }

    fn read_data<'a>(
        &mut self,
        frame: Frame,
        input: &mut &'a mut [u8],
        message_max: usize,
    ) -> Progress<'a> {
        let part = take_payload(&frame, input);
        let is_whole_message = frame.header.is_final
            && frame.header.opcode == Opcode::Binary
            && part.len() == frame.header.payload_len;
        if is_whole_message {
            return Progress::Message(Message::Binary(Cow::Borrowed(part)));
        }

        let unfinished = self.unfinished.get_or_insert_default();
        // The last frame tells how long the message will be; before it only the bound is known.
        let len_max = if frame.header.is_final {
            unfinished.message.len() + frame.header.payload_len - frame.arrived
        } else {
            message_max
        };
        append(&mut unfinished.message, part, len_max);
        if let Some(frame) = frame.after(part) {
            unfinished.frame = Some(frame);
            return Progress::NeedsInput;
        }
        unfinished.in_fragments = !frame.header.is_final;
        if unfinished.in_fragments {
            return Progress::Fragment;
        }
        Progress::Message(Message::Binary(Cow::Owned(std::mem::take(&mut unfinished.message))))
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("role", &self.role)
            .field("state", &self.state)
            .field("heap_bytes", &self.heap_bytes())
            .finish()
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Binary(payload) => write!(f, "Binary({} bytes)", payload.len()),
            Self::Ping(payload) => write!(f, "Ping({} bytes)", payload.len()),
            Self::Pong(payload) => write!(f, "Pong({} bytes)", payload.len()),
            Self::Close(code) => f.debug_tuple("Close").field(code).finish(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    Closed,
    Failed(Violation),
}

/// What is kept between two chunks.
#[derive(Default)]
struct Unfinished {
    /// The frame whose payload has not arrived in full.
    frame: Option<Frame>,
    /// The payload of an unfinished message so far, unmasked.
    message: Vec<u8>,
    /// The payload of an unfinished control frame so far; it may stand inside a message.
    control: Vec<u8>,
    header: [u8; HEADER_MAX],
    header_len: u8,
    /// A fragment that is not the last has arrived in full.
    in_fragments: bool,
}

impl Unfinished {
    fn is_empty(&self) -> bool {
        self.frame.is_none() && self.header_len == 0 && !self.in_fragments
    }
}

struct Frame {
    header: Header,
    /// Bytes of the payload that arrived in earlier chunks.
    arrived: usize,
}

impl Frame {
    /// The frame with `part` arrived as well, or `None` if that completes it.
    fn after(&self, part: &[u8]) -> Option<Self> {
        let arrived = self.arrived + part.len();
        (arrived < self.header.payload_len).then_some(Self { header: self.header, arrived })
    }
}

enum Progress<'a> {
    Message(Message<'a>),
    Fragment,
    NeedsInput,
}

/// Takes what the input has of a frame's payload and unmasks it.
fn take_payload<'a>(frame: &Frame, input: &mut &'a mut [u8]) -> &'a [u8] {
    let part = take_up_to(input, frame.header.payload_len - frame.arrived);
    apply_mask(part, frame.header.mask, frame.arrived);
    part
}

fn take_up_to<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let len = len.min(input.len());
    take(input, len)
}

fn take<'a>(input: &mut &'a mut [u8], len: usize) -> &'a mut [u8] {
    let (taken, rest) = std::mem::take(input).split_at_mut(len);
    *input = rest;
    taken
}

/// Appends, growing by doubling but never over `len_max`, the most the buffer will have to hold.
fn append(buffer: &mut Vec<u8>, part: &[u8], len_max: usize) {
    let len = buffer.len() + part.len();
    if len > buffer.capacity() {
        let capacity = (2 * buffer.capacity()).min(len_max).max(len);
        buffer.reserve_exact(capacity - buffer.len());
    }
    buffer.extend_from_slice(part);
}

fn parse_close(payload: &[u8]) -> Result<Option<CloseCode>, Violation> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Violation::CloseCode) };
    };
    let code = CloseCode(u16::from_be_bytes(*code));
    if !code.may_be_sent() {
        return Err(Violation::CloseCode);
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::CloseReason);
    }
    Ok(Some(code))
}
