//! From frames to the schema's structs.

use bytes::Bytes;

use crate::code::Error;
use crate::device::{Device, DeviceInfo, KickReason, KickRecord, Platform};
use crate::frame::{
    Binding, ClientFrame, Close, Credential, Hello, Intent, Limits, OutboxAck, Refuse, Request,
    Response, ServerFrame, SyncBody, SyncPage, Welcome, Window,
};
use crate::id::Cursor;
use crate::message::{Conversation, LogEntry, Message};
use crate::wire;

pub(super) fn client(frame: &ClientFrame) -> wire::ClientFrame {
    use wire::client_frame::Frame;
    let frame = match frame {
        ClientFrame::Hello(h) => Some(Frame::Hello(hello(h))),
        ClientFrame::EndSession(e) => Some(Frame::EndSession(wire::EndSession {
            app: e.app.get(),
            user: e.user.as_str().to_owned(),
            session_id: id16(e.session.0),
            secret: Bytes::copy_from_slice(e.secret.expose()),
        })),
        ClientFrame::Request { id, body } => {
            Some(Frame::Request(wire::Request { id: *id, body: request(body) }))
        }
        ClientFrame::Ack(c) => Some(Frame::Ack(wire::Ack { cursor: Some(cursor(*c)) })),
        ClientFrame::Ping { nonce } => Some(Frame::Ping(wire::Ping { nonce: *nonce, head: 0 })),
        ClientFrame::Pong { nonce } => Some(Frame::Pong(wire::Pong { nonce: *nonce, head: 0 })),
        ClientFrame::Unknown => None,
    };
    wire::ClientFrame { frame }
}

pub(super) fn server(frame: &ServerFrame) -> wire::ServerFrame {
    use wire::server_frame::Frame;
    let frame = match frame {
        ServerFrame::Welcome(w) => Some(Frame::Welcome(welcome(w))),
        ServerFrame::Refuse(r) => Some(Frame::Refuse(refuse(r))),
        ServerFrame::Ended(s) => Some(Frame::Ended(wire::Ended { session_id: id16(s.0) })),
        ServerFrame::Response { id, body } => {
            Some(Frame::Response(wire::Response { id: *id, body: response(body) }))
        }
        ServerFrame::Push { offset, entry: e } => {
            Some(Frame::Push(wire::Push { offset: *offset, entry: Some(entry(e)) }))
        }
        ServerFrame::Ping { nonce, head } => {
            Some(Frame::Ping(wire::Ping { nonce: *nonce, head: *head }))
        }
        ServerFrame::Pong { nonce, head } => {
            Some(Frame::Pong(wire::Pong { nonce: *nonce, head: *head }))
        }
        ServerFrame::Close(c) => Some(Frame::Close(close(c))),
        ServerFrame::CredentialExpiring { seconds } => {
            Some(Frame::CredentialExpiring(wire::CredentialExpiring { seconds: *seconds }))
        }
        ServerFrame::Devices(list) => {
            Some(Frame::Devices(wire::Devices { devices: devices(list) }))
        }
        ServerFrame::Limits(told) => Some(Frame::Limits(limits(*told))),
        ServerFrame::Unknown => None,
    };
    wire::ServerFrame { frame }
}

pub(super) fn entry(entry: &LogEntry) -> wire::LogEntry {
    use wire::log_entry::Entry;
    let entry = match entry {
        LogEntry::Message { message: m, own_count, read } => {
            Some(Entry::Message(wire::MessageEntry {
                message: Some(message(m)),
                own_count: *own_count,
                after_read: m.seq.saturating_sub(read.seq),
                own_after_read: own_count.saturating_sub(read.own_count),
            }))
        }
        LogEntry::Read { conversation, seq, own_count } => Some(Entry::Read(wire::ReadEntry {
            conversation: conversation.to_string(),
            seq: *seq,
            own_count: *own_count,
        })),
        LogEntry::Unknown => None,
    };
    wire::LogEntry { entry }
}

fn hello(h: &Hello) -> wire::Hello {
    let intent = match h.intent {
        Intent::Explicit => wire::Intent::Explicit,
        Intent::ExplicitPolite => wire::Intent::ExplicitPolite,
        Intent::Automatic => wire::Intent::Automatic,
    };
    wire::Hello {
        proto: h.proto,
        sdk: h.sdk.clone(),
        app: h.app.get(),
        user: h.user.as_str().to_owned(),
        device: Some(device(&h.device)),
        intent: intent as i32,
        credential: h.credential.as_ref().map(credential),
        resume: h.resume.as_ref().map(|r| wire::Resume {
            session_id: id16(r.session.0),
            secret: Bytes::copy_from_slice(r.secret.expose()),
            epoch: r.epoch,
        }),
        counter: h.counter,
        cursor: h.cursor.map(cursor),
        outbox_heads: h.outbox_heads.iter().map(|id| id16(id.0)).collect(),
        window: Some(window(h.window)),
        user_name: h.user_name.clone(),
        login_extension: h.login_extension.clone(),
        caps: h.caps,
        login_id: h.login_id.map(|id| id16(id.0)).unwrap_or_default(),
    }
}

