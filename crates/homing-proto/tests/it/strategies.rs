//! Arbitrary values of everything that can be said, within its bounds.

use std::ops::RangeInclusive;

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
use homing_proto::secret::{SessionSecret, Token};
use homing_proto::time::WallTime;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn client_frame() -> impl Strategy<Value = ClientFrame> {
    prop_oneof![
        hello().prop_map(|h| ClientFrame::Hello(Box::new(h))),
        (app(), user(), session(), secret()).prop_map(|(app, user, session, secret)| {
            ClientFrame::EndSession(EndSession { app, user, session, secret })
        }),
        (any::<u32>(), request()).prop_map(|(id, body)| ClientFrame::Request { id, body }),
        cursor().prop_map(ClientFrame::Ack),
        any::<u32>().prop_map(|nonce| ClientFrame::Ping { nonce }),
        any::<u32>().prop_map(|nonce| ClientFrame::Pong { nonce }),
        Just(ClientFrame::Unknown),
    ]
}

pub(crate) fn server_frame() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![
        welcome().prop_map(|w| ServerFrame::Welcome(Box::new(w))),
        refuse().prop_map(|r| ServerFrame::Refuse(Box::new(r))),
        session().prop_map(ServerFrame::Ended),
        (any::<u32>(), response()).prop_map(|(id, body)| ServerFrame::Response { id, body }),
        (any::<u64>(), entry()).prop_map(|(offset, entry)| ServerFrame::Push { offset, entry }),
        (any::<u32>(), any::<u64>()).prop_map(|(nonce, head)| ServerFrame::Ping { nonce, head }),
        (any::<u32>(), any::<u64>()).prop_map(|(nonce, head)| ServerFrame::Pong { nonce, head }),
        close().prop_map(|c| ServerFrame::Close(Box::new(c))),
        any::<u32>().prop_map(|seconds| ServerFrame::CredentialExpiring { seconds }),
        vec(device_info(), 0..8).prop_map(ServerFrame::Devices),
        limits().prop_map(ServerFrame::Limits),
        Just(ServerFrame::Unknown),
    ]
}

pub(crate) fn entry() -> impl Strategy<Value = LogEntry> {
    prop_oneof![
        (message(), any::<[u64; 3]>()).prop_map(|(message, [own_count, seq, read_own])| {
            let read = ReadMark { seq: seq.min(message.seq), own_count: read_own.min(own_count) };
            LogEntry::Message { message, own_count, read }
        }),
        (conversation_id(), any::<u64>(), any::<u64>()).prop_map(
            |(conversation, seq, own_count)| LogEntry::Read { conversation, seq, own_count }
        ),
        Just(LogEntry::Unknown),
    ]
}

pub(crate) fn content_view() -> impl Strategy<Value = ContentView> {
    prop_oneof![
        text(200).prop_map(ContentView::Text),
        (text(40), bytes(200)).prop_map(|(kind, data)| ContentView::Custom { kind, data }),
    ]
}

fn hello() -> impl Strategy<Value = Hello> {
    let who = (any::<u32>(), text(limits::SDK_TEXT_BYTES), app(), user(), device());
    let right = (
        select(std::vec![Intent::Explicit, Intent::ExplicitPolite, Intent::Automatic]),
        option::of(credential()),
        option::of((session(), secret(), any::<u64>())),
        any::<u64>(),
    );
    let state = (
        option::of(cursor()),
        vec(client_id(), 0..=limits::IN_FLIGHT),
        window(),
        text(limits::USER_NAME_BYTES),
        bytes(limits::LOGIN_EXTENSION_BYTES),
        any::<u64>(),
        option::of(any::<[u8; 16]>()),
    );
    (who, right, state).prop_map(
        |(
            (proto, sdk, app, user, device),
            (intent, credential, resume, counter),
            (cursor, outbox_heads, window, user_name, login_extension, caps, login_id),
        )| Hello {
            proto,
            sdk,
            app,
            user,
            device,
            intent,
            credential,
            resume: resume.map(|(session, secret, epoch)| Resume { session, secret, epoch }),
            counter,
            cursor,
            outbox_heads,
            window,
            user_name,
            login_extension,
            caps,
            login_id: login_id.map(LoginId),
        },
    )
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (conversation_id(), client_id(), content()).prop_map(
            |(conversation, client_id, content)| Request::Send { conversation, client_id, content }
        ),
        (conversation_id(), any::<u64>())
            .prop_map(|(conversation, seq)| Request::MarkRead { conversation, seq }),
        (option::of(cursor()), window())
            .prop_map(|(cursor, window)| Request::SyncFrom { cursor, window }),
        (conversation_id(), any::<u64>(), 0..=limits::HISTORY_PAGE).prop_map(
            |(conversation, before, limit)| Request::History { conversation, before, limit }
        ),
        Just(Request::ListDevices),
        vec(session(), 0..20).prop_map(Request::KickDevices),
        vec(user(), 0..=limits::PRESENCE_USERS).prop_map(Request::Presence),
        credential().prop_map(Request::Renew),
        Just(Request::Logout),
        Just(Request::Unknown),
    ]
}

