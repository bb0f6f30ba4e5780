//! From the schema's structs to frames, checking every bound (W-7).

use bytes::Bytes;

use super::{BadFrame, malformed};
use crate::code::{Code, Error};
use crate::device::{Device, DeviceInfo, KickReason, KickRecord, Platform};
use crate::frame::{
    Binding, ClientFrame, Close, Credential, EndSession, Hello, Intent, Limits, OutboxAck, Refuse,
    Request, Response, Resume, ServerFrame, SyncBody, SyncPage, Welcome, Window,
};
use crate::id::{AppId, ClientMsgId, ConversationId, Cursor, DeviceId, LoginId, SessionId, UserId};
use crate::limits as bound;
use crate::message::{Content, Conversation, LogEntry, Message, ReadMark};
use crate::secret::{SessionSecret, Token};
use crate::time::WallTime;
use crate::wire;

type Decoded<T> = Result<T, Error>;

pub(super) fn client(frame: wire::ClientFrame) -> Result<ClientFrame, BadFrame> {
    use wire::client_frame::Frame;
    Ok(match frame.frame {
        None => ClientFrame::Unknown,
        Some(Frame::Hello(h)) => ClientFrame::Hello(Box::new(hello(h)?)),
        Some(Frame::EndSession(e)) => ClientFrame::EndSession(EndSession {
            app: AppId::new(e.app)?,
            user: UserId::parse(&e.user)?,
            session: session(&e.session_id)?,
            secret: secret(&e.secret)?,
        }),
        Some(Frame::Request(r)) => {
            let body = request(r.body).map_err(|error| BadFrame { request: Some(r.id), error })?;
            ClientFrame::Request { id: r.id, body }
        }
        Some(Frame::Ack(a)) => ClientFrame::Ack(cursor(a.cursor.ok_or_else(|| malformed("ack"))?)),
        Some(Frame::Ping(p)) => ClientFrame::Ping { nonce: p.nonce },
        Some(Frame::Pong(p)) => ClientFrame::Pong { nonce: p.nonce },
    })
}

pub(super) fn server(frame: wire::ServerFrame) -> Decoded<ServerFrame> {
    use wire::server_frame::Frame;
    Ok(match frame.frame {
        None => ServerFrame::Unknown,
        Some(Frame::Welcome(w)) => ServerFrame::Welcome(Box::new(welcome(w)?)),
        Some(Frame::Refuse(r)) => ServerFrame::Refuse(Box::new(Refuse {
            error: error(r.code, r.text, r.retry_after_ms).until(until(r.until_ms)),
            terminal: r.terminal,
            kick: r.kick.map(kick).transpose()?,
            holders: devices(r.holders)?,
        })),
        Some(Frame::Ended(e)) => ServerFrame::Ended(session(&e.session_id)?),
        Some(Frame::Response(r)) => ServerFrame::Response { id: r.id, body: response(r.body)? },
        Some(Frame::Push(p)) => ServerFrame::Push {
            offset: p.offset,
            entry: p.entry.map_or(Ok(LogEntry::Unknown), entry)?,
        },
        Some(Frame::Ping(p)) => ServerFrame::Ping { nonce: p.nonce, head: p.head },
        Some(Frame::Pong(p)) => ServerFrame::Pong { nonce: p.nonce, head: p.head },
        Some(Frame::Close(c)) => ServerFrame::Close(Box::new(Close {
            error: error(c.code, c.text, 0).until(until(c.until_ms)),
            terminal: c.terminal,
            retry_window_ms: nonzero(c.retry_window_ms),
            resume_ok: c.resume_ok,
            kick: c.kick.map(kick).transpose()?,
        })),
        Some(Frame::CredentialExpiring(c)) => {
            ServerFrame::CredentialExpiring { seconds: c.seconds }
        }
        Some(Frame::Devices(d)) => ServerFrame::Devices(devices(d.devices)?),
        Some(Frame::Limits(l)) => ServerFrame::Limits(limits(l)),
    })
}

pub(super) fn entry(entry: wire::LogEntry) -> Decoded<LogEntry> {
    use wire::log_entry::Entry;
    Ok(match entry.entry {
        None => LogEntry::Unknown,
        Some(Entry::Message(m)) => {
            let message = message(m.message.ok_or_else(|| malformed("message entry"))?)?;
            let read = ReadMark {
                seq: message.seq.saturating_sub(m.after_read),
                own_count: m.own_count.saturating_sub(m.own_after_read),
            };
            LogEntry::Message { message, own_count: m.own_count, read }
        }
        Some(Entry::Read(r)) => LogEntry::Read {
            conversation: ConversationId::parse(&r.conversation)?,
            seq: r.seq,
            own_count: r.own_count,
        },
    })
}

