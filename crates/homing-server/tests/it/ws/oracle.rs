//! Our codec and tungstenite's read the same out of the same bytes.
//!
//! Known differences:
//! - we refuse text messages (Homing has none) and lengths that are not in the shortest form;
//! - we refuse at the first wrong byte, tungstenite when the whole frame has arrived;
//! - we take the close code 1014, which the registry has had since tungstenite's table was made.

use std::io::{self, Read, Write};

use homing_server::ws::client::{put_close, put_frame};
use homing_server::ws::{CloseCode, Opcode, Role, Violation, frame};
use proptest::prelude::*;
use tokio_tungstenite::tungstenite;
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{CloseFrame, Frame};
use tungstenite::protocol::{self, WebSocket, WebSocketConfig};

use super::stream::{
    End, MESSAGE_MAX, Owned, RawFrame, broken_stream, chunks, decode, payload, valid_stream,
};

/// A socket in memory: reads what it was given, keeps what is written.
#[derive(Default)]
struct Memory {
    input: io::Cursor<Vec<u8>>,
    output: Vec<u8>,
}

impl Read for Memory {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.input.read(buf)? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }
}

impl Write for Memory {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.output.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(role: Role, bytes: &[u8]) -> WebSocket<Memory> {
    let role = match role {
        Role::Server => protocol::Role::Server,
        Role::Client => protocol::Role::Client,
    };
    let config = WebSocketConfig::default()
        .max_frame_size(Some(MESSAGE_MAX))
        .max_message_size(Some(MESSAGE_MAX));
    let memory = Memory { input: io::Cursor::new(bytes.to_vec()), output: Vec::new() };
    WebSocket::from_raw_socket(memory, role, Some(config))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TheirEnd {
    Open,
    Closed,
    Refused,
}

/// What tungstenite reads; `None` stands for a text message.
fn read_theirs(socket: &mut WebSocket<Memory>) -> (Vec<Option<Owned>>, TheirEnd) {
    let mut messages = Vec::new();
    loop {
        let message = match socket.read() {
            Ok(tungstenite::Message::Binary(payload)) => Some(Owned::Binary(payload.to_vec())),
            Ok(tungstenite::Message::Ping(payload)) => Some(Owned::Ping(payload.to_vec())),
            Ok(tungstenite::Message::Pong(payload)) => Some(Owned::Pong(payload.to_vec())),
            Ok(tungstenite::Message::Close(close)) => {
                // So it reports a code that may not be sent.
                if close.as_ref().is_some_and(|close| close.reason == "Protocol violation") {
                    return (messages, TheirEnd::Refused);
                }
                messages.push(Some(Owned::Close(close.map(|close| close.code.into()))));
                return (messages, TheirEnd::Closed);
            }
            Ok(tungstenite::Message::Text(_)) => None,
            Ok(tungstenite::Message::Frame(_)) => unreachable!("frames are not read"),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                return (messages, TheirEnd::Open);
            }
            Err(_) => return (messages, TheirEnd::Refused),
        };
        messages.push(message);
    }
}

fn roles() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Server), Just(Role::Client)]
}

/// Writes a valid stream with tungstenite's writer, fragments and all.
fn write_theirs(socket: &mut WebSocket<Memory>, frames: &[RawFrame]) {
    for frame in frames {
        let payload = frame.payload.clone();
        let is_final = frame.first & 0x80 != 0;
        let data = |data| {
            let frame = Frame::message(payload.clone(), OpCode::Data(data), is_final);
            tungstenite::Message::Frame(frame)
        };
        let message = match frame.first & 0x0F {
            0x0 => data(Data::Continue),
            0x2 if is_final => tungstenite::Message::Binary(payload.into()),
            0x2 => data(Data::Binary),
            0x9 => tungstenite::Message::Ping(payload.into()),
            0xA => tungstenite::Message::Pong(payload.into()),
            _ => tungstenite::Message::Close(payload.first_chunk().map(|code| CloseFrame {
                code: u16::from_be_bytes(*code).into(),
                reason: "the reason is not kept".into(),
            })),
        };
        socket.send(message).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn we_read_what_they_write(
        (role, stream) in roles().prop_flat_map(|role| (Just(role), valid_stream(role))),
        chunks in chunks(),
    ) {
        let peer = if role == Role::Server { Role::Client } else { Role::Server };
        let mut socket = theirs(peer, &[]);
        write_theirs(&mut socket, &stream.frames);
        let (messages, _) = decode(role, &socket.get_ref().output, &chunks, |_, _| {});
        prop_assert!(messages == stream.messages);
    }

    #[test]
    fn they_read_what_our_server_writes_and_we_read_their_pong(
        payloads in proptest::collection::vec(payload(), 1..5),
        control in proptest::collection::vec(any::<u8>(), 0..=125),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for payload in payloads {
            bytes.extend(frame::binary(&payload));
            expected.push(Some(Owned::Binary(payload)));
        }
        bytes.extend(frame::pong(&control));
        bytes.extend(frame::ping(&control));
        expected.push(Some(Owned::Pong(control.clone())));
        expected.push(Some(Owned::Ping(control.clone())));
        let mut socket = theirs(Role::Client, &bytes);
        prop_assert!(read_theirs(&mut socket) == (expected, TheirEnd::Open));
        let answer = decode(Role::Server, &socket.get_ref().output, &[], |_, _| {});
        prop_assert_eq!(answer, (vec![Owned::Pong(control)], End::Open));
    }

    #[test]
    fn they_read_what_our_client_writes_and_we_read_their_close(
        payload in payload(),
        mask in any::<[u8; 4]>(),
        code in prop_oneof![1000..=1003_u16, 1007..=1013_u16, 3000..=4999_u16],
        reason in ".{0,200}",
    ) {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, Opcode::Binary, &payload, mask);
        put_close(&mut bytes, CloseCode(code), &reason, mask);
        let mut socket = theirs(Role::Server, &bytes);
        let expected = vec![Some(Owned::Binary(payload)), Some(Owned::Close(Some(code)))];
        prop_assert!(read_theirs(&mut socket) == (expected, TheirEnd::Closed));
        prop_assert!(socket.read().is_err(), "the read that sends their answer");
        let answer = decode(Role::Client, &socket.get_ref().output, &[], |_, _| {});
        prop_assert_eq!(answer, (vec![Owned::Close(Some(code))], End::Closed));
    }

    #[test]
    fn we_and_they_refuse_the_same(
        (role, bytes) in roles().prop_flat_map(|role| (Just(role), broken_stream(role))),
        chunks in chunks(),
    ) {
        let (ours, our_end) = decode(role, &bytes, &chunks, |_, _| {});
        let (their, their_end) = read_theirs(&mut theirs(role, &bytes));
        prop_assume!(ours.last() != Some(&Owned::Close(Some(1014))));
        let ours: Vec<_> = ours.into_iter().map(Some).collect();
        prop_assert!(their.starts_with(&ours), "all we read, they read");
        match our_end {
            End::Refused(Violation::Text | Violation::LongLength) => {}
            // They wait for the rest of the frame that we refuse.
            End::Refused(_) => {
                prop_assert!(their == ours);
                prop_assert!(their_end != TheirEnd::Closed);
            }
            End::Open => prop_assert!(their == ours && their_end == TheirEnd::Open),
            End::Closed => prop_assert!(their == ours && their_end == TheirEnd::Closed),
        }
    }
}
