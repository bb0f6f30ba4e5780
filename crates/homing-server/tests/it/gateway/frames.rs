//! Bytes that break a rule, come late, or come at the wrong time.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use homing_proto::device::Platform;
use homing_proto::frame::{ClientFrame, Request, Response, ServerFrame};
use homing_proto::id::UserId;
use homing_proto::{Code, limits, wire};
use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::{self, Message};

use super::world::{Client, World, message_to, raw, resume, soon, upgrade};

#[tokio::test]
async fn another_sub_protocol_is_turned_down_with_a_reason() {
    let world = World::new().await;
    let tcp = TcpStream::connect(world.addr()).await.unwrap();
    let refused = client_async(upgrade("homing.9"), tcp).await.unwrap_err();
    let tungstenite::Error::Http(response) = refused else { panic!("{refused}") };
    assert_eq!(response.status(), 400);
}

#[tokio::test]
async fn a_plain_request_for_the_gateway_is_told_the_way_up() {
    let world = World::new().await;
    let answer = raw(world.addr(), b"GET /v1/connect HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
}

#[tokio::test]
async fn bytes_that_are_no_http_get_an_answer_and_an_end() {
    let world = World::new().await;
    let answer = raw(world.addr(), b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(limits::HTTP_HEAD_BYTES));
    assert!(raw(world.addr(), endless.as_bytes()).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_second_hello_closes() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    let again = world.hello("alice", 1, Platform::Ios);
    alice.send(&ClientFrame::Hello(Box::new(again))).await;
    let close = alice.closed().await;
    assert_eq!((close.error.code, close.resume_ok), (Code::PROTOCOL_ERROR, true));
    assert_eq!(world.metric("homing_closes_total{code=\"protocol_error\"}").await, Some(1));
}

#[tokio::test]
async fn a_request_before_the_welcome_closes() {
    let world = World::new().await;
    let mut client = world.connect().await;
    client.ask(Request::ListDevices).await;
    assert_eq!(client.closed().await.error.code, Code::PROTOCOL_ERROR);
}

#[tokio::test]
async fn a_malformed_hello_is_refused_with_the_code_of_what_is_wrong() {
    let world = World::new().await;
    let with_user = |user: &str| {
        let hello = codec_hello(&world, |hello| hello.user = user.to_owned());
        Bytes::from(hello.encode_to_vec())
    };
    let cases = [
        (Bytes::from_static(b"\xff\xff\xff"), Code::PROTOCOL_ERROR),
        (with_user(""), Code::INVALID_USER_ID),
        (with_user(&"u".repeat(33)), Code::INVALID_USER_ID),
        (with_user("a/b"), Code::INVALID_USER_ID),
        (with_user("José"), Code::INVALID_USER_ID),
        (Bytes::from(vec![0; limits::FRAME_MAX_UNBOUND + 1]), Code::FRAME_TOO_LARGE),
    ];
    for (bytes, code) in cases {
        let mut client = world.connect().await;
        client.send_bytes(bytes).await;
        let ServerFrame::Refuse(refuse) = client.recv().await else { panic!("no refusal") };
        assert_eq!(refuse.error.code, code);
        assert_eq!(client.next().await, None);
    }
}

#[tokio::test]
async fn a_malformed_frame_later_closes_and_leaves_the_session() {
    let world = World::new().await;
    for (device, bytes) in [(1, vec![0xff; 3]), (2, vec![0; limits::FRAME_MAX + 1])] {
        let (mut alice, _) = world.login("alice", device, Platform::Ios).await;
        // A frame over the bound is refused at its header: the client may still be writing.
        let _ = alice.ws.send(Message::Binary(bytes.into())).await;
        if let Some(frame) = last_frame(&mut alice).await {
            let ServerFrame::Close(close) = frame else { panic!("{frame:?}") };
            assert!(close.resume_ok && !close.terminal);
        }
    }
}

/// W-7: a typed answer with the request's id, and the connection lives on.
#[tokio::test]
async fn a_message_over_its_bound_is_answered_and_the_next_one_goes_through() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    world.login("bob", 2, Platform::Ios).await;
    for _ in 0..2 {
        let large = "x".repeat(limits::CONTENT_BYTES + 1);
        let error = alice.write_to("bob", &large).await.unwrap_err();
        assert_eq!(error.code, Code::CONTENT_TOO_LARGE);
        assert!(matches!(alice.write_to("bob", "hi").await, Ok(Response::Sent { .. })));
    }
    let strangers = vec![UserId::parse("bob").unwrap(); limits::PRESENCE_USERS + 1];
    let error = alice.request(Request::Presence(strangers)).await.unwrap_err();
    assert_eq!(error.code, Code::INVALID_ARGUMENT);
    for _ in 0..=limits::IN_FLIGHT_EXCESS {
        alice.ask(message_to("bob", &"x".repeat(limits::CONTENT_BYTES + 1), 9)).await;
    }
    let close = alice.closed().await;
    assert_eq!((close.error.code, close.resume_ok), (Code::RATE_LIMITED, true));
}

#[tokio::test]
async fn a_text_message_is_a_protocol_error() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    alice.ws.send(Message::text("hello")).await.unwrap();
    assert_eq!(alice.closed().await.error.code, Code::PROTOCOL_ERROR);
}