fn hello(h: wire::Hello) -> Decoded<Hello> {
    let intent = match h.intent() {
        wire::Intent::Explicit => Intent::Explicit,
        wire::Intent::ExplicitPolite => Intent::ExplicitPolite,
        wire::Intent::Automatic | wire::Intent::Unspecified => Intent::Automatic,
    };
    if h.outbox_heads.len() > bound::IN_FLIGHT {
        return Err(malformed("hello: too many outbox heads"));
    }
    Ok(Hello {
        proto: h.proto,
        sdk: text(h.sdk, bound::SDK_TEXT_BYTES, "sdk")?,
        app: AppId::new(h.app)?,
        user: UserId::parse(&h.user)?,
        device: device(h.device.ok_or_else(|| malformed("hello: no device"))?)?,
        intent,
        credential: h.credential.map(credential).transpose()?,
        resume: h.resume.map(resume).transpose()?,
        counter: h.counter,
        cursor: h.cursor.map(cursor),
        outbox_heads: h.outbox_heads.iter().map(|id| client_id(id)).collect::<Decoded<_>>()?,
        window: window(h.window.unwrap_or_default()),
        user_name: text(h.user_name, bound::USER_NAME_BYTES, "user name")?,
        login_extension: bytes(h.login_extension, bound::LOGIN_EXTENSION_BYTES, "extension")?,
        caps: h.caps,
        login_id: optional(&h.login_id, LoginId::from_slice, "login id")?,
    })
}

fn request(body: Option<wire::request::Body>) -> Decoded<Request> {
    use wire::request::Body;
    Ok(match body {
        None => Request::Unknown,
        Some(Body::Send(s)) => Request::Send {
            conversation: ConversationId::parse(&s.conversation)?,
            client_id: client_id(&s.client_id)?,
            content: content(s.content)?,
        },
        Some(Body::MarkRead(m)) => {
            Request::MarkRead { conversation: ConversationId::parse(&m.conversation)?, seq: m.seq }
        }
        Some(Body::SyncFrom(s)) => Request::SyncFrom {
            cursor: s.cursor.map(cursor),
            window: window(s.window.unwrap_or_default()),
        },
        Some(Body::History(h)) => Request::History {
            conversation: ConversationId::parse(&h.conversation)?,
            before: h.before,
            limit: h.limit.min(bound::HISTORY_PAGE),
        },
        Some(Body::ListDevices(_)) => Request::ListDevices,
        Some(Body::KickDevices(k)) => Request::KickDevices(
            k.session_ids.iter().map(|id| session(id)).collect::<Decoded<_>>()?,
        ),
        Some(Body::Presence(p)) => {
            if p.users.len() > bound::PRESENCE_USERS {
                let text = format!("at most {} users at once", bound::PRESENCE_USERS);
                return Err(Error::new(Code::INVALID_ARGUMENT).with_text(text));
            }
            Request::Presence(p.users.iter().map(|u| UserId::parse(u)).collect::<Decoded<_>>()?)
        }
        Some(Body::Renew(c)) => Request::Renew(credential(c)?),
        Some(Body::Logout(_)) => Request::Logout,
    })
}

fn response(body: Option<wire::response::Body>) -> Decoded<Result<Response, Error>> {
    use wire::response::Body;
    Ok(Ok(match body {
        None => Response::Unknown,
        Some(Body::Fault(f)) => return Ok(Err(error(f.code, f.text, f.retry_after_ms))),
        Some(Body::Done(_)) => Response::Done,
        Some(Body::Sent(s)) => Response::Sent { seq: s.seq, time: WallTime(s.time_ms) },
        Some(Body::Sync(page)) => Response::Sync(sync(page)?),
        Some(Body::History(h)) => {
            Response::History(h.messages.into_iter().map(message).collect::<Decoded<_>>()?)
        }
        Some(Body::Devices(d)) => Response::Devices(devices(d.devices)?),
        Some(Body::Presence(p)) => Response::Presence(
            p.users
                .iter()
                .map(|u| Ok((UserId::parse(&u.user)?, u.online)))
                .collect::<Decoded<_>>()?,
        ),
        Some(Body::Renewed(r)) => {
            Response::Renewed { credential_expires_in_ms: nonzero_64(r.credential_expires_in_ms) }
        }
    }))
}

