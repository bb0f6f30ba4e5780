//! Each bound on the way in, and the code that stands for breaking it (W-7).

use bytes::Bytes;
use homing_proto::code::Code;
use homing_proto::codec::{self, encode_client, encode_server};
use homing_proto::frame::{
    ClientFrame, EndSession, Request, Response, ServerFrame, SyncBody, Window,
};
use homing_proto::message::{Content, LogEntry, ReadMark};
use homing_proto::{limits, wire};
use prost::Message as _;

use crate::catalogue::{
    app, client_id, credential, device_info, first_login, message, message_entry, page, resume,
    secret, session, user, welcome, with,
};
use crate::schema;

/// Says hello after a change that no honest encoder would make.
fn hello(change: impl FnOnce(&mut wire::Hello)) -> Result<ClientFrame, Code> {
    let bytes = encode_client(&ClientFrame::Hello(Box::new(resume())));
    let mut frame = wire::ClientFrame::decode(bytes).unwrap();
    let Some(wire::client_frame::Frame::Hello(hello)) = &mut frame.frame else { unreachable!() };
    change(hello);
    client(&frame)
}

fn device(change: impl FnOnce(&mut wire::Device)) -> Result<ClientFrame, Code> {
    hello(|h| change(h.device.as_mut().unwrap()))
}

fn token(change: impl FnOnce(&mut wire::Credential)) -> Result<ClientFrame, Code> {
    hello(|h| {
        let mut credential =
            wire::Credential { format: "usersig".to_owned(), token: "t".to_owned() };
        change(&mut credential);
        h.credential = Some(credential);
    })
}

fn resumed(change: impl FnOnce(&mut wire::Resume)) -> Result<ClientFrame, Code> {
    hello(|h| change(h.resume.as_mut().unwrap()))
}

fn request(body: wire::request::Body) -> Result<ClientFrame, Code> {
    let request = wire::Request { id: 1, body: Some(body) };
    client(&wire::ClientFrame { frame: Some(wire::client_frame::Frame::Request(request)) })
}

fn client(frame: &wire::ClientFrame) -> Result<ClientFrame, Code> {
    codec::decode_client(frame.encode_to_vec().into()).map_err(|bad| bad.error.code)
}

fn server(frame: wire::server_frame::Frame) -> Result<ServerFrame, Code> {
    let frame = wire::ServerFrame { frame: Some(frame) };
    codec::decode_server(frame.encode_to_vec().into()).map_err(|error| error.code)
}

fn text(bytes: usize) -> String {
    "x".repeat(bytes)
}

const INVALID: Result<(), Code> = Err(Code::INVALID_ARGUMENT);
const BROKEN: Result<(), Code> = Err(Code::PROTOCOL_ERROR);
const FINE: Result<(), Code> = Ok(());

#[track_caller]
fn verdict<T>(found: Result<T, Code>, expected: Result<(), Code>) {
    assert_eq!(found.map(drop), expected);
}

#[test]
fn a_user_id_has_1_to_32_bytes_of_the_allowed_signs() {
    let wrong = Err(Code::INVALID_USER_ID);
    verdict(hello(|h| h.user = text(32)), FINE);
    verdict(hello(|h| h.user = text(1)), FINE);
    verdict(hello(|h| h.user = text(0)), wrong);
    verdict(hello(|h| h.user = text(33)), wrong);
    let signs: Vec<char> = (0..=0x7f_u8).map(char::from).chain("é☀🏠\u{80}".chars()).collect();
    for sign in signs {
        let legal = sign.is_ascii_alphanumeric() || "!#$%&()+-:;<=.>?@[]^_{}|~".contains(sign);
        verdict(hello(|h| h.user = format!("a{sign}")), if legal { FINE } else { wrong });
    }
    let presence = |user: &str| wire::Presence { users: vec![user.to_owned()] };
    verdict(request(wire::request::Body::Presence(presence("bob"))), FINE);
    verdict(request(wire::request::Body::Presence(presence("bob/"))), wrong);
}

#[test]
fn an_app_id_is_1_or_more() {
    verdict(hello(|h| h.app = 1), FINE);
    verdict(hello(|h| h.app = u32::MAX), FINE);
    verdict(hello(|h| h.app = 0), INVALID);
}

#[test]
fn a_conversation_is_user_slash_a_user_id() {
    let read = |id: &str| {
        let conversation = id.to_owned();
        request(wire::request::Body::MarkRead(wire::MarkRead { conversation, seq: 1 }))
    };
    verdict(read("user/bob"), FINE);
    verdict(read("user/"), Err(Code::INVALID_USER_ID));
    verdict(read("user/a/b"), Err(Code::INVALID_USER_ID));
    verdict(read(&format!("user/{}", text(33))), Err(Code::INVALID_USER_ID));
    verdict(read(""), INVALID);
    verdict(read("bob"), INVALID);
    verdict(read("group/bob"), INVALID);
    verdict(read("User/bob"), INVALID);
}

