//! Frames of a later version (W-6): what this one makes of them.

use homing_proto::code::{Code, Error};
use homing_proto::codec;
use homing_proto::device::Platform;
use homing_proto::frame::{
    Binding, ClientFrame, Close, Hello, Intent, Request, Response, ServerFrame, SyncBody, Welcome,
};
use homing_proto::message::{ContentView, LogEntry};
use homing_proto::wire;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::catalogue::{first_login, message_entry, page, welcome};
use crate::schema::field;

/// A number that no version has given away.
const LATER: u32 = 90;

/// What a reader of this version sees in the bytes of a later one.
pub(crate) enum Seen {
    Client(ClientFrame),
    Server(ServerFrame),
    Entry(LogEntry),
    Content(ContentView),
}

/// A vector: its name, what is unknown in it, its bytes, and what is seen.
pub(crate) type Unknown = (&'static str, &'static str, Vec<u8>, Seen);

pub(crate) fn all() -> Vec<Unknown> {
    let mut all = client();
    all.extend(server());
    all.extend(inside());
    all
}

fn client() -> Vec<Unknown> {
    let hello = |hello| Seen::Client(ClientFrame::Hello(Box::new(hello)));
    let platform = Hello {
        device: homing_proto::device::Device { platform: Platform::Other, ..first_login().device },
        ..first_login()
    };
    vec![
        ("client_frame_empty", "no frame at all", vec![], Seen::Client(ClientFrame::Unknown)),
        (
            "client_frame_unknown",
            "the frame: ignored",
            field(LATER, b"later"),
            Seen::Client(ClientFrame::Unknown),
        ),
        (
            "hello_unknown_field",
            "a field of Hello: ignored",
            field(1, &[body(&hello_bytes(|_| ())), field(LATER, b"later")].concat()),
            hello(first_login()),
        ),
        (
            "hello_unknown_intent",
            "the intent: taken as AUTOMATIC, which never displaces",
            hello_bytes(|h| h.intent = 77),
            hello(Hello { intent: Intent::Automatic, ..first_login() }),
        ),
        (
            "hello_unknown_platform",
            "the platform: taken as OTHER",
            hello_bytes(|h| h.device.as_mut().unwrap().platform = 77),
            hello(platform),
        ),
        (
            "request_unknown",
            "the request: answered with unknown_operation",
            field(3, &[number(1, 9), field(LATER, b"later")].concat()),
            Seen::Client(ClientFrame::Request { id: 9, body: Request::Unknown }),
        ),
    ]
}

fn server() -> Vec<Unknown> {
    let close = Close {
        error: Error::new(Code(u16::MAX)),
        terminal: false,
        retry_window_ms: None,
        resume_ok: true,
        kick: None,
    };
    let response = ServerFrame::Response { id: 9, body: Ok(Response::Unknown) };
    vec![
        ("server_frame_empty", "no frame at all", vec![], Seen::Server(ServerFrame::Unknown)),
        (
            "server_frame_unknown",
            "the frame: ignored",
            field(LATER, b"later"),
            Seen::Server(ServerFrame::Unknown),
        ),
        (
            "welcome_unknown_field",
            "a field of Welcome: ignored",
            field(1, &[body(&welcome_bytes(|_| ())), field(LATER, b"later")].concat()),
            Seen::Server(ServerFrame::Welcome(Box::new(welcome()))),
        ),
        (
            "welcome_unknown_binding",
            "the binding: taken as FRESH",
            welcome_bytes(|w| w.binding = 77),
            Seen::Server(ServerFrame::Welcome(Box::new(Welcome {
                binding: Binding::Fresh,
                ..welcome()
            }))),
        ),
        (
            "response_unknown",
            "the answer: shown as unknown",
            field(4, &[number(1, 9), field(LATER, b"later")].concat()),
            Seen::Server(response),
        ),
        (
            "close_code_over_16_bits",
            "the code: taken as 65535",
            field(8, &[number(1, 70_000), number(5, 1)].concat()),
            Seen::Server(ServerFrame::Close(Box::new(close))),
        ),
    ]
}

fn inside() -> Vec<Unknown> {
    let known = codec::encode_entry(&message_entry());
    let later = field(LATER, b"later");
    let push = ServerFrame::Push { offset: 1237, entry: LogEntry::Unknown };
    let entries = vec![message_entry(), LogEntry::Unknown, message_entry()];
    let sync = [
        number(1, 1_767_000_000_000),
        number(2, 1236),
        number(3, 1234),
        field(4, &known),
        field(4, &later),
        field(4, &known),
    ];
    let page = page(SyncBody::Entries { first_offset: 1234, entries });
    vec![
        (
            "push_unknown_entry",
            "the kind of entry: it still takes its place in the log",
            field(5, &[number(1, 1237), field(2, &later)].concat()),
            Seen::Server(push.clone()),
        ),
        (
            "push_without_entry",
            "the entry is not there: its place in the log is taken all the same",
            field(5, &number(1, 1237)),
            Seen::Server(push),
        ),
        (
            "sync_unknown_entry_between_known",
            "the second of three entries",
            field(4, &[number(1, 9), field(5, &sync.concat())].concat()),
            Seen::Server(ServerFrame::Response { id: 9, body: Ok(Response::Sync(page)) }),
        ),
        ("entry_unknown", "the kind of entry", later.clone(), Seen::Entry(LogEntry::Unknown)),
        ("content_unknown", "the kind of content", later, Seen::Content(ContentView::Unknown)),
        ("content_empty", "no content at all", vec![], Seen::Content(ContentView::Unknown)),
    ]
}

fn hello_bytes(change: impl FnOnce(&mut wire::Hello)) -> Vec<u8> {
    let known = codec::encode_client(&ClientFrame::Hello(Box::new(first_login())));
    let mut hello = wire::Hello::decode(&body(&known)[..]).unwrap();
    change(&mut hello);
    field(1, &hello.encode_to_vec())
}

fn welcome_bytes(change: impl FnOnce(&mut wire::Welcome)) -> Vec<u8> {
    let known = codec::encode_server(&ServerFrame::Welcome(Box::new(welcome())));
    let mut welcome = wire::Welcome::decode(&body(&known)[..]).unwrap();
    change(&mut welcome);
    field(1, &welcome.encode_to_vec())
}

/// A field of a number, as it lies on the wire.
fn number(field: u32, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    encode_key(field, WireType::Varint, &mut out);
    encode_varint(value, &mut out);
    out
}

/// The body of a frame: what is left without its key and length.
fn body(frame: &[u8]) -> Vec<u8> {
    let mut rest = frame;
    prost::encoding::decode_key(&mut rest).unwrap();
    let len = prost::encoding::decode_varint(&mut rest).unwrap();
    assert_eq!(usize::try_from(len).unwrap(), rest.len());
    rest.to_vec()
}