fn request(body: &Request) -> Option<wire::request::Body> {
    use wire::request::Body;
    Some(match body {
        Request::Send { conversation, client_id, content } => Body::Send(wire::Send {
            conversation: conversation.to_string(),
            client_id: id16(client_id.0),
            content: content.0.clone(),
        }),
        Request::MarkRead { conversation, seq } => {
            Body::MarkRead(wire::MarkRead { conversation: conversation.to_string(), seq: *seq })
        }
        Request::SyncFrom { cursor: c, window: w } => {
            Body::SyncFrom(wire::SyncFrom { cursor: c.map(cursor), window: Some(window(*w)) })
        }
        Request::History { conversation, before, limit } => Body::History(wire::History {
            conversation: conversation.to_string(),
            before: *before,
            limit: *limit,
        }),
        Request::ListDevices => Body::ListDevices(wire::ListDevices {}),
        Request::KickDevices(sessions) => Body::KickDevices(wire::KickDevices {
            session_ids: sessions.iter().map(|s| id16(s.0)).collect(),
        }),
        Request::Presence(users) => Body::Presence(wire::Presence {
            users: users.iter().map(|u| u.as_str().to_owned()).collect(),
        }),
        Request::Renew(c) => Body::Renew(credential(c)),
        Request::Logout => Body::Logout(wire::Logout {}),
        Request::Unknown => return None,
    })
}

fn response(body: &Result<Response, Error>) -> Option<wire::response::Body> {
    use wire::response::Body;
    Some(match body {
        Err(error) => Body::Fault(wire::Fault {
            code: error.code.0.into(),
            text: text(error),
            retry_after_ms: error.retry_after_ms.unwrap_or(0),
        }),
        Ok(Response::Done) => Body::Done(wire::Done {}),
        Ok(Response::Sent { seq, time }) => Body::Sent(wire::Sent { seq: *seq, time_ms: time.0 }),
        Ok(Response::Sync(page)) => Body::Sync(sync(page)),
        Ok(Response::History(list)) => {
            Body::History(wire::HistoryPage { messages: list.iter().map(message).collect() })
        }
        Ok(Response::Devices(list)) => Body::Devices(wire::Devices { devices: devices(list) }),
        Ok(Response::Presence(list)) => Body::Presence(wire::PresenceList {
            users: list
                .iter()
                .map(|(user, online)| wire::UserPresence {
                    user: user.as_str().to_owned(),
                    online: *online,
                })
                .collect(),
        }),
        Ok(Response::Renewed { credential_expires_in_ms }) => Body::Renewed(wire::Renewed {
            credential_expires_in_ms: expiry(*credential_expires_in_ms),
        }),
        Ok(Response::Unknown) => return None,
    })
}

fn welcome(w: &Welcome) -> wire::Welcome {
    let binding = match w.binding {
        Binding::Fresh => wire::Binding::Fresh,
        Binding::Resumed => wire::Binding::Resumed,
        Binding::FreshSessionUnknown => wire::Binding::FreshSessionUnknown,
    };
    wire::Welcome {
        session_id: id16(w.session.0),
        session_secret: w
            .secret
            .as_ref()
            .map(|s| Bytes::copy_from_slice(s.expose()))
            .unwrap_or_default(),
        epoch: w.epoch,
        binding: binding as i32,
        server_time_ms: w.server_time.0,
        credential_expires_in_ms: expiry(w.credential_expires_in_ms),
        head: w.head,
        sync: Some(sync(&w.sync)),
        outbox_acks: w.outbox_acks.iter().map(outbox_ack).collect(),
        devices: devices(&w.devices),
        limits: Some(limits(w.limits)),
        registered: w.registered,
    }
}

fn refuse(r: &Refuse) -> wire::Refuse {
    wire::Refuse {
        code: r.error.code.0.into(),
        text: text(&r.error),
        terminal: r.terminal,
        retry_after_ms: r.error.retry_after_ms.unwrap_or(0),
        kick: r.kick.as_ref().map(kick),
        holders: devices(&r.holders),
        until_ms: until(&r.error),
    }
}

fn close(c: &Close) -> wire::Close {
    wire::Close {
        code: c.error.code.0.into(),
        text: text(&c.error),
        terminal: c.terminal,
        retry_window_ms: c.retry_window_ms.unwrap_or(0),
        resume_ok: c.resume_ok,
        kick: c.kick.as_ref().map(kick),
        until_ms: until(&c.error),
    }
}

fn until(error: &Error) -> u64 {
    error.until.map_or(0, |until| until.0)
}