#[tokio::test]
async fn the_close_of_the_socket_says_the_code_too() {
    let world = World::new().await;
    let mut client = world.connect().await;
    client.ask(Request::ListDevices).await;
    client.recv().await;
    let Some(Ok(Message::Close(Some(close)))) = soon(client.ws.next()).await else {
        panic!("no close")
    };
    assert_eq!(u16::from(close.code), 4_000 + Code::PROTOCOL_ERROR.0);
}

#[tokio::test]
async fn who_says_no_hello_in_time_is_closed() {
    let world = World::new().await;
    let mut client = world.connect().await;
    world.clock.advance(limits::HELLO_TIMEOUT_MS);
    assert_eq!(client.closed().await.error.code, Code::HELLO_TIMEOUT);
}

#[tokio::test]
async fn who_sends_a_request_bit_by_bit_is_cut_off() {
    let world = World::new().await;
    let mut slow = TcpStream::connect(world.addr()).await.unwrap();
    slow.write_all(b"GET /healthz HT").await.unwrap();
    // Sockets are accepted in order: when this is answered the slow one is in.
    assert_eq!(world.http("GET", "/healthz", None, "").await.0, 200);
    world.clock.advance(limits::HELLO_TIMEOUT_MS);
    let mut rest = Vec::new();
    soon(slow.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn a_large_frame_arrives_whole_in_any_pieces_and_later_frames_after_it() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    // A field that nobody knows yet (W-6), of 60 KB.
    let mut bytes = vec![0xfa, 0x3f, 0xe0, 0xd4, 0x03];
    bytes.resize(5 + 60_000, 7);
    for _ in 0..3 {
        alice.send_bytes(bytes.clone().into()).await;
    }
    alice.ping().await;
    assert!(alice.write_to("bob", "after it").await.is_ok());
}

#[tokio::test]
async fn websocket_pings_are_answered() {
    let world = World::new().await;
    let mut client = world.connect().await;
    client.ws.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
    let Some(Ok(Message::Pong(payload))) = soon(client.ws.next()).await else { panic!("no pong") };
    assert_eq!(&payload[..], b"there?");
}

#[tokio::test]
async fn a_hello_right_behind_the_upgrade_request_is_heard() {
    let world = World::new().await;
    let hello = world.hello("alice", 1, Platform::Ios);
    let nonce = [7; 16];
    let mut bytes = homing_server::ws::client::upgrade_request("localhost", "/v1/connect", &nonce);
    let frame = homing_proto::codec::encode_client(&ClientFrame::Hello(Box::new(hello)));
    let binary = homing_server::ws::Opcode::Binary;
    homing_server::ws::client::put_frame(&mut bytes, binary, &frame, [1, 2, 3, 4]);
    let mut tcp = TcpStream::connect(world.addr()).await.unwrap();
    tcp.write_all(&bytes).await.unwrap();
    let mut answer = Vec::new();
    let welcome = loop {
        soon(tcp.read_buf(&mut answer)).await.unwrap();
        let Ok(Some(len)) = homing_server::ws::client::read_upgrade_response(&answer, &nonce)
        else {
            continue;
        };
        let mut decoder = homing_server::ws::Decoder::new(homing_server::ws::Role::Client);
        let mut frames = answer[len..].to_vec();
        if let Some(message) = decoder.decode(&mut &mut frames[..], limits::FRAME_MAX).unwrap() {
            let homing_server::ws::Message::Binary(bytes) = message else { panic!("no frame") };
            break bytes.into_owned();
        }
    };
    let welcome = homing_proto::codec::decode_server(welcome.into()).unwrap();
    assert!(matches!(welcome, ServerFrame::Welcome(_)));
}

#[tokio::test]
async fn a_slow_reader_is_cut_off_and_loses_nothing() {
    let world = World::new().await;
    let hello = world.hello("bob", 3, Platform::Android);
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut bob = Client::over(socket.connect(world.addr()).await.unwrap()).await;
    let first = bob.greet(hello.clone()).await.unwrap();

    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    let text = "x".repeat(12_000);
    // Twice what the mailbox takes, for the system's buffers take some too.
    let count = u32::try_from(3 * limits::OUTBOUND_BYTES / text.len()).unwrap();
    for number in 0..count {
        alice.request(message_to("bob", &text, number)).await.unwrap();
    }
    let mut read = 0;
    while let Some(frame) = bob.next().await {
        match frame {
            ServerFrame::Push { offset, .. } => {
                read += 1;
                assert_eq!(offset, read);
            }
            ServerFrame::Close(close) => {
                assert_eq!((close.error.code, close.resume_ok), (Code::SLOW_READER, true));
            }
            _ => {}
        }
    }
    assert!(read < u64::from(count), "{read}");
    assert_eq!(world.metric("homing_closes_total{code=\"slow_reader\"}").await, Some(1));
    let (_bob, again) = world.login_with(resume(hello, &first, 2)).await;
    assert_eq!(again.head, u64::from(count));
}

#[tokio::test]
async fn too_many_requests_at_once_are_answered_as_such() {
    let world = World::new().await;
    let (mut alice, _) = world.login("alice", 1, Platform::Ios).await;
    let mut frames = Vec::new();
    for number in 0..200 {
        frames.push(message_to("bob", "x", number));
    }
    for body in frames {
        alice.ask(body).await;
    }
    let mut answers = 0;
    while answers < 200 {
        match alice.next().await {
            Some(ServerFrame::Response { body: Ok(_), .. }) => answers += 1,
            Some(ServerFrame::Response { body: Err(error), .. }) => {
                assert_eq!(error.code, Code::RATE_LIMITED);
                assert!(error.retry_after_ms.is_some());
                answers += 1;
            }
            Some(ServerFrame::Close(close)) => {
                assert_eq!(close.error.code, Code::RATE_LIMITED);
                return;
            }
            Some(_) => {}
            None => panic!("an end without a close"),
        }
    }
}

async fn last_frame(client: &mut Client) -> Option<ServerFrame> {
    let mut last = None;
    while let Some(frame) = client.next().await {
        last = Some(frame);
    }
    last
}

/// The schema's form of a Hello, to put in what the types do not allow.
fn codec_hello(world: &World, change: impl FnOnce(&mut wire::Hello)) -> wire::ClientFrame {
    let hello = ClientFrame::Hello(Box::new(world.hello("alice", 1, Platform::Ios)));
    let bytes = homing_proto::codec::encode_client(&hello);
    let mut frame = wire::ClientFrame::decode(bytes).unwrap();
    match &mut frame.frame {
        Some(wire::client_frame::Frame::Hello(hello)) => change(hello),
        other => panic!("{other:?}"),
    }
    frame
}