#[test]
fn texts_of_a_hello_have_their_bounds() {
    verdict(hello(|h| h.sdk = text(limits::SDK_TEXT_BYTES)), FINE);
    verdict(hello(|h| h.sdk = text(limits::SDK_TEXT_BYTES + 1)), INVALID);
    verdict(hello(|h| h.user_name = text(limits::USER_NAME_BYTES)), FINE);
    verdict(hello(|h| h.user_name = text(limits::USER_NAME_BYTES + 1)), INVALID);
    let extension = |bytes| Bytes::from(vec![7; bytes]);
    verdict(hello(|h| h.login_extension = extension(limits::LOGIN_EXTENSION_BYTES)), FINE);
    verdict(hello(|h| h.login_extension = extension(limits::LOGIN_EXTENSION_BYTES + 1)), INVALID);
    verdict(device(|d| d.os = text(limits::DEVICE_TEXT_BYTES)), FINE);
    verdict(device(|d| d.os = text(limits::DEVICE_TEXT_BYTES + 1)), INVALID);
    verdict(device(|d| d.tag = text(limits::DEVICE_TEXT_BYTES)), FINE);
    verdict(device(|d| d.tag = text(limits::DEVICE_TEXT_BYTES + 1)), INVALID);
}

#[test]
fn a_token_has_at_most_8_kib_and_its_format_32_bytes() {
    verdict(token(|c| c.token = text(limits::TOKEN_BYTES)), FINE);
    verdict(token(|c| c.token = text(limits::TOKEN_BYTES + 1)), Err(Code::CREDENTIAL_MALFORMED));
    verdict(token(|c| c.format = text(limits::DEVICE_TEXT_BYTES)), FINE);
    verdict(token(|c| c.format = text(limits::DEVICE_TEXT_BYTES + 1)), INVALID);
    let renew = wire::Credential { format: String::new(), token: text(limits::TOKEN_BYTES + 1) };
    verdict(request(wire::request::Body::Renew(renew)), Err(Code::CREDENTIAL_MALFORMED));
}

#[test]
fn ids_have_16_bytes_and_secrets_32() {
    let bytes = |n| Bytes::from(vec![7; n]);
    for n in [0, 15, 17] {
        verdict(device(|d| d.id = bytes(n)), BROKEN);
        verdict(resumed(|r| r.session_id = bytes(n)), BROKEN);
        verdict(hello(|h| h.login_id = bytes(n)), if n == 0 { FINE } else { BROKEN });
        verdict(hello(|h| h.outbox_heads.push(bytes(n))), BROKEN);
        let kick = wire::KickDevices { session_ids: vec![bytes(n)] };
        verdict(request(wire::request::Body::KickDevices(kick)), BROKEN);
        let ended = wire::Ended { session_id: bytes(n) };
        verdict(server(wire::server_frame::Frame::Ended(ended)), BROKEN);
    }
    for n in [0, 31, 33] {
        verdict(resumed(|r| r.secret = bytes(n)), BROKEN);
    }
}

#[test]
fn a_hello_has_a_device_and_an_ack_a_cursor() {
    verdict(hello(|h| h.device = None), BROKEN);
    let ack = wire::client_frame::Frame::Ack(wire::Ack { cursor: None });
    verdict(client(&wire::ClientFrame { frame: Some(ack) }), BROKEN);
}

#[test]
fn a_hello_has_at_most_64_outbox_heads() {
    let heads = |n| vec![Bytes::from_static(&[7; 16]); n];
    assert_eq!(limits::IN_FLIGHT, 64);
    verdict(hello(|h| h.outbox_heads = heads(64)), FINE);
    verdict(hello(|h| h.outbox_heads = heads(65)), BROKEN);
}

#[test]
fn a_presence_question_names_at_most_500_users() {
    let ask = |n| {
        let users = vec!["bob".to_owned(); n];
        request(wire::request::Body::Presence(wire::Presence { users }))
    };
    verdict(ask(limits::PRESENCE_USERS), FINE);
    verdict(ask(limits::PRESENCE_USERS + 1), INVALID);
}

#[test]
fn content_has_at_most_12_kib_both_ways() {
    let send = |bytes| {
        request(wire::request::Body::Send(wire::Send {
            conversation: "user/bob".to_owned(),
            client_id: Bytes::from_static(&[7; 16]),
            content: vec![7; bytes].into(),
        }))
    };
    verdict(send(12 * 1024), FINE);
    verdict(send(12 * 1024 + 1), Err(Code::CONTENT_TOO_LARGE));

    let mut message = message("");
    message.content = Content(vec![7; 12 * 1024 + 1].into());
    let entry = LogEntry::Message { message, own_count: 0, read: ReadMark::default() };
    let error = codec::decode_entry(codec::encode_entry(&entry)).unwrap_err();
    assert_eq!(error.code, Code::PROTOCOL_ERROR);
}

