//! WebSocket without sockets: the upgrade and the frames of RFC 6455 as pure functions over bytes.
//!
//! A connection at rest may cost 2 KiB in all, which leaves no room for a buffer of its own. So the
//! shell reads into one scratch buffer per thread and hands the chunk to [`Decoder::decode`], which
//! unmasks in place and lends out whole messages; only the unfinished end of a chunk is copied, and
//! that copy is gone as soon as its message is. A [`Decoder`] itself has 16 bytes.
//!
//! Reading order: [`handshake`] (an HTTP head in, a 101 or a typed refusal out), [`codec`] (bytes in,
//! [`message`]s out), [`frame`] (the layout of a frame, and how to write one), [`client`] (the other end,
//! for measurements and tests).
//!
//! Not here: extensions (no permessage-deflate: it keeps a window per connection), text messages
//! (a protobuf is binary), clocks and sockets.

pub mod handshake;

pub mod codec;
pub mod message;

pub mod frame;

pub mod client;

pub use codec::{Decoder, Role};
pub use frame::{CloseCode, Opcode};
pub use handshake::{Head, Refusal, SUB_PROTOCOL};
pub use message::{Message, Violation};