fn sync(page: &SyncPage) -> wire::SyncPage {
    let (first_offset, entries, too_long) = match &page.body {
        SyncBody::Entries { first_offset, entries } => {
            (*first_offset, entries.iter().map(entry).collect(), None)
        }
        SyncBody::TooLong(list) => (
            0,
            Vec::new(),
            Some(wire::WindowSnapshot { conversations: list.iter().map(conversation).collect() }),
        ),
    };
    wire::SyncPage { log_epoch: page.log_epoch, head: page.head, first_offset, entries, too_long }
}

fn conversation(c: &Conversation) -> wire::Conversation {
    wire::Conversation {
        id: c.id.to_string(),
        head: c.head,
        own_count: c.own_count,
        read_seq: c.read_seq,
        read_own_count: c.read_own_count,
        messages: c.messages.iter().map(message).collect(),
    }
}

fn message(m: &Message) -> wire::Message {
    wire::Message {
        conversation: m.conversation.to_string(),
        seq: m.seq,
        from: m.from.as_str().to_owned(),
        client_id: id16(m.client_id.0),
        time_ms: m.time.0,
        content: m.content.0.clone(),
    }
}

fn kick(record: &KickRecord) -> wire::KickRecord {
    let reason = match record.reason {
        KickReason::Policy => wire::KickReason::Policy as i32,
        KickReason::OwnDevice => wire::KickReason::OwnDevice as i32,
        KickReason::Server => wire::KickReason::Server as i32,
        KickReason::DeviceConflict => wire::KickReason::DeviceConflict as i32,
        KickReason::Banned => wire::KickReason::Banned as i32,
        KickReason::AccountDeleted => wire::KickReason::AccountDeleted as i32,
        KickReason::SessionExpired => wire::KickReason::SessionExpired as i32,
        KickReason::Unknown(number) => number,
    };
    wire::KickRecord {
        session_id: id16(record.session.0),
        reason,
        by: record.by.as_ref().map(device_info),
        text: record.text.clone(),
        time_ms: record.time.0,
    }
}

fn devices(list: &[DeviceInfo]) -> Vec<wire::DeviceInfo> {
    list.iter().map(device_info).collect()
}

fn device_info(info: &DeviceInfo) -> wire::DeviceInfo {
    wire::DeviceInfo {
        session_id: id16(info.session.0),
        device_id: id16(info.device.id.0),
        platform: platform(info.device.platform) as i32,
        os: info.device.os.clone(),
        tag: info.device.tag.clone(),
        custom_type: info.device.custom_type,
        login_time_ms: info.login_time.0,
        online: info.online,
    }
}

fn device(d: &Device) -> wire::Device {
    wire::Device {
        id: id16(d.id.0),
        platform: platform(d.platform) as i32,
        os: d.os.clone(),
        tag: d.tag.clone(),
        custom_type: d.custom_type,
    }
}

const fn platform(p: Platform) -> wire::Platform {
    match p {
        Platform::Android => wire::Platform::Android,
        Platform::Ios => wire::Platform::Ios,
        Platform::Ipad => wire::Platform::Ipad,
        Platform::Harmony => wire::Platform::Harmony,
        Platform::Windows => wire::Platform::Windows,
        Platform::Macos => wire::Platform::Macos,
        Platform::Linux => wire::Platform::Linux,
        Platform::Web => wire::Platform::Web,
        Platform::MiniProgram => wire::Platform::MiniProgram,
        Platform::Other => wire::Platform::Other,
    }
}

fn credential(c: &Credential) -> wire::Credential {
    wire::Credential { format: c.format.clone(), token: c.token.expose().to_owned() }
}

fn outbox_ack(ack: &OutboxAck) -> wire::OutboxAck {
    wire::OutboxAck { client_id: id16(ack.client_id.0), seq: ack.seq, time_ms: ack.time.0 }
}

const fn limits(l: Limits) -> wire::Limits {
    wire::Limits {
        ping_ms: l.ping_ms,
        liveness_ms: l.liveness_ms,
        max_frame: l.max_frame,
        reconnect_window_ms: l.reconnect_window_ms,
    }
}

const fn window(w: Window) -> wire::Window {
    wire::Window { conversations: w.conversations, per_conversation: w.per_conversation }
}

const fn cursor(c: Cursor) -> wire::Cursor {
    wire::Cursor { log_epoch: c.log_epoch, offset: c.offset }
}

/// On the wire 0 stands for "does not expire", so an expiry that is already there becomes 1 ms.
fn expiry(ms: Option<u64>) -> u64 {
    ms.map_or(0, |ms| ms.max(1))
}

fn text(error: &Error) -> String {
    error.text.as_deref().unwrap_or_default().to_owned()
}

fn id16(id: [u8; 16]) -> Bytes {
    Bytes::copy_from_slice(&id)
}
