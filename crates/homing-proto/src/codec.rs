//! Bytes to frames and back, with every bound checked on the way in (W-7).
//!
//! Decoding is total: any bytes give a frame or a typed error, never a panic. It allocates at most
//! 3 bytes per byte of the frame and 192 KiB for a client's frame, 768 KiB for a server's, whatever
//! the bytes say (`tests/allocation.rs`). What this version does not know becomes `Unknown` instead of an error (W-6).

mod count;
mod decode;
mod encode;

use bytes::Bytes;
use prost::Message as _;

use crate::code::{Code, Error};
use crate::frame::{ClientFrame, ServerFrame};
use crate::message::{Content, ContentView, LogEntry};
use crate::{limits, wire};

/// A client's frame that cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadFrame {
    /// The request that it was, if it could be read that far: then it can be answered, and the
    /// connection lives on (W-7).
    pub request: Option<u32>,
    /// What is wrong with it.
    pub error: Error,
}

impl From<Error> for BadFrame {
    fn from(error: Error) -> Self {
        Self { request: None, error }
    }
}

/// Reads a client's frame.
///
/// # Errors
/// `protocol_error` for bytes that are no frame, else the code of the field that is wrong
/// (`invalid_user_id`, `content_too_large`, …).
pub fn decode_client(bytes: Bytes) -> Result<ClientFrame, BadFrame> {
    let bytes = checked(bytes, count::CLIENT_FRAME)?;
    let frame = wire::ClientFrame::decode(bytes).map_err(|_| malformed("client frame"))?;
    decode::client(frame)
}

/// Reads a server's frame.
///
/// # Errors
/// `protocol_error` for bytes that are no frame or hold an illegal value, `frame_too_large`.
pub fn decode_server(bytes: Bytes) -> Result<ServerFrame, Error> {
    let bytes = checked(bytes, count::SERVER_FRAME)?;
    let frame = wire::ServerFrame::decode(bytes).map_err(|_| malformed("server frame"))?;
    decode::server(frame).map_err(not_by_caller)
}

/// Writes a client's frame.
pub fn encode_client(frame: &ClientFrame) -> Bytes {
    encode::client(frame).encode_to_vec().into()
}

/// Writes a server's frame.
pub fn encode_server(frame: &ServerFrame) -> Bytes {
    encode::server(frame).encode_to_vec().into()
}

/// Writes one entry of a user's log, as it is stored and as it lies in a push.
pub fn encode_entry(entry: &LogEntry) -> Bytes {
    encode::entry(entry).encode_to_vec().into()
}

/// Reads one entry of a user's log.
///
/// # Errors
/// `protocol_error` when it cannot be read.
pub fn decode_entry(bytes: Bytes) -> Result<LogEntry, Error> {
    let entry = wire::LogEntry::decode(bytes).map_err(|_| malformed("log entry"))?;
    decode::entry(entry).map_err(not_by_caller)
}

impl Content {
    /// The content that a view stands for; an unknown view gives empty content.
    pub fn new(view: &ContentView) -> Self {
        let body = match view {
            ContentView::Text(text) => Some(wire::content::Body::Text(text.clone())),
            ContentView::Custom { kind, data } => Some(wire::content::Body::Custom(wire::Custom {
                kind: kind.clone(),
                data: data.clone(),
            })),
            ContentView::Unknown => None,
        };
        Self(wire::Content { body }.encode_to_vec().into())
    }

    /// Plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(&ContentView::Text(text.into()))
    }

    /// Takes the content apart; what cannot be read is `Unknown`.
    pub fn view(&self) -> ContentView {
        match wire::Content::decode(self.0.clone()).map(|content| content.body) {
            Ok(Some(wire::content::Body::Text(text))) => ContentView::Text(text),
            Ok(Some(wire::content::Body::Custom(wire::Custom { kind, data }))) => {
                ContentView::Custom { kind, data }
            }
            Ok(None) | Err(_) => ContentView::Unknown,
        }
    }
}

fn checked(bytes: Bytes, shape: count::Shape) -> Result<Bytes, Error> {
    if bytes.len() > limits::FRAME_MAX {
        return Err(Code::FRAME_TOO_LARGE.into());
    }
    count::check(&bytes, shape)?;
    Ok(bytes)
}

/// An illegal value that a server sent is no fault of the app that would read of it.
fn not_by_caller(error: Error) -> Error {
    Error::new(Code::PROTOCOL_ERROR).with_text(error.to_string())
}

fn malformed(what: &str) -> Error {
    Error::new(Code::PROTOCOL_ERROR).with_text(format!("malformed {what}"))
}
