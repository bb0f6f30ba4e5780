//! One named value of every kind of frame: what the golden vectors are made from.
//!
//! Ids and secrets are fixed dummy bytes; no value here comes from a clock or a random source.

use bytes::Bytes;
use homing_proto::code::{Code, Error};
use homing_proto::device::{Device, DeviceInfo, KickReason, KickRecord, Platform};
use homing_proto::frame::{
    Binding, ClientFrame, Close, Credential, EndSession, Hello, Intent, Limits, OutboxAck, Refuse,
    Request, Response, Resume, ServerFrame, SyncBody, SyncPage, Welcome, Window,
};
use homing_proto::id::{
    AppId, ClientMsgId, ConversationId, Cursor, DeviceId, LoginId, SessionId, UserId,
};
use homing_proto::limits;
use homing_proto::message::{Content, ContentView, Conversation, LogEntry, Message, ReadMark};
use homing_proto::secret::SessionSecret;
use homing_proto::time::WallTime;

/// 2026-01-02 03:04:05.678 UTC.
pub(crate) const SERVER_TIME: WallTime = WallTime(1_767_323_045_678);

pub(crate) fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

pub(crate) fn with(name: &str) -> ConversationId {
    ConversationId::Direct(user(name))
}

pub(crate) fn app() -> AppId {
    AppId::new(1_400_000_001).unwrap()
}

pub(crate) const fn session(byte: u8) -> SessionId {
    SessionId([byte; 16])
}

pub(crate) const fn secret() -> SessionSecret {
    SessionSecret::new([0x5e; 32])
}

pub(crate) const fn client_id(byte: u8) -> ClientMsgId {
    ClientMsgId([byte; 16])
}

pub(crate) fn device() -> Device {
    Device {
        id: DeviceId([0xd1; 16]),
        platform: Platform::Ios,
        os: "iOS 19.2".to_owned(),
        tag: String::new(),
        custom_type: 0,
    }
}

/// A credential as long as a real UserSig.
pub(crate) fn credential() -> Credential {
    Credential::usersig("eJw-dummy-".repeat(25))
}

pub(crate) fn first_login() -> Hello {
    Hello {
        proto: limits::PROTO,
        sdk: "homing-rust/0.1.0".to_owned(),
        app: app(),
        user: user("alice"),
        device: device(),
        intent: Intent::Explicit,
        credential: Some(credential()),
        resume: None,
        counter: 1,
        cursor: None,
        outbox_heads: Vec::new(),
        window: Window { conversations: 20, per_conversation: 1 },
        user_name: String::new(),
        login_extension: Bytes::new(),
        caps: 0,
        login_id: Some(LoginId([0xe1; 16])),
    }
}

/// What a device says when it comes back from a tunnel.
pub(crate) fn resume() -> Hello {
    Hello {
        intent: Intent::Automatic,
        credential: None,
        login_id: None,
        resume: Some(Resume { session: session(0xa1), secret: secret(), epoch: 7 }),
        counter: 42,
        cursor: Some(Cursor { log_epoch: 1_767_000_000_000, offset: 1234 }),
        outbox_heads: vec![client_id(0xc1), client_id(0xc2)],
        ..first_login()
    }
}

fn full_hello() -> Hello {
    Hello {
        device: Device {
            platform: Platform::Harmony,
            tag: "kitchen tablet".to_owned(),
            custom_type: 3,
            ..device()
        },
        credential: Some(credential()),
        user_name: "Alice ✨".to_owned(),
        login_extension: Bytes::from_static(b"\x00\x01extension"),
        login_id: Some(LoginId([0xe1; 16])),
        caps: 1 << 40,
        ..resume()
    }
}

pub(crate) fn message(text: &str) -> Message {
    Message {
        conversation: with("alice"),
        seq: 57,
        from: user("alice"),
        client_id: client_id(0xc1),
        time: SERVER_TIME,
        content: Content::text(text),
    }
}

pub(crate) fn message_entry() -> LogEntry {
    let read = ReadMark { seq: 57, own_count: 21 };
    LogEntry::Message { message: message("Good morning"), own_count: 21, read }
}

/// Of the last seven messages the owner wrote one and read none.
fn unread_entry() -> LogEntry {
    let read = ReadMark { seq: 50, own_count: 20 };
    LogEntry::Message { message: message("Good morning"), own_count: 21, read }
}

fn read_entry() -> LogEntry {
    LogEntry::Read { conversation: with("alice"), seq: 57, own_count: 21 }
}