fn welcome(w: wire::Welcome) -> Decoded<Welcome> {
    let binding = match w.binding() {
        wire::Binding::Resumed => Binding::Resumed,
        wire::Binding::FreshSessionUnknown => Binding::FreshSessionUnknown,
        wire::Binding::Fresh | wire::Binding::Unspecified => Binding::Fresh,
    };
    let secret = if w.session_secret.is_empty() { None } else { Some(secret(&w.session_secret)?) };
    Ok(Welcome {
        session: session(&w.session_id)?,
        secret,
        epoch: w.epoch,
        binding,
        server_time: WallTime(w.server_time_ms),
        credential_expires_in_ms: nonzero_64(w.credential_expires_in_ms),
        head: w.head,
        sync: sync(w.sync.ok_or_else(|| malformed("welcome: no sync"))?)?,
        outbox_acks: w.outbox_acks.iter().map(outbox_ack).collect::<Decoded<_>>()?,
        devices: devices(w.devices)?,
        limits: limits(w.limits.ok_or_else(|| malformed("welcome: no limits"))?),
        registered: w.registered,
    })
}

fn sync(page: wire::SyncPage) -> Decoded<SyncPage> {
    let body = match page.too_long {
        Some(snapshot) => SyncBody::TooLong(
            snapshot.conversations.into_iter().map(conversation).collect::<Decoded<_>>()?,
        ),
        None => SyncBody::Entries {
            first_offset: page.first_offset,
            entries: page.entries.into_iter().map(entry).collect::<Decoded<_>>()?,
        },
    };
    Ok(SyncPage { log_epoch: page.log_epoch, head: page.head, body })
}

fn conversation(c: wire::Conversation) -> Decoded<Conversation> {
    Ok(Conversation {
        id: ConversationId::parse(&c.id)?,
        head: c.head,
        own_count: c.own_count,
        read_seq: c.read_seq,
        read_own_count: c.read_own_count,
        messages: c.messages.into_iter().map(message).collect::<Decoded<_>>()?,
    })
}

fn message(m: wire::Message) -> Decoded<Message> {
    Ok(Message {
        conversation: ConversationId::parse(&m.conversation)?,
        seq: m.seq,
        from: UserId::parse(&m.from)?,
        client_id: client_id(&m.client_id)?,
        time: WallTime(m.time_ms),
        content: content(m.content)?,
    })
}

fn until(ms: u64) -> Option<WallTime> {
    (ms > 0).then_some(WallTime(ms))
}

fn kick(record: wire::KickRecord) -> Decoded<KickRecord> {
    let reason = match wire::KickReason::try_from(record.reason) {
        Ok(wire::KickReason::Policy) => KickReason::Policy,
        Ok(wire::KickReason::OwnDevice) => KickReason::OwnDevice,
        Ok(wire::KickReason::Server) => KickReason::Server,
        Ok(wire::KickReason::DeviceConflict) => KickReason::DeviceConflict,
        Ok(wire::KickReason::Banned) => KickReason::Banned,
        Ok(wire::KickReason::AccountDeleted) => KickReason::AccountDeleted,
        Ok(wire::KickReason::SessionExpired) => KickReason::SessionExpired,
        Ok(wire::KickReason::Unspecified) | Err(_) => KickReason::Unknown(record.reason),
    };
    Ok(KickRecord {
        session: session(&record.session_id)?,
        reason,
        by: record.by.map(device_info).transpose()?,
        text: text(record.text, bound::TEXT_BYTES, "kick text")?,
        time: WallTime(record.time_ms),
    })
}

fn devices(list: Vec<wire::DeviceInfo>) -> Decoded<Vec<DeviceInfo>> {
    list.into_iter().map(device_info).collect()
}

fn device_info(info: wire::DeviceInfo) -> Decoded<DeviceInfo> {
    Ok(DeviceInfo {
        session: session(&info.session_id)?,
        login_time: WallTime(info.login_time_ms),
        online: info.online,
        device: device(wire::Device {
            id: info.device_id,
            platform: info.platform,
            os: info.os,
            tag: info.tag,
            custom_type: info.custom_type,
        })?,
    })
}

fn device(d: wire::Device) -> Decoded<Device> {
    Ok(Device {
        id: DeviceId::from_slice(&d.id).ok_or_else(|| malformed("device id"))?,
        platform: platform(d.platform()),
        os: text(d.os, bound::DEVICE_TEXT_BYTES, "os")?,
        tag: text(d.tag, bound::DEVICE_TEXT_BYTES, "tag")?,
        custom_type: d.custom_type,
    })
}

