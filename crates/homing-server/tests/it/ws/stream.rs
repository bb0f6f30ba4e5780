//! Streams of frames to feed to a decoder, and what it is to make of them.

use homing_server::ws::{CloseCode, Decoder, Message, Role, Violation};
use proptest::collection::vec;
use proptest::prelude::*;

/// The bound given to every decoder here.
pub(super) const MESSAGE_MAX: usize = 70_000;

/// A message with bytes of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Owned {
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
}

impl From<Message<'_>> for Owned {
    fn from(message: Message<'_>) -> Self {
        match message {
            Message::Binary(payload) => Self::Binary(payload.into_owned()),
            Message::Ping(payload) => Self::Ping(payload.into_owned()),
            Message::Pong(payload) => Self::Pong(payload.into_owned()),
            Message::Close(code) => Self::Close(code.map(|code| code.0)),
        }
    }
}

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum End {
    /// More may come.
    Open,
    /// With a close.
    Closed,
    /// With a violation.
    Refused(Violation),
}

/// Feeds a decoder chunk by chunk, with `check` after each.
pub(super) fn decode(
    role: Role,
    bytes: &[u8],
    chunks: &[usize],
    mut check: impl FnMut(&Decoder, usize),
) -> (Vec<Owned>, End) {
    let mut decoder = Decoder::new(role);
    let mut messages = Vec::new();
    let mut end = End::Open;
    let mut rest = bytes;
    let mut sizes = chunks.iter().copied().cycle();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(rest.len()).clamp(1, rest.len());
        let (chunk, behind) = rest.split_at(size);
        rest = behind;
        let mut scratch = chunk.to_vec();
        let mut input = &mut scratch[..];
        loop {
            match decoder.decode(&mut input, MESSAGE_MAX) {
                Ok(Some(message)) => {
                    if matches!(message, Message::Close(_)) {
                        end = End::Closed;
                    }
                    messages.push(message.into());
                }
                Ok(None) => break,
                Err(violation) => {
                    end = End::Refused(violation);
                    break;
                }
            }
        }
        assert!(input.is_empty(), "a chunk is used up");
        check(&decoder, bytes.len() - rest.len());
    }
    (messages, end)
}

/// A frame as it is written, right or wrong.
#[derive(Clone, Debug)]
pub(super) struct RawFrame {
    pub(super) first: u8,
    pub(super) payload: Vec<u8>,
    pub(super) mask: Option<[u8; 4]>,
}

impl RawFrame {
    /// Written from RFC 6455 §5.2 and nothing of ours.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let masked = if self.mask.is_some() { 0x80 } else { 0 };
        out.push(self.first);
        match self.payload.len() {
            len @ 0..=125 => out.push(masked | len as u8),
            len @ 126..=0xFFFF => {
                out.push(masked | 126);
                out.extend((len as u16).to_be_bytes());
            }
            len => {
                out.push(masked | 127);
                out.extend((len as u64).to_be_bytes());
            }
        }
        let mask = self.mask.unwrap_or_default();
        if self.mask.is_some() {
            out.extend(mask);
        }
        out.extend(self.payload.iter().enumerate().map(|(i, byte)| byte ^ mask[i % 4]));
    }
}

/// Frames that keep every rule, and the messages in them.
#[derive(Clone, Debug)]
pub(super) struct ValidStream {
    pub(super) frames: Vec<RawFrame>,
    pub(super) messages: Vec<Owned>,
}

impl ValidStream {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.frames.iter().for_each(|frame| frame.write(&mut out));
        out
    }
}

/// What the peer says, before it is cut into frames.
#[derive(Clone, Debug)]
enum Said {
    /// A message in parts, with a control frame before each part that is not the first.
    Parts(Vec<Vec<u8>>, Vec<Option<Control>>),
    Control(Control),
}

#[derive(Clone, Debug)]
enum Control {
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

pub(super) fn payload() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![
        4 => 0..40_usize,
        2 => 120..132_usize,
        1 => 300..3000_usize,
        1 => prop_oneof![Just(0xFFFF_usize), Just(0x1_0000), Just(MESSAGE_MAX)],
    ];
    (len, any::<u8>()).prop_map(|(len, seed)| (0..len).map(|i| (i as u8) ^ seed).collect())
}