pub(crate) fn device_info() -> DeviceInfo {
    DeviceInfo { session: session(0xa1), device: device(), login_time: SERVER_TIME, online: true }
}

fn other_device(platform: Platform) -> DeviceInfo {
    DeviceInfo {
        session: session(0xb2),
        device: Device { id: DeviceId([0xd2; 16]), platform, tag: "work".to_owned(), ..device() },
        login_time: SERVER_TIME,
        online: false,
    }
}

pub(crate) const fn page(body: SyncBody) -> SyncPage {
    SyncPage { log_epoch: 1_767_000_000_000, head: 1236, body }
}

fn missed() -> SyncPage {
    page(SyncBody::Entries { first_offset: 1235, entries: vec![message_entry(), read_entry()] })
}

fn window() -> SyncPage {
    page(SyncBody::TooLong(vec![
        Conversation {
            id: with("alice"),
            head: 57,
            own_count: 21,
            read_seq: 50,
            read_own_count: 20,
            messages: vec![message("Good morning")],
        },
        Conversation {
            id: with("carol"),
            head: 0,
            own_count: 0,
            read_seq: 0,
            read_own_count: 0,
            messages: Vec::new(),
        },
    ]))
}

/// The shortest Welcome there is in practice: a first login that has nothing to catch up with.
pub(crate) fn welcome() -> Welcome {
    Welcome {
        session: session(0xa1),
        secret: Some(secret()),
        epoch: 7,
        binding: Binding::Fresh,
        server_time: SERVER_TIME,
        credential_expires_in_ms: Some(86_400_000),
        head: 1236,
        sync: page(SyncBody::Entries { first_offset: 1237, entries: Vec::new() }),
        outbox_acks: Vec::new(),
        devices: vec![device_info()],
        limits: limits(),
        registered: false,
    }
}

fn limits() -> Limits {
    Limits {
        ping_ms: 25_000,
        liveness_ms: 30_000,
        max_frame: 1_048_576,
        reconnect_window_ms: 10_000,
    }
}

fn kick_record(reason: KickReason) -> KickRecord {
    KickRecord { session: session(0xa1), reason, by: None, text: String::new(), time: SERVER_TIME }
}

fn displaced() -> KickRecord {
    KickRecord {
        by: Some(other_device(Platform::Android)),
        text: "signed in on another phone".to_owned(),
        ..kick_record(KickReason::Policy)
    }
}

fn refuse(code: Code) -> Refuse {
    Refuse { error: code.into(), terminal: true, kick: None, holders: Vec::new() }
}

fn close(code: Code) -> Close {
    Close {
        error: code.into(),
        terminal: false,
        retry_window_ms: None,
        resume_ok: true,
        kick: None,
    }
}

/// Every kind of client frame.
pub(crate) fn client_frames() -> Vec<(&'static str, ClientFrame)> {
    let hello = |hello: Hello| ClientFrame::Hello(Box::new(hello));
    let mut frames = vec![
        ("hello_first_login", hello(first_login())),
        ("hello_polite", hello(Hello { intent: Intent::ExplicitPolite, ..first_login() })),
        (
            "hello_automatic",
            hello(Hello { intent: Intent::Automatic, login_id: None, ..first_login() }),
        ),
        ("hello_without_credential", hello(Hello { credential: None, ..first_login() })),
        ("hello_resume", hello(resume())),
        ("hello_with_everything", hello(full_hello())),
        (
            "end_session",
            ClientFrame::EndSession(EndSession {
                app: app(),
                user: user("alice"),
                session: session(0xa1),
                secret: secret(),
            }),
        ),
        ("ack", ClientFrame::Ack(Cursor { log_epoch: 1_767_000_000_000, offset: 1236 })),
        ("ack_before_the_first_entry", ClientFrame::Ack(Cursor::default())),
        ("ping", ClientFrame::Ping { nonce: 7 }),
        ("pong", ClientFrame::Pong { nonce: u32::MAX }),
    ];
    frames.extend(
        requests().into_iter().map(|(name, body)| (name, ClientFrame::Request { id: 9, body })),
    );
    frames
}