fn welcome() -> impl Strategy<Value = Welcome> {
    let right = (
        session(),
        option::of(secret()),
        any::<u64>(),
        select(std::vec![Binding::Fresh, Binding::Resumed, Binding::FreshSessionUnknown]),
        time(),
        option::of(1..=u64::MAX),
        any::<u64>(),
    );
    let state =
        (page(), vec(outbox_ack(), 0..4), vec(device_info(), 0..4), limits(), any::<bool>());
    (right, state).prop_map(
        |(
            (session, secret, epoch, binding, server_time, credential_expires_in_ms, head),
            (sync, outbox_acks, devices, limits, registered),
        )| {
            Welcome {
                session,
                secret,
                epoch,
                binding,
                server_time,
                credential_expires_in_ms,
                head,
                sync,
                outbox_acks,
                devices,
                limits,
                registered,
            }
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    (any::<u32>(), any::<u32>(), any::<u32>(), any::<u32>()).prop_map(
        |(ping_ms, liveness_ms, max_frame, reconnect_window_ms)| Limits {
            ping_ms,
            liveness_ms,
            max_frame,
            reconnect_window_ms,
        },
    )
}

fn refuse() -> impl Strategy<Value = Refuse> {
    (verdict(), any::<bool>(), option::of(kick_record()), vec(device_info(), 0..4))
        .prop_map(|(error, terminal, kick, holders)| Refuse { error, terminal, kick, holders })
}

fn response() -> impl Strategy<Value = Result<Response, Error>> {
    prop_oneof![
        error().prop_map(Err),
        Just(Ok(Response::Done)),
        (any::<u64>(), time()).prop_map(|(seq, time)| Ok(Response::Sent { seq, time })),
        page().prop_map(|page| Ok(Response::Sync(page))),
        vec(message(), 0..8).prop_map(|list| Ok(Response::History(list))),
        vec(device_info(), 0..4).prop_map(|list| Ok(Response::Devices(list))),
        vec((user(), any::<bool>()), 0..8).prop_map(|list| Ok(Response::Presence(list))),
        option::of(1..=u64::MAX).prop_map(|credential_expires_in_ms| {
            Ok(Response::Renewed { credential_expires_in_ms })
        }),
        Just(Ok(Response::Unknown)),
    ]
}

fn close() -> impl Strategy<Value = Close> {
    let retry_window_ms = option::of(1..=u32::MAX);
    (verdict(), any::<bool>(), retry_window_ms, any::<bool>(), option::of(kick_record())).prop_map(
        |(error, terminal, retry_window_ms, resume_ok, kick)| Close {
            // Close says `retry_window` where the others say `retry_after`.
            error: Error { retry_after_ms: None, ..error },
            terminal,
            retry_window_ms,
            resume_ok,
            kick,
        },
    )
}

fn page() -> impl Strategy<Value = SyncPage> {
    let body = prop_oneof![
        (any::<u64>(), vec(entry(), 0..8))
            .prop_map(|(first_offset, entries)| SyncBody::Entries { first_offset, entries }),
        vec(conversation(), 0..4).prop_map(SyncBody::TooLong),
    ];
    (any::<u64>(), any::<u64>(), body).prop_map(|(log_epoch, head, body)| SyncPage {
        log_epoch,
        head,
        body,
    })
}

fn conversation() -> impl Strategy<Value = Conversation> {
    let counts = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    (conversation_id(), counts, vec(message(), 0..4)).prop_map(|(id, counts, messages)| {
        let (head, own_count, read_seq, read_own_count) = counts;
        Conversation { id, head, own_count, read_seq, read_own_count, messages }
    })
}

fn message() -> impl Strategy<Value = Message> {
    (conversation_id(), any::<u64>(), user(), client_id(), time(), content()).prop_map(
        |(conversation, seq, from, client_id, time, content)| Message {
            conversation,
            seq,
            from,
            client_id,
            time,
            content,
        },
    )
}

/// Content travels as any bytes at all, also such as no version can take apart.
fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        content_view().prop_map(|view| Content::new(&view)),
        bytes(limits::CONTENT_BYTES).prop_map(Content),
    ]
}

