//! The upgrade between us and tungstenite over a real socket, in both directions.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use homing_server::ws::client::{put_frame, read_upgrade_response, upgrade_request};
use homing_server::ws::{Decoder, Head, Message, Opcode, Role, SUB_PROTOCOL, frame};
use tokio_tungstenite::tungstenite;
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;

const NONCE: [u8; 16] = *b"sixteen bytes ok";

/// Reads until `done` makes something of the bytes so far.
fn read_until<T>(socket: &mut TcpStream, mut done: impl FnMut(&[u8]) -> Option<T>) -> T {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 1024];
        let len = socket.read(&mut chunk).unwrap();
        assert!(len > 0, "the peer hung up");
        bytes.extend_from_slice(&chunk[..len]);
        if let Some(result) = done(&bytes) {
            return result;
        }
    }
}

fn read_message(socket: &mut TcpStream, role: Role) -> Vec<u8> {
    read_until(socket, |bytes| {
        let mut scratch = bytes.to_vec();
        match Decoder::new(role).decode(&mut &mut scratch[..], 1024).unwrap()? {
            Message::Binary(payload) => Some(payload.into_owned()),
            other => panic!("{other:?}"),
        }
    })
}

fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn their_client_upgrades_at_our_server_and_is_echoed() {
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let answer = read_until(&mut socket, |bytes| {
            Head::parse(bytes).unwrap().map(|head| head.accept().unwrap())
        });
        socket.write_all(&answer).unwrap();
        let payload = read_message(&mut socket, Role::Server);
        socket.write_all(&frame::binary(&payload)).unwrap();
    });
    let mut request = format!("ws://{address}/v1/connect").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static(SUB_PROTOCOL));
    let socket = TcpStream::connect(address).unwrap();
    let (mut client, response) = tungstenite::client(request, socket).unwrap();
    assert_eq!(response.headers()["Sec-WebSocket-Protocol"], SUB_PROTOCOL);
    client.send(tungstenite::Message::Binary(b"hello"[..].into())).unwrap();
    assert_eq!(client.read().unwrap().into_data(), b"hello"[..]);
    server.join().unwrap();
}

#[test]
fn their_client_without_the_sub_protocol_is_told_why_not() {
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let answer = read_until(&mut socket, |bytes| {
            Head::parse(bytes).unwrap().map(|head| head.accept().unwrap_err().to_bytes())
        });
        socket.write_all(&answer).unwrap();
    });
    let socket = TcpStream::connect(address).unwrap();
    let refusal = tungstenite::client(format!("ws://{address}/v1/connect"), socket).unwrap_err();
    let tungstenite::HandshakeError::Failure(tungstenite::Error::Http(response)) = refusal else {
        panic!("{refusal:?}");
    };
    assert_eq!(response.status(), 400);
    assert!(response.body().as_ref().unwrap().starts_with(b"This server speaks the sub-protocol"));
    server.join().unwrap();
}

#[test]
fn our_client_upgrades_at_their_server_and_is_echoed() {
    let (listener, address) = listen();
    let server = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        #[allow(clippy::result_large_err, reason = "the signature is tungstenite's")]
        let select = |request: &Request, mut response: Response| {
            let offered = request.headers()["Sec-WebSocket-Protocol"].clone();
            response.headers_mut().insert("Sec-WebSocket-Protocol", offered);
            Ok::<_, ErrorResponse>(response)
        };
        let mut server = tungstenite::accept_hdr(socket, select).unwrap();
        let message = server.read().unwrap();
        server.send(message).unwrap();
    });
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(&upgrade_request(&address.to_string(), "/v1/connect", &NONCE)).unwrap();
    let len = read_until(&mut socket, |bytes| {
        read_upgrade_response(bytes, &NONCE).unwrap().map(|len| (len, bytes.len()))
    });
    assert_eq!(len.0, len.1, "their server waits for our frame");
    let mut out = Vec::new();
    put_frame(&mut out, Opcode::Binary, b"hello", [1, 2, 3, 4]);
    socket.write_all(&out).unwrap();
    assert_eq!(read_message(&mut socket, Role::Client), b"hello");
    server.join().unwrap();
}
