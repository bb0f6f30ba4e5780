//! The layout of one frame (RFC 6455 §5.2): read a header, write a header, mask a payload.

use bytes::{BufMut, Bytes};

use super::codec::Role;
use super::message::Violation;

/// The longest header a server writes: two bytes and a 64-bit length, no mask.
pub const SERVER_HEADER_MAX: usize = 10;
/// The longest header there is: a server's and a mask of four bytes.
pub const HEADER_MAX: usize = 14;
/// The longest payload of a ping, a pong or a close (RFC 6455 §5.5).
pub const CONTROL_MAX: usize = 125;

/// What a frame is. The numbers that RFC 6455 keeps for later have no variant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Opcode {
    /// A further part of a fragmented message.
    Continuation = 0x0,
    /// A binary message or its first part.
    Binary = 0x2,
    /// The end of the conversation.
    Close = 0x8,
    /// A question for a pong.
    Ping = 0x9,
    /// The answer to a ping.
    Pong = 0xA,
}

impl Opcode {
    /// Whether the frame speaks about the connection and may stand between two fragments.
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}

/// The reason of a close (RFC 6455 §7.4 and the IANA registry). An unknown number survives.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CloseCode(pub u16);

impl CloseCode {
    /// The purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// The server goes down or the page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// The peer broke RFC 6455.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The peer sent a kind of message that is not taken here, such as text.
    pub const UNSUPPORTED: Self = Self(1003);
    /// The bytes do not fit the kind of message, such as a reason that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// The peer broke a rule of the application.
    pub const POLICY: Self = Self(1008);
    /// The message is over its bound (W-7).
    pub const TOO_BIG: Self = Self(1009);
    /// The server met something unexpected.
    pub const INTERNAL: Self = Self(1011);
    /// The server restarts; come back.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// The server is overloaded; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Whether the code may stand in a frame. 1004 has no meaning; 1005, 1006 and 1015 are names
    /// for what was *not* received; 1016 to 2999 await a later RFC; the rest is nobody's.
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

/// The header of an unmasked, unfragmented frame: the array and how many bytes of it count.
///
/// The payload follows it on the wire as it is.
pub const fn encode_header(opcode: Opcode, payload_len: usize) -> ([u8; SERVER_HEADER_MAX], usize) {
    let mut header = [0; SERVER_HEADER_MAX];
    header[0] = FIN | opcode as u8;
    let len = payload_len as u64;
    let used = match len {
        0..=125 => {
            header[1] = len as u8;
            return (header, 2);
        }
        126..=0xFFFF => {
            header[1] = LEN_16;
            4
        }
        _ => {
            header[1] = LEN_64;
            10
        }
    };
    let mut at = 2;
    while at < used {
        header[at] = (len >> (8 * (used - 1 - at))) as u8;
        at += 1;
    }
    (header, used)
}

/// Appends the header of an unmasked frame; the caller appends the `payload_len` bytes.
///
/// With it a frame of Homing is encoded straight behind its header, without a copy.
pub fn put_header(out: &mut impl BufMut, opcode: Opcode, payload_len: usize) {
    let (header, used) = encode_header(opcode, payload_len);
    out.put_slice(&header[..used]);
}

/// A whole binary frame in one buffer, to be written once or shared by many connections.
pub fn binary(payload: &[u8]) -> Bytes {
    whole(Opcode::Binary, payload)
}

/// A ping. The payload is cut to [`CONTROL_MAX`] bytes.
pub fn ping(payload: &[u8]) -> Bytes {
    whole(Opcode::Ping, &payload[..payload.len().min(CONTROL_MAX)])
}

/// The pong to a ping with this payload. The payload is cut to [`CONTROL_MAX`] bytes.
pub fn pong(payload: &[u8]) -> Bytes {
    whole(Opcode::Pong, &payload[..payload.len().min(CONTROL_MAX)])
}

/// A close. A code that may not be sent is left out, and the reason with it; the reason is cut at
/// a character so that both fit into [`CONTROL_MAX`] bytes.
pub fn close(code: CloseCode, reason: &str) -> Bytes {
    whole(Opcode::Close, &close_payload(code, reason))
}

/// The payload of a close, for both ends.
pub(super) fn close_payload(code: CloseCode, reason: &str) -> Vec<u8> {
    if !code.may_be_sent() {
        return Vec::new();
    }
    let mut payload = code.0.to_be_bytes().to_vec();
    payload.extend_from_slice(&reason.as_bytes()[..reason.floor_char_boundary(CONTROL_MAX - 2)]);
    payload
}

/// A header as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) opcode: Opcode,
    pub(super) is_final: bool,
    /// `[0; 4]` where there is none: it changes nothing.
    pub(super) mask: [u8; 4],
    pub(super) payload_len: usize,
}

/// What the reader of a header has to know about the message it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    pub(super) role: Role,
    /// The bytes of the fragments so far, if a fragmented message has begun.
    pub(super) fragments: Option<usize>,
    /// The bytes a message may have.
    pub(super) message_max: usize,
}