/// A platform this version does not know counts as `Other`.
const fn platform(p: wire::Platform) -> Platform {
    match p {
        wire::Platform::Android => Platform::Android,
        wire::Platform::Ios => Platform::Ios,
        wire::Platform::Ipad => Platform::Ipad,
        wire::Platform::Harmony => Platform::Harmony,
        wire::Platform::Windows => Platform::Windows,
        wire::Platform::Macos => Platform::Macos,
        wire::Platform::Linux => Platform::Linux,
        wire::Platform::Web => Platform::Web,
        wire::Platform::MiniProgram => Platform::MiniProgram,
        wire::Platform::Other | wire::Platform::Unspecified => Platform::Other,
    }
}

fn credential(c: wire::Credential) -> Decoded<Credential> {
    if c.token.len() > bound::TOKEN_BYTES {
        return Err(Error::new(Code::CREDENTIAL_MALFORMED).with_text("the token is too long"));
    }
    Ok(Credential {
        format: text(c.format, bound::DEVICE_TEXT_BYTES, "credential format")?,
        token: Token::new(c.token),
    })
}

fn resume(r: wire::Resume) -> Decoded<Resume> {
    Ok(Resume { session: session(&r.session_id)?, secret: secret(&r.secret)?, epoch: r.epoch })
}

fn outbox_ack(ack: &wire::OutboxAck) -> Decoded<OutboxAck> {
    Ok(OutboxAck {
        client_id: client_id(&ack.client_id)?,
        seq: ack.seq,
        time: WallTime(ack.time_ms),
    })
}

const fn limits(l: wire::Limits) -> Limits {
    Limits {
        ping_ms: l.ping_ms,
        liveness_ms: l.liveness_ms,
        max_frame: l.max_frame,
        reconnect_window_ms: l.reconnect_window_ms,
    }
}

fn window(w: wire::Window) -> Window {
    Window {
        conversations: w.conversations.min(bound::WINDOW_CONVERSATIONS),
        per_conversation: w.per_conversation.min(bound::WINDOW_MESSAGES),
    }
}

const fn cursor(c: wire::Cursor) -> Cursor {
    Cursor { log_epoch: c.log_epoch, offset: c.offset }
}

fn content(content: Bytes) -> Decoded<Content> {
    if content.len() > bound::CONTENT_BYTES {
        return Err(Code::CONTENT_TOO_LARGE.into());
    }
    Ok(Content(content))
}

/// A code over 16 bits cannot be ours; it becomes the largest, which prints as unknown.
fn error(code: u32, text: String, retry_after_ms: u32) -> Error {
    Error {
        code: Code(u16::try_from(code).unwrap_or(u16::MAX)),
        text: (!text.is_empty()).then(|| text.into_boxed_str()),
        retry_after_ms: nonzero(retry_after_ms),
        until: None,
    }
}

fn session(id: &[u8]) -> Decoded<SessionId> {
    SessionId::from_slice(id).ok_or_else(|| malformed("session id"))
}

/// An id that may be left out: empty bytes.
fn optional<T>(id: &[u8], read: fn(&[u8]) -> Option<T>, what: &str) -> Decoded<Option<T>> {
    if id.is_empty() {
        return Ok(None);
    }
    read(id).map(Some).ok_or_else(|| malformed(what))
}

fn client_id(id: &[u8]) -> Decoded<ClientMsgId> {
    ClientMsgId::from_slice(id).ok_or_else(|| malformed("client message id"))
}

fn secret(bytes: &[u8]) -> Decoded<SessionSecret> {
    bytes.try_into().map(SessionSecret::new).map_err(|_| malformed("session secret"))
}

fn text(text: String, bytes_max: usize, what: &str) -> Decoded<String> {
    if text.len() > bytes_max {
        return Err(Error::new(Code::INVALID_ARGUMENT)
            .with_text(format!("{what}: more than {bytes_max} bytes")));
    }
    Ok(text)
}

fn bytes(bytes: Bytes, bytes_max: usize, what: &str) -> Decoded<Bytes> {
    if bytes.len() > bytes_max {
        return Err(Error::new(Code::INVALID_ARGUMENT)
            .with_text(format!("{what}: more than {bytes_max} bytes")));
    }
    Ok(bytes)
}

const fn nonzero(ms: u32) -> Option<u32> {
    if ms == 0 { None } else { Some(ms) }
}

const fn nonzero_64(ms: u64) -> Option<u64> {
    if ms == 0 { None } else { Some(ms) }
}
