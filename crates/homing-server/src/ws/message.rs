//! What a decoder gives: messages, or the peer's violation.

use std::borrow::Cow;
use std::fmt;

use super::frame::CloseCode;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_payload_is_shown() {
        assert_eq!(format!("{:?}", Message::Binary(b"secret".into())), "Binary(6 bytes)");
    }
}
