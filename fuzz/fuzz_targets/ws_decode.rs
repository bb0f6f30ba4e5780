//! Any bytes, cut anywhere: the WebSocket decoder gives what it gives for the whole, within its bound.
//!
//! The first byte chooses the role, the second the size of the chunks; the rest is the stream.

#![no_main]

use homing_server::ws::{Decoder, Head, Message, Role, Violation};
use libfuzzer_sys::fuzz_target;

const MESSAGE_MAX: usize = 4096;
/// The decoder's own state and a control frame.
const OVERHEAD_MAX: usize = 300;

fuzz_target!(|bytes: &[u8]| {
    let [choice, size, stream @ ..] = bytes else { return };
    let role = if choice & 1 == 0 { Role::Server } else { Role::Client };
    let whole = decode(role, stream, stream.len());
    let cut = decode(role, stream, usize::from(*size));
    assert!(whole == cut, "the cut changes the reading");

    // The other thing a stranger's first bytes are read as.
    if let Ok(Some(head)) = Head::parse(stream) {
        assert!(head.len <= stream.len());
        let _ = head.accept();
    }
});

type Reading = (Vec<(u8, Vec<u8>)>, Option<Violation>);

fn decode(role: Role, stream: &[u8], size: usize) -> Reading {
    let mut decoder = Decoder::new(role);
    let mut messages = Vec::new();
    let mut arrived = 0;
    for chunk in stream.chunks(size.max(1)) {
        let mut scratch = chunk.to_vec();
        let mut input = &mut scratch[..];
        loop {
            match decoder.decode(&mut input, MESSAGE_MAX) {
                Ok(Some(message)) => messages.push(read(message)),
                Ok(None) => break,
                Err(violation) => return (messages, Some(violation)),
            }
        }
        assert!(input.is_empty(), "a chunk is used up");
        arrived += chunk.len();
        let most = (2 * arrived).min(MESSAGE_MAX) + OVERHEAD_MAX;
        assert!(decoder.heap_bytes() <= most, "{decoder:?}");
    }
    (messages, None)
}

fn read(message: Message<'_>) -> (u8, Vec<u8>) {
    match message {
        Message::Binary(payload) => {
            assert!(payload.len() <= MESSAGE_MAX);
            (2, payload.into_owned())
        }
        Message::Ping(payload) => (9, payload.into_owned()),
        Message::Pong(payload) => (10, payload.into_owned()),
        Message::Close(code) => (8, code.map_or(vec![], |code| code.0.to_be_bytes().into())),
    }
}