#[test]
fn an_illegal_value_from_the_server_is_a_protocol_error_and_not_the_apps() {
    let read = |user: &str, online| wire::UserPresence { user: user.to_owned(), online };
    let list = |user| wire::PresenceList { users: vec![read(user, true)] };
    let answer = |user| {
        server(wire::server_frame::Frame::Response(wire::Response {
            id: 1,
            body: Some(wire::response::Body::Presence(list(user))),
        }))
    };
    verdict(answer("bob"), FINE);
    verdict(answer("bob/"), BROKEN);
}

#[test]
fn what_asks_for_too_much_gets_as_much_as_there_may_be() {
    let wish = wire::Window { conversations: u32::MAX, per_conversation: u32::MAX };
    let most = Window {
        conversations: limits::WINDOW_CONVERSATIONS,
        per_conversation: limits::WINDOW_MESSAGES,
    };
    let Ok(ClientFrame::Hello(read)) = hello(|h| h.window = Some(wish)) else { unreachable!() };
    assert_eq!(read.window, most);

    let ask = Request::SyncFrom {
        cursor: None,
        window: Window { conversations: u32::MAX, per_conversation: u32::MAX },
    };
    let read = codec::decode_client(encode_client(&ClientFrame::Request { id: 1, body: ask }));
    let body = Request::SyncFrom { cursor: None, window: most };
    assert_eq!(read, Ok(ClientFrame::Request { id: 1, body }));

    let ask = Request::History { conversation: with("bob"), before: 0, limit: u32::MAX };
    let read = codec::decode_client(encode_client(&ClientFrame::Request { id: 1, body: ask }));
    let body =
        Request::History { conversation: with("bob"), before: 0, limit: limits::HISTORY_PAGE };
    assert_eq!(read, Ok(ClientFrame::Request { id: 1, body }));
}

/// W-7: a request that was read as far as its id can be answered.
#[test]
fn what_is_wrong_with_a_request_comes_with_its_id() {
    let ask = |content: usize| ClientFrame::Request {
        id: 77,
        body: Request::Send {
            conversation: with("bob"),
            client_id: client_id(1),
            content: Content(vec![7; content].into()),
        },
    };
    let read = |frame| codec::decode_client(encode_client(&frame));
    assert_eq!(read(ask(limits::CONTENT_BYTES)), Ok(ask(limits::CONTENT_BYTES)));
    let bad = read(ask(limits::CONTENT_BYTES + 1)).unwrap_err();
    assert_eq!((bad.request, bad.error.code), (Some(77), Code::CONTENT_TOO_LARGE));
    let bad = codec::decode_client(vec![0xff; 3].into()).unwrap_err();
    assert_eq!((bad.request, bad.error.code), (None, Code::PROTOCOL_ERROR));
}

#[test]
fn the_text_of_a_kick_record_has_at_most_256_bytes() {
    let ended = |bytes| {
        let kick = wire::KickRecord {
            session_id: Bytes::from_static(&[7; 16]),
            text: text(bytes),
            ..Default::default()
        };
        server(wire::server_frame::Frame::Close(wire::Close {
            kick: Some(kick),
            ..Default::default()
        }))
    };
    verdict(ended(limits::TEXT_BYTES), FINE);
    verdict(ended(limits::TEXT_BYTES + 1), BROKEN);
}

#[test]
fn a_welcome_has_its_page_and_its_limits() {
    let bytes = encode_server(&ServerFrame::Welcome(Box::new(welcome())));
    let Some(wire::server_frame::Frame::Welcome(whole)) =
        wire::ServerFrame::decode(bytes).unwrap().frame
    else {
        unreachable!()
    };
    let read = |welcome| server(wire::server_frame::Frame::Welcome(welcome));
    verdict(read(whole.clone()), FINE);
    verdict(read(wire::Welcome { sync: None, ..whole.clone() }), BROKEN);
    verdict(read(wire::Welcome { limits: None, ..whole.clone() }), BROKEN);
    verdict(read(wire::Welcome { session_secret: Bytes::from_static(&[1]), ..whole }), BROKEN);
}

#[test]
fn a_frame_of_more_than_1_mib_is_too_large_whatever_is_in_it() {
    let bad = codec::decode_client(vec![0; limits::FRAME_MAX + 1].into()).unwrap_err();
    assert_eq!((bad.error.code, bad.request), (Code::FRAME_TOO_LARGE, None));
    let error = codec::decode_server(vec![0; limits::FRAME_MAX + 1].into()).unwrap_err();
    assert_eq!(error.code, Code::FRAME_TOO_LARGE);
    let error = codec::decode_server(vec![0; limits::FRAME_MAX].into()).unwrap_err();
    assert_eq!(error.code, Code::PROTOCOL_ERROR);
}

