//! What frames cost on the wire (W-8). Compression is off, so the bytes are all there is.

use homing_proto::codec::{encode_client, encode_server};
use homing_proto::frame::{ClientFrame, Hello, ServerFrame, Welcome};
use homing_proto::message::{Content, LogEntry, Message, ReadMark};

use crate::catalogue::{credential, device_info, first_login, message, resume, welcome};

#[test]
fn a_typical_hello_takes_at_most_512_bytes() {
    let token = credential().token.expose().len();
    assert!((240..=260).contains(&token), "as long as a real UserSig: {token}");
    let with_both = Hello { credential: Some(credential()), ..resume() };
    for (what, hello) in
        [("login", first_login()), ("resume", resume()), ("resume with credential", with_both)]
    {
        let len = encode_client(&ClientFrame::Hello(Box::new(hello))).len();
        println!("hello, {what}: {len} bytes");
        assert!(len <= 512, "{what}: {len} bytes");
    }
}

#[test]
fn a_welcome_without_sync_takes_at_most_256_bytes() {
    let two_devices = Welcome { devices: vec![device_info(); 2], ..welcome() };
    for (what, welcome) in [("one device", welcome()), ("two devices", two_devices)] {
        let len = encode_server(&ServerFrame::Welcome(Box::new(welcome))).len();
        println!("welcome, {what}: {len} bytes");
        assert!(len <= 256, "{what}: {len} bytes");
    }
}

#[test]
fn a_push_of_a_text_of_100_bytes_takes_at_most_180_bytes_on_the_wire() {
    let unread = ReadMark { seq: 999_900, own_count: 500_000 };
    let answered = ReadMark { seq: 9_990, own_count: 4_990 };
    for (what, seq, own_count, read) in
        [("unread", 1_000_000, 500_000, unread), ("answered", 10_000, 5_000, answered)]
    {
        let message = Message { seq, content: Content::text("x".repeat(100)), ..message("") };
        let entry = LogEntry::Message { message, own_count, read };
        let len = encode_server(&ServerFrame::Push { offset: 10_000_000, entry }).len();
        println!("push, {what}: {len} bytes and {} of WebSocket header", header(len));
        assert!(len + header(len) <= 180, "{what}: {len} bytes");
    }
}

/// A server's WebSocket header (RFC 6455 §5.2): not masked.
const fn header(len: usize) -> usize {
    if len < 126 { 2 } else { 4 }
}