/// Reads a header from the start of `bytes`; returns it with its length, or `None` if it goes on
/// behind them.
///
/// The bytes are judged in order, each as soon as it is there, so that the verdict is the same
/// however the header is cut into chunks.
pub(super) fn parse_header(
    bytes: &[u8],
    context: Context,
) -> Result<Option<(Header, usize)>, Violation> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let (opcode, is_final) = parse_first(first, context.fragments.is_some())?;

    let Some(&second) = bytes.get(1) else { return Ok(None) };
    let is_masked = second & MASKED != 0;
    match context.role {
        Role::Server if !is_masked => return Err(Violation::Unmasked),
        Role::Client if is_masked => return Err(Violation::Masked),
        Role::Server | Role::Client => {}
    }
    let short = second & !MASKED;
    if opcode.is_control() && usize::from(short) > CONTROL_MAX {
        return Err(Violation::LongControl);
    }

    let len_end = match short {
        LEN_16 => 4,
        LEN_64 => 10,
        _ => 2,
    };
    let Some(long) = bytes.get(2..len_end) else { return Ok(None) };
    let payload_len = parse_len(short, long)?;
    let room = context.message_max.saturating_sub(context.fragments.unwrap_or(0));
    let payload_len = match usize::try_from(payload_len) {
        Ok(len) if opcode.is_control() || len <= room => len,
        _ => return Err(Violation::TooBig),
    };

    let header = Header { opcode, is_final, mask: [0; 4], payload_len };
    if !is_masked {
        return Ok(Some((header, len_end)));
    }
    let Some(mask) = bytes[len_end..].first_chunk() else { return Ok(None) };
    Ok(Some((Header { mask: *mask, ..header }, len_end + 4)))
}

fn parse_first(first: u8, in_fragments: bool) -> Result<(Opcode, bool), Violation> {
    if first & RESERVED != 0 {
        return Err(Violation::ReservedBits);
    }
    let is_final = first & FIN != 0;
    let opcode = match first & 0x0F {
        0x0 if !in_fragments => return Err(Violation::StrayContinuation),
        0x1 | 0x2 if in_fragments => return Err(Violation::InterruptedMessage),
        0x0 => Opcode::Continuation,
        0x1 => return Err(Violation::Text),
        0x2 => Opcode::Binary,
        0x8 => Opcode::Close,
        0x9 => Opcode::Ping,
        0xA => Opcode::Pong,
        _ => return Err(Violation::UnknownOpcode),
    };
    if opcode.is_control() && !is_final {
        return Err(Violation::FragmentedControl);
    }
    Ok((opcode, is_final))
}

/// The length as a number, if it is written in the shortest way (RFC 6455 §5.2: MUST).
fn parse_len(short: u8, long: &[u8]) -> Result<u64, Violation> {
    let len = long.iter().fold(0_u64, |len, byte| len << 8 | u64::from(*byte));
    match short {
        LEN_16 if len <= 125 => Err(Violation::LongLength),
        LEN_64 if len <= 0xFFFF => Err(Violation::LongLength),
        LEN_16 | LEN_64 => Ok(len),
        _ => Ok(u64::from(short)),
    }
}

/// Masks or unmasks a part of a payload that starts `offset` bytes into it.
pub(super) fn apply_mask(part: &mut [u8], mask: [u8; 4], offset: usize) {
    if mask == [0; 4] {
        return;
    }
    let turned: [u8; 4] = std::array::from_fn(|i| mask[(offset + i) % 4]);
    // Eight bytes at a time, which the compiler widens further.
    let wide = u64::from_ne_bytes(std::array::from_fn(|i| turned[i % 4]));
    let mut chunks = part.chunks_exact_mut(8);
    for chunk in &mut chunks {
        let word: &mut [u8; 8] = chunk.try_into().expect("chunks of exactly eight");
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, key) in chunks.into_remainder().iter_mut().zip(turned.iter().cycle()) {
        *byte ^= key;
    }
}

fn whole(opcode: Opcode, payload: &[u8]) -> Bytes {
    let (header, used) = encode_header(opcode, payload.len());
    let mut out = Vec::with_capacity(used + payload.len());
    out.extend_from_slice(&header[..used]);
    out.extend_from_slice(payload);
    out.into()
}

pub(super) const FIN: u8 = 0x80;
pub(super) const MASKED: u8 = 0x80;
const RESERVED: u8 = 0x70;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_written_in_the_shortest_way() {
        let cases: [(usize, &[u8]); 6] = [
            (0, &[0x82, 0]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (0xFFFF, &[0x82, 126, 0xFF, 0xFF]),
            (0x1_0000, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
            (0x12_3456, &[0x82, 127, 0, 0, 0, 0, 0, 0x12, 0x34, 0x56]),
        ];
        for (len, expected) in cases {
            let (header, used) = encode_header(Opcode::Binary, len);
            assert_eq!(&header[..used], expected, "length {len}");
        }
    }

    #[test]
    fn masking_a_part_continues_where_the_part_before_it_ended() {
        let mask = [1, 2, 3, 4];
        let plain: Vec<u8> = (0..100).collect();
        let expected: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ mask[i % 4]).collect();
        for cut in 0..=plain.len() {
            let mut parts = plain.clone();
            let (a, b) = parts.split_at_mut(cut);
            apply_mask(a, mask, 0);
            apply_mask(b, mask, cut);
            assert_eq!(parts, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_close_reason_is_cut_at_a_character() {
        let frame = close(CloseCode::GOING_AWAY, &"é".repeat(100));
        assert_eq!(frame[..4], [0x88, 124, 0x03, 0xE9]);
        assert!(std::str::from_utf8(&frame[4..]).is_ok());
    }

    #[test]
    fn a_close_code_that_may_not_be_sent_is_left_out() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(close(CloseCode(code), "why")[..], [0x88, 0], "code {code}");
        }
    }

    #[test]
    fn a_pong_never_grows_over_the_bound_of_a_control_frame() {
        assert_eq!(pong(&[7; 126]).len(), 2 + CONTROL_MAX);
    }
}