/// The paths come from the schema: a list added to it and forgotten in the count fails here.
#[test]
fn no_list_of_the_schema_gets_past_the_count_of_items() {
    for (name, decode) in [
        (
            "ClientFrame",
            (|b| codec::decode_client(b).map(drop).map_err(|bad| bad.error)) as fn(Bytes) -> _,
        ),
        ("ServerFrame", |b| codec::decode_server(b).map(drop)),
    ] {
        let paths = schema::lists(name);
        assert!(paths.len() >= 3, "{name}");
        for path in paths {
            let frame = schema::list_frame(&path, &[], limits::FRAME_ITEMS + 1);
            let error = decode(frame.into()).unwrap_err();
            let text = error.text.as_deref().unwrap_or_default().to_owned();
            assert_eq!(error.code, Code::PROTOCOL_ERROR, "{name} {path:?}");
            assert!(text.contains("more than 1024 items"), "{name} {path:?}: {text}");

            // The lists of parents that come several times over count together.
            let half = schema::list_frame(&path, &[], limits::FRAME_ITEMS / 2 + 1);
            assert_eq!(decode(half.repeat(2).into()).unwrap_err(), error, "{name} {path:?}");
        }
    }
}

#[test]
fn items_do_not_hide_behind_unknown_fields_and_groups() {
    let mut hidden = schema::field(90, b"later");
    hidden.extend([0xdb, 0x05, 0x08, 0x01, 0xdc, 0x05]); // group 91 { 1: 1 }
    hidden.extend(schema::list_frame(&[10, 1], &[], limits::FRAME_ITEMS + 1));
    let error = codec::decode_server(hidden.into()).unwrap_err();
    assert!(error.sentence().contains("more than 1024 items"), "{error}");
}

#[test]
fn the_fullest_frames_that_the_other_bounds_allow_can_be_read() {
    let full = ServerFrame::Welcome(Box::new(homing_proto::frame::Welcome {
        sync: page(SyncBody::Entries {
            first_offset: 1,
            entries: vec![message_entry(); limits::SYNC_ENTRIES],
        }),
        outbox_acks: vec![
            homing_proto::frame::OutboxAck {
                client_id: client_id(1),
                seq: 1,
                time: Default::default()
            };
            limits::IN_FLIGHT
        ],
        devices: vec![device_info(); 10 * limits::SESSIONS_PER_PLATFORM as usize],
        ..welcome()
    }));
    assert_eq!(codec::decode_server(encode_server(&full)), Ok(full));

    let conversation = homing_proto::message::Conversation {
        id: with("alice"),
        head: 57,
        own_count: 0,
        read_seq: 0,
        read_own_count: 0,
        messages: vec![message("x"); limits::WINDOW_MESSAGES as usize],
    };
    let list = vec![conversation; limits::WINDOW_CONVERSATIONS as usize];
    let body = Ok(Response::Sync(page(SyncBody::TooLong(list))));
    let full = ServerFrame::Response { id: 1, body };
    assert_eq!(codec::decode_server(encode_server(&full)), Ok(full));
}

#[test]
fn before_a_session_is_bound_the_largest_hello_and_end_session_fit_16_kib() {
    let mut largest = resume();
    largest.sdk = text(limits::SDK_TEXT_BYTES);
    largest.user = user(&text(limits::USER_ID_BYTES));
    largest.user_name = text(limits::USER_NAME_BYTES);
    largest.device.os = text(limits::DEVICE_TEXT_BYTES);
    largest.device.tag = text(limits::DEVICE_TEXT_BYTES);
    largest.credential = Some(homing_proto::frame::Credential {
        format: text(limits::DEVICE_TEXT_BYTES),
        token: homing_proto::secret::Token::new(text(limits::TOKEN_BYTES)),
    });
    largest.login_extension = vec![7; limits::LOGIN_EXTENSION_BYTES].into();
    largest.outbox_heads = vec![client_id(1); limits::IN_FLIGHT];
    let hello = encode_client(&ClientFrame::Hello(Box::new(largest)));
    println!("the largest hello: {} bytes", hello.len());
    assert!(hello.len() <= limits::FRAME_MAX_UNBOUND);
    assert!(codec::decode_client(hello).is_ok());

    let end = encode_client(&ClientFrame::EndSession(EndSession {
        app: app(),
        user: first_login().user,
        session: session(1),
        secret: secret(),
    }));
    assert!(end.len() <= 128, "{}", end.len());
    assert!(credential().token.expose().len() < limits::TOKEN_BYTES);
}
