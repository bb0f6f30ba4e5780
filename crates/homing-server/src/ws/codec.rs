//! The decoder: chunks of a byte stream in, whole messages out, nothing kept at rest.

use std::borrow::Cow;
use std::fmt;

use super::frame::{
    CONTROL_MAX, CloseCode, Context, HEADER_MAX, Header, Opcode, apply_mask, parse_header,
};
use super::message::{Message, Violation};

/// Which end of the connection we are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// We read what a client sends: every frame is masked.
    Server,
    /// We read what a server sends: no frame is masked.
    Client,
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

#[cfg(test)]
mod tests {
    use super::super::client::put_frame;
    use super::super::frame;
    use super::*;

    const MAX: usize = 1024;
    const MASK: [u8; 4] = [0xA1, 0xB2, 0xC3, 0xD4];

    /// A client's frame with the first byte given and the payload masked.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, Opcode::Binary, payload, MASK);
        bytes[0] = first;
        bytes
    }

    /// What a fresh decoder makes of the bytes, payloads owned.
    fn decode(mut bytes: Vec<u8>) -> Result<Vec<Message<'static>>, Violation> {
        let mut decoder = Decoder::new(Role::Server);
        let mut messages = Vec::new();
        let mut input = &mut bytes[..];
        while let Some(message) = decoder.decode(&mut input, MAX)? {
            messages.push(own(message));
        }
        Ok(messages)
    }

    fn own(message: Message<'_>) -> Message<'static> {
        match message {
            Message::Binary(payload) => Message::Binary(payload.into_owned().into()),
            Message::Ping(payload) => Message::Ping(payload.into_owned().into()),
            Message::Pong(payload) => Message::Pong(payload.into_owned().into()),
            Message::Close(code) => Message::Close(code),
        }
    }

    #[test]
    fn a_decoder_at_rest_has_sixteen_bytes_and_no_heap() {
        assert_eq!(size_of::<Decoder>(), 16);
        assert_eq!(Decoder::new(Role::Server).heap_bytes(), 0);
    }

    #[test]
    fn a_message_within_the_chunk_is_lent_and_leaves_nothing_behind() {
        let mut bytes = masked(0x82, b"hello");
        let mut decoder = Decoder::new(Role::Server);
        let mut input = &mut bytes[..];
        let message = decoder.decode(&mut input, MAX).unwrap().unwrap();
        assert!(matches!(message, Message::Binary(Cow::Borrowed(b"hello"))));
        assert_eq!(decoder.decode(&mut input, MAX), Ok(None));
        assert_eq!(decoder.heap_bytes(), 0);
    }

    #[test]
    fn an_unfinished_message_is_freed_with_its_last_byte() {
        let mut bytes = masked(0x82, &[7; 500]);
        let (mut head, mut tail) = bytes.split_at_mut(100);
        let mut decoder = Decoder::new(Role::Server);
        assert_eq!(decoder.decode(&mut head, MAX), Ok(None));
        assert!((92..400).contains(&decoder.heap_bytes()), "{decoder:?}");
        let message = decoder.decode(&mut tail, MAX).unwrap();
        assert_eq!(message, Some(Message::Binary(vec![7; 500].into())));
        assert_eq!(decoder.heap_bytes(), 0);
    }

    #[test]
    fn a_cut_within_the_header_does_not_copy_the_payload() {
        for cut in 1..=6 {
            let mut bytes = masked(0x82, b"hello");
            let (mut head, mut tail) = bytes.split_at_mut(cut);
            let mut decoder = Decoder::new(Role::Server);
            assert_eq!(decoder.decode(&mut head, MAX), Ok(None));
            let message = decoder.decode(&mut tail, MAX).unwrap().unwrap();
            assert!(matches!(message, Message::Binary(Cow::Borrowed(b"hello"))), "cut {cut}");
            assert_eq!(decoder.heap_bytes(), 0);
        }
    }

    #[test]
    fn what_is_announced_costs_nothing_until_it_arrives() {
        let max = 1024 * 1024;
        let mut bytes = vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0x10, 0, 0, 1, 2, 3, 4, 5];
        let mut decoder = Decoder::new(Role::Server);
        assert_eq!(decoder.decode(&mut &mut bytes[..], max), Ok(None));
        assert!(decoder.heap_bytes() < 200, "{decoder:?}");
    }

    #[test]
    fn each_violation_is_found_and_closes_with_its_code() {
        use Violation as V;
        let long_16 = vec![0x82, 0xFE, 0, 125];
        let long_64 = vec![0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF];
        let first_fragment = masked(0x02, b"a");
        let cases = [
            (vec![0xC2], V::ReservedBits, 1002),
            (vec![0xA2], V::ReservedBits, 1002),
            (vec![0x92], V::ReservedBits, 1002),
            (vec![0x83], V::UnknownOpcode, 1002),
            (vec![0x8B], V::UnknownOpcode, 1002),
            (vec![0x82, 5], V::Unmasked, 1002),
            (vec![0x09], V::FragmentedControl, 1002),
            (vec![0x89, 0xFE], V::LongControl, 1002),
            (long_16, V::LongLength, 1002),
            (long_64, V::LongLength, 1002),
            (vec![0x80], V::StrayContinuation, 1002),
            ([&first_fragment[..], &[0x82]].concat(), V::InterruptedMessage, 1002),
            ([&first_fragment[..], &[0x81]].concat(), V::InterruptedMessage, 1002),
            (masked(0x88, &[3]), V::CloseCode, 1002),
            (masked(0x88, &[3, 0xEC]), V::CloseCode, 1002),
            (masked(0x88, &[3, 0xE8, 0xFF]), V::CloseReason, 1007),
            (masked(0x81, b"text"), V::Text, 1003),
            (masked(0x82, &[0; MAX + 1]), V::TooBig, 1009),
            (vec![0x82, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], V::TooBig, 1009),
            ([first_fragment, masked(0x80, &[0; MAX])].concat(), V::TooBig, 1009),
        ];
        for (bytes, violation, code) in cases {
            assert_eq!(decode(bytes), Err(violation));
            assert_eq!(violation.close_code(), CloseCode(code));
        }
    }

    #[test]
    fn a_server_that_masks_is_refused_by_a_client() {
        let mut decoder = Decoder::new(Role::Client);
        let mut bytes = masked(0x82, b"a");
        assert_eq!(decoder.decode(&mut &mut bytes[..], MAX), Err(Violation::Masked));
    }

    #[test]
    fn a_message_at_its_bound_is_taken_whole_or_in_fragments() {
        let payload = vec![7; MAX];
        let expected = Ok(vec![Message::Binary(payload.clone().into())]);
        assert_eq!(decode(masked(0x82, &payload)), expected);
        let parts = [masked(0x02, &payload[..1]), masked(0x80, &payload[1..])].concat();
        assert_eq!(decode(parts), expected);
    }

    #[test]
    fn the_bound_may_rise_within_a_chunk() {
        let mut bytes = [masked(0x82, b"hello"), masked(0x82, &[7; 2 * MAX])].concat();
        let mut input = &mut bytes[..];
        let mut decoder = Decoder::new(Role::Server);
        assert!(decoder.decode(&mut input, MAX).unwrap().is_some());
        let message = decoder.decode(&mut input, 2 * MAX).unwrap();
        assert_eq!(message, Some(Message::Binary(vec![7; 2 * MAX].into())));
    }

    #[test]
    fn a_failed_decoder_stays_failed() {
        let mut decoder = Decoder::new(Role::Server);
        let mut bytes = [masked(0x02, &[7; 100]), vec![0xC2]].concat();
        assert_eq!(decoder.decode(&mut &mut bytes[..], MAX), Err(Violation::ReservedBits));
        assert_eq!(decoder.heap_bytes(), 0);
        let mut good = masked(0x82, b"hello");
        assert_eq!(decoder.decode(&mut &mut good[..], MAX), Err(Violation::ReservedBits));
    }

    #[test]
    fn what_follows_a_close_is_ignored() {
        let mut decoder = Decoder::new(Role::Server);
        let mut close = masked(0x88, &[]);
        assert_eq!(decoder.decode(&mut &mut close[..], MAX), Ok(Some(Message::Close(None))));
        assert_eq!(decoder.decode(&mut &mut [0xC2, 0xFF][..], MAX), Ok(None));

        let bytes = [masked(0x88, &[3, 0xE8]), vec![0xC2, 0xFF]].concat();
        assert_eq!(decode(bytes), Ok(vec![Message::Close(Some(CloseCode::NORMAL))]));
    }

    #[test]
    fn close_codes_are_judged_as_the_registry_has_them() {
        for code in 0..=u16::MAX {
            let expected = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999);
            let decoded = decode(masked(0x88, &code.to_be_bytes()));
            assert_eq!(decoded.is_ok(), expected, "code {code}");
        }
    }

    #[test]
    fn what_the_server_writes_the_client_reads() {
        let mut bytes = [
            frame::binary(&[1; 126]),
            frame::ping(b"a"),
            frame::pong(b""),
            frame::binary(&[2; 70_000]),
            frame::close(CloseCode::GOING_AWAY, "bye"),
        ]
        .concat();
        let mut decoder = Decoder::new(Role::Client);
        let mut input = &mut bytes[..];
        let mut messages = Vec::new();
        while let Some(message) = decoder.decode(&mut input, 70_000).unwrap() {
            messages.push(own(message));
        }
        let expected = [
            Message::Binary(vec![1; 126].into()),
            Message::Ping(b"a".into()),
            Message::Pong(b"".into()),
            Message::Binary(vec![2; 70_000].into()),
            Message::Close(Some(CloseCode::GOING_AWAY)),
        ];
        assert_eq!(messages, expected);
    }
}
