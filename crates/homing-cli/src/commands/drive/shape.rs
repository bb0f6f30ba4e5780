//! What answers and events look like as JSON. These are promises: scripts and bindings read them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use homing::status::{
    Action, CredentialStatus, LinkStatus, SessionStatus, Status, SyncStatus, Trust, Why,
};
use homing::{
    AskReason, Content, ContentView, ConversationId, ConversationView, CredentialAsk, DeviceInfo,
    Error, Event, Gap, History, KickRecord, Message, PendingMessage, SendState,
};
use serde_json::{Value, json};

/// `{"id":…,"ok":…}` or `{"id":…,"err":…}`.
pub(super) fn answer(id: &Value, result: Result<Value, Value>) -> Value {
    match result {
        Ok(value) => json!({"id": id, "ok": value}),
        Err(error) => json!({"id": id, "err": error}),
    }
}

pub(super) fn error(error: &Error) -> Value {
    let mut shape = json!({
        "code": error.code.0,
        "name": error.code.name(),
        "text": error.sentence(),
        "advice": error.code.advice().name(),
    });
    if let Some(ms) = error.retry_after_ms {
        shape["retry_after_ms"] = ms.into();
    }
    if let Some(until) = error.until {
        shape["until_ms"] = until.0.into();
    }
    shape
}

pub(super) fn status_event(picture: &Status) -> Value {
    let mut shape = status(picture);
    shape["event"] = "status".into();
    shape
}

pub(super) fn status(status: &Status) -> Value {
    json!({
        "seq": status.seq,
        "session": session(&status.session),
        "link": link(&status.link),
        "sync": sync(&status.sync),
        "first_screen": status.first_screen,
        "readable": status.readable,
        "cause": status.cause.name(),
        "action": action(status.action()),
    })
}

fn session(session: &SessionStatus) -> Value {
    match session {
        SessionStatus::SignedOut { why } => {
            let mut shape = json!({"state": "SignedOut", "why": why_name(why)});
            match why {
                Why::LoginFailed(failed) | Why::Banned(failed) => shape["error"] = error(failed),
                Why::Kicked(kicked) => shape["record"] = record(kicked),
                Why::Never
                | Why::Logout
                | Why::Switched
                | Why::AccountDeleted
                | Why::VersionTooOld => {}
            }
            shape
        }
        SessionStatus::SigningIn { user } => json!({"state": "SigningIn", "user": user.as_str()}),
        SessionStatus::SignedIn { user, trust, credential } => {
            let trust = match trust {
                Trust::Local => "Local",
                Trust::Verified => "Verified",
            };
            let mut shape = json!({"state": "SignedIn", "user": user.as_str(), "trust": trust});
            shape["credential"] = match credential {
                CredentialStatus::Valid => "Valid",
                CredentialStatus::Expiring { .. } => "Expiring",
                CredentialStatus::Needed { .. } => "Needed",
            }
            .into();
            if let CredentialStatus::Needed { why } = credential {
                shape["error"] = error(why);
            }
            shape
        }
    }
}

const fn why_name(why: &Why) -> &'static str {
    match why {
        Why::Never => "Never",
        Why::Logout => "Logout",
        Why::Switched => "Switched",
        Why::LoginFailed(_) => "LoginFailed",
        Why::Kicked(_) => "Kicked",
        Why::Banned(_) => "Banned",
        Why::AccountDeleted => "AccountDeleted",
        Why::VersionTooOld => "VersionTooOld",
    }
}

fn link(link: &LinkStatus) -> Value {
    match link {
        LinkStatus::Idle => json!({"state": "Idle"}),
        LinkStatus::NoNetwork => json!({"state": "NoNetwork"}),
        LinkStatus::Connecting { attempt } => json!({"state": "Connecting", "attempt": attempt}),
        LinkStatus::Handshaking => json!({"state": "Handshaking"}),
        LinkStatus::Connected { rtt_ms, .. } => {
            let mut shape = json!({"state": "Connected"});
            if let Some(ms) = rtt_ms {
                shape["rtt_ms"] = (*ms).into();
            }
            shape
        }
        LinkStatus::Waiting { attempt, cause, .. } => {
            json!({"state": "Waiting", "attempt": attempt, "error": error(cause)})
        }
        LinkStatus::Paused => json!({"state": "Paused"}),
    }
}

fn sync(sync: &SyncStatus) -> Value {
    match sync {
        SyncStatus::Idle => json!({"state": "Idle"}),
        SyncStatus::CatchingUp { done, of } => {
            json!({"state": "CatchingUp", "done": done, "of": of})
        }
        SyncStatus::Live => json!({"state": "Live"}),
        SyncStatus::Stalled { cause, .. } => json!({"state": "Stalled", "error": error(cause)}),
    }
}