fn control() -> impl Strategy<Value = Control> {
    prop_oneof![
        vec(any::<u8>(), 0..=125).prop_map(Control::Ping),
        vec(any::<u8>(), 0..=125).prop_map(Control::Pong),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    let part = vec(any::<u8>(), 0..200);
    prop_oneof![
        3 => payload().prop_map(|payload| Said::Parts(vec![payload], vec![])),
        2 => (vec(part, 2..6), vec(proptest::option::of(control()), 5))
            .prop_map(|(parts, between)| Said::Parts(parts, between)),
        1 => control().prop_map(Said::Control),
    ]
}

fn close_code() -> impl Strategy<Value = Option<CloseCode>> {
    let code = prop_oneof![1000..=1003_u16, 1007..=1014_u16, 3000..=4999_u16];
    proptest::option::of(code.prop_map(CloseCode))
}

/// Valid streams as the peer of `role` writes them; some end with a close.
pub(super) fn valid_stream(role: Role) -> impl Strategy<Value = ValidStream> {
    let mask = any::<[u8; 4]>().prop_map(move |mask| (role == Role::Server).then_some(mask));
    (vec(said(), 0..6), proptest::option::weighted(0.3, close_code()), vec(mask, 1..8)).prop_map(
        |(all_said, close, masks)| {
            let mut stream = ValidStream { frames: Vec::new(), messages: Vec::new() };
            let mut masks = masks.into_iter().cycle();
            let mut push = |stream: &mut ValidStream, first, payload| {
                let mask = masks.next().flatten();
                stream.frames.push(RawFrame { first, payload, mask });
            };
            for said in all_said {
                match said {
                    Said::Control(control) => push_control(&mut stream, &mut push, control),
                    Said::Parts(parts, between) => {
                        let last = parts.len() - 1;
                        let whole = parts.concat();
                        let mut between = between.into_iter();
                        for (i, part) in parts.into_iter().enumerate() {
                            if i > 0
                                && let Some(control) = between.next().flatten()
                            {
                                push_control(&mut stream, &mut push, control);
                            }
                            let opcode = if i == 0 { 0x02 } else { 0x00 };
                            let fin = if i == last { 0x80 } else { 0x00 };
                            push(&mut stream, fin | opcode, part);
                        }
                        stream.messages.push(Owned::Binary(whole));
                    }
                }
            }
            if let Some(code) = close {
                let payload = code.map_or(Vec::new(), |code| code.0.to_be_bytes().to_vec());
                push(&mut stream, 0x88, payload);
                stream.messages.push(Owned::Close(code.map(|code| code.0)));
            }
            stream
        },
    )
}

fn push_control(
    stream: &mut ValidStream,
    push: &mut impl FnMut(&mut ValidStream, u8, Vec<u8>),
    control: Control,
) {
    let (first, payload, message) = match control {
        Control::Ping(payload) => (0x89, payload.clone(), Owned::Ping(payload)),
        Control::Pong(payload) => (0x8A, payload.clone(), Owned::Pong(payload)),
    };
    push(stream, first, payload);
    stream.messages.push(message);
}

/// Streams in which some bytes at the head of some frames are wrong.
pub(super) fn broken_stream(role: Role) -> impl Strategy<Value = Vec<u8>> {
    let blow = (any::<prop::sample::Index>(), 0..8_usize, any::<u8>());
    (valid_stream(role), vec(blow, 1..4)).prop_map(|(stream, blows)| {
        let mut bytes = Vec::new();
        let mut starts = Vec::new();
        for frame in &stream.frames {
            starts.push(bytes.len());
            frame.write(&mut bytes);
        }
        for (frame, offset, xor) in blows {
            if starts.is_empty() {
                break;
            }
            if let Some(byte) = bytes.get_mut(starts[frame.index(starts.len())] + offset) {
                *byte ^= xor;
            }
        }
        bytes
    })
}

/// Sizes of chunks, repeated for as long as the stream goes on.
pub(super) fn chunks() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![3 => 1..8_usize, 1 => 8..300_usize, 1 => 300..20_000_usize], 1..12)
}