fn kick_record() -> impl Strategy<Value = KickRecord> {
    let known = select(std::vec![
        KickReason::Policy,
        KickReason::OwnDevice,
        KickReason::Server,
        KickReason::DeviceConflict,
        KickReason::Banned,
        KickReason::AccountDeleted,
        KickReason::SessionExpired,
    ]);
    let unknown = any::<i32>()
        .prop_filter("not a known number", |n| !(1..=7).contains(n))
        .prop_map(KickReason::Unknown);
    let reason = prop_oneof![known, unknown];
    (session(), reason, option::of(device_info()), text(limits::TEXT_BYTES), time()).prop_map(
        |(session, reason, by, text, time)| KickRecord { session, reason, by, text, time },
    )
}

fn device_info() -> impl Strategy<Value = DeviceInfo> {
    (session(), device(), time(), any::<bool>()).prop_map(
        |(session, device, login_time, online)| DeviceInfo { session, device, login_time, online },
    )
}

fn device() -> impl Strategy<Value = Device> {
    let words = text(limits::DEVICE_TEXT_BYTES);
    let tag = text(limits::DEVICE_TEXT_BYTES);
    (any::<[u8; 16]>(), select(&Platform::ALL[..]), words, tag, any::<u32>()).prop_map(
        |(id, platform, os, tag, custom_type)| Device {
            id: DeviceId(id),
            platform,
            os,
            tag,
            custom_type,
        },
    )
}

fn credential() -> impl Strategy<Value = Credential> {
    (text(limits::DEVICE_TEXT_BYTES), text(limits::TOKEN_BYTES))
        .prop_map(|(format, token)| Credential { format, token: Token::new(token) })
}

fn error() -> impl Strategy<Value = Error> {
    let text = option::of(text(limits::TEXT_BYTES).prop_filter("not empty", |t| !t.is_empty()));
    (any::<u16>(), text, option::of(1..=u32::MAX)).prop_map(|(code, text, retry_after_ms)| Error {
        code: Code(code),
        text: text.map(String::into_boxed_str),
        retry_after_ms,
        until: None,
    })
}

/// An error of a last frame, which may be over by itself.
fn verdict() -> impl Strategy<Value = Error> {
    let until = option::of((1..=u64::MAX).prop_map(WallTime));
    (error(), until).prop_map(|(error, until)| error.until(until))
}

fn outbox_ack() -> impl Strategy<Value = OutboxAck> {
    (client_id(), any::<u64>(), time()).prop_map(|(client_id, seq, time)| OutboxAck {
        client_id,
        seq,
        time,
    })
}

fn app() -> impl Strategy<Value = AppId> {
    (1..=u32::MAX).prop_map(|n| AppId::new(n).unwrap())
}

pub(crate) fn user() -> impl Strategy<Value = UserId> {
    "[A-Za-z0-9!#$%&()+\\-:;<=.>?@\\[\\]^_{}|~]{1,32}".prop_map(|t| UserId::parse(&t).unwrap())
}

fn conversation_id() -> impl Strategy<Value = ConversationId> {
    user().prop_map(ConversationId::Direct)
}

fn session() -> impl Strategy<Value = SessionId> {
    any::<[u8; 16]>().prop_map(SessionId)
}

fn client_id() -> impl Strategy<Value = ClientMsgId> {
    any::<[u8; 16]>().prop_map(ClientMsgId)
}

fn secret() -> impl Strategy<Value = SessionSecret> {
    any::<[u8; 32]>().prop_map(SessionSecret::new)
}

fn cursor() -> impl Strategy<Value = Cursor> {
    (any::<u64>(), any::<u64>()).prop_map(|(log_epoch, offset)| Cursor { log_epoch, offset })
}

fn window() -> impl Strategy<Value = Window> {
    let conversations: RangeInclusive<u32> = 0..=limits::WINDOW_CONVERSATIONS;
    (conversations, 0..=limits::WINDOW_MESSAGES)
        .prop_map(|(conversations, per_conversation)| Window { conversations, per_conversation })
}

fn time() -> impl Strategy<Value = WallTime> {
    any::<u64>().prop_map(WallTime)
}

/// Text of at most that many bytes, of all lengths but mostly short, in characters of 1 to 4 bytes.
fn text(bytes_max: usize) -> impl Strategy<Value = String> {
    let short = vec(any::<char>(), 0..8);
    let full = vec(select(std::vec!['a', 'é', '☀', '🏠']), bytes_max..=bytes_max);
    prop_oneof![8 => short, 1 => full].prop_map(move |chars| {
        let mut text: String = chars.into_iter().collect();
        text.truncate(text.floor_char_boundary(bytes_max));
        text
    })
}

fn bytes(bytes_max: usize) -> impl Strategy<Value = Bytes> {
    let short = vec(any::<u8>(), 0..8);
    let full = any::<u8>().prop_map(move |byte| std::vec![byte; bytes_max]);
    prop_oneof![8 => short, 1 => full].prop_map(Bytes::from)
}