fn requests() -> Vec<(&'static str, Request)> {
    let custom = ContentView::Custom {
        kind: "app/sticker".to_owned(),
        data: Bytes::from_static(&[0, 255, 1]),
    };
    let send =
        |content| Request::Send { conversation: with("bob"), client_id: client_id(0xc1), content };
    let cursor = Cursor { log_epoch: 1_767_000_000_000, offset: 1234 };
    let size = Window { conversations: 20, per_conversation: 20 };
    vec![
        ("request_send_text", send(Content::text("Good morning"))),
        ("request_send_custom", send(Content::new(&custom))),
        ("request_mark_read", Request::MarkRead { conversation: with("bob"), seq: 57 }),
        ("request_sync_from", Request::SyncFrom { cursor: Some(cursor), window: size }),
        ("request_sync_window", Request::SyncFrom { cursor: None, window: size }),
        ("request_history", Request::History { conversation: with("bob"), before: 58, limit: 100 }),
        ("request_list_devices", Request::ListDevices),
        ("request_kick_devices", Request::KickDevices(vec![session(0xb2), session(0xb3)])),
        ("request_presence", Request::Presence(vec![user("bob"), user("carol")])),
        ("request_renew", Request::Renew(credential())),
        ("request_logout", Request::Logout),
    ]
}

/// Every kind of server frame.
pub(crate) fn server_frames() -> Vec<(&'static str, ServerFrame)> {
    let mut frames = welcomes();
    frames.extend(refusals());
    frames.extend([
        ("ended", ServerFrame::Ended(session(0xa1))),
        ("push_message", ServerFrame::Push { offset: 1237, entry: message_entry() }),
        ("push_read", ServerFrame::Push { offset: 1238, entry: read_entry() }),
        ("ping", ServerFrame::Ping { nonce: 1, head: 1238 }),
        ("pong", ServerFrame::Pong { nonce: 7, head: 1238 }),
        ("credential_expiring", ServerFrame::CredentialExpiring { seconds: 30 }),
        ("devices", ServerFrame::Devices(Platform::ALL.map(other_device).to_vec())),
        ("devices_empty", ServerFrame::Devices(Vec::new())),
        ("limits", ServerFrame::Limits(limits())),
    ]);
    frames.extend(
        responses().into_iter().map(|(name, body)| (name, ServerFrame::Response { id: 9, body })),
    );
    frames.extend(closes());
    frames
}

fn welcomes() -> Vec<(&'static str, ServerFrame)> {
    let frame = |welcome: Welcome| ServerFrame::Welcome(Box::new(welcome));
    let ack = OutboxAck { client_id: client_id(0xc1), seq: 57, time: SERVER_TIME };
    vec![
        ("welcome_fresh", frame(welcome())),
        (
            "welcome_registered",
            frame(Welcome { registered: true, credential_expires_in_ms: None, ..welcome() }),
        ),
        (
            "welcome_resumed",
            frame(Welcome {
                secret: None,
                binding: Binding::Resumed,
                sync: missed(),
                outbox_acks: vec![ack],
                devices: vec![device_info(), other_device(Platform::Web)],
                ..welcome()
            }),
        ),
        (
            "welcome_session_unknown",
            frame(Welcome { binding: Binding::FreshSessionUnknown, sync: window(), ..welcome() }),
        ),
    ]
}

fn banned() -> Error {
    Error::new(Code::USER_BANNED).with_text("spam").until(Some(WallTime(SERVER_TIME.0 + 3_600_000)))
}

fn refusals() -> Vec<(&'static str, ServerFrame)> {
    let frame = |refuse: Refuse| ServerFrame::Refuse(Box::new(refuse));
    let kicked = Refuse { kick: Some(displaced()), ..refuse(Code::KICKED) };
    let too_frequent = Error::new(Code::TOO_FREQUENT).retry_after(4_000);
    let unknown = Error::new(Code(999)).with_text("from a later version").retry_after(1);
    vec![
        ("refuse_credential_expired", frame(refuse(Code::CREDENTIAL_EXPIRED))),
        ("refuse_version_too_old", frame(refuse(Code::VERSION_TOO_OLD))),
        ("refuse_kicked", frame(kicked)),
        (
            "refuse_device_limit",
            frame(Refuse {
                holders: vec![other_device(Platform::Android)],
                ..refuse(Code::DEVICE_LIMIT)
            }),
        ),
        (
            "refuse_too_frequent",
            frame(Refuse { error: too_frequent, terminal: false, ..refuse(Code::TOO_FREQUENT) }),
        ),
        ("refuse_user_banned", frame(refuse(Code::USER_BANNED))),
        (
            "refuse_user_banned_until",
            frame(Refuse { error: banned(), ..refuse(Code::USER_BANNED) }),
        ),
        (
            "refuse_unknown_code",
            frame(Refuse { error: unknown, terminal: false, ..refuse(Code(999)) }),
        ),
    ]
}