const fn action(action: Action) -> &'static str {
    match action {
        Action::None => "none",
        Action::WaitUntil(_) => "wait",
        Action::AskForCredential => "ask_for_credential",
        Action::ShowKicked => "show_kicked",
        Action::ShowLogin => "show_login",
        Action::UpdateApp => "update_app",
    }
}

pub(super) fn event(event: &Event) -> Value {
    let (name, mut shape) = match event {
        Event::Message(told) => ("message", message(told)),
        Event::SendState { client_id, conversation, state } => {
            let mut shape = json!({
                "client_id": client_id.to_string(),
                "conversation": conversation.to_string(),
            });
            shape["state"] = match state {
                SendState::Queued => "Queued",
                SendState::Accepted { .. } => "Accepted",
                SendState::Refused(_) => "Refused",
            }
            .into();
            match state {
                SendState::Queued => {}
                SendState::Accepted { seq } => shape["seq"] = (*seq).into(),
                SendState::Refused(code) => shape["error"] = error(&Error::new(*code)),
            }
            ("send_state", shape)
        }
        Event::Read { conversation, seq } => {
            ("read", json!({"conversation": conversation.to_string(), "seq": seq}))
        }
        Event::WindowChanged => ("window_changed", json!({})),
        Event::Kicked(kicked) => ("kicked", json!({"record": record(kicked)})),
        Event::DevicesChanged(devices) => {
            let devices: Vec<_> = devices.iter().map(device).collect();
            ("devices_changed", json!({"devices": devices}))
        }
        Event::CredentialExpiring { seconds } => {
            ("credential_expiring", json!({"seconds": seconds}))
        }
        Event::CredentialNeeded(why) => ("credential_needed", json!({"error": error(why)})),
        Event::SyncStarted => ("sync_started", json!({})),
        Event::SyncFinished => ("sync_finished", json!({})),
        Event::SyncFailed(why) => ("sync_failed", json!({"error": error(why)})),
        Event::StoreReset(why) => ("store_reset", json!({"error": error(why)})),
    };
    shape["event"] = name.into();
    shape
}

/// A question to the provider of credentials.
pub(super) fn credential_wanted(number: u64, ask: &CredentialAsk) -> Value {
    let mut shape = json!({"event": "credential_wanted", "ask": number, "user": ask.user.as_str()});
    let reason = match &ask.reason {
        AskReason::Expiring { seconds } => {
            shape["seconds"] = (*seconds).into();
            "expiring"
        }
        AskReason::Expired => "expired",
        AskReason::Refused(why) => {
            shape["error"] = error(why);
            "refused"
        }
    };
    shape["reason"] = reason.into();
    shape
}

pub(super) fn lagged(missed: u64) -> Value {
    json!({"event": "lagged", "missed": missed})
}

pub(super) fn device(info: &DeviceInfo) -> Value {
    json!({
        "session": info.session.to_string(),
        "device_id": info.device.id.to_string(),
        "platform": info.device.platform.name(),
        "os": info.device.os,
        "tag": info.device.tag,
        "custom_type": info.device.custom_type,
        "login_time_ms": info.login_time.0,
        "online": info.online,
    })
}

fn record(record: &KickRecord) -> Value {
    json!({
        "session": record.session.to_string(),
        "reason": record.reason.name(),
        "by": record.by.as_ref().map(device),
        "text": record.text,
        "time_ms": record.time.0,
    })
}

fn message(message: &Message) -> Value {
    let mut shape = json!({
        "conversation": message.conversation.to_string(),
        "seq": message.seq,
        "from": message.from.as_str(),
        "client_id": message.client_id.to_string(),
        "time_ms": message.time.0,
    });
    put_content(&mut shape, &message.content);
    shape
}

fn put_content(shape: &mut Value, content: &Content) {
    match content.view() {
        ContentView::Text(text) => shape["text"] = text.into(),
        ContentView::Custom { kind, data } => {
            shape["custom"] = json!({"kind": kind, "data": STANDARD.encode(data)});
        }
        ContentView::Unknown => shape["unknown"] = STANDARD.encode(&content.0).into(),
    }
}

pub(super) fn conversation(view: &ConversationView) -> Value {
    json!({
        "conversation": view.id.to_string(),
        "head": view.head,
        "unread": view.unread(),
        "read_seq": view.read_seq,
        "time_ms": view.time.0,
        "last": view.last.as_ref().map(message),
    })
}

pub(super) fn history(id: &ConversationId, history: &History) -> Value {
    json!({
        "conversation": id.to_string(),
        "messages": history.messages.iter().map(message).collect::<Vec<_>>(),
        "gap": history.gap == Gap::Missing,
    })
}

pub(super) fn pending(pending: &PendingMessage) -> Value {
    let mut shape = json!({
        "client_id": pending.client_id.to_string(),
        "conversation": pending.conversation.to_string(),
        "queued_at_ms": pending.queued_at.0,
    });
    put_content(&mut shape, &pending.content);
    shape
}