fn responses() -> Vec<(&'static str, Result<Response, Error>)> {
    let rate_limited = Error::new(Code::RATE_LIMITED).retry_after(1_500);
    let argument = Error::new(Code::INVALID_ARGUMENT).with_text("seq lies past the head");
    let online = vec![(user("bob"), true), (user("carol"), false)];
    vec![
        ("response_fault", Err(Code::PEER_NOT_FOUND.into())),
        ("response_fault_with_text", Err(argument)),
        ("response_fault_retry", Err(rate_limited)),
        ("response_fault_unknown_code", Err(Code(7999).into())),
        ("response_done", Ok(Response::Done)),
        ("response_sent", Ok(Response::Sent { seq: 57, time: SERVER_TIME })),
        ("response_sync_entries", Ok(Response::Sync(missed()))),
        ("response_sync_too_long", Ok(Response::Sync(window()))),
        ("response_sync_empty_window", Ok(Response::Sync(page(SyncBody::TooLong(Vec::new()))))),
        ("response_history", Ok(Response::History(vec![message("Good morning")]))),
        ("response_history_empty", Ok(Response::History(Vec::new()))),
        ("response_devices", Ok(Response::Devices(vec![device_info()]))),
        ("response_presence", Ok(Response::Presence(online))),
        ("response_renewed", Ok(Response::Renewed { credential_expires_in_ms: Some(86_400_000) })),
        (
            "response_renewed_without_expiry",
            Ok(Response::Renewed { credential_expires_in_ms: None }),
        ),
    ]
}

fn closes() -> Vec<(&'static str, ServerFrame)> {
    let frame = |close: Close| ServerFrame::Close(Box::new(close));
    let kicked = |kick| {
        let kick = Some(kick);
        frame(Close { terminal: true, resume_ok: false, kick, ..close(Code::KICKED) })
    };
    let window_ms = Some(10_000);
    vec![
        (
            "close_server_stopping",
            frame(Close { retry_window_ms: window_ms, ..close(Code::SERVER_STOPPING) }),
        ),
        ("close_slow_reader", frame(close(Code::SLOW_READER))),
        ("close_connection_superseded", frame(close(Code::CONNECTION_SUPERSEDED))),
        ("close_credential_expired", frame(close(Code::CREDENTIAL_EXPIRED))),
        (
            "close_protocol_error",
            frame(Close {
                error: Error::new(Code::PROTOCOL_ERROR).with_text("a second hello"),
                ..close(Code::PROTOCOL_ERROR)
            }),
        ),
        ("close_hello_timeout", frame(Close { resume_ok: false, ..close(Code::HELLO_TIMEOUT) })),
        ("close_unknown_code", frame(close(Code(499)))),
        ("close_kicked_by_policy", kicked(displaced())),
        (
            "close_kicked_by_own_device",
            kicked(KickRecord {
                by: Some(other_device(Platform::Web)),
                ..kick_record(KickReason::OwnDevice)
            }),
        ),
        ("close_kicked_by_server", kicked(kick_record(KickReason::Server))),
        ("close_kicked_device_conflict", kicked(kick_record(KickReason::DeviceConflict))),
        ("close_kicked_banned", kicked(kick_record(KickReason::Banned))),
        (
            "close_banned_until",
            frame(Close {
                error: banned(),
                terminal: true,
                resume_ok: false,
                kick: Some(kick_record(KickReason::Banned)),
                ..close(Code::USER_BANNED)
            }),
        ),
        ("close_kicked_account_deleted", kicked(kick_record(KickReason::AccountDeleted))),
        ("close_kicked_session_expired", kicked(kick_record(KickReason::SessionExpired))),
        ("close_kicked_unknown_reason", kicked(kick_record(KickReason::Unknown(99)))),
    ]
}

/// Every kind of log entry, as it is stored.
pub(crate) fn entries() -> Vec<(&'static str, LogEntry)> {
    vec![
        ("entry_message", message_entry()),
        ("entry_message_after_read_mark", unread_entry()),
        ("entry_read", read_entry()),
    ]
}

/// Every kind of content, and what it says.
pub(crate) fn contents() -> Vec<(&'static str, ContentView)> {
    let custom = |kind: &str, data: &'static [u8]| ContentView::Custom {
        kind: kind.to_owned(),
        data: Bytes::from_static(data),
    };
    vec![
        ("content_text", ContentView::Text("Good morning ☀".to_owned())),
        ("content_empty_text", ContentView::Text(String::new())),
        ("content_custom", custom("app/sticker", &[0, 255, 1])),
        ("content_empty_custom", custom("", &[])),
    ]
}
